"""How probable it is that a class is followed by another a year later, and after more years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend

Persistence = float | Mapping[str, float]
Pairs = Sequence[tuple[str, str]]

USUAL = 0.95
"""Probability that a place keeps its class for a year, where nothing is said; ours."""

_SUMS = 1e-6


def one_year(
    legend: Legend,
    *,
    persistence: Persistence = USUAL,
    transition: Any = None,
    forbidden: Pairs = (),
) -> NDArray[np.float64]:
    """Probability of each class (row) to be followed by each (column), shape (class, class).

    Parameters
    ----------
    legend : Legend
        The classes.
    persistence : float or mapping of class name to float
        Probability to stay; the other classes share the rest evenly. Classes that a mapping
        leaves out take 0.95.
    transition : array-like, optional
        The matrix itself, in the order of the legend; `persistence` then does not count.
    forbidden : sequence of (str, str)
        Changes that cannot happen; rows are divided by their sums again.

    Raises
    ------
    CubeError
        If a probability is out of range, rows do not sum to 1, a class cannot stay, or a class is
        unknown.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["crop", "wood", "town"])
    >>> one_year(legend, persistence=0.9, forbidden=[("town", "wood")]).round(3).tolist()
    [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.053, 0.0, 0.947]]
    """
    matrix = _given(legend, transition) if transition is not None else _even(legend, persistence)
    for pair in forbidden:
        places = [_place(legend, name) for name in pair]
        if len(set(places)) != 2:
            raise CubeError(
                f"forbidden change {pair!r}; give pairs of two class names, such as "
                f"[({legend.names[0]!r}, {legend.names[-1]!r})]."
            )
        matrix[places[0], places[1]] = 0
    found: NDArray[np.float64] = matrix / matrix.sum(axis=1, keepdims=True)
    return found


def powers(step: NDArray[np.float64], years: int) -> NDArray[np.float64]:
    """The matrix of a step after 0, 1, ..., `years` years, shape (years + 1, class, class)."""
    made = [np.eye(len(step))]
    for _ in range(years):
        made.append(made[-1] @ step)
    return np.stack(made)


def _even(legend: Legend, persistence: Persistence) -> NDArray[np.float64]:
    if isinstance(persistence, Mapping):
        stay = np.full(len(legend), USUAL)
        for name, value in persistence.items():
            stay[_place(legend, name)] = value
    else:
        stay = np.full(len(legend), float(persistence))
    if not ((stay > 0) & (stay < 1)).all():
        raise CubeError(
            f"persistence {persistence!r}; give the probability that a class stays for a year, "
            "above 0 and below 1, such as 0.95."
        )
    if len(legend) == 1:
        return np.ones((1, 1))
    matrix = np.repeat(((1 - stay) / (len(legend) - 1))[:, None], len(legend), axis=1)
    np.fill_diagonal(matrix, stay)
    return matrix


def _given(legend: Legend, transition: Any) -> NDArray[np.float64]:
    matrix = np.array(transition, np.float64)
    size = (len(legend), len(legend))
    if matrix.shape != size:
        raise CubeError(
            f"transition of shape {matrix.shape}; expected {size}: one row and one column for each "
            f"of {', '.join(legend.names)}."
        )
    sums = matrix.sum(axis=1)
    if not (matrix >= 0).all() or not np.allclose(sums, 1, rtol=0, atol=_SUMS):
        raise CubeError(
            f"transition has a smallest value of {matrix.min():g} and rows that sum to "
            f"{sums.min():g} to {sums.max():g}; expected probabilities whose rows sum to 1."
        )
    if not (np.diag(matrix) > 0).all():
        never = [n for n, p in zip(legend.names, np.diag(matrix), strict=True) if not p > 0]
        raise CubeError(
            f"transition has probability 0 that {', '.join(never)} stays, so that a pixel which "
            "had no other class has no path. Give a small probability."
        )
    return matrix


def _place(legend: Legend, name: str) -> int:
    if name not in legend.names:
        raise CubeError(name_unknown("class", name, legend.names))
    return legend.names.index(name)
