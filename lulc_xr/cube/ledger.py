"""The ledger: which shards of a map are written, by which job, with which content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from lulc_xr.core.digest import content_digest, job_hash
from lulc_xr.core.errors import StoreError

__all__ = [
    "LEDGER",
    "STATE_COMPLETE",
    "STATE_WRITING",
    "array_of",
    "content_digest",
    "create_ledger",
    "entries",
    "find_ledger",
    "job_hash",
    "shard_grid",
    "unfinished",
]

LEDGER = "ledger"
"""Group beside the variables; one array per variable, one uint64 per shard (0: not done)."""

EXTENT = "shape"
"""Attribute of a ledger: shape of the array that it covers, which may grow later."""

STATE_WRITING, STATE_COMPLETE = "writing", "complete"


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """An array of a group, or an error if the name is a group."""
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise StoreError(f"{name!r} in the store is a group, not an array; remove or rename it.")
    return array


def dims_of(array: zarr.Array[Any]) -> tuple[str, ...]:
    """Names of an array's dimensions."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    return tuple(str(n) for n in names)


def create_ledger(group: zarr.Group, name: str, *, job: Mapping[str, Any]) -> zarr.Array[Any]:
    """An empty ledger for the array `name` of a group, replacing an older one."""
    array = array_of(group, name)
    attributes = {
        "job": dict(job),
        "job_hash": job_hash(job),
        "state": STATE_WRITING,
        EXTENT: list(array.shape),
    }
    return create_entries(group.require_group(LEDGER), name, shard_grid(array), attributes)


def create_entries(
    group: zarr.Group, name: str, grid: tuple[int, ...], attributes: Mapping[str, Any] | None = None
) -> zarr.Array[Any]:
    """An empty array of one entry per shard, each a file of its own, replacing an older one."""
    return group.create_array(
        name,
        shape=grid,
        chunks=(1,) * len(grid),
        dtype=np.uint64,
        fill_value=0,
        compressors=None,
        overwrite=True,
        attributes=dict(attributes or {}),
    )


def find_ledger(group: zarr.Group, name: str) -> zarr.Array[Any] | None:
    """The ledger of a variable; None if it has none."""
    ledger = group.get(f"{LEDGER}/{name}")
    return ledger if isinstance(ledger, zarr.Array) else None


def shard_grid(array: zarr.Array[Any]) -> tuple[int, ...]:
    """Number of shards of an array along each dimension."""
    sizes = array.shards or array.chunks
    return tuple(-(-n // s) for n, s in zip(array.shape, sizes, strict=True))


def entries(ledger: zarr.Array[Any]) -> NDArray[np.uint64]:
    """All digests of a ledger, 0 where a shard is not done."""
    return np.asarray(ledger[...], np.uint64)


def unfinished(group: zarr.Group) -> dict[str, tuple[int, int]]:
    """Variables whose ledger is not complete: shards done, and shards in all."""
    found = {}
    ledgers = group.get(LEDGER)
    if not isinstance(ledgers, zarr.Group):
        return {}
    for name, ledger in ledgers.arrays():
        if ledger.attrs.get("state") != STATE_COMPLETE:
            done = entries(ledger)
            found[name] = (int((done != 0).sum()), done.size)
    return found
