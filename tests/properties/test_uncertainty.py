"""Laws of uncertainty: parts add up, bounds hold, order and agreement of members."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.special import xlogy

from lulc_xr.core.errors import ModelError
from lulc_xr.core.probability import entropy
from lulc_xr.core.uncertainty import (
    MemberSum,
    least_confidence,
    margin,
    mark_applicable,
    max_probability,
    two_largest,
)


@st.composite
def members(draw, least=1):
    """Probabilities (member, class, pixel) in float32, some of them certain, some all equal."""
    number, classes = draw(st.integers(least, 6)), draw(st.integers(2, 254))
    power = draw(st.sampled_from([0.0, 1e-4, 1.0, 8.0, 60.0]))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    scores = rng.random((number, classes, 7)) ** power
    found = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    found[:, :, 0] = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, number)]
    return found * np.float32(1 + draw(st.sampled_from([-3e-7, 0, 3e-7])))


def parts_of(found):
    sums = MemberSum()
    for each in found:
        sums.add(each)
    return sums.parts()


@given(members())
def test_the_parts_lie_between_their_bounds_and_add_up(found):
    parts = parts_of(found)
    assert {a.dtype for a in (parts.total, parts.aleatoric, parts.epistemic)} == {
        np.dtype(np.float32)
    }
    assert (parts.aleatoric >= 0).all()
    assert (parts.epistemic >= 0).all()
    assert (parts.aleatoric <= parts.total).all()
    assert (parts.total.astype(float) <= np.log(found.shape[1])).all()
    added = parts.aleatoric.astype(float) + parts.epistemic
    np.testing.assert_allclose(added, parts.total, rtol=0, atol=1e-6)


@given(members(least=2))
def test_the_parts_are_those_of_exact_arithmetic(found):
    parts = parts_of(found)
    exact = found.astype(float)
    total = -xlogy(exact.mean(0), exact.mean(0)).sum(0)
    aleatoric = -xlogy(exact, exact).sum(1).mean(0)
    np.testing.assert_allclose(parts.total, total, rtol=3e-5, atol=3e-6)
    np.testing.assert_allclose(parts.aleatoric, aleatoric, rtol=3e-5, atol=3e-6)
    np.testing.assert_allclose(parts.epistemic, total - aleatoric, rtol=3e-4, atol=2e-5)


@given(members(), st.integers(2, 5))
def test_members_that_agree_have_no_epistemic_part(found, times):
    parts = parts_of([found[0]] * times)
    np.testing.assert_allclose(parts.epistemic, 0, atol=3e-6)
    np.testing.assert_allclose(parts.total, entropy(found[0]), atol=3e-6)


def test_members_that_are_sure_of_other_classes_have_nothing_else():
    parts = parts_of(np.eye(4, dtype=np.float32)[:, :, None])
    np.testing.assert_allclose(parts.epistemic, np.log(4), rtol=1e-6)
    assert parts.aleatoric == 0


@given(members(least=2), st.randoms(use_true_random=False))
def test_the_order_of_members_changes_nothing_but_rounding(found, random):
    order = list(range(len(found)))
    random.shuffle(order)
    first, second = parts_of(found), parts_of(found[order])
    for name in ("total", "aleatoric", "epistemic"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=5e-6)


@given(members())
def test_margin_and_confidence_are_those_of_the_sorted_probabilities(found):
    p = found[0]
    ordered = np.sort(p, axis=0)
    first, second = two_largest(p)
    np.testing.assert_array_equal(first, ordered[-1])
    np.testing.assert_array_equal(second, ordered[-2])
    largest, least, apart = max_probability(p), least_confidence(p), margin(p)
    np.testing.assert_allclose(largest, ordered[-1], rtol=1e-6)
    np.testing.assert_array_equal(least, np.float32(1) - largest)
    np.testing.assert_allclose(apart, ordered[-1] - ordered[-2], atol=1e-6)
    # Nothing is surer than it is probable; and what is left to the second is 1 - p at most.
    assert (apart <= largest).all()
    assert (apart >= 2 * largest - 1 - 2e-6).all()
    for values, low, high in ((largest, 1 / len(p), 1), (least, 0, 1), (apart, 0, 1)):
        assert values.dtype == np.float32
        assert (values >= np.float32(low)).all()
        assert (values <= high).all()


@given(members())
def test_uncertain_by_one_measure_is_uncertain_by_the_others_at_the_ends(found):
    p = found[0]
    np.testing.assert_allclose(margin(p)[0], 1, atol=1e-6)
    equal = np.full((len(p), 1), 1 / len(p), np.float32)
    assert margin(equal) == 0
    np.testing.assert_allclose(least_confidence(equal), 1 - 1 / len(p), atol=1e-6)


def test_of_a_single_class_all_is_certain():
    one = np.ones((1, 3), np.float32)
    assert (margin(one) == 1).all()
    assert (least_confidence(one) == 0).all()


def test_members_are_not_kept_and_not_changed():
    given_ = np.array([[0.25], [0.75]], np.float32)
    before = given_.copy()
    sums = MemberSum()
    sums.add(given_)
    sums.add(given_)
    np.testing.assert_array_equal(given_, before)
    given_[:] = np.nan
    np.testing.assert_array_equal(sums.mean(), before)


def test_what_was_not_gathered_cannot_be_told():
    with pytest.raises(ModelError, match="no member gave anything"):
        MemberSum().mean()
    sums = MemberSum(entropies=False)
    sums.add(np.array([[0.5], [0.5]], np.float32))
    with pytest.raises(ModelError, match="entropies of the members were not kept"):
        sums.parts()


def test_a_missing_dissimilarity_is_neither_inside_nor_outside():
    given_ = np.array([0.2, 0.5, 0.50001, np.nan], np.float32)
    assert mark_applicable(given_, 0.5).tolist() == [1, 1, 0, 255]
