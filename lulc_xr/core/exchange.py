"""Write beside a place, one writer at a time: put in place at the end, removed if not completed."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from lulc_xr.core.errors import StoreError

# After a failure, threads that were writing need some milliseconds to end.
_TRIES, _QUIET, _PAUSE = 100, 5, 0.02
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def exchange(new: Path, old: Path) -> None:
    """Put a folder in the place of another, which takes its own.

    On Linux in one step, so that a reader always finds one of them.
    """
    if not old.exists():
        new.rename(old)
        return
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        pair = os.fsencode(new), os.fsencode(old)
        if library.renameat2(_AT_FDCWD, pair[0], _AT_FDCWD, pair[1], _RENAME_EXCHANGE) == 0:
            return
    # File systems without the exchange: two renames, which the caller ends if interrupted.
    aside = new.with_name(f"{new.name}.old")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside)


def remove_beside(folder: Path) -> None:
    """Remove what was written beside a store, also what threads still add to it for a moment."""
    quiet = 0
    for _ in range(_TRIES):
        quiet = 0 if folder.exists() else quiet + 1
        if quiet == _QUIET:
            return
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_PAUSE)


@contextlib.contextmanager
def alone(target: Path, *, what: str) -> Iterator[None]:
    """Hold the right to write a file or a store, or refuse; the lock dies with its process.

    Parameters
    ----------
    target : Path
        What is written; the lock file lies beside it.
    what : str
        What it holds, in a word of the plural such as "samples".

    Raises
    ------
    StoreError
        If another process (or thread) is writing it, or nothing can be written beside it.
    """
    lock = target.with_name(f".{target.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"cannot write beside {str(target)!r}: {error.strerror}. Check that the folder "
            f"{str(target.parent)!r} is there and can be written to."
        ) from error
    try:
        _take(descriptor, target, what)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, target: Path, what: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"{what} are being written to {str(target)!r} by another process. Wait until that run "
            "ends; then run this again, or choose another name."
        ) from error
