"""Composites of a block in memory (the lazy face is cube/composite.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.dates import METHODS, Dates, RegularDates, YearDates
from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.gaps import fill_gaps
from lulc_xr.core.quantiles import quantiles, weighted_quantiles

REDUCTIONS = (*METHODS, "quantile", "best")
"""How `composite` makes one value of the clear dates of a period."""

# A hundredth of the step in which reflectance is stored: what lies closer is rounding.
_EQUALLY_NEAR = np.float32(1e-6)


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """How the dates of a period become one value.

    Parameters
    ----------
    method : {"median", "mean", "medoid", "quantile", "best"}
        Name of the method.
    q : tuple of float
        Quantiles of ``"quantile"``, 0 to 1.
    """

    method: str = "median"
    q: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in REDUCTIONS:
            raise ModelError(name_unknown("compositing method", self.method, REDUCTIONS))
        if (self.method == "quantile") != bool(self.q):
            raise ModelError(
                f"method {self.method!r} with q={self.q or None}: expected q with method "
                "'quantile', and only there. Pass for instance method='quantile', q=0.25."
            )
        for q in self.q:
            if not 0 <= q <= 1:
                raise ModelError(f"q={q}: a quantile lies between 0 and 1; give 0.25 for 25 %.")
        if len(set(self.q)) < len(self.q):
            raise ModelError(f"q={self.q} names a quantile twice; name each once.")

    @property
    def copies(self) -> int:
        """Values that become of one band."""
        return max(1, len(self.q))


def find_missing(
    pixels: NDArray[np.float32], clear: NDArray[np.uint8] | NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Where pixels were not clear, or where any band is missing.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance, shape (time, band, ...).
    clear : ndarray of uint8 or bool, or None
        Shape (time, ...); non-zero where the pixel was seen clearly.

    Returns
    -------
    ndarray of bool
        Shape (time, ...).
    """
    # The sum over bands is NaN where any band is: one pass, no boolean copy of the block.
    missing = np.isnan(pixels.sum(axis=1))
    if clear is not None:
        missing |= clear == 0
    return np.asarray(missing)


def composite_pixels(
    pixels: NDArray[np.float32],
    missing: NDArray[np.bool_],
    group: NDArray[np.int64],
    *,
    number: int,
    how: Reduction,
    weights: NDArray[np.float32] | None = None,
    to_middle: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Composite of the dates of each period, without those that are missing.

    Parameters
    ----------
    pixels : ndarray of float32
        Reflectance, shape (time, band, ...).
    missing : ndarray of bool
        Dates that do not count, shape (time, ...), from :func:`find_missing`.
    group : ndarray of int
        Period (0-based) of each date, shape (time,).
    number : int
        Number of periods.
    how : Reduction
        How the dates of one period become one value.
    weights : ndarray of float32, optional
        Weight of each date, above 0 where it is not missing; shape (time, ...).
    to_middle : ndarray of int, optional
        Distance of each date to the middle of its period, shape (time,), for "best":
        of dates of equal weight the nearest one counts.

    Returns
    -------
    ndarray of float32
        Shape (period, band, ...); NaN where a period has no clear date. Several quantiles
        follow each other: all bands of the first, then all of the second.
    """
    flat = pixels.reshape(*pixels.shape[:2], -1)
    gone = missing.reshape(len(missing), -1)
    bands = pixels.shape[1] * how.copies
    made = np.empty((number, bands, flat.shape[-1]), np.float32)
    for period in range(number):
        members = np.flatnonzero(group == period)
        if not members.size:
            made[period] = np.nan
            continue
        if to_middle is not None:
            members = members[np.argsort(to_middle[members], kind="stable")]
        importance = None
        if weights is not None:
            importance = weights.reshape(len(weights), -1)[members]
            importance = np.where(gone[members], np.float32(0), importance)
        made[period] = _reduce([flat[i] for i in members], gone[members], importance, how)
    return np.asarray(made.reshape(number, bands, *pixels.shape[2:]))


def _reduce(
    dates: Sequence[NDArray[np.float32]],
    missing: NDArray[np.bool_],
    weights: NDArray[np.float32] | None,
    how: Reduction,
) -> NDArray[np.float32]:
    """One value of the dates of one period, each (band, pixel)."""
    if how.method == "mean":
        return _mean(dates, missing, weights)
    if how.method == "best":
        rank = ~missing if weights is None else weights
        return _pick(dates, missing, np.asarray(rank.argmax(axis=0)))
    if how.method == "medoid":
        middle = _quantiles(dates, missing, weights, (0.5,))
        return _pick(dates, missing, _nearest(np.stack(dates), missing, middle))
    return _quantiles(dates, missing, weights, how.q or (0.5,))


def _quantiles(
    dates: Sequence[NDArray[np.float32]],
    missing: NDArray[np.bool_],
    weights: NDArray[np.float32] | None,
    q: Sequence[float],
) -> NDArray[np.float32]:
    if weights is None:
        return quantiles(dates, missing, q)
    return weighted_quantiles(np.stack(dates), weights, q)


def _mean(
    dates: Sequence[NDArray[np.float32]],
    missing: NDArray[np.bool_],
    weights: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Mean over dates: sums of whole dates, which need no copy with time last as flox does."""
    if weights is None:
        weights = (~missing).astype(np.float32)
    total, made = np.zeros_like(weights[0]), np.zeros_like(dates[0])
    for date, gone, weight in zip(dates, missing, weights, strict=True):
        part = date * weight
        # NaN times a weight of 0; stored integers have none.
        if np.isnan(part.sum()):
            np.copyto(part, np.float32(0), where=gone)
        made += part
        total += weight
    # Nothing seen: 0 / 0 is the NaN that is wanted.
    with np.errstate(invalid="ignore"):
        made /= total
    return np.asarray(made)


def _nearest(
    values: NDArray[np.float32], missing: NDArray[np.bool_], middle: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Date nearest to `middle` over all bands, shape (pixel,); of equally near ones the darkest.

    Two dates are always equally near to their median. The rule that then decides looks at
    values only, so that it gives the same for any order of the dates.
    """
    distance = np.sqrt(np.square(values - middle).sum(axis=1))
    distance[missing] = np.inf
    chosen = distance <= distance.min(axis=0) + _EQUALLY_NEAR
    for key in (values.sum(axis=1), *np.moveaxis(values, 1, 0)):
        if chosen.sum(axis=0).max() <= 1:
            break
        rest = np.where(chosen, key, np.float32(np.inf))
        chosen &= rest == rest.min(axis=0)
    return np.asarray(chosen.argmax(axis=0))


def _pick(
    dates: Sequence[NDArray[np.float32]], missing: NDArray[np.bool_], chosen: NDArray[np.int64]
) -> NDArray[np.float32]:
    """All bands of the chosen date of each pixel; NaN where that is missing."""
    made = np.full_like(dates[0], np.nan)
    for number, date in enumerate(dates):
        np.copyto(made, date, where=(chosen == number) & ~missing[number])
    return made


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
        no date was clear, or none within `max_gap`).
    seen : ndarray of bool
        Shape (...): any date of the year was clear.
    """
    missing = find_missing(pixels, clear)
    max_gap = None
    if isinstance(dates, RegularDates):
        group = np.asarray(year.group, np.int64)
        how, max_gap = Reduction(method=dates.method), dates.max_gap
        series = composite_pixels(pixels, missing, group, number=len(year.days), how=how)
    else:
        series = pixels
        np.copyto(series, np.float32(np.nan), where=missing[:, None])
    seen: NDArray[np.bool_] = np.asarray(~np.isnan(series[:, 0]).all(axis=0))
    if dates.fill == "linear":
        series = fill_gaps(series, np.asarray(year.days, np.int32), max_gap=max_gap)
    return series, seen
