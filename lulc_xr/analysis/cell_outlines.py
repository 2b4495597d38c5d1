"""Cells of a grid as outlines in the pixels of a block, without what other maps take of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from lulc_xr.analysis.extents import LONLAT, Extent, polygon_in, system, transformer
from lulc_xr.core.errors import CubeError
from lulc_xr.core.overlap import Outlines
from lulc_xr.core.target_grid import GridPart

_TORN = 1e7
"""Metres: no piece of a cell's edge is as long (ours); one that is goes around the map's back."""


def outlines_in(part: GridPart, pieces: int, extent: Extent) -> Outlines:
    """Outlines of cells as (column, row) of a block.

    Parameters
    ----------
    part : GridPart
        The cells.
    pieces : int
        Straight pieces of each edge.
    extent : Extent
        The block.

    Raises
    ------
    CubeError
        If a cell goes beyond what the block's reference system can show.
    """
    lonlat = part.outlines(pieces)
    x, y = transformer(LONLAT, extent.crs).transform(lonlat.x, lonlat.y)
    if extent.geographic:
        return _around(lonlat.moved(np.asarray(x), np.asarray(y)), extent)
    if lonlat.x.size:
        _check_whole(lonlat, x, y, extent)
    return lonlat.moved(extent.columns_at(x), extent.rows_at(y))


def meeting(outlines: Outlines, shape: tuple[int, int]) -> Outlines:
    """The rings whose box meets a block of so many rows and columns, as (column, row) of it."""
    if not outlines.cells.size:
        return outlines
    rows, columns = shape
    first = outlines.starts[:-1]
    kept = (
        (np.minimum.reduceat(outlines.x, first) < columns)
        & (np.maximum.reduceat(outlines.x, first) > 0)
        & (np.minimum.reduceat(outlines.y, first) < rows)
        & (np.maximum.reduceat(outlines.y, first) > 0)
    )
    if kept.all():
        return outlines
    lengths = np.diff(outlines.starts)
    corners = np.repeat(kept, lengths)
    return Outlines(
        x=outlines.x[corners],
        y=outlines.y[corners],
        starts=np.cumsum([0, *lengths[kept]]).astype(np.int64),
        cells=outlines.cells[kept],
    )


def without(outlines: Outlines, extent: Extent, winners: Sequence[Extent]) -> Outlines:
    """The outlines without what lies in other rasters.

    Parameters
    ----------
    outlines : Outlines
        As (column, row) of a block.
    extent : Extent
        The block.
    winners : sequence of Extent
        Rasters that take what they share with the block.
    """
    taken = [shape for w in winners if (shape := polygon_in(extent, w)).area > 0]
    if not taken:
        return outlines
    away = shapely.union_all(taken)
    bounds = away.bounds
    rings: list[NDArray[np.float64]] = []
    cells: list[int] = []
    for cell in np.unique(outlines.cells):
        own = [_ring(outlines, int(k)) for k in np.flatnonzero(outlines.cells == cell)]
        low = np.min([r.min(axis=0) for r in own], axis=0)
        high = np.max([r.max(axis=0) for r in own], axis=0)
        if (
            low[0] < bounds[2]
            and high[0] > bounds[0]
            and low[1] < bounds[3]
            and high[1] > bounds[1]
        ):
            own = _rings_of(shapely.difference(_polygon(own), away))
        rings += own
        cells += [int(cell)] * len(own)
    corners = np.concatenate(rings) if rings else np.empty((0, 2))
    starts = np.cumsum([0, *(len(r) for r in rings)])
    return Outlines(
        x=corners[:, 0].copy(),
        y=corners[:, 1].copy(),
        starts=starts.astype(np.int64),
        cells=np.array(cells, np.int64),
    )


def _ring(outlines: Outlines, number: int) -> NDArray[np.float64]:
    part = slice(outlines.starts[number], outlines.starts[number + 1])
    return np.column_stack([outlines.x[part], outlines.y[part]])


def _polygon(rings: Sequence[NDArray[np.float64]]) -> BaseGeometry:
    """One shape of the rings of a cell; those that turn the other way are holes."""
    turns = [_turn(r) for r in rings]
    way = np.sign(sum(turns)) or 1.0
    shapes = [shapely.make_valid(shapely.Polygon(r)) for r in rings]
    full = shapely.union_all([s for s, t in zip(shapes, turns, strict=True) if t * way > 0])
    holes = [s for s, t in zip(shapes, turns, strict=True) if t * way < 0]
    return shapely.difference(full, shapely.union_all(holes)) if holes else full


def _turn(ring: NDArray[np.float64]) -> float:
    x, y = (ring - ring[0]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _rings_of(shape: BaseGeometry) -> list[NDArray[np.float64]]:
    """Rings of a shape; holes turn the other way than what they are in."""
    rings = []
    for polygon in shapely.get_parts(shape):
        if polygon.geom_type != "Polygon" or polygon.area == 0:
            continue
        for ring, way in ((polygon.exterior, 1), *((r, -1) for r in polygon.interiors)):
            corners = shapely.get_coordinates(ring)[:-1]
            rings.append(corners if _turn(corners) * way > 0 else corners[::-1])
    return rings


def _check_whole(
    lonlat: Outlines, x: NDArray[np.float64], y: NDArray[np.float64], extent: Extent
) -> None:
    name = system(extent.crs).name
    lost = ~(np.isfinite(x) & np.isfinite(y))
    metre = system(extent.crs).axis_info[0].unit_conversion_factor
    inner = np.ones(x.size, bool)
    inner[lonlat.starts[1:-1]] = False
    torn = inner & (np.abs(np.diff(x, prepend=x[:1])) * metre > _TORN) & ~lost
    for bad, what in ((lost, "leaves what it can show"), (torn, "is torn apart in it")):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise CubeError(
                f"a cell near longitude {lonlat.x[first]:.3f}, latitude {lonlat.y[first]:.3f} "
                f"meets a map in {name!r} and {what}. Crop the map to the area that its reference "
                "system is made for, or give it in another one."
            )


def _around(outlines: Outlines, extent: Extent) -> Outlines:
    """Outlines of a block in degrees: turned about the pole until they meet its longitudes."""
    columns = extent.shape[1]
    row = extent.rows_at(outlines.y)
    turn = 360 / abs(extent.step[0])
    x: list[NDArray[np.float64]] = []
    y: list[NDArray[np.float64]] = []
    cells: list[int] = []
    for number, cell in enumerate(outlines.cells):
        part = slice(outlines.starts[number], outlines.starts[number + 1])
        column = extent.columns_at(np.unwrap(outlines.x[part], period=360))
        # The first turn whose right end lies right of the block's left one, and what follows.
        first = np.ceil(-column.max() / turn)
        while column.min() + first * turn < columns:
            x.append(column + first * turn)
            y.append(row[part])
            cells.append(int(cell))
            first += 1
    starts = np.cumsum([0, *(len(v) for v in x)]).astype(np.int64)
    empty = np.empty(0)
    return Outlines(
        x=np.concatenate([empty, *x]),
        y=np.concatenate([empty, *y]),
        starts=starts,
        cells=np.array(cells, np.int64),
    )
