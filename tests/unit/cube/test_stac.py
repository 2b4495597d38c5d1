"""A cube from STAC items: values, dates, merging, clear pixels, grids, faults."""

import pickle
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.geom import box
from odc.stac import load as odc_load

import lulc_xr as lx
from lulc_xr.core.cube import check_cube
from lulc_xr.core.sensors import HLS_BANDPASS
from tests.scenes import CRS, EAST, NORTH, bbox_of, grid, landsat, sentinel2

PAIR = ("blue", "nir08")


def noise(size, seed, low=200, high=4000):
    return np.random.default_rng(seed).integers(low, high, (size, size)).astype(np.uint16)


def load(*items, geobox=None, bands=PAIR, **settings):
    return lx.load_stac(list(items), bands=bands, geobox=geobox or grid(64), **settings)


def raising(*args, **kwargs):
    raise AssertionError("something computed")


def test_planning_reads_no_pixel_and_makes_a_cube(tmp_path):
    item = sentinel2(tmp_path)
    with dask.config.set(scheduler=raising):
        cube = load(item, dilate=2, bandpass="hls", on_error="mark")
        check_cube(cube, bands=PAIR)
        with pytest.raises(AssertionError, match="something computed"):
            cube["clear"].compute()
    for path in tmp_path.rglob("*.tif"):
        path.unlink()
    again = load(item, bbox=None)
    assert again["reflectance"].dims == ("time", "band", "y", "x")
    assert again["reflectance"].dtype == np.float32
    assert again["clear"].dtype == np.uint8
    assert "unread" not in again


def test_numbers_become_reflectance_by_item_and_0_stays_nodata(tmp_path):
    numbers = noise(64, 1)
    numbers[:5, :7] = 0
    old = sentinel2(tmp_path, numbers=numbers)
    new = sentinel2(tmp_path, numbers=numbers, when="2022-06-05T10:50:00", baseline="04.00")
    tm = landsat(tmp_path, numbers=numbers, platform="landsat-5")
    cube = load(old, new, tm).compute()
    assert cube["platform"].values.tolist() == ["landsat-5", "sentinel-2a", "sentinel-2a"]
    seen = numbers > 0
    blue = cube["reflectance"].sel(band="blue").values
    for got, scale, offset in zip(blue, (2.75e-5, 1e-4, 1e-4), (-0.2, 0.0, -0.1), strict=True):
        np.testing.assert_allclose(got[seen], numbers[seen] * scale + offset, atol=1e-7)
        assert np.isnan(got[~seen]).all()
    assert (cube["clear"].values == seen).all()
    # The lowest number is far below 1000: reflectance may be negative and is not clipped.
    assert np.nanmin(blue[2]) < 0


def test_what_is_loaded_is_what_odc_stac_loads(tmp_path):
    """Pasted, and warped to another grid: the same pixels as odc.stac.load, scaled."""
    item = sentinel2(tmp_path, numbers=noise(64, 2))
    for geobox in (grid(40, east=EAST + 100), grid(30, resolution=7, east=EAST + 33)):
        plain = odc_load(
            [item], bands=["B02", "B8A"], geobox=geobox, resampling="bilinear", dtype="uint16",
            nodata=0,
        )  # fmt: skip
        got = load(item, geobox=geobox)["reflectance"].values[0]
        want = np.stack([plain[name].values[0] for name in ("B02", "B8A")]).astype(float)
        np.testing.assert_allclose(np.nan_to_num(got), want * 1e-4, atol=1e-7)


def test_any_chunks_give_the_same_cube(tmp_path):
    scl = np.where(noise(64, 3) < 600, 9, 4).astype(np.uint8)
    items = [
        sentinel2(tmp_path, numbers=noise(64, 4), scl=scl),
        sentinel2(tmp_path, numbers=noise(64, 5), when="2021-06-10T10:50:00"),
        landsat(tmp_path, numbers=noise(64, 6)),
    ]
    whole = load(*items, dilate=3).compute()
    for chunks in ({"y": 16, "x": 24}, {"time": -1, "y": 7}, {"time": 2, "y": 64, "x": 5}):
        xr.testing.assert_identical(load(*items, dilate=3, chunks=chunks).compute(), whole)


def test_clouds_grow_by_a_disk_across_chunks_and_the_border_of_the_cube(tmp_path):
    scl = np.full((64, 64), 4, np.uint8)
    scl[20, 20] = scl[40, 63] = 9
    item = sentinel2(tmp_path, scl=scl)
    part = GeoBox.from_bbox(
        (EAST, NORTH - 640, EAST + 600, NORTH), crs=CRS, resolution=10, tight=True
    )
    clear = load(item, geobox=part, dilate=4, chunks={"y": 21, "x": 21})["clear"].values[0]
    y, x = np.mgrid[:64, :60]
    cloud = ((y - 20) ** 2 + (x - 20) ** 2 <= 16) | ((y - 40) ** 2 + (x - 63) ** 2 <= 16)
    assert (clear == ~cloud).all()
    assert not clear[40, 59]


def test_scenes_of_a_day_are_one_date_and_clear_pixels_win(tmp_path):
    numbers = {n: np.full((64, 64), n, np.uint16) for n in (1000, 2000, 3000)}
    numbers[1000][:, :20] = 0
    cloud = np.full((64, 64), 4, np.uint8)
    cloud[:32] = 9
    first = sentinel2(tmp_path, numbers=numbers[1000], scl=cloud, tile="31UDS")
    second = sentinel2(
        tmp_path, numbers=numbers[2000], scl=np.full((64, 64), 9, np.uint8), tile="31UDT",
        when="2021-06-05T10:50:10",
    )  # fmt: skip
    third = sentinel2(tmp_path, numbers=numbers[3000], tile="31UES", when="2021-06-05T10:50:20")
    third_part = np.full((64, 64), 9, np.uint8)
    third_part[:10] = 4
    with rasterio.open(third.assets["SCL"].href, "r+") as target:
        target.write(third_part, 1)
    cube = load(third, first, second).compute()
    assert cube["time"].values.astype("datetime64[s]").tolist() == [
        np.datetime64("2021-06-05T10:50:00").item()
    ]
    blue = np.rint(cube["reflectance"].sel(band="blue").values[0] * 1e4)
    expected = np.full((64, 64), 1000.0)
    expected[:, :20] = 2000
    expected[:10] = 3000
    np.testing.assert_array_equal(blue, expected)
    clear = np.zeros((64, 64), np.uint8)
    clear[:10] = clear[32:, 20:] = 1
    np.testing.assert_array_equal(cube["clear"].values[0], clear)


def test_two_sensors_of_one_day_are_two_dates(tmp_path):
    same = "2021-06-05T10:50:00"
    cube = load(sentinel2(tmp_path, when=same), landsat(tmp_path, when=same))
    assert cube["platform"].values.tolist() == ["landsat-8", "sentinel-2a"]
    assert (np.diff(cube["time"].values) == np.timedelta64(1, "s")).all()


def test_solar_day_not_utc_day_decides(tmp_path):
    """At 177 degrees east the sun is 11.8 hours ahead: 22:00 and 01:00 UTC are one day there."""
    place = grid(64, crs="EPSG:32760")
    evening = sentinel2(tmp_path, when="2021-06-05T22:00:00", geobox=place, tile="60HUE")
    night = sentinel2(tmp_path, when="2021-06-06T01:00:00", geobox=place, tile="60HVE")
    assert load(evening, night, geobox=place).sizes["time"] == 1
    here = [sentinel2(tmp_path / "b", when=when, tile=when[:2]) for when in
            ("2021-06-05T22:00:00", "2021-06-06T01:00:00")]  # fmt: skip
    assert load(*here).sizes["time"] == 2


def test_newest_version_of_an_overpass_stays(tmp_path):
    name = "S2A_MSIL2A_20210605T105031_R051_T31UDS_2021060{}T1200{:02d}"
    versions = [
        sentinel2(tmp_path, item_id=name.format(day, n), baseline=baseline,
                  numbers=np.full((64, 64), 2000 + n, np.uint16))
        for n, (day, baseline) in enumerate([(5, "03.00"), (9, "05.00"), (7, "05.00")])
    ]  # fmt: skip
    for order in (versions, versions[::-1]):
        cube = load(*order)
        assert cube.sizes["time"] == 1
        np.testing.assert_allclose(cube["reflectance"].sel(band="blue").values, 0.1001, atol=1e-6)


def test_granules_that_complete_each_other_are_no_duplicates(tmp_path):
    west, east = grid(64), grid(64, east=EAST + 640)
    whole = GeoBox.from_bbox(
        (EAST, NORTH - 640, EAST + 1280, NORTH), crs=CRS, resolution=10, tight=True
    )
    parts = [
        sentinel2(tmp_path, geobox=part, item_id=f"S2A_MSIL2A_20210605T105031_T31UDS_{n}",
                  **{"s2:generation_time": f"2021-06-05T12:0{n}:00Z"})
        for n, part in enumerate((west, east))
    ]  # fmt: skip
    cube = load(*parts, geobox=whole)
    assert cube.sizes["time"] == 1
    assert cube["clear"].values.all()


def test_bandpass_brings_sentinel_2_to_oli_and_leaves_landsat(tmp_path):
    numbers = noise(64, 7)
    items = [
        sentinel2(tmp_path, numbers=numbers, platform=name, baseline="05.00",
                  when=f"2021-06-{10 + n}T10:50:00")
        for n, name in enumerate(HLS_BANDPASS)
    ] + [landsat(tmp_path, numbers=numbers)]  # fmt: skip
    plain, adjusted = load(*items).compute(), load(*items, bandpass="hls").compute()
    for date, platform in enumerate(plain["platform"].values.tolist()):
        for band in PAIR:
            slope, offset = HLS_BANDPASS.get(platform, {}).get(band, (1.0, 0.0))
            before, after = (
                c["reflectance"].sel(band=band).values[date] for c in (plain, adjusted)
            )
            np.testing.assert_allclose(after, before * slope + offset, atol=1e-6)
    with pytest.raises(lx.CubeError, match=r"unknown band 'nir'\."):
        load(sentinel2(tmp_path, bands=("nir", "nir08")), bands=("nir",), bandpass="hls")


def test_bands_by_default(tmp_path):
    ten = ("blue", "green", "red", "rededge1", "nir", "nir08", "swir16", "swir22")
    msi = sentinel2(tmp_path, bands=ten)
    for key, name in (("B05", "B06"), ("B05", "B07")):
        msi.assets[name] = msi.assets[key]
    oli = landsat(tmp_path, bands=lx.COMMON_BANDS)
    assert lx.load_stac([msi], geobox=grid(64)).sizes["band"] == 10
    both = lx.load_stac([msi, oli], geobox=grid(64))
    assert tuple(both["band"].values.tolist()) == lx.COMMON_BANDS


def test_coarse_bands_nest_into_a_fine_grid(tmp_path):
    """Nearest repeats each pixel of 20 m 2 x 2; quality stays whole classes with any method."""
    coarse = grid(32, resolution=20)
    scl = np.where(noise(32, 8) < 2000, 3, 5).astype(np.uint8)
    numbers = noise(32, 9)
    item = sentinel2(tmp_path, geobox=coarse, numbers=numbers, scl=scl)
    repeat = np.ones((2, 2))
    near = load(item, resampling="nearest").compute()
    np.testing.assert_allclose(
        near["reflectance"].values[0, 0], np.kron(numbers * 1e-4, repeat), atol=1e-7
    )
    smooth = load(item, resampling={"reflectance": "cubic"}).compute()
    assert np.abs(smooth["reflectance"] - near["reflectance"]).max() > 0.001
    for cube in (near, smooth, load(item)):
        np.testing.assert_array_equal(cube["clear"].values[0], np.kron(scl == 5, repeat))


def test_grids(tmp_path):
    item = sentinel2(tmp_path)
    bbox = bbox_of(grid(20, east=EAST + 203, north=NORTH - 197))
    utm = lx.load_stac([item], bands=PAIR, bbox=bbox)
    assert utm.odc.crs.epsg == 32631
    assert utm.odc.geobox.resolution.xy == (10, -10)
    eea = lx.load_stac([item], bands=PAIR, bbox=bbox, crs="EPSG:3035", resolution=30)
    bounds = eea.odc.geobox.boundingbox
    assert [value % 30 for value in bounds.bbox] == [0, 0, 0, 0]
    assert eea["y"].values[0] > eea["y"].values[-1]
    assert eea.odc.geobox.geographic_extent.contains(box(*bbox, crs="EPSG:4326"))
    given = grid(16, east=EAST + 5)
    assert load(item, geobox=given).odc.geobox == given


def test_a_stored_cube_reads_back(tmp_path):
    cube = load(sentinel2(tmp_path, numbers=noise(64, 10)), landsat(tmp_path), on_error="mark")
    again = lx.open_cube(lx.write_cube(cube, tmp_path / "cube.zarr"))
    np.testing.assert_allclose(again["reflectance"], cube["reflectance"], atol=5.1e-5)
    assert again["platform"].values.tolist() == cube["platform"].values.tolist()
    assert (again["time"].values == cube["time"].values).all()
    assert again["unread"].dtype == np.uint8


# Cut to nothing, in the signature, in the tags (which hold the reference system), in the data.
@pytest.mark.parametrize("size", [0, 6, 150, 300, 450, 2000])
def test_truncated_source_is_named(tmp_path, size):
    item = sentinel2(tmp_path, numbers=noise(64, 11))
    href = item.assets["B8A"].href
    with Path(href).open("r+b") as target:
        target.truncate(size)
    with pytest.raises(lx.SourceError, match=r"asset 'B8A' of item 'S2A_.*B8A\.tif: .*on_error"):
        load(item).compute()
    marked = load(item, on_error="mark").compute()
    assert marked["unread"].values.all()
    assert not marked["clear"].values.any()


def test_marked_sources_leave_no_silent_hole(tmp_path, caplog):
    west = grid(32)
    gone = sentinel2(tmp_path, geobox=west)
    there = sentinel2(tmp_path, when="2021-06-05T10:50:20", tile="31UES")
    other = sentinel2(tmp_path, when="2021-06-20T10:50:00")
    (tmp_path / gone.id / "SCL.tif").unlink()
    marked = load(gone, other, on_error="mark", chunks={"y": 20, "x": 20})
    with caplog.at_level("WARNING", logger="lulc_xr"):
        cube = marked.compute()
    inside = np.zeros((64, 64), np.uint8)
    inside[:32, :32] = 1
    # All pixels that the footprint touches: its border may take in the next one.
    unread = cube["unread"].values
    assert (unread[0] >= inside).all()
    assert (unread[0][34:] == 0).all()
    assert not unread[1].any()
    assert np.isnan(cube["reflectance"].values[0]).all()
    assert not cube["clear"].values[0].any()
    said = [r.getMessage() for r in caplog.records if r.name.startswith("lulc_xr")]
    assert len(said) == 1
    assert gone.id in said[0]
    assert "SCL.tif" in said[0]
    # Where another scene of the day has the pixel, it is used, and the mark stays.
    shared = load(gone, there, on_error="mark").compute()
    assert shared["clear"].values.all()
    assert shared["unread"].values[0, :32, :32].all()


def test_collection_1_bits_are_refused_even_when_marking(tmp_path):
    item = landsat(tmp_path, qa=np.full((64, 64), 322, np.uint16))
    with pytest.raises(lx.CubeError, match=r"'qa_pixel' of item 'LC08.*Collection 1 \(value 322\)"):
        load(item, on_error="mark").compute()


WRONG = {
    r"give either bbox .* or geobox": {"geobox": None},
    r"bbox .* is no \(west, south, east, north\)": {"geobox": None, "bbox": (4, 50, 3, 51)},
    r"a cube needs a projected CRS; this geobox has EPSG:4326": {
        "geobox": GeoBox.from_bbox((2.7, 50.8, 2.8, 50.9), crs="EPSG:4326", resolution=0.01)
    },
    r"crs 'EPSG:4326' is geographic": {
        "geobox": None, "bbox": (2.72, 50.905, 2.721, 50.906), "crs": "EPSG:4326"
    },
    r"crs 'nowhere' is not understood": {
        "geobox": None, "bbox": (2.72, 50.905, 2.721, 50.906), "crs": "nowhere"
    },
    r"resampling 'average' would average the quality band": {"resampling": {"quality": "average"}},
    r"unknown resampling 'bicubic'\..*cubic": {"resampling": "bicubic"},
    r"unknown kind of band 'scl'": {"resampling": {"scl": "nearest"}},
    r"unknown band 'nir8'\. Known, nearest first: nir08|unknown band 'nir8'": {"bands": ["nir8"]},
    r"name one twice": {"bands": ["blue", "blue"]},
    r"give a list of names": {"bands": "blue"},
    r"unknown on_error 'ignore'": {"on_error": "ignore"},
    r"unknown bandpass 'oli'": {"bandpass": "oli"},
    r"dilate is -1; give a whole number": {"dilate": -1},
    r"unknown dimension of chunks 'band'": {"chunks": {"band": 1}},
    r"chunks along 'y' of 0": {"chunks": {"y": 0}},
    r"no item touches .* between 2030 and None": {"start": "2030"},
    r"start=.June. is no date": {"start": "June"},
    r"start '2022' is after end '2021'": {"start": "2022", "end": "2021"},
    r"unknown rule of clear pixels": {"clear": "sunny"},
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_wrong_settings_are_refused_before_anything_is_read(tmp_path, message):
    settings = {"bands": PAIR, "geobox": grid(64), **WRONG[message]}
    with pytest.raises(lx.CubeError, match=message):
        lx.load_stac([sentinel2(tmp_path)], **settings)


def test_items_of_two_zones_need_a_choice(tmp_path):
    west = sentinel2(tmp_path)
    east = sentinel2(tmp_path, tile="32ULB", when="2021-06-06T10:50:00")
    east.properties["proj:code"] = "EPSG:32632"
    for asset in east.assets.values():
        asset.extra_fields = {}
    with pytest.raises(lx.CubeError, match=r"2 zones: EPSG:32631 \(1 items\).*crs='EPSG:3035'"):
        lx.load_stac([west, east], bands=PAIR, bbox=bbox_of(grid(64)))
    del west.properties["proj:code"]
    with pytest.raises(lx.CubeError, match=r"does not say its CRS .* crs='EPSG:32631'"):
        lx.load_stac([west], bands=PAIR, bbox=bbox_of(grid(64)))


def test_addresses_are_signed_when_they_are_read(tmp_path):
    item = sentinel2(tmp_path)
    for asset in item.assets.values():
        asset.href = f"/locked{asset.href}"
    cube = load(item, sign=lambda href: href.removeprefix("/locked"))
    assert cube["clear"].values.all()


def test_source_must_be_items(tmp_path):
    with pytest.raises(lx.CubeError, match="items cannot be taken from int"):
        load(7)
    with pytest.raises(lx.CubeError, match="items cannot be taken from dict"):
        lx.load_stac([{"id": "x"}], bands=PAIR, geobox=grid(64))
    with pytest.raises(lx.SourceError, match="not there"):
        lx.load_stac(tmp_path / "catalog.json", bands=PAIR, geobox=grid(64))


def test_a_plan_goes_to_workers_and_has_a_name_of_its_content(tmp_path):
    items = [sentinel2(tmp_path, numbers=noise(64, 12)), landsat(tmp_path)]
    cube = load(*items, on_error="mark", dilate=1)
    again = pickle.loads(pickle.dumps(cube))
    xr.testing.assert_identical(again.compute(), cube.compute())
    name = cube["reflectance"].data.name
    assert load(*items[::-1], on_error="mark", dilate=1)["reflectance"].data.name == name
    for other in ({"dilate": 2}, {"clear": "strict"}, {"on_error": "raise"}, {"bandpass": "hls"}):
        settings = {"on_error": "mark", "dilate": 1, **other}
        assert load(*items, **settings)["reflectance"].data.name != name
    items[0].properties["s2:processing_baseline"] = "04.00"
    assert load(*items, on_error="mark", dilate=1)["reflectance"].data.name != name


def test_a_scene_is_read_once_per_chunk_and_not_where_a_clear_one_lies_above(tmp_path):
    """Of two scenes of a day that are clear, the second is not opened: it may as well be gone."""
    first = sentinel2(tmp_path)
    second = sentinel2(tmp_path, tile="31UES", when="2021-06-05T10:50:20")
    for path in (tmp_path / second.id).glob("*.tif"):
        path.unlink()
    assert load(first, second)["clear"].values.all()


def test_a_scene_without_a_pixel_in_a_block_is_no_more_than_its_quality_band(tmp_path):
    item = sentinel2(tmp_path, scl=np.zeros((64, 64), np.uint8))
    (tmp_path / item.id / "B02.tif").unlink()
    cube = load(item).compute()
    assert np.isnan(cube["reflectance"]).all()
    assert not cube["clear"].any()


def test_outside_of_all_scenes_is_nothing(tmp_path):
    wide = grid(96)
    cube = load(sentinel2(tmp_path), geobox=wide, dilate=5, chunks={"y": 32, "x": 32}).compute()
    inside = np.zeros((96, 96), bool)
    inside[:64, :64] = True
    np.testing.assert_array_equal(cube["clear"].values[0] == 1, inside)
    np.testing.assert_array_equal(~np.isnan(cube["reflectance"].values[0, 0]), inside)


def test_scenes_own_grid_is_that_of_their_pixels(tmp_path):
    """Landsat's corners lie 15 m off multiples of 30: alone it is pasted, not blurred."""
    own = grid(24, resolution=30, east=EAST + 15, north=NORTH + 15)
    numbers = noise(24, 13, low=8000, high=40000)
    oli = landsat(tmp_path, geobox=own, numbers=numbers)
    bbox = bbox_of(grid(8, resolution=30, east=EAST + 200, north=NORTH - 200))
    cube = lx.load_stac([oli], bands=PAIR, bbox=bbox)
    west, north = cube.odc.geobox.boundingbox.left, cube.odc.geobox.boundingbox.top
    assert (west % 30, north % 30) == (15, 15)
    column, row = int(west - EAST - 15) // 30, int(NORTH + 15 - north) // 30
    part = numbers[row : row + cube.sizes["y"], column : column + cube.sizes["x"]]
    np.testing.assert_allclose(cube["reflectance"].values[0, 0], part * 2.75e-5 - 0.2, atol=1e-6)
    both = lx.load_stac([oli, sentinel2(tmp_path)], bands=PAIR, bbox=bbox, resolution=30)
    assert both.odc.geobox.boundingbox.left % 30 == 0
    named = lx.load_stac([oli], bands=PAIR, bbox=bbox, crs="EPSG:32631")
    assert named.odc.geobox.boundingbox.left % 30 == 0
