"""Aggregation and smoothing of maps: lazy, attributes written anew, clear errors."""

import dask
import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from tests.predictors import LEGEND, Speckled

OUTPUTS = ("land_cover", "entropy", "probability")

pytest.importorskip("skimage")


def raising(*_, **__):
    raise AssertionError("something was computed")


@pytest.fixture(scope="module")
def segments(cube):
    return lx.segment(cube, tile=16, size=6).compute()


@pytest.fixture(scope="module")
def maps(cube):
    return lx.classify(cube, Speckled(), outputs=OUTPUTS).compute()


def made(how, maps, segments):
    return lx.smooth(maps, window=3) if how == "smooth" else lx.aggregate(maps, segments, how=how)


@pytest.mark.parametrize("how", ["vote", "mean", "smooth"])
def test_nothing_is_computed(cube, maps, segments, how):
    lazy = lx.classify(cube.chunk({"x": 20}), Speckled(), outputs=OUTPUTS)
    with dask.config.set(scheduler=raising):
        for given in (maps, lazy):
            found = made(how, given, segments)
            with pytest.raises(AssertionError, match="something was computed"):
                found.compute()
        assert made(how, lazy, segments)["land_cover"].data.name == found["land_cover"].data.name


@pytest.mark.parametrize("how", ["vote", "mean", "smooth"])
def test_maps_keep_the_contract(maps, segments, how):
    found = made(how, maps, segments)
    classes, entropy = found["land_cover"], found["land_cover_entropy"]
    assert list(found) == ["land_cover", "land_cover_entropy", "land_cover_probability"]
    assert found["land_cover_probability"].dims == ("year", "class", "y", "x")
    assert (classes.dtype, entropy.dtype) == (np.uint8, np.float32)
    assert lx.Legend.from_flags(classes.attrs).ids == LEGEND.ids
    assert classes.attrs["ancillary_variables"] == "land_cover_entropy land_cover_probability"
    assert classes.encoding["_FillValue"] == 255
    assert classes.attrs["model_hash"] == maps["land_cover"].attrs["model_hash"]
    assert classes.attrs["history"].startswith("lulc_xr.classify; lulc_xr.")
    computed = found.compute()
    unseen = maps["land_cover"] == 255
    assert unseen.any()
    np.testing.assert_array_equal(computed["land_cover"] == 255, unseen)
    np.testing.assert_array_equal(computed["land_cover_entropy"].isnull(), unseen)
    highest = float(computed["land_cover_entropy"].max())
    assert 0 < highest <= np.log(len(LEGEND))


def test_a_segment_has_one_class(maps, segments):
    for how in ("vote", "mean"):
        found = lx.aggregate(maps, segments, how=how)["land_cover"].values
        for k in np.unique(segments.values[segments.values >= 0]):
            own = found[segments.values == k]
            assert np.unique(own[own != 255]).size <= 1
    before = lx.fragmentation(maps["land_cover"]).compute()
    after = lx.fragmentation(lx.aggregate(maps, segments)["land_cover"]).compute()
    assert (after["patch_density"] < before["patch_density"]).all()


def test_a_vote_needs_no_probabilities(cube, maps, segments):
    alone = maps[["land_cover"]]
    found = lx.aggregate(alone, segments, how="vote")
    np.testing.assert_array_equal(
        found["land_cover"].values, lx.aggregate(maps, segments, how="vote")["land_cover"].values
    )
    for wanting in (lambda: lx.aggregate(alone, segments), lambda: lx.smooth(alone)):
        with pytest.raises(CubeError, match=r"no variable 'land_cover_probability'.*outputs="):
            wanting()


def test_maps_are_written(maps, segments, store):
    found = lx.aggregate(maps, segments)
    lx.write_variables(found, store, progress=False)
    kept = lx.open_cube(store)
    np.testing.assert_array_equal(kept["land_cover"].values, found["land_cover"].values)
    np.testing.assert_allclose(
        kept["land_cover_probability"], found["land_cover_probability"], atol=0.0021
    )


def test_what_cannot_be_aggregated_is_refused(maps, segments):
    with pytest.raises(CubeError, match=r"unknown aggregation 'median'.*mean"):
        lx.aggregate(maps, segments, how="median")
    with pytest.raises(CubeError, match=r"'y' of the segments \(30 values\) is not that of the"):
        lx.aggregate(maps, segments.isel(y=slice(30)))
    with pytest.raises(CubeError, match="no segments of the years 2018"):
        lx.aggregate(maps, segments.assign_coords(year=[2019]))
    with pytest.raises(CubeError, match=r"segments of type float32.*expected integer ids"):
        lx.aggregate(maps, segments.astype(np.float32))
    with pytest.raises(CubeError, match=r"no class map .* with CF flags among"):
        lx.aggregate(maps[["land_cover_probability"]], segments)
    with pytest.raises(CubeError, match="unknown task 'land_use'"):
        lx.aggregate(maps, segments, tasks=["land_use"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 4}, "window of 4 pixels; give an odd number"),
        ({"fraction": 0}, "fraction 0 of the neighbours"),
        ({"smoothness": 0}, "smoothness 0; give a variance > 0"),
        ({"smoothness": {"water": 20}}, "leaves out class cropland, woodland of 'land_cover'"),
    ],
)
def test_what_cannot_be_smoothed_is_refused(maps, settings, message):
    with pytest.raises(CubeError, match=message):
        lx.smooth(maps, **settings)


def test_smoothness_of_each_class(maps):
    same = lx.smooth(maps, window=3, smoothness=dict.fromkeys(LEGEND.names, 20.0))
    expected = lx.smooth(maps, window=3, smoothness=20.0)
    assert same["land_cover_probability"].equals(expected["land_cover_probability"])
    # A noise of nothing leaves what was seen, but for a neighbourhood without any spread.
    kept = lx.smooth(maps, window=3, fraction=1, smoothness=1e-9)["land_cover_probability"]
    p = maps["land_cover_probability"]
    np.testing.assert_allclose(kept, p, atol=2e-3)
