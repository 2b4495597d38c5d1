"""What a source could not give: the dates concerned, and how they are filled in later."""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from dask._task_spec import Task, TaskRef
from numpy.typing import NDArray

from lulc_xr.core.cube import check_cube, encode
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.commit import finish_commit, publish, update_root
from lulc_xr.cube.growth import place_cube
from lulc_xr.cube.journal import naming_store
from lulc_xr.cube.layout import UNREAD, stored_axes
from lulc_xr.cube.ledger import array_of, dims_of, job_hash, shard_grid
from lulc_xr.cube.locking import writing
from lulc_xr.cube.regions import stored_as
from lulc_xr.cube.rewrite import Index, read_whole, shard_file, shard_sizes, store_whole
from lulc_xr.cube.shards import WriteReport, naming_shard, read_shard, run_tasks
from lulc_xr.cube.store import CUBE_ID, StorePath, open_cube, open_group

_AXES = ("time", "y", "x")
_ORIGIN = {"time": 0, "band": 0, "y": 0, "x": 0}


def unread_dates(store: StorePath) -> pd.DataFrame:
    """Dates of a store of which something could not be read.

    Parameters
    ----------
    store : str or path
        Store of a cube.

    Returns
    -------
    pandas.DataFrame
        Columns `time` and `unread`, the share of the store's pixels (0 to 1) that is marked;
        dates without a mark are left out.

    Raises
    ------
    StoreError
        If there is no Zarr group.

    Examples
    --------
    >>> import tempfile
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=16, x=16, time=12, bands=("red",))
    >>> cube["unread"] = cube["clear"] * 0
    >>> cube["unread"][3, :4] = 1
    >>> store = lx.write_cube(cube, tempfile.mkdtemp() + "/cube.zarr")
    >>> lx.unread_dates(store)["unread"].tolist()
    [0.25]
    """
    group = open_group(store, committed=True)
    cube = open_cube(store)
    dates = cube["time"].values
    count = np.zeros(dates.size, np.int64)
    if UNREAD in group:
        array = array_of(group, UNREAD)
        for index, marks in _marked(array):
            begin = index[0] * shard_sizes(array)[0]
            count[begin : begin + marks.shape[0]] += marks.sum(axis=(1, 2))
    share = count / (cube.sizes["y"] * cube.sizes["x"])
    return pd.DataFrame({"time": dates[count > 0], "unread": share[count > 0]})


def fill_unread(cube: xr.Dataset, store: StorePath, *, progress: bool = True) -> WriteReport:
    """Read again what is marked `unread` in a store, and put it in its place.

    Only pixels of dates that are marked change; those that fail again stay marked. A shard
    is replaced in one step, its marks last: after a kill the same call does the rest.

    Parameters
    ----------
    cube : xr.Dataset
        The lazy cube that the store was made of: same dates, bands and grid.
    store : str or path
        Store of a cube.
    progress : bool
        Show a progress bar.

    Returns
    -------
    WriteReport
        Numbers of shards (along time, y and x) that were filled, and of those without a mark.

    Raises
    ------
    CubeError
        If the cube has other dates, bands or pixels than the store, or lacks a variable.
    StoreError
        If there is no store, it is being written by another process, or cannot be written.
    """
    path = Path(store).resolve()
    open_group(path)
    given = check_cube(cube)
    with writing(path, (), shape=True), naming_store(path):
        finish_commit(path)
        group = open_group(path)
        if UNREAD not in group:
            return WriteReport(written=0, skipped=0)
        names = _names(given, group, path)
        marked = dict(_marked(array_of(group, UNREAD)))
        total = math.prod(shard_grid(array_of(group, UNREAD)))
        if marked:
            # Before and after: neither state is the cube that was classified before.
            _renew_identity(path)
            _fill(given, names, marked, path, progress=progress)
            _renew_identity(path)
    return WriteReport(written=len(marked), skipped=total - len(marked))


def _marked(array: zarr.Array[Any]) -> Iterator[tuple[Index, NDArray[np.bool_]]]:
    """Shards of the marks that hold any, with their visible part (time, y, x)."""
    for index in np.ndindex(*shard_grid(array)):
        # A shard without marks has no file, so that a store read well is looked through at once.
        if shard_file(array, index).exists():
            marks = read_shard(array, index) == 1
            if marks.any():
                yield index, marks


def _names(cube: xr.Dataset, group: zarr.Group, path: Path) -> list[str]:
    """Variables that are filled in: all that have a value for each date and pixel."""
    stored = stored_axes(path)
    growth = place_cube(cube, stored, what=repr(str(path)))
    same = {d: cube.sizes[d] == stored.sizes[d] for d in ("band", "y", "x")}
    if growth.kind not in ("none", "area") or not all(same.values()) or growth.start != _ORIGIN:
        raise CubeError(
            f"the cube ({dict(cube.sizes)}) is not the one that {str(path)!r} "
            f"({dict(stored.sizes)}) was made of. What could not be read is filled in from the "
            "same bands and pixels; of the dates some may be missing."
        )
    names = []
    marks = array_of(group, UNREAD)
    sizes = dict(zip(dims_of(marks), shard_sizes(marks), strict=True))
    for name, array in sorted(group.arrays()):
        dims = dims_of(array)
        if not set(_AXES) <= set(dims) or name == UNREAD:
            continue
        if name not in cube:
            raise CubeError(
                f"the store has {name!r}, which the cube lacks, so it cannot be filled in. Load "
                f"the cube with it; it has {', '.join(sorted(map(str, cube.data_vars)))}."
            )
        shards = dict(zip(dims, shard_sizes(array), strict=True))
        if any(shards[d] != sizes[d] for d in _AXES):
            raise StoreError(
                f"{name!r} has shards of {shards}, the marks have {sizes}: they cannot be "
                "replaced together. Write the cube anew with one plan for all variables."
            )
        names.append(name)
    return names


def _renew_identity(path: Path) -> None:
    there = open_group(path).attrs.get(CUBE_ID, "")
    publish(path, always=True)
    update_root(path, {CUBE_ID: job_hash({"cube": there, "job": UNREAD})[:32]})


def _fill(
    cube: xr.Dataset,
    names: list[str],
    marked: Mapping[Index, NDArray[np.bool_]],
    path: Path,
    *,
    progress: bool,
) -> None:
    group = open_group(path)
    sizes = shard_sizes(array_of(group, UNREAD))
    place_of = {t: i for i, t in enumerate(cube["time"].values)}
    dates = stored_axes(path)["time"].values
    ordered = cube.sel(band=stored_axes(path)["band"].values)
    run = f"fill-{uuid.uuid4().hex}"
    tasks: dict[Any, Task] = {}
    arrays: list[Any] = []
    for index, marks in marked.items():
        begin = index[0] * sizes[0]
        wanted = [t for t in np.flatnonzero(marks.any(axis=(1, 2))) if dates[begin + t] in place_of]
        if not wanted:
            continue
        window: dict[str, Any] = {
            d: slice(i * s, i * s + n)
            for d, i, s, n in zip(_AXES[1:], index[1:], sizes[1:], marks.shape[1:], strict=True)
        }
        part = ordered.isel({"time": [place_of[dates[begin + t]] for t in wanted], **window})
        given = [*names, *([UNREAD] if UNREAD in cube else [])]
        blocks = [
            part[n].variable.transpose(*dims_of(array_of(group, n))).chunk(-1).data for n in given
        ]
        target = _Marked(
            store=str(path),
            dates=tuple(int(t) for t in wanted),
            names=tuple(names),
            encodings=tuple(stored_as(array_of(group, n), part[n]) for n in names),
        )
        key = (run, *index)
        tasks[key] = Task(
            key, target.fill, index, *(TaskRef((b.name, *[0] * b.ndim)) for b in blocks)
        )
        arrays += blocks
    run_tasks(run, tasks, arrays, progress=progress, what="unread")


@dataclass(frozen=True, kw_only=True)
class _Marked:
    """Marked dates of one shard (counted within it), and the variables that are filled in."""

    store: str
    dates: tuple[int, ...]
    names: tuple[str, ...]
    encodings: tuple[Mapping[str, Any], ...]

    def fill(self, index: Index, *blocks: NDArray[Any]) -> Index:
        """Put new values where the store has marks and the cube has none; then clear the marks."""
        group = zarr.open_group(self.store, mode="r+", use_consolidated=False)
        dates = list(self.dates)
        with naming_shard(index, self.names, self.store):
            marks = array_of(group, UNREAD)
            whole = read_whole(marks, index)
            rows, columns = (slice(0, n) for n in blocks[0].shape[-2:])
            taken = whole[dates, rows, columns] == 1
            if len(blocks) > len(self.names):
                taken &= blocks[-1] == 0
            for name, encoding, block in zip(self.names, self.encodings, blocks, strict=False):
                _put(array_of(group, name), index, dates, taken, encode(block, encoding))
            whole[dates, rows, columns] &= ~taken
            store_whole(marks, index, whole)
        return index


def _put(
    array: zarr.Array[Any],
    index: Index,
    dates: list[int],
    taken: NDArray[np.bool_],
    stored: NDArray[Any],
) -> None:
    """New values of some pixels and dates, in all shards of an array that hold them."""
    dims, sizes = dims_of(array), shard_sizes(array)
    where = dict(zip(_AXES, index, strict=True))
    taken = taken.reshape([taken.shape[_AXES.index(d)] if d in _AXES else 1 for d in dims])
    grid = [
        [where[d]] if d in _AXES else range(n) for d, n in zip(dims, shard_grid(array), strict=True)
    ]
    for part in itertools.product(*grid):
        here = tuple(
            slice(None) if d in _AXES else slice(i * s, (i + 1) * s)
            for d, i, s in zip(dims, part, sizes, strict=True)
        )
        block = stored[here]
        whole = read_whole(array, part)
        box = tuple(
            np.array(dates) if d == "time" else np.arange(n)
            for d, n in zip(dims, block.shape, strict=True)
        )
        there = whole[np.ix_(*box)]
        whole[np.ix_(*box)] = np.where(taken, block, there)
        store_whole(array, part, whole)
