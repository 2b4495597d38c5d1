"""What a model says of labelled samples, beside their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.errors import LegendError, ModelError, SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Predictor
from lulc_xr.core.places import Places
from lulc_xr.models.apart import check_apart
from lulc_xr.models.sample_predictions import probabilities_of

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Samples of one task that have a label and a prediction.

    Parameters
    ----------
    probabilities : ndarray of float32
        What each member says, shape (member, class, sample); one member, if the model has none.
    labels : ndarray of int
        Position of the true class, shape (sample,).
    weights : ndarray of float64
        Weight of each sample, > 0, shape (sample,).
    used : ndarray of int
        Which of the given samples these are, shape (sample,).
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    used: NDArray[np.int64]


def choose_tasks(model: Predictor, task: str | None) -> list[str]:
    """The tasks of a model, or the one that is asked for."""
    known = list(model.spec.legends)
    if task is not None and task not in known:
        raise ModelError(name_unknown("task", task, known))
    return known if task is None else [task]


def collect_labelled(
    model: Predictor, samples: xr.Dataset, *, tasks: list[str], members: bool
) -> dict[str, Labelled]:
    """What a model says of samples, by task; those without label or prediction are left out.

    Parameters
    ----------
    model : Predictor
        The model.
    samples : xr.Dataset
        Samples with labels of the tasks.
    tasks : list of str
        Tasks of the model.
    members : bool
        Each member on its own, if the model has several; else their mean.

    Raises
    ------
    SampleError
        If there are no labels of a task, or weights are negative or missing.
    LegendError
        If a label is not in the legend of the model, or the samples have another legend.
    ModelError
        If what the model gives are no probabilities.
    """
    asked: Predictor = _AllMembers(model) if members and hasattr(model, "each_member") else model
    labels = {task: _labels(samples, task, model.spec.legends[task]) for task in tasks}
    weights = _weights(samples)
    seen = _seen(samples, model.spec)
    for task in tasks:
        if not ((labels[task] >= 0) & (weights > 0) & seen).any():
            raise SampleError(
                f"none of {len(seen)} samples has a label of {task} and a prediction. Give samples "
                "with labels of this task, or name another with task=."
            )
    given = probabilities_of(asked, samples)
    found = {}
    for task in tasks:
        own = given[task].reshape(-1, len(model.spec.legends[task]), len(seen))
        used = np.flatnonzero((labels[task] >= 0) & (weights > 0) & seen)
        _check_sums(own[:, :, used], task)
        found[task] = Labelled(
            probabilities=own[:, :, used],
            labels=labels[task][used].astype(np.int64),
            weights=weights[used],
            used=used,
        )
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Apart:
    """Labelled samples that a rule is fitted to, apart from those that the model has seen.

    Parameters
    ----------
    tasks : mapping of str to Labelled
        By task.
    samples : xr.Dataset
        Those of the samples that any task uses.
    record : mapping
        What the provenance says of their distance from the training.
    checked : bool
        Whether that distance was looked at.
    """

    tasks: Mapping[str, Labelled]
    samples: xr.Dataset
    record: Mapping[str, Any]
    checked: bool

    def places(self, name: str) -> dict[str, Places]:
        """The record of where a rule of this name was fitted; none without a check."""
        return {name: Places.of_samples(self.samples)} if self.checked else {}


def collect_apart(
    model: Predictor,
    samples: xr.Dataset,
    *,
    task: str | None,
    members: bool,
    apart: float | None,
    trained_on: xr.Dataset | None,
) -> Apart:
    """Labelled samples to fit a rule of a model to, after a check that it has not seen them.

    See :func:`collect_labelled` and :func:`lulc_xr.models.apart.check_apart`, which raise.
    """
    found = collect_labelled(model, samples, tasks=choose_tasks(model, task), members=members)
    used = samples.isel(sample=np.unique(np.concatenate([own.used for own in found.values()])))
    record = check_apart(used, model, apart=apart, trained_on=trained_on)
    return Apart(tasks=found, samples=used, record=record, checked=apart is not None)


class _AllMembers:
    """A model that says what each of its members does, one below the other."""

    def __init__(self, model: Any) -> None:
        self.spec: ModelSpec = model.spec
        self.attachments: Attachments | None = getattr(model, "attachments", None)
        self._model = model

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None,
    ) -> dict[str, NDArray[np.float32]]:
        """Task to (member * class, y, x)."""
        given = list(self._model.each_member(pixels, days, context))
        return {task: np.concatenate([m[task] for m in given]) for task in self.spec.legends}


def _labels(samples: xr.Dataset, task: str, legend: Legend) -> NDArray[np.int16]:
    """Position of the class of each sample, -1 without label; of dense labels that in the middle.

    The labels are those of single samples, as the predictions are.
    """
    if task not in samples:
        raise SampleError(
            name_unknown("task of the samples", task, map(str, samples.data_vars))
            + " Give samples with labels of it, or name another with task=."
        )
    variable = samples[task]
    if "flag_values" in variable.attrs:
        own = Legend.from_flags(variable.attrs)
        if (own.ids, own.names) != (legend.ids, legend.names):
            raise LegendError(
                f"samples have the classes {_classes(own)} of {task}, the model has "
                f"{_classes(legend)}. "
                "Translate the labels first: lulc_xr.crosswalk(...).map_labels(labels)."
            )
    middle = {dim: n // 2 for dim, n in variable.sizes.items() if dim != "sample"}
    return legend.index_of(variable.isel(middle).values)


def _classes(legend: Legend) -> str:
    return ", ".join(f"{i} {n}" for i, n in zip(legend.ids, legend.names, strict=True))


def _weights(samples: xr.Dataset) -> NDArray[np.float64]:
    if "weight" not in samples:
        return np.ones(samples.sizes["sample"])
    weights = np.asarray(samples["weight"].values, np.float64)
    wrong = ~(weights >= 0) | np.isinf(weights)
    if wrong.any():
        raise SampleError(
            f"{int(wrong.sum())} of {weights.size} samples have a weight such as "
            f"{weights[wrong][0]}; expected finite numbers >= 0. Mend them, or drop 'weight'."
        )
    return weights


def _seen(samples: xr.Dataset, spec: ModelSpec) -> NDArray[np.bool_]:
    """Samples that can be predicted: seen at least once, with the context that is needed."""
    series = samples["reflectance"].transpose("sample", ...)
    middle = {d: n // 2 for d, n in series.sizes.items() if str(d).startswith("patch_")}
    seen: NDArray[np.bool_] = ~np.isnan(series.isel(middle).values).all(axis=(1, 2))
    if spec.context:
        values, _ = context_of_samples(samples, spec.context)
        seen &= ~np.isnan(values).any(axis=0)
    return seen


def _check_sums(probabilities: NDArray[np.float32], task: str) -> None:
    total = probabilities.sum(axis=1)
    wrong = ~(np.abs(total - 1) <= _SUM_TOLERANCE)
    if wrong.any() or (probabilities < 0).any():
        found = total[wrong][0] if wrong.any() else probabilities.min()
        raise ModelError(
            f"the model gives no probabilities of {task}: "
            f"{'a sum over classes' if wrong.any() else 'a value'} of {float(found):g}; expected "
            "values >= 0 that add up to 1 at every pixel that was seen. Apply a softmax to logits."
        )
