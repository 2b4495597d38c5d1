"""Real chips through a real STAC API, over HTTP and from disk: the cube holds their numbers."""

import json
import urllib.request

import numpy as np
import pytest

import lulc_xr as lx
from tests.servers.catalogue import (
    COMMON,
    LANDSAT_BANDS,
    RECIPE,
    STYLES,
    make_landsat,
    make_styled,
    read_landsat,
    read_whole,
)

pytestmark = pytest.mark.integration

CLEAR = {"scl": (4, 5, 6, 7, 11)}
PIXELS = {"resampling": "nearest"}
"""Pixels of 20 m come to 10 m as they are, so that values can be compared."""


def reflectance_of(raw, bands):
    """What the cube should hold, from the raw files: (time, band, y, x)."""
    names = {common: band for band, common in COMMON.items()}
    numbers = np.stack([raw[names[band]].values for band in bands], axis=1)
    return np.where(numbers > 0, numbers * 1e-4, np.nan)


def assert_holds(cube, raw, *, bands=None):
    """The cube has the dates, values and gaps of the raw scenes."""
    bands = list(cube["band"].values) if bands is None else list(bands)
    np.testing.assert_array_equal(cube["time"].values, raw["timestamp"].values)
    np.testing.assert_array_equal(cube["y"].values, raw["y"].values)
    np.testing.assert_array_equal(cube["x"].values, raw["x"].values)
    assert list(cube["band"].values) == bands
    expected = reflectance_of(raw, bands)
    assert np.isfinite(expected).any()
    # float32: four decimals are exact to 1e-7.
    np.testing.assert_allclose(cube["reflectance"].values, expected, rtol=0, atol=1e-6)
    seen = np.isfinite(expected).all(axis=1)
    clear = np.isin(raw["SCL"].values, CLEAR["scl"]) & seen
    np.testing.assert_array_equal(cube["clear"].values, clear)
    assert 0 < clear.mean() < 1


class TestAPI:
    def test_a_cube_of_the_api_holds_the_numbers_of_the_scenes(self, stac_api, chip, raw):
        cube = lx.load_stac(
            stac_api,
            collections=["sentinel-2-l2a"],
            geobox=chip,
            bands=list(COMMON.values()),
            end="2018-04-30",
            **PIXELS,
        )
        raw = raw.sel(timestamp=slice(None, "2018-04-30"))
        assert_holds(cube.compute(), raw, bands=COMMON.values())
        expected = [RECIPE.platform_of(t.item()) for t in raw["timestamp"].values.astype("M8[s]")]
        assert list(cube["platform"].values) == expected
        assert len(set(expected)) == 2

    def test_all_pages_of_a_search_are_read(self, stac_api, chip, raw):
        """One answer holds ten items where nobody asks for more."""
        with urllib.request.urlopen(f"{stac_api}/search?collections=sentinel-2-l2a") as answer:
            page = json.load(answer)
        assert len(page["features"]) < len(raw["timestamp"])
        assert "next" in {link["rel"] for link in page["links"]}
        cube = lx.load_stac(stac_api, geobox=chip, bands=["red"])
        assert cube.sizes["time"] == len(raw["timestamp"])

    def test_the_api_is_asked_for_a_time(self, stac_api, chip, raw):
        cube = lx.load_stac(
            stac_api, geobox=chip, start="2018-05-03", end="2018-05-20", bands=["red"]
        )
        expected = raw["timestamp"].sel(timestamp=slice("2018-05-03", "2018-05-20"))
        assert 0 < len(expected) < len(raw["timestamp"])
        np.testing.assert_array_equal(cube["time"].values, expected.values)

    @pytest.mark.parametrize(
        "query",
        [
            {"eo:cloud_cover": {"lt": 20}},
            {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]},
            "eo:cloud_cover < 20",
        ],
        ids=["query", "cql2-json", "cql2-text"],
    )
    def test_the_api_is_asked_for_little_cloud(self, stac_api, chip, raw, query):
        cube = lx.load_stac(stac_api, geobox=chip, query=query, bands=["red"])
        cloudy = np.isin(raw["SCL"].values, RECIPE.CLOUDS).mean(axis=(1, 2))
        expected = raw["timestamp"].values[np.round(100 * cloudy, 2) < 20]
        assert 0 < len(expected) < len(cloudy)
        np.testing.assert_array_equal(cube["time"].values, expected)

    def test_conditions_of_cql2_are_combined(self, stac_api, chip):
        query = {
            "op": "and",
            "args": [
                {"op": "<", "args": [{"property": "eo:cloud_cover"}, 50]},
                {"op": "=", "args": [{"property": "platform"}, "sentinel-2b"]},
            ],
        }
        cube = lx.load_stac(stac_api, geobox=chip, query=query, bands=["red"])
        assert set(cube["platform"].values) == {"sentinel-2b"}
        wide = lx.load_stac(stac_api, geobox=chip, query=query["args"][0], bands=["red"])
        assert 0 < cube.sizes["time"] < wide.sizes["time"]

    def test_nothing_found_says_what_was_asked(self, stac_api):
        with pytest.raises(lx.CubeError, match=r"no item touches \(10\.0, 50\.0, 10\.1, 50\.1\)"):
            lx.load_stac(stac_api, bbox=(10, 50, 10.1, 50.1), bands=["red"])

    def test_a_query_that_the_api_refuses_is_reported(self, stac_api, chip):
        with pytest.raises(lx.SourceError, match=r"search at 'http://127.*failed"):
            lx.load_stac(stac_api, geobox=chip, query="eo:cloud_cover <", bands=["red"])

    def test_an_address_without_a_server_is_named(self, chip):
        with pytest.raises(lx.SourceError, match=r"'http://127\.0\.0\.1:9/'.*Check the address"):
            lx.load_stac("http://127.0.0.1:9/", geobox=chip, bands=["red"])


class TestFiles:
    def test_a_static_catalogue_needs_no_server(self, flanders_catalogue, chip, raw):
        bands = list(COMMON.values())
        cube = lx.load_stac(flanders_catalogue, geobox=chip, bands=bands, **PIXELS)
        assert_holds(cube.compute(), raw, bands=bands)

    def test_items_of_http_and_of_disk_give_one_cube(self, items, flanders_catalogue, chip):
        wanted = {"geobox": chip, "bands": ["blue", "swir16"], "end": "2018-04-30"}
        over_http = lx.load_stac(items, **wanted).compute()
        from_disk = lx.load_stac(flanders_catalogue, **wanted).compute()
        assert over_http.identical(from_disk)

    def test_a_part_of_the_chip_is_cut_out_of_each_scene(self, items, chip, raw):
        part = chip[8:40, 20:52]
        cube = lx.load_stac(items, geobox=part, bands=["red"], chunks={"y": 16, "x": 16})
        inside = raw.isel(y=slice(8, 40), x=slice(20, 52))
        assert_holds(cube.compute(), inside, bands=["red"])

    def test_nothing_is_read_before_it_is_needed(self, items, chip, http):
        before = http.requests()
        cube = lx.load_stac(items, geobox=chip, bands=["red"])
        assert http.requests() == before
        cube["reflectance"][0].compute()
        read = http.requests() - before
        assert http.requests("*/B04.tif") > 0
        cube["reflectance"].compute()
        assert http.requests() - before > read * cube.sizes["time"] / 2


@pytest.mark.parametrize("name", STYLES)
def test_each_catalogue_gives_the_same_reflectance(name, shared_data, chip, tmp_path):
    """Names, scale, offset and baseline differ; what was measured is the same."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    picked = [0, 60, 75]
    path = make_styled(STYLES[name], shared_data / "stac_items", folder, dates=picked)
    bands = list(COMMON.values())
    cube = lx.load_stac(path, geobox=chip, bands=bands, **PIXELS).compute()
    assert_holds(cube, read_whole().isel(timestamp=picked), bands=bands)


@pytest.mark.parametrize(
    "name",
    ["LC08_L2SP_028030_20200114_20200824_02_T1_SR", "LC09_L2SP_010065_20220129_02_T1"],
    ids=["usgs", "planetary computer"],
)
def test_landsat_collection_2_has_its_own_scale_and_bits(name, shared_data, tmp_path):
    """Genuine numbers of Landsat 8: SR = DN * 0.0000275 - 0.2, 0 is fill, clear from QA_PIXEL."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    path = make_landsat(name, shared_data, folder)
    qa, grid = read_landsat(shared_data, "QA_PIXEL")
    cube = lx.load_stac(path, geobox=grid, bands=lx.COMMON_BANDS).compute()
    assert list(cube["platform"].values) == ["landsat-8"]
    numbers = [read_landsat(shared_data, band)[0] for band in list(LANDSAT_BANDS)[:6]]
    for band, found in zip(numbers, cube["reflectance"].values[0], strict=True):
        expected = np.where(band > 0, band * 0.0000275 - 0.2, np.nan)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    seen = np.all([band > 0 for band in numbers], axis=0)
    # 21824: clear over land. 22280 and 55052: cloud of high confidence.
    assert (cube["clear"].values[0] == 1)[seen & (qa == 21824)].all()
    assert not cube["clear"].values[0][np.isin(qa, (1, 22280, 55052))].any()
    assert (qa == 21824).sum() == 20724


def test_where_postgresql_is_missing_the_tests_skip_and_ci_fails(monkeypatch, tmp_path):
    from tests.servers import pgstac

    monkeypatch.setattr(pgstac, "PROGRAMS", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"not installed.*bash \.ci/install_servers"):
        pgstac.require_postgres()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"not installed.*bash \.ci/install_servers"):
        pgstac.require_postgres()
