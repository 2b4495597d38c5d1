"""What is worked out before training: split, checks, scaling, class weights."""

import numpy as np
import pytest
import torch
import xarray as xr

from lulc_xr.core.errors import SampleError
from lulc_xr.core.model import ModelSpec
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import landscape, points
from lulc_xr.training.prepare import (
    check_gaps,
    check_samples,
    count_classes,
    split_fold,
    weigh_classes,
    with_scaling,
)


@pytest.fixture(scope="module")
def drawn():
    cube = landscape(y=48, x=48, classes=4)
    return extract_samples(cube, points(cube, per_class=6))


@pytest.fixture
def samples(drawn):
    return drawn.copy(deep=True)


def test_fold_is_split_off_and_unused_samples_stay_out(samples):
    samples["fold"] = ("sample", np.arange(24) % 3 - 1)
    training, validation = split_fold(samples, validation_fold=1)
    assert set(training["fold"].values) == {0}
    assert set(validation["fold"].values) == {1}
    assert split_fold(samples, validation_fold=None) == (samples, None)


@pytest.mark.parametrize("fold", [5, -1])
def test_fold_that_is_not_there_is_refused(samples, fold):
    samples["fold"] = ("sample", np.arange(24) % 3 - 1)
    with pytest.raises(SampleError, match=rf"validation_fold {fold} holds .*the folds are 0, 1"):
        split_fold(samples, validation_fold=fold)


def test_samples_without_folds_are_refused(samples):
    with pytest.raises(SampleError, match=r"samples without folds.*make_folds"):
        split_fold(samples, validation_fold=0)


def test_class_without_samples_is_named(samples):
    spec = ModelSpec.from_samples(samples)
    water = samples.isel(sample=samples["land_cover"].values != 1)
    name = spec.legends["land_cover"].names[1]
    with pytest.raises(SampleError, match=rf"no training sample .* {name}.*allow_missing_classes"):
        check_samples(water, spec, allow_missing_classes=False)
    check_samples(water, spec, allow_missing_classes=True)
    assert count_classes(water["land_cover"], spec.legends["land_cover"])[name] == 0


def test_samples_without_labels_or_dates_are_refused(samples):
    spec = ModelSpec.from_samples(samples)
    unlabelled = samples.copy()
    unlabelled["land_cover"] = samples["land_cover"].copy(data=np.full(24, 255, np.uint8))
    with pytest.raises(SampleError, match="none of 24 training samples has a label of land_cover"):
        check_samples(unlabelled, spec, allow_missing_classes=True)
    with pytest.raises(SampleError, match=r"1 samples to train on"):
        check_samples(samples.isel(sample=[0]), spec, allow_missing_classes=True)
    samples["reflectance"][2] = np.nan
    with pytest.raises(SampleError, match=r"1 of 24 samples have no clear date"):
        check_samples(samples, spec, allow_missing_classes=False)


def test_gaps_are_refused_for_networks_without_gaps(samples):
    check_gaps(samples, network="tempcnn")
    samples["reflectance"][3, 2] = np.nan
    with pytest.raises(SampleError, match=r"1 of 24 samples have dates.*'tempcnn' needs"):
        check_gaps(samples, network="tempcnn")


def test_scaling_makes_bands_standard(samples):
    samples["reflectance"][3, 2] = np.nan
    scaling = with_scaling(ModelSpec.from_samples(samples), samples).scaling
    scaled = (samples["reflectance"] - np.array(scaling.mean)) / np.array(scaling.std)
    np.testing.assert_allclose(scaled.mean(("sample", "time")), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(("sample", "time")), 1, atol=1e-4)


def test_constant_band_is_refused(samples):
    samples["reflectance"][..., 0] = 0.1
    with pytest.raises(SampleError, match=r"band blue is the same in all samples"):
        with_scaling(ModelSpec.from_samples(samples), samples)


def test_balanced_weights_give_every_class_the_same_sum(samples):
    spec = ModelSpec.from_samples(samples)
    uneven = samples.isel(sample=list(range(6)) + list(range(6, 24, 3)))
    uneven["weight"] = ("sample", np.linspace(0.5, 2, uneven.sizes["sample"]))
    weights = weigh_classes(uneven, spec, rule="balanced")["land_cover"]
    index = spec.legends["land_cover"].index_of(uneven["land_cover"].values)
    each = weights.numpy()[index] * uneven["weight"].values
    sums = xr.DataArray(each, dims="sample").groupby(xr.DataArray(index, dims="sample")).sum()
    np.testing.assert_allclose(sums, sums[0], rtol=1e-5)
    np.testing.assert_allclose(each.sum(), uneven["weight"].sum(), rtol=1e-5)
    assert torch.equal(weigh_classes(uneven, spec, rule=None)["land_cover"], torch.ones(4))
