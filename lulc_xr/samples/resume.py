"""Samples into a store, batch after batch: what is recorded is not done again after a kill."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT
from lulc_xr.core.cube import check_scale
from lulc_xr.core.dates import dates_to_dict
from lulc_xr.core.digest import content_digest, job_hash
from lulc_xr.core.errors import StoreError
from lulc_xr.core.exchange import alone
from lulc_xr.samples.assembly import (
    LABELLED,
    PATCH_DIMS,
    make_samples,
    usable,
)
from lulc_xr.samples.plan import SamplePlan, order_by_chunk
from lulc_xr.samples.reading import chunks_of, progress_bar, read_series
from lulc_xr.samples.store import open_samples, put_in_place

JOB_HASH = "job_hash"
"""Attribute of a store of samples: the extraction that it comes from."""

_LEDGER, _BATCHES = "ledger", "batches"
_BATCH_BYTES = 64 * 2**20
_BATCH_CHUNKS = 256
"""A batch is recorded after so many chunks of the cube: some seconds of work."""

_CHUNK_BYTES = 8 * 2**20
_MOST_SAMPLES = 4096
_ENOUGH_TO_JUDGE_SCALE = 30
_NO_SAMPLE = 1
_DIMS = {
    "reflectance": ("sample", "time", "band", *PATCH_DIMS),
    "labelled": ("sample", *PATCH_DIMS),
}


def extract_into(
    plan: SamplePlan, store: str | os.PathLike[str], *, overwrite: bool, progress: bool
) -> tuple[xr.Dataset, int]:
    """Samples of a plan in a store, lazily, and the number that was never clear.

    What is read goes into a folder beside the store, with a ledger of its batches; the store
    appears under its name once it is complete.

    Parameters
    ----------
    plan : SamplePlan
        What to read.
    store : path
        Folder to make.
    overwrite : bool
        Replace a store of that name, or the unfinished work of another job.
    progress : bool
        Show a progress bar.

    Raises
    ------
    StoreError
        If the store exists, another job is unfinished there, another process works at it,
        or it cannot be written.
    """
    target = Path(store).resolve()
    job = job_hash(describe_job(plan))
    if target.exists():
        found = open_samples(target, lazy=True)
        same = found.attrs.get(JOB_HASH) == job
        if same and not overwrite:
            return found, int(found.attrs["points_unseen"])
        if not overwrite:
            raise StoreError(
                f"{target} exists already, from other points, settings or another cube; nothing "
                "was written. Choose another name, or replace it with overwrite=True."
            )
    work = target.with_name(f".{target.name}.partial")
    try:
        with alone(target, what="samples"):
            _prepare(work, job, overwrite=overwrite)
            batches = list(plan_batches(plan))
            _read_missing(plan, work, batches, progress=progress)
            kept = _assemble(plan, work, len(batches), target, job=job)
            shutil.rmtree(work, ignore_errors=True)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"samples were not written to {target}: {error.strerror or error}. The batches before "
            "are whole and recorded. Check that the folder can be written to, and the space "
            "left; then run the same again: it does what is missing."
        ) from error
    made = open_samples(target, lazy=True) if kept.size else make_samples(plan, kept, None)
    return made, plan.samples - kept.size


def plan_batches(plan: SamplePlan) -> Iterator[NDArray[np.int64]]:
    """Positions of samples, batch by batch: whole chunks, in the order of the cube's chunks.

    The samples of one chunk stay together, so that it is read once; a patch that reaches
    into the chunk of another batch has that chunk read for each of them.
    """
    order, starts = order_by_chunk(plan)
    limit = max(1, _BATCH_BYTES // max(1, plan.bytes_of_one))
    begin, chunks = 0, 0
    for start, end in zip(starts, [*starts, order.size][1:], strict=True):
        if chunks and (chunks >= _BATCH_CHUNKS or end - begin > limit):
            yield order[begin:start]
            begin, chunks = int(start), 0
        chunks += 1
    if begin < order.size:
        yield order[begin:]


def describe_job(plan: SamplePlan) -> dict[str, Any]:
    """What decides the samples: cube, points and settings, JSON-able."""
    table, cube = plan.table, plan.cube
    names = [name for name in ("reflectance", "clear", CONTEXT) if name in cube]
    columns = {"weight": table.weight, "point_id": table.point_id, **table.labels, **table.kept}
    return {
        "cube": {
            "variables": {name: _identity(cube, name) for name in names},
            "axes": {d: _digest(cube[d].values) for d in ("time", "band", "y", "x")},
        },
        "points": {name: _digest(values) for name, values in columns.items()},
        "samples": {
            name: _digest(values)
            for name, values in (
                ("point", plan.point), ("row", plan.row), ("column", plan.column),
                ("year", plan.year), ("y", plan.offset_y), ("x", plan.offset_x),
            )
        },
        "legends": {task: legend.to_dict() for task, legend in table.legends.items()},
        "reach": None if plan.reach is None else _digest(plan.reach),
        "dates": dates_to_dict(plan.dates),
        "bands": list(plan.bands),
        "patch": plan.patch,
    }  # fmt: skip


def _identity(cube: xr.Dataset, name: str) -> str:
    variable = cube[name]
    if variable.chunks is not None:
        # Dask names arrays by what they are made of; open_cube by the store's identity.
        return str(variable.data.name)
    if isinstance(variable.variable._data, np.ndarray):
        return _digest(variable.values)
    # To read it all would not be bounded.
    source = variable.encoding.get("source") or cube.encoding.get("source")
    if source is None:
        raise StoreError(
            f"{name!r} is neither in memory nor in chunks and does not say which file it is from, "
            "so an interrupted extraction could not be told from another. Open the cube with "
            "lulc_xr.open_cube, or with chunks={}."
        )
    return f"{source} {variable.dtype} {variable.shape}"


def _digest(values: NDArray[Any]) -> str:
    plain = np.ascontiguousarray(values) if values.dtype.kind in "biufmM" else None
    data = plain.tobytes() if plain is not None else "\0".join(map(str, values)).encode()
    return hashlib.blake2b(data, digest_size=16).hexdigest() + f" {values.dtype} {values.shape}"


def _prepare(work: Path, job: str, *, overwrite: bool) -> None:
    """An empty folder for the batches of a job, or the one that an earlier run left."""
    if (work / "zarr.json").exists():
        if zarr.open_group(work, mode="r").attrs.get(JOB_HASH) == job:
            return
        if not overwrite:
            raise StoreError(
                f"{work} holds an unfinished extraction of other points, settings or another cube. "
                "Finish it with the call that began it, or drop it with overwrite=True."
            )
    shutil.rmtree(work, ignore_errors=True)
    zarr.open_group(work, mode="w", zarr_format=3, attributes={JOB_HASH: job})


def _ledger(work: Path, number: int) -> zarr.Array[Any]:
    """One uint64 for each batch: 0 not done, else a digest of what was written."""
    group = zarr.open_group(work, mode="r+", use_consolidated=False)
    found = group.get(_LEDGER)
    if isinstance(found, zarr.Array) and found.shape == (number,):
        return found
    return group.create_array(
        _LEDGER, shape=(number,), chunks=(1,), dtype=np.uint64, fill_value=0, compressors=None,
        overwrite=True,
    )  # fmt: skip


def _read_missing(
    plan: SamplePlan, work: Path, batches: list[NDArray[np.int64]], *, progress: bool
) -> None:
    """Read what the ledger does not record, batch after batch."""
    ledger = _ledger(work, max(1, len(batches)))
    done = np.asarray(ledger[...]) != 0
    missing = [number for number in range(len(batches)) if not done[number]]
    total = sum(1 for n in missing for _ in chunks_of(plan, batches[n])) if progress else 0
    group = zarr.open_group(work / _BATCHES, mode="a", zarr_format=3)
    with progress_bar(total, show=progress) as advance:
        for number in missing:
            chosen = batches[number]
            series, seen = read_series(plan, chosen, advance=advance)
            use = usable(plan, chosen, seen)
            if int(use.sum()) >= _ENOUGH_TO_JUDGE_SCALE:
                check_scale(series[use])
            made = group.create_group(str(number), overwrite=True)
            made.create_array("kept", data=chosen[use])
            made.create_array("reflectance", data=series[use], chunks="auto")
            # Last, so that what is recorded is whole.
            ledger[number] = np.uint64(content_digest(series[use]) if use.any() else _NO_SAMPLE)


def _assemble(
    plan: SamplePlan, work: Path, number: int, target: Path, *, job: str
) -> NDArray[np.int64]:
    """Put the store that batches make in its place; the samples that are kept, in their order."""
    batches = zarr.open_group(work / _BATCHES, mode="r", use_consolidated=False)
    parts = [np.asarray(_array(batches, f"{n}/kept")[...]) for n in range(number)]
    kept = np.concatenate([np.zeros(0, np.int64), *parts])
    if not kept.size:
        return kept
    samples = make_samples(plan, kept, None)
    samples.attrs |= {"points_unseen": plan.samples - kept.size, JOB_HASH: job}
    made = work / "new"
    samples.to_zarr(made, mode="w", zarr_format=3, consolidated=False)
    group = zarr.open_group(made, mode="r+", use_consolidated=False)
    rows = max(1, min(_MOST_SAMPLES, _CHUNK_BYTES // plan.bytes_of_one))
    _write_rows(group, "reflectance", _series(plan, work, parts), rows=rows, number=kept.size)
    group["reflectance"].attrs.update({"long_name": "reflectance"})
    if plan.reach is not None:
        masks = (mask for part in parts if (mask := plan.labelled(part)) is not None)
        _write_rows(group, "labelled", masks, rows=rows, number=kept.size)
        group["labelled"].attrs.update(LABELLED)
    shutil.rmtree(work / "old", ignore_errors=True)
    put_in_place(made, target, old=work / "old")
    return kept


def _series(
    plan: SamplePlan, work: Path, parts: Sequence[NDArray[np.int64]]
) -> Iterator[NDArray[np.float32]]:
    """Reflectance of the batches, one after the other, as the ledger says it was written."""
    ledger = np.asarray(_ledger(work, max(1, len(parts)))[...])
    batches = zarr.open_group(work / _BATCHES, mode="r", use_consolidated=False)
    for number, part in enumerate(parts):
        series = np.asarray(_array(batches, f"{number}/reflectance")[...])
        if part.size and content_digest(series) != int(ledger[number]):
            raise StoreError(
                f"batch {number} in {work} is not what was written there. Remove that folder, or "
                "extract again with overwrite=True and another name."
            )
        yield series if plan.patch > 1 else series[..., 0, 0]


def _write_rows(
    group: zarr.Group, name: str, parts: Iterator[NDArray[Any]], *, rows: int, number: int
) -> None:
    """An array of samples from its parts: every chunk of `rows` samples is written once."""
    array: zarr.Array[Any] | None = None
    waiting: list[NDArray[Any]] = []
    begin = 0
    for part in parts:
        if array is None:
            array = group.create_array(
                name,
                shape=(number, *part.shape[1:]),
                chunks=(min(rows, number), *part.shape[1:]),
                dtype=part.dtype,
                fill_value=np.nan if part.dtype.kind == "f" else 0,
                dimension_names=_DIMS[name][: part.ndim],
            )
        waiting.append(part)
        if sum(len(p) for p in waiting) >= rows:
            joined = np.concatenate(waiting)
            whole = len(joined) // rows * rows
            array[begin : begin + whole] = joined[:whole]
            waiting, begin = [joined[whole:]], begin + whole
    if array is not None and begin < number:
        array[begin:] = np.concatenate(waiting)


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    found = group[name]
    if not isinstance(found, zarr.Array):
        raise StoreError(f"{name!r} in {group.store_path} is no array; remove that folder.")
    return found
