"""Confidence intervals of shares under a survey design: normal, Wilson, logit."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from lulc_xr.core.errors import SampleError, name_unknown

Floats = NDArray[np.float64]
Interval = Literal["normal", "wilson", "logit", "bootstrap"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)
"""Kinds of intervals."""


def check_interval(interval: str, level: float) -> None:
    """Refuse an unknown kind of interval, and a level outside 0 to 1.

    Raises
    ------
    SampleError
        If so.
    """
    if interval not in INTERVALS:
        raise SampleError(name_unknown("interval", interval, INTERVALS))
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")


def normal_interval(estimate: Floats, error: Floats, level: float) -> tuple[Floats, Floats]:
    """Estimate ± quantile of the normal distribution × standard error; may leave 0 to 1.

    Examples
    --------
    >>> low, high = normal_interval(np.array([0.88]), np.array([0.0378]), 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.806], [0.954])
    """
    half = ndtri((1 + level) / 2) * error
    return estimate - half, estimate + half


def wilson_interval(
    share: Floats, size: Floats, level: float, *, unseen: Floats | None = None
) -> tuple[Floats, Floats]:
    """Score interval of shares, from their effective sample size.

    Parameters
    ----------
    share : ndarray of float64
        Shares, between 0 and 1.
    size : ndarray of float64
        Number of simple random samples that would give the same standard error.
    level : float
        Coverage.
    unseen : ndarray of float64, optional
        What one more unit would change, as a share of the denominator, where units weigh
        otherwise than those that were seen. By default 1 / size.

    Returns
    -------
    low, high : ndarray of float64

    Notes
    -----
    Wilson's limits solve (p - share)² = z² V(p) with V(p) = p (1 - p) / n: away from the estimate
    the variance grows by that of units which were not seen. In a survey these may weigh more than
    what was seen: of a rare class, most hits come from its own small stratum, and a single omission
    in a large stratum weighs as much as many of them. Here V grows by `unseen` for each such unit,
    and shrinks by 1 / n for each that would be missing, so that a sample without any omission is
    not taken for a proof that there are none. With equal weights it is Wilson's interval.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    JASA 22(158), 209-212.

    Examples
    --------
    >>> low, high = wilson_interval(np.array([1.0]), np.array([50.0]), 0.95)
    >>> low.round(3).tolist(), high.tolist()
    ([0.929], [1.0])
    """
    z2 = float(ndtri((1 + level) / 2)) ** 2
    each = 1 / np.where(size > 0, size, np.nan)
    other = each if unseen is None else np.maximum(unseen, each)
    variance, curve = share * (1 - share) * each, 1 + z2 * each

    def reach(growth: Floats) -> Floats:
        root = np.sqrt((z2 * growth) ** 2 + 4 * z2 * variance * curve)
        return np.asarray((z2 * growth + root) / (2 * curve))

    low = share - reach(share * other - (1 - share) * each)
    high = share + reach((1 - share) * other - share * each)
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def logit_interval(
    share: Floats, error: Floats, level: float, *, freedom: int | Floats
) -> tuple[Floats, Floats]:
    """Interval that is symmetric on the logit scale, with Student's t; NaN at 0 and 1.

    References
    ----------
    Korn, E. L., Graubard, B. I. (1998). Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data. Survey Methodology 24, 193-201.
    """
    inside = (share > 0) & (share < 1)
    share = np.where(inside, share, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.log(share / (1 - share))
        half = stdtrit(freedom, (1 + level) / 2) * error / (share * (1 - share))
    return 1 / (1 + np.exp(half - middle)), 1 / (1 + np.exp(-half - middle))


def effective_size(
    share: Floats,
    error: Floats,
    *,
    samples: Floats,
    spread: Floats,
    freedom: int | Floats,
    units: int | Floats,
) -> Floats:
    """Number of simple random samples that would give a share the same standard error.

    Parameters
    ----------
    share, error : ndarray of float64
        Shares and their standard errors, shape (share,).
    samples : ndarray of float64
        Units on which each share rests: those in its denominator.
    spread : ndarray of float64
        Kish's effective size of those units, (sum w)² / sum w², which counts where the standard
        error is 0 since no unit, or every one, has the property.
    freedom : int or ndarray
        Degrees of freedom of the design.
    units : int or ndarray
        Units in the whole sample.

    Returns
    -------
    ndarray of float64
        samples / design effect × (t of the sample / t of the design)²: the samples themselves
        under simple random sampling.

    References
    ----------
    Kish, L. (1965). Survey sampling. Wiley.
    Korn, E. L., Graubard, B. I. (1998), as above.
    """
    variance = error**2
    simple = share * (1 - share) / np.maximum(samples - 1, 1)
    known = (variance > 1e-20) & (simple > 0)
    size = np.where(known, samples * simple / np.where(known, variance, 1.0), spread)
    ratio = stdtrit(np.maximum(units - 1, 1), 0.975) / stdtrit(freedom, 0.975)
    found: Floats = size * ratio**2
    return found
