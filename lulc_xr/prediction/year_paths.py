"""The classes of a pixel over years: the most probable path, and runs that are too short."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.compiled import compiled
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.probability import PROBABILITY_SCALE

LEAST = PROBABILITY_SCALE / 2
"""Smallest probability whose logarithm is taken: half a step of stored probabilities."""


def most_probable_paths(
    classes: NDArray[np.int16],
    probability: NDArray[np.float32],
    *,
    years: NDArray[np.int64],
    steps: NDArray[np.float64],
    fill: bool,
) -> NDArray[np.int16]:
    """The most probable sequence of classes of each pixel (Viterbi), of those that it had.

    Parameters
    ----------
    classes : ndarray of int16
        Positions in the legend, (year, y, x); -1 where not mapped.
    probability : ndarray of float32
        (year, class, y, x); a year without a number is one without evidence.
    years : ndarray of int64
        Ascending, (year,).
    steps : ndarray of float64
        Probability of each class (row) to be followed by each after 0, 1, 2, ... years, shape
        (years, class, class), up to the time from the first to the last year.
    fill : bool
        Whether years without a class get one.

    Returns
    -------
    ndarray of int16
        As `classes`.
    """
    made = classes.copy()
    with np.errstate(divide="ignore"):
        logarithms = np.log(steps)
    _follow(classes, np.ascontiguousarray(probability), years, logarithms, fill, LEAST, made)
    return made


def without_short_runs(
    classes: NDArray[np.uint8], *, years: NDArray[np.int64], minimum: int, fill: bool
) -> NDArray[np.uint8]:
    """Classes without those that lasted fewer than some years between two times of one other.

    Parameters
    ----------
    classes : ndarray of uint8
        Class ids, (year, y, x); 255 where not mapped.
    years : ndarray of int64
        Ascending, (year,).
    minimum : int
        Years that a class must have lasted at most: those from after the last year of the class
        before to before the first of the class after.
    fill : bool
        Whether years without a class get that of the nearest year, of two the earlier.

    Returns
    -------
    ndarray of uint8
        As `classes`.
    """
    made = classes.copy()
    _shorten(classes, years, minimum, fill, FILL_CLASS, made)
    return made


@compiled
def _follow(
    classes: Any,
    probability: Any,
    years: Any,
    steps: Any,
    fill: bool,
    least: float,
    made: Any,
) -> None:
    count, rows, columns = classes.shape
    number = steps.shape[1]
    own = np.empty(number, np.int64)
    seen = np.zeros(number, np.bool_)
    score = np.empty(number)
    better = np.empty(number)
    back = np.empty((count, number), np.int64)
    used = np.empty(count, np.int64)
    for row in range(rows):
        for column in range(columns):
            # The classes that the pixel had, in the order of the legend, and its years.
            had, kept = 0, 0
            for n in range(count):
                position = classes[n, row, column]
                if position >= 0 and not seen[position]:
                    seen[position] = True
                    had += 1
                if position >= 0 or fill:
                    used[kept] = n
                    kept += 1
            if had == 0:
                continue
            m = 0
            for position in range(number):
                if seen[position]:
                    own[m] = position
                    m += 1
                    seen[position] = False
            if had == 1:
                for n in range(kept):
                    made[used[n], row, column] = own[0]
                continue
            for n in range(kept):
                year = used[n]
                for i in range(m):
                    best, source = 0.0, i
                    if n > 0:
                        gap = years[year] - years[used[n - 1]]
                        # Of equals, a pixel keeps its class.
                        best = score[i] + steps[gap, own[i], own[i]]
                        for j in range(m):
                            tried = score[j] + steps[gap, own[j], own[i]]
                            if tried > best:
                                best, source = tried, j
                    p = probability[year, own[i], row, column]
                    if classes[year, row, column] >= 0 and p == p:
                        best += np.log(max(float(p), least))
                    better[i] = best
                    back[n, i] = source
                for i in range(m):
                    score[i] = better[i]
            end = 0
            for i in range(1, m):
                if score[i] > score[end]:
                    end = i
            for n in range(kept - 1, -1, -1):
                made[used[n], row, column] = own[end]
                end = back[n, end]


@compiled
def _shorten(given: Any, years: Any, minimum: int, fill: bool, none: int, made: Any) -> None:
    count, rows, columns = made.shape
    first = np.empty(count, np.int64)
    last = np.empty(count, np.int64)
    kinds = np.empty(count, np.int64)
    for row in range(rows):
        for column in range(columns):
            runs = 0
            for n in range(count):
                position = made[n, row, column]
                if position == none:
                    continue
                if runs > 0 and kinds[runs - 1] == position:
                    last[runs - 1] = n
                else:
                    kinds[runs], first[runs], last[runs] = position, n, n
                    runs += 1
            # The shortest first, of equals the earliest, until none is too short.
            while runs > 2:
                shortest, at = minimum, -1
                for r in range(1, runs - 1):
                    lasted = years[first[r + 1]] - years[last[r - 1]] - 1
                    if kinds[r - 1] == kinds[r + 1] and lasted < shortest:
                        shortest, at = lasted, r
                if at < 0:
                    break
                for n in range(first[at], last[at] + 1):
                    if made[n, row, column] != none:
                        made[n, row, column] = kinds[at - 1]
                last[at - 1] = last[at + 1]
                for r in range(at, runs - 2):
                    kinds[r], first[r], last[r] = kinds[r + 2], first[r + 2], last[r + 2]
                runs -= 2
            if not fill or runs == 0:
                continue
            for n in range(count):
                if given[n, row, column] != none:
                    continue
                away = -1
                for k in range(count):
                    distance = abs(years[k] - years[n])
                    if given[k, row, column] != none and (away < 0 or distance < away):
                        made[n, row, column], away = made[k, row, column], distance
