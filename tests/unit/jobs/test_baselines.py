"""Baselines: they learn, follow their seed, take context, and say what they do not take."""

import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.errors import ExperimentError
from lulc_xr.jobs.baselines import fit_baseline, make_baseline
from lulc_xr.jobs.experiment import BASELINES
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import landscape, points

FEW = {"n_estimators": 20}


@pytest.fixture(scope="module")
def samples():
    cube = landscape(y=48, x=48, time=12, bands=("red", "nir"), classes=3, seed=2)
    return extract_samples(cube, points(cube, per_class=20))


def halves(samples):
    return samples.isel(sample=slice(0, None, 2)), samples.isel(sample=slice(1, None, 2))


def predict(name, samples, **settings):
    learnt, test = halves(samples)
    sizes = {} if name == "logistic" else FEW
    given = {"task": "land_cover", "context": (), "seed": 0, "sizes": sizes, **settings}
    return fit_baseline(name, learnt, test, **given), test["land_cover"].values


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_learns_and_follows_its_seed(name, samples):
    found, truth = predict(name, samples)
    assert (found == truth).mean() > 0.6
    assert (found == predict(name, samples)[0]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_gaps_are_no_obstacle(name, samples):
    gappy = samples.copy(deep=True)
    gappy["reflectance"][::3, 4:6] = np.nan
    found, truth = predict(name, gappy)
    assert (found == truth).mean() > 0.5


def test_samples_without_label_are_left_out(samples):
    some = samples.copy(deep=True)
    some["land_cover"][::4] = 255
    found, _ = predict("extra_trees", some)
    assert 255 not in found


def test_context_becomes_columns(samples):
    # Nothing but the context tells the classes apart.
    blind = samples.copy(deep=True)
    blind["reflectance"][:] = 0.1
    blind["bioclim"] = (("sample", "bioclim_variable"), blind["land_cover"].values[:, None] * 1.0)
    blind = blind.assign_coords(bioclim_variable=["bio01"])
    without, truth = predict("random_forest", blind)
    with_context, _ = predict("random_forest", blind, context=("bio01",))
    assert (with_context == truth).all()
    assert (without == truth).mean() < 0.6


def test_the_pixel_in_the_middle_of_a_patch_is_taken(samples):
    patches = samples.assign(
        reflectance=samples["reflectance"]
        .expand_dims({"patch_y": 3, "patch_x": 3}, axis=(3, 4))
        .copy()
    )
    around = xr.ones_like(patches["reflectance"]).astype(bool)
    around[..., 1, 1] = False
    patches["reflectance"] = patches["reflectance"].where(~around, 0.0)
    assert (predict("extra_trees", patches)[0] == predict("extra_trees", samples)[0]).all()


def test_an_argument_that_an_estimator_does_not_know():
    with pytest.raises(ExperimentError, match=r"random_forest does not take these sizes: .*trees"):
        make_baseline("random_forest", seed=0, sizes={"trees": 5})


def test_one_class_is_not_enough(samples):
    one = samples.copy(deep=True)
    one["land_cover"][:] = one["land_cover"].values[0]
    with pytest.raises(ExperimentError, match="30 labels of 'land_cover' in 1 class"):
        predict("extra_trees", one)
