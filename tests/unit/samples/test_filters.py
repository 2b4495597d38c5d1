"""Filters: the rule of each, and what is not known neither passes nor disappears."""

import numpy as np
import pandas as pd
import pytest

from lulc_xr.core.errors import SampleError
from lulc_xr.samples.filters import list_filters, quality_filter
from lulc_xr.samples.lucas import read_lucas


def table(**columns):
    return pd.DataFrame(columns)


def outcome(points, name):
    """Passed, and the counts of passed, failed and unknown."""
    found = quality_filter(points, name)
    assert found.dtype == bool
    return found.tolist(), tuple(found.attrs[k] for k in ("passed", "failed", "unknown"))


def test_pflugmacher_wants_half_the_cover_and_more_than_half_a_hectare():
    points = table(
        lc1=["C10", "C10", "C10", "C10", "A11", "A22", "B11", "B11", None],
        lc1_percent_class=[
            "50 - 75",
            "> 75",
            "25 - 50",
            "> 75",
            None,
            "< 10",
            "> 75",
            None,
            "> 75",
        ],
        parcel_area=["0.5 - 1", "< 0.5", "> 10", "1 - 10", None, "< 0.1", None, "< 0.5", "> 10"],
    )
    passed = [True, False, False, True, True, True, False, False, True]
    # The seventh has no area: not known. The eighth is too small whatever it is covered by; the
    # last meets both rules, so that it does not matter whether it is artificial.
    assert outcome(points, "pflugmacher_2019") == (passed, (5, 3, 1))


def test_numbers_count_before_classes():
    points = table(
        lc1=["C10"] * 4,
        lc1_percent=[49.0, 50.0, np.nan, np.nan],
        lc1_percent_class=["50 - 75", "25 - 50", "50 - 75", None],
        parcel_area=["1 - 10"] * 4,
    )
    assert outcome(points, "pflugmacher_2019")[0] == [False, True, True, False]


@pytest.mark.parametrize(
    ("name", "column", "values", "expected"),
    [
        ("in_situ", "observation", ["in situ < 100 m", "in situ > 100 m", None], (1, 1, 1)),
        ("on_the_point", "observation_direction", ["on the point", "north", None], (1, 1, 1)),
        ("parcel_half_hectare", "parcel_area",
         ["0.5 - 1", "1 - 10", "> 10", "< 0.5", "0.1 - 0.5", "< 0.1", None], (3, 3, 1)),
    ],
)  # fmt: skip
def test_single_rules(name, column, values, expected):
    assert outcome(table(**{column: values}), name)[1] == expected
    assert outcome(table(**{column: pd.Categorical(values)}), name)[1] == expected


def test_joined_filters_must_all_be_met():
    points = table(
        observation=["in situ < 100 m", "not possible", None, "in situ < 100 m"],
        observation_direction=["on the point", None, "on the point", "north"],
    )
    found = outcome(points, "in_situ+on_the_point")
    # Not possible: out, whatever the direction. Not known how: not known.
    assert found == ([True, False, False, False], (1, 2, 1))


def test_index_of_the_points_is_kept():
    points = table(observation=["in situ < 100 m", None]).set_axis([7, 3])
    assert quality_filter(points, "in_situ").index.tolist() == [7, 3]


def test_bad_requests_are_refused():
    with pytest.raises(SampleError, match=r"unknown filter 'insitu'.*nearest first: in_situ"):
        quality_filter(table(observation=[None]), "insitu")
    with pytest.raises(SampleError, match="'in_situ' needs observation, and these points have lc1"):
        quality_filter(table(lc1=["C10"]), "in_situ")


def test_real_points(shared_data):
    czech = read_lucas(shared_data / "lucas/cz_2018/cz_lucas_points_l1_2018.shp")
    # Its makers kept what was seen from near; it has no area of parcels.
    assert outcome(czech, "in_situ")[1] == (5037, 0, 0)
    assert outcome(czech, "parcel_half_hectare")[1] == (0, 0, 5037)
    is_artificial = czech["lc1"].str[0] == "A"
    artificial = int(is_artificial.sum())
    few = int(((czech["lc1_percent_class"] < "50 - 75") & ~is_artificial).sum())
    assert outcome(czech, "pflugmacher_2019")[1] == (artificial, few, 5037 - artificial - few)
    one = read_lucas(shared_data / "lucas/sample_points.gpkg")
    for name in list_filters():
        assert outcome(one, name)[0] == [True]
    assert outcome(one, "+".join(list_filters()))[0] == [True]
