"""Sums over the pixels of a block in cells of a grid, and how they add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.cell_outlines import outlines_in, without
from lulc_xr.analysis.extents import Extent
from lulc_xr.analysis.pixel_areas import PixelAreas, pixel_areas
from lulc_xr.core.compiled import compiled
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.core.overlap import Outlines, Spans, cover
from lulc_xr.core.target_grid import GridPart

What = Literal["extent", "classes", "probability", "entropy"]
"""What is summed: area, area of each class, area times probability, area times entropy."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What some cells of a grid hold of maps, in square metres.

    Parameters
    ----------
    cells : ndarray of int64
        Cells of the grid, ascending, (cell,).
    values : ndarray of float64
        Sums, (cell, column).
    """

    cells: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Block:
    """What a task must know of a block and of the cells that it meets.

    Parameters
    ----------
    extent : Extent
        Where the block lies.
    equal : bool
        Whether areas in its reference system are true ones.
    cells : ndarray of int64
        Cells of the grid that may meet it, ascending.
    part : GridPart
        Their outlines.
    pieces : int
        Straight pieces of each edge of a cell.
    winners : tuple of Extent
        Rasters that take what they share with the block.
    what : str
        What is summed.
    legend : Legend or None
        Classes, where they are counted.
    """

    extent: Extent
    equal: bool
    cells: NDArray[np.int64]
    part: GridPart
    pieces: int
    winners: tuple[Extent, ...] = ()
    what: What = "extent"
    legend: Legend | None = None


def sum_block(block: Block, *chunks: tuple[int, int, NDArray[Any]]) -> Sums:
    """Sums of a block in the cells that it meets.

    Parameters
    ----------
    block : Block
        Where it is, and which cells are near.
    chunks : tuple
        First row, first column and values of each chunk of the block: (layer, y, x), where
        layers are members or classes. None to sum the areas of the pixels themselves.

    Returns
    -------
    Sums
        Columns by `block.what`: area; area of each class, member by member; area times the
        probability of each class; area times entropy, and the area that has entropy.
    """
    outlines = outlines_in(block.part, block.pieces, block.extent)
    if block.winners:
        outlines = without(outlines, block.extent, block.winners)
    if block.what == "extent":
        return _sum_part(block, block.extent, outlines, None)
    found = []
    for row, column, values in chunks:
        rows, columns = values.shape[-2:]
        extent = block.extent.window(row, column, (rows, columns))
        moved = outlines.moved(outlines.x - column, _moved(outlines.y, row))
        found.append(_sum_part(block, extent, moved, values))
    return join(found)


def join(parts: Sequence[Sums]) -> Sums:
    """Sums of all parts."""
    if len(parts) == 1:
        return parts[0]
    cells = np.concatenate([p.cells for p in parts])
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    values = np.concatenate([p.values for p in parts])[order]
    added = np.add.reduceat(values, first, axis=0) if first.size else values
    return Sums(cells=ordered[first], values=added)


def _moved(row: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    return row - by


def _sum_part(block: Block, extent: Extent, outlines: Outlines, values: Any) -> Sums:
    spans = cover(outlines, extent.shape)
    met = np.unique(spans.cell)
    # Positions among the cells that are met, so that sums are no longer than needed.
    place = np.searchsorted(met, spans.cell)
    areas = pixel_areas(extent, equal=block.equal)
    return Sums(
        cells=block.cells[met], values=_summed(block, spans, place, met.size, areas, values)
    )


def _summed(
    block: Block,
    spans: Spans,
    place: NDArray[np.int64],
    number: int,
    areas: PixelAreas,
    values: Any,
) -> NDArray[np.float64]:
    along: tuple[Any, ...] = (
        place, spans.row, spans.start, spans.stop, spans.weight, areas.nodes, areas.every,
    )  # fmt: skip
    if block.what == "extent":
        made = np.zeros((number, 1))
        _add_areas(*(*along, made))
    elif block.what == "classes":
        made = _count(block, along, values, number, same=areas.same)
    elif block.what == "probability":
        made = np.zeros((number, len(values)))
        _add_shares(*(*along, values.astype(np.float32, copy=False), made))
    else:
        made = np.zeros((number, 2))
        _add_values(*(*along, values[0].astype(np.float32, copy=False), made))
    return made


def _count(
    block: Block, along: tuple[Any, ...], values: NDArray[np.uint8], number: int, *, same: bool
) -> NDArray[np.float64]:
    legend = block.legend
    assert legend is not None
    found = []
    for layer in values:
        counted = np.zeros((number, 256))
        if same:
            _add_counts(*(*along, layer, counted))
        else:
            _add_weighted(*(*along, layer, counted))
        known = np.zeros(256, bool)
        known[[*legend.ids, 255]] = True
        unknown = np.flatnonzero(counted[:, ~known].any(axis=0))
        if unknown.size:
            ids = np.flatnonzero(~known)[unknown]
            raise LegendError(
                f"class ids {', '.join(map(str, ids[:8]))} of the map are not part of its legend "
                f"{legend.name!r}, whose ids are {', '.join(map(str, legend.ids))}, with 255 for "
                "'not mapped'. Give the map the legend that it was made with, or set these pixels "
                "to 255."
            )
        found.append(counted[:, list(legend.ids)])
    return np.concatenate(found, axis=1)


@compiled
def _add_areas(
    cell: Any, row: Any, start: Any, stop: Any, weight: Any, nodes: Any, every: int, out: Any
) -> None:
    for s in range(cell.size):
        i, j = row[s], start[s]
        total = 0.0
        while j < stop[s]:
            p = j // every
            end = min(stop[s], (p + 1) * every)
            slope = (nodes[i, p + 1] - nodes[i, p]) / every
            total += (end - j) * (nodes[i, p] + slope * ((j + end) / 2 - p * every))
            j = end
        out[cell[s], 0] += weight[s] * total


@compiled
def _add_counts(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    every: int,
    classes: Any,
    out: Any,
) -> None:
    area = nodes[0, 0] if nodes.shape[0] else 0.0
    # Four counts in turn: a count need not wait for the one before it.
    counts = np.zeros((4, 256), np.int64)
    for s in range(cell.size):
        i, a, b = row[s], start[s], stop[s]
        if weight[s] == 1.0:
            j = a
            while j + 4 <= b:
                counts[0, classes[i, j]] += 1
                counts[1, classes[i, j + 1]] += 1
                counts[2, classes[i, j + 2]] += 1
                counts[3, classes[i, j + 3]] += 1
                j += 4
            while j < b:
                counts[0, classes[i, j]] += 1
                j += 1
        else:
            for j in range(a, b):
                out[cell[s], classes[i, j]] += weight[s] * area
        if s + 1 == cell.size or cell[s + 1] != cell[s]:
            for k in range(256):
                whole = counts[0, k] + counts[1, k] + counts[2, k] + counts[3, k]
                if whole:
                    out[cell[s], k] += whole * area
            counts[:] = 0


@compiled
def _add_weighted(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    every: int,
    classes: Any,
    out: Any,
) -> None:
    sums = np.zeros((4, 256))
    for s in range(cell.size):
        i, j, last = row[s], start[s], stop[s]
        w = weight[s]
        while j < last:
            p = j // every
            end = min(last, (p + 1) * every)
            slope = w * (nodes[i, p + 1] - nodes[i, p]) / every
            base = w * nodes[i, p] + slope * (0.5 - p * every)
            while j + 4 <= end:
                sums[0, classes[i, j]] += base + slope * j
                sums[1, classes[i, j + 1]] += base + slope * (j + 1)
                sums[2, classes[i, j + 2]] += base + slope * (j + 2)
                sums[3, classes[i, j + 3]] += base + slope * (j + 3)
                j += 4
            while j < end:
                sums[0, classes[i, j]] += base + slope * j
                j += 1
        if s + 1 == cell.size or cell[s + 1] != cell[s]:
            for k in range(256):
                total = sums[0, k] + sums[1, k] + sums[2, k] + sums[3, k]
                if total != 0.0:
                    out[cell[s], k] += total
            sums[:] = 0.0


@compiled
def _add_shares(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    every: int,
    shares: Any,
    out: Any,
) -> None:
    """Area times the share of each class, which add up to 1 in every pixel that has them."""
    classes = shares.shape[0]
    part = np.empty(shares.shape[2])
    for s in range(cell.size):
        i, a, b = row[s], start[s], stop[s]
        part[a:b] = 0.0
        for k in range(classes):
            for j in range(a, b):
                part[j] += shares[k, i, j]
        for j in range(a, b):
            p = j // every
            slope = (nodes[i, p + 1] - nodes[i, p]) / every
            area = weight[s] * (nodes[i, p] + slope * (j + 0.5 - p * every))
            # No number: not mapped.
            part[j] = area / part[j] if part[j] > 0.0 else 0.0
        for k in range(classes):
            total = 0.0
            for j in range(a, b):
                if part[j] > 0.0:
                    total += part[j] * shares[k, i, j]
            out[cell[s], k] += total


@compiled
def _add_values(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    every: int,
    values: Any,
    out: Any,
) -> None:
    """Area times the value, and the area of the pixels that have one."""
    for s in range(cell.size):
        i = row[s]
        for j in range(start[s], stop[s]):
            if not np.isnan(values[i, j]):
                p = j // every
                slope = (nodes[i, p + 1] - nodes[i, p]) / every
                area = weight[s] * (nodes[i, p] + slope * (j + 0.5 - p * every))
                out[cell[s], 0] += area * values[i, j]
                out[cell[s], 1] += area
