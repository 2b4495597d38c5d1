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
    series = np.ascontiguousarray(pixels)
    flat = series.reshape(*series.shape[:2], -1)
    missing = np.isnan(flat[:, 0])
    if not missing.any():
        return pixels
    # Of each date the last clear one up to it, and the next one from it on. All in plain
    # arithmetic over whole dates: choosing by a mask is several times slower.
    number = len(flat)
    steps = np.arange(number, dtype=np.min_scalar_type(-2 * number))[:, None]
    gone = missing.astype(steps.dtype)
    before, after = steps - gone * (steps + 1), steps + gone * number
    for step in range(1, number):
        np.maximum(before[step], before[step - 1], out=before[step])
        np.minimum(after[-1 - step], after[-step], out=after[-1 - step])
    time, place = np.nonzero(missing & (before[-1] >= 0))
    left, right = before[time, place], after[time, place]
    left, right = np.where(left < 0, right, left), np.where(right >= number, left, right)
    day = np.asarray(days, np.float32)
    if max_gap is not None:
        reach = np.maximum(day[right], day[time]) - np.minimum(day[left], day[time])
        near = reach <= max_gap
        time, place, left, right = time[near], place[near], left[near], right[near]
    span = day[right] - day[left]
    weight = (day[time] - day[left]) / np.maximum(span, 1)
    weight[span <= 0] = 0
    values, length = flat.reshape(-1), flat.shape[1] * flat.shape[2]
    first, second, wanted = (length * step.astype(np.intp) + place for step in (left, right, time))
    for band in range(flat.shape[1]):
        shift = band * flat.shape[2]
        filled = (1 - weight) * values.take(first + shift) + weight * values.take(second + shift)
        values[wanted + shift] = filled
    if series is not pixels:
        pixels[...] = series
    return pixels
