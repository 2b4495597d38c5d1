"""Bootstrap of any statistic of weighted samples, by blocks where samples lie together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Weights of the samples, shape (sample,), to values, shape (value,); NaN where undefined."""


def bootstrap(
    statistic: Statistic,
    number: int,
    *,
    blocks: NDArray[np.integer] | None = None,
    strata: NDArray[np.integer] | None = None,
    repeats: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Values of a statistic over resamples.

    Samples of one block are drawn together, since neighbours err alike; with strata, as many
    blocks of each stratum as there are.

    Parameters
    ----------
    statistic : callable
        Gets how often each sample was drawn, shape (sample,).
    number : int
        Number of samples.
    blocks : ndarray of int, optional
        Block of each sample; by default each sample is one.
    strata : ndarray of int, optional
        Stratum of each sample; a block lies in one stratum.
    repeats : int
        Number of resamples.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of float64
        Shape (repeat, value).

    Raises
    ------
    SampleError
        If there is one block only: its spread cannot be seen.

    References
    ----------
    Efron, B., Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman and Hall.
    """
    if repeats < 2:
        raise SampleError(f"{repeats} resamples; give at least 2, better 1000.")
    given = np.arange(number) if blocks is None else np.asarray(blocks)
    _, block = np.unique(given, return_inverse=True)
    count = int(block.max(initial=-1)) + 1
    if count < 2:
        raise SampleError(
            f"{number} samples in {count} block: a bootstrap needs at least two blocks. Make the "
            "blocks smaller, or leave them out if samples are independent."
        )
    groups = [np.arange(count)]
    if strata is not None:
        of_block = np.zeros(count, np.int64)
        _, positions = np.unique(np.asarray(strata), return_inverse=True)
        of_block[block] = positions
        groups = [np.flatnonzero(of_block == s) for s in range(int(positions.max()) + 1)]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        times = np.zeros(count)
        for group in groups:
            times += np.bincount(rng.choice(group, group.size), minlength=count)
        values.append(np.atleast_1d(statistic(times[block])))
    return np.stack(values)


def percentile_interval(
    values: NDArray[np.float64], *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of an interval, from values over resamples (repeat, value).

    Resamples where a value is not defined (NaN) do not count.

    Raises
    ------
    SampleError
        If `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")
    known = np.isfinite(values).any(axis=0)
    low: NDArray[np.float64] = np.full(values.shape[1], np.nan)
    high = low.copy()
    tail = (1 - level) / 2
    low[known], high[known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    return low, high
