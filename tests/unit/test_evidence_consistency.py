"""The made-up worlds of the evidence on consistency are what they say, and its scores add up."""

import numpy as np
import pytest

from benchmarks.evidence import consistency


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_fields_change_as_often_as_it_is_said(rng):
    world = consistency.World(change=0.1)
    truth = consistency.true_classes(world, rng)
    assert (truth[1:] != truth[:-1]).mean() == pytest.approx(0.1, abs=0.02)
    # A field is one class.
    side = consistency.FIELD
    np.testing.assert_array_equal(truth[:, ::side, ::side], truth[:, side - 1 :: side, 1::side])


def test_crops_in_rotation_change_every_year(rng):
    truth = consistency.true_classes(consistency.World(change=0, rotation=True), rng)
    crops = truth[0] < 2
    assert (truth[1:] != truth[:-1])[:, crops].all()
    assert not (truth[1:] != truth[:-1])[:, ~crops].any()


def test_probabilities_are_calibrated_unless_it_is_said(rng):
    truth = consistency.true_classes(consistency.World(), rng)
    for sureness, sign in ((1.0, 0), (2.0, 1), (0.3, -1)):
        maps = consistency.classified(consistency.World(sureness=sureness), truth, rng)
        sure = maps["land_cover_probability"].max("class").values.mean()
        right = (maps["land_cover"].values == truth).mean()
        assert np.sign(np.round(sure - right, 2)) == sign


def test_scores_of_the_truth_are_perfect_and_of_one_class_are_not(rng):
    truth = consistency.true_classes(consistency.World(change=0.1), rng)
    assert consistency.scores(truth, truth) == {
        "error": 0,
        "error, first and last year": 0,
        "change over true change": 1,
        "true changes found": 1,
    }
    still = np.broadcast_to(truth[:1], truth.shape)
    found = consistency.scores(still, truth)
    assert found["change over true change"] == found["true changes found"] == 0
    assert found["error"] > 0
