"""Composites and gap filling of a block in memory (the lazy face is cube/composite.py)."""

from __future__ import annotations

import flox
import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.dates import Dates, RegularDates, YearDates


def mask_unclear(
    pixels: NDArray[np.float32], clear: NDArray[np.uint8] | None
) -> NDArray[np.float32]:
    """Set pixels to NaN where they were not clear, or where any band is missing.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance, shape (time, band, ...); changed in place.
    clear : ndarray of uint8 or None
        Shape (time, ...); non-zero where the pixel was seen clearly.

    Returns
    -------
    ndarray of float32
        The array `pixels`.
    """
    # The sum over bands is NaN where any band is: one pass, no boolean copy of the block.
    missing = np.isnan(pixels.sum(axis=1))
    if clear is not None:
        missing |= clear == 0
    if missing.any():
        np.copyto(pixels, np.float32(np.nan), where=missing[:, None])
    return pixels


def composite_pixels(
    pixels: NDArray[np.float32], group: NDArray[np.int64], *, number: int, method: str
) -> NDArray[np.float32]:
    """Composite of the dates of each period, ignoring NaN.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance with NaN where not clear, shape (time, band, ...).
    group : ndarray of int
        Period (0-based) of each date, shape (time,).
    number : int
        Number of periods.
    method : {"median", "mean"}
        How the dates of one period become one value.

    Returns
    -------
    ndarray of float32
        Shape (period, band, ...); NaN where a period has no clear date.
    """
    if method == "median":
        return np.stack([_median(pixels[group == period]) for period in range(number)])
    result, *_ = flox.groupby_reduce(
        np.moveaxis(pixels, 0, -1),
        np.asarray(group),
        func=f"nan{method}",
        # flox would choose numbagg, whose threads undo one thread per Dask thread.
        engine="flox",
        expected_groups=np.arange(number),
        fill_value=np.nan,
    )
    return np.ascontiguousarray(np.moveaxis(result, -1, 0), dtype=np.float32)


def _median(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median over the first axis, ignoring NaN, which all bands share.

    NumPy sorts along the first axis many pixels at a time: 10 times the speed of flox's
    nanmedian on monthly groups (benchmarks/samples.py), and in the same result.
    """
    if not len(pixels):
        return np.full(pixels.shape[1:], np.nan, np.float32)
    ordered = np.sort(pixels, axis=0)
    count = len(pixels) - np.isnan(ordered[:, :1]).sum(axis=0, keepdims=True)
    middle = [np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(pixels) - 1)]
    shape = (1, *pixels.shape[1:])
    low, high = (np.take_along_axis(ordered, np.broadcast_to(m, shape), 0)[0] for m in middle)
    return np.asarray((low + high) / np.float32(2))


def fill_gaps(pixels: NDArray[np.float32], days: NDArray[np.int32]) -> NDArray[np.float32]:
    """Interpolate missing dates linearly in time, constant before the first and after the last.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance, shape (time, band, ...), NaN in all bands where missing; changed in place.
    days : ndarray of int
        Day of each date, shape (time,), ascending.

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
    steps = np.arange(len(days))[:, None]
    last = np.maximum.accumulate(np.where(seen, steps, -1), axis=0)
    first_after = np.where(seen, steps, len(days))[::-1]
    following = np.minimum.accumulate(first_after, axis=0)[::-1]
    time, place = np.nonzero(missing & seen.any(axis=0))
    before, after = last[time, place], following[time, place]
    left = np.where(before < 0, after, before)
    right = np.where(after == len(days), left, after)
    day = np.asarray(days, np.float32)
    span = day[right] - day[left]
    share = np.where(span > 0, day[time] - day[left], 0) / np.where(span > 0, span, 1)
    weight = share.astype(np.float32)[:, None]
    flat[time, :, place] = (1 - weight) * flat[left, :, place] + weight * flat[right, :, place]
    return pixels


def prepare_series(
    pixels: NDArray[np.float32],
    clear: NDArray[np.uint8] | None,
    *,
    dates: Dates,
    year: YearDates,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Series of one mapped year as a model asks for it, from the block of its dates.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance at the dates of `year`, shape (time, band, ...); may be changed in place.
    clear : ndarray of uint8 or None
        Shape (time, ...); non-zero where seen clearly. None: all that is not NaN.
    dates : RegularDates or RawDates
        The model's time axis.
    year : YearDates
        Dates of the mapped year, from :func:`lulc_xr.core.dates.plan_year`.

    Returns
    -------
    series : ndarray of float32
        Shape (date of the model, band, ...), NaN where missing (after filling: only where
        no date was clear).
    seen : ndarray of bool
        Shape (...): any date of the year was clear.
    """
    series = mask_unclear(pixels, clear)
    if isinstance(dates, RegularDates):
        group = np.asarray(year.group, np.int64)
        series = composite_pixels(series, group, number=len(year.days), method=dates.method)
    seen: NDArray[np.bool_] = np.asarray(~np.isnan(series[:, 0]).all(axis=0))
    if dates.fill == "linear":
        series = fill_gaps(series, np.asarray(year.days, np.int32))
    return series, seen
