"""Importance of bands and context: by how much a model gets worse when one is shuffled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lulc_xr.core.context import CONTEXT
from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import Predictor
from lulc_xr.models.features import feature_groups
from lulc_xr.models.sample_predictions import predict_samples

_JUDGED = 2000
"""Samples on which the importance is measured, at most."""

_REPEATS = 2


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
