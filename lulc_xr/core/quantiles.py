"""Quantiles of the dates of a period, for many pixels at a time, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Missing dates sort to the end; finite, since their share of 0 times infinity is no number.
_LARGEST = np.float32(np.finfo(np.float32).max / 2)


def quantiles(
    dates: Sequence[NDArray[np.float32]], missing: NDArray[np.bool_], q: Sequence[float]
) -> NDArray[np.float32]:
    """Quantiles over dates, linear between the two nearest (type 7, NumPy's default).

    Parameters
    ----------
    dates : sequence of ndarray of float32
        One (band, pixel) per date, at least one.
    missing : ndarray of bool
        Dates that do not count, shape (date, pixel).
    q : sequence of float
        Quantiles, 0 to 1.

    Returns
    -------
    ndarray of float32
        Shape (quantile * band, pixel), all bands of the first quantile first; NaN where
        all dates are missing.
    """
    number, (bands, pixels) = len(dates), dates[0].shape
    if number <= 2 and tuple(q) == (0.5,):
        return _middle_of_two(dates, missing)
    count = number - missing.sum(axis=0)
    # Copies, and puts missing dates (also NaN) last, in one pass.
    last = (missing.astype(np.float32) - np.float32(0.5)) * (2 * _LARGEST)
    ordered = _sort([np.fmax(date, one) for date, one in zip(dates, last, strict=True)])
    present = np.flatnonzero(np.bincount(count))
    made = np.zeros((len(q), bands, pixels), np.float32)
    part = np.empty_like(made[0])
    for one, share in zip(made, _shares(number, tuple(q)), strict=True):
        for rank in np.flatnonzero(share[present].any(axis=0)):
            one += np.multiply(ordered[rank], share[:, rank].take(count, mode="clip"), out=part)
    if not present[0]:
        # 0 / 0 is the NaN that is wanted: a product is far faster than a copy with a mask.
        with np.errstate(invalid="ignore"):
            made *= np.divide(count, count, dtype=np.float32)
    return made.reshape(-1, pixels)


def _middle_of_two(
    dates: Sequence[NDArray[np.float32]], missing: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Median of one or two dates, which is their mean: a third of the passes of a sort."""
    seen = (~missing).astype(np.float32)
    count = seen.sum(axis=0)
    shares = seen / np.maximum(count, 1)
    made = dates[0] * shares[0]
    if len(dates) > 1:
        made += dates[1] * shares[1]
    if np.isnan(made.sum()):
        # NaN times a share of 0: a date has pixels without a value. Slower, and rarer.
        parts = [np.where(gone, np.float32(0), d) for d, gone in zip(dates, missing, strict=True)]
        made = np.sum([p * share for p, share in zip(parts, shares, strict=True)], axis=0)
    unseen = count == 0
    if unseen.any():
        np.copyto(made, np.float32(np.nan), where=unseen)
    return np.asarray(made)


def _sort(rows: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The dates of each pixel in ascending order, each (band, pixel); changed in place.

    A sorting network compares whole dates: several times the speed of `numpy.sort` for 73 to
    2 dates, as long as the block stays in the cache.
    """
    spare = np.empty_like(rows[0])
    for low, high in _network(len(rows)):
        first, second = rows[low], rows[high]
        np.minimum(first, second, out=spare)
        np.maximum(first, second, out=second)
        rows[low], spare = spare, first
    return rows


@lru_cache(maxsize=128)
def _network(number: int) -> tuple[tuple[int, int], ...]:
    """Pairs to compare and exchange, so that `number` values end in ascending order.

    References
    ----------
    Batcher, K. E. (1968). Sorting networks and their applications. AFIPS Spring Joint
    Computing Conference, 307-314 (odd-even merging). https://doi.org/10.1145/1468075.1468121
    """
    pairs: list[tuple[int, int]] = []
    run = 1
    while run < number:
        step = run
        while step:
            for start in range(step % run, number - step, 2 * step):
                inside = range(start, min(start + step, number - step))
                pairs += [
                    (low, low + step)
                    for low in inside
                    if low // (2 * run) == (low + step) // (2 * run)
                ]
            step //= 2
        run *= 2
    return tuple(pairs)


@lru_cache(maxsize=128)
def _shares(number: int, q: tuple[float, ...]) -> NDArray[np.float32]:
    """Share of each rank in each quantile of 0 to `number` dates, (quantile, count, rank)."""
    shares = np.zeros((len(q), number + 1, number), np.float32)
    for count in range(1, number + 1):
        place = np.asarray(q) * (count - 1)
        low = np.floor(place).astype(int)
        for one, rank, part in zip(shares, low, place - low, strict=True):
            one[count, rank] = 1 - part
            if part:
                one[count, rank + 1] = part
    return shares


def weighted_quantiles(
    values: NDArray[np.float32], weights: NDArray[np.float32], q: Sequence[float]
) -> NDArray[np.float32]:
    """Quantiles over dates that count by their weight; equal weights give :func:`quantiles`.

    Parameters
    ----------
    values : ndarray of float32
        Shape (date, band, pixel); not NaN where the weight is above 0.
    weights : ndarray of float32
        Shape (date, pixel), 0 where a date does not count.
    q : sequence of float
        Quantiles, 0 to 1.

    Returns
    -------
    ndarray of float32
        Shape (quantile * band, pixel), NaN where all weights are 0.

    References
    ----------
    Akinshin, A. (2023). Weighted quantile estimators. arXiv:2304.07265 (its type 7, with
    Kish's effective sample size).
    """
    total = weights.sum(axis=0, dtype=np.float64)
    seen = total > 0
    relative = weights / np.where(seen, total, 1)
    effective = 1 / np.where(seen, np.square(relative).sum(axis=0), 1)
    filled = np.where((weights > 0)[:, None], values, _LARGEST)
    order = np.argsort(filled, axis=0, kind="stable")
    ordered = np.take_along_axis(filled, order, axis=0)
    whole = np.broadcast_to(relative[:, None], values.shape)
    reached = np.cumsum(np.take_along_axis(whole, order, axis=0), axis=0) * effective
    made = np.empty((len(q), *values.shape[1:]), np.float32)
    for one, fraction in zip(made, q, strict=True):
        inside = np.clip(reached - fraction * (effective - 1), 0, 1)
        # Rounding may leave the sum of weights short of 1: the share of the last is the rest.
        share = np.diff(inside / np.maximum(inside[-1], 0.5), axis=0, prepend=0)
        one[...] = (share * ordered).sum(axis=0)
    made[:, :, ~seen] = np.nan
    return made.reshape(-1, values.shape[-1])
