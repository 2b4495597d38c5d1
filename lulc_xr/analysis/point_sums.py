"""Survey points counted by cell: sums that add up, shares of classes and their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.intervals import Interval, normal_interval, wilson_interval
from lulc_xr.core.legend import FILL_CLASS

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Points: cell, position of the class and of the year (-1 for none), weight."""

    cell: NDArray[np.int64]
    index: NDArray[np.int64]
    weight: Floats
    year: NDArray[np.int64]

    def at(self, rows: NDArray[np.bool_]) -> Seen:
        """Some of the points."""
        return Seen(
            cell=self.cell[rows], index=self.index[rows], weight=self.weight[rows],
            year=self.year[rows],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over the points of each cell that has some; they add up over sets of points.

    `place` is year × cells + cell, shape (place,), of `shape` (year, cell) in all.
    """

    place: NDArray[np.int64]
    shape: tuple[int, int]
    weight: Floats
    number: NDArray[np.int64]
    squares: Floats

    @classmethod
    def of(cls, seen: Seen, *, cells: int, classes: int, years: int) -> Sums:
        """Sums over points that all have a cell, a class and a year."""
        place, row = np.unique(seen.year * cells + seen.cell, return_inverse=True)
        row = row.reshape(-1)
        both = np.bincount(row * classes + seen.index, seen.weight, place.size * classes)
        return cls(
            place=place, shape=(years, cells), weight=both.reshape(-1, classes).astype(np.float64),
            number=np.bincount(row, minlength=place.size),
            squares=np.bincount(row, seen.weight**2, place.size).astype(np.float64),
        )  # fmt: skip


def shares_of(
    sums: Sums, *, level: float, interval: Interval, min_points: int
) -> dict[str, NDArray[Any]]:
    """Values (class, year, cell) of the shares, (year, cell) of the numbers of points."""
    total = sums.weight.sum(axis=1)
    effective = total**2 / sums.squares
    share = sums.weight / total[:, None]
    number = sums.number.astype(np.float64)
    spread = np.full(number.size, np.nan)
    np.divide(number, effective * (number - 1), out=spread, where=number > 1)
    error = np.sqrt(share * (1 - share) * spread[:, None])
    if interval == "wilson":
        low, high = wilson_interval(share, effective[:, None], level)
    else:
        low, high = normal_interval(share, error, level)
    enough = sums.number >= min_points
    parts = {
        "fraction": share, "fraction_lower": low, "fraction_upper": high,
        "fraction_standard_error": error,
    }  # fmt: skip
    made: dict[str, NDArray[Any]] = {}
    for name, values in parts.items():
        whole = np.full((values.shape[1], sums.shape[0] * sums.shape[1]), np.nan)
        whole[:, sums.place[enough]] = values[enough].T
        made[name] = whole.reshape(-1, *sums.shape)
    for name, numbers, kind in (
        ("points", sums.number, np.int32),
        ("effective_points", effective, np.float64),
        ("total_weight", total, np.float64),
    ):
        flat = np.zeros(sums.shape[0] * sums.shape[1], kind)
        flat[sums.place] = numbers
        made[name] = flat.reshape(sums.shape)
    return made


def count_points(seen: Seen, placed: NDArray[np.bool_]) -> dict[str, int]:
    """Points by what becomes of them: each is counted once."""
    labelled = seen.index >= 0
    dated = seen.year >= 0
    inside = seen.cell >= 0
    return {
        "points_given": int(placed.size),
        "points_used": int((labelled & dated & inside).sum()),
        "points_of_other_years": int((~dated).sum()),
        "points_without_label": int((dated & ~labelled).sum()),
        "points_without_place": int((dated & labelled & ~placed).sum()),
        "points_outside": int((dated & labelled & placed & ~inside).sum()),
    }


def say_left_out(counts: dict[str, int]) -> str:
    """How many points do not count, and why, in words."""
    words = {
        "points_of_other_years": "of other years",
        "points_without_label": f"without a label (missing or {FILL_CLASS})",
        "points_without_place": "without a place",
        "points_outside": "outside the grid",
    }
    said = ", ".join(f"{counts[name]} {word}" for name, word in words.items() if counts[name])
    given = counts["points_given"]
    return f"{given - counts['points_used']} of {given} points left out: {said}"
