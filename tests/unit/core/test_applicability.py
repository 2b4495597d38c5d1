"""Applicability: what it refuses, what it keeps when it is stored."""

import numpy as np
import pytest

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.errors import ModelError
from lulc_xr.core.nearest import upper_whisker

VALUES = {
    "mean": np.array([0.0, 10.0], np.float32),
    "scale": np.array([1.0, 2.0], np.float32),
    "weight": np.array([1.0, 0.5], np.float32),
    "reference": np.array([[0.0, 0.0], [3.0, 4.0]], np.float32),
    "mean_distance": 5.0,
    "threshold": 0.3,
}


def test_a_distance_by_hand():
    rule = Applicability(**VALUES)
    # (3, 22) is (3, 6 * 0.5) = (3, 3) in scaled and weighted features: 1 from (3, 4).
    found = rule.dissimilarity(np.array([[3.0, 0.0], [22.0, 10.0]], np.float32))
    assert found.tolist() == pytest.approx([0.2, 0.0])


def test_values_far_outside_stay_exact():
    rule = Applicability(**VALUES)
    found = rule.dissimilarity(np.array([[1e12, 1e18], [10.0, 10.0]], np.float32))
    assert found.tolist() == pytest.approx([2e11, 2e17], rel=1e-6)


def test_it_comes_back_from_its_arrays():
    rule = Applicability(**VALUES, provenance={"samples": 2})
    again = Applicability.from_dict(rule.to_dict(), rule.arrays())
    assert again.content_hash == rule.content_hash
    assert again.provenance == {"samples": 2}
    changed = rule.arrays() | {"reference": VALUES["reference"] + 1}
    with pytest.raises(ModelError, match="changed or damaged"):
        Applicability.from_dict(rule.to_dict(), changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": np.array([1.0, 0.0], np.float32)}, "scales must be positive"),
        ({"weight": np.array([0.0, 0.0], np.float32)}, "not all"),
        ({"weight": np.array([1.0, -1.0], np.float32)}, "weights too"),
        ({"mean": np.array([1.0, np.nan], np.float32)}, "mean of an area .* holds NaN"),
        ({"mean": np.array([1.0], np.float32)}, "features of different numbers"),
        ({"reference": np.zeros((0, 2), np.float32)}, "no reference"),
        ({"mean_distance": 0.0}, "mean distance 0.0"),
        ({"threshold": np.inf}, "threshold inf"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        Applicability(**VALUES | changes)


def test_another_number_of_features_is_refused():
    with pytest.raises(ModelError, match="3 features of each place; the training samples have 2"):
        Applicability(**VALUES).dissimilarity(np.zeros((3, 5), np.float32))


def test_the_whisker_is_that_of_r():
    # boxplot.stats(c(1, 3, 4, 4, 5, 6, 7, 8, 9, 15, 17))$stats is 1, 4, 6, 8.5, 15: hinges with
    # the median in both halves, whisker at most 8.5 + 1.5 * 4.5 = 15.25.
    assert upper_whisker(np.array([1, 3, 4, 4, 5, 6, 7, 8, 9, 15, 17.0])) == 15.0
