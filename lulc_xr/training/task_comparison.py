"""What each task gains or loses by being learned together with the others."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.comparison import mean_and_interval
from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.model import tasks_of
from lulc_xr.models.classifier import Classifier
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit

ALONE, TOGETHER = "alone", "together"
_SCORES = ("macro F1", "overall accuracy")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TaskComparison:
    """Scores of tasks learned together and alone, over the same folds and seeds.

    Parameters
    ----------
    runs : pandas.DataFrame
        One row per seed, task and model: columns `seed`, `task`, `model` ("alone" or
        "together"), `macro F1`, `overall accuracy`. Predictions of all folds are pooled.
    network : str
        Name of the network.
    labels : mapping of str to int
        Number of labelled samples of each task.
    level : float
        Coverage of the intervals.
    """

    runs: pd.DataFrame
    network: str
    labels: dict[str, int]
    level: float = 0.95

    @property
    def table(self) -> pd.DataFrame:
        """One row per task and score; mean and half interval of each model and of the gain.

        The gain is 'together' less 'alone', seed by seed; its interval is that of the paired
        differences. Half widths are NaN for a single seed.
        """
        rows = {}
        for task in self.labels:
            own = self.runs[self.runs["task"] == task]
            for score in _SCORES:
                wide = own.pivot(index="seed", columns="model", values=score)
                wide["gain"] = wide[TOGETHER] - wide[ALONE]
                row: dict[str, float] = {"labels": self.labels[task]}
                for column in (ALONE, TOGETHER, "gain"):
                    mean, half = mean_and_interval(list(wide[column]), level=self.level)
                    row |= {column: mean, f"{column} ±": half}
                rows[task, score] = row
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=["task", "score"])

    def to_markdown(self) -> str:
        """The report as text: a sentence on what was done, and the table."""
        lines = [self._caption(), "", "| " + " | ".join(_HEADINGS) + " |"]
        lines.append("| --- | --- |" + " ---: |" * (len(_HEADINGS) - 2))
        lines += ["| " + " | ".join(cells) + " |" for cells in self._cells()]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """The report as a page without outside links."""
        heads = "".join(f"<th>{html.escape(h)}</th>" for h in _HEADINGS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>"
            for cells in self._cells()
        )
        return (
            "<!doctype html><meta charset='utf-8'><title>Tasks together and alone</title>"
            f"<p>{html.escape(self._caption())}</p>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report; the ending of the file says how: .html, .md or .csv (all runs).

        Raises
        ------
        SampleError
            If it has another ending.
        """
        file = Path(path)
        if file.suffix not in (".html", ".md", ".csv"):
            raise SampleError(f"report {str(file)!r}; end its name with .html, .md or .csv.")
        if file.suffix == ".csv":
            self.runs.to_csv(file, index=False)
        else:
            text = self.to_html() if file.suffix == ".html" else self.to_markdown()
            file.write_text(text, encoding="utf-8")
        return file

    def __repr__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return self.to_html()

    def _caption(self) -> str:
        seeds = self.runs["seed"].nunique()
        return (
            f"{self.network}: each task learned together with the others and alone, on the same "
            f"folds and {seeds} seeds, with as many steps. Mean ± half width of the "
            f"{100 * self.level:g} % t interval over seeds; the gain is paired by seed, * if its "
            "interval leaves out zero. Unweighted agreement at held-out samples."
        )

    def _cells(self) -> list[list[str]]:
        made = []
        for key, row in self.table.iterrows():
            task, score = key if isinstance(key, tuple) else (key, "")
            gain, half = float(row["gain"]), float(row["gain ±"])
            star = "*" if abs(gain) > half else ""
            made.append(
                [str(task), str(score), f"{row['labels']:g}"]
                + [_spread(float(row[c]), float(row[f"{c} ±"])) for c in (ALONE, TOGETHER)]
                + [f"{gain:+.3f}{'' if math.isnan(half) else f' ± {half:.3f}'}{star}"]
            )
        return made


_HEADINGS = ("task", "score", "labels", ALONE, TOGETHER, "gain")


def compare_tasks(
    samples: xr.Dataset,
    network: str = "tempcnn",
    *,
    config: TrainConfig | None = None,
    folds: Sequence[int] | None = None,
    seeds: Sequence[int] = range(5),
    per_class: int | None = None,
) -> TaskComparison:
    """What each task gains or loses against its single-task twin.

    Every fold is held out in turn: one network is trained on all tasks of the others, and one
    for each task alone, on those samples that have a label of it and for as many steps. All
    predict the fold; the predictions of all folds of a seed are judged together.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with labels of two or more tasks and a variable `fold`
        (:func:`lulc_xr.make_folds`). Labels may be missing.
    network : str
        Name of the network.
    config : TrainConfig, optional
        Settings of every training; its seed is replaced. Task weights and regressions hold for
        the network of all tasks alone.
    folds : sequence of int, optional
        Folds to hold out; by default all.
    seeds : sequence of int
        Seeds of the weights and the order of samples; give five or more for an interval.
    per_class : int, optional
        Labels of each class that a training sees, drawn anew for every seed, task by task: a
        sample whose label of a task was not drawn has none of that task. By default all.

    Returns
    -------
    TaskComparison
        Its `table` holds means, intervals and paired differences; `to_html` and `to_markdown`
        make a report.

    Raises
    ------
    SampleError
        If the samples have fewer than two tasks, or folds or seeds are missing.
    """
    config = config or TrainConfig()
    tasks = tasks_of(samples)
    if len(tasks) < 2:
        raise SampleError(
            f"samples of {len(tasks)} task ({', '.join(tasks)}); expected two or more to compare."
        )
    if not len(seeds):
        raise SampleError("seeds=[] asks for no run; give one or more, such as range(5).")
    if config.validation_fold is not None:
        raise SampleError(
            f"validation_fold {config.validation_fold} in a comparison over folds, where each is "
            "held out in turn. Leave it None, and give epochs."
        )
    held_out = _folds(samples, folds)
    found: dict[tuple[int, str, str], list[xr.DataArray]] = {}
    for seed in seeds:
        settings = replace(config, seed=int(seed))
        for fold in held_out:
            inside = samples["fold"].values == fold
            test = samples.isel(sample=inside)
            training = samples.isel(sample=~inside & (samples["fold"].values >= 0))
            if per_class is not None:
                training = draw_labels(training, per_class=per_class, seed=int(seed))
            together = fit(training, network, config=settings).predict(test)
            for task in tasks:
                alone = _fit_alone(training, task, network, settings).predict(test)
                found.setdefault((seed, task, TOGETHER), []).append(together[task])
                found.setdefault((seed, task, ALONE), []).append(alone[task])
    judged = np.concatenate([np.flatnonzero(samples["fold"].values == f) for f in held_out])
    references = {task: _labels(samples, task).isel(sample=judged) for task in tasks}
    rows = [
        {"seed": seed, "task": task, "model": model}
        | _scores(_judge(parts, references[task], samples[task]))
        for (seed, task, model), parts in found.items()
    ]
    labels = {task: int((_labels(samples, task) != FILL_CLASS).sum()) for task in tasks}
    return TaskComparison(runs=pd.DataFrame(rows), network=network, labels=labels)


def draw_labels(samples: xr.Dataset, *, per_class: int, seed: int = 0) -> xr.Dataset:
    """Samples with at most so many labels of each class of each task; those without are left out.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with one label each of every task, (sample,), 255 where it is missing.
    per_class : int
        Labels to keep, at least 1.
    seed : int
        Decides which.

    Returns
    -------
    xr.Dataset
        The samples that kept a label. Tasks are drawn one after the other, independently.

    Raises
    ------
    SampleError
        If `per_class` is below 1.

    Examples
    --------
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.testing import landscape, points
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> draw_labels(samples, per_class=3).sizes["sample"]
    15
    """
    if per_class < 1:
        raise SampleError(f"per_class {per_class}; give a whole number >= 1.")
    rng = np.random.default_rng(seed)
    made, kept = samples.copy(), np.zeros(samples.sizes["sample"], bool)
    for task in tasks_of(samples):
        labels = samples[task].values
        chosen = [
            rng.permutation(np.flatnonzero(labels == class_id))[:per_class]
            for class_id in np.unique(labels[labels != FILL_CLASS])
        ]
        own = np.zeros(len(labels), bool)
        own[np.concatenate(chosen) if chosen else []] = True
        made[task] = samples[task].copy(data=np.where(own, labels, labels.dtype.type(FILL_CLASS)))
        kept |= own
    return made.isel(sample=kept)


def _folds(samples: xr.Dataset, folds: Sequence[int] | None) -> list[int]:
    if "fold" not in samples:
        raise SampleError(
            "samples without folds. Draw them first: samples = lulc_xr.make_folds(samples, ...)."
        )
    known = sorted({int(f) for f in samples["fold"].values if f >= 0})
    chosen = known if folds is None else list(folds)
    lost = [f for f in chosen if f not in known]
    if lost or len(known) < 2 or not chosen:
        raise SampleError(
            f"folds {chosen} of samples with folds {known}; expected folds that are there, beside "
            "others to train on."
        )
    return chosen


def _fit_alone(training: xr.Dataset, task: str, network: str, config: TrainConfig) -> Classifier:
    """The single-task twin: on samples with a label of the task, for as many steps."""
    labels = training[task].transpose("sample", ...).values
    known = (labels != FILL_CLASS).reshape(len(labels), -1).any(1)
    own = training.isel(sample=known).assign_attrs(tasks=task)
    size = config.batch_size
    all_batches = math.ceil(training.sizes["sample"] / size)
    batches = math.ceil(own.sizes["sample"] / size)
    epochs = config.epochs_of(all_batches)
    return fit(
        own,
        network,
        config=replace(
            config,
            epochs=max(1, round(epochs * all_batches / max(1, batches))),
            task_weights=None,
            regressions=(),
        ),
    )


def _labels(samples: xr.Dataset, task: str) -> xr.DataArray:
    """Labels of the pixel that is predicted: of a patch that in the middle."""
    labels = samples[task]
    middle = {dim: labels.sizes[dim] // 2 for dim in PATCH_DIMS if dim in labels.dims}
    plain = labels.isel(middle, drop=True)
    return xr.DataArray(plain.values, dims="sample")


def _judge(parts: Sequence[xr.DataArray], reference: xr.DataArray, task: xr.DataArray) -> Accuracy:
    predicted = xr.DataArray(np.concatenate([p.values for p in parts]), dims="sample")
    return accuracy(predicted, reference, legend=Legend.from_flags(task.attrs))


def _scores(judged: Accuracy) -> dict[str, float]:
    return {"macro F1": judged.macro_f1, "overall accuracy": judged.overall}


def _spread(mean: float, half: float) -> str:
    return f"{mean:.3f}" if math.isnan(half) else f"{mean:.3f} ± {half:.3f}"
