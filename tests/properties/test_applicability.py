"""Laws of the dissimilarity index: what it is 0 at, what changes it, what does not."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.nearest import mean_pairwise_distance, nearest_of_others, upper_whisker

CASES = st.tuples(st.integers(0, 2**31), st.integers(1, 12), st.integers(2, 40))


def make(rng, features, references, *, offset=0.0, size=1.0, weight=None):
    """An area of applicability, and the raw training samples that it is made of."""
    raw = (offset + size * rng.normal(size=(references, features))).astype(np.float32)
    rule = {
        "mean": raw.mean(axis=0),
        "scale": raw.std(axis=0) + np.float32(1e-6 * size),
        "weight": np.ones(features, np.float32) if weight is None else weight,
        "mean_distance": 1.7,
        "threshold": 0.4,
    }
    first = Applicability(**rule, reference=np.zeros((1, features), np.float32))
    return Applicability(**rule, reference=np.ascontiguousarray(first.scaled(raw.T).T)), raw


def naive(rule, features):
    """Distance to the nearest reference by the formula, in double precision."""
    scaled = rule.scaled(features.astype(np.float32)).T.astype(np.float64)
    apart = np.sqrt(((scaled[:, None] - rule.reference[None]) ** 2).sum(axis=-1))
    return apart.min(axis=1) / rule.mean_distance


@given(CASES, st.floats(-1e4, 1e4), st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_it_is_the_formula_and_that_of_scikit_learn(case, offset, size):
    rng = np.random.default_rng(case[0])
    rule, raw = make(rng, case[1], case[2], offset=offset, size=size)
    # Near ones, far ones, and some that differ from a training sample in one last digit only.
    near = raw[rng.integers(0, len(raw), 30)].T + size * rng.normal(0, 1e-5, (case[1], 30))
    places = np.concatenate([near, offset + size * rng.normal(0, 3, (case[1], 300))], axis=1)
    places = places.astype(np.float32)
    found = rule.dissimilarity(places)
    np.testing.assert_allclose(found, naive(rule, places), rtol=1e-6, atol=1e-9)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rule.reference)
    scaled = rule.scaled(places[:, 30:]).T.astype(np.float64)
    theirs = search.kneighbors(scaled)[0][:, 0] / rule.mean_distance
    np.testing.assert_allclose(found[30:], theirs, rtol=1e-6, atol=1e-6)


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_it_is_zero_at_training_samples_and_nowhere_else(case):
    rng = np.random.default_rng(case[0])
    rule, raw = make(rng, case[1], case[2], offset=5.0)
    assert (rule.dissimilarity(raw.T) == 0).all()
    assert (rule.dissimilarity(raw.T + np.float32(0.01)) > 0).all()


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_the_bits_do_not_depend_on_the_neighbours(case):
    rng = np.random.default_rng(case[0])
    rule, _ = make(rng, case[1], case[2])
    places = rng.normal(size=(case[1], 700)).astype(np.float32)
    whole = rule.dissimilarity(places)
    order = rng.permutation(700)
    np.testing.assert_array_equal(rule.dissimilarity(places[:, order]), whole[order])
    cut = int(rng.integers(1, 699))
    parts = [rule.dissimilarity(part) for part in (places[:, :cut], places[:, cut:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    square = rule.dissimilarity(places.reshape(case[1], 7, 100))
    np.testing.assert_array_equal(square, whole.reshape(7, 100))


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_it_grows_with_the_distance_from_all_samples(case):
    rng = np.random.default_rng(case[0])
    rule, raw = make(rng, case[1], case[2])
    # Away from a corner of all samples every distance grows with every step.
    steps = raw.max(axis=0)[:, None] + np.linspace(0, 5, 20, dtype=np.float32)[None]
    assert (np.diff(rule.dissimilarity(steps)) > 0).all()


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_more_references_never_raise_it(case):
    rng = np.random.default_rng(case[0])
    rule, _ = make(rng, case[1], case[2])
    fewer = Applicability(
        mean=rule.mean,
        scale=rule.scale,
        weight=rule.weight,
        reference=rule.reference[: max(1, case[2] // 2)],
        mean_distance=rule.mean_distance,
        threshold=rule.threshold,
    )
    places = rng.normal(0, 2, (case[1], 200)).astype(np.float32)
    assert (fewer.dissimilarity(places) >= rule.dissimilarity(places)).all()


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_missing_values_make_it_missing_there_and_only_there(case):
    rng = np.random.default_rng(case[0])
    weight = np.ones(case[1] + 1, np.float32)
    weight[-1] = 0
    rule, _ = make(rng, case[1] + 1, case[2], weight=weight)
    places = rng.normal(size=(case[1] + 1, 300)).astype(np.float32)
    whole, holes = rule.dissimilarity(places), places.copy()
    holes[rng.integers(0, case[1]), :100] = np.nan
    holes[rng.integers(0, case[1]), 100:150] = np.inf
    holes[-1, 150:200] = np.nan  # it has no weight
    found = rule.dissimilarity(holes)
    assert np.isnan(found[:150]).all()
    np.testing.assert_array_equal(found[150:], whole[150:])


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_distances_between_folds_and_on_average_are_those_of_the_formula(case):
    rng = np.random.default_rng(case[0])
    points = rng.normal(size=(case[2] + 2, case[1])).astype(np.float32)
    fold = np.arange(len(points)) % 3
    apart = np.sqrt(((points[:, None].astype(np.float64) - points) ** 2).sum(-1))
    pairs = apart[~np.eye(len(points), dtype=bool)]
    np.testing.assert_allclose(mean_pairwise_distance(points), pairs.mean(), rtol=1e-6)
    expected = np.where(fold[:, None] == fold, np.inf, apart).min(axis=1)
    found = nearest_of_others(points, fold, points, fold)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(st.lists(st.floats(0, 100, allow_nan=False), min_size=5, max_size=60))
@settings(max_examples=80, deadline=None)
def test_the_whisker_is_a_value_above_the_box(values):
    found = upper_whisker(np.array(values))
    assert found in np.array(values)
    assert found >= np.median(values)
    assert upper_whisker(np.array([*values, 1e6])) in (found, *values)
