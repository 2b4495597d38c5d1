"""Importance of bands and context: by how much a model gets worse when one is shuffled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT
from lulc_xr.core.errors import ModelError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import ModelSpec, Predictor
from lulc_xr.models.features import feature_groups
from lulc_xr.models.sample_predictions import predict_samples

Weights = Literal["permutation"] | Mapping[str, float] | Sequence[float] | NDArray[Any] | None

_JUDGED = 2000
"""Samples on which the importance is measured, at most."""

_REPEATS = 2


def feature_weights(
    model: Predictor,
    samples: xr.Dataset,
    weights: Weights,
    rng: np.random.Generator,
    *,
    number: int,
) -> tuple[NDArray[np.float32], dict[str, float] | None]:
    """Weight of each of so many features, and of each band and context variable.

    Parameters
    ----------
    model : Predictor
        A trained model.
    samples : xr.Dataset
        Samples with labels.
    weights : "permutation", mapping, array or None
        See :func:`lulc_xr.fit_applicability`.
    rng : Generator
        What is drawn and shuffled.
    number : int
        Number of features: dates * bands + context.

    Returns
    -------
    weight : ndarray of float32
        Shape (feature,), >= 0.
    importance : dict or None
        By name; of permutations with mean 1. None if weights were given by feature.

    Raises
    ------
    ModelError
        If weights do not fit, or shuffling makes no difference.
    SampleError
        If there are no labels to measure it on.
    """
    importance = _importance(model, samples, weights, rng)
    return _of_features(importance, weights, model.spec, number), importance


def permutation_importance(
    model: Predictor, samples: xr.Dataset, rng: np.random.Generator
) -> dict[str, float]:
    """Growth of the Brier score when a band or context variable is shuffled, at least 0."""
    tasks = [task for task in model.spec.legends if task in samples]
    if not tasks:
        raise SampleError(
            f"samples without labels of {', '.join(model.spec.legends)}: importance cannot be "
            "measured. Give weights=None for equal ones."
        )
    labelled = np.any([samples[task].values != FILL_CLASS for task in tasks], axis=0)
    chosen = rng.permutation(np.flatnonzero(labelled))[:_JUDGED]
    judged = samples.isel(sample=np.sort(chosen))
    before = _brier(model, judged, tasks)
    found = {}
    for name in feature_groups(model.spec):
        growth = [
            _brier(model, _shuffled(judged, name, rng), tasks) - before for _ in range(_REPEATS)
        ]
        found[name] = max(float(np.mean(growth)), 0.0)
    return found


def _importance(
    model: Predictor, samples: xr.Dataset, weights: Weights, rng: np.random.Generator
) -> dict[str, float] | None:
    """Weight of each band and context variable; None if weights are given by feature."""
    groups = feature_groups(model.spec)
    if weights is None:
        return dict.fromkeys(groups, 1.0)
    if isinstance(weights, str):
        if weights != "permutation":
            raise ModelError(name_unknown("weights of features", weights, ["permutation"]))
        found = permutation_importance(model, samples, rng)
        if not any(found.values()):
            raise ModelError(
                "shuffling bands does not make the model worse: it does not use them, or the "
                "samples are too few. Give weights=None for equal ones."
            )
        mean = sum(found.values()) / len(found)
        return {name: value / mean for name, value in found.items()}
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in groups:
                raise ModelError(name_unknown("band or context variable", name, groups))
        if lacking := [name for name in groups if name not in weights]:
            raise ModelError(f"no weight for {', '.join(lacking)}; give one for each, 0 for none.")
        return {name: float(weights[name]) for name in groups}
    return None


def _of_features(
    importance: dict[str, float] | None, weights: Weights, spec: ModelSpec, number: int
) -> NDArray[np.float32]:
    """Weight of each of so many features."""
    if importance is None:
        given = np.asarray(weights, np.float32)
    else:
        dates = (number - len(spec.context)) // len(spec.bands)
        series = np.tile([importance[band] for band in spec.bands], dates)
        given = np.array([*series, *(importance[n] for n in spec.context)], np.float32)
    if given.shape != (number,):
        raise ModelError(f"weights of shape {given.shape} for {number} features.")
    if not (np.isfinite(given).all() and (given >= 0).all() and given.any()):
        raise ModelError("weights of features must be finite and >= 0, and not all 0.")
    return given


def _shuffled(samples: xr.Dataset, name: str, rng: np.random.Generator) -> xr.Dataset:
    """Samples where one band, or context variable, is that of other samples."""
    of_band = name in samples["band"].values
    variable, dim = ("reflectance", "band") if of_band else (CONTEXT, "bioclim_variable")
    whole = samples[variable].copy(deep=True)
    other = whole.isel(sample=rng.permutation(samples.sizes["sample"]))
    at = {dim: list(whole[dim].values).index(name)}
    whole[at] = other.isel(at).variable
    return samples.assign({variable: whole})


def _brier(model: Predictor, samples: xr.Dataset, tasks: Sequence[str]) -> float:
    """Sum over tasks of the mean squared distance of probabilities from the labels."""
    predicted, total = predict_samples(model, samples), 0.0
    for task in tasks:
        index = model.spec.legends[task].index_of(samples[task].values)
        given = predicted[f"{task}_probability"].values[index >= 0]
        truth = np.eye(given.shape[1], dtype=np.float32)[index[index >= 0]]
        total += float(np.square(given - truth).sum(axis=1).mean()) if len(given) else 0.0
    return total
