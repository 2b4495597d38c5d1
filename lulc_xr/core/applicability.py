"""Area of applicability: how far a place lies from what a model was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError

_AT_ONCE = 1024


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
        if not (self.mean_distance > 0 and self.threshold >= 0):
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

    def dissimilarity(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance to the nearest training sample, in mean distances between training samples.

        Parameters
        ----------
        features : ndarray of float32
            Shape (feature, ...), raw.

        Returns
        -------
        ndarray of float32
            Shape (...); NaN where a feature is missing.
        """
        flat = features.reshape(len(self.mean), -1).T
        found = np.empty(len(flat), np.float32)
        squares = np.einsum("ij,ij->i", self.reference, self.reference)
        for start in range(0, len(flat), _AT_ONCE):
            part = (flat[start : start + _AT_ONCE] - self.mean) / self.scale * self.weight
            own = np.einsum("ij,ij->i", part, part)
            distance = own[:, None] - 2 * part @ self.reference.T + squares
            found[start : start + _AT_ONCE] = np.sqrt(np.maximum(distance.min(axis=1), 0))
        return (found / np.float32(self.mean_distance)).reshape(features.shape[1:])
