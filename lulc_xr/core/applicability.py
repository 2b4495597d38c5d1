"""Area of applicability: how far a place lies from what a model was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError
from lulc_xr.core.nearest import AT_ONCE, NearestReference


@dataclass(frozen=True, kw_only=True, eq=False)
class Applicability:
    """Training samples in feature space, and how far from them a model may be used.

    The features of a place are its series, flattened as (time, band), then the context variables
    of the model, raw: what :func:`lulc_xr.features_of` gives.

    Parameters
    ----------
    mean, scale : ndarray of float32
        Shape (feature,): features are (value - mean) / scale.
    weight : ndarray of float32
        Importance of each feature, shape (feature,), >= 0.
    reference : ndarray of float32
        Training samples in scaled and weighted features, shape (reference, feature).
    mean_distance : float
        Mean distance between two training samples; dissimilarities are in its units.
    threshold : float
        Largest dissimilarity at which the model is applicable.
    provenance : mapping
        How it was fitted, JSON-able.

    References
    ----------
    Meyer, H., Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
    applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    reference: NDArray[np.float32]
    mean_distance: float
    threshold: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {len(self.mean), len(self.scale), len(self.weight), self.reference.shape[1]}
        if len(sizes) != 1 or not len(self.reference):
            raise ModelError(f"features of different numbers: {sorted(sizes)}, or no reference.")
        for name, array in self.arrays().items():
            if not np.isfinite(array).all():
                raise ModelError(f"{name} of an area of applicability holds NaN or infinity.")
        if not ((self.scale > 0).all() and (self.weight >= 0).all() and self.weight.any()):
            raise ModelError("scales must be positive, and weights too, or zero but not all.")
        if not (0 < self.mean_distance < np.inf and 0 <= self.threshold < np.inf):
            raise ModelError(
                f"mean distance {self.mean_distance} and threshold {self.threshold} must be "
                "positive."
            )

    @property
    def content_hash(self) -> str:
        """Identity: a hash of all values."""
        found = hashlib.sha256(json.dumps([self.mean_distance, self.threshold]).encode())
        for array in self.arrays().values():
            found.update(np.ascontiguousarray(array, np.float32).tobytes())
        return found.hexdigest()

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Its arrays by name, as they are stored beside the model."""
        names = ("mean", "scale", "weight", "reference")
        return {name: np.asarray(getattr(self, name), np.float32) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """All but its arrays, as JSON-able values."""
        return {
            "content_hash": self.content_hash,
            "mean_distance": self.mean_distance,
            "threshold": self.threshold,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]
    ) -> Applicability:
        """The rule from what :meth:`to_dict` and :meth:`arrays` gave.

        Raises
        ------
        ModelError
            If the arrays are not those that belong to it.
        """
        made = cls(
            **{name: arrays[name] for name in ("mean", "scale", "weight", "reference")},
            mean_distance=float(values["mean_distance"]),
            threshold=float(values["threshold"]),
            provenance=values.get("provenance", {}),
        )
        if made.content_hash != values["content_hash"]:
            raise ModelError("the arrays of the area of applicability were changed or damaged.")
        return made

    def scaled(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (feature, ...) as distances see them: scaled, then weighted."""
        shape = (-1, *(1,) * (features.ndim - 1))
        mean, factor = self.mean.reshape(shape), (self.weight / self.scale).reshape(shape)
        made: NDArray[np.float32] = (np.asarray(features, np.float32) - mean) * factor
        return made

    def dissimilarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance to the nearest training sample, in mean distances between training samples.

        Every place is computed alone: the bits do not depend on what lies beside it.

        Parameters
        ----------
        features : ndarray of float32
            Shape (feature, ...), raw.

        Returns
        -------
        ndarray of float32
            Shape (...); NaN where a feature that has a weight is missing or infinite.

        Raises
        ------
        ModelError
            If there are more or fewer features than the training samples have.
        """
        if len(features) != len(self.mean):
            raise ModelError(
                f"{len(features)} features of each place; the training samples have "
                f"{len(self.mean)}: the series as (time, band), then the context of the model."
            )
        flat = features.reshape(len(self.mean), -1)
        found = np.empty(flat.shape[1], np.float32)
        for start in range(0, flat.shape[1], AT_ONCE):
            part = self.scaled(flat[:, start : start + AT_ONCE])
            found[start : start + AT_ONCE] = self._search.nearest(part[self.weight > 0])
        return (found / np.float32(self.mean_distance)).reshape(features.shape[1:])

    @cached_property
    def _search(self) -> NearestReference:
        # What has no weight is 0 everywhere; it would only cost time.
        return NearestReference(self.reference[:, self.weight > 0])
