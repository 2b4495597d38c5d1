"""Trainings that begin with other weights: which are taken, which are refused, that it helps."""

import numpy as np
import pytest
import torch

from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.weak import draw_weak_samples
from lulc_xr.testing import landscape, points, weak_labels
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit
from lulc_xr.training.pretrain import pretrain
from lulc_xr.training.pretrain_config import PretrainConfig

SIZES = {"filters": 4, "dense": 8}
CONFIG = TrainConfig(epochs=1, sizes=SIZES)
STILL = TrainConfig(epochs=1, sizes=SIZES, learning_rate=1e-12, average_weights=0)


@pytest.fixture(scope="module")
def cube():
    made = landscape(y=64, x=64, classes=4)
    made["weak"] = weak_labels(made, share=0.3)
    return made


@pytest.fixture(scope="module")
def samples(cube):
    return extract_samples(cube, points(cube, per_class=8))


@pytest.fixture(scope="module")
def pretrained(samples):
    return pretrain(samples, config=PretrainConfig(epochs=1, sizes=SIZES))


def taken(classifier, init):
    """Names of weights that a training of no steps has from its beginning."""
    ours, theirs = classifier.weights, init.weights
    return {
        name
        for name, w in theirs.items()
        if name.endswith("weight") and torch.allclose(ours[name], w, atol=1e-6)
    }


def test_all_weights_but_heads_are_taken_with_the_scaling(samples, pretrained):
    classifier = fit(samples, config=STILL, init=pretrained)
    assert taken(classifier, pretrained) == {n for n in pretrained.weights if n.endswith("weight")}
    assert classifier.spec.scaling == pretrained.spec.scaling
    told = classifier.provenance["init"]
    assert told["content_hash"] == pretrained.content_hash
    assert told["taken"] == sum(w.is_floating_point() for w in pretrained.weights.values())
    assert told["new"] == ["heads.land_cover.bias", "heads.land_cover.weight"]


def test_classifier_gives_its_head_to_the_same_legend_only(samples):
    first = fit(samples, config=CONFIG)
    again = fit(samples, config=STILL, init=first)
    assert "heads.land_cover.weight" in taken(again, first)
    assert again.provenance["init"]["new"] == []
    other = samples.copy(deep=True)
    legend = Legend.from_names("other", ["a", "b", "c", "d"])
    other["land_cover"] = other["land_cover"].assign_attrs(legend.flags())
    new = fit(other, config=STILL, init=first)
    assert new.provenance["init"]["new"] == ["heads.land_cover.bias", "heads.land_cover.weight"]


def test_other_network_bands_or_dates_are_refused(cube, samples, pretrained):
    with pytest.raises(ModelError, match=r"init holds a network 'tempcnn', but 'ltae' is to be"):
        fit(samples, "ltae", init=pretrained)
    with pytest.raises(ModelError, match=r"init sees bands blue, green, .* samples have blue, gre"):
        fit(samples.isel(band=slice(0, 4)), config=CONFIG, init=pretrained)
    quarters = extract_samples(cube, points(cube, per_class=8), dates=RegularDates(freq="3MS"))
    with pytest.raises(ModelError, match=r"Draw the samples with dates=init\.spec"):
        fit(quarters, config=CONFIG, init=pretrained)


def test_other_sizes_are_told_or_refused(samples, pretrained):
    half = TrainConfig(epochs=1, sizes={"filters": 4, "dense": 16})
    with pytest.warns(UserWarning, match=r"tensors are taken from init; \d+ others than heads"):
        fit(samples, config=half, init=pretrained)
    none = TrainConfig(epochs=1, sizes={"filters": 5, "dense": 16})
    with pytest.raises(ModelError, match=r"no weight of init .* fits this network"):
        fit(samples, config=none, init=pretrained)


def test_same_init_and_seed_give_the_same_bits(samples, pretrained):
    first = fit(samples, config=CONFIG, init=pretrained)
    assert first.content_hash == fit(samples, config=CONFIG, init=pretrained).content_hash
    assert first.content_hash != fit(samples, config=CONFIG).content_hash


def test_warm_start_from_a_map_that_errs_helps_where_labels_are_few(cube):
    unseen = extract_samples(cube, points(cube, per_class=60, seed=9))
    weak = draw_weak_samples(cube, "weak", number=400)
    wrong = (weak["land_cover"].values != cube["reference"].sel(y=weak.y, x=weak.x).values).mean()
    assert wrong > 0.25
    warm = fit(weak, config=TrainConfig(epochs=4, sizes=SIZES))
    gains = []
    for seed in range(5):
        few = extract_samples(cube, points(cube, per_class=2, seed=seed))
        config = TrainConfig(epochs=10, seed=seed, sizes=SIZES)
        accuracies = []
        for init in (None, warm):
            told = fit(few, config=config, init=init).predict(unseen)["land_cover"]
            accuracies.append(float((told.values == unseen["land_cover"].values).mean()))
        gains.append(accuracies[1] - accuracies[0])
    assert np.mean(gains) > 0
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / len(gains) ** 0.5


def test_network_of_patches_is_warmed_up_by_dense_labels(cube):
    sizes = {"filters": (4, 8)}
    weak = draw_weak_samples(cube, "weak", number=12, patch=9)
    warm = fit(weak, "unet", config=TrainConfig(epochs=1, sizes=sizes))
    few = extract_samples(cube, points(cube, per_class=2), patch=9)
    classifier = fit(few, "unet", config=TrainConfig(epochs=1, sizes=sizes), init=warm)
    assert classifier.provenance["init"]["new"] == []
