"""Evidence of trust: parts that never meet, and the numbers that are told of them."""

import numpy as np
import pytest
import xarray as xr
from sklearn.metrics import roc_auc_score

from benchmarks.evidence import trust, trust_scores


def make_samples(number=400, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.array(["a", "b", "c"])[rng.integers(0, 3, number)]
    return xr.Dataset(
        {
            "fold": ("sample", rng.integers(0, 5, number)),
            "group": ("sample", groups.astype(np.dtypes.StringDType())),
            "x": ("sample", rng.uniform(0, 1e6, number)),
            "y": ("sample", rng.uniform(0, 1e6, number)),
        }
    )


def test_parts_never_meet():
    samples = make_samples()
    for group in range(3):
        for seed in range(5):
            part = trust.parts(samples, group, seed)
            left_out = samples["group"].values == "abc"[group]
            np.testing.assert_array_equal(part == trust.OUTSIDE, left_out)
            folds = [set(samples["fold"].values[part == p]) for p in (0, 1, 2)]
            assert len(folds[0]) == 3
            assert len(set.union(*folds)) == sum(map(len, folds))


def test_every_group_is_left_out_once():
    countries = [code for codes in trust.GROUPS.values() for code in codes]
    assert len(set(countries)) == len(countries) == 33
    assert list(trust.GROUPS) == sorted(trust.GROUPS)


def test_calibration_and_sets_are_fitted_on_other_blocks():
    samples = make_samples()
    case = trust_scores.Case(
        said=samples,
        training=samples,
        part=np.ones(400, np.int8),
        dissimilarity=np.zeros(400, np.float32),
        aleatoric=None,
        threshold=1.0,
    )
    both = [case.of(name) for name in ("calibration", "sets")]
    assert sorted(np.concatenate(both)) == list(range(400))
    blocks = [
        {tuple(np.floor(samples[["x", "y"]].isel(sample=i).to_array().values / 1e5)) for i in at}
        for at in both
    ]
    assert not blocks[0] & blocks[1]


def test_ranking_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    wrong = rng.random(200) < 0.3
    values = rng.integers(0, 9, 200) + wrong  # with ties
    assert trust_scores.ranking(values, wrong) == pytest.approx(roc_auc_score(wrong, values))


def test_the_interval_by_blocks_is_the_plain_one_if_each_point_is_a_block():
    samples = make_samples()
    samples["x"] = ("sample", np.arange(400) * trust_scores.BLOCK + 1.0)
    hits = np.random.default_rng(1).random(400) < 0.8
    expected = 1.96 * np.std(hits, ddof=1) / np.sqrt(400)
    assert trust_scores.half_width(hits, samples) == pytest.approx(expected)
    samples["x"] = ("sample", np.repeat(np.arange(100), 4) * trust_scores.BLOCK + 1.0)
    samples["y"] = samples["y"] * 0
    alike = np.repeat(hits[:100], 4)
    assert trust_scores.half_width(alike, samples) == pytest.approx(
        1.96 * np.std(hits[:100], ddof=1) / 10
    )
