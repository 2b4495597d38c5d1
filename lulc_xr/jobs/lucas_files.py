"""Files of LUCAS as labelled points: what the commands `sample` and `evaluate` make of them."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.jobs.terminal import console
from lulc_xr.samples.lucas import read_lucas
from lulc_xr.samples.lucas_labels import label_codes
from lulc_xr.samples.lucas_schema import find_dialect

_KINDS = {"lc1": "lc1", "lc": "lc1", "land_cover": "lc1", "lu1": "lu1", "lu": "lu1",
          "land_use": "lu1"}  # fmt: skip


def is_survey(columns: list[str], labels: str) -> bool:
    """Whether columns are those of a file of LUCAS whose land cover or use is asked for."""
    own_classes = labels in ("land_cover", "land_use") and labels in columns
    if labels.lower() not in _KINDS or own_classes:
        return False
    try:
        find_dialect(columns)
    except SampleError:
        return False
    return True


def read_survey(
    path: Path,
    cube: xr.Dataset,
    *,
    labels: str,
    legend: str | None,
    year: int | None,
    all_years: bool = False,
) -> tuple[geopandas.GeoDataFrame, NDArray[np.uint8], Legend]:
    """Points of LUCAS, their class ids of shape (point,), and the legend of these.

    Parameters
    ----------
    path : Path
        A file of LUCAS.
    cube : xr.Dataset
        Its class maps may name the legend.
    labels : str
        ``lc1`` or ``land_cover``; ``lu1`` or ``land_use``.
    legend : str or None
        Name of a legend that the codes lead to, or a variable of the cube with such a legend;
        None: level 1 of LUCAS.
    year : int or None
        Mapped year: of several campaigns in the file the nearest is taken, and that is said.
        None: the year in the middle of the cube's dates.
    all_years : bool
        Take every campaign, for samples of each visit's own year.

    Raises
    ------
    LegendError
        If the codes do not lead to this legend.
    """
    kind = _KINDS[labels.lower()]
    points = read_lucas(path)
    if not all_years:
        points = _nearest_campaign(points, _middle(cube) if year is None else year)
    wanted, mapped = legend or f"lucas_{kind}_level1", None
    if wanted in cube.data_vars and "flag_values" in cube[wanted].attrs:
        mapped = Legend.from_flags(cube[wanted].attrs)
        wanted = mapped.name
    ids, known = label_codes(points, kind, wanted)
    if mapped is not None and (mapped.ids, mapped.names) != (known.ids, known.names):
        raise LegendError(
            f"the map's legend {mapped.name!r} has classes {', '.join(mapped.names)}; the legend "
            f"of this name that codes of LUCAS lead to has {', '.join(known.names)}. Give points "
            "that hold class ids of the map: --labels COLUMN."
        )
    return points, ids, known


def _nearest_campaign(points: geopandas.GeoDataFrame, year: int) -> geopandas.GeoDataFrame:
    """Visits of the campaign nearest a mapped year: what was seen later or before is not true."""
    campaigns = points["year"].unique()
    if not campaigns.size:
        return points
    nearest = int(min(campaigns, key=lambda one: (abs(int(one) - year), one)))
    taken = points[points["year"] == nearest]
    if len(campaigns) > 1:
        console().print(
            f"campaign of {nearest}, nearest to {year}: {len(taken)} visits; "
            f"{len(points) - len(taken)} of other campaigns left out"
        )
    elif nearest != year:
        console().print(f"[yellow]note:[/] points surveyed in {nearest}, and the year is {year}")
    return taken


def _middle(cube: xr.Dataset) -> int:
    times = cube["time"].values
    return int(times[len(times) // 2].astype("datetime64[Y]").astype(int)) + 1970
