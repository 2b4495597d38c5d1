"""The pixel grid of a cube: a given one, the scenes' own UTM, or any projected CRS."""

from __future__ import annotations

from collections.abc import Sequence

from odc.geo import CRS, XY, AnchorEnum, xy_
from odc.geo.geobox import GeoBox
from odc.geo.geom import box
from pyproj.exceptions import CRSError

from lulc_xr.core.errors import CubeError
from lulc_xr.cube.items import Scene


def check_grid(geobox: GeoBox) -> GeoBox:
    """The grid, after a check that a cube can have it.

    Raises
    ------
    CubeError
        If its CRS is geographic or missing, or it is rotated.
    """
    if not isinstance(geobox, GeoBox):
        raise CubeError(f"geobox is {type(geobox).__name__}; expected odc.geo.geobox.GeoBox.")
    if geobox.crs is None or not geobox.crs.projected:
        raise CubeError(
            f"a cube needs a projected CRS; this geobox has {geobox.crs}. Areas and distances "
            "in degrees are not equal: choose for instance EPSG:3035 or the scenes' UTM."
        )
    if not geobox.axis_aligned:
        raise CubeError("this geobox is rotated; a cube's axes follow those of its CRS.")
    return geobox


def make_grid(
    scenes: Sequence[Scene],
    *,
    bbox: tuple[float, float, float, float],
    crs: str | CRS | None = None,
    resolution: float | None = None,
) -> GeoBox:
    """Grid that covers an area, aligned to the scenes' pixels or to multiples of the resolution.

    In the scenes' own UTM zone pixel corners are theirs, if they agree: Landsat alone lies 15 m
    off multiples of 30, and is pasted as it is. Else, and in any CRS that is named, corners are
    multiples of the resolution: in EPSG:3035 the EEA reference grid, in UTM that of Sentinel-2.
    y goes downwards.

    Parameters
    ----------
    scenes : sequence of Scene
        Say which UTM zone (`crs` None or ``"utm"``) and the finest band (`resolution` None).
    bbox : tuple of float
        West, south, east, north in degrees.
    crs : str or CRS, optional
        A projected CRS.
    resolution : float, optional
        Side of a pixel in units of the CRS.

    Raises
    ------
    CubeError
        If scenes do not share a UTM zone, or the CRS is not projected.

    Examples
    --------
    >>> make_grid([], bbox=(5.0, 50.0, 5.01, 50.01), crs="EPSG:3035", resolution=100).resolution
    Resolution(x=100, y=-100)
    """
    target = _crs(scenes, crs)
    size = resolution or min(s.sensor.gsd[band] for s in scenes for band in s.bands)
    if size <= 0:
        raise CubeError(f"resolution is {resolution}; give a positive number of metres.")
    west, south, east, north = check_bbox(bbox)
    area = box(west, south, east, north, crs="EPSG:4326")
    area = area.to_crs(target, resolution=(east - west) / 32)
    own = crs is None or str(crs).lower() == "utm"
    anchor = _anchor(scenes, size) if own else AnchorEnum.EDGE
    return check_grid(
        GeoBox.from_bbox(area.boundingbox, crs=target, resolution=size, anchor=anchor)
    )


def _anchor(scenes: Sequence[Scene], size: float) -> AnchorEnum | XY[float]:
    """Where pixel corners of all scenes lie within a pixel of `size`; edges if they differ."""
    corners = {
        (round(s.origin[0] % size / size, 6) % 1, round(s.origin[1] % size / size, 6) % 1)
        for s in scenes
        if s.origin is not None
    }
    return xy_(*corners.pop()) if len(corners) == 1 else AnchorEnum.EDGE


def check_bbox(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees, or CubeError if they are not."""
    numbers = tuple(float(value) for value in bbox)
    if len(numbers) == 4:
        west, south, east, north = numbers
        if -180 <= west < east <= 180 and -90 <= south < north <= 90:
            return west, south, east, north
    raise CubeError(
        f"bbox {tuple(bbox)} is no (west, south, east, north) in degrees; for an area in another "
        "CRS give geobox=GeoBox.from_bbox(...)."
    )


def _crs(scenes: Sequence[Scene], crs: str | CRS | None) -> CRS:
    if crs is None or str(crs).lower() == "utm":
        return _shared_crs(scenes)
    try:
        target = CRS(crs)
    except (CRSError, ValueError) as error:
        raise CubeError(
            f"crs {crs!r} is not understood; write for instance 'EPSG:3035'."
        ) from error
    if not target.projected:
        raise CubeError(
            f"crs {str(crs)!r} is geographic; a cube needs a projected CRS, as areas and "
            "distances in degrees are not equal. Choose for instance crs='EPSG:3035' or 'utm'."
        )
    return target


def _shared_crs(scenes: Sequence[Scene]) -> CRS:
    silent = [scene.item_id for scene in scenes if scene.crs is None]
    if silent:
        raise CubeError(
            f"item {silent[0]!r} does not say its CRS (proj:code or proj:epsg), so crs='utm' is "
            "not known. Name one, for instance crs='EPSG:32631' or 'EPSG:3035'."
        )
    count = {str(scene.crs): 0 for scene in scenes}
    for scene in scenes:
        count[str(scene.crs)] += 1
    if len(count) != 1:
        zones = ", ".join(f"{code} ({n} items)" for code, n in sorted(count.items()))
        raise CubeError(
            f"the items lie in {len(count)} zones: {zones or 'none'}. Choose the grid: one of "
            "these as crs=, crs='EPSG:3035' for all of Europe, or geobox=."
        )
    return CRS(next(iter(count)))
