"""Check a store: every recorded shard holds what the ledger says was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr

from lulc_xr.cube.ledger import EXTENT, LEDGER, content_digest, entries
from lulc_xr.cube.rewrite import grown
from lulc_xr.cube.shards import read_shard
from lulc_xr.cube.store import StorePath, open_group

Index = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class VariableCheck:
    """Shards of one variable: all, recorded as done, missing, and those that differ."""

    shards: int
    done: int
    damaged: tuple[Index, ...] = ()

    @property
    def missing(self) -> int:
        """Shards that are not recorded as done."""
        return self.shards - self.done


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Outcome of :func:`verify` for each variable that has a ledger."""

    variables: Mapping[str, VariableCheck] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if every shard of every variable is done and holds what was written."""
        return all(not c.damaged and not c.missing for c in self.variables.values())


def verify(store: StorePath) -> Verification:
    """Read every recorded shard of a store and compare it with the ledger.

    Parameters
    ----------
    store : str or path
        Store of a cube.

    Returns
    -------
    Verification
        For each map: shards in all, done, and the indices of damaged ones. An unreadable
        shard counts as damaged.

    Raises
    ------
    StoreError
        If there is no Zarr group.
    """
    group = open_group(store)
    ledgers = group.get(LEDGER)
    found: dict[str, VariableCheck] = {}
    if isinstance(ledgers, zarr.Group):
        for name, ledger in sorted(ledgers.arrays()):
            array = group.get(name)
            extent = ledger.attrs.get(EXTENT)
            if isinstance(array, zarr.Array) and isinstance(extent, list):
                # An array may have grown since; the ledger is of what was written.
                array = grown(array, extent)
            digests = entries(ledger)
            done = [tuple(int(i) for i in index) for index in np.argwhere(digests != 0)]
            damaged = tuple(
                index
                for index in done
                if not isinstance(array, zarr.Array)
                or not _holds(array, index, int(digests[index]))
            )
            found[name] = VariableCheck(shards=digests.size, done=len(done), damaged=damaged)
    return Verification(variables=found)


def _holds(array: zarr.Array[Any], index: Index, digest: int) -> bool:
    try:
        return content_digest(read_shard(array, index)) == digest
    except (OSError, ValueError, RuntimeError):
        # A damaged shard fails in its codec or index, with errors of several kinds.
        return False
