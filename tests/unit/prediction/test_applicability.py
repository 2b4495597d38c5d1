"""Dissimilarity of a cube: lazy, the same in any chunks, and that of the samples."""

import dask
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx

OUTPUTS = ("land_cover", "dissimilarity", "applicable")


def refuse(*_, **__):
    raise AssertionError("something was computed")


@pytest.fixture(scope="module")
def world():
    cube = lx.testing.landscape(y=60, x=50)
    points = lx.testing.points(cube, per_class=25)
    samples = lx.make_folds(lx.extract_samples(cube, points), block=160, folds=3)
    model = lx.fit(samples, config=lx.TrainConfig(epochs=2))
    return cube, samples, lx.fit_applicability(model, samples)


def test_it_is_lazy_and_described(world):
    cube, _, model = world
    with dask.config.set(scheduler=refuse):
        maps = lx.classify(cube.chunk(y=16, x=16), model, outputs=OUTPUTS)
    assert maps["dissimilarity"].dims == ("year", "y", "x")
    assert maps["dissimilarity"].dtype == np.float32
    assert maps["applicable"].attrs["flag_meanings"] == "outside inside"


def test_chunks_do_not_change_a_bit(world):
    cube, _, model = world
    maps = [
        lx.classify(cube.chunk(y=y, x=x), model, outputs=("dissimilarity", "applicable")).compute()
        for y, x in ((60, 50), (7, 50), (16, 13))
    ]
    for other in maps[1:]:
        xr.testing.assert_identical(maps[0], other)
    found, inside = maps[0]["dissimilarity"], maps[0]["applicable"]
    threshold = np.float32(model.applicability.threshold)
    np.testing.assert_array_equal(inside.values == 1, found.values <= threshold)


def test_pixels_of_samples_are_at_no_distance(world):
    cube, samples, model = world
    maps = lx.classify(cube, model, outputs=("dissimilarity",))["dissimilarity"].isel(year=0)
    here = maps.sel(y=samples["y"], x=samples["x"], method="nearest").values
    # Series of a block and of a sample are composites of one pixel each.
    np.testing.assert_allclose(here, 0, atol=1e-4)
    table = lx.applicability_of(model, samples)
    np.testing.assert_array_equal(model.predict(samples)["dissimilarity"], table["dissimilarity"])
    assert float(maps.max()) > 0.1


def test_a_part_that_nobody_trained_on_is_outside(world):
    cube, _, model = world
    strange = cube.copy()
    bright = cube["reflectance"].copy(deep=True)
    bright[..., :20, :] = bright[..., :20, :] * 3
    maps = lx.classify(strange.assign(reflectance=bright), model, outputs=("applicable",))
    inside = maps["applicable"].isel(year=0)
    assert (inside[:20] == 1).mean() < 0.05
    plain = lx.classify(cube, model, outputs=("applicable",))["applicable"].isel(year=0)
    np.testing.assert_array_equal(inside[20:], plain[20:])
