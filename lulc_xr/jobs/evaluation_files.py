"""Tables that ``lulc-xr evaluate`` reads beside the points: areas of strata, judged transfer."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from lulc_xr.core.errors import SampleError, name_unknown

_TABLES = (".csv", ".parquet")


def read_areas(path: Path) -> tuple[dict[str, float], str]:
    """Area of each stratum by its name, and the unit, from a CSV with two columns.

    Parameters
    ----------
    path : Path
        The first column holds the strata, the second their areas; a heading such as ``area_ha``
        or ``area_km2`` tells the unit.

    Raises
    ------
    SampleError
        If the file has other columns, or an area is missing or not positive.
    """
    table = _read(path, what="areas of strata")
    if table.shape[1] != 2:
        raise SampleError(
            f"{str(path)!r} has columns {', '.join(map(str, table.columns))}; expected two: the "
            "stratum, and its area."
        )
    names, heading = table.iloc[:, 0], str(table.columns[1])
    areas = pd.to_numeric(table.iloc[:, 1], errors="coerce")
    wrong = names[~(areas > 0) | ~np.isfinite(areas)]
    if len(wrong):
        raise SampleError(
            f"{str(path)!r}: the area of stratum {wrong.iloc[0]!r} is not a number above 0. "
            "Leave out strata that do not exist."
        )
    unit = heading.rpartition("_")[2] if "_" in heading else ""
    return dict(zip(names.astype(str), areas.astype(float), strict=True)), unit


def read_transfer(path: Path) -> pd.DataFrame:
    """Points judged by models that did not see their region.

    Raises
    ------
    SampleError
        If it lacks one of the columns region, mapped and reference.
    """
    table = _read(path, what="transfer")
    for name in ("region", "mapped", "reference"):
        if name not in table:
            raise SampleError(
                f"{str(path)!r}: {name_unknown('column', name, map(str, table.columns))} A table "
                "of transfer has region (held out), mapped and reference."
            )
    return table


def _read(path: Path, *, what: str) -> pd.DataFrame:
    kind = path.suffix.lower()
    if kind not in _TABLES or not path.is_file():
        raise SampleError(
            f"{what}: {str(path)!r} is no file that is there and ends in {' or '.join(_TABLES)}."
        )
    try:
        return pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except (ValueError, csv.Error) as error:
        raise SampleError(f"{what}: {str(path)!r} cannot be read: {error}.") from error
