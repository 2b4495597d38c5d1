"""The promise of conformal sets, and what calibration never does, over random draws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lulc_xr.core.calibration import Calibration
from lulc_xr.core.conformal import Conformal, conformal_scores, conformal_threshold


def draw(rng, repeats, number, classes=5):
    """Exchangeable made-up places: probabilities (class, repeat, number), and true classes."""
    p = rng.dirichlet(np.full(classes, 0.5), (repeats, number)).astype(np.float32)
    # The model is wrong about how often it is right; the promise must not need that.
    true = p**0.5
    true /= true.sum(axis=-1, keepdims=True)
    labels = (true.cumsum(axis=-1) > rng.random((repeats, number, 1))).argmax(axis=-1)
    return np.moveaxis(p, -1, 0), labels


def coverages(seed, *, n, coverage, method, repeats=2000, new=20):
    """How many of `new` places were covered in each of many repeats of fitting and judging."""
    p, labels = draw(np.random.default_rng(seed), repeats, n + new)
    settings = {"penalty": 0.05, "free": 1} if method == "raps" else {}
    scores = conformal_scores(p, method, **settings)
    own = np.take_along_axis(scores, labels[None], axis=0)[0]
    held = np.empty(repeats)
    for i in range(repeats):
        limit = conformal_threshold(own[i, :n], coverage)
        rule = Conformal(
            method=method, coverage=coverage, thresholds={"a": ((limit,) * 5,)}, **settings
        )
        sets = rule.sets(p[:, i, n:], task="a")
        held[i] = sets[labels[i, n:], np.arange(new)].mean()
    return held


@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(20, 120),
    coverage=st.sampled_from([0.8, 0.9]),
    method=st.sampled_from(["lac", "aps", "raps"]),
)
def test_the_promise_holds_for_exchangeable_places(seed, n, coverage, method):
    held = coverages(seed, n=n, coverage=coverage, method=method)
    mean, error = held.mean(), held.std() / np.sqrt(len(held))
    # Five standard errors: one false alarm in a million.
    assert mean >= coverage - 5 * error
    if method == "lac":
        assert mean <= coverage + 1 / (n + 1) + 5 * error


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 100))
def test_coverage_of_one_fit_follows_its_beta_law(seed, n):
    held = coverages(seed, n=n, coverage=0.9, method="lac", repeats=1500, new=200)
    # Over the fits, coverage is Beta(k, n + 1 - k); of 200 places, beta-binomial.
    k = int(np.ceil(round((n + 1) * 0.9, 9)))
    law = stats.betabinom(200, k, n + 1 - k)
    expected = law.mean() / 200, law.var() / 200**2
    assert abs(held.mean() - expected[0]) < 5 * np.sqrt(expected[1] / len(held))
    # The variance of a sample variance is at most about 2 var^2 x (1 + kurtosis / 2) / repeats.
    kurtosis = float(law.stats(moments="k"))
    error = expected[1] * np.sqrt((2 + max(kurtosis, 0)) / len(held))
    assert abs(held.var() - expected[1]) < 6 * error


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_promise_for_each_class_holds_for_each_class(seed):
    rng = np.random.default_rng(seed)
    hits, number = np.zeros(5), np.zeros(5)
    for _ in range(300):
        p, labels = (a[..., 0, :] for a in draw(rng, 1, 500))
        scores = conformal_scores(p, "lac")[labels, np.arange(500)]
        fit, new = np.arange(500) < 250, np.arange(500) >= 250
        row = tuple(conformal_threshold(scores[fit & (labels == k)], 0.85) for k in range(5))
        rule = Conformal(method="lac", coverage=0.85, thresholds={"a": (row,)}, by_class=True)
        sets = rule.sets(p[:, new], task="a")
        held = sets[labels[new], np.arange(250)]
        hits += np.bincount(labels[new], held, minlength=5)
        number += np.bincount(labels[new], minlength=5)
    found = hits / number
    # Samples of one fit share its threshold: about 50 of a class, so the error is that of fits.
    error = np.sqrt(0.85 * 0.15 * (1 / number + 1 / (300 * 40)))
    assert (found > 0.85 - 5 * error).all()
    assert (found < 0.85 + 1 / 35 + 5 * error).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    temperature=st.floats(0.05, 20),
    classes=st.integers(2, 12),
)
def test_temperature_never_changes_the_class(seed, temperature, classes):
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), 2000).T.astype(np.float32)
    own = Calibration(
        method="temperature",
        scale={"a": ((1 / temperature,) * classes,)},
        shift={"a": ((0.0,) * classes,)},
    )
    found = own.apply(p, task="a")
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    # The class stays the most probable, but for what float32 cannot tell apart.
    before = p.argmax(axis=0)[None]
    gap = found.max(axis=0) - np.take_along_axis(found, before, axis=0)[0]
    assert gap.max() <= 1e-6
    clear = np.diff(np.sort(p, axis=0)[-2:], axis=0)[0] > 1e-3
    np.testing.assert_array_equal(found.argmax(axis=0)[clear], before[0][clear])
