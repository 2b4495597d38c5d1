"""Class maps of others: values, legend, no data, places, laziness, and what is refused."""

import threading

import dask
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import lulc_xr as lx
from lulc_xr.core.corine import corine_codes
from lulc_xr.core.cube import crs_of


def write_raster(path, values, *, crs="EPSG:3035", transform=None, **options):
    options = {"driver": "GTiff", "count": 1, "dtype": values.dtype, "crs": crs} | options
    transform = transform or from_origin(4_000_000, 3_000_000, 10, 10)
    height, width = values.shape
    with rasterio.open(
        path, "w", height=height, width=width, transform=transform, **options
    ) as file:
        file.write(values, 1)
    return path


def codes_of(name, shape, *, extra=()):
    codes = np.array([*lx.legend(name).ids, *extra], np.uint8)
    return codes[np.random.default_rng(0).integers(0, codes.size, shape)]


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("worldcover", (0,)),
        ("dynamic_world", ()),
        ("elc10", (0,)),
        ("clcplus_backbone", (254, 255)),
    ],
)
def test_values_are_class_ids_and_the_rest_is_not_mapped(tmp_path, name, extra):
    values = codes_of(name, (70, 90), extra=extra)
    path = write_raster(tmp_path / "map.tif", values, tiled=True, blockxsize=32, blockysize=16)
    opened = lx.open_class_map(path, legend=name, chunk=32)
    expected = np.where(np.isin(values, extra), 255, values) if extra else values
    np.testing.assert_array_equal(opened.values, expected)
    assert opened.dtype == np.uint8
    assert opened.chunks == ((32, 32, 6), (32, 32, 26))
    assert lx.Legend.from_flags(opened.attrs) == lx.legend(name)


def test_places_are_pixel_centres_in_the_system_of_the_file(tmp_path):
    path = write_raster(tmp_path / "map.tif", codes_of("elc10", (3, 4)))
    opened = lx.open_class_map(path, legend="elc10", year=2018)
    assert opened["x"].values.tolist() == [4_000_005, 4_000_015, 4_000_025, 4_000_035]
    assert opened["y"].values.tolist() == [2_999_995, 2_999_985, 2_999_975]
    assert rasterio.crs.CRS.from_wkt(crs_of(opened.to_dataset())).to_epsg() == 3035
    assert opened["spatial_ref"].attrs["GeoTransform"].startswith("4000000.0 10.0")
    assert int(opened["year"]) == 2018


def test_nothing_is_read_before_it_is_needed(tmp_path):
    path = write_raster(tmp_path / "map.tif", codes_of("elc10", (64, 64)))

    def refuse(*_args, **_kwargs):
        raise AssertionError("computed")

    with dask.config.set(scheduler=refuse):
        opened = lx.open_class_map(path, legend="elc10")
        assert (opened == 1).sum().chunks is not None


def test_threads_read_at_once(tmp_path):
    values = codes_of("elc10", (256, 256))
    path = write_raster(tmp_path / "map.tif", values, tiled=True, blockxsize=16, blockysize=16)
    opened = lx.open_class_map(path, legend="elc10", chunk=16)
    seen = set()
    found = opened.data.map_blocks(lambda b: (seen.add(threading.get_ident()), b)[1])
    np.testing.assert_array_equal(found.compute(scheduler="threads", num_workers=4), values)
    assert len(seen) > 1


def test_strips_are_read_whole(tmp_path):
    values = codes_of("elc10", (100, 200))
    path = write_raster(tmp_path / "map.tif", values, blockysize=4)
    opened = lx.open_class_map(path, legend="elc10", chunk=40)
    # 40 x 40 pixels are 8 rows of 200.
    assert opened.chunks[1] == (200,)
    assert set(opened.chunks[0][:-1]) == {8}
    np.testing.assert_array_equal(opened.values, values)


def test_a_changed_file_is_read_anew(tmp_path):
    path = write_raster(tmp_path / "map.tif", np.full((9, 9), 1, np.uint8))
    first = lx.open_class_map(path, legend="elc10").data.name
    write_raster(tmp_path / "map.tif", np.full((9, 10), 2, np.uint8))
    again = lx.open_class_map(path, legend="elc10")
    assert again.data.name != first
    assert (again.values == 2).all()


def test_grid_codes_and_codes_of_level_3_are_the_same_classes(tmp_path):
    grid = np.arange(1, 45, dtype=np.uint8).reshape(4, 11)
    codes = np.array(list(corine_codes())).reshape(4, 11)
    maps = [
        lx.open_class_map(
            write_raster(tmp_path / f"{kind}.tif", values, nodata=nodata), legend="corine_level3"
        )
        for kind, values, nodata in (
            ("grid", grid, 255),
            ("codes", codes.astype(np.uint32), 4294967295),
            ("signed", codes.astype(np.int16), -32768),
        )
    ]
    for opened in maps:
        np.testing.assert_array_equal(opened.values, grid)


def test_no_data_of_the_file_is_not_mapped(tmp_path):
    values = codes_of("elc10", (20, 20), extra=(77,))
    path = write_raster(tmp_path / "map.tif", values, nodata=77)
    opened = lx.open_class_map(path, legend="elc10").values
    assert ((opened == 255) == (values == 77)).all()
    # What the user says counts alone.
    with pytest.raises(lx.LegendError, match=r"values outside legend 'elc10' in .*: 77 \(\d+ time"):
        lx.open_class_map(path, legend="elc10", nodata=()).compute()
    assert (lx.open_class_map(path, legend="elc10", nodata=(77, 1)).values == 255).sum() > (
        values == 77
    ).sum()


def test_no_data_that_is_a_class_must_be_decided(tmp_path):
    values = codes_of("dynamic_world", (20, 20))
    path = write_raster(tmp_path / "map.tif", values, nodata=0)
    with pytest.raises(lx.LegendError, match=r"means no data, and legend 'dynamic_world' has"):
        lx.open_class_map(path, legend="dynamic_world")
    water = lx.open_class_map(path, legend="dynamic_world", nodata=())
    assert (water.values == values).all()
    none = lx.open_class_map(path, legend="dynamic_world", nodata=0)
    assert ((none.values == 255) == (values == 0)).all()


def test_own_codes_lead_to_a_legend(tmp_path):
    legend = lx.Legend.from_names("mine", ["forest", "field"])
    path = write_raster(tmp_path / "map.tif", np.array([[700, 800, 0]], np.uint16), nodata=0)
    opened = lx.open_class_map(path, legend=legend, codes={700: 0, 800: 1})
    assert opened.values.tolist() == [[0, 1, 255]]
    with pytest.raises(lx.LegendError, match="codes= leads to class id 9, which legend 'mine'"):
        lx.open_class_map(path, legend=legend, codes={700: 9})
    with pytest.raises(lx.LegendError, match="codes= names value -1"):
        lx.open_class_map(path, legend=legend, codes={-1: 0})


def test_values_of_another_product_are_refused_with_the_one_they_may_be(tmp_path):
    path = write_raster(tmp_path / "map.tif", codes_of("worldcover", (20, 20)))
    with pytest.raises(lx.LegendError, match="Legends that have all of them: worldcover") as caught:
        lx.open_class_map(path, legend="elc10").compute()
    assert "10 (" in str(caught.value)
    assert "codes= if the file numbers the classes in its own way" in str(caught.value)


def test_what_cannot_be_opened(tmp_path):
    values = codes_of("elc10", (5, 5))
    path = write_raster(tmp_path / "map.tif", values)
    with pytest.raises(lx.LegendError, match=r"nothing says what the values of .* worldcover"):
        lx.open_class_map(path)
    with pytest.raises(lx.LegendError, match="unknown legend 'worldcovr'"):
        lx.open_class_map(path, legend="worldcovr")
    with pytest.raises(lx.SourceError, match=r"cannot open class map .*nowhere"):
        lx.open_class_map(tmp_path / "nowhere.tif", legend="elc10")
    with pytest.raises(lx.CubeError, match=r"band 2 of .*, which has 1 to 1"):
        lx.open_class_map(path, legend="elc10", band=2)
    plain = write_raster(tmp_path / "plain.tif", values, crs=None)
    with pytest.raises(lx.CubeError, match="has no coordinate reference system"):
        lx.open_class_map(plain, legend="elc10")
    turned = write_raster(
        tmp_path / "turned.tif", values, transform=from_origin(0, 0, 1, 1).rotation(30)
    )
    with pytest.raises(lx.CubeError, match="is rotated; warp it"):
        lx.open_class_map(turned, legend="elc10")
    floats = write_raster(tmp_path / "floats.tif", values.astype(np.float32))
    with pytest.raises(lx.CubeError, match="is float32; expected whole numbers"):
        lx.open_class_map(floats, legend="elc10")


def test_a_damaged_file_says_where(tmp_path):
    values = np.random.default_rng(0).integers(1, 9, (400, 400)).astype(np.uint8)
    path = write_raster(tmp_path / "map.tif", values, compress="deflate", tiled=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(lx.SourceError, match=r"class map .*map\.tif"):
        lx.open_class_map(path, legend="elc10").compute()


def test_corine_of_north_italy(shared_data):
    path = shared_data / "north_italy_2010/clc_32632.tif"
    opened = lx.open_class_map(path, legend="corine_level3")
    with rasterio.open(path) as file:
        palette = file.colormap(1)
        np.testing.assert_array_equal(opened.values, file.read(1))
    # The file's own palette is the one of the nomenclature; it has no colour for burnt areas.
    for made in lx.legend("corine_level3").classes:
        assert made.color == "#{:02x}{:02x}{:02x}".format(*palette[made.class_id][:3])
    level1 = lx.crosswalk("corine_level3", "corine_level1").map_labels(opened.values)
    level2 = lx.crosswalk("corine_level3", "corine_level2").map_labels(opened.values)
    assert (level2 // 10 == level1).all()


def test_corine_of_level_3_codes_and_an_unusual_order_of_axes(shared_data):
    path = shared_data / "clc_lanjaron/clc.tif"
    opened = lx.open_class_map(path, legend="corine_level3")
    with rasterio.open(path) as file:
        values, none = file.read(1), file.nodata
    codes = {i: code for code, i in corine_codes().items()}
    found = np.vectorize(lambda i: codes.get(i, none))(opened.values)
    np.testing.assert_array_equal(found, values)
    # EPSG:3042 names north before east; columns are still eastings.
    assert 453_239 < float(opened["x"][0]) < float(opened["x"][-1]) < 465_089


def test_a_raster_of_its_own_codes(shared_data):
    path = shared_data / "lucas/netherlands_osm_clcplus_14580_sample.tif"
    names = {10: "building", 11: "road", 18: "route", 19: "residential", 20: "cropland",
             30: "perennial", 40: "woodland", 50: "shrubland", 60: "grassland", 70: "bare",
             80: "water"}  # fmt: skip
    legend = lx.Legend(
        name="osm",
        classes=tuple(lx.LegendClass(class_id=i, name=name) for i, name in names.items()),
    )
    opened = lx.open_class_map(path, legend=legend)
    counts = dict(zip(*np.unique(opened.values, return_counts=True), strict=True))
    assert (counts[20], counts[40], counts[60], counts[80]) == (68615, 60011, 108378, 3604)
