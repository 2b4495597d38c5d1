"""How large pixels truly are: area on the ellipsoid, for any reference system."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.extents import LONLAT, Extent, belt, system, transformer
from lulc_xr.core.ellipsoid import area_density
from lulc_xr.core.errors import CubeError

_STEP = 1e-3
_BESIDE_POLE = 1e-2
_EQUAL = 1e-8
"""Scales of area that differ by less are equal: numerical differences are good to 2e-10."""
_SMOOTH = 1e-7
"""Error of areas that interpolation between nodes may make (ours)."""
_LEVEL = 1e-8
"""Areas of a band of rows that differ by less are taken for equal (ours)."""
_TALL, _TALLEST = 8, 30
"""Rows of a band are at most 1 << 8, where there are nodes: sums of columns fit 32 bits."""
_LINES = 9
_WIDEST = 12
"""Nodes are at most 1 << 12 pixels apart."""


@dataclass(frozen=True, kw_only=True)
class AreaRule:
    """How the areas of a raster's pixels are made, the same for all of its blocks.

    Parameters
    ----------
    equal : bool
        Whether all pixels are equally large, and as large as they are in the reference system.
    shift : int
        Otherwise nodes of interpolation are 1 << shift rows and columns apart.
    tall : int
        Pixels above each other in bands of 1 << tall rows are equally large; at most `shift`
        where there are nodes.
    tilted : bool
        Whether pixels of a row differ.
    """

    equal: bool
    shift: int = 0
    tall: int = 0
    tilted: bool = True


@dataclass(frozen=True, kw_only=True)
class PixelAreas:
    """Areas in square metres of the pixels of a block, linear along columns between nodes.

    Parameters
    ----------
    nodes : ndarray of float64
        Area of a pixel of each row around the nodes: (row, node).
    shift : int
        Columns from node to node are 1 << shift.
    lead : int
        Columns from the first node to the block.
    """

    nodes: NDArray[np.float64]
    shift: int
    lead: int


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
    # At a pole itself longitude has no direction; a kilometre beside it the scale is the same.
    latitude = np.clip(latitude, -90 + _BESIDE_POLE, 90 - _BESIDE_POLE)
    xe, ye = move.transform(longitude + _STEP, latitude)
    xw, yw = move.transform(longitude - _STEP, latitude)
    xn, yn = move.transform(longitude, latitude + _STEP)
    xs, ys = move.transform(longitude, latitude - _STEP)
    with np.errstate(invalid="ignore"):
        per_step = np.abs((xe - xw) * (yn - ys) - (xn - xs) * (ye - yw))
    sine, cosine = np.sin(np.deg2rad(latitude)), np.cos(np.deg2rad(latitude))
    element = area_density(sine**2) * cosine
    found: NDArray[np.float64] = per_step / (element * (2 * np.deg2rad(_STEP)) ** 2)
    return found


@functools.lru_cache(maxsize=256)
def area_rule(extent: Extent) -> AreaRule:
    """How areas of the pixels of a raster are made.

    Whether a reference system is equal-area is measured, not taken from the name of the
    projection: PROJ computes Mollweide, for one, on a sphere, which is not equal-area on the
    ellipsoid.
    """
    if extent.geographic:
        return AreaRule(equal=False, tilted=False)
    column, row = _lattice(extent)
    scale = _scale_at(extent, column, row) * _metre(extent) ** 2
    if (np.abs(scale - 1) < _EQUAL).all():
        return AreaRule(equal=True, tall=_TALLEST, tilted=False)
    for shift in range(min(_WIDEST, max(extent.shape).bit_length()), 0, -1):
        half = (1 << shift) / 2
        bends: NDArray[np.float64] = np.zeros(column.size)
        for down, across in ((half, 0.0), (0.0, half)):
            ahead, behind = (
                _scale_near(extent, column + side * across, row + side * down) for side in (1, -1)
            )
            bends += np.abs((ahead + behind) * _metre(extent) ** 2 - 2 * scale) / 2
        # Beyond what can be shown there is no number, which is not below anything.
        if (bends < _SMOOTH * scale).all():
            tall = min(shift, _TALL, _tall(extent, scale))
            return AreaRule(equal=False, shift=shift, tall=tall)
    return AreaRule(equal=False)


def _tall(extent: Extent, scale: NDArray[np.float64]) -> int:
    """Rows in which the area of a pixel stays the same, as a power of two."""
    lines = scale.reshape(_LINES, _LINES)
    apart = max((extent.shape[0] / (_LINES - 1)), 1e-9)
    per_row = float((np.abs(np.diff(lines, axis=0)) / lines[1:]).max()) / apart
    return int(np.clip(np.floor(np.log2(_LEVEL / max(per_row, 1e-300))), 0, _TALLEST))


def pixel_areas(extent: Extent, rule: AreaRule, *, first: tuple[int, int] = (0, 0)) -> PixelAreas:
    """Areas of the pixels of a block.

    Parameters
    ----------
    extent : Extent
        The block.
    rule : AreaRule
        What :func:`area_rule` says of the raster.
    first : tuple of int
        Row and column of the raster that the block begins with: nodes are those of the raster, so
        that blocks do not show.
    """
    rows, columns = extent.shape
    wide = max(0, (columns - 1).bit_length())
    if extent.geographic:
        edges = extent.corner[1] + extent.step[1] * np.arange(rows + 1, dtype=np.float64)
        of_row = np.abs(np.diff(belt(edges)) * extent.step[0])
        return PixelAreas(nodes=np.repeat(of_row[:, None], 2, axis=1), shift=wide, lead=0)
    if rule.equal:
        area = extent.pixel * _metre(extent) ** 2
        return PixelAreas(nodes=np.full((rows, 2), area), shift=wide, lead=0)
    size = 1 << rule.shift
    lead = [start & (size - 1) for start in first]
    lines, node = (
        np.arange(-(-(before + length) // size) + 1, dtype=np.float64) * size - before
        for before, length in zip(lead, extent.shape, strict=True)
    )
    column, row = (v.ravel() for v in np.meshgrid(node, lines))
    found = extent.pixel / _scale_at(extent, column, row).reshape(lines.size, node.size)
    # Rows of a band, which is the raster's, have the area of its middle.
    band = (np.arange(rows) + lead[0]) >> rule.tall
    place, rest = np.divmod((band + 0.5) * (1 << rule.tall), size)
    line, share = place.astype(np.int64), (rest / size)[:, None]
    nodes = found[line] * (1 - share) + found[line + 1] * share
    return PixelAreas(nodes=nodes, shift=rule.shift, lead=lead[1])


def _lattice(extent: Extent) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and rows of places all over a raster."""
    rows, columns = extent.shape
    lines = np.linspace(0, 1, _LINES)
    column, row = np.meshgrid(lines * columns, lines * rows)
    return column.ravel(), row.ravel()


def _metre(extent: Extent) -> float:
    """Metres in a unit of the reference system."""
    return float(system(extent.crs).axis_info[0].unit_conversion_factor)


def _scale_at(
    extent: Extent, column: NDArray[np.float64], row: NDArray[np.float64]
) -> NDArray[np.float64]:
    found = _scale_near(extent, column, row)
    if not np.isfinite(found).all() or (found <= 0).any():
        raise CubeError(
            f"pixels lie where {system(extent.crs).name!r} is not defined. Crop the map to the "
            "area that its reference system is made for."
        )
    return found


def _scale_near(
    extent: Extent, column: NDArray[np.float64], row: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Areal scale at places counted in pixels; no number where the system is not defined."""
    longitude, latitude = transformer(extent.crs, LONLAT).transform(*extent.places(column, row))
    lost = ~np.isfinite(longitude)
    found = areal_scale(extent.crs, np.where(lost, 0, longitude), np.where(lost, 0, latitude))
    return np.where(lost, np.nan, found)
