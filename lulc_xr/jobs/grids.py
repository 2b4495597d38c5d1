"""The grid of a recipe: its area in a projected reference system, on whole pixels."""

from __future__ import annotations

import math
from pathlib import Path

import geopandas
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from lulc_xr.core.errors import CubeError, StoreError, name_unknown
from lulc_xr.jobs.recipe import UTM, Area, Grid

Bounds = tuple[float, float, float, float]

_DEGREES = CRS.from_epsg(4326)
_EDGE_POINTS = 101
"""Points along each edge of a rectangle in degrees, whose sides are curved on the grid."""


def grid_of(area: Area, grid: Grid) -> GeoBox:
    """Pixels of an area; edges lie at multiples of the pixel size, so grids of one size nest.

    Parameters
    ----------
    area : Area
        Rectangle in degrees, or polygons of a file.
    grid : Grid
        Reference system and pixel size; the area must lie in its `extent`.

    Returns
    -------
    odc.geo.geobox.GeoBox
        At least the area, rounded outwards to whole pixels.

    Raises
    ------
    StoreError
        If the file of the area is not there.
    CubeError
        If it has no such polygons, or the area lies outside the extent.
    """
    bounds, crs_of_bounds = _bounds(area)
    crs = _projected(grid, bounds, crs_of_bounds)
    left, bottom, right, top = Transformer.from_crs(
        crs_of_bounds, crs, always_xy=True
    ).transform_bounds(*bounds, densify_pts=_EDGE_POINTS)
    if not all(map(math.isfinite, (left, bottom, right, top))):
        raise CubeError(
            f"area {[round(b, 4) for b in bounds]} cannot be projected to {grid.crs}; choose a "
            "reference system that covers it, or crs = 'utm'."
        )
    if grid.extent is not None:
        _check_inside((left, bottom, right, top), grid.extent)
    return _pixels((left, bottom, right, top), crs, grid.resolution)


def extent_of(grid: Grid) -> GeoBox | None:
    """Pixels that a store may grow to, if the recipe declares them."""
    if grid.extent is None:
        return None
    return _pixels(grid.extent, CRS.from_user_input(grid.crs), grid.resolution)


def _pixels(bounds: Bounds, crs: CRS, step: float) -> GeoBox:
    left, bottom, right, top = bounds
    # A thousandth of a pixel: bounds that lie on the grid but for rounding stay on it.
    west, south = (math.floor(v / step + 1e-3) * step for v in (left, bottom))
    east, north = (math.ceil(v / step - 1e-3) * step for v in (right, top))
    code = ":".join(crs.to_authority() or ()) or crs.to_wkt()
    return GeoBox.from_bbox((west, south, east, north), crs=code, resolution=step, tight=True)


def bounds_in_degrees(area: Area) -> Bounds:
    """West, south, east, north of an area in degrees."""
    bounds, crs = _bounds(area)
    transform = Transformer.from_crs(crs, _DEGREES, always_xy=True)
    west, south, east, north = transform.transform_bounds(*bounds, densify_pts=_EDGE_POINTS)
    return west, south, east, north


def _bounds(area: Area) -> tuple[Bounds, CRS]:
    if area.bbox is not None:
        return area.bbox, _DEGREES
    frame = _polygons(Path(str(area.file)), column=area.column, name=area.name)
    west, south, east, north = (float(v) for v in frame.total_bounds)
    return (west, south, east, north), CRS.from_user_input(frame.crs)


def _polygons(path: Path, *, column: str | None, name: str | None) -> geopandas.GeoDataFrame:
    if not path.is_file():
        raise StoreError(
            f"no file {str(path)!r} of the area; paths are taken from the recipe's own folder."
        )
    frame = geopandas.read_file(path)
    if frame.crs is None:
        raise CubeError(f"{str(path)!r} has no reference system; set one, as for EPSG:4326.")
    if column is not None:
        if column not in frame.columns:
            raise CubeError(name_unknown(f"column of {path.name}", column, frame.columns))
        known = frame[column].astype(str)
        if name not in set(known):
            said = name_unknown(f"{column} in {path.name}", name, sorted(set(known))[:200])
            raise CubeError(said)
        frame = frame[known == name]
    if frame.empty:
        raise CubeError(f"{str(path)!r} holds no polygon, so it is no area.")
    return frame


def _projected(grid: Grid, bounds: Bounds, crs: CRS) -> CRS:
    if grid.crs.lower() != UTM:
        return CRS.from_user_input(grid.crs)
    west, south, east, north = Transformer.from_crs(crs, _DEGREES, always_xy=True).transform_bounds(
        *bounds
    )
    x, y = (west + east) / 2, (south + north) / 2
    found = query_utm_crs_info(datum_name="WGS 84", area_of_interest=AreaOfInterest(x, y, x, y))
    # The zone of six degrees; around Norway, where scenes have wider ones, name it in the recipe.
    return CRS.from_authority(found[0].auth_name, found[0].code)


def _check_inside(inner: Bounds, outer: Bounds) -> None:
    left, bottom, right, top = inner
    if left < outer[0] or bottom < outer[1] or right > outer[2] or top > outer[3]:
        raise CubeError(
            f"the area ({left:.0f}, {bottom:.0f}, {right:.0f}, {top:.0f} in metres of the grid) "
            f"lies outside its extent {list(outer)}. Widen [grid] extent before the store is "
            "built, or leave it out."
        )
