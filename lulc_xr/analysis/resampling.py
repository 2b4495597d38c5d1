"""Bootstrap of any statistic of weighted samples, by blocks where samples lie together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lulc_xr.core.errors import SampleError

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Weights of the samples, shape (sample,), to values, shape (value,); NaN where undefined."""

_VALUES_AT_ONCE = 1 << 22


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
        If there is one block only: its spread cannot be seen. If a block lies in two strata.

    References
    ----------
    Efron, B., Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman and Hall.
    """
    block, groups = _groups(number, blocks, strata, repeats)
    count = int(block.max()) + 1
    rng = np.random.default_rng(seed)
    values = [np.atleast_1d(statistic(_times(groups, count, rng)[block])) for _ in range(repeats)]
    return np.stack(values)


def bootstrap_sums(
    column: NDArray[np.integer],
    columns: int,
    *,
    amounts: NDArray[np.floating] | None = None,
    blocks: NDArray[np.integer] | None = None,
    strata: NDArray[np.integer] | None = None,
    repeats: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Sums over resamples of what each sample adds to one of several columns.

    The same resamples as :func:`bootstrap`, for statistics that follow from sums, such as all
    that come from confusion counts: a block's sums are made once and counted as often as the
    block was drawn.

    Parameters
    ----------
    column : ndarray of int
        Column that each sample adds to, (sample,), or several, (sample, part).
    columns : int
        Number of columns.
    amounts : ndarray of float, optional
        What each sample adds, (sample,); 1 by default.
    blocks, strata, repeats, seed
        As :func:`bootstrap` takes them.

    Returns
    -------
    ndarray of float64
        Shape (repeat, column).

    Raises
    ------
    SampleError
        As :func:`bootstrap`.

    Examples
    --------
    >>> sums = bootstrap_sums(np.array([0, 0, 1]), 2, repeats=4)
    >>> sums.sum(axis=1).tolist()
    [3.0, 3.0, 3.0, 3.0]
    """
    added = np.asarray(column).reshape(len(column), -1)
    block, groups = _groups(len(added), blocks, strata, repeats)
    count = int(block.max()) + 1
    weight = np.ones(len(added)) if amounts is None else np.asarray(amounts, np.float64)
    parts = added.shape[1]
    place = (np.repeat(block, parts), added.ravel())
    sums = csr_array((np.repeat(weight, parts), place), shape=(count, columns))
    rng = np.random.default_rng(seed)
    at_once = max(1, _VALUES_AT_ONCE // count)
    made = []
    for start in range(0, repeats, at_once):
        size = min(at_once, repeats - start)
        times = np.stack([_times(groups, count, rng) for _ in range(size)])
        made.append(np.asarray(times @ sums))
    return np.concatenate(made)


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


def _groups(
    number: int,
    blocks: NDArray[np.integer] | None,
    strata: NDArray[np.integer] | None,
    repeats: int,
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Block of each sample, counted from 0; the blocks that are drawn among each other."""
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
    if strata is None:
        return block, [np.arange(count)]
    _, positions = np.unique(np.asarray(strata), return_inverse=True)
    of_block = np.zeros(count, np.int64)
    of_block[block] = positions
    torn = np.flatnonzero(of_block[block] != positions)
    if torn.size:
        raise SampleError(
            f"block {given[torn[0]]} holds samples of two strata or more, and a block is drawn "
            "within one. Make blocks within strata, for instance of pairs of both."
        )
    return block, [np.flatnonzero(of_block == s) for s in range(int(positions.max()) + 1)]


def _times(
    groups: list[NDArray[np.int64]], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How often each block is drawn in one resample."""
    drawn = [group[rng.integers(0, group.size, group.size)] for group in groups]
    return np.bincount(np.concatenate(drawn), minlength=count).astype(np.float64)
