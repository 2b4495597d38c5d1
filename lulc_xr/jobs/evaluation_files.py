"""What ``lulc-xr evaluate`` opens beside points: the map, areas of strata, judged transfer."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.core.errors import CubeError, LegendError, SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.legends import list_legends
from lulc_xr.cube.class_raster import open_class_map
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.point_files import read_legend

RASTERS = (".tif", ".tiff", ".vrt", ".img")
"""Suffixes of rasters of classes."""

_TABLES = (".csv", ".parquet")


def open_maps(
    path: Path, *, task: str, year: int | None, legend: str | None
) -> tuple[xr.Dataset, int | None]:
    """A class map over (y, x) with what else is known of it, and the year that it maps.

    Parameters
    ----------
    path : Path
        Store of a cube, or a raster of classes.
    task : str
        Name of the class map.
    year : int or None
        Mapped year; None: the last of a store, and not known of a raster.
    legend : str or None
        Legend of a raster: a known name, or a JSON file.

    Raises
    ------
    CubeError
        If the store has no such map or year.
    LegendError
        If a raster comes without a legend, or a store with one.
    """
    if path.suffix.lower() in RASTERS:
        if legend is None:
            raise LegendError(
                f"{str(path)!r} does not say what its class ids mean. Name its legend: --legend "
                f"{', '.join(list_legends())}, or a .json file (what Legend.to_dict() gives)."
            )
        known: str | Legend = legend
        if legend.endswith(".json"):
            known = read_legend(Path(legend))
        return open_class_map(path, legend=known, name=task).to_dataset(name=task), year
    if legend is not None:
        raise LegendError(
            f"--legend {legend} is for a raster of classes ({', '.join(RASTERS)}); the map in "
            f"{str(path)!r} carries its own. Leave it out."
        )
    cube = open_cube(path)
    last = _year_of(cube, task, year)
    return cube.sel(year=last).drop_vars("year"), last


def _year_of(cube: xr.Dataset, task: str, year: int | None) -> int:
    maps = [str(n) for n, v in cube.data_vars.items() if {"year", "y", "x"} == set(v.dims)]
    classes = [name for name in maps if "flag_values" in cube[name].attrs]
    if task not in classes:
        raise CubeError(
            name_unknown("class map", task, classes)
            + " Make one with 'lulc-xr classify STORE --model DIR'."
        )
    return choose_year(cube, year)


def choose_year(cube: xr.Dataset, year: int | None) -> int:
    """A mapped year of a store; by default the last.

    Raises
    ------
    CubeError
        If it is not mapped.
    """
    known = [int(y) for y in cube["year"].values]
    if year is not None and year not in known:
        raise CubeError(name_unknown("mapped year", year, map(str, known)))
    return known[-1] if year is None else year


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
