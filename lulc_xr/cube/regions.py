"""Write lazy values into a part of a store: whole shards, beside what they already hold."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask._task_spec import Task, TaskRef
from numpy.typing import NDArray

from lulc_xr.core.cube import check_scale, encode
from lulc_xr.cube.arrays import is_stored_already
from lulc_xr.cube.commit import EXTENSION
from lulc_xr.cube.ledger import (
    array_of,
    content_digest,
    create_entries,
    dims_of,
    entries,
    find_ledger,
)
from lulc_xr.cube.rewrite import Index, grown, read_whole, shard_file, shard_sizes, store_whole
from lulc_xr.cube.shards import WriteReport, naming_shard, run_tasks

_THINNED = 4
_ENOUGH = 1000
_DONE = 1


@dataclass(frozen=True, kw_only=True)
class Region:
    """A box of new values in an array, and the shape of that array once they are in it."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    shape: tuple[int, ...]

    def shards(self, sizes: Sequence[int]) -> Iterator[Index]:
        """Indices of the shards of these sizes that hold some of the box."""
        pairs = zip(self.start, self.stop, sizes, strict=True)
        yield from itertools.product(*(range(a // s, -(-b // s)) for a, b, s in pairs))

    def chunks(self, sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Lengths of the parts of the box, one for each of its shards."""
        bounds = [
            [a, *range((a // s + 1) * s, b, s), b]
            for a, b, s in zip(self.start, self.stop, sizes, strict=True)
        ]
        return tuple(tuple(np.diff(edges).tolist()) for edges in bounds)

    def inside(self, index: Index, sizes: Sequence[int]) -> tuple[slice, ...]:
        """Where the box lies within one shard."""
        return tuple(
            slice(max(a - i * s, 0), min(b - i * s, s))
            for a, b, i, s in zip(self.start, self.stop, index, sizes, strict=True)
        )


def stored_as(array: zarr.Array[Any], var: xr.DataArray) -> dict[str, Any]:
    """How values of a variable become those of an array that is there."""
    encoding: dict[str, Any] = {"dtype": array.dtype.name}
    encoding |= {k: array.attrs[k] for k in ("scale_factor", "_FillValue") if k in array.attrs}
    return {"dtype": array.dtype.name} if is_stored_already(var, encoding) else encoding


def create_region_ledger(group: zarr.Group, name: str, region: Region) -> None:
    """An empty ledger in the group of an extension, with the grid of the array to be."""
    sizes = shard_sizes(array_of(group, name))
    grid = tuple(-(-n // s) for n, s in zip(region.shape, sizes, strict=True))
    create_entries(group.require_group(EXTENSION), name, grid)


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Where the parts of variables that share one grid of shards go."""

    store: str
    names: tuple[str, ...]
    encodings: tuple[Mapping[str, Any], ...]
    region: Region

    def write(self, index: Index, *blocks: NDArray[Any]) -> Index:
        """Write one shard of each variable, then record them in the extension's ledger."""
        group = zarr.open_group(self.store, mode="r+", use_consolidated=False)
        digests = {}
        with naming_shard(index, self.names, self.store):
            for name, encoding, block in zip(self.names, self.encodings, blocks, strict=True):
                if name == "reflectance" and block.dtype.kind == "f":
                    _check_scale(block)
                stored = encode(block, encoding)
                write_part(array_of(group, name), self.region, index, stored)
                # Digests are for verify, which reads those of maps; to hash a whole cube costs
                # about as much as to compress it.
                known = find_ledger(group, name) is not None
                digests[name] = content_digest(stored) if known else _DONE
            for name in self.names:
                array_of(group, f"{EXTENSION}/{name}")[index] = np.uint64(digests[name])
        return index


def _check_scale(block: NDArray[Any]) -> None:
    thin = block[..., ::_THINNED, ::_THINNED]
    if np.isfinite(thin).sum() >= _ENOUGH:
        check_scale(thin)


def write_part(array: zarr.Array[Any], region: Region, index: Index, stored: NDArray[Any]) -> None:
    """Put stored values into one shard; what else is visible of it stays."""
    sizes = shard_sizes(array)
    inside = region.inside(index, sizes)
    if stored.shape == sizes:
        store_whole(array, index, stored)
        return
    values = np.full(sizes, array.fill_value, array.dtype)
    old = tuple(
        slice(0, max(0, min(n - i * s, s)))
        for n, i, s in zip(array.shape, index, sizes, strict=True)
    )
    if all(part.stop for part in old) and shard_file(array, index).exists():
        # Beyond the visible extent an abandoned extension may have left something.
        values[old] = read_whole(array, index)[old]
    values[inside] = stored
    store_whole(array, index, values)


def write_regions(
    variables: xr.Dataset,
    regions: Mapping[str, Region],
    store: Path,
    *,
    progress: bool,
    what: str,
) -> WriteReport:
    """Compute and write what the extension's ledger does not record as done.

    Parameters
    ----------
    variables : xr.Dataset
        Dask-backed variables with the dimensions of the arrays of their names.
    regions : mapping of name to Region
        Where each goes.
    store : path
        A store with the ledger of an extension.
    progress : bool
        Show a progress bar.
    what : str
        Word for the progress bar.
    """
    group = zarr.open_group(store, mode="r", use_consolidated=False)
    # Names no other run has: a scheduler takes tasks of one name for one and the same.
    run = f"write-{what}-{uuid.uuid4().hex}"
    tasks: dict[Any, Task] = {}
    skipped = 0
    arrays: dict[str, da.Array] = {}
    together: dict[Any, list[str]] = {}
    for name, region in regions.items():
        array = array_of(group, name)
        sizes = shard_sizes(array)
        var = variables[name].variable.transpose(*dims_of(array))
        arrays[name] = var.chunk(dict(zip(var.dims, region.chunks(sizes), strict=True))).data
        together.setdefault((region, sizes), []).append(name)
    for number, ((region, sizes), names) in enumerate(together.items()):
        target = _Target(
            store=str(store),
            names=tuple(names),
            encodings=tuple(stored_as(array_of(group, n), variables[n]) for n in names),
            region=region,
        )
        done = np.all([entries(array_of(group, f"{EXTENSION}/{n}")) != 0 for n in names], axis=0)
        first = tuple(a // s for a, s in zip(region.start, sizes, strict=True))
        for index in region.shards(sizes):
            if done[index]:
                skipped += 1
                continue
            key = (f"{run}-{number}", *index)
            block = tuple(i - f for i, f in zip(index, first, strict=True))
            blocks = [TaskRef((arrays[n].name, *block)) for n in names]
            tasks[key] = Task(key, target.write, index, *blocks)
    run_tasks(run, tasks, list(arrays.values()), progress=progress, what=what)
    return WriteReport(written=len(tasks), skipped=skipped)


def holds_values(array: zarr.Array[Any], region: Region) -> bool:
    """True if anything but fill is visible within a region."""
    sizes = shard_sizes(array)
    for index in region.shards(sizes):
        inside = region.inside(index, sizes)
        visible = tuple(
            slice(i * s + p.start, min(i * s + p.stop, n))
            for i, s, p, n in zip(index, sizes, inside, array.shape, strict=True)
        )
        if all(p.stop > p.start for p in visible) and shard_file(array, index).exists():
            found = np.asarray(array[visible])
            fill = array.fill_value
            missing = np.isnan(found) if found.dtype.kind == "f" and fill != fill else found == fill
            if not missing.all():
                return True
    return False


def blank(array: zarr.Array[Any], region: Region) -> None:
    """Take back what an abandoned extension wrote into a region that was fill before."""
    whole = grown(array, region.shape)
    sizes = shard_sizes(array)
    for index in region.shards(sizes):
        if shard_file(array, index).exists():
            inside = region.inside(index, sizes)
            shape = tuple(p.stop - p.start for p in inside)
            write_part(array, region, index, np.full(shape, whole.fill_value, whole.dtype))
