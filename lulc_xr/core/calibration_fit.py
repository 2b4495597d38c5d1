"""Scales and shifts of ln p under which labels are most likely; members first, then their mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from lulc_xr.core.calibration import CalibrationMethod
from lulc_xr.core.errors import SampleError

_WIDEST = np.log(100.0)
"""Temperatures from 1/100 to 100 are looked at."""

_TINY = float(np.finfo(np.float32).tiny)
Parameters = tuple[NDArray[np.float64], NDArray[np.float64]]


def log_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ln p in float64, with the floor under p that :meth:`Calibration.apply` has."""
    found: NDArray[np.float64] = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))
    return found


def mean_likelihood(
    log_p: NDArray[np.float64],
    labels: NDArray[np.integer],
    weights: NDArray[np.float64],
    *,
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Negative log-likelihood of the labels, and its derivative by each logit.

    Parameters
    ----------
    log_p : ndarray of float64
        Ln p of each member, shape (member, class, sample).
    labels : ndarray of int
        Position of the true class, shape (sample,).
    weights : ndarray of float64
        Weight of each sample; they add up to 1.
    scale, shift : ndarray of float64
        Shape (class,).

    Returns
    -------
    float
        Mean of -ln p of the true class, p being the mean of the calibrated members.
    ndarray of float64
        Shape (member, class, sample).
    """
    logits = scale[:, None] * log_p + shift[:, None]
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    each = np.arange(len(labels))
    own = p[:, labels, each]
    mean = np.maximum(own.mean(axis=0), np.finfo(np.float64).tiny)
    share = weights * own / (mean * len(p))
    slope = p * share[:, None]
    slope[:, labels, each] -= share
    return float(-(weights * np.log(mean)).sum()), slope


def fit_scales(
    log_p: NDArray[np.float64],
    labels: NDArray[np.integer],
    weights: NDArray[np.float64],
    *,
    method: CalibrationMethod,
) -> Parameters:
    """Scale and shift of each class that make the labels most likely.

    Parameters
    ----------
    log_p : ndarray of float64
        Ln p of each member, shape (member, class, sample).
    labels : ndarray of int
        Position of the true class, shape (sample,).
    weights : ndarray of float64
        Weight of each sample, > 0.
    method : {"temperature", "vector"}
        One scale for all classes, or a scale and a shift for each. These are held near the
        common scale and 0 by normal priors of deviation 1 on ln(scale) and shift, which count
        as much as one sample: without them a class that is always right has no best scale.

    Returns
    -------
    scale, shift : ndarray of float64
        Shape (class,).

    Raises
    ------
    SampleError
        If no scale is best: all labels are predicted right, or the probabilities do not
        tell the labels at all.
    """
    share = weights / weights.sum()
    classes = log_p.shape[1]
    common = _fit_common(log_p, labels, share)
    if method == "temperature":
        return np.full(classes, np.exp(common)), np.zeros(classes)
    pull = 1 / len(labels)

    def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_scale, shift = values[:classes], values[classes:]
        scale = np.exp(log_scale)
        found, slope = mean_likelihood(log_p, labels, share, scale=scale, shift=shift)
        off = log_scale - common
        found += pull / 2 * float((off**2).sum() + (shift**2).sum())
        by_scale = (slope * log_p).sum(axis=(0, 2)) * scale + pull * off
        return found, np.concatenate([by_scale, slope.sum(axis=(0, 2)) + pull * shift])

    start = np.concatenate([np.full(classes, common), np.zeros(classes)])
    best = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return np.exp(best.x[:classes]), best.x[classes:]


def _fit_common(
    log_p: NDArray[np.float64], labels: NDArray[np.integer], share: NDArray[np.float64]
) -> float:
    """Logarithm of the best scale of all classes."""
    none = np.zeros(log_p.shape[1])

    def cost(log_scale: float) -> float:
        scale = np.full(log_p.shape[1], np.exp(log_scale))
        return mean_likelihood(log_p, labels, share, scale=scale, shift=none)[0]

    # Of one member there is one minimum; of a mean of members there may be more.
    steps = np.linspace(-_WIDEST, _WIDEST, 13)
    lowest = int(np.argmin([cost(step) for step in steps]))
    low, high = steps[max(lowest - 1, 0)], steps[min(lowest + 1, len(steps) - 1)]
    best = float(minimize_scalar(cost, bounds=(low, high), method="bounded",
                                 options={"xatol": 1e-7}).x)  # fmt: skip
    if abs(best) > _WIDEST - 1e-3:
        what = (
            "the likelihood grows without end as probabilities go to 0 and 1: nearly every label "
            "is predicted right"
            if best > 0
            else "the likelihood is highest where all classes are equally probable: the model "
            "says nothing about these labels"
        )
        raise SampleError(
            f"no temperature is best for these {len(labels)} samples: {what}. Give more samples, "
            "of places where the model errs too, or leave it uncalibrated."
        )
    return best
