"""McNemar's test: whether two maps are right equally often at the same points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

_FEW = 25
"""Points on which the maps differ, below which McNemar's test is the exact binomial one."""


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's test that two maps are right equally often at the same points.

    Parameters
    ----------
    both_right, only_first, only_second, both_wrong : int
        Numbers of points.
    statistic : float
        Of the exact test the smaller of `only_first` and `only_second`; else chi-square with
        one degree of freedom and the correction for continuity.
    p_value : float
        Two-sided, for independent points.
    method : str
        "exact binomial" or "chi-square".
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    statistic: float
    p_value: float
    method: str


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """McNemar's test of two maps that are right or wrong at the same points, shape (point,).

    Examples
    --------
    >>> mcnemar(np.array([True] * 8 + [False]), np.array([False] * 8 + [True])).p_value
    0.0390625
    """
    table = np.bincount(2 * first.astype(int) + second, minlength=4)
    wrong, only_second, only_first, right = (int(n) for n in table)
    differ = only_first + only_second
    if differ < _FEW:
        least = min(only_first, only_second)
        p_value = min(1.0, 2 * float(special.bdtr(least, differ, 0.5)))
        statistic, method = float(least), "exact binomial"
    else:
        statistic = (abs(only_first - only_second) - 1) ** 2 / differ
        p_value, method = float(special.chdtrc(1, statistic)), "chi-square"
    return McNemar(
        both_right=right, only_first=only_first, only_second=only_second, both_wrong=wrong,
        statistic=statistic, p_value=p_value, method=method,
    )  # fmt: skip
