"""Put what was written beside a place in that place, and remove it where it was not completed."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from pathlib import Path

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
