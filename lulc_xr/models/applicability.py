"""Fits the area of applicability: where a model resembles what it was trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.model import check_predictor
from lulc_xr.core.nearest import mean_pairwise_distance, nearest_of_others, upper_whisker
from lulc_xr.core.places import Places
from lulc_xr.models.calibrated import attachable
from lulc_xr.models.features import feature_names, model_features
from lulc_xr.models.importance import Weights, feature_weights

_SAME = 1.0
"""Metres within which two places are one."""

_FEWEST = 5
"""Samples below which there is no box plot of their dissimilarities."""


def fit_applicability(
    model: Any,
    samples: xr.Dataset,
    *,
    fold: str = "fold",
    weights: Weights = "permutation",
    maximum: int = 4000,
    seed: int = 0,
) -> Any:
    """The model with its area of applicability, from the samples that it was trained on.

    Features (the series, then the context of the model) are scaled to mean 0 and deviation 1 over
    the samples and weighted by their importance. The dissimilarity of a place is its Euclidean
    distance from the nearest sample, divided by the mean distance between two samples. The
    threshold is the largest dissimilarity of a sample from those of **other folds** that is no
    outlier (upper whisker of the box plot): as far as a fold is from the others, the model's
    scores on folds say something.

    Parameters
    ----------
    model : Classifier, Ensemble or other Predictor
        The trained model; any other predictor, such as an :class:`lulc_xr.EstimatorPredictor`,
        comes back in a :class:`lulc_xr.models.calibrated.Calibrated`.
    samples : xr.Dataset
        The samples that it was trained on, with `fold`; samples of fold -1 (unused) are left out.
    fold : str
        Variable of the samples with their folds, see :func:`lulc_xr.make_folds`.
    weights : "permutation", mapping, array or None
        Importance of the features. "permutation": by how much the Brier score of the model on
        (at most 2000 of) the samples grows when a band, all dates together, or a context variable
        is shuffled between samples; 0 where it does not grow. A mapping gives a weight to each
        band and context variable, an array to each feature. None: all are equal.
    maximum : int
        Samples that are kept as references, drawn at random if there are more. With fewer
        references every distance is as large or larger, that of the samples from other folds too,
        from which the threshold comes; and a sample that was not kept is itself at some distance.
    seed : int
        Seed of what is drawn and shuffled.

    Returns
    -------
    Classifier, Ensemble or Calibrated
        The same model with ``.applicability``; its ``provenance`` says how it was fitted.

    Raises
    ------
    SampleError
        If samples have no folds, one fold only, missing values, or are too few.
    ModelError
        If features are constant, weights do not fit, or the model is no predictor.

    Warns
    -----
    UserWarning
        If samples lie where the model was not trained, as far as it knows where it was.

    References
    ----------
    Meyer, H., Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
    applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.
    https://doi.org/10.1111/2041-210X.13650
    Breiman, L. (2001). Random forests. Machine Learning 45, 5-32. (permutation importance)

    Examples
    --------
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.samples.folds import make_folds
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.training.config import TrainConfig
    >>> from lulc_xr.training.fit import fit
    >>> cube = landscape(y=64, x=64)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> samples = make_folds(samples, block=160, folds=3)
    >>> model = fit(samples, config=TrainConfig(epochs=2))
    >>> model = fit_applicability(model, samples)
    >>> applicability_of(model, samples).dissimilarity.max()
    0.0
    """
    given = attachable(check_predictor(model))
    own = _used(samples, fold)
    _warn_of_other_places(own, given)
    features = model_features(given.spec, own)
    folds, names = own[fold].values, feature_names(given.spec, features.shape[1])
    _check_numbers(features, folds, maximum)
    rng = np.random.default_rng(seed)
    weight, importance = feature_weights(given, own, weights, rng, number=features.shape[1])
    rule, measured = _measure(features, folds, weight, _thinned(folds, maximum, rng), names)
    told = weights if isinstance(weights, str) else "equal" if weights is None else "given"
    provenance = {"fold": fold, "weights": told, "importance": importance, "seed": seed} | measured
    return given.attach(applicability=replace(rule, provenance=provenance))


def applicability_of(model: Any, samples: xr.Dataset) -> pd.DataFrame:
    """How far samples lie from what a model was trained on, and whether it may be used there.

    Parameters
    ----------
    model : Classifier, Ensemble, ...
        A model with an area of applicability, see :func:`fit_applicability`.
    samples : xr.Dataset
        Samples with the bands, dates and context of the model.

    Returns
    -------
    pandas.DataFrame
        One row per sample: `dissimilarity` float32, NaN where a feature is missing; `applicable`,
        True where it is not above the threshold (missing where it is unknown); `point_id` if the
        samples have it. ``attrs["threshold"]`` is the threshold.

    Raises
    ------
    ModelError
        If the model has no area of applicability.
    """
    rule = getattr(check_predictor(model), "applicability", None)
    if rule is None:
        raise ModelError(
            "this model has no area of applicability. Fit it on the samples that the model was "
            "trained on: model = lulc_xr.fit_applicability(model, samples)."
        )
    found = rule.dissimilarity(np.ascontiguousarray(model_features(model.spec, samples).T))
    inside = pd.array(found <= np.float32(rule.threshold), dtype="boolean")
    inside[np.isnan(found)] = pd.NA
    columns: dict[str, Any] = {"dissimilarity": found, "applicable": inside}
    if "point_id" in samples.variables:
        columns = {"point_id": samples["point_id"].values, **columns}
    table = pd.DataFrame(columns)
    table.attrs["threshold"] = rule.threshold
    return table


def _used(samples: xr.Dataset, fold: str) -> xr.Dataset:
    if fold not in samples.variables:
        raise SampleError(
            f"samples without a variable {fold!r}: the threshold comes from the distances between "
            "folds; nearest samples of all would be neighbours, and the area too small. Make "
            "folds in space: samples = lulc_xr.make_folds(samples, block=...)."
        )
    return samples.isel(sample=np.flatnonzero(samples[fold].values >= 0))


def _warn_of_other_places(samples: xr.Dataset, model: Any) -> None:
    known: Places | None = model.training_places if hasattr(model, "training_places") else None
    if known is None or not {"x", "y"} <= set(samples.variables) or "crs_wkt" not in samples.attrs:
        return
    # Near is enough: positions may have gone through another reference system.
    other = Places.of_samples(samples).distance_to(known) > _SAME
    if other.any():
        warnings.warn(
            f"{int(other.sum())} of {other.size} places of these samples are none that the model "
            "was trained on: the area would hold what the model has not seen. Give the samples of "
            "the training.",
            stacklevel=3,
        )


def _check_numbers(features: NDArray[np.float32], folds: NDArray[Any], maximum: int) -> None:
    if len(features) < _FEWEST:
        raise SampleError(f"{len(features)} samples in folds; give at least {_FEWEST}.")
    different = np.unique(folds)
    if len(different) < 2:
        raise SampleError(
            f"all samples are in fold {different[0]}; the threshold needs at least two. Give all "
            "folds that the model was trained on, or make other ones: lulc_xr.make_folds."
        )
    if maximum < max(_FEWEST, len(different)):
        raise SampleError(
            f"maximum={maximum} references; give at least {_FEWEST}, and one for each of "
            f"{len(different)} folds."
        )
    missing = ~np.isfinite(features).all(axis=1)
    if missing.any():
        raise SampleError(
            f"{int(missing.sum())} of {len(features)} samples miss a value of their series or "
            "context. Fill gaps when they are drawn (fill='linear'), or drop these samples."
        )


def _measure(
    features: NDArray[np.float32],
    folds: NDArray[Any],
    weight: NDArray[np.float32],
    kept: NDArray[np.int64],
    names: Sequence[str],
) -> tuple[Applicability, dict[str, Any]]:
    """The area of samples, those of `kept` being references, and what was found on the way."""
    mean, scale = _scales(features, weight, names)
    scaled = (features - mean) * (weight / scale)
    distance = mean_pairwise_distance(scaled[kept])
    if not distance > 0:
        raise SampleError("all samples are the same in the features that have a weight.")
    apart = nearest_of_others(scaled, folds, scaled[kept], folds[kept]) / distance
    rule = Applicability(
        mean=mean,
        scale=scale,
        weight=weight,
        reference=scaled[kept],
        mean_distance=distance,
        threshold=upper_whisker(apart),
    )
    quantiles = {str(q): float(np.quantile(apart, q)) for q in (0.5, 0.75, 0.95, 1.0)}
    return rule, {
        "samples": len(features),
        "references": len(kept),
        "folds": len(np.unique(folds)),
        "dissimilarity_of_other_folds": quantiles,
        "samples_inside": float((apart <= rule.threshold).mean()),
    }


def _scales(
    features: NDArray[np.float32], weight: NDArray[np.float32], names: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each feature."""
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    constant = ~(scale > 1e-6 * np.abs(mean))
    if bad := [n for n, c, w in zip(names, constant, weight, strict=True) if c and w > 0]:
        raise ModelError(
            f"{', '.join(bad[:5])}{' ...' if len(bad) > 5 else ''}: the same in all samples, so "
            "that no other value can be judged. Leave it out of the model, or give weights= a "
            "mapping with 0 for it."
        )
    return mean.astype(np.float32), np.where(constant, 1.0, scale).astype(np.float32)


def _thinned(folds: NDArray[Any], maximum: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of the samples that are kept, at least one of each fold."""
    order = rng.permutation(len(folds))
    _, first = np.unique(folds[order], return_index=True)
    ranked = np.concatenate([order[first], np.delete(order, first)])
    return np.sort(ranked[:maximum])
