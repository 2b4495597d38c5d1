"""Percentages that sum to 100 exactly, in whatever order they are added."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lulc_xr.core.errors import CubeError

PLACES = {np.dtype(np.float32): 17, np.dtype(np.float64): 40}
"""Binary places of a percentage by data type: values are whole multiples of 2^-places."""

_BLOCK = 1 << 16


def exact_percent(
    shares: NDArray[np.floating],
    *,
    dtype: DTypeLike = np.float64,
    total: NDArray[np.floating] | float = 100.0,
    absent: int | None = None,
) -> NDArray[np.floating]:
    """Percentages in proportion to shares, whose sum is exact in any order of summation.

    Percentages are whole multiples of 2^-17 (float32) or 2^-40 (float64). A sum of some of them
    is a multiple of that unit too and at most 100, which is below 2^7: it has at most 24 (47)
    binary digits, and float32 (float64) holds 24 (53). So no addition is rounded, in any order,
    and a sum in float64 of values in float32 isn't either. Units that are left when each share
    is rounded down go to the largest remainders, one each (Hamilton's method); of equal
    remainders the first.

    Parameters
    ----------
    shares : ndarray of float
        (type, cell), not negative, on any common scale.
    dtype : dtype
        float32 or float64.
    total : float or ndarray of float
        What the percentages of each cell sum to, (cell,): whole multiples of the unit, 0 to 100.
    absent : int, optional
        Type that gets the whole total in cells where all shares are 0; without it they are
        refused.

    Returns
    -------
    ndarray
        (type, cell) of that data type. A share of 0 stays 0; none is further than one unit from
        its exact value, but for what float64 rounds when shares are divided by their sum
        (0.04 of a unit).

    Raises
    ------
    CubeError
        If a share is negative or not finite, a total is no multiple of the unit, or all shares
        of a cell are 0 and `absent` isn't given.

    Examples
    --------
    >>> thirds = exact_percent(np.ones((3, 1)), dtype="float32")
    >>> thirds[:, 0].tolist()
    [33.333335876464844, 33.333335876464844, 33.33332824707031]
    >>> float(thirds.sum(dtype="float32"))
    100.0
    """
    kind = np.dtype(dtype)
    if kind not in PLACES:
        raise CubeError(f"percentages of type {kind} cannot be made; choose float32 or float64.")
    found = np.asarray(shares, np.float64)
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise CubeError(
            "shares hold values that are negative or not finite. Leave cells without data out, "
            "and give shares of 0 or more."
        )
    goal = _whole_units(total, found.shape[1], PLACES[kind])
    nothing = (found == 0).all(axis=0)
    if absent is None and nothing.any():
        raise CubeError(
            f"all shares are 0 in {int(nothing.sum())} of {nothing.size} cells. Leave them out, or "
            "name the type that gets all of such a cell with absent=."
        )
    result = np.empty(found.shape, kind)
    for start in range(0, found.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        units = _largest_remainder(found[:, part], goal[part])
        if absent is not None:
            units[absent, nothing[part]] = goal[part][nothing[part]]
        # A power of two: dividing by it is exact.
        result[:, part] = units / 2.0 ** PLACES[kind]
    return result


def _whole_units(total: NDArray[np.floating] | float, cells: int, places: int) -> NDArray[np.int64]:
    """Totals in units."""
    exact = np.broadcast_to(np.asarray(total, np.float64), (cells,)) * 2.0**places
    whole = np.rint(exact)
    if not np.array_equal(whole, exact) or (whole < 0).any() or (whole > 100 * 2.0**places).any():
        raise CubeError(
            f"totals must be whole multiples of 2^-{places} from 0 to 100. Make them with "
            "exact_percent too."
        )
    return whole.astype(np.int64)


def _largest_remainder(shares: NDArray[np.float64], goal: NDArray[np.int64]) -> NDArray[np.int64]:
    """Units (type, cell) that sum to the goal of each cell; 0 where all shares are."""
    largest = shares.max(axis=0)
    # Sums of huge shares don't overflow, those of tiny ones keep their digits.
    scaled = shares / np.where(largest > 0, largest, 1)
    exact = scaled / np.maximum(scaled.sum(axis=0), 1) * goal
    units: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    remainder = np.where(shares > 0, exact - units, -1)
    left = np.where(largest > 0, goal - units.sum(axis=0), 0)
    order = np.argsort(-remainder, axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(shares))[:, None], axis=0)
    np.add(units, rank < left, out=units)
    return units
