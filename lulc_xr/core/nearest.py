"""Distances between places in feature space: to the nearest one, on average, and outliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 256
"""Points whose distances to some thousand references are computed at once, as they fit a cache."""

_PAIRS = 65_536
"""Pairs of a point and a reference that are compared at once."""


class NearestReference:
    """Finds the distance from any point to the nearest of fixed ones.

    One product of matrices finds all that may be the nearest, to within its rounding errors;
    their distances are then computed from the differences. So nothing cancels out for points that
    lie very near, and how pixels are grouped does not matter.

    Parameters
    ----------
    reference : ndarray of float32
        Shape (reference, feature).
    """

    def __init__(self, reference: NDArray[np.float32]) -> None:
        self._reference = np.ascontiguousarray(reference, np.float32)
        squares = np.einsum("ij,ij->i", reference, reference, dtype=np.float64)
        # Times (features, 1) it gives |r - x|^2 - |x|^2.
        table = np.concatenate([-2 * self._reference, squares[:, None].astype(np.float32)], axis=1)
        self._table = np.ascontiguousarray(table, np.float32)
        self._longest = float(np.sqrt(squares.max()))
        # Bound of the rounding errors of a sum of so many products (Higham 2002, section 3.1).
        self._rounding = 2.0 * (table.shape[1] + 1) * float(np.finfo(np.float32).eps)

    def nearest(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances (point,) of points (feature, point) from their nearest reference."""
        known = np.isfinite(points).all(axis=0)
        given = np.ones((len(points) + 1, points.shape[1]), np.float32)
        given[:-1] = np.where(known, points, np.float32(0))
        relative = self._table @ given
        lengths = np.linalg.norm(given[:-1].astype(np.float64), axis=0)
        slack = self._rounding * self._longest * (self._longest + 2 * lengths)
        limit = (relative.min(axis=0) + slack).astype(np.float32)
        near, place = np.divmod(np.flatnonzero(relative <= limit), points.shape[1])
        across = np.ascontiguousarray(given[:-1].T)
        best = np.full(points.shape[1], np.inf)
        for start in range(0, len(near), _PAIRS):
            one, other = near[start : start + _PAIRS], place[start : start + _PAIRS]
            difference = self._reference[one].astype(np.float64) - across[other]
            np.minimum.at(best, other, np.einsum("ij,ij->i", difference, difference))
        return np.where(known, np.sqrt(best), np.nan).astype(np.float32)


def nearest_of_others(
    points: NDArray[np.float32],
    fold: NDArray[np.integer],
    reference: NDArray[np.float32],
    reference_fold: NDArray[np.integer],
) -> NDArray[np.float32]:
    """Distance of each point to the nearest reference of another fold than its own.

    Parameters
    ----------
    points : ndarray of float32
        Shape (point, feature), scaled and weighted.
    fold : ndarray of int
        Shape (point,).
    reference, reference_fold : ndarray
        The same of the references.

    Returns
    -------
    ndarray of float32
        Shape (point,).
    """
    found: NDArray[np.float32] = np.empty(len(points), np.float32)
    for own in np.unique(fold):
        search = NearestReference(reference[reference_fold != own])
        for part in np.array_split(
            np.flatnonzero(fold == own), 1 + int((fold == own).sum()) // AT_ONCE
        ):
            found[part] = search.nearest(np.ascontiguousarray(points[part].T))
    return found


def mean_pairwise_distance(points: NDArray[np.float32]) -> float:
    """Mean distance between two different points of (point, feature)."""
    given = np.asarray(points, np.float64)
    squares = np.einsum("ij,ij->i", given, given)
    total = 0.0
    for start in range(0, len(given), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        apart = squares[part, None] + squares - 2 * given[part] @ given.T
        # A point is no neighbour of itself; rounding would make it one.
        apart[np.arange(len(apart)), np.arange(start, start + len(apart))] = 0
        total += float(np.sqrt(np.maximum(apart, 0)).sum())
    return total / (len(given) * (len(given) - 1))


def upper_whisker(values: NDArray[np.floating]) -> float:
    """The largest value that is no outlier: at most 1.5 box lengths above the box.

    The box reaches from hinge to hinge (medians of the halves, each with the middle value), as
    in the box plot of R, which the authors of the area of applicability use.

    References
    ----------
    Tukey, J. W. (1977). Exploratory data analysis. Addison-Wesley.
    Meyer, H., Milà, C., Ludwig, M., Linnenbrink, J. CAST: 'caret' applications for
    spatial-temporal models, function ``trainDI``. https://hannameyer.github.io/CAST/

    Examples
    --------
    >>> upper_whisker(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0]))
    9.0
    >>> upper_whisker(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 10.0]))
    5.0
    """
    ordered = np.sort(np.asarray(values, np.float64))
    half = (len(ordered) + 1) // 2
    low, high = np.median(ordered[:half]), np.median(ordered[-half:])
    return float(ordered[ordered <= high + 1.5 * (high - low)].max())
