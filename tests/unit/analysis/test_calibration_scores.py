"""Scores of calibration: against other libraries, by their definitions, with their intervals."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from mapie.metrics.calibration import expected_calibration_error
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from torchmetrics.functional.classification import multiclass_calibration_error

from lulc_xr.analysis.calibration_scores import COVERAGES, calibration_scores
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.reliability import top_label_error

LEGEND = Legend.from_names("four", ["cropland", "woodland", "water", "wetland"])


def draw(number=600, *, seed=0, factor=2.0):
    """Probabilities (sample, class) that are `factor` times too sure, and class ids."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.2, (number, 4))
    true, p = (np.exp(f * logits) for f in (1.0, factor))
    true /= true.sum(axis=1, keepdims=True)
    p /= p.sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.random((number, 1))).argmax(axis=1)
    return p, labels.astype(np.uint8)


def score(p, labels, **settings):
    return calibration_scores(p, labels, legend=LEGEND, **({"repeats": 0} | settings))


def test_equals_torchmetrics_scikit_learn_and_mapie():
    p, labels = draw()
    found = score(p, labels, bins=15)
    theirs = multiclass_calibration_error(
        torch.tensor(p), torch.tensor(labels.astype(int)), num_classes=4, n_bins=15, norm="l1"
    )
    assert found["ECE, equal width"] == pytest.approx(float(theirs), abs=1e-6)
    right = (p.argmax(axis=1) == labels).astype(int)
    # MAPIE splits the scores as they come; and its number of edges is that of our bins and one.
    order = np.argsort(p.max(axis=1))
    by_mass = expected_calibration_error(
        right[order], p[order], num_bins=15, split_strategy="array split"
    )
    assert found["ECE, equal mass"] == pytest.approx(by_mass, abs=1e-6)
    by_class = expected_calibration_error(
        right, p, num_bins=16, split_strategy="uniform", classwise=True, class_labels=labels
    )
    assert found["class-wise ECE"] == pytest.approx(by_class, abs=1e-6)
    brier = brier_score_loss(labels, p, labels=[0, 1, 2, 3], scale_by_half=False)
    assert found["Brier score"] == pytest.approx(brier, abs=1e-6)
    assert found["negative log-likelihood"] == pytest.approx(log_loss(labels, p), abs=1e-6)
    entropy = -(p * np.log(p)).sum(axis=1)
    auroc = roc_auc_score(1 - right, entropy)
    assert found["AUROC of entropy for errors"] == pytest.approx(auroc, abs=1e-9)
    assert found["accuracy"] == pytest.approx(right.mean())


def test_weights_equal_those_of_scikit_learn_and_repeated_samples():
    p, labels = draw()
    times = np.random.default_rng(1).integers(0, 4, len(labels))
    weighted = score(p, labels, weights=times.astype(float))
    repeated = score(np.repeat(p, times, axis=0), np.repeat(labels, times))
    np.testing.assert_allclose(weighted.scores["estimate"], repeated.scores["estimate"], atol=1e-9)
    assert weighted.left_out == (times == 0).sum()
    loss = log_loss(labels, p, sample_weight=times)
    assert weighted["negative log-likelihood"] == pytest.approx(loss, abs=1e-9)
    for column in ("weight", "confidence", "accuracy"):
        np.testing.assert_allclose(weighted.reliability[column], repeated.reliability[column])


def test_parts_of_the_brier_score_follow_their_definitions():
    p, labels = draw()
    found = score(p, labels, bins=10)
    true = np.eye(4)[labels]
    parts = dict.fromkeys(("reliability", "resolution", "uncertainty", "within"), 0.0)
    for k in range(4):
        which = np.minimum(np.ceil(p[:, k] * 10).astype(int) - 1, 9)
        mean = true[:, k].mean()
        parts["uncertainty"] += mean * (1 - mean)
        for b in np.unique(which):
            own, hit = p[which == b, k], true[which == b, k]
            share = len(own) / len(p)
            parts["reliability"] += share * (own.mean() - hit.mean()) ** 2
            parts["resolution"] += share * (hit.mean() - mean) ** 2
            covariance = np.mean((own - own.mean()) * (hit - hit.mean()))
            parts["within"] += share * (own.var() - 2 * covariance)
    for name in ("reliability", "resolution", "uncertainty"):
        assert found[f"Brier {name}"] == pytest.approx(parts[name], abs=1e-9)
    assert found["Brier within bins"] == pytest.approx(parts["within"], abs=1e-9)


def test_area_and_accuracy_at_coverage_follow_their_definitions():
    p, labels = draw(200)
    found = score(p, labels)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    order = np.argsort(-confidence)
    accuracy = np.cumsum(right[order]) / np.arange(1, 201)
    assert found["AURC"] == pytest.approx(np.mean(1 - accuracy), abs=1e-9)
    np.testing.assert_allclose(found.coverage["accuracy"], accuracy[9::10], atol=1e-12)
    np.testing.assert_allclose(found.coverage["confidence"], confidence[order][9::10])
    assert found.coverage["accuracy"].iloc[-1] == found["accuracy"]
    np.testing.assert_allclose(found.coverage["coverage"], COVERAGES)


def test_equal_confidences_are_accepted_together_whatever_the_order():
    p = np.tile([[0.7, 0.1, 0.1, 0.1]], (100, 1))
    p[60:] = [0.25, 0.25, 0.25, 0.25]
    labels = np.zeros(100, np.uint8)
    labels[:20] = 1
    shuffled = np.random.default_rng(0).permutation(100)
    one, other = score(p, labels), score(p[shuffled], labels[shuffled])
    pd.testing.assert_frame_equal(one.scores, other.scores)
    # 60 % accepted with a risk of 1/3, then all with 1/5.
    assert one["AURC"] == pytest.approx(0.6 / 3 + 0.4 / 5)
    assert one["AUROC of entropy for errors"] == pytest.approx(40 / 80 * 0 + 40 / 80 / 2 * 1)


def test_a_calibrated_model_has_errors_of_noise_and_an_oversure_one_more():
    p, labels = draw(20_000, factor=1.0)
    good = score(p, labels)
    for binning in ("equal width", "equal mass"):
        assert good[f"ECE, {binning}"] < 2.5 * good.noise[binning]
        bad = score(*draw(20_000, factor=3.0))
        assert bad[f"ECE, {binning}"] > 10 * bad.noise[binning]


def test_absent_classes_are_nan_and_left_out_of_the_mean():
    p, labels = draw()
    labels[labels == 2] = 255
    found = score(p, labels, repeats=20)
    own = found.scores[found.scores["score"] == "class-wise ECE"].set_index("class")["estimate"]
    assert np.isnan(own["water"])
    assert own[""] == pytest.approx(own[["cropland", "woodland", "wetland"]].mean())
    assert found.left_out == (labels == 255).sum()


@pytest.mark.slow
def test_intervals_cover_what_is_true():
    factor = 2.0
    whole = score(*draw(400_000, seed=99, factor=factor))
    names = [n for n in whole.scores["score"].unique() if n != "class-wise ECE"]
    held = dict.fromkeys(names, 0)
    repeats = 60
    for seed in range(repeats):
        found = score(*draw(800, seed=seed, factor=factor), repeats=200)
        table = found.scores[found.scores["class"] == ""].set_index("score")
        for name in names:
            held[name] += table.loc[name, "low"] <= whole[name] <= table.loc[name, "high"]
    # Percentiles of few samples hold a little less than they say; 49 would be 82 %.
    assert min(held.values()) >= 49, held


def test_neighbours_that_err_alike_make_intervals_wider():
    p, labels = draw(100)
    many = np.repeat(p, 20, axis=0), np.repeat(labels, 20)
    blocks = np.repeat(np.arange(100), 20)
    alone = score(*many, repeats=200)
    blocked = score(*many, repeats=200, blocks=blocks)
    single = score(p, labels, repeats=200)
    width = [
        float(np.ptp(s.scores.set_index("score").loc["accuracy", ["low", "high"]].astype(float)))
        for s in (alone, blocked, single)
    ]
    # Twenty copies tell no more than one: sqrt(20) = 4.5 times as wide as taken for independent.
    assert width[1] == pytest.approx(width[2], rel=0.25)
    assert width[1] > 3 * width[0]
    assert blocked.blocks == 100
    assert alone.blocks is None
    assert set(alone.reliability["interval"]) == {"wilson"}
    assert set(blocked.reliability["interval"]) == {"percentile"}


def test_the_same_seed_gives_the_same_intervals():
    p, labels = draw(300)
    one, same, other = (score(p, labels, repeats=50, seed=s).scores for s in (3, 3, 4))
    pd.testing.assert_frame_equal(one, same)
    assert not one["low"].equals(other["low"])


def test_reads_arrays_in_any_order_and_tables_of_judged_points():
    p, labels = draw()
    expected = score(p, labels).scores
    array = xr.DataArray(p.T, dims=("land_cover_class", "sample"))
    reference = xr.DataArray(labels, dims="sample", attrs=LEGEND.flags())
    found = calibration_scores(array, reference, repeats=0)
    np.testing.assert_allclose(found.scores["estimate"], expected["estimate"])
    table = pd.DataFrame({f"probability_{n}": p[:, i] for i, n in enumerate(LEGEND.names)})
    table["reference"], table["block"] = labels, np.arange(len(p)) // 10
    table.attrs["legend"] = LEGEND.to_dict()
    judged = calibration_scores(table, repeats=10)
    np.testing.assert_allclose(judged.scores["estimate"], expected["estimate"])
    assert judged.blocks == 60


def test_is_written_as_json_and_shown():
    found = score(*draw(), repeats=10)
    given = json.loads(json.dumps(found.to_dict()))
    assert given["samples"] == 600
    assert {"scores", "reliability", "coverage", "noise"} <= set(given)
    assert "ECE, equal mass" in repr(found)
    assert "<table" in found._repr_html_()
    assert found.to_dataframe() is not found.scores
    with pytest.raises(KeyError, match="no score 'kappa'; there are accuracy"):
        found["kappa"]


def test_bad_input_is_refused():
    p, labels = draw(50)
    with pytest.raises(SampleError, match=r"probabilities add up to 2 .*50 of 50.*softmax"):
        score(p * 2, labels)
    with pytest.raises(SampleError, match=r"probabilities hold -0\.5"):
        score(np.c_[p[:, :2] * 0 - 0.5, p[:, 2:] * 0 + 1.0], labels)
    holes = p.copy()
    holes[3, 1] = np.nan
    with pytest.raises(SampleError, match="1 of 50 samples have a NaN among"):
        score(holes, labels)
    holes[3] = np.nan
    assert score(holes, labels).left_out == 1
    with pytest.raises(LegendError, match="labels outside legend"):
        score(p, labels + 7)
    with pytest.raises(SampleError, match=r"shape \(50, 3\) and a reference of shape \(50,\)"):
        score(p[:, :3], labels)
    with pytest.raises(SampleError, match="none of 50 samples"):
        score(p, np.full(50, 255))
    with pytest.raises(SampleError, match="none of 0 samples"):
        score(p[:0], labels[:0])
    with pytest.raises(SampleError, match="50 of 50 weights are such as -1"):
        score(p, labels, weights=np.full(50, -1.0))
    with pytest.raises(SampleError, match=r"blocks of shape \(3,\) for 50 samples"):
        score(p, labels, blocks=np.arange(3))
    with pytest.raises(SampleError, match="in 1 block: a bootstrap needs at least two"):
        score(p, labels, blocks=np.zeros(50), repeats=10)
    with pytest.raises(SampleError, match="bins=1"):
        score(p, labels, bins=1)
    with pytest.raises(LegendError, match="no legend: pass legend="):
        calibration_scores(p, labels)
    with pytest.raises(SampleError, match="no reference"):
        calibration_scores(p, legend=LEGEND)
    with pytest.raises(SampleError, match="no column 'reference'"):
        calibration_scores(pd.DataFrame({"a": [1]}), legend=LEGEND)
    with pytest.raises(LegendError, match="does not say its legend"):
        calibration_scores(pd.DataFrame({"reference": [1]}))


def test_the_error_in_provenance_is_that_of_the_scores():
    p, labels = draw()
    own = top_label_error(p.T, labels, bins=15)
    assert own == pytest.approx(score(p, labels)["ECE, equal width"], abs=1e-12)
