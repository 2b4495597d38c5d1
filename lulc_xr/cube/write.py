"""Write maps back into a cube's store: resumable, shard-safe, nothing half replaced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.arrays import create_array, stored_encoding
from lulc_xr.cube.commit import commit_is_due, finish_commit, publish, withdraw
from lulc_xr.cube.journal import naming_store
from lulc_xr.cube.ledger import (
    STATE_COMPLETE,
    array_of,
    create_ledger,
    entries,
    find_ledger,
    job_hash,
)
from lulc_xr.cube.locking import writing
from lulc_xr.cube.shards import WriteReport, check_whole_shards, write_shards
from lulc_xr.cube.staging import JOB_ATTRIBUTE, STAGING, discard, finish_promotion, promote
from lulc_xr.cube.store import StorePath, open_group
from lulc_xr.cube.years import append_years, new_years

_INNER_CHUNK = 256
_DEFAULT_SHARD = 512
_PROVENANCE = ("model_hash", "precision", "year_start", "history")


def write_variables(
    result: xr.Dataset,
    store: StorePath,
    *,
    resume: bool = True,
    overwrite: bool = False,
    progress: bool = True,
) -> WriteReport:
    """Compute lazy maps and write them as variables of a cube's store, shard by shard.

    Runs on the active Dask client if there is one, else on local threads. A ledger in the
    store records each finished shard; after an interruption the same call does only what is
    missing.

    Parameters
    ----------
    result : xr.Dataset
        Maps over (year, y, x), such as :func:`lulc_xr.classify` gives; one Dask chunk
        becomes one shard. Years after those that the store's maps have are appended; the
        years that are there stay as they are, without a look at these.
    store : str or path
        Store of the cube; `y` and `x` are the same.
    resume : bool
        Continue an interrupted run of the same model, inputs and settings. False: refuse
        if there is one.
    overwrite : bool
        Replace maps that are there. The old ones stay readable until the new are complete.
    progress : bool
        Show a progress bar.

    Returns
    -------
    WriteReport
        Numbers of shards written and skipped.

    Raises
    ------
    StoreError
        If the store holds a map of another model or setting, cannot be written, is being
        written by another process, or two tasks would share a shard.
    CubeError
        If `result` lies on another grid than the store.
    """
    path = Path(store).resolve()
    group = open_group(path, mode="r+")
    maps = _chunked(result)
    jobs = {str(n): _job(str(n), var) for n, var in maps.data_vars.items()}
    # Whoever replaces maps needs the staging group to itself.
    staged = overwrite or (path / STAGING).exists()
    if commit_is_due(path):
        with writing(path, (), shape=True):
            finish_commit(path)
    if not overwrite and new_years(maps, group):
        _check_grid(maps.isel(year=0, drop=True), group, path)
        with writing(path, (), shape=True), naming_store(path):
            return append_years(maps, path, jobs, resume=resume, progress=progress)
    with writing(path, [*jobs, STAGING] if staged else jobs):
        try:
            if staged:
                finish_promotion(path)
            # Not before: nobody extends the store now.
            _check_grid(maps, group, path)
            place = _prepare(maps, path, jobs, resume=resume, overwrite=overwrite)
            publish(path)
            report = write_shards(_encodings(maps), place, progress=progress, what="maps")
            _complete(place, jobs)
            if place != path:
                # Meanwhile each array speaks for itself: it is exchanged with its metadata.
                copied = withdraw(path)
                promote(path, jobs)
                publish(path, always=copied)
            publish(path)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(
                f"cannot write into {str(path)!r}: {error.strerror or error}. What was there "
                "is unchanged. Check that it is not read-only and has space, then run again."
            ) from error
    return report


def _chunked(result: xr.Dataset) -> xr.Dataset:
    if not result.data_vars:
        raise CubeError("nothing to write: the dataset has no variables.")
    for name, var in result.data_vars.items():
        if not {"y", "x"} <= set(var.dims):
            raise CubeError(
                f"{name!r} has dimensions {var.dims}; maps have y and x. "
                "Write other variables with xarray's to_zarr, into a store of their own."
            )
    loaded = {
        n: v.variable.chunk(
            {"y": _DEFAULT_SHARD, "x": _DEFAULT_SHARD} | ({"year": 1} if "year" in v.dims else {})
        )
        for n, v in result.data_vars.items()
        if v.chunks is None
    }
    return result.assign(loaded) if loaded else result


def _check_grid(maps: xr.Dataset, group: zarr.Group, path: Path) -> None:
    for name in ("y", "x"):
        stored = np.asarray(array_of(group, name)[...])
        given = np.asarray(maps[name].values)
        if stored.shape != given.shape or not np.array_equal(stored, given):
            raise CubeError(
                f"{name!r} of these maps ({given.size} values from {given[0]:g}) is not that of "
                f"{str(path)!r} ({stored.size} values from {stored[0]:g}). Maps are written whole "
                "and on the cube's own grid: classify the cube that open_cube gives of this store."
            )
    for name in _shared_dims(maps):
        if name in group:
            there = np.asarray(array_of(group, name)[...]).tolist()
            here = np.asarray(maps[name].values).tolist()
            if there != here:
                raise StoreError(
                    f"{str(path)!r} holds maps whose {name!r} is {there}; these have {here}. "
                    "Variables of one store share it: classify the same ones, or write into "
                    "another store."
                )


def _shared_dims(maps: xr.Dataset) -> list[str]:
    """Dimensions whose coordinates the maps bring along: the years, and classes of tasks."""
    return sorted(str(d) for d in maps.dims if d not in ("y", "x") and d in maps.coords)


def _job(name: str, var: xr.DataArray) -> dict[str, Any]:
    # The Dask name is a hash of all that decides the values: model, inputs, settings.
    known = {k: str(var.attrs[k]) for k in _PROVENANCE if k in var.attrs}
    return {"variable": name, "graph": var.data.name, **known}


def _encodings(maps: xr.Dataset) -> xr.Dataset:
    made = {}
    for name, var in maps.data_vars.items():
        made[name] = var.variable.copy(deep=False)
        made[name].encoding = dict(stored_encoding(str(name), var))
    return xr.Dataset(made)


def _prepare(
    maps: xr.Dataset,
    path: Path,
    jobs: Mapping[str, Mapping[str, Any]],
    *,
    resume: bool,
    overwrite: bool,
) -> Path:
    """Metadata and ledgers of all maps; where to write: the store, or its staging group."""
    group = open_group(path, mode="r+")
    states = {name: _state(group, name, job) for name, job in jobs.items()}
    begun = [n for n, s in states.items() if s in ("begun", "complete")]
    foreign = [n for n, s in states.items() if s == "foreign"]
    if foreign and not overwrite:
        raise StoreError(_refusal(group, path, foreign[0], jobs[foreign[0]]))
    if begun and not resume and not overwrite:
        raise StoreError(
            f"{', '.join(begun)} in {str(path)!r}: this very job was begun there before, and "
            "resume=False. Pass resume=True to do what is missing, or overwrite=True to redo all."
        )
    redone = "complete" in states.values() or (begun and not resume)
    replaced = foreign or (overwrite and redone)
    if not replaced:
        _create_maps(group, maps, jobs, [n for n, s in states.items() if s == "absent"])
        return path
    staging = open_group(path, mode="r+").require_group(STAGING)
    absent = [n for n, job in jobs.items() if _state(staging, n, job) not in ("begun", "complete")]
    if absent:
        discard(path)
        staging = open_group(path, mode="r+").require_group(STAGING)
        absent = list(jobs)
    _create_maps(staging, maps, jobs, absent, coords=False)
    _create_coords(group, maps)
    return path / STAGING


def _state(group: zarr.Group, name: str, job: Mapping[str, Any]) -> str:
    if name not in group:
        return "absent"
    ledger = find_ledger(group, name)
    if ledger is None:
        # A kill between the array's metadata and its ledger leaves the job's mark only.
        return "absent" if group[name].attrs.get(JOB_ATTRIBUTE) == job_hash(job) else "foreign"
    if ledger.attrs.get("job_hash") != job_hash(job):
        # Another job that ended before its first shard (a model refused, say) left nothing.
        return "foreign" if entries(ledger).any() else "absent"
    return "complete" if ledger.attrs.get("state") == STATE_COMPLETE else "begun"


def _refusal(group: zarr.Group, path: Path, name: str, job: Mapping[str, Any]) -> str:
    ledger = find_ledger(group, name)
    if ledger is None:
        return (
            f"{name!r} of {str(path)!r} was not written by write_variables, so it will not be "
            "touched. Pass overwrite=True to replace it, or rename the new variable."
        )
    there: Any = ledger.attrs["job"]
    differs = [k for k in _PROVENANCE if there.get(k) != job.get(k) and k != "history"]
    said = "; ".join(f"{k}: {there.get(k)} there, {job.get(k)} now" for k in differs)
    done = entries(ledger)
    return (
        f"{name!r} of {str(path)!r} is a map of another job "
        f"({said or 'same model, other inputs or settings'}; {int((done != 0).sum())} of "
        f"{done.size} shards done). Pass overwrite=True to replace it (it stays readable until "
        "the new map is complete), or write into another store."
    )


def _create_maps(
    group: zarr.Group,
    maps: xr.Dataset,
    jobs: Mapping[str, Mapping[str, Any]],
    names: list[str],
    *,
    coords: bool = True,
) -> None:
    if coords:
        _create_coords(group, maps)
    for name in names:
        var = maps[name]
        plan = _plan(var)
        marked = var.assign_attrs({JOB_ATTRIBUTE: job_hash(jobs[name])})
        if name in group:
            del group[name]
        create_array(group, name, marked, encoding=stored_encoding(name, var), plan=plan)
        create_ledger(group, name, job=jobs[name])


def _plan(var: xr.DataArray) -> ChunkPlan:
    """Shards of the size of the Dask chunks, with inner chunks for readers of small areas."""
    first = {str(d): c[0] for d, c in zip(var.dims, var.chunks or (), strict=True)}
    check_whole_shards(str(var.name), var.chunks or (), tuple(first.values()))
    inner = {d: _INNER_CHUNK for d in ("y", "x") if first[d] % _INNER_CHUNK == 0}
    return ChunkPlan(chunks=first | inner, shards=first)


def _create_coords(group: zarr.Group, maps: xr.Dataset) -> None:
    for name in _shared_dims(maps):
        if name not in group:
            values = np.asarray(maps[name].values)
            if values.dtype.kind in "OUT":
                values = values.astype(np.dtypes.StringDType())
            attrs = {str(k): v for k, v in maps[name].attrs.items()}
            group.create_array(name, data=values, dimension_names=[name], attributes=attrs)


def _complete(place: Path, jobs: Mapping[str, Any]) -> None:
    group = zarr.open_group(place, mode="r+", use_consolidated=False)
    for name in jobs:
        ledger = find_ledger(group, name)
        if ledger is not None and (entries(ledger) != 0).all():
            ledger.attrs.update({"state": STATE_COMPLETE})
