"""Trees and the like, beside which networks are judged: scikit-learn and LightGBM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.errors import ExperimentError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.require import require
from lulc_xr.prediction.estimator import features_of

_EXTRA = "experiments"
_TREES = 500
_LEAF = 20

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "random_forest": {"n_estimators": _TREES},
    "extra_trees": {"n_estimators": _TREES},
    "lightgbm": {"n_estimators": 300, "learning_rate": 0.05},
    "logistic": {"max_iter": 500},
}


def make_baseline(
    name: str, *, seed: int, sizes: Mapping[str, Any], labels: int | None = None
) -> Any:
    """An unfitted estimator; it computes on one thread.

    Parameters
    ----------
    name : str
        ``"random_forest"``, ``"extra_trees"``, ``"lightgbm"`` or ``"logistic"``.
    seed : int
        Its random numbers.
    sizes : mapping
        Arguments of the estimator other than our defaults: 500 trees, or 300 rounds of 0.05.
    labels : int, optional
        Labels to learn from. LightGBM's own 20 in a leaf cannot split few of them: a leaf
        then has a twentieth of the labels, at least 2.

    Raises
    ------
    ExperimentError
        If the estimator does not know an argument.
    ImportError
        If the library is not installed.
    """
    given = {**_DEFAULTS[name], **sizes}
    if name == "lightgbm" and labels is not None:
        given.setdefault("min_child_samples", min(_LEAF, max(2, labels // 20)))
    try:
        if name == "lightgbm":
            library = require("lightgbm", extra=_EXTRA)
            return library.LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1, **given)
        if name == "logistic":
            return _logistic(seed, given)
        ensemble = require("sklearn.ensemble", extra=_EXTRA)
        kind = {
            "random_forest": ensemble.RandomForestClassifier,
            "extra_trees": ensemble.ExtraTreesClassifier,
        }[name]
        return kind(random_state=seed, n_jobs=1, **given)
    except TypeError as error:
        raise ExperimentError(
            f"{name} does not take these sizes: {error}. They are arguments of the estimator."
        ) from error


def fit_baseline(
    name: str,
    labelled: xr.Dataset,
    test: xr.Dataset,
    *,
    task: str,
    context: Sequence[str],
    seed: int,
    sizes: Mapping[str, Any],
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Classes of test samples, by an estimator fitted on labelled ones.

    Parameters
    ----------
    name, seed, sizes
        As :func:`make_baseline` takes them.
    labelled, test : xr.Dataset
        Samples over (sample, time, band); of patches the pixel in the middle is taken.
    task : str
        Task to learn; samples without its label are left out.
    context : sequence of str
        Context variables that become columns.

    Returns
    -------
    ndarray of uint8
        Class ids (sample,).
    """
    features, labels = features_of(_middle(labelled), task, context=context)
    known = labels != FILL_CLASS
    if np.unique(labels[known]).size < 2:
        raise ExperimentError(
            f"{int(known.sum())} labels of {task!r} in {np.unique(labels[known]).size} class; "
            "a classifier needs two classes."
        )
    estimator = make_baseline(name, seed=seed, sizes=sizes, labels=int(known.sum()))
    estimator.fit(features[known], labels[known])
    wanted, _ = features_of(_middle(test), task, context=context)
    return np.asarray(estimator.predict(wanted), np.uint8)


def _middle(samples: xr.Dataset) -> xr.Dataset:
    """The pixel in the middle of patches."""
    sides = {d: n // 2 for d, n in samples.sizes.items() if str(d).startswith("patch_")}
    return samples.isel(sides, drop=True) if sides else samples


def _logistic(seed: int, given: Mapping[str, Any]) -> Any:
    """Logistic regression of standardised features; gaps take the median of the feature."""
    linear = require("sklearn.linear_model", extra=_EXTRA)
    pipeline = require("sklearn.pipeline", extra=_EXTRA)
    return pipeline.make_pipeline(
        require("sklearn.impute", extra=_EXTRA).SimpleImputer(
            strategy="median", keep_empty_features=True
        ),
        require("sklearn.preprocessing", extra=_EXTRA).StandardScaler(),
        linear.LogisticRegression(random_state=seed, **given),
    )
