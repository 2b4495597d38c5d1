"""The time axis of a model: which dates of a cube a mapped year is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, ModelError, name_unknown

Fill = Literal["linear"] | None
METHODS = ("median", "mean", "medoid")
"""How the clear dates of one period become one composite of a model's time axis."""

PERIODS: Mapping[str, tuple[str, tuple[int, ...], int]] = {
    "month": ("MS", (0,), 1),
    "dekad": ("MS", (0, 10, 20), 1),
    "season": ("3MS", (0,), 12),
    "year": ("12MS", (0,), 1),
}
"""Periods by name: pandas offset, days after it at which periods begin, first month of a year.

Dekads are those of agrometeorology: days 1-10, 11-20, and 21 to the end of the month.
Seasons are meteorological: December to February, March to May, June to August, and
September to November.
"""

_MONTHS_BEFORE_NAMING_SHIFTS = 7


def _check_start_month(start_month: int) -> None:
    if start_month not in range(1, 13):
        raise ModelError(f"start_month {start_month!r} is not a month; give 1 to 12.")


@dataclass(frozen=True, kw_only=True)
class RegularDates:
    """A regular time axis: composites of the mapped year, one per period.

    Parameters
    ----------
    freq : str
        ``"month"``, ``"dekad"`` (36 a year), ``"season"`` (December to February, ...: needs
        a `start_month` of 3, 6, 9 or 12) or ``"year"``; or a pandas offset that starts a
        period, such as ``"MS"`` (12 a year) or ``"2MS"`` (6).
    method : {"median", "mean", "medoid"}
        How the clear dates of a period become one value (see :func:`lulc_xr.composite`).
    start_month : int
        Month (1-12) in which a mapped year begins. Years are named after the calendar
        year that holds most of their months (July: the year they begin in).
    fill : {"linear", None}
        ``"linear"`` interpolates empty periods in time, constant beyond the first and
        last; None leaves NaN.
    max_gap : int, optional
        Most days between the composites on both sides of a gap that is filled, and most
        days beyond the first and last; longer gaps stay NaN. Default: no limit.
    """

    freq: str = "MS"
    method: str = "median"
    start_month: int = 1
    fill: Fill = "linear"
    max_gap: int | None = None

    def __post_init__(self) -> None:
        _check_start_month(self.start_month)
        if self.method not in METHODS:
            raise ModelError(name_unknown("compositing method", self.method, METHODS))
        if self.max_gap is not None:
            if int(self.max_gap) != self.max_gap or self.max_gap < 1:
                raise ModelError(f"max_gap={self.max_gap!r}: give whole days >= 1, or None.")
            if self.fill is None:
                raise ModelError(
                    f"max_gap={self.max_gap} limits what fill='linear' interpolates, but fill is "
                    "None. Pass fill='linear', or leave max_gap out."
                )
        self.starts(2000)

    @property
    def number(self) -> int:
        """Number of composites in a mapped year."""
        return len(self.starts(2001))

    def starts(self, year: int) -> NDArray[np.datetime64]:
        """First day of every period of a mapped year, shape (period,)."""
        first, last = year_bounds(year, start_month=self.start_month)
        offset, after, month = PERIODS.get(self.freq, (self.freq, (0,), self.start_month))
        if self.freq == "season" and (self.start_month - month) % 3:
            raise ModelError(
                f"a year that begins in month {self.start_month} cuts a season (December to "
                "February, March to May, ...) in two. Pass start_month=12, or 3, 6 or 9."
            )
        try:
            starts = pd.date_range(first, last, freq=offset, inclusive="left")
        except ValueError as error:
            raise ModelError(
                f"freq {self.freq!r} is not a pandas offset ({error}). "
                f"Use {', '.join(map(repr, PERIODS))}, or 'MS' (months), '2MS', 'QS', '10D'."
            ) from error
        if not len(starts) or starts[0] != pd.Timestamp(first):
            raise ModelError(
                f"periods of freq {self.freq!r} do not begin on {first}. "
                "Choose an offset that starts a period there, such as 'MS'."
            )
        begun = starts.to_numpy().astype("datetime64[D]")
        return np.asarray((begun[:, None] + np.array(after, "timedelta64[D]")).ravel())


def period_edges(times: NDArray[np.datetime64], freq: str) -> NDArray[np.datetime64]:
    """First days of all periods from the first to the last date, and the day after the last.

    Parameters
    ----------
    times : ndarray of datetime64
        Dates, shape (time,), ascending.
    freq : str
        Period, as in :class:`RegularDates`; those that do not fit into a year (such as
        ``"10D"``) begin anew with each year.

    Returns
    -------
    ndarray of datetime64
        Shape (period + 1,), whole days.

    Examples
    --------
    >>> times = np.array(["2018-02-12", "2018-03-01"], "datetime64[ns]")
    >>> [str(day) for day in period_edges(times, "dekad")]
    ['2018-02-11', '2018-02-21', '2018-03-01', '2018-03-11']
    """
    start_month = PERIODS[freq][2] if freq in PERIODS else 1
    axis = RegularDates(freq=freq, start_month=start_month)
    day = np.asarray(times).astype("datetime64[D]")
    first, last = year_of(day[[0, -1]], start_month=start_month)
    starts = np.concatenate([axis.starts(year) for year in range(first, last + 1)])
    edges = np.append(starts, year_bounds(int(last), start_month=start_month)[1])
    begun = np.searchsorted(edges, day[[0, -1]], side="right")
    return np.asarray(edges[begun[0] - 1 : begun[1] + 1])


@dataclass(frozen=True, kw_only=True)
class RawDates:
    """The cube's own, irregular dates of the mapped year.

    Parameters
    ----------
    maximum : int
        Most dates a year may have; more are refused, since memory grows with them.
    minimum : int
        Fewest dates a year must have; `minimum` = `maximum` for networks of fixed length.
    start_month : int
        Month (1-12) in which a mapped year begins, as in :class:`RegularDates`.
    fill : {"linear", None}
        ``"linear"`` interpolates unseen dates of a pixel in time; None leaves NaN.
    """

    maximum: int
    minimum: int = 1
    start_month: int = 1
    fill: Fill = None

    def __post_init__(self) -> None:
        _check_start_month(self.start_month)
        if not 1 <= self.minimum <= self.maximum:
            raise ModelError(
                f"minimum {self.minimum} and maximum {self.maximum} dates: "
                "expected 1 <= minimum <= maximum."
            )


Dates = RegularDates | RawDates


def dates_to_dict(dates: Dates) -> dict[str, Any]:
    """A time axis as JSON-able values."""
    kind = "regular" if isinstance(dates, RegularDates) else "raw"
    values = asdict(dates)
    # Written where it is set only: what was made before it existed keeps its identity.
    if values.get("max_gap", 0) is None:
        del values["max_gap"]
    return {"kind": kind, **values}


def dates_from_dict(values: Mapping[str, Any]) -> Dates:
    """The time axis from what :func:`dates_to_dict` gave."""
    settings = {key: value for key, value in values.items() if key != "kind"}
    kinds = {"regular": RegularDates, "raw": RawDates}
    if values.get("kind") not in kinds:
        raise ModelError(name_unknown("kind of time axis", values.get("kind"), kinds))
    made: Dates = kinds[values["kind"]](**settings)
    return made


def year_bounds(year: int, *, start_month: int) -> tuple[np.datetime64, np.datetime64]:
    """First day of a mapped year, and first day of the next one.

    Parameters
    ----------
    year : int
        Name of the mapped year.
    start_month : int
        Month (1-12) in which mapped years begin.

    Examples
    --------
    >>> [str(day) for day in year_bounds(2018, start_month=11)]
    ['2017-11-01', '2018-11-01']
    """
    first = year if start_month <= _MONTHS_BEFORE_NAMING_SHIFTS else year - 1
    return (
        np.datetime64(f"{first:04d}-{start_month:02d}-01", "D"),
        np.datetime64(f"{first + 1:04d}-{start_month:02d}-01", "D"),
    )


def start_month_of(attrs: Mapping[str, Any]) -> int:
    """Month in which mapped years begin, by the attribute `year_start` of a map; 1 without.

    Examples
    --------
    >>> start_month_of({"year_start": "2017-11-01 2018-11-01"})
    11
    """
    parts = str(attrs.get("year_start", "")).split("-")
    return int(parts[1]) if len(parts) > 1 else 1


def year_of(times: NDArray[np.datetime64], *, start_month: int) -> NDArray[np.int64]:
    """Name of the mapped year of each date, shape of `times`."""
    index = pd.DatetimeIndex(times)
    started = index.year.to_numpy() - (index.month.to_numpy() < start_month)
    shift = 0 if start_month <= _MONTHS_BEFORE_NAMING_SHIFTS else 1
    return np.asarray(started + shift, np.int64)


def years_covered(times: NDArray[np.datetime64], *, start_month: int) -> list[int]:
    """Mapped years whose first and last month both hold a date.

    Parameters
    ----------
    times : ndarray of datetime64
        Dates of a cube, shape (time,).
    start_month : int
        Month (1-12) in which mapped years begin.

    Returns
    -------
    list of int
        Names of the years, ascending; may be empty.
    """
    months = {int(m) for m in np.asarray(times).astype("datetime64[M]").astype(np.int64)}
    covered = []
    for year in sorted({int(y) for y in year_of(times, start_month=start_month)}):
        first, last = year_bounds(year, start_month=start_month)
        month = int(first.astype("datetime64[M]").astype(np.int64))
        end = int(last.astype("datetime64[M]").astype(np.int64)) - 1
        if month in months and end in months:
            covered.append(year)
    return covered


def mapped_years(
    times: NDArray[np.datetime64], *, start_month: int, years: Sequence[int] | None
) -> list[int]:
    """The years that are asked for, or all that are covered.

    Parameters
    ----------
    times : ndarray of datetime64
        Dates of a cube, shape (time,).
    start_month : int
        Month (1-12) in which mapped years begin.
    years : sequence of int or None
        Years that are asked for; None: those whose first and last month hold a date.

    Raises
    ------
    CubeError
        If there is none.
    """
    if years is not None:
        if not len(years):
            raise CubeError("years=[] asks for no year; leave it out for all that are covered.")
        return sorted({int(y) for y in years})
    covered = years_covered(times, start_month=start_month)
    if not covered:
        first, last = year_bounds(2018, start_month=start_month)
        raise CubeError(
            f"the dates of this cube ({str(times[0])[:10]} to {str(times[-1])[:10]}) cover no "
            f"whole mapped year (which runs from {str(first)[5:]} to {str(last)[5:]}). "
            "Pass years=[...] to map one all the same."
        )
    return covered


@dataclass(frozen=True, kw_only=True)
class YearDates:
    """The dates of one mapped year of one cube, and how they reach a model.

    Parameters
    ----------
    year : int
        Name of the mapped year.
    positions : tuple of int
        Positions of the dates along the cube's time axis.
    group : tuple of int
        Period (0-based) of each of these dates; empty for raw dates.
    days : tuple of int
        Day of the mapped year (0-based) of each date that the model sees.
    """

    year: int
    positions: tuple[int, ...]
    group: tuple[int, ...]
    days: tuple[int, ...]


def plan_year(times: NDArray[np.datetime64], dates: Dates, *, year: int) -> YearDates:
    """Which dates of a cube make a mapped year.

    Parameters
    ----------
    times : ndarray of datetime64
        Dates of the cube, shape (time,), ascending.
    dates : RegularDates or RawDates
        The time axis that the model asks for.
    year : int
        Name of the mapped year.

    Raises
    ------
    CubeError
        If the cube has no date in that year, or more or fewer than the model takes.
    """
    first, last = year_bounds(year, start_month=dates.start_month)
    day = np.asarray(times).astype("datetime64[D]")
    positions = np.flatnonzero((day >= first) & (day < last))
    if not positions.size:
        span = f"{day.min()} to {day.max()}" if day.size else "none"
        raise CubeError(
            f"no date of this cube lies in mapped year {year} ({first} to {last}, exclusive). "
            f"Its dates: {span}. Choose another year, or another start_month."
        )
    if isinstance(dates, RegularDates):
        starts = dates.starts(year)
        group = np.searchsorted(starts, day[positions], side="right") - 1
        days = (starts - first).astype(np.int64)
        return _year(year, positions, group, days)
    if not dates.minimum <= positions.size <= dates.maximum:
        raise CubeError(
            f"mapped year {year} has {positions.size} dates, but the model takes "
            f"{dates.minimum} to {dates.maximum}. Select dates of the cube first "
            "(for instance the clearest ones), or use a model with a regular time axis."
        )
    return _year(year, positions, np.empty(0), (day[positions] - first).astype(np.int64))


def _year(
    year: int, positions: Sequence[int] | NDArray[Any], group: NDArray[Any], days: NDArray[Any]
) -> YearDates:
    return YearDates(
        year=year,
        positions=tuple(int(p) for p in positions),
        group=tuple(int(g) for g in group),
        days=tuple(int(d) for d in days),
    )
