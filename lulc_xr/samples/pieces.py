"""Pieces of a cube: groups of stored chunks, each read once, as the series that a model sees."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.cube import decode
from lulc_xr.core.dates import Dates, YearDates
from lulc_xr.core.errors import SampleError
from lulc_xr.samples.pixels import (
    ChunkGrid,
    LazyPixels,
    PixelReader,
    Series,
    StoredPixels,
    make_reader,
)

_PIECE_BYTES = 64 * 2**20
_FLOAT32 = 4


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A rectangle of whole chunks inside one shard, in pixels of the cube."""

    y: slice
    x: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y.stop - self.y.start, self.x.stop - self.x.start


@dataclass(kw_only=True)
class PieceReader:
    """Reads pieces of one mapped year of a cube; picklable, and the same after a fork.

    Parameters
    ----------
    reader : PixelReader
        Of the cube and the bands.
    dates : RegularDates or RawDates
        Time axis of the model.
    year : YearDates
        Dates of the mapped year.
    """

    reader: PixelReader
    dates: Dates
    year: YearDates

    @classmethod
    def of(
        cls, cube: xr.Dataset, *, bands: tuple[int, ...], dates: Dates, year: YearDates
    ) -> PieceReader:
        """A reader of a checked cube, for bands by position. Reads no pixel."""
        return cls(reader=make_reader(cube, bands), dates=dates, year=year)

    def reopened(self) -> PieceReader:
        """The same reader with connections and locks of its own, for another process."""
        made: PieceReader = pickle.loads(pickle.dumps(self))
        return made

    def read(self, piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Series of a piece (time, band, y, x), NaN where missing; where it was seen (y, x)."""
        time = slice(self.year.positions[0], self.year.positions[-1] + 1)
        if isinstance(self.reader, StoredPixels):
            pixels, clear = _read_stored(self.reader, time, piece)
        elif isinstance(self.reader, LazyPixels):
            pixels, clear = _read_lazy(self.reader, time, piece)
        else:
            raise SampleError(f"{type(self.reader).__name__} cannot read pieces of a cube.")
        return prepare_series(pixels, clear, dates=self.dates, year=self.year)


def plan_pieces(
    grid: ChunkGrid, shape: tuple[int, int], *, side: int, bytes_of_pixel: int
) -> list[list[Piece]]:
    """Pieces of every shard of a cube: whole chunks, that hold each pixel exactly once.

    Parameters
    ----------
    grid : ChunkGrid
        Chunks and shards of the cube.
    shape : tuple of int
        Rows and columns of the cube.
    side : int
        Side of the patches that will be cut: a piece is not smaller, if the shard is not.
    bytes_of_pixel : int
        Bytes of the series of one pixel in memory.

    Returns
    -------
    list of list of Piece
        Shard after shard, its pieces.

    Raises
    ------
    SampleError
        If no shard is as large as a patch.

    Examples
    --------
    >>> import numpy as np
    >>> starts, shards = np.array([0, 16, 32]), np.array([0, 0, 1])
    >>> grid = ChunkGrid(edges=(starts, starts), shards=(shards, shards))
    >>> [len(pieces) for pieces in plan_pieces(grid, (40, 40), side=16, bytes_of_pixel=2**18)]
    [4, 2, 2, 1]
    """
    target = max(1, math.isqrt(_PIECE_BYTES // bytes_of_pixel))
    axes = []
    for edges, shards, size, name in zip(grid.edges, grid.shards, shape, ("y", "x"), strict=True):
        ends = np.append(edges[1:], size)
        spans = []
        for shard in np.unique(shards):
            own = np.flatnonzero(shards == shard)
            chunk = int(ends[own[0]] - edges[own[0]])
            step = max(1, -(-side // chunk), target // chunk)
            spans.append(
                [
                    slice(int(edges[own[i]]), int(ends[own[min(i + step, own.size) - 1]]))
                    for i in range(0, own.size, step)
                ]
            )
        largest = max(span[-1].stop - span[0].start for span in spans)
        if largest < side:
            raise SampleError(
                f"patches of {side} pixels from a cube whose shards (or chunks) have {largest} "
                f"pixels along {name!r}; patches do not cross shards, so that each is read once. "
                f"Choose patch <= {largest}, or rechunk the cube."
            )
        axes.append(spans)
    return [
        [Piece(y=rows, x=columns) for rows in down for columns in across]
        for down in axes[0]
        for across in axes[1]
    ]


def _read_stored(reader: StoredPixels, time: slice, piece: Piece) -> Series:
    """Series of the pixels of whole chunks, straight from the store."""
    pixels = _block(reader, "reflectance", time, piece)
    scale, fill = reader.scaling
    clear = _block(reader, "clear", time, piece) if "clear" in reader.chunks else None
    return decode(pixels, scale=scale, fill=fill, dtype=np.float32), clear


def _block(reader: StoredPixels, name: str, time: slice, piece: Piece) -> NDArray[Any]:
    """Stored numbers (time, [band,] y, x) of whole chunks, each fetched and decoded once."""
    chunks = reader.chunks[name]
    sides, bands = chunks.sides, np.array(reader.bands)
    banded = len(sides) == 4
    wanted = list(_chunks_of(sides, reader.bands if banded else None, time, piece))
    stored = chunks.fetch(wanted)
    leading = (time.stop - time.start, *((bands.size,) if banded else ()))
    block = np.empty((*leading, *piece.shape), chunks.dtype)
    memory: NDArray[Any] | None = None
    for index in wanted:
        memory = chunks.decode(index, stored.pop(index), out=memory)
        begin = index[0] * sides[0]
        first, last = max(begin, time.start), min(begin + sides[0], time.stop)
        rows, columns = (
            slice(i * side - span.start, min((i + 1) * side, span.stop) - span.start)
            for i, side, span in zip(index[-2:], sides[-2:], (piece.y, piece.x), strict=True)
        )
        height, width = rows.stop - rows.start, columns.stop - columns.start
        part = memory[first - begin : last - begin, ..., :height, :width]
        into = block[first - time.start : last - time.start]
        if not banded:
            into[:, rows, columns] = part
            continue
        for band in np.flatnonzero(bands // sides[1] == index[1]):
            into[:, band, rows, columns] = part[:, bands[band] % sides[1]]
    return block


def _chunks_of(
    sides: tuple[int, ...], bands: tuple[int, ...] | None, time: slice, piece: Piece
) -> Iterator[tuple[int, ...]]:
    """Positions of the chunks that some dates and bands of a piece are made of."""
    axes: list[Iterable[int]] = [range(time.start // sides[0], -(-time.stop // sides[0]))]
    if bands is not None:
        axes.append(sorted({band // sides[1] for band in bands}))
    axes += [
        range(span.start // side, -(-span.stop // side))
        for span, side in zip((piece.y, piece.x), sides[-2:], strict=True)
    ]
    yield from itertools.product(*axes)


def _read_lazy(reader: LazyPixels, time: slice, piece: Piece) -> Series:
    """Series of a rectangle of any cube, computed in this thread: a forked pool would hang."""
    part = reader.cube.isel(time=time, band=list(reader.bands), y=piece.y, x=piece.x)
    part = part.compute(scheduler="synchronous")
    scale, fill = reader.scaling
    raw = part["reflectance"].transpose("time", "band", "y", "x").to_numpy()
    pixels = decode(np.array(raw), scale=scale, fill=fill, dtype=np.float32)
    if "clear" not in part:
        return pixels, None
    return pixels, part["clear"].transpose("time", "y", "x").to_numpy()
