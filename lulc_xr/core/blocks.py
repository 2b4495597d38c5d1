"""Arithmetic of chunks, shards, blocks, patches and halos: whole numbers, no data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lulc_xr.core.errors import CubeError

SHARD_BYTES = 256 * 2**20
CHUNK_BYTES = 8 * 2**20
_SHARD_SIDE = 512
_CHUNK_SIDE = 256
_SMALLEST_SIDE = 16


@dataclass(frozen=True, kw_only=True)
class ChunkPlan:
    """Chunk and shard sizes of one Zarr cube, in pixels and dates.

    Parameters
    ----------
    chunks : mapping of dimension to int
        Size of a chunk, the smallest part that can be read. Dimensions not named: whole.
    shards : mapping of dimension to int, optional
        Size of a shard, the file that is written as one; a multiple of the chunk.
        Dimensions not named: the chunk's size.
    """

    chunks: Mapping[str, int]
    shards: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        for name, sizes in (("chunks", self.chunks), ("shards", self.shards or {})):
            for dim, size in sizes.items():
                if int(size) != size or size < 1:
                    raise CubeError(f"{name} of {dim!r} is {size!r}; give a whole number >= 1.")
        for dim, shard in (self.shards or {}).items():
            chunk = self.chunks.get(dim, shard)
            if shard % chunk:
                raise CubeError(
                    f"shard of {shard} along {dim!r} is not a multiple of its chunk of {chunk}. "
                    f"Choose for instance a shard of {chunk * max(1, round(shard / chunk))}."
                )

    def chunk(self, dim: str, size: int) -> int:
        """Chunk size along a dimension of `size`."""
        return int(self.chunks.get(dim, (self.shards or {}).get(dim, size)))

    def shard(self, dim: str, size: int) -> int:
        """Shard size along a dimension of `size`."""
        return int((self.shards or {}).get(dim, self.chunk(dim, size)))


def plan_chunks(*, time: int, band: int, y: int, x: int) -> ChunkPlan:
    """A plan that suits series of pixels: whole series per chunk, shards of at most 256 MiB.

    Parameters
    ----------
    time, band, y, x : int
        Sizes of the cube (int16).

    Returns
    -------
    ChunkPlan
        Sides are powers of two; chunks of at most 8 MiB where 16 pixels allow it.

    Examples
    --------
    >>> plan_chunks(time=24, band=10, y=1024, x=1024).shards
    {'y': 512, 'x': 512}
    """
    series = 2 * time * band
    shard = _side(SHARD_BYTES / series, _SHARD_SIDE)
    chunk = min(_side(CHUNK_BYTES / series, _CHUNK_SIDE), shard)
    # A shard wider than the cube would only make its index longer.
    sides = {d: min(shard, chunk * math.ceil(n / chunk)) for d, n in (("y", y), ("x", x))}
    return ChunkPlan(chunks={"y": chunk, "x": chunk}, shards=sides)


def _side(pixels: float, most: int) -> int:
    side: int = 2 ** int(math.log2(max(1.0, math.sqrt(pixels))))
    return max(_SMALLEST_SIDE, min(most, side))


def split(size: int, step: int) -> tuple[int, ...]:
    """Lengths of consecutive parts of at most `step` that cover `size`, the last one short.

    Examples
    --------
    >>> split(10, 4)
    (4, 4, 2)
    """
    whole, rest = divmod(size, step)
    return (step,) * whole + ((rest,) if rest else ())


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels, and the halo around it that lies inside the cube.

    Parameters
    ----------
    y, x : slice
        The rectangle itself.
    outer_y, outer_x : slice
        The rectangle with its halo, cut at the border of the cube.
    """

    y: slice
    x: slice
    outer_y: slice
    outer_x: slice

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the rectangle lies inside its outer block."""
        return (
            slice(self.y.start - self.outer_y.start, self.y.stop - self.outer_y.start),
            slice(self.x.start - self.outer_x.start, self.x.stop - self.outer_x.start),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the rectangle in pixels."""
        return self.y.stop - self.y.start, self.x.stop - self.x.start


def window(y: slice, x: slice, *, halo: int, shape: tuple[int, int], stride: int = 1) -> Window:
    """The window of a rectangle with a halo, inside a cube of `shape` (y, x).

    Its outer block begins at a multiple of `stride`, so that cells into which a model pools
    pixels are the same ones in every window.

    Examples
    --------
    >>> window(slice(10, 20), slice(0, 4), halo=3, shape=(50, 50), stride=4).outer_y
    slice(4, 23, None)
    """
    outer = [
        slice(max(0, (part.start - halo) // stride * stride), min(size, part.stop + halo))
        for part, size in zip((y, x), shape, strict=True)
    ]
    return Window(y=y, x=x, outer_y=outer[0], outer_x=outer[1])


def patches(outer: Window, *, halo: int, pixels: int, stride: int = 1) -> Iterator[Window]:
    """Windows that tile the rectangle of `outer`, in coordinates of its outer block.

    Parameters
    ----------
    outer : Window
        The block in memory.
    halo : int
        Context in pixels that each patch carries, where the block has it.
    pixels : int
        Pixels of a patch, about. Without halo and stride, patches are strips of whole rows,
        which are contiguous in memory; else they are square.
    stride : int
        Their outer blocks begin at multiples of it, as that of `outer` does.

    Yields
    ------
    Window
        Each pixel of the rectangle lies in exactly one of them.
    """
    rows, columns = outer.inner
    block = (
        outer.outer_y.stop - outer.outer_y.start,
        outer.outer_x.stop - outer.outer_x.start,
    )
    width = outer.shape[1]
    strips = halo == 0 and stride == 1
    side = (max(1, pixels // width), width) if strips else (max(1, math.isqrt(pixels)),) * 2
    for y0, x0 in itertools.product(
        range(rows.start, rows.stop, side[0]), range(columns.start, columns.stop, side[1])
    ):
        yield window(
            slice(y0, min(y0 + side[0], rows.stop)),
            slice(x0, min(x0 + side[1], columns.stop)),
            halo=halo,
            shape=block,
            stride=stride,
        )


def overlapping(chunks: tuple[int, ...], part: slice) -> Iterator[tuple[int, slice, slice]]:
    """Chunks along one dimension that overlap a part of it.

    Parameters
    ----------
    chunks : tuple of int
        Lengths of all chunks.
    part : slice
        The part, in positions of the whole dimension.

    Yields
    ------
    index : int
        Number of the chunk.
    inside : slice
        What of the chunk is needed.
    where : slice
        Where that lies within the part.
    """
    starts = np.concatenate([[0], np.cumsum(chunks)])
    first = int(np.searchsorted(starts, part.start, side="right")) - 1
    for index in range(max(first, 0), len(chunks)):
        begin, end = int(starts[index]), int(starts[index + 1])
        if begin >= part.stop:
            return
        low, high = max(begin, part.start), min(end, part.stop)
        if low < high:
            yield (
                index,
                slice(low - begin, high - begin),
                slice(low - part.start, high - part.start),
            )
