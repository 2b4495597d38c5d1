"""Entropy between its bounds; classes; refusal of what is no probability."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.special import xlogy

from lulc_xr.core.errors import ModelError
from lulc_xr.core.probability import (
    check_probabilities,
    entropy,
    fill_unseen,
    highest_entropy,
    most_probable,
)
from tests.predictors import LEGEND


@st.composite
def probabilities(draw):
    classes = draw(st.integers(1, 254))
    power = draw(st.sampled_from([0.0, 1e-4, 1.0, 8.0, 60.0]))
    scores = np.random.default_rng(draw(st.integers(0, 999))).random((classes, 6)) ** power
    found = (scores / scores.sum(axis=0)).astype(np.float32)
    # Sums may be off by what float32 rounds.
    return found * np.float32(1 + draw(st.sampled_from([-3e-7, 0, 3e-7])))


@given(probabilities())
def test_entropy_lies_between_zero_and_the_logarithm_of_classes(found):
    result = entropy(found)
    assert result.dtype == np.float32
    values = result.astype(np.float64)
    assert (values >= 0).all()
    assert (values <= np.log(len(found))).all()
    exact = -xlogy(found.astype(float), found.astype(float)).sum(axis=0)
    np.testing.assert_allclose(values, np.clip(exact, 0, np.log(len(found))), rtol=2e-5, atol=2e-6)


@given(st.integers(2, 254), st.data())
def test_entropy_is_zero_only_for_certainty(classes, data):
    certain = np.zeros((classes, 1), np.float32)
    certain[data.draw(st.integers(0, classes - 1))] = 1
    assert entropy(certain) == 0
    share = np.float32(data.draw(st.sampled_from([1e-30, 1e-7, 0.01, 0.5])))
    unsure = np.zeros((classes, 1), np.float32)
    unsure[:2, 0] = 1 - share, share
    assert entropy(unsure) > 0


@given(st.integers(1, 254))
def test_entropy_of_equal_shares_is_the_logarithm(classes):
    equal = np.full((classes, 1), 1 / classes, np.float32)
    assert float(highest_entropy(classes)) <= np.log(classes)
    np.testing.assert_allclose(entropy(equal), np.log(classes), rtol=2e-5)
    np.testing.assert_allclose(highest_entropy(classes), np.log(classes), rtol=1e-6)


def test_the_first_of_equals_is_the_class():
    found = np.array([[0.2, 0.4, 0.1], [0.4, 0.4, 0.1], [0.4, 0.2, 0.8]], np.float32)
    assert most_probable(found, LEGEND).tolist() == [3, 1, 7]


SEEN = np.array([[True, True], [True, False]])
GOOD = np.full((3, 2, 2), 1 / 3, np.float32)


def changed(value, *, y, x):
    other = GOOD.copy()
    other[1, y, x] = value
    return other


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            GOOD[:2],
            r"gave shape \(2, 2, 2\) for task 'crops'; expected \(class, y, x\) = \(3, 2, 2\)",
        ),
        (GOOD[:, :1], "the same y and x as the block it was given"),
        (GOOD * 2, r"a sum over classes of 2 at 3 of 3 seen pixels.*Apply a softmax to logits"),
        (changed(np.nan, y=0, x=0), r"a sum over classes of nan at 1 of 3 seen pixels"),
        (changed(np.inf, y=0, x=1), r"a sum over classes of inf at 1 of 3"),
        (np.stack([GOOD[0] * 4, -GOOD[0], GOOD[0] * 0]), r"a value of -0\.33"),
    ],
)
def test_what_is_no_probability_is_refused(found, message):
    with pytest.raises(ModelError, match=message):
        check_probabilities(found, SEEN, classes=3, task="crops")


@pytest.mark.parametrize("value", [np.nan, 5.0, -1.0])
def test_unseen_pixels_may_hold_anything(value):
    check_probabilities(changed(value, y=1, x=1), SEEN, classes=3, task="crops")


@given(arrays(bool, (3, 4)))
def test_unseen_pixels_are_filled(seen):
    classes = fill_unseen(np.zeros((3, 4), np.uint8), seen)
    assert ((classes == 255) == ~seen).all()
    found = fill_unseen(np.zeros((2, 3, 4), np.float32), seen)
    assert (np.isnan(found) == ~seen).all()
