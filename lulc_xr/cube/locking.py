"""One writer at a time: locks on variables of a store that die with their process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from lulc_xr.core.errors import StoreError

# Locks of an open file description belong to the descriptor, not to the process: two
# writers in one process exclude each other as well (Linux; elsewhere POSIX locks).
_SET_LOCK = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)


@contextlib.contextmanager
def writing(store: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold the right to write these variables of a local store, or refuse.

    Parameters
    ----------
    store : Path
        The store; its lock file lies beside it, so that the store holds only Zarr.
    names : iterable of str
        Variables that will be written.

    Raises
    ------
    StoreError
        If another process (or thread) is writing one of them.
    """
    path = store.with_name(f".{store.name}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"cannot write beside {str(store)!r}: {error.strerror}. Writing needs a lock file "
            f"{path.name!r} there; check the permissions of {str(store.parent)!r}."
        ) from error
    try:
        for name in sorted(names):
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, 0, zlib.crc32(name.encode()), 1, 0)
            try:
                fcntl.fcntl(descriptor, _SET_LOCK, lock)
            except (BlockingIOError, PermissionError) as error:
                raise StoreError(
                    f"{name!r} of {str(store)!r} is being written by another process. Two writers "
                    "of one shard would damage it. Wait until that run ends; then run this again: "
                    "it does only what is missing."
                ) from error
        yield
    finally:
        os.close(descriptor)
