"""Time axes: mapped years, periods, and the dates of a cube that fall into them."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from lulc_xr.core.dates import (
    RawDates,
    RegularDates,
    dates_from_dict,
    dates_to_dict,
    plan_year,
    year_bounds,
    year_of,
    years_covered,
)
from lulc_xr.core.errors import CubeError, ModelError

MONTH = st.integers(1, 12)
DATES = st.builds(
    RegularDates,
    freq=st.sampled_from(["MS", "2MS", "3MS", "QS-JAN", "dekad", "year"]),
    method=st.sampled_from(["median", "mean", "medoid"]),
    fill=st.just("linear"),
    max_gap=st.none() | st.integers(1, 400),
) | st.builds(RawDates, maximum=st.integers(5, 9), minimum=st.integers(1, 5), start_month=MONTH)


@given(DATES)
def test_dictionaries_give_the_time_axis_back(dates):
    assert dates_from_dict(dates_to_dict(dates)) == dates


@given(st.dates(), MONTH)
def test_a_year_is_named_after_most_of_its_months(day, start_month):
    (year,) = year_of(np.array([day], "datetime64[D]"), start_month=start_month)
    first, last = year_bounds(int(year), start_month=start_month)
    assert first <= np.datetime64(day) < last
    months = pd.date_range(first, last, freq="MS", inclusive="left")
    assert len(months) == 12
    named = (months.year == year).sum()
    assert named > 6 or (named == 6 and first.astype(object).year == year)


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=60, unique=True), MONTH)
def test_every_date_of_a_year_falls_into_one_period(days, start_month):
    times = np.datetime64("2017-01-01") + np.sort(days).astype("timedelta64[D]")
    axis = RegularDates(start_month=start_month)
    years = sorted(set(year_of(times, start_month=start_month).tolist()))
    found = []
    for year in years:
        plan = plan_year(times, axis, year=year)
        starts = axis.starts(year)
        ends = np.append(starts[1:], year_bounds(year, start_month=start_month)[1])
        for position, group in zip(plan.positions, plan.group, strict=True):
            assert starts[group] <= times[position] < ends[group]
        assert plan.days[0] == 0
        assert len(plan.days) == axis.number == 12
        found += plan.positions
    assert found == list(range(len(times)))
    for year in years_covered(times, start_month=start_month):
        group = plan_year(times, axis, year=year).group
        assert {0, 11} <= set(group)


@given(st.integers(1950, 2100), MONTH)
def test_periods_by_name_cover_the_year(year, start_month):
    number = {"month": 12, "dekad": 36, "season": 4, "year": 1}
    for freq, wanted in number.items():
        if freq == "season" and start_month % 3:
            continue
        starts = RegularDates(freq=freq, start_month=start_month).starts(year)
        assert len(starts) == wanted
        assert starts[0] == year_bounds(year, start_month=start_month)[0]
        day = starts.astype(object)
        assert {d.day for d in day} <= ({1, 11, 21} if freq == "dekad" else {1})
        if freq == "season":
            assert {d.month for d in day} == {12, 3, 6, 9}


def test_axes_from_before_max_gap_are_read_and_stay_the_same():
    old = {"kind": "regular", "freq": "MS", "method": "median", "start_month": 1, "fill": "linear"}
    assert dates_from_dict(old) == RegularDates()
    assert dates_to_dict(RegularDates()) == old


def test_raw_dates_keep_their_days():
    times = np.array(["2017-12-31", "2018-01-01", "2018-03-01T10:30"], "datetime64[ns]")
    plan = plan_year(times, RawDates(maximum=2), year=2018)
    assert (plan.positions, plan.days, plan.group) == ((1, 2), (0, 59), ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RegularDates(start_month=13), "start_month 13 is not a month; give 1 to 12"),
        (
            lambda: RegularDates(method="mode"),
            "unknown compositing method 'mode'.*medoid",
        ),
        (
            lambda: RegularDates(freq="banana"),
            "'banana' is not a pandas offset.*Use 'month', 'dekad', 'season', 'year'",
        ),
        (lambda: RegularDates(freq="season"), "cuts a season.*Pass start_month=12, or 3, 6 or 9"),
        (lambda: RegularDates(max_gap=-3), "max_gap=-3: give whole days >= 1"),
        (lambda: RegularDates(freq="QS", start_month=2), "do not begin on 2000-02-01"),
        (lambda: RawDates(maximum=3, minimum=4), "minimum 4 and maximum 3.*1 <= minimum"),
        (lambda: RawDates(maximum=0), "expected 1 <= minimum <= maximum"),
        (lambda: dates_from_dict({"kind": "lunar"}), "unknown kind of time axis 'lunar'"),
    ],
)
def test_impossible_axes_are_refused(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_years_and_numbers_that_a_cube_cannot_give_are_refused():
    times = np.array(["2018-02-01", "2018-05-01"], "datetime64[ns]")
    with pytest.raises(CubeError, match=r"no date .* mapped year 2020 .*2018-02-01 to 2018-05-01"):
        plan_year(times, RegularDates(), year=2020)
    with pytest.raises(CubeError, match="2018 has 2 dates, but the model takes 3 to 9"):
        plan_year(times, RawDates(minimum=3, maximum=9), year=2018)
    assert years_covered(times, start_month=1) == []
    assert years_covered(times, start_month=6) == []
