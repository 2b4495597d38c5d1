"""Replace maps of a store: written beside, then exchanged; the old are readable until then."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr

from lulc_xr.cube.ledger import LEDGER, job_hash

STAGING = "staging"
"""Group of a store where a replacement is written until it is complete."""

JOB_ATTRIBUTE = "lulc_xr:job_hash"
"""Attribute of a written array: the job that its values come from."""

_PROMOTING = "promoting"
# After a failure, threads that were writing need some milliseconds to end.
_TRIES, _QUIET, _PAUSE = 100, 5, 0.02
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def discard(store: Path) -> None:
    """Remove an unfinished replacement."""
    shutil.rmtree(store / STAGING, ignore_errors=True)


def remove_beside(folder: Path) -> None:
    """Remove what was written beside a store, also what threads still add to it for a moment."""
    quiet = 0
    for _ in range(_TRIES):
        quiet = 0 if folder.exists() else quiet + 1
        if quiet == _QUIET:
            return
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_PAUSE)


def promote(store: Path, jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the completed replacement in the place of the old maps.

    The plan is noted first, so that :func:`finish_promotion` ends it after an interruption.
    """
    staging = zarr.open_group(store / STAGING, mode="r+", use_consolidated=False)
    staging.attrs.update({_PROMOTING: {name: job_hash(job) for name, job in jobs.items()}})
    finish_promotion(store)


def finish_promotion(store: Path) -> None:
    """End an exchange that was begun; does nothing if none was."""
    if not (store / STAGING / "zarr.json").exists():
        return
    staging = zarr.open_group(store / STAGING, mode="r", use_consolidated=False)
    planned = staging.attrs.get(_PROMOTING)
    if not isinstance(planned, Mapping):
        return
    zarr.open_group(store, mode="r+", use_consolidated=False).require_group(LEDGER)
    for name, wanted in planned.items():
        for part, attribute in ((name, JOB_ATTRIBUTE), (f"{LEDGER}/{name}", "job_hash")):
            # What carries the new job's mark still waits in staging; the rest is in place.
            if part in staging and staging[part].attrs.get(attribute) == wanted:
                exchange(store / STAGING / part, store / part)
    discard(store)


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
    # File systems without the exchange: two renames, ended by finish_promotion if interrupted.
    aside = new.with_name(f"{new.name}.old")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside)
