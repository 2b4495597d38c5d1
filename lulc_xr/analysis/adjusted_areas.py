"""Areas of zones, adjusted for the errors of the map: one matrix, applied to many zones at once."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.intervals import (
    effective_size,
    logit_interval,
    normal_interval,
    wilson_interval,
)
from lulc_xr.analysis.row_shares import RowShares
from lulc_xr.core.errors import SampleError, name_unknown

Floats = NDArray[np.float64]
ShareInterval = Literal["wilson", "normal", "logit"]
SHARE_INTERVALS: tuple[ShareInterval, ...] = get_args(ShareInterval)

# An error below this is rounding: the share is known (as in design_accuracy).
_KNOWN = 1e-10


def check_share_interval(interval: str, level: float) -> None:
    """Raise SampleError for an unknown kind of interval, or a level outside 0 to 1."""
    if interval not in SHARE_INTERVALS:
        raise SampleError(name_unknown("interval", interval, SHARE_INTERVALS))
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")


def adjust_areas(
    areas: Floats, rows: RowShares, *, level: float, interval: ShareInterval
) -> tuple[Floats, Floats, Floats, Floats]:
    """Areas of the true classes in zones, from mapped areas.

    Parameters
    ----------
    areas : ndarray of float64
        Mapped areas, shape (..., class).
    rows : RowShares
        True classes of each mapped class.
    level : float
        Coverage of the intervals.
    interval : {"wilson", "normal", "logit"}
        Their kind.

    Returns
    -------
    adjusted, error, low, high : ndarray of float64
        Shape (..., class), in the unit of `areas`. NaN where a mapped class of the zone has no
        label; error and interval also where it has only one.

    Notes
    -----
    The stratified estimator of Olofsson et al. (2014), equations 9 to 11, with the classes of the
    map as strata and their areas in the zone as weights: A_j = sum_i A_i r_ij, where r_ij is the
    share of true class j in mapped class i, and V(A_j) = sum_ik A_i A_k cov(r_ij, r_kj).

    References
    ----------
    Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land
    change. Remote Sensing of Environment 148, 42-57.
    """
    there = areas > 0
    adjusted = areas @ rows.shares
    variance = _variance(areas, rows)
    unknown = np.any(there & ~rows.known, axis=-1, keepdims=True)
    unsure = np.any(there & ~rows.certain, axis=-1, keepdims=True)
    total = areas.sum(axis=-1)
    empty = total == 0
    whole = np.where(empty, 1.0, total)[..., None]
    share, error = adjusted / whole, np.sqrt(variance) / whole
    low, high = _interval(
        share, error, areas / whole, there, rows=rows, level=level, interval=interval
    )
    known = (error < _KNOWN) & (share > _KNOWN) & (share < 1 - _KNOWN)
    known |= empty[..., None]
    low, high = np.where(known, share, low) * whole, np.where(known, share, high) * whole
    adjusted = np.where(unknown, np.nan, adjusted)
    error, low, high = (np.where(unsure, np.nan, part) for part in (error * whole, low, high))
    return adjusted, error, low, high


def _variance(areas: Floats, rows: RowShares) -> Floats:
    place = np.arange(areas.shape[-1])
    own = rows.covariance[:, place, place]
    found = areas**2 @ own.T
    rest = rows.covariance.copy()
    rest[:, place, place] = 0
    if rest.any():
        found = found + np.einsum("...i,jik,...k->...j", areas, rest, areas, optimize=True)
    # Rounding may leave a variance of zero at -1e-20.
    return np.asarray(np.maximum(found, 0.0))


def _interval(
    share: Floats,
    error: Floats,
    weight: Floats,
    there: NDArray[np.bool_],
    *,
    rows: RowShares,
    level: float,
    interval: ShareInterval,
) -> tuple[Floats, Floats]:
    """Interval of shares of the mapped area of a zone, as of a survey of that zone."""
    if interval == "normal":
        return normal_interval(share, error, level)
    units = np.maximum(there @ rows.units, 1.0)[..., None]
    strata = (there & rows.known).sum(axis=-1)[..., None]
    freedom: Floats = (
        np.maximum(units - strata, 1.0)
        if rows.freedom is None
        else np.full(units.shape, float(rows.freedom))
    )
    # Kish's effective number of labels, which the zone's own areas weigh.
    squares = weight**2 @ (1 / np.maximum(rows.effective, 1.0))
    kish = 1 / np.maximum(squares, 1e-300)[..., None]
    size = effective_size(share, error, samples=units, spread=kish, freedom=freedom, units=units)
    low, high = wilson_interval(share, size, level, unseen=1 / kish)
    if interval == "logit":
        by_logit = logit_interval(share, error, level, freedom=freedom)
        defined = np.isfinite(by_logit[0])
        low, high = np.where(defined, by_logit[0], low), np.where(defined, by_logit[1], high)
    return low, high
