"""Files of 10, 20 and 60 m become one cube: every value is one that was measured there."""

import json

import numpy as np
import pytest
import rasterio
from pyproj import CRS
from rasterio.transform import Affine, rowcol

from lulc_xr.core.cube import check_cube
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.georeference import affine_of
from lulc_xr.cube.nested import SENTINEL2_NAMES, read_nested
from lulc_xr.cube.store import open_cube, write_cube

PORTUGAL = "S2A_MSIL2A_20171221T112501_56_35"
IRELAND = "S2A_MSIL2A_20170617T113321_36_85"


@pytest.fixture(scope="module")
def patches(shared_data):
    return shared_data / "bigearthnet_patches"


def write_band(path, values, *, pixel, corner=(600_000.0, 5_000_000.0), crs="EPSG:32633"):
    transform = Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=values.dtype, crs=crs, transform=transform,
    ) as target:  # fmt: skip
        target.write(values, 1)
    return path


@pytest.fixture
def made(tmp_path):
    """Three bands of 10, 20 and 60 m that nest; each pixel of a band has a value of its own."""
    files = {}
    for band, pixel, side in (("B04", 10, 12), ("B11", 20, 6), ("B09", 60, 2)):
        values = np.arange(1, side * side + 1, dtype=np.uint16).reshape(side, side)
        files[band] = write_band(tmp_path / f"scene_{band}.tif", values, pixel=pixel)
    return files


@pytest.mark.parametrize("name", [PORTUGAL, IRELAND])
def test_each_value_is_the_one_of_the_source_at_that_place(patches, name):
    folder = patches / "s2-tiny" / name
    cube = read_nested(folder)
    rows, columns = np.meshgrid(np.arange(120), np.arange(120), indexing="ij")
    y, x = cube["y"].values[rows.ravel()], cube["x"].values[columns.ravel()]
    for band, common in SENTINEL2_NAMES.items():
        with rasterio.open(folder / f"{name}_{band}.tif") as source:
            found = source.read(1)[rowcol(source.transform, x, y)]
        got = cube["reflectance"].sel(band=common).values[0].ravel()
        np.testing.assert_array_equal(np.rint(got * 1e4), found)


def test_georeference_date_and_labels_are_those_of_the_patch(patches):
    cube = check_cube(read_nested(patches / "s2-tiny" / IRELAND))
    told = json.loads(
        (patches / "s2-tiny" / IRELAND / f"{IRELAND}_labels_metadata.json").read_text()
    )
    corner = told["coordinates"]
    step_x, _, left, _, step_y, top = affine_of(cube)
    assert (left, top) == (corner["ulx"], corner["uly"])
    assert (step_x, step_y) == (10, -10)
    assert left + 10 * cube.sizes["x"] == corner["lrx"]
    assert CRS.from_wkt(cube["spatial_ref"].attrs["crs_wkt"]).to_epsg() == 32629
    assert str(cube["time"].values[0]).startswith("2017-06-17T11:33:21")
    assert cube.attrs["labels"] == told["labels"] == ["Non-irrigated arable land", "Pastures"]
    assert cube.attrs["missing_bands"] == []
    assert dict(zip(cube["band"].values, cube.attrs["native_resolution"], strict=True)) == {
        b: 60 if b in ("coastal", "nir09") else 10 if b in ("blue", "green", "red", "nir") else 20
        for b in SENTINEL2_NAMES.values()
    }


def test_store_gives_it_back(patches, tmp_path):
    cube = read_nested(patches / "s2-tiny" / PORTUGAL)
    stored = open_cube(write_cube(cube, tmp_path / "patch.zarr"))
    np.testing.assert_allclose(stored["reflectance"], cube["reflectance"], atol=1e-7)
    assert stored.attrs["labels"] == cube.attrs["labels"]


def test_radar_is_refused(patches):
    folder = next((patches / "s1-tiny").iterdir())
    with pytest.raises(CubeError, match=r"radar of Sentinel-1 .*_VH\.tif.*no reflectance"):
        read_nested(folder)


def test_missing_bands_and_missing_pixels_are_named(made):
    values = np.full((12, 12), 500, np.uint16)
    values[3, 4] = 0
    write_band(made["B04"], values, pixel=10)
    cube = read_nested({**made}, time="2020-05-01T10:00")
    assert cube["band"].values.tolist() == ["red", "nir09", "swir16"]
    assert cube.attrs["missing_bands"] == [
        "coastal", "blue", "green", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir22",
    ]  # fmt: skip
    assert np.isnan(cube["reflectance"].sel(band="red").values[0, 3, 4])
    assert np.argwhere(cube["clear"].values[0] == 0).tolist() == [[3, 4]]


def test_pixels_are_repeated_in_whole_blocks(made):
    cube = read_nested({"red": made["B04"], "swir16": made["B11"]}, time="2020-05-01")
    got = np.rint(cube["reflectance"].sel(band="swir16").values[0] * 1e4).astype(int)
    with rasterio.open(made["B11"]) as source:
        coarse = source.read(1)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert (got[i::2, j::2] == coarse).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"corner": (600_010.0, 5_000_000.0)}, r"'swir16' .*x 600010.* does not nest in .*'red'"),
        ({"pixel": 25}, r"'swir16' .*pixels of 25 m.* does not nest"),
        ({"crs": "EPSG:32632"}, r"'swir16' is in EPSG:32632, band 'red' in EPSG:32633"),
        ({"side": 5}, r"'swir16' \(5 x 5 pixels.* does not nest"),
        ({"dtype": np.int16}, r"'swir16' .* of int16; expected one of uint16"),
    ],
)
def test_band_that_does_not_nest_is_named(made, change, said):
    side, dtype = change.pop("side", 6), change.pop("dtype", np.uint16)
    settings = {"pixel": 20, **change}
    write_band(made["B11"], np.ones((side, side), dtype), **settings)
    with pytest.raises(CubeError, match=said):
        read_nested(made, time="2020-05-01")


def test_files_that_are_not_there_or_broken_are_named(made, tmp_path):
    made["B11"].write_bytes(b"II*\x00 broken")
    with pytest.raises(StoreError, match=r"band 'swir16' cannot be read from .*scene_B11"):
        read_nested(made, time="2020-05-01")
    with pytest.raises(StoreError, match="no folder"):
        read_nested(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="no band in"):
        read_nested(tmp_path / "empty")
    with pytest.raises(CubeError, match="unknown band 'B10'"):
        read_nested({"B10": made["B04"]})


def test_moment_comes_from_the_name_of_the_folder_or_is_asked_for(made, tmp_path):
    scene = tmp_path / "S2B_MSIL2A_20190203T101500_1_2"
    scene.mkdir()
    made["B04"].rename(scene / "x_B04.tif")
    assert str(read_nested(scene)["time"].values[0]).startswith("2019-02-03T10:15:00")
    with pytest.raises(CubeError, match=r"moment of the scene is not known.*Pass time="):
        read_nested({"B11": made["B11"]})
