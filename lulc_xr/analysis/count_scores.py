"""Scores that follow from confusion counts alone: overall, of each class, means over classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.legend import Legend


class CountScores:
    """Scores of confusion counts; a subclass holds `counts` and `legend`.

    Without weights they are shares of the labelled pixels, with weights of their sum.
    """

    counts: xr.DataArray
    legend: Legend

    @property
    def total(self) -> float:
        """Number of labelled pixels (sum of weights)."""
        return _number(self._matrix.sum())

    @property
    def unmapped(self) -> float:
        """Number of pixels that are labelled and not mapped; they count as wrong."""
        return _number(self._matrix[-1].sum())

    @property
    def overall(self) -> float:
        """Overall accuracy: share of labelled pixels mapped as labelled; NaN without any."""
        return float(_ratio(self._hits.sum(), self._matrix.sum()))

    @property
    def support(self) -> NDArray[Any]:
        """Number of labelled pixels of each class, shape (class,)."""
        return np.asarray(self._matrix.sum(axis=0))

    @property
    def users_accuracy(self) -> NDArray[np.float64]:
        """Share of the pixels mapped as a class that are labelled so (precision).

        Shape (class,); NaN for a class that is not mapped at any labelled pixel.
        """
        return _ratio(self._hits, self._matrix[:-1].sum(axis=1))

    @property
    def producers_accuracy(self) -> NDArray[np.float64]:
        """Share of the pixels labelled as a class that are mapped so (recall).

        Shape (class,); NaN for a class absent from the reference.
        """
        return _ratio(self._hits, self.support)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of user's and producer's accuracy, 2 hits / (mapped + labelled).

        Shape (class,); NaN for a class absent from the reference, 0 for one never mapped.
        """
        both = self._matrix[:-1].sum(axis=1) + self.support
        return np.where(self.support > 0, _ratio(2 * self._hits, both), np.nan)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that the reference has."""
        present = self.support > 0
        return float(self.f1[present].mean()) if present.any() else math.nan

    @property
    def weighted_f1(self) -> float:
        """Mean F1 of the classes that the reference has, by their number of labelled pixels."""
        present = self.support > 0
        return float(_ratio((self.f1 * self.support)[present].sum(), self.support.sum()))

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the classes that the reference does not have; macro F1 leaves them out."""
        return tuple(name for name, n in zip(self.legend.names, self.support, strict=True) if not n)

    @property
    def _matrix(self) -> NDArray[Any]:
        return np.asarray(self.counts.values)

    @property
    def _hits(self) -> NDArray[Any]:
        return np.diagonal(self._matrix[:-1])


def _ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    """Part / whole, NaN where the whole is zero."""
    whole = np.asarray(whole, np.float64)
    ratio: NDArray[np.float64] = np.full(whole.shape, np.nan)
    np.divide(np.asarray(part, np.float64), whole, out=ratio, where=whole > 0)
    return ratio


def _number(value: Any) -> float:
    """A NumPy number as Python's own, whole numbers as int."""
    plain: float = value.item()
    return plain
