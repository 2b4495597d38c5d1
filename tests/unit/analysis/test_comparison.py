"""Means over seeds, their intervals, and differences seed by seed."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.analysis.comparison import compare, mean_and_interval
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["cropland", "woodland", "water"])
REFERENCE = np.repeat([0, 1], 20)


def results(*shares, seed=0, reference=REFERENCE, legend=LEGEND):
    """One accuracy per share of labels that are overwritten at random."""
    rng = np.random.default_rng(seed)
    made = []
    for share in shares:
        guess = np.where(rng.random(reference.size) < share, 2, reference)
        arrays = [xr.DataArray(v.astype(np.uint8), dims="sample") for v in (guess, reference)]
        made.append(accuracy(*arrays, legend=legend))
    return made


@given(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=9).filter(lambda v: np.std(v) > 1e-6),
    st.floats(0.5, 0.99),
)
def test_interval_is_that_of_scipy(values, level):
    mean, half_width = mean_and_interval(values, level=level)
    low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    assert (mean - half_width, mean + half_width) == pytest.approx((low, high))


def test_one_value_has_no_interval():
    mean, half_width = mean_and_interval([0.8])
    assert mean == 0.8
    assert np.isnan(half_width)


def test_no_value_and_no_level():
    with pytest.raises(SampleError, match="give one score per seed"):
        mean_and_interval([])
    with pytest.raises(SampleError, match=r"level 95 is not between 0 and 1; give 0\.95"):
        mean_and_interval([0.1, 0.2], level=95)


def test_differences_are_taken_seed_by_seed():
    forest, network = results(0.1, 0.4, 0.7), results(0.1, 0.4, 0.7, seed=0)
    table = compare({"forest": forest, "network": network})
    difference = table["network - forest"]
    assert (difference.loc[["overall accuracy", "macro F1"]] == 0).all(axis=None)
    assert table.loc["overall accuracy", ("forest", "interval")] > 0.1


def test_rows_hold_the_mean_and_interval_of_each_score():
    forest, network = results(0.4, 0.5, 0.6), results(0.1, 0.3, 0.2, seed=1)
    table = compare({"forest": forest, "network": network}, level=0.9)
    assert list(table.index[:3]) == ["overall accuracy", "macro F1", "F1 cropland"]
    for row, score in (("macro F1", lambda a: a.macro_f1), ("F1 woodland", lambda a: a.f1[1])):
        pairs = {
            "forest": [score(a) for a in forest],
            "network - forest": [score(b) - score(a) for a, b in zip(forest, network, strict=True)],
        }
        for name, values in pairs.items():
            expected = mean_and_interval(values, level=0.9)
            found = table.loc[row, (name, "mean")], table.loc[row, (name, "interval")]
            assert found == pytest.approx(expected)
    assert table.loc["F1 water"].isna().all()
    assert table.attrs == {"level": 0.9, "seeds": 3, "weighted": False}


def test_a_seed_without_a_class_is_left_out_of_its_row():
    with_water = np.repeat([0, 1, 2], 20)
    mixed = [*results(0.0), *results(0.0, reference=with_water), *results(0.2)]
    table = compare({"forest": mixed})
    assert table.loc["F1 water", ("forest", "mean")] == 1
    assert np.isnan(table.loc["F1 water", ("forest", "interval")])


def test_other_numbers_of_seeds_are_refused():
    with pytest.raises(SampleError, match=r"'a' has 2 seeds and 'b' has 1"):
        compare({"a": results(0.1, 0.2), "b": results(0.1)})


def test_other_reference_pixels_are_refused():
    fewer = results(0.1, 0.2, reference=REFERENCE[:30])
    with pytest.raises(
        SampleError, match=r"different reference pixels at position 0 \(40 and 30\)"
    ):
        compare({"a": results(0.1, 0.2), "b": fewer})


def test_other_legends_are_refused():
    other = Legend.from_names("other", ["cropland", "woodland", "sea"])
    with pytest.raises(LegendError, match="'b' and 'a' have different legends"):
        compare({"a": results(0.1), "b": results(0.1, legend=other)})


@pytest.mark.parametrize("nothing", [{}, {"a": []}])
def test_nothing_to_compare(nothing):
    with pytest.raises(SampleError, match=r"no result.* to compare; give one Accuracy per seed"):
        compare(nothing)
