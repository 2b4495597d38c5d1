"""The static catalogue of real scenes: its numbers are those of the raw files."""

import datetime as dt
import json
import subprocess
import sys

import numpy as np
import pystac
import pytest
import rasterio

import lulc_xr as lx
from tests.servers.catalogue import RAW, RECIPE

ALL_DAYS = 118


@pytest.fixture(scope="module")
def april(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue") / "april"
    return RECIPE.make_catalogue(RAW, folder, start="2018-04-01", end="2018-04-10")


@pytest.fixture(scope="module")
def items(april):
    return list(pystac.Catalog.from_file(str(april)).get_items(recursive=True))


def test_every_raster_holds_the_numbers_and_the_grid_of_the_raw_file(items):
    raw = {metres: RECIPE.read_raw(RAW, metres) for metres in (10, 20)}
    assert len(items) == len(raw[10].sel(timestamp=slice("2018-04-01", "2018-04-10")).timestamp)
    for item in items:
        when = np.datetime64(item.datetime.replace(tzinfo=None))
        assert set(item.assets) == set(RECIPE.ASSETS.values())
        for band, name in RECIPE.ASSETS.items():
            asset = item.assets[name]
            expected = raw[10 if band in raw[10] else 20][band].sel(timestamp=when)
            with rasterio.open(asset.get_absolute_href()) as file:
                np.testing.assert_array_equal(file.read(1), expected.values)
                assert (file.nodata, file.crs.to_epsg()) == (0, 32631)
                assert file.xy(0, 0) == (float(expected["x"][0]), float(expected["y"][0]))
                assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert list(file.transform) == asset.extra_fields["proj:transform"]
                assert list(file.shape) == asset.extra_fields["proj:shape"]


def test_the_catalogue_can_be_moved(april):
    text = "".join(file.read_text() for file in april.parent.rglob("*.json"))
    assert str(april.parent) not in text
    assert '"href": "./B02.tif"' in text


def test_an_item_says_what_follows_from_the_raw_files_and_no_more(items):
    coarse = RECIPE.read_raw(RAW, 20)
    for item in items:
        scene = coarse.sel(timestamp=np.datetime64(item.datetime.replace(tzinfo=None)))
        cloudy = np.isin(scene["SCL"].values, (8, 9, 10)).mean()
        assert item.properties["eo:cloud_cover"] == pytest.approx(100 * cloudy, abs=0.01)
        assert "s2:processing_baseline" not in item.properties
        stored = item.assets["blue"].extra_fields["raster:bands"][0]
        assert (stored["scale"], stored["offset"], stored["nodata"]) == (1e-4, 0, 0)
        west, south, east, north = item.bbox
        assert west < 3.024 < east
        assert south < 50.816 < north


def test_the_satellite_follows_from_the_second_it_passed(shared_data):
    """Real items say which it was; and on one path, 2A and 2B pass five days apart."""
    told = {}
    for path in (shared_data / "stac_items").glob("S2*.json"):
        properties = json.loads(path.read_text())["properties"]
        when = dt.datetime.fromisoformat(properties["datetime"]).replace(tzinfo=None)
        told[path.name] = (properties["platform"].lower(), RECIPE.platform_of(when))
    assert len(told) >= 5
    assert {said for said, _ in told.values()} == {"sentinel-2a", "sentinel-2b"}
    assert all(said == found for said, found in told.values()), told


def test_one_path_has_one_satellite_every_ten_days():
    times = RECIPE.read_raw(RAW, 20)["timestamp"].values.astype("datetime64[s]")
    assert len(times) == ALL_DAYS
    days = times.astype("datetime64[D]").astype(int) % 10
    platforms = np.array([RECIPE.platform_of(time.item()) for time in times])
    own = {name: set(days[platforms == name]) for name in ("sentinel-2a", "sentinel-2b")}
    assert len(own["sentinel-2a"]) == 2
    assert {(day + 5) % 10 for day in own["sentinel-2a"]} == own["sentinel-2b"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("draft")
    with pytest.raises(lx.StoreError, match=r"is not empty\. Name a new folder"):
        RECIPE.make_catalogue(RAW, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_no_scene_in_the_span_is_an_error(tmp_path):
    with pytest.raises(lx.CubeError, match=r"no scene between 2020-01-01 and 2020-02-01.*2017"):
        RECIPE.make_catalogue(RAW, tmp_path / "c", start="2020-01-01", end="2020-02-01")


def test_missing_raw_files_are_named(tmp_path):
    with pytest.raises(lx.StoreError, match=r"S2_L2A_10m.*is not there.*zarr_stores/raw"):
        RECIPE.make_catalogue(tmp_path, tmp_path / "c")


@pytest.mark.slow
def test_the_script_writes_all_scenes(tmp_path):
    command = [sys.executable, RECIPE.__file__, str(tmp_path / "all")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    catalogue = pystac.Catalog.from_file(said.strip())
    assert len(list(catalogue.get_items(recursive=True))) == ALL_DAYS
