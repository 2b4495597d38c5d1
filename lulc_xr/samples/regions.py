"""Regions of points: polygons, climate zones of a raster, the five groups of biogeography."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, TypeVar

import geopandas
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.require import require

Placed = TypeVar("Placed", geopandas.GeoDataFrame, xr.Dataset)

METRIC = "EPSG:3035"
"""System in which distances to polygons are measured: that of the EEA reference grid."""

KOEPPEN = (
    "Af", "Am", "Aw", "BWh", "BWk", "BSh", "BSk", "Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc",
    "Cfa", "Cfb", "Cfc", "Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd", "Dfa", "Dfb",
    "Dfc", "Dfd", "ET", "EF",
)  # fmt: skip
"""Climate zones of Köppen and Geiger, numbered from 1 as by Beck et al. 2018."""

BIOGEOGRAPHICAL_GROUPS: Mapping[str, str] = {
    "alpine": "alpine",
    "arctic": "boreal",
    "boreal": "boreal",
    "atlantic": "atlantic",
    "blacksea": "mediterranean",
    "macaronesia": "mediterranean",
    "macaronesian": "mediterranean",
    "mediterranean": "mediterranean",
    "steppic": "mediterranean",
    "continental": "continental",
    "pannonian": "continental",
}
"""Five groups of the EEA's biogeographical regions (Leonhardt et al., GCPR 2023).

The grouping is theirs, the names of the groups are ours.
"""


def assign_regions(
    points: Placed,
    polygons: geopandas.GeoDataFrame,
    *,
    column: str,
    name: str = "region",
    nearest: float = 0.0,
) -> Placed:
    """Points or samples with the name of the polygon that each lies in.

    Parameters
    ----------
    points : GeoDataFrame or xr.Dataset
        Points in any system, or samples as :func:`lulc_xr.extract_samples` gives them.
    polygons : GeoDataFrame
        Regions in any system, such as NUTS or the EEA's biogeographical regions. Where they
        overlap, the first in the table counts.
    column : str
        Column with the name of a region.
    name : str
        Name of the new column or variable.
    nearest : float
        Points outside of all polygons take the nearest one within so many metres (in
        EPSG:3035): coasts of small-scale maps run inland of true ones.

    Returns
    -------
    GeoDataFrame or xr.Dataset
        The same with text; empty where there is no region.

    Raises
    ------
    SampleError
        If a system, the column, or a position is missing.

    Warns
    -----
    UserWarning
        If points are left without a region.
    """
    if column not in polygons:
        raise SampleError(name_unknown("column of polygons", column, map(str, polygons.columns)))
    if polygons.crs is None:
        raise SampleError("the polygons have no reference system; set it: .set_crs('EPSG:4326').")
    if nearest < 0:
        raise SampleError(f"nearest {nearest:g} is negative; give metres >= 0.")
    places = _places(points).to_crs(polygons.crs)
    parts = _parts(polygons, column, places, nearest)
    found = np.full(len(places), "", object)
    tree = shapely.STRtree(parts.geometry.to_numpy())
    point, part = tree.query(places.to_numpy(), predicate="intersects")
    # The first polygon of the table last, so that it stays.
    for p, q in sorted(zip(point.tolist(), part.tolist(), strict=True), key=lambda m: -m[1]):
        found[p] = str(parts[column].iloc[q])
    lost = np.flatnonzero(found == "")
    if nearest > 0 and lost.size and len(parts):
        near = shapely.STRtree(parts.geometry.to_crs(METRIC).to_numpy())
        outside = places.iloc[lost].to_crs(METRIC).to_numpy()
        point, part = near.query_nearest(outside, max_distance=nearest, all_matches=False)
        found[lost[point]] = parts[column].iloc[part].astype(str).to_numpy()
    return _with(points, found, name)


def assign_raster_regions(
    points: Placed,
    raster: str | PathLike[str],
    *,
    names: Iterable[str] = KOEPPEN,
    name: str = "koeppen",
) -> Placed:
    """Points or samples with the class of the raster's cell that each lies in.

    Parameters
    ----------
    points : GeoDataFrame or xr.Dataset
        Points in any system, or samples as :func:`lulc_xr.extract_samples` gives them.
    raster : path
        A raster of whole numbers from 1; 0 and no data: no region.
    names : iterable of str
        Name of each number, from 1. By default the zones of Köppen and Geiger as numbered by
        Beck et al. 2018.
    name : str
        Name of the new column or variable.

    Returns
    -------
    GeoDataFrame or xr.Dataset
        The same with text; empty where there is no region.

    Raises
    ------
    SampleError
        If a number has no name, or a position is missing.

    Warns
    -----
    UserWarning
        If points are left without a region.

    References
    ----------
    Beck et al. 2018, Present and future Köppen-Geiger climate classification maps at 1-km
    resolution, https://doi.org/10.1038/sdata.2018.214
    """
    rasterio = require("rasterio", extra="stac")
    legend = ["", *names]
    with rasterio.open(raster) as source:
        places = _places(points).to_crs(source.crs)
        to_cell = ~source.transform
        x, y = places.x.to_numpy(), places.y.to_numpy()
        column = np.floor(to_cell.a * x + to_cell.b * y + to_cell.c).astype(int)
        row = np.floor(to_cell.d * x + to_cell.e * y + to_cell.f).astype(int)
        inside = (row >= 0) & (row < source.height) & (column >= 0) & (column < source.width)
        numbers = np.zeros(len(places), np.int64)
        if inside.any():
            r, c = row[inside], column[inside]
            span = ((int(r.min()), int(r.max()) + 1), (int(c.min()), int(c.max()) + 1))
            part = source.read(1, window=span, masked=True).filled(0)
            numbers[inside] = part[r - r.min(), c - c.min()]
    wrong = numbers[(numbers < 0) | (numbers >= len(legend))]
    if wrong.size:
        raise SampleError(
            f"{str(raster)!r} holds class {wrong[0]}, and there are names for 1 to "
            f"{len(legend) - 1}. Give names=[...] of this raster's classes."
        )
    return _with(points, np.array(legend, object)[numbers], name)


def group_biogeographical(names: Iterable[str], *, other: str | None = None) -> NDArray[Any]:
    """The five groups of the EEA's biogeographical regions, to leave one out at a time.

    Parameters
    ----------
    names : iterable of str
        Names of regions as the EEA writes them, long or short: "Black Sea", "blackSea",
        "Black Sea Bio-geographical Region".
    other : str, optional
        What stands for regions of no group (Anatolian, outside, none). By default they are
        an error.

    Returns
    -------
    ndarray of str
        "alpine", "boreal" (with arctic), "atlantic", "mediterranean" (with Black Sea,
        Macaronesian and Steppic) or "continental" (with Pannonian).

    Raises
    ------
    SampleError
        If names are of no group and `other` is not given; all of them are listed.

    References
    ----------
    Leonhardt, Drees, Gall, Roscher, GCPR 2023, doi 10.1007/978-3-031-54605-1_15.

    Examples
    --------
    >>> group_biogeographical(["Pannonian", "blackSea"]).tolist()
    ['continental', 'mediterranean']
    """
    given = [str(name) for name in names]
    groups = [BIOGEOGRAPHICAL_GROUPS.get(_plain(name), other) for name in given]
    unknown = sorted({n for n, group in zip(given, groups, strict=True) if group is None})
    if unknown:
        raise SampleError(
            f"{', '.join(map(repr, unknown))} belong to none of the five groups. Known: "
            f"{', '.join(BIOGEOGRAPHICAL_GROUPS)}. Pass other='outside' to keep them apart."
        )
    return np.array(groups, np.dtypes.StringDType())


def _plain(name: str) -> str:
    short = re.sub(r"bio-?geographical region", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^a-z]", "", short.lower())


def _places(points: geopandas.GeoDataFrame | xr.Dataset) -> geopandas.GeoSeries:
    if isinstance(points, geopandas.GeoDataFrame):
        if points.crs is None:
            raise SampleError("these points have no reference system; .set_crs('EPSG:4326').")
        kinds = set(points.geom_type.dropna()) - {"Point"}
        if kinds or points.geometry.isna().any():
            raise SampleError(
                f"{', '.join(sorted(kinds)) or 'missing geometries'} among the points; expected "
                "a point in every row."
            )
        return points.geometry.reset_index(drop=True)
    if not isinstance(points, xr.Dataset) or not {"x", "y"} <= set(points.variables):
        raise SampleError(
            f"expected a GeoDataFrame of points, or samples with x and y; got "
            f"{type(points).__name__}. Draw samples with lulc_xr.extract_samples."
        )
    if "crs_wkt" not in points.attrs:
        raise SampleError(
            "these samples do not say which system x and y are in (attribute 'crs_wkt'). Draw "
            "them with lulc_xr.extract_samples."
        )
    geometry = geopandas.points_from_xy(points["x"].values, points["y"].values)
    return geopandas.GeoSeries(geometry, crs=points.attrs["crs_wkt"])


def _parts(
    polygons: geopandas.GeoDataFrame,
    column: str,
    places: geopandas.GeoSeries,
    nearest: float,
) -> geopandas.GeoDataFrame:
    """Single valid polygons near the points: parts overseas would spoil projected distances."""
    valid = polygons[[column, polygons.geometry.name]].copy()
    valid.geometry = valid.geometry.make_valid()
    parts = valid.explode(index_parts=False).reset_index(drop=True)
    box = shapely.box(*places.total_bounds)
    if nearest > 0:
        around = geopandas.GeoSeries([box], crs=places.crs).to_crs(METRIC).buffer(nearest)
        box = around.to_crs(places.crs).iloc[0].union(box)
    return parts[parts.intersects(box)].reset_index(drop=True)


def _with(points: Placed, found: NDArray[Any], name: str) -> Placed:
    missing = int((found == "").sum())
    if missing:
        warnings.warn(
            f"{missing} of {found.size} points have no {name}; they are empty text there. For "
            "points off a generalised coast pass nearest=metres to assign_regions.",
            stacklevel=3,
        )
    if isinstance(points, xr.Dataset):
        text = xr.Variable(points["x"].dims, found.astype(np.dtypes.StringDType()))
        return points.assign({name: text})
    return points.assign(**{name: found.astype(str)})
