"""How large pixels truly are: area on the ellipsoid, for any reference system."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.extents import LONLAT, Extent, system, transformer
from lulc_xr.core.ellipsoid import area_density, area_up_to
from lulc_xr.core.errors import CubeError

_STEP = 1e-3
_EQUAL = 1e-8
"""Scales of area that differ by less are equal: numerical differences are good to 2e-10."""
_SMOOTH = 4e-7
"""Error of interpolation at twice the distance of nodes; it is a quarter of this at theirs."""


@dataclass(frozen=True, kw_only=True)
class PixelAreas:
    """Areas in square metres of the pixels of a block, linear along columns between nodes.

    Parameters
    ----------
    nodes : ndarray of float64
        Area of a pixel of each row around every (1 << shift)th column: (row, node).
    shift : int
        Columns from node to node are 1 << shift.
    same : bool
        Whether all pixels are equally large.
    """

    nodes: NDArray[np.float64]
    shift: int
    same: bool


def areal_scale(
    crs: str, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared units of a reference system per square metre on the ellipsoid, at places.

    Parameters
    ----------
    crs : str
        Projected reference system.
    longitude, latitude : ndarray of float64
        In degrees on WGS 84, shape (place,).

    Notes
    -----
    The Jacobian by central differences of 0.001 degrees (error about 2e-10), over the element of
    area of the ellipsoid. PROJ's own factors of scale belong to a sphere where the formulas are
    spherical: off by up to 0.5 % in Europe for EPSG:3857 and ESRI:54009.

    References
    ----------
    Snyder, J. P. (1987). Map projections: a working manual. USGS Professional Paper 1395.
    """
    move = transformer(LONLAT, crs)
    xe, ye = move.transform(longitude + _STEP, latitude)
    xw, yw = move.transform(longitude - _STEP, latitude)
    xn, yn = move.transform(longitude, latitude + _STEP)
    xs, ys = move.transform(longitude, latitude - _STEP)
    per_step = np.abs((xe - xw) * (yn - ys) - (xn - xs) * (ye - yw))
    sine, cosine = np.sin(np.deg2rad(latitude)), np.cos(np.deg2rad(latitude))
    element = area_density(sine**2) * cosine
    found: NDArray[np.float64] = per_step / (element * (2 * np.deg2rad(_STEP)) ** 2)
    return found


def belt(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area in m² from the equator to a latitude in degrees, per degree of longitude."""
    sine: NDArray[np.float64] = np.sin(np.deg2rad(np.clip(latitude, -90, 90)))
    found: NDArray[np.float64] = area_up_to(sine) * np.deg2rad(1)
    return found


def is_equal_area(extent: Extent) -> bool:
    """Whether areas in the raster's reference system are true ones all over it.

    Measured, not taken from the name of the projection: PROJ computes Mollweide, for one, on a
    sphere, which is not equal-area on the ellipsoid.
    """
    if extent.geographic:
        return False
    return _is_equal(extent)


@functools.lru_cache(maxsize=256)
def _is_equal(extent: Extent) -> bool:
    rows, columns = extent.shape
    column, row = (
        v.ravel() for v in np.meshgrid(np.linspace(0, columns, 9), np.linspace(0, rows, 9))
    )
    metre = system(extent.crs).axis_info[0].unit_conversion_factor
    scale = _scale_at(extent, column, row) * metre**2
    return bool((np.abs(scale - 1) < _EQUAL).all())


def pixel_areas(extent: Extent, *, equal: bool) -> PixelAreas:
    """Areas of the pixels of a block.

    Parameters
    ----------
    extent : Extent
        The block.
    equal : bool
        What :func:`is_equal_area` says of the raster.
    """
    rows, columns = extent.shape
    if extent.geographic:
        edges = extent.corner[1] + extent.step[1] * np.arange(rows + 1, dtype=np.float64)
        of_row = np.abs(np.diff(belt(edges)) * extent.step[0])
        return PixelAreas(
            nodes=np.repeat(of_row[:, None], 2, axis=1), shift=_shift(columns), same=False
        )
    if equal:
        metre = system(extent.crs).axis_info[0].unit_conversion_factor
        area = extent.pixel * metre**2
        return PixelAreas(nodes=np.full((rows, 2), area), shift=_shift(columns), same=True)
    pieces = 4
    while True:
        shift = _shift(-(-columns // (2 * pieces)))
        node = np.arange(-(-columns // (1 << shift)) + 1) << shift
        steps = 2 * min(pieces, max(rows, 1))
        lines = np.linspace(0, rows, steps + 1)
        column, row = (v.ravel() for v in np.meshgrid(node.astype(np.float64), lines))
        found = extent.pixel / _scale_at(extent, column, row).reshape(lines.size, node.size)
        off = max(_bend(found), _bend(found.T))
        if off < _SMOOTH or (shift == 0 and steps >= rows):
            break
        pieces *= 2
    centres = np.arange(rows) + 0.5
    place = np.minimum((centres / rows * steps).astype(np.int64), steps - 1)
    share = (centres / rows * steps - place)[:, None]
    nodes = found[place] * (1 - share) + found[place + 1] * share
    return PixelAreas(nodes=nodes, shift=shift, same=False)


def _shift(columns: int) -> int:
    """Power of two that is at least so many."""
    return max(0, (columns - 1).bit_length())


def _bend(values: NDArray[np.float64]) -> float:
    """Largest relative distance of a row from the middle of its neighbours."""
    if len(values) < 3:
        return 0.0
    off = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2) / values[1:-1]
    return float(off.max())


def _scale_at(
    extent: Extent, column: NDArray[np.float64], row: NDArray[np.float64]
) -> NDArray[np.float64]:
    x, y = extent.places(column, row)
    longitude, latitude = transformer(extent.crs, LONLAT).transform(x, y)
    found = areal_scale(extent.crs, longitude, latitude)
    if not np.isfinite(found).all() or (found <= 0).any():
        raise CubeError(
            f"pixels lie where {system(extent.crs).name!r} is not defined. Crop the map to the "
            "area that its reference system is made for."
        )
    return found
