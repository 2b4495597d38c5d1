"""Masks say yes, no or not known, lazily; thresholds only take away answers."""

import io

import dask
import hypothesis.strategies as st
import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from rich.console import Console

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.jobs.contents import describe_store
from tests.predictors import LEGEND


def raising(*_, **__):
    raise AssertionError("computed")


@st.composite
def drawn_maps(draw):
    """Maps of a few pixels with probabilities, entropy and pixels that are not mapped."""
    seed = draw(st.integers(0, 10_000))
    number = draw(st.integers(2, 5))
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(number, 0.5), (2, 4, 5)).transpose(0, 3, 1, 2)
    legend = Legend.from_names("drawn", [f"class_{i}" for i in range(number)])
    ids = p.argmax(axis=1).astype(np.uint8)
    unmapped = rng.random((2, 4, 5)) < 0.2
    entropy = -(p * np.log(np.maximum(p, 1e-30))).sum(axis=1)
    dims = ("year", "y", "x")
    maps = xr.Dataset(
        {
            "land_cover": (dims, np.where(unmapped, 255, ids).astype(np.uint8), legend.flags()),
            "land_cover_entropy": (dims, np.where(unmapped, np.nan, entropy)),
            "land_cover_probability": (
                ("year", "class", "y", "x"),
                np.where(unmapped[:, None], np.nan, p).astype(np.float32),
            ),
        },
        coords={"class": list(legend.names), "year": [2018, 2021]},
    )
    return maps, legend


def three(found, name="mask"):
    """Yes, no, not known."""
    yes, known = found[name].values, found[f"{name}_known"].values
    return yes, known & ~yes, ~known


@given(
    drawn_maps(),
    st.sets(st.integers(0, 4), min_size=1),
    st.none() | st.floats(0.01, 1),
    st.none() | st.floats(0, 2),
)
def test_every_pixel_has_one_answer_and_thresholds_only_take_away(drawn, chosen, least, most):
    maps, legend = drawn
    chosen = [i for i in chosen if i in legend.ids] or [0]
    free = three(lx.mask(maps, chosen))
    bound = three(lx.mask(maps, chosen, min_probability=least, max_entropy=most))
    for answers in (free, bound):
        np.testing.assert_array_equal(sum(a.astype(int) for a in answers), 1)
    yes, no, _ = free
    np.testing.assert_array_equal(yes, np.isin(maps["land_cover"], chosen))
    np.testing.assert_array_equal(yes | no, maps["land_cover"] != 255)
    assert not (bound[0] & ~yes).any()
    assert not (bound[1] & ~no).any()


@given(drawn_maps(), st.floats(0.01, 1), st.floats(0, 1.7))
def test_of_what_is_said_the_opposite_is_said_of_all_other_classes(drawn, least, most):
    maps, legend = drawn
    thresholds = {"min_probability": least, "max_entropy": most}
    yes, no, unknown = three(lx.mask(maps, legend.ids[:1], **thresholds))
    other = three(lx.mask(maps, legend.ids[1:], **thresholds))
    # Sums in another order may differ in the last bit, which the tolerance of 1e-6 hides.
    for here, there in ((yes, other[1]), (no, other[0]), (unknown, other[2])):
        np.testing.assert_array_equal(here, there)


@given(drawn_maps())
def test_all_classes_together_are_what_is_mapped(drawn):
    maps, legend = drawn
    yes, no, unknown = three(lx.mask(maps, legend.names))
    np.testing.assert_array_equal(yes, maps["land_cover"] != 255)
    assert not no.any()
    np.testing.assert_array_equal(unknown, maps["land_cover"] == 255)


def test_thresholds_mean_what_they_say():
    legend = Legend.from_names("demo", ["cropland", "grassland", "water"])
    p = np.array([[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.05, 0.15, 0.8]], np.float32)
    maps = xr.Dataset(
        {
            "land_cover": (("y", "x"), p.argmax(axis=1).astype(np.uint8)[None], legend.flags()),
            "land_cover_probability": (("class", "y", "x"), p.T[:, None]),
        }
    )
    one = lx.mask(maps, "cropland", min_probability=0.7)
    assert [a[0].tolist() for a in three(one)] == [
        [True, False, False, False],
        [False, False, True, True],
        [False, True, False, False],
    ]
    # Two classes count as one: 0.9 of the second pixel. Of the third 0.6 says yes, the map no.
    both = lx.mask(maps, ["cropland", "grassland"], min_probability=0.7)
    assert [a[0].tolist() for a in three(both)] == [
        [True, True, False, False],
        [False, False, False, True],
        [False, False, True, False],
    ]
    equal = lx.mask(maps, "cropland", min_probability=0.8)
    assert equal["mask"].values.tolist() == [[True, False, False, False]]


def test_a_mask_of_a_store_is_lazy_and_comes_back_from_zarr_as_it_was(mapped, tmp_path):
    maps = lx.open_cube(mapped)
    # The model sees woodland everywhere; the true classes give a mask of all three answers.
    ids = np.array(LEGEND.ids, np.uint8)[maps["reference"].values][None]
    chunked = xr.DataArray(ids, dims=("year", "y", "x")).chunk(maps["land_cover"].chunksizes)
    maps["land_cover"] = maps["land_cover"].copy(data=chunked.data)
    with dask.config.set(scheduler=raising):
        found = maps.lulc.mask("cropland", min_probability=0.35, max_entropy=0.8, name="farmland")
    assert found["farmland"].dtype == found["farmland_known"].dtype == bool
    assert found["farmland"].chunks == maps["land_cover"].chunks
    for var in found.data_vars.values():
        assert "flag_colors" not in var.attrs
        assert "_FillValue" not in var.attrs | var.encoding
        assert var.attrs["model_hash"] == maps["land_cover"].attrs["model_hash"]
        assert var.attrs["history"].startswith("lulc_xr.classify; lulc_xr.mask(")
        assert var.attrs["masked_classes"] == "cropland"
        assert var.attrs["min_probability"] == 0.35
    found.to_zarr(tmp_path / "mask.zarr", zarr_format=3, consolidated=False)
    back = xr.open_zarr(tmp_path / "mask.zarr", consolidated=False, decode_coords="all")
    assert back["farmland"].dtype == bool
    xr.testing.assert_equal(back.load(), found.load())
    assert all(a.any() for a in three(found, "farmland"))
    assert "spatial_ref" in back.coords
    found.to_netcdf(tmp_path / "mask.nc")
    with xr.open_dataset(tmp_path / "mask.nc", decode_coords="all") as file:
        xr.testing.assert_equal(file.load(), found.load())
    with netCDF4.Dataset(tmp_path / "mask.nc") as file:
        assert file["farmland"].dtype == file["farmland"].flag_values.dtype == np.int8


def test_a_mask_can_be_written_beside_its_map(mapped):
    maps = lx.open_cube(mapped)
    found = maps.lulc.mask("woodland", name="wood")
    assert lx.write_variables(found, mapped, progress=False).written > 0
    assert lx.write_variables(found, mapped, progress=False).written == 0
    back = lx.open_cube(mapped)
    np.testing.assert_array_equal(back["wood"], np.isin(maps["land_cover"], [3]))
    np.testing.assert_array_equal(back["wood_known"], maps["land_cover"] != 255)
    assert back["wood"].dtype == bool
    assert lx.verify(mapped).ok


def test_a_store_with_masks_is_told_and_its_class_maps_stay_the_only_ones(mapped):
    maps = lx.open_cube(mapped)
    lx.write_variables(maps.lulc.mask("woodland"), mapped, progress=False)
    told = Console(width=200, record=True, file=io.StringIO())
    told.print(describe_store(mapped))
    assert "mask_known" in told.export_text()
    both = lx.open_cube(mapped)
    assert "mask" in both
    segments = xr.zeros_like(both["land_cover"], np.int32).drop_attrs()
    assert set(both.lulc.aggregate(segments + 1)) == set(maps.lulc.aggregate(segments + 1))
    with pytest.raises(CubeError, match=r"unknown class map 'land'. Known, nearest first: land_co"):
        both.lulc.mask("woodland", task="land")


def test_stored_numbers_give_the_same_mask(mapped):
    thresholds = {"min_probability": 0.5, "max_entropy": 1.0}
    found = lx.mask(lx.open_cube(mapped), "water", **thresholds)
    xr.testing.assert_equal(found, lx.mask(lx.open_cube(mapped, raw=True), "water", **thresholds))
    plain = xr.open_zarr(mapped, consolidated=False, decode_coords="all")
    assert plain["land_cover"].dtype.kind == "f"
    xr.testing.assert_equal(found.load(), lx.mask(plain, "water", **thresholds).load())


def test_where_keeps_only_what_is_yes(mapped):
    maps = lx.open_cube(mapped)
    found = maps.lulc.mask(["cropland", "water"])
    kept = maps["land_cover_entropy"].where(found.mask)
    np.testing.assert_array_equal(kept.notnull(), np.isin(maps["land_cover"], [1, 7]))


def test_years_apart_are_parts_of_years_together(mapped):
    maps = lx.open_cube(mapped)
    alone = maps.isel(year=0)
    found = lx.mask(maps, 3, min_probability=0.4)
    xr.testing.assert_equal(lx.mask(alone, 3, min_probability=0.4), found.isel(year=0))


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"classes": "cropland", "task": "land_use"}, CubeError, "unknown class map 'land_use'"),
        ({"classes": "crops"}, LegendError, "Known, nearest first: cropland"),
        ({"classes": 1, "min_probability": 80}, CubeError, "min_probability=80 is not above 0"),
        ({"classes": 1, "max_entropy": -1}, CubeError, "from 0 (certain) to 1.099 for these 3"),
        (
            {"classes": 1, "max_entropy": 1.0},
            CubeError,
            "needs. Ask for it: classify(cube, model, outputs=('land_cover', 'entropy'))",
        ),
        ({"classes": 1, "min_probability": 0.5}, CubeError, "has 2 along 'class'"),
    ],
)
def test_bad_input_is_said(settings, error, said):
    ids = np.zeros((2, 2), np.uint8) + np.uint8(1)
    maps = xr.Dataset(
        {
            "land_cover": (("y", "x"), ids, LEGEND.flags()),
            "land_cover_probability": (("class", "y", "x"), np.ones((2, 2, 2), np.float32)),
        }
    )
    with pytest.raises(error) as caught:
        lx.mask(maps, **settings)
    assert said in str(caught.value)


def test_ids_outside_the_legend_are_refused_when_computed():
    ids = xr.DataArray(np.array([[1, 2]], np.uint8), dims=("y", "x"), attrs=LEGEND.flags())
    found = lx.mask(xr.Dataset({"land_cover": ids.chunk()}), "water")
    with pytest.raises(LegendError, match="labels outside legend 'three': 2"):
        found.compute()
