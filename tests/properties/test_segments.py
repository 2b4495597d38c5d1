"""Laws of segments and of what is made with them: chunks do not show, in any bit."""

import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

import lulc_xr as lx
from lulc_xr.core.segmentation import Segmentation, segment_tiles
from lulc_xr.prediction.objects import aggregate_pixels
from lulc_xr.prediction.smoothing import smooth_logits
from lulc_xr.testing import landscape
from tests.predictors import LEGEND, Speckled

OUTPUTS = ("land_cover", "entropy", "probability")

pytest.importorskip("skimage")


@st.composite
def cubes(draw):
    """A cube with holes, in memory, and chunks of it."""
    y, x = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    seed = draw(st.integers(0, 1000))
    cube = landscape(y=y, x=x, time=12, bands=("red", "green", "nir"), classes=3, seed=seed)
    holes = np.random.default_rng(seed).random((y, x)) < draw(st.sampled_from([0, 0.1, 0.6, 1]))
    cube["clear"] = cube["clear"].where(~holes, 0).astype(np.uint8)
    chunks = {
        "time": draw(st.integers(4, 12)),
        "band": draw(st.integers(1, 3)),
        "y": max(draw(st.integers(1, y)), y // 4),
        "x": max(draw(st.integers(1, x)), x // 4),
    }
    return cube, chunks


cut = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["felzenszwalb", "slic"]),
        "size": st.integers(1, 30),
        "tile": st.integers(6, 40),
    }
)


@given(cubes(), cut, st.permutations(["time", "band", "y", "x"]))
@settings(max_examples=15)
def test_any_chunking_gives_the_same_segments(case, how, dims):
    cube, chunks = case
    expected = lx.segment(cube, **how).compute()
    found = lx.segment(cube.transpose(*dims).chunk(chunks), **how)
    np.testing.assert_array_equal(found.values, expected.values)
    # They are those of the plane in one piece.
    known = cube["reflectance"].where(cube["clear"] == 1).transpose("time", "band", "y", "x").values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels that were never clear
        image = np.nanmedian(known, axis=0)
    plan = Segmentation(**how)
    seen = np.isfinite(image).all(axis=0)
    whole = segment_tiles(plan.image(image), seen, plan)
    np.testing.assert_array_equal(expected.values[0], whole)


@given(cubes(), cut)
def test_segments_are_unique_connected_and_only_of_what_was_seen(case, how):
    from skimage.measure import label

    cube, _ = case
    ids = lx.segment(cube, **how).values[0]
    seen = (cube["clear"] == 1).any("time").values
    np.testing.assert_array_equal(ids >= 0, seen)
    known, first = np.unique(ids, return_index=True)
    # The id says where the segment begins, and as many are connected pieces as there are ids.
    np.testing.assert_array_equal(known[known >= 0], first[known >= 0])
    assert label(ids + 1, background=0, connectivity=2).max() == (known >= 0).sum()
    rows, columns = (np.arange(n) // how["tile"] for n in ids.shape)
    tile = np.add.outer(rows * 1000, columns)
    assert all(np.unique(tile[ids == k]).size == 1 for k in known[known >= 0])
    if how["method"] == "felzenszwalb" and seen.all():
        height, width = (n // how["tile"] * how["tile"] for n in ids.shape)
        sizes = np.unique(ids[:height, :width], return_counts=True)[1]
        assert sizes.min(initial=how["size"]) >= how["size"]


def by_hand(values, ids):
    """Means over segments, one after the other."""
    result = values.astype(np.float64)
    known = np.isfinite(values).all(axis=0)
    for k in np.unique(ids[ids >= 0]):
        own = (ids == k) & known
        if own.any():
            result[:, own] = values[:, own].mean(axis=1, dtype=np.float64)[:, None]
    return result


@given(cubes(), cut, st.sampled_from(["mean", "vote"]), st.booleans())
@settings(max_examples=15)
def test_any_chunking_gives_the_same_objects(case, how, aggregation, cropped):
    cube, chunks = case
    segments = lx.segment(cube, **how)
    maps = lx.classify(cube, Speckled(), outputs=OUTPUTS)
    other = lx.classify(cube.chunk(chunks), Speckled(), outputs=OUTPUTS, shard=chunks["y"] + 7)
    expected = lx.aggregate(maps, segments, how=aggregation).compute()
    found = lx.aggregate(other, lx.segment(cube.chunk(chunks), **how), how=aggregation)
    if cropped:  # A part has the objects that the whole has where no segment is cut.
        part = {"y": slice(cube.sizes["y"] // how["tile"] // 2 * how["tile"], None)}
        found = lx.aggregate(other.isel(part), segments.isel(part), how=aggregation)
        expected = expected.isel(part)
    for name in expected:
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)
    classes = maps["land_cover"].isel(year=0).values
    given_values = (
        maps["land_cover_probability"].values[0]
        if aggregation == "mean"
        else np.where(classes == 255, np.nan, classes == np.array(LEGEND.ids)[:, None, None])
    )
    if not cropped:
        np.testing.assert_allclose(
            expected["land_cover_probability"].values[0],
            by_hand(given_values, segments.values[0]),
            atol=1e-6,
        )
    np.testing.assert_array_equal(
        expected["land_cover"] == 255, maps["land_cover"].isel(part if cropped else {}) == 255
    )


@given(cubes(), st.sampled_from([1, 3, 5]), st.sampled_from([0.3, 0.5, 1.0]))
@settings(max_examples=15)
def test_any_chunking_is_smoothed_the_same(case, window, fraction):
    cube, chunks = case
    maps = lx.classify(cube, Speckled(), outputs=OUTPUTS).compute()
    expected = lx.smooth(maps, window=window, fraction=fraction).compute()
    lazy = maps.chunk({"y": chunks["y"], "x": chunks["x"]})
    found = lx.smooth(lazy, window=window, fraction=fraction).compute()
    for name in expected:
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)
    total = expected["land_cover_probability"].sum("class").where(expected["land_cover"] != 255)
    assert (np.abs(total - 1).max() < 1e-5) or total.isnull().all()
    np.testing.assert_array_equal(expected["land_cover"] == 255, maps["land_cover"] == 255)


@given(st.integers(0, 1000), st.sampled_from([3, 5]), st.floats(0.1, 1), st.floats(0.1, 50))
def test_smoothing_is_the_posterior_of_a_normal_prior(seed, window, fraction, noise):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(7, 9))
    logits[rng.random((7, 9)) < 0.2] = np.nan
    found = smooth_logits(logits, window=window, fraction=fraction, noise=noise)
    half = window // 2
    for y, x in np.ndindex(7, 9):
        if np.isnan(logits[y, x]):
            assert np.isnan(found[y, x])
            continue
        around = logits[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        known = np.sort(around[np.isfinite(around)])[::-1]
        best = known[: max(1, int(np.ceil(fraction * known.size)))]
        spread = best.var(ddof=1) if best.size > 1 else 0.0
        posterior = (spread * logits[y, x] + noise * best.mean()) / (spread + noise)
        assert found[y, x] == pytest.approx(posterior, abs=1e-9)


@given(st.integers(0, 1000), st.integers(1, 9))
def test_means_of_segments_keep_the_sum(seed, number):
    rng = np.random.default_rng(seed)
    values = rng.random((3, 6, 8))
    ids = rng.integers(-1, number, (6, 8))
    found = aggregate_pixels(values, ids)
    np.testing.assert_allclose(found.sum((1, 2)), values.sum((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found, by_hand(values, ids), rtol=1e-5)
    again = aggregate_pixels(found, ids)
    np.testing.assert_allclose(again, found, rtol=1e-6)


def test_segments_that_reach_anywhere_take_a_year_as_one_chunk():
    cube = landscape(y=30, x=40, time=12, bands=("red", "nir"), classes=3, seed=1)
    maps = lx.classify(cube.chunk({"y": 7, "x": 9}), Speckled(), outputs=OUTPUTS)
    parcels = xr.DataArray(
        np.broadcast_to(np.arange(40) // 13, (30, 40)), dims=("y", "x"),
        coords={"y": cube["y"], "x": cube["x"]},
    )  # fmt: skip
    found = lx.aggregate(maps, parcels, how="mean")
    expected = by_hand(maps["land_cover_probability"].values[0], parcels.values)
    np.testing.assert_allclose(found["land_cover_probability"].values[0], expected, atol=1e-6)
