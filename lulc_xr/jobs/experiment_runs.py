"""The runs of an experiment: one method, one budget, one fold, one seed; and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.digest import job_hash
from lulc_xr.jobs.experiment import Experiment, FoldScheme, Method
from lulc_xr.jobs.experiment_data import Store

_NAMES = ("name", "only")
"""What the report calls things, and how many of them run, does not change a run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One method, one budget of labels, one fold left out, one seed.

    Parameters
    ----------
    method : Method
        How it learns.
    scheme : FoldScheme
        How folds are dealt.
    fold : int
        The fold that is tested.
    budget : int or "all"
        Labels per class.
    seed : int
        Draws labels, weights, batches.
    store, first : Store
        The samples that it sees, and those by which labels are drawn.
    task : str
        Task whose classes the labels are drawn from.
    region : str or None
        Variable over which scores are told apart.
    test_folds : int
        Folds that are tested in all; a seed is judged once it has them.
    """

    method: Method
    scheme: FoldScheme
    fold: int
    budget: int | str
    seed: int
    store: Store
    first: Store
    task: str
    region: str | None
    test_folds: int

    def settings(self) -> dict[str, Any]:
        """What decides the result, as JSON-able values."""
        return {
            "method": {k: v for k, v in _plain(self.method).items() if k not in _NAMES},
            "folds": {k: v for k, v in _plain(self.scheme).items() if k not in _NAMES},
            "fold": self.fold,
            "budget": self.budget,
            "seed": self.seed,
            "samples": self.store.digest,
            "first samples": self.first.digest,
            "task": self.task,
            "region": self.region,
        }

    @property
    def key(self) -> str:
        """Name of its record: the hash of what decides the result."""
        return job_hash(self.settings())[:16]

    def labels(self) -> dict[str, Any]:
        """Its place in the table of results."""
        return {
            "run": self.key,
            "method": self.method.name,
            "network": self.method.network,
            "conditioning": self.method.conditioning,
            "learning": self.method.learning,
            "samples": self.method.samples,
            "tasks": "+".join(self.method.tasks),
            "budget": str(self.budget),
            "folds": self.scheme.name,
            "fold": self.fold,
            "test_folds": self.test_folds,
            "seed": self.seed,
        }


def plan_runs(
    experiment: Experiment, stores: Mapping[str, Store], folds: Mapping[str, NDArray[np.int16]]
) -> list[Run]:
    """All runs: seeds outermost, so that an interrupted experiment has whole comparisons."""
    first = next(iter(stores.values()))
    tested = {s.name: tested_folds(s, folds[s.name]) for s in experiment.folds}
    return [
        Run(
            method=method,
            scheme=scheme,
            fold=fold,
            budget=budget,
            seed=seed,
            store=stores[method.samples],
            first=first,
            task=experiment.task,
            region=experiment.region,
            test_folds=len(tested[scheme.name]),
        )
        for seed in experiment.seeds
        for scheme in experiment.folds
        for fold in tested[scheme.name]
        for budget in experiment.budgets
        for method in experiment.methods
    ]


def tested_folds(scheme: FoldScheme, fold: NDArray[np.int16]) -> list[int]:
    """Numbers of the folds that are tested."""
    return [int(n) for n in np.unique(fold[fold >= 0]) if not scheme.only or n in scheme.only]


def describe_cost(
    experiment: Experiment, runs: Sequence[Run], *, done: Mapping[str, float], workers: int
) -> str:
    """Number of runs, what is done, and how long the rest may take, in one or two sentences.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    runs : sequence of Run
        All its runs.
    done : mapping of str to float
        Seconds of each finished run by its key.
    workers : int
        Runs at a time.
    """
    folds = len({(run.scheme.name, run.fold) for run in runs})
    parts = {
        "method": len(experiment.methods),
        "budget": len(experiment.budgets),
        "fold": folds,
        "seed": len(experiment.seeds),
    }
    product = " x ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in parts.items())
    left = [run for run in runs if run.key not in done]
    said = f"{product} = {len(runs)} runs; {len(runs) - len(left)} are done, {len(left)} to do."
    if left and done:
        said += f" About {_duration(_seconds(runs, left, done) / workers)}, as the finished went."
    return said


def _seconds(runs: Sequence[Run], left: Sequence[Run], done: Mapping[str, float]) -> float:
    """Seconds of the runs to do: the mean of finished ones of their method, or of all."""
    by_method: dict[str, list[float]] = {}
    for run in runs:
        if run.key in done:
            by_method.setdefault(run.method.name, []).append(done[run.key])
    overall = float(np.mean(list(done.values())))
    mean = {name: float(np.mean(values)) for name, values in by_method.items()}
    return sum(mean.get(run.method.name, overall) for run in left)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _plain(settings: Any) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()}
