"""One run of an experiment: deal the samples, learn, predict the fold left out, count."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.jobs.baselines import fit_baseline, make_baseline
from lulc_xr.jobs.experiment import ALL, FEATURES, SUPERVISED, Method
from lulc_xr.jobs.experiment_data import load_store
from lulc_xr.jobs.experiment_runs import Run
from lulc_xr.models.registry import load_network
from lulc_xr.samples.budgets import draw_labels
from lulc_xr.training.fit import fit
from lulc_xr.training.methods import Method as LearningMethod
from lulc_xr.training.methods import method_from_dict

EVERYWHERE = ""
"""Region of counts over all test samples."""

_SEEDS_PER_RUN = 4096
"""Folds of one seed get initial weights of their own: seed * this + fold."""


@dataclass(frozen=True, kw_only=True)
class Deal:
    """Which samples one run learns from, which it sees without label, which it is judged on.

    Parameters
    ----------
    labelled, unlabelled, test : ndarray of bool
        Shape (sample,); no sample is in two of them.
    """

    labelled: NDArray[np.bool_]
    unlabelled: NDArray[np.bool_]
    test: NDArray[np.bool_]


def deal_samples(
    labels: dict[str, NDArray[np.uint8]],
    fold: NDArray[np.int16],
    *,
    test_fold: int,
    budget: int | str,
    seed: int,
    task: str,
    tasks: tuple[str, ...],
) -> Deal:
    """Who learns, who is unlabelled, who is tested; the same for every method.

    Parameters
    ----------
    labels : dict of str to ndarray of uint8
        Class ids (sample,) of each task, 255 where there is no label.
    fold : ndarray of int
        Fold of each sample; -1 is neither learnt from nor judged on.
    test_fold : int
        Fold that is judged on; nothing of it is seen before.
    budget : int or "all"
        Labels per class of `task`.
    seed : int
        Draws the labels.
    task : str
        Task whose classes labels are drawn from.
    tasks : tuple of str
        Tasks that are learned: a drawn sample without a label of any of them is unlabelled.
    """
    test = fold == test_fold
    pool = (fold >= 0) & ~test
    if budget == ALL:
        drawn = pool
    else:
        drawn = draw_labels(labels[task], per_class=int(budget), seed=(seed, test_fold), among=pool)
    known = np.zeros(fold.shape, np.bool_)
    for name in tasks:
        known |= labels[name] != FILL_CLASS
    labelled = drawn & known
    return Deal(labelled=labelled, unlabelled=pool & ~labelled, test=test)


def check_methods(methods: Iterable[Method]) -> None:
    """Raise before any run if a network, a library or a learning method is not there.

    Raises
    ------
    ModelError
        If a network or a setting of a learning method is unknown.
    ImportError
        If scikit-learn or LightGBM is needed and not installed.
    """
    for method in methods:
        if method.is_baseline:
            make_baseline(method.network, seed=0, sizes={})
        else:
            load_network(method.network)
        if method.learning != SUPERVISED:
            _learning(method)


def execute(run: Run, fold: NDArray[np.int16]) -> dict[str, Any]:
    """The record of one run: counts by task and region, or the text of its error.

    Parameters
    ----------
    run : Run
        What to do.
    fold : ndarray of int
        Fold of every sample (sample,).

    Returns
    -------
    dict
        JSON-able: settings of the run, `counts` (task to region to confusion counts), numbers
        of samples, seconds, notes (warnings), or `error`.
    """
    record: dict[str, Any] = {"settings": run.settings(), **run.labels()}
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("default")
        try:
            record |= _execute(run, fold)
        except Exception as error:  # noqa: BLE001 (a failed run must not stop the others)
            record["error"] = f"{type(error).__name__}: {error}"
            record["traceback"] = traceback.format_exc()
    record["seconds"] = time.perf_counter() - begun
    record["notes"] = list(dict.fromkeys(str(note.message) for note in noted))[:10]
    return record


def _execute(run: Run, fold: NDArray[np.int16]) -> dict[str, Any]:
    samples, method = load_store(run.store), run.method
    names = {run.task, *method.tasks}
    labels = {name: samples[name].to_numpy() for name in names if name in samples}
    if run.task not in labels:
        labels[run.task] = load_store(run.first)[run.task].to_numpy()
    deal = deal_samples(
        labels,
        fold,
        test_fold=run.fold,
        budget=run.budget,
        seed=run.seed,
        task=run.task,
        tasks=method.tasks,
    )
    kept = _only_tasks(samples, method.tasks)
    test = kept.isel(sample=deal.test)
    predicted = _predict(method, kept, deal, test, seed=run.seed * _SEEDS_PER_RUN + run.fold)
    regions = None
    if run.region is not None:
        regions = load_store(run.first)[run.region].to_numpy()[deal.test]
    return {
        "labelled": int(deal.labelled.sum()),
        "unlabelled": int(deal.unlabelled.sum()),
        "counts": {
            task: _count(predicted[task], test[task], regions) for task in method.tasks
        },
        "legends": {t: list(Legend.from_flags(test[t].attrs).names) for t in method.tasks},
    }  # fmt: skip


def _predict(
    method: Method, samples: xr.Dataset, deal: Deal, test: xr.Dataset, *, seed: int
) -> dict[str, NDArray[np.uint8]]:
    """Class ids (sample,) of the test samples, by task."""
    labelled = samples.isel(sample=deal.labelled)
    if method.is_baseline:
        context = None
        if method.conditioning == FEATURES:
            context = method.train.get("context") or context_of_samples(samples)[1]
        return {
            task: fit_baseline(
                method.network,
                labelled,
                test,
                task=task,
                context=context or (),
                seed=seed,
                sizes=method.sizes,
            )
            for task in method.tasks
        }
    more: dict[str, Any] = {}
    if method.learning != SUPERVISED:
        # Where every sample has its label, they are seen without it as well.
        seen = deal.unlabelled if deal.unlabelled.any() else deal.labelled
        more = {
            "method": _learning(method),
            "unlabelled": _without_labels(samples.isel(sample=seen), method.tasks),
        }
    classifier = fit(labelled, method.network, config=method.config(seed=seed), **more)
    found = classifier.predict(test)
    return {task: found[task].to_numpy() for task in method.tasks}


def _learning(method: Method) -> LearningMethod:
    """Settings of a learning method that uses unlabelled samples."""
    return method_from_dict({"name": method.learning, **method.settings})


def _only_tasks(samples: xr.Dataset, tasks: tuple[str, ...]) -> xr.Dataset:
    """The samples with these tasks alone."""
    others = [t for t in str(samples.attrs["tasks"]).split() if t not in tasks]
    return samples.drop_vars(others).assign_attrs(tasks=" ".join(tasks))


def _without_labels(samples: xr.Dataset, tasks: tuple[str, ...]) -> xr.Dataset:
    """The samples as if nobody had labelled them."""
    blank = {task: xr.full_like(samples[task], FILL_CLASS) for task in tasks}
    return samples.assign(blank)


def _count(
    predicted: NDArray[np.uint8], reference: xr.DataArray, regions: NDArray[Any] | None
) -> dict[str, list[list[int]]]:
    """Confusion counts (predicted or not mapped, reference) over all, and in each region."""
    found = xr.DataArray(predicted, dims="sample")
    truth = xr.DataArray(reference.to_numpy(), dims="sample", attrs=reference.attrs)
    legend = Legend.from_flags(reference.attrs)
    masks = {EVERYWHERE: np.ones(predicted.shape, np.bool_)}
    if regions is not None:
        masks |= {str(name): regions == name for name in np.unique(regions)}
    return {
        name: accuracy(
            found, truth, legend=legend, mask=xr.DataArray(mask, dims="sample")
        ).counts.values.tolist()
        for name, mask in masks.items()
    }  # fmt: skip
