"""Replace maps of a store: written beside, then exchanged; the old are readable until then."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr

from lulc_xr.core.exchange import exchange
from lulc_xr.cube.ledger import LEDGER, job_hash

STAGING = "staging"
"""Group of a store where a replacement is written until it is complete."""

JOB_ATTRIBUTE = "lulc_xr:job_hash"
"""Attribute of a written array: the job that its values come from."""

_PROMOTING = "promoting"


def discard(store: Path) -> None:
    """Remove an unfinished replacement."""
    shutil.rmtree(store / STAGING, ignore_errors=True)


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
