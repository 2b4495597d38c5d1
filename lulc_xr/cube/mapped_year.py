"""The years of maps: which are asked for, and on what days each of them begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import xarray as xr

from lulc_xr.core.dates import year_bounds
from lulc_xr.core.errors import CubeError


def check_years(
    maps: xr.Dataset, names: Sequence[str], year: int | Sequence[int] | None
) -> list[int | None]:
    """Years that are asked for, by default all; [None] if the maps say nothing of years.

    Raises
    ------
    CubeError
        If a year is not there.
    """
    there = np.atleast_1d(maps["year"].values).tolist() if "year" in maps.coords else []
    if len(there) > 1 and not any("year" in maps[name].dims for name in names):
        there = []
    if year is None:
        return [int(y) for y in there] or [None]
    wanted = [int(y) for y in np.atleast_1d(year)]
    for y in wanted:
        if y not in there:
            known = ", ".join(map(str, there)) or "no year"
            raise CubeError(f"no year {y} in these maps; they are of {known}.")
    return list(wanted)


def mapped_days(maps: xr.Dataset, name: str, year: int) -> tuple[date, date] | None:
    """First and last day of a mapped year, if the attribute `year_start` of a variable says it."""
    starts = str(maps[name].attrs.get("year_start", "")).split()
    if not starts:
        return None
    # All years begin in the same month.
    first, after = year_bounds(year, start_month=date.fromisoformat(starts[0]).month)
    return first.astype(date), (after - np.timedelta64(1, "D")).astype(date)
