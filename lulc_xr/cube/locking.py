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

# Beyond the places of names, which are 32 bits: the shape of the whole store, and its root file.
_SHAPE, _ROOT = 2**32, 2**32 + 1

# Locks of an open file description belong to the descriptor, not to the process: two
# writers in one process exclude each other as well (Linux; elsewhere POSIX locks).
_SET_LOCK = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)
_WAIT_FOR_LOCK = getattr(fcntl, "F_OFD_SETLKW", fcntl.F_SETLKW)


@contextlib.contextmanager
def writing(store: Path, names: Iterable[str], *, shape: bool = False) -> Iterator[None]:
    """Hold the right to write these variables of a local store, or refuse.

    Writers of different variables do not disturb each other, but none of them runs while the
    shape of the store changes.

    Parameters
    ----------
    store : Path
        The store; its lock file lies beside it, so that the store holds only Zarr.
    names : iterable of str
        Variables that will be written.
    shape : bool
        The store itself will be built, extended or repaired: nobody else may write at all.

    Raises
    ------
    StoreError
        If another process (or thread) is writing one of them.
    """
    with _locks(store) as descriptor:
        kind = fcntl.F_WRLCK if shape else fcntl.F_RDLCK
        if not _take(descriptor, kind, _SHAPE):
            what = "its variables are" if shape else "it is"
            raise StoreError(
                f"{str(store)!r} cannot be {'extended' if shape else 'written'} now: {what} being "
                f"{'written or extended' if shape else 'built or extended'} by another process. "
                "Wait until that run ends; then run this again."
            )
        for name in sorted(names):
            if not _take(descriptor, fcntl.F_WRLCK, zlib.crc32(name.encode())):
                raise StoreError(
                    f"{name!r} of {str(store)!r} is being written by another process. Two writers "
                    "of one shard would damage it. Wait until that run ends; then run this again: "
                    "it does only what is missing."
                )
        yield


@contextlib.contextmanager
def publishing(store: Path) -> Iterator[None]:
    """Wait for the right to replace the root file of a store, which takes milliseconds."""
    with _locks(store) as descriptor:
        fcntl.fcntl(descriptor, _WAIT_FOR_LOCK, _lock(fcntl.F_WRLCK, _ROOT))
        yield


def lock_file(store: Path) -> Path:
    """The lock file of a store, which lies beside it."""
    return store.with_name(f".{store.name}.lock")


@contextlib.contextmanager
def _locks(store: Path) -> Iterator[int]:
    path = lock_file(store)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"cannot write beside {str(store)!r}: {error.strerror}. Writing needs a lock file "
            f"{path.name!r} there; check the permissions of {str(store.parent)!r}."
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, place: int) -> bool:
    try:
        fcntl.fcntl(descriptor, _SET_LOCK, _lock(kind, place))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _lock(kind: int, place: int) -> bytes:
    return struct.pack("hhqqi", kind, 0, place, 1, 0)
