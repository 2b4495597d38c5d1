"""Arithmetic of class probabilities: the class, its entropy, checks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import FILL_CLASS, Legend

PROBABILITY_SCALE = 1 / 250
"""Step of stored probabilities: uint8 0-250, 255 for 'not mapped'."""

_SUM_TOLERANCE = 1e-3


def entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shannon entropy in nats over the first axis.

    Parameters
    ----------
    probabilities : ndarray of float32
        Shape (class, ...), summing to 1 over classes.

    Returns
    -------
    ndarray of float32
        Shape (...); 0 <= H <= ln K, with p ln p = 0 at p = 0.

    References
    ----------
    Shannon, C. E. (1948). A Mathematical Theory of Communication. Bell System Technical
    Journal 27, 379-423.

    Examples
    --------
    >>> import numpy as np
    >>> entropy(np.array([[1.0, 0.5], [0.0, 0.5]], np.float32)).astype(float).round(4).tolist()
    [0.0, 0.6931]
    """
    # max(p, tiny) keeps the logarithm finite; p * log(tiny) is exactly 0 for p = 0.
    tiny = np.float32(np.finfo(np.float32).tiny)
    total = np.zeros(probabilities.shape[1:], np.float32)
    term = np.empty_like(total)
    for p in probabilities:
        np.maximum(p, tiny, out=term)
        np.log(term, out=term)
        term *= p
        total -= term
    return np.clip(total, 0, highest_entropy(len(probabilities)))


def highest_entropy(classes: int) -> np.float32:
    """The largest float32 that does not exceed ln K, the entropy of K equal probabilities."""
    limit = np.float32(np.log(classes))
    # float32 may round ln K up; one step down keeps H <= ln K in any precision.
    return (
        np.float32(np.nextafter(limit, np.float32(0))) if float(limit) > np.log(classes) else limit
    )


def most_probable(probabilities: NDArray[np.float32], legend: Legend) -> NDArray[np.uint8]:
    """Class id of the largest probability, the first of equals.

    Parameters
    ----------
    probabilities : ndarray of float32
        Shape (class, ...), classes in the order of `legend`.
    legend : Legend
        Gives the ids.

    Returns
    -------
    ndarray of uint8
        Shape (...).
    """
    ids: NDArray[np.uint8] = np.array(legend.ids, np.uint8)[probabilities.argmax(axis=0)]
    return ids


def check_probabilities(
    probabilities: NDArray[np.float32],
    seen: NDArray[np.bool_],
    *,
    classes: int,
    task: str,
) -> None:
    """Raise ModelError unless these are probabilities of the right shape where pixels were seen.

    Parameters
    ----------
    probabilities : ndarray of float32
        What a predictor gave; expected shape (class, y, x).
    seen : ndarray of bool
        Shape (y, x); pixels that were seen.
    classes : int
        Number of classes of the task.
    task : str
        Name used in the message.
    """
    expected = (classes, *seen.shape)
    if probabilities.shape != expected:
        raise ModelError(
            f"predict_block gave shape {probabilities.shape} for task {task!r}; expected "
            f"(class, y, x) = {expected}, the same y and x as the block it was given."
        )
    total = probabilities.sum(axis=0)
    wrong = seen & ~(np.abs(total - 1) <= _SUM_TOLERANCE)
    if wrong.any() or (seen & (probabilities.min(axis=0) < 0)).any():
        first = float(total[wrong][0]) if wrong.any() else float(probabilities[:, seen].min())
        raise ModelError(
            f"predict_block gave no probabilities for task {task!r}: "
            f"{'a sum over classes' if wrong.any() else 'a value'} of {first:g} "
            f"at {int(wrong.sum())} of {int(seen.sum())} seen pixels; expected values >= 0 that "
            "sum to 1. Apply a softmax to logits."
        )


def fill_unseen(values: NDArray[np.generic], seen: NDArray[np.bool_]) -> NDArray[np.generic]:
    """Values with 255 (uint8) or NaN (float) where a pixel was never seen; changed in place."""
    if not seen.all():
        values[..., ~seen] = FILL_CLASS if values.dtype == np.uint8 else np.nan
    return values
