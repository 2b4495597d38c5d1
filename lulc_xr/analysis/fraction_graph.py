"""The graph of fractions: one task per block of a map, sums joined as a tree, then the grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import shapely
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from lulc_xr.analysis.extents import LONLAT, Extent, polygon_in, transformer
from lulc_xr.analysis.fraction_sums import Block, Sums, What, join, sum_block
from lulc_xr.analysis.pixel_areas import area_rule
from lulc_xr.core.legend import Legend
from lulc_xr.core.target_grid import GridPart, TargetGrid, pieces_for

BLOCK = 2048
"""Pixels along a side up to which chunks are summed in one task."""

CELLS = 1 << 18
"""Cells up to which a chunk of the result holds the grid."""

WIDE = 8192
"""The same where only outlines are traced."""

_CHUNK = 1024
_FAN = 8
_SIDE = 9


Cells = tuple[NDArray[np.int64], GridPart | None]
"""Cells near a block, and what tasks need of them; None if there is no cell."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Values of one raster in one year, or its extent alone.

    Parameters
    ----------
    extent : Extent
        Where the raster lies.
    values : xr.DataArray or None
        (layer, y, x); None to sum areas.
    winners : tuple of Extent
        Rasters that take what they share with it.
    legend : Legend or None
        Classes, where they are counted.
    """

    extent: Extent
    values: xr.DataArray | None = None
    winners: tuple[Extent, ...] = ()
    legend: Legend | None = None


def grid_sums(
    parts: Sequence[Part],
    grid: TargetGrid,
    *,
    what: What,
    columns: int,
    token: str | None = None,
    near: dict[Extent, Cells] | None = None,
    finish: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> da.Array:
    """Sums of maps in the cells of a grid, lazily.

    Parameters
    ----------
    parts : sequence of Part
        What is summed.
    grid : TargetGrid
        The cells.
    what : str
        What is summed, see :func:`lulc_xr.analysis.fraction_sums.sum_block`.
    columns : int
        Number of sums in a cell of the result.
    token : str, optional
        Names the grid in keys, see :func:`grid_token`; made here without.
    near : dict, optional
        Cells near the blocks of rasters, kept here from one call to the next.
    finish : callable, optional
        Sums (cell, column) of all maps to what the result holds of each cell.

    Returns
    -------
    dask array of float64
        (column, cells along each dimension of the grid); 0 where a cell meets no map.
    """
    pieces = pieces_for(grid.width())
    token = token or grid_token(grid)
    cells_of = partial(_cells_near, grid, {} if near is None else near)
    tasks: dict[Any, Task] = {}
    arrays: list[Any] = []
    leaves: list[Any] = []
    for part in parts:
        lazy = None if part.values is None else _chunked(part.values)
        own = tokenize(part.extent, part.winners, part.legend, what, token)
        name = f"sum-{what}-{own}-{tokenize(lazy.name if lazy is not None else None)}"
        if lazy is not None:
            arrays.append(lazy)
        leaves += _add_blocks(
            tasks, part, lazy, name=name, what=what, pieces=pieces, cells_of=cells_of
        )
    root = _add_tree(tasks, leaves, f"join-{what}-{tokenize(leaves)}")
    name = f"grid-{what}-{tokenize(root, columns, finish)}"
    inputs = [TaskRef(root)] if root is not None else []
    lines = _lines(grid.shape)
    ends = np.cumsum(lines)
    for number, (end, length) in enumerate(zip(ends, lines, strict=True)):
        key = (name, 0, number, *(0 for _ in grid.shape[1:]))
        rows = (int(end) - length, int(end))
        spread = partial(_spread, shape=grid.shape, rows=rows, columns=columns, finish=finish)
        tasks[key] = Task(key, spread, *inputs)
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=arrays)
    chunks = ((columns,), lines, *((n,) for n in grid.shape[1:]))
    return da.Array(graph, name, chunks=chunks, dtype=np.float64)


def _lines(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of the chunks of a grid's first dimension, so that none is large."""
    most = max(1, CELLS // max(1, int(np.prod(shape[1:]))))
    return tuple(min(most, shape[0] - start) for start in range(0, shape[0], most)) or (0,)


def grid_token(grid: TargetGrid) -> str:
    """What names a grid in keys of tasks: two grids never have the same."""
    return str(tokenize(grid))


def _chunked(values: xr.DataArray) -> da.Array:
    """The array in chunks that hold all layers."""
    data = values.data if values.chunks is not None else values.chunk(y=_CHUNK, x=_CHUNK).data
    found: da.Array = data if len(data.chunks[0]) == 1 else data.rechunk({0: -1})
    return found


def _add_blocks(
    tasks: dict[Any, Task],
    part: Part,
    lazy: da.Array | None,
    *,
    name: str,
    what: What,
    pieces: int,
    cells_of: Callable[[Extent], Cells],
) -> list[Any]:
    """A task for each group of neighbouring chunks; their keys, neighbours close to each other."""
    sizes = [_even(n) for n in part.extent.shape] if lazy is None else list(lazy.chunks[1:])
    groups = [_groups(s, WIDE if lazy is None else BLOCK) for s in sizes]
    edges = [np.cumsum([0, *s]) for s in sizes]
    rule = area_rule(part.extent)
    taken = [(w, polygon_in(part.extent, w)) for w in part.winners]
    keys = []
    for i, j in _nearby(len(groups[0]) - 1, len(groups[1]) - 1):
        down, across = (range(g[k], g[k + 1]) for g, k in zip(groups, (i, j), strict=True))
        top, left = int(edges[0][down.start]), int(edges[1][across.start])
        shape = (int(edges[0][down.stop]) - top, int(edges[1][across.stop]) - left)
        extent = part.extent.window(top, left, shape)
        frame = shapely.box(left, top, left + shape[1], top + shape[0])
        cells, own = cells_of(extent)
        if own is None:
            continue
        block = Block(
            extent=extent,
            rule=rule,
            first=(top, left),
            cells=cells,
            part=own,
            pieces=pieces,
            winners=tuple(w for w, shape in taken if shape.intersects(frame)),
            what=what,
            legend=part.legend,
        )
        key = (name, i, j)
        offsets = tuple(
            (int(edges[0][a]) - top, int(edges[1][b]) - left) for a in down for b in across
        )
        chunks = (
            [] if lazy is None else [TaskRef((lazy.name, 0, a, b)) for a in down for b in across]
        )
        tasks[key] = Task(key, partial(_sum, block, offsets), *chunks)
        keys.append(key)
    return keys


def _sum(block: Block, offsets: Sequence[tuple[int, int]], *values: NDArray[Any]) -> Sums:
    chunks = zip(offsets, values, strict=False)
    return sum_block(block, *((row, column, v) for (row, column), v in chunks))


def _even(size: int) -> tuple[int, ...]:
    return tuple(min(BLOCK, size - start) for start in range(0, size, BLOCK))


def _groups(sizes: Sequence[int], most: int) -> list[int]:
    """First chunk of each group of chunks, and the number of chunks."""
    starts, length = [0], 0
    for k, size in enumerate(sizes):
        if length and length + size > most:
            starts.append(k)
            length = 0
        length += size
    return [*starts, len(sizes)]


def _nearby(rows: int, columns: int) -> list[tuple[int, int]]:
    """All (row, column) so that those that follow each other lie close (Morton's order)."""

    def interleaved(place: tuple[int, int]) -> int:
        return sum(
            (part >> bit & 1) << (2 * bit + side)
            for bit in range(32)
            for side, part in enumerate(place)
        )

    return sorted(((i, j) for i in range(rows) for j in range(columns)), key=interleaved)


def _cells_near(grid: TargetGrid, known: dict[Extent, Cells], extent: Extent) -> Cells:
    if extent not in known:
        cells = grid.near(*_around(extent))
        known[extent] = (cells, grid.part(cells) if cells.size else None)
    return known[extent]


def _around(extent: Extent) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of places on the border of a block and inside it."""
    rows, columns = extent.shape
    lines = np.linspace(0, 1, _SIDE)
    column, row = (v.ravel() for v in np.meshgrid(lines * columns, lines * rows))
    longitude, latitude = transformer(extent.crs, LONLAT).transform(*extent.places(column, row))
    seen = np.isfinite(longitude) & np.isfinite(latitude)
    return np.asarray(longitude)[seen], np.asarray(latitude)[seen]


def _add_tree(tasks: dict[Any, Task], keys: Sequence[Any], name: str) -> Any:
    """Join sums few at a time; key of the last sum, None if there is nothing to join."""
    level = 0
    while len(keys) > 1:
        level += 1
        upper = []
        for number, (a, b) in enumerate(pairwise([*range(0, len(keys), _FAN), len(keys)])):
            key = (name, level, number)
            tasks[key] = Task(key, _join, *(TaskRef(k) for k in keys[a:b]))
            upper.append(key)
        keys = upper
    return keys[0] if keys else None


def _join(*parts: Sums) -> Sums:
    return join(parts)


def _spread(
    *sums: Sums,
    shape: tuple[int, ...],
    rows: tuple[int, int],
    columns: int,
    finish: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None,
) -> NDArray[np.float64]:
    """Sums on some rows of the grid's first dimension."""
    side = int(np.prod(shape[1:]))
    made = np.zeros((columns, (rows[1] - rows[0]) * side))
    for part in sums:
        own = slice(*np.searchsorted(part.cells, (rows[0] * side, rows[1] * side)))
        values = part.values[own]
        made[:, part.cells[own] - rows[0] * side] = (finish(values) if finish else values).T
    return made.reshape(columns, rows[1] - rows[0], *shape[1:])
