"""Features of pre-trained networks, and simple classifiers on them."""

import numpy as np
import pytest
import torch

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import landscape, points
from lulc_xr.training.pretrain import pretrain
from lulc_xr.training.pretrain_config import PretrainConfig
from lulc_xr.training.probe import encode_samples, linear_probe

SIZES = {"filters": 4, "dense": 8}


@pytest.fixture(scope="module")
def cube():
    return landscape(y=48, x=48, classes=4)


@pytest.fixture(scope="module")
def samples(cube):
    made = extract_samples(cube, points(cube, per_class=12))
    return made.assign(fold=("sample", np.arange(48) % 3))


@pytest.fixture(scope="module")
def pretrained(samples):
    return pretrain(samples, config=PretrainConfig(epochs=8, batch_size=8, sizes=SIZES))


def test_features_are_those_of_the_network(samples, pretrained):
    features = encode_samples(pretrained, samples)
    assert features.dims == ("sample", "feature")
    series = (samples["reflectance"] - np.array(pretrained.spec.scaling.mean)) / np.array(
        pretrained.spec.scaling.std
    )
    expected = pretrained.network.features(torch.tensor(series.values.astype(np.float32)))
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_patches_give_the_features_of_their_middle_or_one_vector(cube):
    patches = extract_samples(cube, points(cube, per_class=3), patch=9)
    unet = pretrain(
        patches, "unet", config=PretrainConfig(epochs=1, batch_size=6, sizes={"filters": (4, 8)})
    )
    assert encode_samples(unet, patches).shape == (12, 4)
    config = PretrainConfig(epochs=1, batch_size=6, sizes={"widths": (4, 8), "blocks": 1})
    auto = pretrain(patches, "patch_autoencoder", objective="autoencoder", config=config)
    found = encode_samples(auto, patches)
    assert found.shape == (12, 8)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("probe", ["logistic", "svm"])
def test_every_fold_is_scored_by_the_others(samples, pretrained, probe):
    table = linear_probe(pretrained, samples, probe=probe)
    assert table["fold"].tolist() == [0, 1, 2]
    assert (table["training"] + table["test"] == 48).all()
    assert table["overall_accuracy"].mean() > 0.5  # 0.25 by chance


def test_probe_does_not_see_the_test_fold(samples, pretrained):
    other = samples.copy(deep=True)
    inside = other["fold"].values == 0
    other["land_cover"][inside] = other["land_cover"].values[inside][::-1]
    first, second = linear_probe(pretrained, samples), linear_probe(pretrained, other)
    # Labels of fold 0 change what the other folds learn from, not how fold 0 is told.
    assert first["training"].equals(second["training"])
    shuffled = float(second["overall_accuracy"][0])
    assert shuffled < float(first["overall_accuracy"][0])


def test_what_cannot_be_probed_is_refused(samples, pretrained):
    with pytest.raises(SampleError, match="labelled samples in two folds or more"):
        linear_probe(pretrained, samples.drop_vars("fold"))
    with pytest.raises(SampleError, match="unknown task 'crop'"):
        linear_probe(pretrained, samples, task="crop")
    with pytest.raises(ModelError, match="unknown probe 'tree'"):
        linear_probe(pretrained, samples, probe="tree")
    with pytest.raises(ModelError, match="for a network that sees blue, green"):
        encode_samples(pretrained, samples.isel(band=slice(0, 3)))
