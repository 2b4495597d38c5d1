"""Append maps of later years to those of a store: seen when all of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from lulc_xr.core.errors import StoreError
from lulc_xr.cube.commit import EXTENSION, discard_journal, finish_commit, note_commit, publish
from lulc_xr.cube.extend import EXTENDED
from lulc_xr.cube.journal import begin, begun_plan, find_begun
from lulc_xr.cube.ledger import LEDGER, array_of, dims_of, entries, find_ledger, job_hash
from lulc_xr.cube.regions import Region, write_regions
from lulc_xr.cube.rewrite import grown
from lulc_xr.cube.shards import WriteReport
from lulc_xr.cube.store import open_group

_SAME_MODEL = ("model_hash", "precision")


def new_years(maps: xr.Dataset, group: zarr.Group) -> list[int]:
    """Years of maps that a store with other mapped years does not have yet."""
    if "year" not in maps.dims or "year" not in maps.coords or "year" not in group:
        return []
    there = np.asarray(array_of(group, "year")[...])
    return [int(y) for y in maps["year"].values if y not in there]


def append_years(
    maps: xr.Dataset,
    path: Path,
    jobs: Mapping[str, Mapping[str, Any]],
    *,
    resume: bool,
    progress: bool,
) -> WriteReport:
    """Write the years of maps that a store does not have; those it has stay as they are.

    Needs the right to change the store's shape. Resumed like an extension of the cube.
    """
    finish_commit(path)
    if begun_plan(path) is None:
        discard_journal(path)
    group = open_group(path, mode="r+")
    years = new_years(maps, group)
    job = {"maps": dict(jobs), "years": years}
    known: Any = group.attrs.asdict().get(EXTENDED, {})
    if not years:
        return WriteReport(written=0, skipped=known.get(job_hash(job), 0))
    _check_years(years, group, path)
    regions = {str(n): _region(group, str(n), var, years, jobs) for n, var in maps.items()}
    new = maps.sel(year=years)
    if not find_begun(path, job_hash(job), resume=resume):
        publish(path, always=True)
        begin(path, regions, job)
    report = write_regions(new, regions, path, progress=progress, what="years")
    shapes, extents = _grow(group, regions, years)
    done = {**known, job_hash(job): report.written + report.skipped}
    note_commit(path, shapes=shapes, attributes={EXTENDED: done}, extents=extents)
    finish_commit(path)
    return report


def _check_years(years: list[int], group: zarr.Group, path: Path) -> None:
    there = np.asarray(array_of(group, "year")[...]).tolist()
    if min(years) < max(there) or years != sorted(years):
        raise StoreError(
            f"{str(path)!r} holds maps of {there}; these are of {years}. Years are appended "
            "behind the last, in order: write earlier ones into another store, or map all of "
            "them anew."
        )


def _region(
    group: zarr.Group,
    name: str,
    var: xr.DataArray,
    years: list[int],
    jobs: Mapping[str, Mapping[str, Any]],
) -> Region:
    ledger = find_ledger(group, name)
    if ledger is None or not (entries(ledger) != 0).all():
        raise StoreError(
            f"years are appended to maps that are complete; {name!r} is "
            f"{'not in the store' if ledger is None else 'not finished'}. Write it for the "
            "store's own years first."
        )
    there: Any = ledger.attrs["job"]
    for key in _SAME_MODEL:
        if there.get(key) != jobs[name].get(key):
            raise StoreError(
                f"{name!r} of the store is of {key} {there.get(key)}, that of {years} of "
                f"{jobs[name].get(key)}. One variable holds maps of one model: use that one, or "
                "write into another store."
            )
    array = array_of(group, name)
    dims = dims_of(array)
    if set(var.dims) != set(dims) or "year" not in dims:
        raise StoreError(f"{name!r} has dimensions {var.dims}; in the store they are {dims}.")
    shape = tuple(n + len(years) * (d == "year") for d, n in zip(dims, array.shape, strict=True))
    start = tuple(n * (d == "year") for d, n in zip(dims, array.shape, strict=True))
    return Region(start=start, stop=shape, shape=shape)


def _grow(
    group: zarr.Group, regions: Mapping[str, Region], years: list[int]
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """The year and the ledgers beyond their extents; new shapes of all that grows."""
    shapes: dict[str, list[int]] = {}
    for name, array in group.arrays():
        dims = dims_of(array)
        if "year" in dims:
            sizes = zip(dims, array.shape, strict=True)
            shapes[name] = [n + len(years) * (d == "year") for d, n in sizes]
    array = array_of(group, "year")
    grown(array, shapes["year"])[array.shape[0] :] = np.array(years, array.dtype)
    extents = {}
    for name, region in regions.items():
        ledger, written = (
            array_of(group, f"{LEDGER}/{name}"),
            array_of(group, f"{EXTENSION}/{name}"),
        )
        old, whole = entries(ledger), entries(written)
        whole[tuple(slice(n) for n in old.shape)] = old
        grown(ledger, whole.shape)[...] = whole
        shapes[f"{LEDGER}/{name}"] = list(whole.shape)
        extents[f"{LEDGER}/{name}"] = list(region.shape)
    return shapes, extents
