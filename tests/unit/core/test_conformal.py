"""Conformal scores and sets: against MAPIE, against sorting, ties, regions, missing pixels."""

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import RAPSConformityScore

from lulc_xr.core.conformal import Conformal, conformal_scores, conformal_threshold
from lulc_xr.core.errors import ModelError
from lulc_xr.core.regions import RegionKey

CLASSES = 6


class Given:
    """A fitted scikit-learn classifier whose features are its probabilities."""

    def __init__(self):
        self.classes_ = np.arange(CLASSES)
        self.n_features_in_ = CLASSES

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, features, labels):
        return self

    def predict_proba(self, features):
        return np.asarray(features)

    def predict(self, features):
        return np.asarray(features).argmax(axis=1)


class Plain(np.random.RandomState):
    """Takes the dice out of MAPIE's scores, which subtract u times the probability: u is 1."""

    def uniform(self, size):
        return np.ones(size)


def draw(number, seed):
    """Probabilities (sample, class) that add up exactly, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(CLASSES, 0.6), number)
    labels = (p.cumsum(axis=1) > rng.random((number, 1))).argmax(axis=1)
    return p, labels


def rule(method, threshold, **settings):
    return Conformal(
        method=method, coverage=0.9, thresholds={"cover": ((threshold,) * CLASSES,)}, **settings
    )


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("number", [57, 99, 100, 1000])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_thresholds_and_sets_are_those_of_mapie(method, number, coverage):
    fitted, labels = draw(number, 0)
    new, _ = draw(500, 1)
    theirs = SplitConformalClassifier(
        Given(),
        confidence_level=coverage,
        conformity_score=method,
        prefit=True,
        random_state=Plain(0),
    ).conformalize(fitted, labels)
    scores = conformal_scores(fitted.T.astype(np.float32), method)
    own = conformal_threshold(scores[labels, np.arange(number)], coverage)
    _, sets = theirs.predict_set(new, conformity_score_params={"include_last_label": True})
    expected = theirs._mapie_classifier.conformity_score_function_.quantiles_[0]
    assert own == pytest.approx(expected, abs=1e-6)
    found = rule(method, own).sets(new.T.astype(np.float32), task="cover")
    np.testing.assert_array_equal(found, sets[:, :, 0].T)


def test_raps_is_that_of_mapie_with_its_penalty():
    fitted, labels = draw(1500, 2)
    new, _ = draw(500, 3)
    theirs = SplitConformalClassifier(
        Given(), confidence_level=0.9, conformity_score=RAPSConformityScore(0.3), prefit=True,
        random_state=Plain(0),
    ).conformalize(fitted, labels)  # fmt: skip
    _, sets = theirs.predict_set(new, conformity_score_params={"include_last_label": True})
    score = theirs._mapie_classifier.conformity_score_function_
    penalty, free = float(score.lambda_star), int(score.k_star[0])
    assert penalty > 0
    own = rule("raps", score.quantiles_[0], penalty=penalty, free=free)
    found = own.sets(new.T.astype(np.float32), task="cover")
    # MAPIE holds the class that crosses the threshold with its penalty too.
    assert not (found & ~sets[:, :, 0].T).any()
    assert found.sum() < sets.sum()
    # The threshold is that of all classes' scores at the samples that MAPIE kept for it.
    kept = theirs._mapie_classifier.conformity_scores_.ravel()
    score_of = conformal_scores(fitted.T.astype(np.float32), "aps")
    every = score_of[labels, np.arange(labels.size)]
    used = np.array([np.abs(every - value).argmin() for value in kept])
    np.testing.assert_allclose(every[used], kept, atol=1e-6)
    ours = conformal_scores(fitted[used].T.astype(np.float32), "raps", penalty=penalty, free=free)
    limit = conformal_threshold(ours[labels[used], np.arange(used.size)], 0.9)
    assert limit == pytest.approx(float(score.quantiles_[0]), abs=1e-6)


@pytest.mark.parametrize("shape", [(20_000,), (50, 401)])
@pytest.mark.parametrize(("penalty", "free"), [(0.0, 0), (0.1, 2)])
def test_scores_are_sums_over_sorted_classes(shape, penalty, free):
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.full(CLASSES, 0.3), shape).astype(np.float32)
    p = np.moveaxis(p, -1, 0)
    order = np.argsort(-p, axis=0, kind="stable")
    own = np.take_along_axis(p, order, 0)
    total = np.cumsum(own, axis=0, dtype=np.float64) - own
    ranks = np.arange(1, CLASSES + 1).reshape(-1, *(1,) * len(shape))
    total = total + penalty * np.maximum(ranks - free, 0)
    expected = np.empty_like(total)
    np.put_along_axis(expected, order, total, 0)
    found = conformal_scores(p, "raps", penalty=penalty, free=free)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_equal_probabilities_are_ranked_in_the_order_of_the_legend():
    p = np.array([0.2, 0.3, 0.2, 0.3], np.float32)
    np.testing.assert_allclose(conformal_scores(p, "aps"), [0.6, 0.0, 0.8, 0.3], atol=1e-6)


def test_a_threshold_of_one_holds_all_classes_and_an_infinite_one_too():
    p = draw(3000, 5)[0].T.astype(np.float32)
    p[:, :10] = 0
    p[2, :10] = 1  # classes of probability 0 conform as little as can be
    for method in ("lac", "aps"):
        assert rule(method, 1.0).sets(p, task="cover").all()
    assert rule("raps", np.inf, penalty=1.0).sets(p, task="cover").all()


def test_aps_never_leaves_a_set_empty_and_lac_may():
    p = np.array([[0.97], [0.02], [0.01], [0], [0], [0]], np.float32)
    assert rule("aps", 0.9).sets(p, task="cover")[:, 0].tolist() == [True] + [False] * 5
    flat = np.full((CLASSES, 1), np.float32(1 / 6))
    assert rule("lac", 0.5).sets(flat, task="cover").sum() == 0


def test_missing_pixels_have_empty_sets():
    p = np.full((CLASSES, 2), np.nan, np.float32)
    p[:, 1] = 1 / 6
    for method in ("lac", "aps", "raps"):
        sets = rule(method, np.inf).sets(p, task="cover")
        assert sets[:, 0].sum() == 0
        assert sets[:, 1].all()


def test_regions_and_classes_have_thresholds_of_their_own():
    key = RegionKey(variable="region", names=("north", "south"))
    table = ((0.1,) * 3, (0.5, 0.5, 0.9), (0.95,) * 3)
    own = Conformal(
        method="lac", coverage=0.9, thresholds={"cover": table}, by_class=True, regions=key
    )
    p = np.tile(np.array([[0.6], [0.3], [0.1]], np.float32), (1, 3))
    region = np.array([0, 1, -1], np.int16)
    found = own.sets(p, task="cover", region=region)
    assert found.T.tolist() == [
        [False, False, False], [True, False, True], [True, True, True],
    ]  # fmt: skip
    # Without regions the rule of all places holds.
    assert own.sets(p, task="cover").T.tolist()[0] == [True, True, True]
    assert Conformal.from_dict(own.to_dict()) == own


def test_sets_do_not_depend_on_how_pixels_are_arranged():
    p = draw(30_000, 6)[0].T.astype(np.float32)
    own = rule("raps", 0.9, penalty=0.05, free=1)
    flat = own.sets(p, task="cover")
    block = own.sets(p.reshape(CLASSES, 150, 200), task="cover")
    np.testing.assert_array_equal(block.reshape(CLASSES, -1), flat)
    turned = np.asfortranarray(p)
    np.testing.assert_array_equal(own.sets(turned, task="cover"), flat)


def test_the_rank_of_the_threshold_is_exact():
    for n, coverage, rank in [(9, 0.9, 9), (99, 0.9, 90), (19, 0.95, 19), (10, 0.9, 10)]:
        assert conformal_threshold(np.arange(1, n + 1), coverage) == rank
    assert conformal_threshold(np.arange(8), 0.9) == np.inf
    assert conformal_threshold(np.array([]), 0.9) == np.inf


def test_bad_settings_are_refused():
    with pytest.raises(ModelError, match=r"coverage 1.0 is not between 0 and 1"):
        Conformal(method="lac", coverage=1.0, thresholds={})
    with pytest.raises(ModelError, match="unknown conformal method 'apps'"):
        Conformal(method="apps", coverage=0.9, thresholds={})
    with pytest.raises(ModelError, match="must not be negative"):
        Conformal(method="raps", coverage=0.9, thresholds={}, penalty=-1)
    with pytest.raises(ModelError, match="have 2 rows; expected 1"):
        Conformal(method="lac", coverage=0.9, thresholds={"a": ((1.0,), (1.0,))})
