"""A scikit-learn estimator as a predictor of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, check_single_pixels


class EstimatorPredictor:
    """A fitted scikit-learn classifier that classifies cubes.

    The features of a pixel are its series, flattened as (time, band), and then the context
    variables of the spec, raw.

    Parameters
    ----------
    estimator : object
        Fitted, with ``predict_proba`` and ``classes_`` (class ids of the legend).
    spec : ModelSpec
        Bands, dates and legend; one task, no halo. For samples:
        ``ModelSpec.from_samples(samples)``.

    Raises
    ------
    ModelError
        If the estimator is not fitted, or knows classes outside the legend.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=32, x=32)
    >>> samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=5))
    >>> features, labels = lx.features_of(samples)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(features, labels)
    >>> model = lx.EstimatorPredictor(forest, spec=lx.ModelSpec.from_samples(samples))
    >>> lx.classify(cube, model).land_cover.shape
    (1, 32, 32)
    """

    def __init__(self, estimator: Any, *, spec: ModelSpec) -> None:
        if not hasattr(estimator, "predict_proba"):
            raise ModelError(
                f"{type(estimator).__name__} has no predict_proba, so there would be no entropy. "
                "Choose a probabilistic classifier, or wrap it in CalibratedClassifierCV."
            )
        if not hasattr(estimator, "classes_"):
            raise ModelError(f"{type(estimator).__name__} is not fitted; call .fit first.")
        if len(spec.legends) != 1 or spec.halo:
            raise ModelError("an estimator has one task and no halo; give such a spec.")
        self.estimator = estimator
        self.spec = spec
        (self.legend,) = spec.legends.values()
        self._columns = self.legend.index_of(np.asarray(estimator.classes_))

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None,
    ) -> NDArray[np.float32]:
        """Class probabilities (class, y, x) of a block (time, band, y, x)."""
        time, band, y, x = pixels.shape
        features = pixels.reshape(time * band, y * x).T
        if self.spec.context:
            features = np.concatenate([features, self._context(context).reshape(-1, y * x).T], 1)
        found = self.estimator.predict_proba(np.ascontiguousarray(features))
        made = np.zeros((len(self.legend), y * x), np.float32)
        made[self._columns] = np.asarray(found, np.float32).T
        return made.reshape(len(self.legend), y, x)

    def _context(self, context: Mapping[str, NDArray[np.float32]] | None) -> NDArray[np.float32]:
        missing = [name for name in self.spec.context if name not in (context or {})]
        if context is None or missing:
            raise ModelError(f"the estimator needs context {', '.join(missing)}; it was not given.")
        # Pixels without context become fill; many estimators refuse NaN.
        return np.nan_to_num(np.stack([context[name] for name in self.spec.context]), nan=0.0)


def features_of(
    samples: xr.Dataset, task: str = "land_cover", *, context: Sequence[str] = ()
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Features and labels of samples for scikit-learn.

    Parameters
    ----------
    samples : xr.Dataset
        Samples over (sample, time, band).
    task : str
        Name of the label variable.
    context : sequence of str
        Context variables that follow the series, such as ("bio01", "bio12"): those of the spec.

    Returns
    -------
    features : ndarray of float32
        Shape (sample, time * band + context), in the order :class:`EstimatorPredictor` uses.
    labels : ndarray of uint8
        Class ids, shape (sample,).
    """
    check_single_pixels(samples)
    series = samples["reflectance"].transpose("sample", "time", "band").values
    features = series.reshape(len(series), -1).astype(np.float32)
    if context:
        around, _ = context_of_samples(samples, context)
        features = np.concatenate([features, around.T], axis=1)
    return features, samples[task].values.astype(np.uint8)
