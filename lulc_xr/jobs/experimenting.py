"""``lulc-xr experiment``: plan the runs, do those that are missing, write table and report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from distributed import Client, Future, as_completed
from numpy.typing import NDArray
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lulc_xr.cube.locking import writing
from lulc_xr.jobs.cluster import cluster
from lulc_xr.jobs.experiment import Experiment
from lulc_xr.jobs.experiment_data import draw_folds, find_stores, load_store
from lulc_xr.jobs.experiment_files import load_experiment
from lulc_xr.jobs.experiment_folder import (
    REPORT,
    Record,
    begin,
    keep_folds,
    kept_folds,
    write_file,
    write_record,
    write_table,
)
from lulc_xr.jobs.experiment_learning import check_methods, execute
from lulc_xr.jobs.experiment_report import draw_report
from lulc_xr.jobs.experiment_runs import Run, describe_cost, plan_runs
from lulc_xr.jobs.experiment_table import make_table
from lulc_xr.jobs.terminal import console

_AHEAD = 2
"""Runs handed to a cluster for each of its threads, so that none waits."""

_SHOWN = ("method", "budget", "folds", "fold", "seed")

_FAILURES_SHOWN = 5

Folds = Mapping[str, NDArray[np.int16]]


@dataclass(frozen=True, kw_only=True)
class ExperimentReport:
    """What running an experiment did.

    Parameters
    ----------
    folder : Path
        Where the runs are.
    table, html : Path
        All scores as Parquet; the report to look at.
    done, skipped : int
        Runs done now, and runs that were done before.
    failed : mapping of str to str
        What went wrong, by what the run was; another call tries them again.
    """

    folder: Path
    table: Path
    html: Path
    done: int
    skipped: int
    failed: Mapping[str, str]

    def read_table(self) -> pd.DataFrame:
        """The table of all scores; :func:`lulc_xr.summarise` makes means of it."""
        return pd.read_parquet(self.table)


def run_experiment(
    experiment: Experiment | str | Path,
    *,
    folder: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    redo: bool = False,
    limit: int | None = None,
    progress: bool = False,
) -> ExperimentReport:
    """Do the runs of an experiment that are missing; write table and report.

    Every run is recorded when it ends. If the process is killed, the same call does only what
    is missing. A run that fails is recorded with its error and does not stop the others.

    Parameters
    ----------
    experiment : Experiment or path
        The experiment, or a file that :func:`lulc_xr.load_experiment` reads.
    folder : path, optional
        Where runs, table and report go; by default as the experiment says.
    workers : int, optional
        Processes to start on this machine, each with one thread; by default this one.
    scheduler : str, optional
        Address of a running Dask scheduler whose workers see the samples.
    redo : bool
        Discard finished runs of the folder that the experiment no longer has.
    limit : int, optional
        Do at most so many runs now; 0 makes table and report of what is there.
    progress : bool
        Print what it costs before it runs, and show a progress bar.

    Raises
    ------
    ExperimentError
        If samples do not fit the experiment, or the folder holds finished runs of other
        settings; the message names the difference.
    StoreError
        If a store of samples is not there, or another process runs in the folder.

    Examples
    --------
    ::

        done = lx.run_experiment("few_labels.toml", workers=4)
        lx.summarise(done.read_table(), reference="random_forest")
    """
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment)
    if folder is not None:
        experiment = replace(experiment, folder=Path(folder).expanduser())
    place = experiment.folder.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    with writing(place, ["runs"]):
        runs, folds, finished = _prepare(experiment, redo=redo)
        if progress:
            seconds = {key: record["seconds"] for key, record in finished.items()}
            console().print(
                describe_cost(experiment, runs, done=seconds, workers=workers or 1), markup=False
            )
        left = [run for run in runs if run.key not in finished][:limit]
        records = dict(finished)
        try:
            if left:
                with cluster(workers=workers, scheduler=scheduler) as client:
                    for run, record in _shown(_results(left, folds, client), left, progress):
                        write_record(place, run.key, record)
                        records[run.key] = record
        finally:
            # Also after Ctrl-C: what is there can be looked at.
            ended = _finish(experiment, runs, records, skipped=len(finished))
        return ended


def _prepare(experiment: Experiment, *, redo: bool) -> tuple[list[Run], Folds, dict[str, Record]]:
    """All runs, the folds, and the records of what is done."""
    check_methods(experiment.methods)
    place = experiment.folder.absolute()
    stores = find_stores(experiment)
    first = next(iter(stores.values()))
    folds = kept_folds(place, experiment, first)
    drawn = folds if folds is not None else draw_folds(experiment, load_store(first))
    runs = plan_runs(experiment, stores, drawn)
    finished = begin(place, experiment, runs, stores, redo=redo)
    if folds is None:
        keep_folds(place, experiment, first, drawn)
    return runs, drawn, finished


def _results(runs: list[Run], folds: Folds, client: Client | None) -> Iterator[tuple[Run, Record]]:
    """Runs and their records, as they end."""
    if client is None:
        for run in runs:
            yield run, execute(run, folds[run.scheme.name])
        return
    waiting = iter(runs)
    of: dict[Future[Record], Run] = {}
    threads = max(1, sum(client.nthreads().values()))

    def submit() -> Future[Record] | None:
        run = next(waiting, None)
        if run is None:
            return None
        future = client.submit(execute, run, folds[run.scheme.name], pure=False)
        of[future] = run
        return future

    begun = filter(None, [submit() for _ in range(threads * _AHEAD)])
    ended = as_completed(begun)
    for future in ended:
        run = of.pop(future)
        yield run, _record_of(run, future)
        following = submit()
        if following is not None:
            ended.add(following)


def _record_of(run: Run, future: Future[Record]) -> Record:
    """What a worker gave; a worker that died under a run is an error of that run."""
    if future.status == "finished":
        return dict(future.result())
    error = future.exception()
    return {
        "settings": run.settings(),
        **run.labels(),
        "error": f"{type(error).__name__}: {error}",
        "seconds": 0.0,
    }


def _finish(
    experiment: Experiment, runs: list[Run], records: Mapping[str, Record], *, skipped: int
) -> ExperimentReport:
    place = experiment.folder.absolute()
    table = make_table(runs, records)
    path = write_table(place, table)
    write_file(place / REPORT, draw_report(experiment, table).encode())
    failed = {
        ", ".join(f"{k} {v}" for k, v in run.labels().items() if k in _SHOWN): error
        for run in runs
        if (error := records.get(run.key, {}).get("error"))
    }
    return ExperimentReport(
        folder=place,
        table=path,
        html=place / REPORT,
        done=len(records) - skipped,
        skipped=skipped,
        failed=failed,
    )


def _shown(
    results: Iterator[tuple[Run, Record]], runs: list[Run], progress: bool
) -> Iterator[tuple[Run, Record]]:
    """The results, with a bar of those that ended."""
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(), disable=not progress) as bar:
        task = bar.add_task("runs", total=len(runs))
        failed = 0
        for run, record in results:
            failed += bool(record.get("error"))
            said = f"runs ({failed} failed)" if failed else "runs"
            bar.update(task, advance=1, description=said)
            yield run, record


def experiment_file(
    path: Path,
    *,
    folder: Path | None,
    workers: int | None,
    scheduler: str | None,
    redo: bool,
    limit: int | None,
) -> bool:
    """Run the experiment of a file and say where its results are; False if a run failed."""
    report = run_experiment(
        path, folder=folder, workers=workers, scheduler=scheduler, redo=redo, limit=limit,
        progress=True,
    )  # fmt: skip
    say = console().print
    for name, error in list(report.failed.items())[:_FAILURES_SHOWN]:
        say(f"failed: {name}: {error}", style="red", markup=False, soft_wrap=True)
    if len(report.failed) > _FAILURES_SHOWN:
        say(f"... and {len(report.failed) - _FAILURES_SHOWN} more failed; the report lists them.")
    say(
        f"{report.done} runs done, {report.skipped} were there before\n"
        f"scores in [bold]{escape(str(report.table))}[/]\n"
        f"report in [bold]{escape(str(report.html))}[/]",
        soft_wrap=True,
    )
    return not report.failed
