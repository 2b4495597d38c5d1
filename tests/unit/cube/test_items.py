"""Real STAC items of several catalogues: names, scale, offset, baseline and CRS of each."""

import copy

import numpy as np
import pystac
import pytest

from lulc_xr.core.errors import CubeError
from lulc_xr.cube.items import item_crs, read_scene
from tests.scenes import landsat, sentinel2

MSI = ("blue", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22")
# Item, platform, tile, time, CRS, baseline, scale, offset, assets of a few bands, quality band.
REAL = {
    "earth search v0": (
        "S2A_28QCH_20200714_0_L2A", "sentinel-2a", "28QCH", "2020-07-14T11:55:52",
        "EPSG:32628", 2.14, 1e-4, 0.0, {"blue": "B02", "rededge3": "B07", "nir08": "B8A"}, "SCL",
    ),
    "planetary computer": (
        "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531", "sentinel-2b", "6VVN",
        "2019-06-29T21:25:29", "EPSG:32606", 2.12, 1e-4, 0.0,
        {"blue": "B02", "rededge1": "B05", "nir": "B08", "nir08": "B8A"}, "SCL",
    ),
    "planetary computer, raster extension": (
        "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext", "sentinel-2b",
        "6VVN", "2019-06-29T21:25:29", "EPSG:32606", 2.12, 1e-4, 0.0,
        {"rededge2": "B06", "nir08": "B8A", "nir09": "B09"}, "SCL",
    ),
    "stactools, proj:code": (
        "S2A_T34VEL_20240108_L2A", "sentinel-2a", "34VEL", "2024-01-08T10:14:07", "EPSG:32634",
        5.10, 1e-4, -0.1, {"blue": "blue", "rededge1": "rededge1", "nir08": "nir08"}, "scl",
    ),
    "stactools, N0400": (
        "S2B_T33XWJ_20220413_L2A", "sentinel-2b", "33XWJ", "2022-04-13T15:07:59", "EPSG:32633",
        4.00, 1e-4, -0.1, {"blue": "blue", "nir": "nir", "swir22": "swir22"}, "scl",
    ),
    "usgs": (
        "LC08_L2SP_028030_20200114_20200824_02_T1_SR", "landsat-8", "028030",
        "2020-01-14T17:05:46", "EPSG:32615", 0.0, 2.75e-5, -0.2,
        {"blue": "blue", "nir08": "nir08", "swir22": "swir22"}, "qa_pixel",
    ),
    "stactools, landsat 9": (
        "LC09_L2SP_010065_20220129_02_T1", "landsat-9", "010065", "2022-01-29T15:28:34",
        "EPSG:32617", 0.0, 2.75e-5, -0.2, {"blue": "blue", "nir08": "nir08"}, "qa_pixel",
    ),
}  # fmt: skip


@pytest.fixture
def real(shared_data):
    """Real items by the name of their file."""
    return lambda name: pystac.Item.from_file(str(shared_data / "stac_items" / f"{name}.json"))


@pytest.mark.parametrize("catalogue", REAL)
def test_real_items_resolve(real, catalogue):
    file, platform, tile, time, crs, baseline, scale, offset, keys, quality = REAL[catalogue]
    item = real(file)
    scene = read_scene(item, MSI if platform.startswith("sentinel") else tuple(keys))
    assert (scene.platform, scene.tile, scene.crs) == (platform, tile, crs)
    assert scene.time == np.datetime64(time)
    assert scene.version[0] == baseline
    assert {band: scene.bands[band].key for band in keys} == keys
    assert {(s.scale, s.offset, s.nodata) for s in scene.bands.values()} == {(scale, offset, 0)}
    assert scene.quality.key == quality
    assert len({source.href for source in scene.bands.values()}) == len(scene.bands)


def test_oldest_usgs_item_of_stac_0_7_resolves(shared_data):
    folder = shared_data / "landsat_c2/chip_008059"
    item = pystac.Item.from_file(
        str(folder / "LC08_L2SP_008059_20191201_20200825_02_T1_SR_stac.json")
    )
    scene = read_scene(item, ("blue", "nir08", "swir22"))
    assert [s.key for s in scene.bands.values()] == ["SR_B2.TIF", "SR_B5.TIF", "SR_B7.TIF"]
    assert (scene.platform, scene.tile, scene.quality.key) == (
        "landsat-8",
        "008059",
        "QA_PIXEL.TIF",
    )


def test_twins_of_20_m_are_not_taken_for_the_band_of_10_m(real):
    scene = read_scene(real("S2A_T34VEL_20240108_L2A"), ("blue", "green", "red", "nir"))
    assert [s.href.rsplit("/", 2)[1] for s in scene.bands.values()] == ["R10m"] * 4


def test_names_of_cdse_and_stac_1_1(tmp_path):
    item = sentinel2(tmp_path, baseline="05.11")
    fields = {"raster:scale": 1e-4, "raster:offset": -0.1, "nodata": 0}
    for key, new in (("B02", "B02_10m"), ("B8A", "B8A_20m"), ("SCL", "SCL_20m")):
        item.assets[new] = item.assets.pop(key)
        item.assets[new].extra_fields |= fields if key != "SCL" else {}
    item.properties["processing:version"] = item.properties.pop("s2:processing_baseline")
    scene = read_scene(item, ("blue", "nir08"))
    assert [s.key for s in scene.bands.values()] == ["B02_10m", "B8A_20m"]
    assert {s.offset for s in scene.bands.values()} == {-0.1}
    assert scene.version[0] == 5.11


def test_common_name_serves_where_keys_say_nothing(tmp_path):
    item = sentinel2(tmp_path)
    item.assets["first"] = item.assets.pop("B02")
    item.assets["first"].extra_fields["bands"] = [{"name": "x", "eo:common_name": "blue"}]
    assert read_scene(item, ("blue",)).bands["blue"].key == "first"


OFFSETS = {
    "baseline 03.01": ("03.01", {}, None, 0.0),
    "baseline 04.00": ("04.00", {}, None, -0.1),
    "reprocessed before 2022": ("05.00", {}, None, -0.1),
    "asset says so": ("05.00", {}, -0.1, -0.1),
    "offset 0 is written down": ("05.00", {}, 0, 0.0),
    "flag of v1, not raster:bands": ("05.00", {"earthsearch:boa_offset_applied": True}, -0.1, 0.0),
    "flag of v0": ("04.00", {"sentinel:boa_offset_applied": True}, None, 0.0),
    "not applied": ("04.00", {"earthsearch:boa_offset_applied": False}, -0.1, -0.1),
    "not applied, nothing said": ("04.00", {"earthsearch:boa_offset_applied": False}, None, -0.1),
    "old, not applied": ("02.14", {"sentinel:boa_offset_applied": False}, 0, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("case", OFFSETS)
def test_offset_belongs_to_the_item(tmp_path, case):
    baseline, flags, given, expected = OFFSETS[case]
    item = sentinel2(tmp_path, baseline=baseline, **flags)
    if given is not None:
        item.assets["B02"].extra_fields["raster:bands"] = [{"scale": 1e-4, "offset": given}]
    assert read_scene(item, ("blue",)).bands["blue"].offset == pytest.approx(expected, abs=1e-9)


def test_baseline_is_found_in_the_name_of_the_product(tmp_path):
    item = sentinel2(tmp_path, item_id="S2B_T33XWJ_20220413T150756_L2A", platform="sentinel-2b")
    del item.properties["s2:processing_baseline"]
    item.properties["s2:product_uri"] = "S2B_MSIL2A_20220413T150759_N0400_R025_T33XWJ_x.SAFE"
    assert read_scene(item, ("blue",)).bands["blue"].offset == pytest.approx(-0.1)


def test_contradiction_and_silence_are_refused(tmp_path):
    item = sentinel2(tmp_path, baseline="04.00", **{"earthsearch:boa_offset_applied": False})
    item.assets["B02"].extra_fields["raster:bands"] = [{"scale": 1e-4, "offset": 0}]
    with pytest.raises(CubeError, match=r"asset 'B02' of item 'S2A_.*contradicts itself.*04\.00"):
        read_scene(item, ("blue",))
    silent = sentinel2(tmp_path)
    del silent.properties["s2:processing_baseline"]
    with pytest.raises(CubeError, match=r"neither its offset.*Set item.properties"):
        read_scene(silent, ("blue",))


def test_thematic_mapper_has_its_own_band_numbers(tmp_path):
    item = landsat(tmp_path, platform="landsat-5")
    for key, new in (("blue", "SR_B1"), ("nir08", "SR_B4")):
        item.assets[new] = item.assets.pop(key)
    scene = read_scene(item, ("blue", "nir08"))
    assert [s.key for s in scene.bands.values()] == ["SR_B1", "SR_B4"]
    assert {(s.scale, s.offset) for s in scene.bands.values()} == {(2.75e-5, -0.2)}
    with pytest.raises(CubeError, match=r"landsat-tm .* has no band 'coastal'; it has blue, green"):
        read_scene(item, ("coastal",))


def test_what_is_not_surface_reflectance_is_refused(tmp_path):
    cases = {
        "Level-1C": sentinel2(tmp_path, item_id="S2A_MSIL1C_20210605T105031_R051_T31UDS_x"),
        "Collection 1": landsat(tmp_path, **{"landsat:collection_number": "01"}),
        "Level-1;": landsat(tmp_path),
    }
    cases["Level-1;"].id = "LC08_L1TP_199025_20210605_02_T1"
    for said, item in cases.items():
        with pytest.raises(CubeError, match=said):
            read_scene(item, ("blue",))


def test_missing_assets_and_platforms_name_the_way_out(tmp_path):
    item = sentinel2(tmp_path)
    with pytest.raises(
        CubeError, match=r"no asset for band 'red'.*red or b04.*B02, B8A, SCL.*collections"
    ):
        read_scene(item, ("red",))
    blind = copy.deepcopy(item)
    del blind.assets["SCL"]
    with pytest.raises(CubeError, match=r"no asset that tells clear pixels \(scl or scl_20m\)"):
        read_scene(blind, ("blue",))
    blind.properties["platform"] = "spot-5"
    with pytest.raises(CubeError, match=r"unknown platform 'spot-5'. Known, nearest first"):
        read_scene(blind, ("blue",))


def test_crs_is_found_in_every_spelling(tmp_path):
    item = sentinel2(tmp_path)
    assert item_crs(item, "B02") == "EPSG:32631"
    item.properties["proj:epsg"] = 32632
    del item.properties["proj:code"]
    assert item_crs(item, "B02") == "EPSG:32632"
    item.assets["B02"].extra_fields["proj:epsg"] = 32633
    assert item_crs(item, "B02") == "EPSG:32633"


def test_hls_has_its_own_fill_and_quality_band(tmp_path):
    item = sentinel2(tmp_path)
    item.id = "HLS.S30.T31UDS.2021156T105031.v2.0"
    item.assets["Fmask"] = item.assets.pop("SCL")
    scene = read_scene(item, ("blue", "nir08"))
    assert [(s.key, s.offset, s.nodata) for s in scene.bands.values()] == [
        ("B02", 0.0, -9999), ("B8A", 0.0, -9999)
    ]  # fmt: skip
    assert (scene.quality.key, scene.sensor.quality_kind) == ("Fmask", "fmask")
    item.id = "HLS.L30.T31UDS.2021156T103500.v2.0"
    item.properties["platform"] = "landsat-8"
    item.assets["B05"] = item.assets.pop("B8A")
    assert read_scene(item, ("nir08",)).bands["nir08"].key == "B05"
