"""Inner chunks of a sharded Zarr array, each fetched once, decoded whole."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
from numcodecs import get_codec
from numcodecs.checksum32 import CRC32C
from numpy.typing import NDArray
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.buffer import default_buffer_prototype
from zarr.core.sync import sync

from lulc_xr.core.errors import StoreError

Index = tuple[int, ...]

_DECODERS = {"blosc": "blosc", "zstd": "zstd", "gzip": "gzip"}
_CHECKSUM = 4
_NOTHING = np.uint64(2**64 - 1)
_KEPT_INDICES = 256


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the bytes of chunks are stored: decoders in order, and where a shard's index lies."""

    decoders: tuple[Any, ...]
    dtype: np.dtype[Any]
    sharded: bool
    index_first: bool = False


@dataclass
class InnerChunks:
    """Reads chunks of an array: of a shard only those that are asked for.

    A slice of a sharded array reads the shard's index anew and copies every chunk twice, in
    one thread (zarr 3.1); here the index is read once, and what is decoded is used in place.

    Parameters
    ----------
    array : zarr.Array
        An array that :func:`can_read` says yes to.

    References
    ----------
    Zarr developers (2023). Sharding codec for Zarr version 3, version 1.0:
    https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
    """

    array: zarr.Array[Any]
    _indices: dict[Index, NDArray[np.uint64] | None] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        layout = _layout(self.array)
        if layout is None:
            raise StoreError(
                f"array {self.array.name!r} is stored with codecs that are not known here; "
                "read it by slices."
            )
        self._layout = layout
        # Of Zarr's metadata these take longer than a small chunk takes to decode.
        self.sides: Index = self.array.chunks
        self.dtype: np.dtype[Any] = self.array.dtype

    def __getstate__(self) -> dict[str, Any]:
        return {"array": self.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Another process opens the array for itself, with a lock and indices of its own.
        self.__init__(**state)  # type: ignore[misc]

    def fetch(self, chunks: Sequence[Index]) -> dict[Index, Any]:
        """Stored bytes of chunks, each fetched once; None for those that were never written.

        Parameters
        ----------
        chunks : sequence of tuple of int
            Positions in the grid of chunks (not shards).

        Raises
        ------
        StoreError
            If the index of a shard is damaged.
        """
        per = self._chunks_per_shard()
        by_shard: dict[Index, list[Index]] = {}
        for chunk in chunks:
            shard = tuple(i // n for i, n in zip(chunk, per, strict=True))
            by_shard.setdefault(shard, []).append(chunk)
        found: dict[Index, Any] = dict.fromkeys(chunks)
        for shard, members in by_shard.items():
            try:
                found |= self._fetch(shard, members)
            except (ValueError, RuntimeError, IndexError) as error:
                raise self._damaged("shard", shard, error) from error
        return found

    def decode(self, chunk: Index, stored: Any, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Stored numbers of a whole chunk; beyond the array's border it holds fill.

        Parameters
        ----------
        chunk : tuple of int
            Its position, for messages.
        stored : bytes-like or None
            What :meth:`fetch` gave for it.
        out : ndarray, optional
            What an earlier call gave, to be overwritten: fresh memory takes as long as decoding.

        Raises
        ------
        StoreError
            If the bytes cannot be decoded.
        """
        if out is None:
            out = np.empty(self.sides, self._layout.dtype)
        if stored is None:
            out[...] = self.array.fill_value
            return out
        *before, last = self._layout.decoders
        try:
            for decoder in before:
                stored = decoder.decode(stored)
            last.decode(stored, out=out)
        except (ValueError, RuntimeError) as error:
            raise self._damaged("chunk", chunk, error) from error
        return out

    def _damaged(self, what: str, index: Index, error: Exception) -> StoreError:
        return StoreError(
            f"{what} {index} of {self.array.name!r} in {self.array.store!s} is damaged "
            f"({error}). Write that part of the store again."
        )

    def _chunks_per_shard(self) -> Index:
        shards = self.array.shards or self.array.chunks
        return tuple(s // c for s, c in zip(shards, self.array.chunks, strict=True))

    def _fetch(self, shard: Index, chunks: Sequence[Index]) -> Mapping[Index, Any]:
        """Bytes of chunks of one shard; without those that were never written."""
        store = self.array.store_path.store
        key = f"{self.array.path}/{self.array.metadata.encode_chunk_key(shard)}".lstrip("/")
        buffers = default_buffer_prototype()
        if not self._layout.sharded:
            whole = sync(store.get(key, buffers))
            return {} if whole is None else {chunks[0]: whole.as_numpy_array()}
        index = self._index(key, shard)
        if index is None:
            return {}
        places = [index[tuple(np.mod(chunk, index.shape[:-1]))] for chunk in chunks]
        spans = sorted(
            (int(start), int(size), chunk)
            for (start, size), chunk in zip(places, chunks, strict=True)
            if start != _NOTHING
        )
        groups = list(_joined(spans))

        async def get_all() -> list[Any]:
            wanted = [RangeByteRequest(g[0][0], max(s + n for s, n, _ in g)) for g in groups]
            return await asyncio.gather(*(store.get(key, buffers, byte_range=w) for w in wanted))

        found = {}
        for group, buffer in zip(groups, sync(get_all()), strict=True):
            data, first = buffer.as_numpy_array(), group[0][0]
            for start, size, place in group:
                found[place] = data[start - first : start - first + size]
        return found

    def _index(self, key: str, shard: Index) -> NDArray[np.uint64] | None:
        """Offset and size of every chunk of a shard, (..., 2); None if there is no shard."""
        with self._lock:
            if shard not in self._indices:
                per = self._chunks_per_shard()
                size = 16 * int(np.prod(per)) + _CHECKSUM
                part = RangeByteRequest(0, size) if self._layout.index_first else None
                store = self.array.store_path.store
                wanted = part or SuffixByteRequest(size)
                stored = sync(store.get(key, default_buffer_prototype(), byte_range=wanted))
                if len(self._indices) >= _KEPT_INDICES:
                    self._indices.pop(next(iter(self._indices)))
                self._indices[shard] = None
                if stored is not None:
                    numbers = CRC32C(location="end").decode(stored.as_numpy_array())
                    self._indices[shard] = np.frombuffer(numbers, "<u8").reshape(*per, 2)
            return self._indices[shard]


class _Copy:
    """What is not compressed, as a decoder."""

    @staticmethod
    def decode(stored: Any, *, out: NDArray[Any]) -> None:
        out[...] = np.frombuffer(stored, out.dtype).reshape(out.shape)


def can_read(array: Any) -> bool:
    """True if the chunks of an array can be decoded here: plain or sharded, common codecs."""
    return isinstance(array, zarr.Array) and _layout(array) is not None


def _joined(spans: Sequence[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Spans (start, size, ...) in groups that follow each other: one request for each.

    Not across gaps: what lies there may be wanted later, and would be read twice.
    """
    group: list[tuple[Any, ...]] = []
    for span in spans:
        if group and span[0] != group[-1][0] + group[-1][1]:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _layout(array: zarr.Array[Any]) -> _Layout | None:
    """How chunks are stored, from the metadata alone; None if it is not known here."""
    metadata: Any = array.metadata.to_dict()
    if metadata.get("zarr_format") != 3:
        return None
    codecs = [_named(codec) for codec in metadata["codecs"]]
    sharded = codecs[0][0] == "sharding_indexed" and len(codecs) == 1
    settings = codecs[0][1] if sharded else {}
    if sharded:
        index = [name for name, _ in map(_named, settings["index_codecs"])]
        if index != ["bytes", "crc32c"]:
            return None
        codecs = [_named(codec) for codec in settings["codecs"]]
    names = [name for name, _ in codecs]
    if names[0] != "bytes" or any(name not in _DECODERS for name in names[1:]):
        return None
    swapped = (codecs[0][1].get("endian") == "big") == (sys.byteorder == "little")
    decoders = [get_codec({"id": _DECODERS[name]}) for name in reversed(names[1:])]
    return _Layout(
        decoders=tuple(decoders or [_Copy()]),
        dtype=np.dtype(array.dtype).newbyteorder("S" if swapped else "="),
        sharded=sharded,
        index_first=str(settings.get("index_location", "end")) == "start",
    )


def _named(codec: Any) -> tuple[str, Mapping[str, Any]]:
    return str(codec["name"]), codec.get("configuration") or {}
