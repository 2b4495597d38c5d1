"""Accuracy against coverage, and how well doubt tells errors, for many weightings at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class SelectiveCurve:
    """Errors among the samples that a rule accepts, from the surest down to any coverage.

    Parameters
    ----------
    confidence : ndarray of float64
        Shape (sample,). Samples of equal confidence are accepted together.
    right : ndarray of bool
        Shape (sample,).

    References
    ----------
    Geifman, Y., El-Yaniv, R. (2017). Selective classification for deep neural networks. NeurIPS
    2017, https://arxiv.org/abs/1705.08500
    """

    def __init__(self, confidence: Values, right: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-confidence, kind="stable")
        ranked = confidence[self._order]
        self._wrong = ~right[self._order]
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self.confidence: Values = ranked[self._starts]

    def area(self, weights: Values) -> Values:
        """Area under risk against coverage (AURC): the mean risk over all coverages.

        Parameters
        ----------
        weights : ndarray of float64
            Shape (repeat, sample).

        Returns
        -------
        ndarray of float64
            Shape (repeat,), between 0 and 1; 0 is best.
        """
        own, errors = self._cumulated(weights)
        step = np.diff(own, axis=1, prepend=0.0)
        found: Values = (step * _ratio(errors, own)).sum(axis=1) / own[:, -1]
        return found

    def accuracy_at(self, weights: Values, coverage: Values) -> Values:
        """Accuracy of the surest samples that make up at least these shares (repeat, coverage)."""
        own, errors = self._cumulated(weights)
        found = np.empty((len(own), len(coverage)))
        for row, (cumulated, wrong) in enumerate(zip(own, errors, strict=True)):
            at = self._at(cumulated, coverage)
            found[row] = 1 - wrong[at] / cumulated[at]
        return found

    def confidence_at(self, weights: Values, coverage: Values) -> Values:
        """Least confidence of the samples that are accepted, for weights (sample,)."""
        own, _ = self._cumulated(weights[None])
        return self.confidence[self._at(own[0], coverage)]

    def _at(self, cumulated: Values, coverage: Values) -> NDArray[np.int64]:
        # A little less: sums of weights are not exact.
        wanted = np.maximum(coverage * cumulated[-1] * (1 - 1e-12), np.finfo(np.float64).tiny)
        at: NDArray[np.int64] = np.minimum(
            np.searchsorted(cumulated, wanted), len(cumulated) - 1
        ).astype(np.int64)
        return at

    def _cumulated(self, weights: Values) -> tuple[Values, Values]:
        own = weights[:, self._order]
        errors = own * self._wrong
        if len(self._starts) < own.shape[1]:
            own, errors = (np.add.reduceat(v, self._starts, axis=1) for v in (own, errors))
        return np.cumsum(own, axis=1), np.cumsum(errors, axis=1)


class ErrorDetection:
    """How well a doubt, such as entropy, tells wrong samples from right ones.

    Parameters
    ----------
    doubt : ndarray of float64
        Shape (sample,).
    right : ndarray of bool
        Shape (sample,).
    """

    def __init__(self, doubt: Values, right: NDArray[np.bool_]) -> None:
        self._order = np.argsort(doubt, kind="stable")
        ranked = doubt[self._order]
        self._right = right[self._order]
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def area(self, weights: Values) -> Values:
        """Area under the receiver operating characteristic, for weights (repeat, sample).

        That is the probability that a wrong sample has more doubt than a right one, equal doubt
        counting half (Mann-Whitney). NaN where all are right, or all wrong.
        """
        own = weights[:, self._order]
        right = own * self._right
        wrong = own - right
        if len(self._starts) < own.shape[1]:
            right, wrong = (np.add.reduceat(v, self._starts, axis=1) for v in (right, wrong))
        below = np.cumsum(right, axis=1) - right / 2
        return _ratio((wrong * below).sum(axis=1), wrong.sum(axis=1) * right.sum(axis=1))


def _ratio(numerator: Values, denominator: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Values = numerator / denominator
    # The surest samples may not be drawn at all; they add no step of coverage either.
    return np.where(denominator > 0, found, 0.0 if numerator.ndim > 1 else np.nan)
