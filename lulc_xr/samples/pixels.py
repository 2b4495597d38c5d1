"""Series of single pixels of a cube, chunk by chunk: straight from the store, or through Dask."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.cube import NODATA, SCALE, decode, is_raw, stored_array
from lulc_xr.samples.inner_chunks import InnerChunks, can_read

Chunk = tuple[int, int]
Series = tuple[NDArray[np.float32], NDArray[np.uint8] | None]

_SIDE = 512
_TOGETHER_BYTES = 16 * 2**20
_MOST_TOGETHER = 64


@dataclass(frozen=True, kw_only=True)
class Request:
    """Pixels of one chunk over consecutive dates.

    Parameters
    ----------
    time : slice
        Positions of the dates in the cube.
    rows, columns : ndarray of int
        Positions of the pixels in the cube, shape (pixel,).
    """

    time: slice
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChunkGrid:
    """First rows and columns of the chunks of a cube, and which of them share a shard.

    Parameters
    ----------
    edges : tuple of ndarray of int
        First position of every chunk along y and along x, ascending from 0.
    shards : tuple of ndarray of int
        Number of the shard of each of these.
    """

    edges: tuple[NDArray[np.int64], NDArray[np.int64]]
    shards: tuple[NDArray[np.int64], NDArray[np.int64]]


Work = Sequence[tuple[Chunk, Sequence[Request]]]
"""Chunks, by row and column in the grid, and what is needed of each."""


class PixelReader(Protocol):
    """What gives the series of pixels, a chunk at a time.

    `parallel` says whether several threads may read, `together` how many chunks of one shard
    are best fetched at once.
    """

    grid: ChunkGrid
    parallel: bool
    together: int

    def read(self, work: Work) -> Iterator[tuple[int, int, Series]]:
        """Series of the requests of some chunks of one shard; every chunk is read once.

        Parameters
        ----------
        work : sequence of (chunk, requests)
            Chunks (row and column in the grid) and what is needed of each.

        Yields
        ------
        place, number : int
            Of the chunk in `work`, and of the request.
        series : (ndarray of float32, ndarray of uint8 or None)
            Reflectance (time, band, pixel) with NaN where missing; clear (time, pixel).
        """
        ...


def make_reader(cube: xr.Dataset, bands: Sequence[int]) -> PixelReader:
    """The fastest reader of a checked cube, for bands by position. Reads no pixel."""
    names = [name for name in ("reflectance", "clear") if name in cube]
    chunked = [name for name in names if cube[name].chunks is not None]
    found = {name: stored_array(cube[name].data) for name in chunked}
    stored = {name: array for name, array in found.items() if array is not None}
    arrays = {name: array.source for name, array in stored.items() if can_read(array.source)}
    if len(arrays) < len(names) or len({array.chunks[-2:] for array in arrays.values()}) > 1:
        return LazyPixels(cube=cube[names], bands=tuple(bands))
    first = stored["reflectance"]
    return StoredPixels(
        chunks={name: InnerChunks(array) for name, array in arrays.items()},
        bands=tuple(bands),
        scaling=_scaling(cube["reflectance"]) if first.scale is None else (first.scale, first.fill),
    )


@dataclass(kw_only=True)
class StoredPixels:
    """Reads the inner chunks of a Zarr store that open_cube opened.

    Parameters
    ----------
    chunks : mapping of str to InnerChunks
        Of `reflectance`, and of `clear` if there is one; sides along y and x are the same.
    bands : tuple of int
        Bands to give, by position, in this order.
    scaling : tuple of (float or None, int or None)
        Scale and fill of reflectance.
    """

    chunks: Mapping[str, InnerChunks]
    bands: tuple[int, ...]
    scaling: tuple[float | None, int | None]
    grid: ChunkGrid = field(init=False)
    parallel: bool = field(default=True, init=False)
    together: int = field(init=False)

    def __post_init__(self) -> None:
        array = self.chunks["reflectance"].array
        shards, size = array.shards or array.chunks, array.shape
        chunk = math.prod(array.chunks) * array.dtype.itemsize
        self.together = min(max(1, _TOGETHER_BYTES // chunk), _MOST_TOGETHER)
        starts = [np.arange(0, size[axis], array.chunks[axis]) for axis in (-2, -1)]
        self.grid = ChunkGrid(
            edges=(starts[0], starts[1]),
            shards=(starts[0] // shards[-2], starts[1] // shards[-1]),
        )

    def read(self, work: Work) -> Iterator[tuple[int, int, Series]]:
        """See :class:`PixelReader`."""
        needed = {
            name: [self._needed(name, chunk, requests) for chunk, requests in work]
            for name in self.chunks
        }
        stored = {
            name: self.chunks[name].fetch([i for indices in all_of for i in indices])
            for name, all_of in needed.items()
        }
        memory: dict[tuple[str, int], NDArray[Any]] = {}
        for place, (_, requests) in enumerate(work):
            blocks: dict[str, list[tuple[tuple[int, ...], NDArray[Any]]]] = {}
            for name, all_of in needed.items():
                blocks[name] = []
                for i, index in enumerate(all_of[place]):
                    memory[name, i] = self.chunks[name].decode(
                        index, stored[name].pop(index), out=memory.get((name, i))
                    )
                    blocks[name].append((index, memory[name, i]))
            for number, request in enumerate(requests):
                raw = self._pick("reflectance", blocks["reflectance"], request)
                scale, fill = self.scaling
                pixels = decode(raw, scale=scale, fill=fill, dtype=np.float32)
                clear = self._pick("clear", blocks["clear"], request) if "clear" in blocks else None
                yield place, number, (pixels, clear)

    def _needed(
        self, name: str, chunk: Chunk, requests: Sequence[Request]
    ) -> list[tuple[int, ...]]:
        """Chunks of an array, in time and band, that a chunk of pixels is made of."""
        sides = self.chunks[name].sides
        times = sorted({t // sides[0] for r in requests for t in range(r.time.start, r.time.stop)})
        leading = [times]
        if len(sides) == 4:
            leading.append(sorted({b // sides[1] for b in self.bands}))
        return [(*index, *chunk) for index in itertools.product(*leading)]

    def _pick(
        self, name: str, blocks: Sequence[tuple[tuple[int, ...], NDArray[Any]]], request: Request
    ) -> NDArray[Any]:
        """Stored numbers of the pixels of a request, (time, band, pixel) or (time, pixel)."""
        sides = self.chunks[name].sides
        place = request.rows % sides[-2] * sides[-1] + request.columns % sides[-1]
        length = request.time.stop - request.time.start
        bands = np.array(self.bands) if len(sides) == 4 else None
        shape = (length, *(() if bands is None else bands.shape), place.size)
        picked = np.empty(shape, self.chunks[name].dtype)
        for index, values in blocks:
            begin = index[0] * sides[0]
            first, last = max(begin, request.time.start), min(begin + sides[0], request.time.stop)
            if first >= last:
                continue
            part = values[first - begin : last - begin]
            part = part.reshape(*part.shape[:-2], -1).take(place, axis=-1)
            dates = slice(first - request.time.start, last - request.time.start)
            if bands is None:
                picked[dates] = part
            else:
                here = np.flatnonzero(bands // sides[1] == index[1])
                picked[dates, here] = part[:, bands[here] % sides[1]]
        return picked


@dataclass(kw_only=True)
class LazyPixels:
    """Reads any cube through Xarray: Dask chunks, or rectangles of what is not chunked.

    Parameters
    ----------
    cube : xr.Dataset
        `reflectance(time, band, y, x)` and, if there is one, `clear(time, y, x)`.
    bands : tuple of int
        Bands to give, by position, in this order.
    """

    cube: xr.Dataset
    bands: tuple[int, ...]
    grid: ChunkGrid = field(init=False)
    parallel: bool = field(default=False, init=False)
    together: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        edges = (_edges(self.cube, "y"), _edges(self.cube, "x"))
        self.grid = ChunkGrid(
            edges=edges, shards=(np.arange(edges[0].size), np.arange(edges[1].size))
        )

    @property
    def scaling(self) -> tuple[float | None, int | None]:
        """Scale and fill of reflectance."""
        return _scaling(self.cube["reflectance"])

    def read(self, work: Work) -> Iterator[tuple[int, int, Series]]:
        """See :class:`PixelReader`."""
        for place, (_, requests) in enumerate(work):
            # One selection for all requests: a chunk that several years share is read once.
            begin = min(r.time.start for r in requests)
            rows = np.concatenate([r.rows for r in requests])
            columns = np.concatenate([r.columns for r in requests])
            span = slice(begin, max(r.time.stop for r in requests))
            pixels, clear = self._series(span, rows, columns)
            first = 0
            for number, request in enumerate(requests):
                part = slice(first, first + request.rows.size)
                dates = slice(request.time.start - begin, request.time.stop - begin)
                seen = None if clear is None else clear[dates, part]
                yield place, number, (pixels[dates, :, part].copy(), seen)
                first = part.stop

    def _series(self, span: slice, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Series:
        corner = {"y": int(rows.min()), "x": int(columns.min())}
        far = {"y": int(rows.max()), "x": int(columns.max())}
        within: dict[str, Any] = {d: slice(corner[d], far[d] + 1) for d in corner}
        square = self.cube.isel({"time": span, "band": list(self.bands), **within})
        area = square.sizes["y"] * square.sizes["x"]
        if self.cube["reflectance"].chunks is None or rows.size > area:
            # Read as a rectangle: picking points from a store one by one is far slower.
            square = square.compute()
        picked = square.isel(
            y=xr.DataArray(rows - corner["y"], dims="member"),
            x=xr.DataArray(columns - corner["x"], dims="member"),
        ).compute()
        scale, fill = self.scaling
        raw = picked["reflectance"].transpose("time", "band", "member").to_numpy()
        pixels = decode(np.array(raw), scale=scale, fill=fill, dtype=np.float32)
        if "clear" not in picked:
            return pixels, None
        return pixels, picked["clear"].transpose("time", "member").to_numpy()


def _edges(part: xr.Dataset, dim: str) -> NDArray[np.int64]:
    """First positions of the parts to read: chunks, or unions of them that all variables share."""
    common: NDArray[np.int64] | None = None
    for variable in part.data_vars.values():
        lengths = variable.chunksizes.get(dim) if variable.chunks is not None else None
        if lengths is None:
            side = (variable.encoding.get("preferred_chunks") or {}).get(dim, _SIDE)
            starts = np.arange(0, part.sizes[dim], side)
        else:
            starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        common = starts if common is None else np.intersect1d(common, starts)
    return np.zeros(1, np.int64) if common is None else common


def _scaling(reflectance: xr.DataArray) -> tuple[float | None, int | None]:
    """Scale and fill of stored integers; None for what is physical already."""
    if not is_raw(reflectance):
        return None, None
    attrs = {**reflectance.encoding, **reflectance.attrs}
    return attrs.get("scale_factor", SCALE), attrs.get("_FillValue", NODATA)
