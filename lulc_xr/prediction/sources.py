"""Where blocks come from: straight from the store, or from the chunks of any Dask array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import TaskRef
from numpy.typing import NDArray

from lulc_xr.core.blocks import overlapping
from lulc_xr.core.cube import DecodedArray, decode, stored_array
from lulc_xr.core.errors import CubeError

Slices = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class StoredSource:
    """A variable exactly as open_cube gave it: blocks are read from the store in the task.

    Only the bands and dates that are needed are kept, and a halo costs only its pixels.
    """

    stored: DecodedArray
    leading: tuple[tuple[int, ...], ...]
    dask_name: str

    @property
    def identity(self) -> list[Any]:
        """All that decides the values of a block, JSON-able."""
        return [self.dask_name, self.leading]

    def inputs(self, rows: slice, columns: slice) -> list[Any]:
        """Keys that a task depends on: none."""
        return []

    def read(self, rows: slice, columns: slice, chunks: Sequence[Any]) -> NDArray[Any]:
        """Stored numbers of a block, (..., y, x)."""
        spans = [slice(min(p), max(p) + 1) for p in self.leading]
        block = np.asarray(self.stored.source[(*spans, rows, columns)])
        for axis, (positions, span) in enumerate(zip(self.leading, spans, strict=True)):
            local = [p - span.start for p in positions]
            if local != list(range(block.shape[axis])):
                block = block.take(local, axis=axis)
        return block

    def decode(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Physical values of stored numbers."""
        return self.stored.decode(raw)


@dataclass(frozen=True, kw_only=True)
class ChunkedSource:
    """Any Dask array: a block is put together from the chunks that overlap it."""

    array_name: str
    chunks: tuple[tuple[int, ...], ...]
    dtype: np.dtype[Any]
    scale: float | None
    fill: int | None

    @property
    def identity(self) -> list[Any]:
        """All that decides the values of a block, JSON-able."""
        return [self.array_name, str(self.dtype), self.scale, self.fill]

    def parts(
        self, rows: slice, columns: slice
    ) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
        """Chunks of a block: index, what of the chunk, where in the block."""
        whole = [slice(0, sum(c)) for c in self.chunks[:-2]]
        spans = (*whole, rows, columns)
        found: list[tuple[tuple[int, ...], Slices, Slices]] = [((), (), ())]
        for lengths, span in zip(self.chunks, spans, strict=True):
            axis = list(overlapping(lengths, span))
            found = [
                ((*index, i), (*inside, s), (*where, w))
                for index, inside, where in found
                for i, s, w in axis
            ]
        yield from found

    def inputs(self, rows: slice, columns: slice) -> list[Any]:
        """Keys of the chunks that a task depends on."""
        return [TaskRef((self.array_name, *index)) for index, _, _ in self.parts(rows, columns)]

    def read(self, rows: slice, columns: slice, chunks: Sequence[Any]) -> NDArray[Any]:
        """Values of a block, (..., y, x), from its chunks in memory."""
        parts = list(self.parts(rows, columns))
        if len(parts) == 1:
            return np.asarray(chunks[0])[parts[0][1]]
        leading = [sum(c) for c in self.chunks[:-2]]
        shape = (*leading, rows.stop - rows.start, columns.stop - columns.start)
        block = np.empty(shape, self.dtype)
        for (_, inside, where), chunk in zip(parts, chunks, strict=True):
            block[where] = np.asarray(chunk)[inside]
        return block

    def decode(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Physical values of the block's numbers."""
        return decode(raw, scale=self.scale, fill=self.fill, dtype=self.dtype)


Source = StoredSource | ChunkedSource


def make_source(
    da_: xr.DataArray, positions: Sequence[Sequence[int]]
) -> tuple[Source, da.Array | None]:
    """The source of a variable at some positions of its leading dimensions.

    Parameters
    ----------
    da_ : xr.DataArray
        Variable over (..., y, x), or (y, x).
    positions : sequence of sequence of int
        What is needed of each leading dimension.

    Returns
    -------
    source : StoredSource or ChunkedSource
        Where blocks come from.
    array : dask array or None
        The array that tasks depend on, if any.

    Raises
    ------
    CubeError
        If integers do not say how to scale them.
    """
    wanted = tuple(tuple(int(p) for p in axis) for axis in positions)
    data = (
        da_.data
        if isinstance(da_.data, da.Array)
        else da_.variable.chunk({"y": 512, "x": 512}).data
    )
    stored = stored_array(data)
    if stored is not None and (
        stored.scale is not None
        or (stored.dtype.kind in "buf" and da_.ndim == 3)
        or (stored.dtype.kind in "iu" and da_.ndim == 2)
    ):
        return StoredSource(stored=stored, leading=wanted, dask_name=data.name), None
    for axis, places in enumerate(wanted):
        if list(places) != list(range(data.shape[axis])):
            data = data[(*[slice(None)] * axis, list(places))]
    scale, fill = scaling_of(da_)
    dtype = np.dtype(np.float32) if da_.name == "reflectance" else data.dtype
    source = ChunkedSource(
        array_name=data.name,
        chunks=data.chunks,
        dtype=data.dtype if scale else dtype,
        scale=scale,
        fill=fill,
    )
    return source, data


def scaling_of(var: xr.DataArray) -> tuple[float | None, int | None]:
    """How integers of a variable opened raw become physical values."""
    if var.name != "reflectance" or var.dtype.kind == "f":
        return None, None
    if "scale_factor" not in var.attrs:
        raise CubeError(
            f"'reflectance' is {var.dtype} and has no attribute 'scale_factor', so its values "
            "cannot be told. Convert it to float32 reflectance (NaN where missing), or open the "
            "store with open_cube, which keeps the attribute."
        )
    return float(var.attrs["scale_factor"]), var.attrs.get("_FillValue")
