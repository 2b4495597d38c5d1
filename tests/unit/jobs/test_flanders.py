"""The recipe of flanders.zarr keeps the contract; its numbers are those of the raw files."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.cube import check_cube
from lulc_xr.core.errors import StoreError
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import open_cube, write_cube

RECIPE = Path(__file__).parents[3] / "zarr_stores" / "flanders.py"
RAW = RECIPE.parent / "raw"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("flanders", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cube(recipe):
    return recipe.make_cube(RAW)


@pytest.fixture(scope="module")
def raw(recipe):
    def read(kind):
        (path,) = (RAW / recipe.PATCH).glob(f"{kind}_*.nc")
        with xr.open_dataset(path, mask_and_scale=False) as data:
            return data.load()

    return read


def test_cube_keeps_the_contract(recipe, cube):
    check_cube(cube, bands=list(recipe.BANDS.values()))
    assert dict(cube.sizes) == {"time": 78, "band": 10, "y": 64, "x": 64}
    assert cube["reflectance"].dtype == np.float32
    assert cube["clear"].dtype == cube["reference"].dtype == np.uint8
    assert cube.attrs["history"].startswith("118 dates, 118 days, 78 of them")
    assert cube["clear"].any(("y", "x")).all()


def test_dates_left_out_are_those_without_a_clear_pixel(cube, raw):
    scene = raw("S2_L2A_20m")["SCL"]
    clear = scene.isin([4, 5, 6, 7, 11]).any(("y", "x"))
    assert scene.sizes["timestamp"] == 118
    assert cube["time"].values.tolist() == scene["timestamp"].values[clear.values].tolist()


def test_values_are_those_measured(cube, raw):
    fine, coarse = (raw(f"S2_L2A_{m}m").sel(timestamp=cube["time"].values) for m in (10, 20))
    nir = cube["reflectance"].sel(band="nir")
    np.testing.assert_allclose(nir, fine["B08"] / 1e4, rtol=1e-6)
    swir = cube["reflectance"].sel(band="swir22").values
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        np.testing.assert_allclose(swir[:, i::2, j::2], coarse["B12"] / 1e4, rtol=1e-6)
        clear = cube["clear"].values[:, i::2, j::2]
        assert (clear == coarse["SCL"].isin([4, 5, 6, 7, 11])).all()


def test_reference_is_the_declared_land_cover(recipe, cube):
    ids, counts = np.unique(recipe.make_reference(RAW), return_counts=True)
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {
        11: 1401, 13: 835, 60: 107, 99: 1753,
    }  # fmt: skip
    legend = Legend.from_flags(cube["reference"].attrs)
    assert legend.ids == (11, 13, 60, 99)
    assert legend.names == ("temporary_crops", "grassland", "built_up", "other")


def test_dates_of_one_day_are_merged(recipe):
    times = np.array(["2018-05-01T10:30", "2018-05-01T10:31", "2018-05-02T10:30"], "M8[ns]")
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32).reshape(3, 1, 1, 2)
    clear = np.array([[0, 1], [1, 1], [0, 0]], np.uint8).reshape(3, 1, 2)
    dims = ("time", "band", "y", "x")
    given = xr.Dataset(
        {"reflectance": (dims, values), "clear": (("time", "y", "x"), clear)}, {"time": times}
    )
    merged = recipe._merge_days(given)
    assert merged["time"].values.tolist() == times[[0, 2]].tolist()
    # The first clear value of each pixel counts.
    assert merged["reflectance"].transpose(*dims).values.ravel().tolist() == [3, 2, 5, 6]
    assert merged["clear"].values.ravel().tolist() == [1, 1, 0, 0]


def test_store_gives_back_what_the_recipe_made(recipe, cube, tmp_path):
    plan = ChunkPlan(chunks={"y": 32, "x": 32}, shards={"y": 32, "x": 32})
    assert plan == recipe.PLAN
    stored = open_cube(write_cube(cube, tmp_path / "flanders.zarr", plan=plan))
    assert (stored["reference"] == cube["reference"]).all()
    assert (stored["clear"] == cube["clear"]).all()
    step = np.abs(stored["reflectance"] - cube["reflectance"]).max()
    assert float(step) <= 1e-6
    assert stored.attrs["proj:code"] == "EPSG:32631"


def test_missing_raw_file_says_where_to_get_it(recipe, tmp_path):
    with pytest.raises(StoreError, match="It comes with the repository of lulc_xr"):
        recipe.make_cube(tmp_path)


def test_crop_types_lie_where_parcels_are(recipe, cube, raw):
    crops = recipe.make_crop_type(RAW)
    legend = Legend.from_flags(crops.attrs)
    assert legend.names == ("maize", "grass", "other_crops")
    ids, counts = np.unique(crops, return_counts=True)
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {
        1: 1249, 2: 835, 3: 31 + 25 + 96, 255: 1860,
    }  # fmt: skip
    np.testing.assert_array_equal(crops == 255, raw("OUTPUT_POLY-110_10m")["CT"] == 0)
    np.testing.assert_array_equal(crops == 2, cube["reference"] == 13)
