"""How often sets of classes hold the true one, and how large they are, by class and region."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from lulc_xr.core.errors import SampleError, name_unknown

Interval = Literal["wilson", "clopper-pearson"]
INTERVALS = get_args(Interval)


def proportion_interval(
    hits: NDArray[np.integer],
    number: NDArray[np.integer],
    *,
    level: float = 0.95,
    interval: Interval = "wilson",
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of a proportion of independent samples; NaN where there is none.

    Parameters
    ----------
    hits, number : ndarray of int
        How many of how many, any shape.
    level : float
        Confidence, between 0 and 1.
    interval : {"wilson", "clopper-pearson"}
        Wilson's covers the truth with `level` on average; Clopper and Pearson's always at least.

    Returns
    -------
    low, high : ndarray of float64
        Same shape.

    References
    ----------
    Brown, L. D., Cai, T. T., DasGupta, A. (2001). Interval estimation for a binomial proportion.
    Statistical Science 16(2), 101-133.

    Examples
    --------
    >>> low, high = proportion_interval(np.array([90]), np.array([100]))
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.8256, 0.9448)
    """
    if interval not in INTERVALS:
        raise SampleError(name_unknown("interval", interval, INTERVALS))
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")
    k, n = np.asarray(hits, np.float64), np.asarray(number, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if interval == "wilson":
            z = ndtri((1 + level) / 2)
            p = k / n
            middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
            half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
            low, high = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
        else:
            tail = (1 - level) / 2
            low = np.where(k == 0, 0.0, betaincinv(k, n - k + 1, tail))
            high = np.where(k == n, 1.0, betaincinv(k + 1, n - k, 1 - tail))
    nothing = n == 0
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def count_covered(
    sets: NDArray[np.bool_],
    labels: NDArray[np.integer],
    *,
    region: NDArray[np.integer],
    regions: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Samples, covered samples, and sizes of sets added up, of each region and class.

    Counts add up over parts of the samples.

    Parameters
    ----------
    sets : ndarray of bool
        Shape (class, sample).
    labels : ndarray of int
        Position of the true class, shape (sample,).
    region : ndarray of int
        Position of the region, -1 for none, shape (sample,).
    regions : int
        Number of regions.

    Returns
    -------
    number, covered, size : ndarray of int
        Shape (region + 1, class); the last row is of samples in no region.
    """
    shape = (regions + 1, len(sets))
    cell = np.where(region < 0, regions, region).astype(np.int64) * len(sets) + labels
    held = sets[labels, np.arange(len(labels))]
    number, covered, size = (
        np.bincount(cell, values, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)
        for values in (np.ones(len(cell)), held, sets.sum(axis=0))
    )
    return number, covered, size
