"""Replace the content of one shard so that nobody who is reading it notices."""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, Crc32cCodec
from zarr.core.array import AsyncArray
from zarr.storage import LocalStore, MemoryStore, StorePath

from lulc_xr.core.errors import StoreError

Index = tuple[int, ...]

_ABSENT = np.iinfo(np.uint64).max
_INDEX_CHECKSUM = 4


def grown(array: zarr.Array[Any], shape: Sequence[int]) -> zarr.Array[Any]:
    """The array with another shape, in memory only: the stored metadata stays."""
    metadata = array.metadata.update_shape(tuple(shape))
    return zarr.Array(AsyncArray(metadata=metadata, store_path=array.store_path))


def shard_sizes(array: zarr.Array[Any]) -> tuple[int, ...]:
    """Shape of an array's shards, or of its chunks if it has none."""
    return tuple(array.shards or array.chunks)


def shard_file(array: zarr.Array[Any], index: Index) -> Path:
    """File of a shard in a local store."""
    if not isinstance(array.store, LocalStore):
        raise StoreError(
            f"{array.store} is not a folder on this machine; stores are extended and repaired "
            "in local folders. Do it there, then copy the store."
        )
    return array.store.root / array.path / array.metadata.encode_chunk_key(index)


def read_whole(array: zarr.Array[Any], index: Index) -> NDArray[Any]:
    """All that a shard holds, also what lies beyond the array's present shape."""
    sizes = shard_sizes(array)
    whole = grown(array, [(i + 1) * s for i, s in zip(index, sizes, strict=True)])
    return np.asarray(
        whole[tuple(slice(i * s, (i + 1) * s) for i, s in zip(index, sizes, strict=True))]
    )


def store_whole(array: zarr.Array[Any], index: Index, values: NDArray[Any]) -> None:
    """Write a whole shard: at once, and readable for those in the middle of reading the old.

    A reader takes the table of a shard's chunks first and the chunks afterwards. The new file
    therefore keeps the old chunks where they were, and puts those that differ behind them.
    What a still older state left is not kept; file systems do not store such holes.

    Parameters
    ----------
    array : zarr.Array
        The array, of any shape.
    index : tuple of int
        Which shard.
    values : ndarray
        Stored values of the shape of a shard; fill where it reaches beyond the array.
    """
    file = shard_file(array, index)
    new = _encode(array, values)
    if not file.exists():
        if new is not None:
            _write(file, [(0, new)])
        return
    there = read_whole(array, index)
    if _same(there, values).all():
        return
    if new is None:
        file.unlink()
    elif array.shards is None:
        _write(file, [(0, new)])
    else:
        kept = _chunkwise(_same(there, values), array.chunks)
        _write(file, _spliced(file.read_bytes(), new, kept))


def _encode(array: zarr.Array[Any], values: NDArray[Any]) -> Any | None:
    """A shard as it is stored; None if it holds nothing but fill."""
    files: dict[str, Any] = {}
    metadata: Any = array.metadata.update_shape(values.shape)
    place = StorePath(MemoryStore(files), "")
    alone: zarr.Array[Any] = zarr.Array(AsyncArray(metadata=metadata, store_path=place))
    alone[...] = values
    found = files.get(array.metadata.encode_chunk_key((0,) * values.ndim))
    return None if found is None else memoryview(found.as_buffer_like())


def _same(there: NDArray[Any], values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        bits = f"u{values.dtype.itemsize}"
        there, values = (np.ascontiguousarray(a).view(bits) for a in (there, values))
    return np.asarray(there == values, bool)


def _chunkwise(same: NDArray[np.bool_], chunks: Sequence[int]) -> NDArray[np.bool_]:
    """For each chunk of a shard, whether all of it is the same."""
    split = [(n // c, c) for n, c in zip(same.shape, chunks, strict=True)]
    parted = same.reshape(tuple(itertools.chain.from_iterable(split)))
    return np.asarray(parted.all(axis=tuple(range(1, 2 * same.ndim, 2))))


def _spliced(old: bytes, new: Any, kept: NDArray[np.bool_]) -> list[tuple[int, Any]]:
    """Parts of a shard file, and where they begin: old chunks, chunks that differ, the table."""
    before, after = _table(old, kept.shape), _table(new, kept.shape)
    table = before.copy()
    parts: list[tuple[int, Any]] = [
        (int(o), old[o : o + n]) for o, n in before.reshape(-1, 2) if o != _ABSENT
    ]
    end = max((offset + len(part) for offset, part in parts), default=0)
    for place in map(tuple, np.argwhere(~kept)):
        offset, length = (int(v) for v in after[place])
        table[place] = after[place]
        if offset != _ABSENT:
            table[place] = end, length
            parts.append((end, new[offset : offset + length]))
            end += length
    return [*parts, (end, _encoded_table(table))]


def _table(shard: Any, grid: tuple[int, ...]) -> NDArray[np.uint64]:
    """Offset and length of each chunk, from the end of a shard file."""
    size = 16 * math.prod(grid)
    raw = shard[-size - _INDEX_CHECKSUM : -_INDEX_CHECKSUM]
    return np.frombuffer(raw, "<u8").reshape(*grid, 2)


def _encoded_table(table: NDArray[np.uint64]) -> bytes:
    files: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(files),
        shape=table.shape,
        chunks=table.shape,
        dtype=np.uint64,
        serializer=BytesCodec(endian="little"),
        compressors=[Crc32cCodec()],
        config={"write_empty_chunks": True},
    )
    array[...] = table
    encoded: bytes = files[array.metadata.encode_chunk_key((0,) * table.ndim)].to_bytes()
    return encoded


def _write(file: Path, parts: Sequence[tuple[int, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as stream:
            for offset, part in parts:
                stream.seek(offset)
                stream.write(part)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
