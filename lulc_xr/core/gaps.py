"""Dates of a series that nobody saw, interpolated in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fill_gaps(
    pixels: NDArray[np.float32], days: NDArray[np.int32], *, max_gap: int | None = None
) -> NDArray[np.float32]:
    """Interpolate missing dates linearly in time, constant before the first and after the last.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance, shape (time, band, ...), NaN in all bands where missing; changed in place.
    days : ndarray of int
        Day of each date, shape (time,), ascending.
    max_gap : int, optional
        Most days between the two clear dates of a gap that is filled, and most days to the
        one clear date before the first and after the last. Longer gaps stay NaN.
        Default: no limit.

    Returns
    -------
    ndarray of float32
        The array `pixels`; pixels without any date stay NaN.
    """
    flat = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    missing = np.isnan(flat[:, 0])
    if not missing.any():
        return pixels
    seen = ~missing
    day = np.asarray(days, np.float32)
    # Whole dates at a time: far faster than picking the missing pixels one by one.
    after, after_day = flat.copy(), np.where(seen, day[:, None], np.float32(np.nan))
    for step in range(len(flat) - 2, -1, -1):
        np.copyto(after[step], after[step + 1], where=missing[step])
        np.copyto(after_day[step], after_day[step + 1], where=missing[step])
    # Ahead of the first clear date it stands on both sides, behind the last that one does.
    before, before_day = after[0].copy(), after_day[0].copy()
    for step, values in enumerate(flat):
        if missing[step].any():
            nothing = np.isnan(after_day[step])
            np.copyto(after[step], before, where=nothing)
            np.copyto(after_day[step], before_day, where=nothing)
            span = after_day[step] - before_day
            share = np.where(span > 0, (day[step] - before_day) / np.maximum(span, 1), 0)
            wanted = missing[step]
            if max_gap is not None:
                far = np.maximum(after_day[step], day[step]) - np.minimum(before_day, day[step])
                wanted = wanted & (far <= max_gap)
            weight = share.astype(np.float32, copy=False)
            np.copyto(values, (1 - weight) * before + weight * after[step], where=wanted)
        np.copyto(before, values, where=seen[step])
        np.copyto(before_day, day[step], where=seen[step])
    return pixels
