"""Sums over the pixels of a block in cells of a grid, and how they add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.cell_outlines import meeting, outlines_in, without
from lulc_xr.analysis.class_loop import add_classes
from lulc_xr.analysis.extents import Extent
from lulc_xr.analysis.fraction_loops import add_areas, add_shares, add_values
from lulc_xr.analysis.pixel_areas import AreaRule, pixel_areas
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.overlap import Outlines, cover
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
    rule : AreaRule
        How areas of the raster's pixels are made.
    first : tuple of int
        Row and column of the raster that the block begins with.
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
    rule: AreaRule
    first: tuple[int, int]
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
        return _sum_part(block, (0, 0), block.extent.shape, outlines=outlines)
    found = []
    for row, column, values in chunks:
        shape = (values.shape[-2], values.shape[-1])
        found.append(_sum_part(block, (row, column), shape, outlines=outlines, values=values))
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


def _sum_part(
    block: Block,
    place: tuple[int, int],
    shape: tuple[int, int],
    *,
    outlines: Outlines,
    values: Any = None,
) -> Sums:
    """Sums of the part of a block that begins at a row and a column of it."""
    row, column = place
    moved = outlines.moved(outlines.x - column, outlines.y - row)
    spans = cover(meeting(moved, shape), shape)
    met = spans.cell[np.flatnonzero(np.diff(spans.cell, prepend=-1))]
    first = (block.first[0] + row, block.first[1] + column)
    areas = pixel_areas(block.extent.window(row, column, shape), block.rule, first=first)
    along = (
        spans.cell, spans.row, spans.start, spans.stop, spans.weight,
        areas.nodes, areas.shift, areas.lead,
    )  # fmt: skip
    found = _summed(block, along, values, first=first[0])
    return Sums(cells=block.cells[met], values=found[met])


def _summed(
    block: Block, along: tuple[Any, ...], values: Any, *, first: int
) -> NDArray[np.float64]:
    number = block.cells.size
    if block.what == "extent":
        made = np.zeros((number, 1))
        add_areas(*(*along, made))
    elif block.what == "classes":
        made = _count(block, along, values, number, first=first)
    elif block.what == "probability":
        made = np.zeros((number, len(values)))
        add_shares(*(*along, _decoded(values), made))
    else:
        made = np.zeros((number, 2))
        add_values(*(*along, _decoded(values[0]), made))
    return made


def _words(layer: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The same bytes, eight in one, where they lie so that this can be."""
    fits = layer.flags.c_contiguous and layer.shape[1] % 8 == 0 and layer.ctypes.data % 8 == 0
    return layer.view(np.uint64) if fits else np.empty((0, 0), np.uint64)


def _decoded(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values as float32, NaN for the fill of stored integers; their scale cancels out."""
    found = values.astype(np.float32, copy=False)
    if values.dtype.kind in "iu":
        found[values == FILL_CLASS] = np.nan
    return found


def _count(
    block: Block, along: tuple[Any, ...], values: NDArray[np.uint8], number: int, *, first: int
) -> NDArray[np.float64]:
    legend = block.legend
    assert legend is not None
    found = []
    for layer in values:
        counted = np.zeros((number, 256))
        rule = block.rule
        add_classes(*(*along, first, rule.tall, rule.tilted, layer, _words(layer), counted))
        known = np.zeros(256, bool)
        known[[*legend.ids, FILL_CLASS]] = True
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
