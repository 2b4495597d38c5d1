"""How sure probabilities are against how often they are right, in bins."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Binning = Literal["equal width", "equal mass"]
BINNINGS: tuple[Binning, ...] = ("equal width", "equal mass")


def bin_edges(
    values: NDArray[np.float64],
    bins: int,
    *,
    binning: Binning = "equal width",
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Inner edges of bins of probabilities; a value that equals an edge lies below it.

    Parameters
    ----------
    values : ndarray of float64
        Probabilities, shape (sample,).
    bins : int
        Number of bins.
    binning : {"equal width", "equal mass"}
        Bins as wide as each other, or holding as many samples (as much weight); values that are
        equal are not parted, so that there may be fewer bins.
    weights : ndarray of float64, optional
        Weight of each sample.

    Returns
    -------
    ndarray of float64
        Shape (bin - 1,), rising.

    Examples
    --------
    >>> bin_edges(np.array([0.1, 0.2, 0.3, 0.9]), 2).tolist()
    [0.5]
    >>> bin_edges(np.array([0.1, 0.2, 0.3, 0.9]), 2, binning="equal mass").tolist()
    [0.2]
    """
    if binning == "equal width":
        equal: NDArray[np.float64] = np.linspace(0, 1, bins + 1)[1:-1]
        return equal
    order = np.argsort(values, kind="stable")
    own = np.ones(len(values)) if weights is None else weights[order]
    share = np.cumsum(own) / own.sum()
    # A little less than k / bins: sums of weights are not exact.
    last = np.searchsorted(share, np.arange(1, bins) / bins - 1e-12)
    edges: NDArray[np.float64] = np.unique(values[order][np.minimum(last, len(values) - 1)])
    kept: NDArray[np.float64] = edges[edges < values.max()]
    return kept


def put_into_bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the bin of each value: those up to an edge, it included, lie below it."""
    found: NDArray[np.int64] = np.searchsorted(edges, values, side="left")
    return found


def calibration_error(
    weight: NDArray[np.float64], confidence: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Expected calibration error from sums over bins.

    Parameters
    ----------
    weight, confidence, right : ndarray of float64
        Sums over the samples of each bin of their weight, of weight times probability, and of
        weight where they are right, shape (..., bin).

    Returns
    -------
    ndarray of float64
        Mean of abs(confidence - accuracy) over the bins by their weight, shape (...).

    References
    ----------
    Naeini, M. P., Cooper, G. F., Hauskrecht, M. (2015). Obtaining well calibrated probabilities
    using Bayesian binning. AAAI 2015, 2901-2907.
    """
    # weight * abs(confidence / weight - right / weight), without the division.
    found: NDArray[np.float64] = np.abs(confidence - right).sum(axis=-1) / weight.sum(axis=-1)
    return found


def top_label_error(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    weights: NDArray[np.float64] | None = None,
    bins: int = 15,
    binning: Binning = "equal width",
) -> float:
    """Expected calibration error of the most probable class.

    Parameters
    ----------
    probabilities : ndarray of float
        Shape (class, sample).
    labels : ndarray of int
        Position of the true class, shape (sample,).
    weights : ndarray of float64, optional
        Weight of each sample.
    bins, binning
        See :func:`bin_edges`.
    """
    confidence = np.asarray(probabilities.max(axis=0), np.float64)
    right = probabilities.argmax(axis=0) == labels
    own = np.ones(len(labels)) if weights is None else weights
    edges = bin_edges(confidence, bins, binning=binning, weights=weights)
    which = put_into_bins(confidence, edges)
    weight, sure, hit = (
        np.bincount(which, w, minlength=len(edges) + 1).astype(np.float64)
        for w in (own, own * confidence, own * right)
    )
    return float(calibration_error(weight, sure, hit))
