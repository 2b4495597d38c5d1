"""Read the series of planned samples: chunk by chunk, each once, in threads where it helps."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lulc_xr.core.compositing import prepare_series
from lulc_xr.samples.pixels import Request, Series
from lulc_xr.samples.plan import SamplePlan
from lulc_xr.samples.windows import ChunkMembers, members_of_chunks, pixels_in_chunk

Advance = Callable[[int], None]

_REQUEST_BYTES = 32 * 2**20
_MOST_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class _Pixels:
    """Where the pixels of a request belong: sample, place in its patch, and mapped year."""

    sample: NDArray[np.int64]
    down: NDArray[np.int64]
    across: NDArray[np.int64]
    year: int


def read_series(
    plan: SamplePlan, chosen: NDArray[np.int64], *, advance: Advance
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Series of some samples of a plan, and where they were seen.

    Parameters
    ----------
    plan : SamplePlan
        What to read.
    chosen : ndarray of int
        Positions of the samples in the plan, (sample,).
    advance : callable
        Is told the number of chunks done, as they are.

    Returns
    -------
    series : ndarray of float32
        (sample, time, band, y, x) over the patch, NaN where missing and beyond the cube.
    seen : ndarray of bool
        (sample, y, x): any date of the year was clear.
    """
    side = plan.patch
    shape = (chosen.size, plan.length, len(plan.bands), side, side)
    series = np.full(shape, np.nan, np.float32)
    seen = np.zeros((chosen.size, side, side), np.bool_)

    def finish(held: Sequence[tuple[_Pixels, Series]]) -> None:
        year = plan.years[held[0][0].year]
        pixels = np.concatenate([found[0] for _, found in held], axis=-1)
        clear = [found[1] for _, found in held if found[1] is not None]
        joined = np.concatenate(clear, axis=-1) if clear else None
        made, clear_once = prepare_series(pixels, joined, dates=plan.dates, year=year)
        sample, down, across = (
            np.concatenate([getattr(where, name) for where, _ in held])
            for name in ("sample", "down", "across")
        )
        series[sample, : len(made), :, down, across] = np.moveaxis(made, -1, 0)
        seen[sample, down, across] = clear_once

    def run(chunks: Sequence[ChunkMembers]) -> None:
        parts = [list(_requests(plan, chosen, chunk)) for chunk in chunks]
        work = [
            (chunk.chunk, [request for request, _ in part])
            for chunk, part in zip(chunks, parts, strict=True)
        ]
        # Few pixels of each chunk: composites of all of them at once cost far less.
        waiting: dict[int, list[tuple[_Pixels, Series]]] = {}
        for place, number, found in plan.reader.read(work):
            where = parts[place][number][1]
            held = waiting.setdefault(where.year, [])
            held.append((where, found))
            if sum(pixels.nbytes for _, (pixels, _) in held) > _REQUEST_BYTES:
                finish(waiting.pop(where.year))
        for held in waiting.values():
            finish(held)
        advance(len(chunks))

    tasks = list(_tasks(chunks_of(plan, chosen), together=plan.reader.together))
    threads = min(_MOST_THREADS, os.cpu_count() or 1, len(tasks)) if plan.reader.parallel else 1
    if threads <= 1:
        for task in tasks:
            run(task)
        return series, seen
    with ThreadPoolExecutor(threads, thread_name_prefix="samples") as pool:
        futures = [pool.submit(run, task) for task in tasks]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return series, seen


def chunks_of(plan: SamplePlan, chosen: NDArray[np.int64]) -> Iterator[ChunkMembers]:
    """Chunks that some samples of a plan need; members count within `chosen`."""
    shape = plan.cube.sizes["y"], plan.cube.sizes["x"]
    row, column = plan.row[chosen], plan.column[chosen]
    yield from members_of_chunks(row, column, plan.reader.grid, patch=plan.patch, shape=shape)


@contextlib.contextmanager
def progress_bar(total: int, *, show: bool) -> Iterator[Advance]:
    """A progress bar of chunks; gives what advances it."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("chunks"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, disable=not show) as bar:
        task = bar.add_task("samples", total=total)
        yield lambda number: bar.advance(task, number)


def _tasks(chunks: Iterator[ChunkMembers], *, together: int) -> Iterator[list[ChunkMembers]]:
    """Neighbouring chunks of one shard together."""
    task: list[ChunkMembers] = []
    for chunk in chunks:
        if task and (task[0].shard != chunk.shard or len(task) == together):
            yield task
            task = []
        task.append(chunk)
    if task:
        yield task


def _requests(
    plan: SamplePlan, chosen: NDArray[np.int64], chunk: ChunkMembers
) -> Iterator[tuple[Request, _Pixels]]:
    """What samples need of a chunk: of each year apart, in pieces that fit into memory."""
    inside = [
        slice(int(edges[i]), int(edges[i + 1]) if i + 1 < edges.size else plan.cube.sizes[dim])
        for edges, i, dim in zip(plan.reader.grid.edges, chunk.chunk, ("y", "x"), strict=True)
    ]
    samples = chosen[chunk.members]
    member, down, across = pixels_in_chunk(
        plan.row[samples], plan.column[samples], patch=plan.patch, rows=inside[0], columns=inside[1]
    )
    rows = plan.row[samples][member] + down - plan.patch // 2
    columns = plan.column[samples][member] + across - plan.patch // 2
    years = plan.year[samples][member]
    for year in np.unique(years):
        dates = plan.years[int(year)].positions
        own = np.flatnonzero(years == year)
        piece = max(1, _REQUEST_BYTES // (4 * len(dates) * len(plan.bands)))
        for begin in range(0, own.size, piece):
            part = own[begin : begin + piece]
            yield (
                Request(
                    time=slice(dates[0], dates[-1] + 1), rows=rows[part], columns=columns[part]
                ),
                _Pixels(
                    sample=chunk.members[member[part]],
                    down=down[part],
                    across=across[part],
                    year=int(year),
                ),
            )
