"""Intervals of shares against statsmodels, and where Wilson's differs on purpose."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from lulc_xr.analysis.intervals import (
    check_interval,
    effective_size,
    logit_interval,
    normal_interval,
    wilson_interval,
)
from lulc_xr.core.errors import SampleError

COUNTS, SIZE = np.array([0, 1, 7, 40, 59, 60]), 60
SHARES = COUNTS / SIZE


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_statsmodels(level):
    low, high = wilson_interval(SHARES, np.full(6, 60.0), level)
    expected = proportion_confint(COUNTS, SIZE, alpha=1 - level, method="wilson")
    np.testing.assert_allclose([low, high], expected, atol=1e-12)


def test_normal_is_that_of_statsmodels():
    error = np.sqrt(SHARES * (1 - SHARES) / SIZE)
    expected = np.array(proportion_confint(COUNTS, SIZE, method="normal"))
    inside = slice(2, 4)
    found = np.array(normal_interval(SHARES, error, 0.95))
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-12)


def test_an_unseen_heavy_unit_widens_towards_what_it_would_change():
    share, size = np.array([1.0]), np.array([100.0])
    low, high = wilson_interval(share, size, 0.95)
    heavy, same = wilson_interval(share, size, 0.95, unseen=np.array([0.1]))
    assert heavy[0] < low[0] - 0.1
    assert high[0] == same[0] == 1.0
    light = wilson_interval(share, size, 0.95, unseen=np.array([0.001]))
    np.testing.assert_array_equal(light, (low, high))


def test_logit_is_not_defined_at_0_and_1_and_symmetric_elsewhere():
    error = np.full(6, 0.05)
    low, high = logit_interval(SHARES, error, 0.95, freedom=59)
    assert np.isnan(low[[0, 5]]).all()
    there, back = logit_interval(1 - SHARES, error, 0.95, freedom=59)
    np.testing.assert_allclose(low[1:5], 1 - back[1:5])
    np.testing.assert_allclose(high[1:5], 1 - there[1:5])


def test_effective_size_of_a_simple_random_sample_is_its_size():
    shares = np.array([0.2, 0.5, 1.0])
    error = np.sqrt(shares * (1 - shares) / 49)
    given = {"samples": np.full(3, 50.0), "spread": np.full(3, 50.0), "freedom": 49, "units": 50}
    np.testing.assert_allclose(effective_size(shares, error, **given), 50)
    half = effective_size(shares, np.sqrt(2) * error, **given)
    np.testing.assert_allclose(half, [25, 25, 50])


def test_unknown_interval_and_level_are_refused():
    with pytest.raises(SampleError, match=r"unknown interval 'wald'\. Known"):
        check_interval("wald", 0.95)
    with pytest.raises(SampleError, match="level 95 is not between 0 and 1"):
        check_interval("wilson", 95)
