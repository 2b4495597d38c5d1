"""The recipes of the second chip of Flanders and of Slovenia: values are those of the raw files."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.cube import check_cube
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.jobs.recipe_files import load_script

RECIPES = Path(__file__).parents[3] / "zarr_stores"
POLDER = load_script(RECIPES / "flanders_polder.py")
SLOVENIA = load_script(RECIPES / "slovenia.py")


@pytest.fixture(scope="module")
def polder():
    return POLDER.make_cube(RECIPES / "raw")


@pytest.fixture(scope="module")
def raw():
    (path,) = (RECIPES / "raw" / POLDER.PATCH).glob("S2_L2A_20m_*.nc")
    with xr.open_dataset(path, mask_and_scale=False) as data:
        return data.load()


@pytest.fixture(scope="module")
def patch(shared_data):
    return shared_data / "slovenia_eopatch"


@pytest.fixture(scope="module")
def slovenia(patch):
    return SLOVENIA.make_cube(patch)


def test_polder_keeps_the_contract_and_says_what_is_missing(polder):
    check_cube(polder, bands=list(POLDER.BANDS.values()))
    assert {d: polder.sizes[d] for d in ("band", "y", "x")} == {"band": 6, "y": 32, "x": 32}
    assert polder.attrs["missing_bands"] == ["blue", "green", "red", "nir"]
    assert "missing upstream: the bands of 10 m (blue, green, red, nir)" in polder.attrs["history"]
    assert not set(polder.attrs["missing_bands"]) & set(polder["band"].values.tolist())


def test_polder_has_one_date_a_day(polder, raw):
    days = polder["time"].values.astype("datetime64[D]")
    assert len(set(days.tolist())) == days.size
    clear = raw["SCL"].isin(POLDER.CLEAR).any(("y", "x")).values
    assert set(days) == set(raw["timestamp"].values[clear].astype("datetime64[D]"))


def test_polder_holds_values_of_the_day_and_place(polder, raw):
    day = raw["timestamp"].values.astype("datetime64[D]")
    for time in polder["time"].values:
        same = raw.isel(timestamp=day == time.astype("datetime64[D]"))
        got = polder.sel(time=time).transpose("band", "y", "x")
        for band, common in POLDER.BANDS.items():
            stored = np.rint(got["reflectance"].sel(band=common) * 1e4).values
            assert (stored == same[band].values).any(0).all()
        clear = same["SCL"].isin(POLDER.CLEAR).values.any(0)
        assert (got["clear"].values == clear).all()


def test_reference_of_20_m_is_that_of_its_four_pixels(polder):
    fine = POLDER._read(RECIPES / "raw", "OUTPUT_POLY-110_10m")["LC"]
    ids = polder["reference"].values
    corners = np.stack([fine.values[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    whole = corners.min(0) == corners.max(0)
    assert (ids[whole] == corners[0][whole]).all()
    assert (ids[~whole] == 255).all()
    assert 0 < (~whole).sum() < whole.sum()
    # A pixel of 20 m lies in the middle of its four pixels of 10 m.
    assert polder["x"].values[0] == fine["x"].values[:2].mean()
    assert polder["y"].values[0] == fine["y"].values[:2].mean()


def test_slovenia_has_the_series_and_the_scenes(slovenia, patch):
    check_cube(slovenia)
    assert slovenia["ndvi"].dims == ("ndvi_time", "y", "x")
    assert slovenia.sizes["ndvi_time"] == 68
    assert slovenia.sizes["time"] == 5
    np.testing.assert_array_equal(slovenia["ndvi"], np.load(patch / "NDVI.npy")[..., 0])
    np.testing.assert_array_equal(
        slovenia["ndvi_clear"], 1 - np.load(patch / "CLM.npy")[..., 0].astype(int)
    )
    times = json.loads((patch / "timestamps.json").read_text())
    assert slovenia["ndvi_time"].values.tolist() == np.array(times, "M8[ns]").tolist()
    assert "2015-12-08 was seen twice" in slovenia.attrs["history"]


def test_scenes_of_slovenia_are_of_their_dates(slovenia):
    red, nir = (slovenia["reflectance"].sel(band=b) for b in ("red", "nir"))
    ndvi = (nir - red) / (nir + red)
    series = slovenia["ndvi"].sel(ndvi_time=slovenia["time"])
    assert float(abs(ndvi - series.drop_vars("ndvi_time")).max()) < 1e-6
    seen = slovenia["clear"].mean(("y", "x")).values
    # Two of the five scenes are wholly clouded, as the data's own description says.
    assert (seen < 0.05).sum() == 2


def test_slovenia_is_stored_with_its_own_pixel_size(slovenia, tmp_path):
    stored = open_cube(write_cube(slovenia, tmp_path / "slovenia.zarr", plan=SLOVENIA.PLAN))
    np.testing.assert_array_equal(stored["ndvi"], slovenia["ndvi"])
    assert stored["ndvi"].dims == ("ndvi_time", "y", "x")
    assert (stored["ndvi_time"] == slovenia["ndvi_time"]).all()
    left, step, _, top, _, down = map(float, stored["spatial_ref"].attrs["GeoTransform"].split())
    west, south, east, north = SLOVENIA.BBOX
    assert (left, top) == pytest.approx((west, north), abs=1e-6)
    assert (step, down) == pytest.approx(((east - west) / 100, (south - north) / 101))
    legend = Legend.from_flags(stored["reference"].attrs)
    assert legend.ids == (1, 2, 3, 4, 8)
    assert (stored["reference"] == 255).sum() == 155


def test_scenes_of_another_file_are_refused(patch, tmp_path):
    for path in patch.glob("*.npy"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "timestamps.json").symlink_to(patch / "timestamps.json")
    scenes = np.load(patch / "REFERENCE_SCENES.npy")
    (tmp_path / "REFERENCE_SCENES.npy").unlink()
    np.save(tmp_path / "REFERENCE_SCENES.npy", scenes[::-1])
    with pytest.raises(CubeError, match="is not of its date"):
        SLOVENIA.make_cube(tmp_path)


def test_missing_raw_files_say_where_to_get_them(tmp_path):
    with pytest.raises(StoreError, match="eo-learn"):
        SLOVENIA.make_cube(tmp_path)
    with pytest.raises(StoreError, match="comes with the repository of lulc_xr"):
        POLDER.make_cube(tmp_path)


def test_polder_has_crop_types_where_four_pixels_agree(polder):
    crops = POLDER.make_crop_type(RECIPES / "raw")
    assert Legend.from_flags(crops.attrs) == POLDER.CROPS
    assert set(np.unique(crops)) == {*POLDER.CROPS.ids, 255}
    grass = crops.values == 2
    assert (polder["reference"].values[grass] == 13).all()
    # At most a quarter of the pixels of 10 m: borders of parcels have no type.
    assert 200 < grass.sum() <= 1102 / 4
