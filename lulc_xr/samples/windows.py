"""Which pixels belong to a point: its patch, the chunks that hold it, its tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.samples.pixels import Chunk, ChunkGrid

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChunkMembers:
    """A chunk of the cube, and the samples whose patches overlap it.

    Parameters
    ----------
    chunk : tuple of int
        Row and column in the grid of chunks.
    shard : tuple of int
        Row and column in the grid of shards.
    members : ndarray of int
        Positions of the samples, ascending.
    """

    chunk: Chunk
    shard: Chunk
    members: Integers


def home_order(row: Integers, column: Integers, grid: ChunkGrid) -> tuple[Integers, Integers]:
    """Order of samples by the chunk of their own pixel, shard after shard.

    Returns
    -------
    order : ndarray of int
        Positions of the samples, (sample,); those of one chunk keep their order.
    starts : ndarray of int
        Where in `order` another chunk begins, (chunk,).
    """
    homes = [
        np.searchsorted(e, p, "right") - 1 for e, p in zip(grid.edges, (row, column), strict=True)
    ]
    keys = _keys(homes[0], homes[1], grid)
    order = np.lexsort(keys)
    change = np.zeros(order.size, np.bool_)
    for key in keys:
        change[1:] |= np.diff(key[order]) != 0
    return order, np.concatenate([np.zeros(min(1, order.size), np.int64), np.flatnonzero(change)])


def members_of_chunks(
    row: Integers, column: Integers, grid: ChunkGrid, *, patch: int, shape: tuple[int, int]
) -> Iterator[ChunkMembers]:
    """Chunks that patches overlap, shard after shard, each once, with their samples.

    Parameters
    ----------
    row, column : ndarray of int
        Pixel of every sample, (sample,).
    grid : ChunkGrid
        The chunks of the cube.
    patch : int
        Side of a patch in pixels, odd.
    shape : tuple of int
        Rows and columns of the cube.
    """
    spans = [
        _span(place, edges, half=patch // 2, size=size)
        for place, edges, size in zip((row, column), grid.edges, shape, strict=True)
    ]
    parts = []
    for down in range(int((spans[0][1] - spans[0][0]).max(initial=0)) + 1):
        for right in range(int((spans[1][1] - spans[1][0]).max(initial=0)) + 1):
            y, x = spans[0][0] + down, spans[1][0] + right
            inside = np.flatnonzero((y <= spans[0][1]) & (x <= spans[1][1]))
            parts.append(np.stack([inside, y[inside], x[inside]]))
    member, y, x = np.concatenate(parts, axis=1)
    order = np.lexsort((member, *_keys(y, x, grid)))
    member, y, x = member[order], y[order], x[order]
    cuts = np.flatnonzero((np.diff(y) != 0) | (np.diff(x) != 0)) + 1
    for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), member.size], strict=True):
        if begin < end:
            chunk = int(y[begin]), int(x[begin])
            shard = int(grid.shards[0][chunk[0]]), int(grid.shards[1][chunk[1]])
            yield ChunkMembers(chunk=chunk, shard=shard, members=member[begin:end])


def pixels_in_chunk(
    row: Integers, column: Integers, *, patch: int, rows: slice, columns: slice
) -> tuple[Integers, Integers, Integers]:
    """Pixels of patches that lie in a rectangle: member, and position down and across the patch.

    Parameters
    ----------
    row, column : ndarray of int
        Centre of each patch, (member,).
    patch : int
        Side of a patch, odd.
    rows, columns : slice
        The rectangle, in pixels of the cube.
    """
    offset = np.arange(patch) - patch // 2
    y, x = row[:, None] + offset, column[:, None] + offset
    in_y, in_x = (y >= rows.start) & (y < rows.stop), (x >= columns.start) & (x < columns.stop)
    member, down, across = np.nonzero(in_y[:, :, None] & in_x[:, None, :])
    return member, down, across


def within_tolerance(
    offset_y: NDArray[np.float64],
    offset_x: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    *,
    patch: int,
    pixel: tuple[float, float],
) -> NDArray[np.uint8]:
    """1 where the square of a pixel comes within the tolerance of the point, (sample, y, x).

    The distance is Euclidean, from the point to the nearest place of the pixel's square;
    the pixel that holds the point always counts.

    Parameters
    ----------
    offset_y, offset_x : ndarray of float
        Where in its pixel a point lies, 0 to 1 along the rows and columns, (sample,).
    tolerance : ndarray of float
        In metres, (sample,).
    patch : int
        Side of the patch, odd.
    pixel : tuple of float
        Height and width of a pixel in metres.

    Examples
    --------
    >>> middle = np.array([0.5])
    >>> within_tolerance(middle, middle, np.array([6.0]), patch=3, pixel=(10, 10))[0].tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    steps = np.arange(patch) - patch // 2
    squared = []
    for offset, side in ((offset_y, pixel[0]), (offset_x, pixel[1])):
        before = steps[None, :] - offset[:, None]
        gap = np.maximum(0, np.maximum(before, -1 - before)) * side
        squared.append(np.square(gap))
    near = squared[0][:, :, None] + squared[1][:, None, :] <= np.square(tolerance)[:, None, None]
    # A point on the border between two pixels belongs to one of them.
    near &= (tolerance > 0)[:, None, None]
    near[:, patch // 2, patch // 2] = True
    return near.astype(np.uint8)


def _span(place: Integers, edges: Integers, *, half: int, size: int) -> tuple[Integers, Integers]:
    """First and last chunk along one dimension that each patch overlaps."""
    first = np.searchsorted(edges, np.maximum(place - half, 0), "right") - 1
    last = np.searchsorted(edges, np.minimum(place + half, size - 1), "right") - 1
    return first.astype(np.int64), last.astype(np.int64)


def _keys(y: Integers, x: Integers, grid: ChunkGrid) -> tuple[Integers, ...]:
    """What chunks are sorted by, the last first: shard, then place along Morton's curve in it.

    Zarr writes the chunks of a shard along that curve, so neighbours lie together in the file.
    """
    return _morton(y, x), grid.shards[1][x], grid.shards[0][y]


def _morton(y: Integers, x: Integers) -> Integers:
    """Bits of two positions, interleaved; those of `x` are the higher, as Zarr has it."""
    return _spread(y) | (_spread(x) << 1)


def _spread(position: Integers) -> Integers:
    spread = position.astype(np.int64)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        spread = (spread | (spread << shift)) & mask
    return spread
