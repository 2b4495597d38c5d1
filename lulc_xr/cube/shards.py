"""Write lazy variables shard by shard: one task per shard, whole shards only."""

from __future__ import annotations

import contextlib
import errno
import math
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask._task_spec import Task, TaskRef
from dask.base import get_scheduler
from dask.callbacks import Callback
from dask.highlevelgraph import HighLevelGraph
from distributed import as_completed
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lulc_xr.core.cube import encode
from lulc_xr.core.errors import StoreError
from lulc_xr.cube.ledger import array_of, content_digest, entries, find_ledger, shard_grid

Index = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class WriteReport:
    """What a run of a writer did: shards written now, and shards that were done before."""

    written: int
    skipped: int


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Where the blocks of variables that share one grid of shards go."""

    store: str
    names: tuple[str, ...]
    encodings: tuple[Mapping[str, Any], ...]

    def write(self, index: Index, *blocks: NDArray[Any]) -> Index:
        """Write one shard of each variable, then record them in the ledger."""
        group = zarr.open_group(self.store, mode="r+", use_consolidated=False)
        digests: list[tuple[zarr.Array[Any], int]] = []
        with naming_shard(index, self.names, self.store):
            for name, encoding, block in zip(self.names, self.encodings, blocks, strict=True):
                array = array_of(group, name)
                stored = encode(block, encoding)
                array[_region(array, index)] = stored
                ledger = find_ledger(group, name)
                if ledger is not None:
                    digests.append((ledger, content_digest(stored)))
            for ledger, digest in digests:
                ledger[index] = np.uint64(digest)
        return index


@contextlib.contextmanager
def naming_shard(index: Index, names: Sequence[str], store: str) -> Iterator[None]:
    """Turn errors of the file system into a StoreError that says which shard it was."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise StoreError(
            f"{'disk full' if full else error.strerror or error} while writing shard {index} "
            f"of {', '.join(names)} in {store!r}. The shards before it are whole and "
            f"recorded. {'Free space' if full else 'Mend that'}, then run again."
        ) from error


def _region(array: Any, index: Index) -> tuple[slice, ...]:
    sizes = array.shards or array.chunks
    return tuple(
        slice(i * s, min((i + 1) * s, n)) for i, s, n in zip(index, sizes, array.shape, strict=True)
    )


def read_shard(array: zarr.Array[Any], index: Index) -> NDArray[Any]:
    """Stored values of one shard of an array."""
    return np.asarray(array[_region(array, index)])


def write_shards(
    variables: xr.Dataset, store: Path | str, *, progress: bool, what: str
) -> WriteReport:
    """Compute and write what the store's ledger does not record as done.

    Parameters
    ----------
    variables : xr.Dataset
        Dask-backed variables, one chunk per shard of the store's arrays of the same names;
        storage encoding in ``.encoding``.
    store : path
        A store whose arrays exist.
    progress : bool
        Show a progress bar.
    what : str
        Word for the progress bar.

    Raises
    ------
    StoreError
        If two tasks would share a shard, or a shard cannot be written.
    """
    group = zarr.open_group(str(store), mode="r", use_consolidated=False)
    tasks: dict[Any, Task] = {}
    skipped = 0
    # Names no other run has: a scheduler takes tasks of one name for one and the same.
    run = f"write-{what}-{uuid.uuid4().hex}"
    arrays = {str(name): var.data for name, var in variables.variables.items()}
    for number, names in enumerate(_same_grid(group, arrays)):
        target = _Target(
            store=str(store),
            names=names,
            encodings=tuple(dict(variables[n].encoding) for n in names),
        )
        missing = list(_missing(group, names))
        for index in missing:
            key = (f"{run}-{number}", *index)
            blocks = [TaskRef((arrays[n].name, *index)) for n in names]
            tasks[key] = Task(key, target.write, index, *blocks)
        skipped += math.prod(shard_grid(array_of(group, names[0]))) - len(missing)
    run_tasks(run, tasks, list(arrays.values()), progress=progress, what=what)
    return WriteReport(written=len(tasks), skipped=skipped)


def _same_grid(group: zarr.Group, arrays: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Names of the variables, those with the same grid of shards together (one pass for both)."""
    found: dict[Any, list[str]] = {}
    for name, data in arrays.items():
        array = array_of(group, name)
        check_whole_shards(name, data.chunks, array.shards or array.chunks)
        grid = (shard_grid(array), tuple(data.chunks))
        found.setdefault(grid, []).append(name)
    return [tuple(names) for names in found.values()]


def check_whole_shards(name: str, chunks: Sequence[Sequence[int]], shards: Sequence[int]) -> None:
    """Raise StoreError unless every Dask chunk is exactly one shard (the last may be short)."""
    for axis, (parts, shard) in enumerate(zip(chunks, shards, strict=True)):
        if any(part != shard for part in parts[:-1]) or parts[-1] > shard:
            raise StoreError(
                f"Dask chunks {tuple(parts[:6])} of {name!r} along axis {axis} do not match its "
                f"shards of {shard}: two tasks would share a shard and one would undo the other. "
                f"Rechunk to whole shards first, for instance .chunk(...) with {shard} there."
            )


def _missing(group: zarr.Group, names: Sequence[str]) -> Iterator[Index]:
    grid = shard_grid(array_of(group, names[0]))
    done = np.ones(grid, bool)
    for name in names:
        ledger = find_ledger(group, name)
        done &= entries(ledger) != 0 if ledger is not None else False
    yield from (tuple(int(i) for i in index) for index in np.argwhere(~done))


def run_tasks(
    run: str,
    tasks: Mapping[Any, Task],
    arrays: Sequence[Any],
    *,
    progress: bool,
    what: str,
) -> None:
    """Run tasks, one per shard, that take blocks of these arrays: on the cluster or here."""
    if not tasks:
        return
    graph = HighLevelGraph.from_collections(run, tasks, dependencies=list(arrays))
    keys = list(tasks)
    schedule = get_scheduler()
    client = getattr(schedule, "__self__", None)
    optimized = da.optimize(graph, keys)
    with _bar(len(keys), show=progress, what=what) as advance:
        if client is not None and hasattr(client, "scheduler_info"):
            _follow(client, optimized, keys, advance)
            return
        with _Counter(set(keys), advance):
            (schedule or dask.threaded.get)(optimized, keys)


def _follow(client: Any, graph: Any, keys: list[Any], advance: Callable[[], None]) -> None:
    """Run on a cluster, shard by shard; on the first error cancel the rest."""
    futures = client.get(graph, keys, sync=False)
    try:
        for future in as_completed(futures):
            future.result()
            future.release()
            advance()
    finally:
        client.cancel([f for f in futures if not f.done()])


class _Counter(Callback):
    """Advances the progress bar when a shard is written (local schedulers)."""

    def __init__(self, keys: set[Any], advance: Callable[[], None]) -> None:
        super().__init__(posttask=partial(self._count, keys, advance))  # type: ignore[no-untyped-call]

    @staticmethod
    def _count(keys: set[Any], advance: Callable[[], None], key: Any, *_: Any) -> None:
        if key in keys:
            advance()


@contextlib.contextmanager
def _bar(total: int, *, show: bool, what: str) -> Iterator[Callable[[], None]]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("shards"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, disable=not show) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
