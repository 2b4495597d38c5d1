"""The plan of an extension, kept in its store from the first shard to the last."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray

from lulc_xr.core.errors import StoreError
from lulc_xr.cube.commit import EXTENSION, discard_journal
from lulc_xr.cube.ledger import array_of, job_hash
from lulc_xr.cube.regions import Region, blank, create_region_ledger
from lulc_xr.cube.store import open_group

_PLAN = "plan"


def job_of(cube: xr.Dataset, *, identity: str | None, **settings: Any) -> dict[str, Any]:
    """What decides the content of an extension: the cube's values and axes, and settings."""
    values = {
        str(name): identity or str(tokenize(var.variable.data))
        for name, var in cube.data_vars.items()
    }
    axes = {d: _digest(np.asarray(cube[d].values)) for d in ("time", "band", "y", "x")}
    return {"values": values, "axes": axes, **settings}


def _digest(values: NDArray[Any]) -> str:
    return hashlib.sha256(json.dumps([str(v) for v in values]).encode()).hexdigest()


@contextlib.contextmanager
def naming_store(path: Path) -> Iterator[None]:
    """Turn errors of the file system into a StoreError that names the store."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write into {str(path)!r}: {error.strerror or error}. What was there is "
            "unchanged. Check that it is not read-only and has space, then run again."
        ) from error


def begin(path: Path, regions: Mapping[str, Region], job: Mapping[str, Any]) -> None:
    """Note an extension in its store, with an empty ledger for each variable."""
    discard_journal(path)
    group = open_group(path, mode="r+")
    for name, region in regions.items():
        create_region_ledger(group, name, region)
    boxes = {
        n: {"start": list(r.start), "stop": list(r.stop), "shape": list(r.shape)}
        for n, r in regions.items()
    }
    # Last, as what has no plan was never begun.
    plan: Any = {"job_hash": job_hash(job), "job": dict(job), "regions": boxes}
    group.require_group(EXTENSION).attrs.update({_PLAN: plan})


def begun_plan(path: Path) -> dict[str, Any] | None:
    """The plan of an extension that was begun in a store and not ended."""
    if not (path / EXTENSION / "zarr.json").exists():
        return None
    found: Any = open_group(path / EXTENSION).attrs.get(_PLAN)
    return found if isinstance(found, dict) else None


def find_begun(path: Path, wanted: str, *, resume: bool) -> bool:
    """True if this very extension was begun; what is to be redone is taken back."""
    plan = begun_plan(path)
    if plan is None:
        return False
    if resume and plan["job_hash"] == wanted:
        return True
    if resume:
        raise StoreError(
            f"an extension of {str(path)!r} by another cube was interrupted (begun for "
            f"{', '.join(plan['regions'])}). Run that one again, which does what is missing, or "
            "pass resume=False to discard it; the store itself is unchanged."
        )
    group = open_group(path, mode="r+")
    for name, box in plan["regions"].items():
        blank(array_of(group, name), Region(**{k: tuple(v) for k, v in box.items()}))
    discard_journal(path)
    return False
