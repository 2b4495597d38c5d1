"""Maps become files that GDAL and QGIS read: values, place, colours, names, overviews."""

import shutil

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.enums import ColorInterp, Resampling

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.legend import Legend
from lulc_xr.core.probability import PROBABILITY_SCALE
from lulc_xr.testing import landscape
from tests.gdal_names import read_names
from tests.predictors import LEGEND, Ratio

SIDE = 1100


def raising(*_, **__):
    raise AssertionError("computed")


@pytest.fixture(scope="module")
def large():
    """Maps of two years that need overviews, lazily: classes in stripes, gaps, an odd size."""
    cube = landscape(y=SIDE, x=SIDE - 77, time=12, bands=("green", "red", "nir"), classes=3, seed=2)
    rng = np.random.default_rng(5)
    shape = (2, cube.sizes["y"], cube.sizes["x"])
    ids = np.array([1, 3, 7, 255], np.uint8)[rng.integers(0, 4, shape)]
    entropy = np.where(ids == 255, np.nan, rng.random(shape)).astype(np.float32)
    steps = rng.integers(0, 251, (2, 3, *shape[1:]))
    steps[np.broadcast_to((ids == 255)[:, None], steps.shape)] = 255
    p = np.where(steps == 255, np.nan, steps * np.float32(PROBABILITY_SCALE)).astype(np.float32)
    dims, chunk = ("year", "y", "x"), (1, 256, 300)
    attrs = {"year_start": "2017-11-01 2018-11-01", "model_hash": "0123"}
    probability = xr.Variable(
        ("year", "class", "y", "x"),
        da.from_array(p, (1, 3, 256, 300)),
        {"long_name": "probability"},
        {"dtype": "uint8", "scale_factor": PROBABILITY_SCALE, "_FillValue": np.uint8(255)},
    )
    return xr.Dataset(
        {
            "land_cover": (dims, da.from_array(ids, chunk), {**LEGEND.flags(), **attrs}),
            "land_cover_entropy": (dims, da.from_array(entropy, chunk), {"units": "1"}),
            "land_cover_probability": probability,
        },
        coords={
            "year": [2018, 2019],
            "class": list(LEGEND.names),
            **{name: cube[name] for name in ("y", "x", "spatial_ref")},
        },
    )


def check_layout(file):
    """A COG: tiles, overviews down to one tile, in the order of the layout."""
    assert file.driver == "GTiff"
    assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert file.profile["tiled"]
    assert file.block_shapes[0] == (512, 512)
    assert file.overviews(1) == [2, 4]
    assert file.crs == rasterio.CRS.from_epsg(32631)
    assert file.transform[:6] == (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0)


def test_a_class_map_has_its_values_colours_and_names(large, tmp_path):
    (path,) = lx.to_cog(large, tmp_path / "map.tif", year=2019)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.tif", "map.tif.aux.xml"]
    with rasterio.open(path) as file:
        check_layout(file)
        np.testing.assert_array_equal(file.read(1), large["land_cover"].sel(year=2019))
        assert file.nodata == 255
        assert file.colorinterp == (ColorInterp.palette,)
        table = file.colormap(1)
        for entry in LEGEND.classes:
            assert "#{:02x}{:02x}{:02x}".format(*table[entry.class_id][:3]) == entry.color
        tags = file.tags()
        assert tags["year"] == "2019"
        assert tags["year_start"] == "2018-11-01"
        assert tags["model_hash"] == "0123"
        values = [int(v) for v in tags["flag_values"].split()]
        assert Legend.from_flags({**tags, "flag_values": values}) == LEGEND
    assert large["land_cover"].attrs["year_start"] == "2017-11-01 2018-11-01"


def test_gdal_finds_the_names_of_classes(large, tmp_path):
    (path,) = lx.to_cog(large, tmp_path / "map.tif", year=2018)
    names, rows = read_names(path)
    assert [n for n in names if n] == list(LEGEND.names)
    assert [names[i] for i in LEGEND.ids] == list(LEGEND.names)
    assert [int(row[0]) for row in rows] == list(LEGEND.ids)
    assert ["#{:02x}{:02x}{:02x}".format(*map(int, row[2:])) for row in rows] == list(LEGEND.colors)


def test_overviews_of_classes_hold_classes_only(large, tmp_path):
    (path,) = lx.to_cog(large, tmp_path / "map.tif", year=2018)
    for level in (0, 1):
        with rasterio.open(path, overview_level=level) as file:
            seen = np.unique(file.read(1))
        assert set(seen.tolist()) <= {*LEGEND.ids, 255}
    with rasterio.open(path, overview_level=0) as file:
        small = file.read(1)
    ids = large["land_cover"].sel(year=2018).values
    blocks = ids[: SIDE // 2 * 2, : ids.shape[1] // 2 * 2].reshape(SIDE // 2, 2, -1, 2)
    counts = np.stack([(blocks == i).sum(axis=(1, 3)) for i in LEGEND.ids])
    clear = counts.max(axis=0) > 2
    most = np.array(LEGEND.ids)[counts.argmax(axis=0)]
    assert clear.sum() > 1000
    np.testing.assert_array_equal(small[: SIDE // 2, : most.shape[1]][clear], most[clear])


def test_numbers_keep_their_type_and_are_averaged(large, tmp_path):
    names = ["land_cover_entropy", "land_cover_probability"]
    # An even size, so that a pixel of the overview is the mean of four.
    even = large.isel(x=slice(0, 1022))
    entropy, probability = lx.to_cog(even, tmp_path / "out", variables=names, year=[2018])
    assert entropy.name == "land_cover_entropy_2018.tif"
    assert sorted(p.name for p in entropy.parent.iterdir()) == [entropy.name, probability.name]
    with rasterio.open(entropy) as file:
        check_layout(file)
        assert np.isnan(file.nodata)
        assert file.dtypes == ("float32",)
        expected = even["land_cover_entropy"].sel(year=2018).values
        np.testing.assert_array_equal(file.read(1), expected)
    with rasterio.open(entropy, overview_level=0) as file:
        blocks = expected[:1000, :1000].reshape(500, 2, 500, 2)
        whole = np.isfinite(blocks).all(axis=(1, 3))
        means = blocks.mean(axis=(1, 3))
        np.testing.assert_allclose(file.read(1)[:500, :500][whole], means[whole], rtol=1e-6)
    with rasterio.open(probability) as file:
        check_layout(file)
        assert file.dtypes == ("uint8",) * 3
        assert file.descriptions == LEGEND.names
        assert file.colorinterp[0] == ColorInterp.gray
        assert file.nodata == 255
        stored = file.read(masked=True)
        given = even["land_cover_probability"].sel(year=2018).values
        values = stored.filled(0) * np.array(file.scales)[:, None, None]
        assert file.scales == pytest.approx([PROBABILITY_SCALE] * 3)
        np.testing.assert_allclose(values, np.nan_to_num(given), atol=1e-6)
        np.testing.assert_array_equal(stored.mask, np.isnan(given))


def test_a_mask_is_written_with_three_values(large, tmp_path):
    found = large.lulc.mask("woodland", min_probability=0.5)
    (path,) = lx.to_cog(found, tmp_path / "mask.tif", variables="mask", year=2018)
    one = found.sel(year=2018).compute()
    with rasterio.open(path) as file:
        values = file.read(1)
        assert file.colorinterp == (ColorInterp.palette,)
    np.testing.assert_array_equal(values == 1, one["mask"])
    np.testing.assert_array_equal(values == 255, ~one["mask_known"])
    np.testing.assert_array_equal(values == 0, one["mask_known"] & ~one["mask"])
    assert read_names(path)[0] == ["no", "yes"]
    alone = lx.to_cog(found[["mask"]], tmp_path / "plain.tif", variables="mask", year=2018)
    with rasterio.open(alone[0]) as file:
        np.testing.assert_array_equal(file.read(1), one["mask"])
    assert read_names(alone[0])[0] == ["no_or_not_known", "yes"]


def test_each_block_is_computed_once_and_few_at_a_time(large, tmp_path):
    seen = []

    def note(block, block_info=None):
        seen.append(tuple(block_info[0]["chunk-location"]))
        return block

    part = large[["land_cover"]].copy()
    noted = part["land_cover"].data.map_blocks(note, dtype=np.uint8, meta=np.empty((0, 0, 0), "u1"))
    part["land_cover"] = part["land_cover"].copy(data=noted)
    part["other"] = part["land_cover"]
    lx.to_cog(part, tmp_path / "out", variables=["land_cover", "other"], year=2019)
    rows, columns = (len(c) for c in noted.chunks[1:])
    assert sorted(seen) == [(1, i, j) for i in range(rows) for j in range(columns)]


def test_maps_in_memory_of_a_store_and_lazy_ones_give_the_same_files(mapped, tmp_path):
    maps = lx.open_cube(mapped)
    names = ["land_cover", "land_cover_entropy", "land_cover_probability"]
    lazy = lx.to_cog(maps, tmp_path / "lazy", variables=names)
    loaded = lx.to_cog(maps[names].load(), tmp_path / "loaded", variables=names)
    raw = lx.to_cog(lx.open_cube(mapped, raw=True), tmp_path / "raw", variables=names)
    plain = xr.open_zarr(mapped, consolidated=False, decode_coords="all")
    decoded = lx.to_cog(plain, tmp_path / "plain", variables=names)
    cube = lx.open_cube(mapped)
    computed = classify_again(cube)
    fresh = lx.to_cog(computed, tmp_path / "fresh", variables=names)
    assert len(lazy) == 3
    for others in (loaded, raw, decoded, fresh):
        for one, other in zip(lazy, others, strict=True):
            with rasterio.open(one) as a, rasterio.open(other) as b:
                np.testing.assert_array_equal(a.read(), b.read())
                assert a.profile == b.profile or a.profile["dtype"] == "float32"
                assert a.tags() == b.tags()


def classify_again(cube):
    outputs = ("land_cover", "entropy", "probability")
    return lx.classify(cube, Ratio(), outputs=outputs)


def test_maps_from_the_south_are_turned_and_one_year_needs_no_name(large, tmp_path):
    south = large.isel(year=0, drop=True).isel(y=slice(None, None, -1), x=slice(None, None, -1))
    (path,) = south.lulc.to_cog(tmp_path / "out")
    assert path.name == "land_cover.tif"
    with rasterio.open(path) as file:
        check_layout(file)
        np.testing.assert_array_equal(file.read(1), large["land_cover"][0])
        assert "year" not in file.tags()


def test_without_colours_the_names_stay(large, tmp_path):
    (path,) = lx.to_cog(large, tmp_path / "map.tif", year=2018, colors=False)
    with rasterio.open(path) as file:
        assert file.colorinterp == (ColorInterp.gray,)
    assert read_names(path)[0][3] == "woodland"


def test_other_whole_numbers_are_written_as_they_are(mapped, tmp_path):
    maps = lx.open_cube(mapped)[["land_cover"]]
    fields = maps["land_cover"].astype(np.int32).drop_attrs() * 1000
    (path,) = lx.to_cog(maps.assign(fields=fields), tmp_path / "f.tif", variables="fields")
    with rasterio.open(path) as file:
        assert file.dtypes == ("int32",)
        assert file.nodata is None
        np.testing.assert_array_equal(file.read(1), fields[0])
        file.read(1, out_shape=(4, 4), resampling=Resampling.nearest)


def test_files_can_be_opened_as_class_maps(mapped, tmp_path):
    maps = lx.open_cube(mapped)
    (path,) = lx.to_cog(maps, tmp_path / "map.tif")
    again = lx.open_class_map(path, legend=LEGEND)
    np.testing.assert_array_equal(again, maps["land_cover"][0])
    np.testing.assert_allclose(again["x"], maps["x"])


def test_what_is_there_is_kept_until_the_new_file_is_whole(large, tmp_path):
    (path,) = lx.to_cog(large, tmp_path / "map.tif", year=2018)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"map.tif' exists already.*pass overwrite=True"):
        lx.to_cog(large, path, year=2018)

    def fail(block):
        if not block.any():
            return block
        raise ValueError("a broken block")

    broken = large[["land_cover"]].copy()
    ids = broken["land_cover"].data
    broken["land_cover"] = broken["land_cover"].copy(data=ids.map_blocks(fail, dtype=ids.dtype))
    with pytest.raises(ValueError, match="a broken block"):
        lx.to_cog(broken, path, year=2018, overwrite=True)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.tif", "map.tif.aux.xml"]
    with pytest.raises(ValueError, match="a broken block"):
        lx.to_cog(broken, tmp_path / "new", year=2018)
    assert not (tmp_path / "new").exists()
    lx.to_cog(large, path, year=2019, overwrite=True)
    with rasterio.open(path) as file:
        assert file.tags()["year"] == "2019"


def test_a_file_that_lost_something_is_not_kept(large, tmp_path, monkeypatch):
    copy = rasterio.shutil.copy

    def damaged(source, target, **options):
        with rasterio.open(source, "r+") as file:
            file.write(np.zeros((1, 9, 9), np.uint8), window=((100, 109), (600, 609)))
        copy(source, target, **options)

    monkeypatch.setattr(rasterio.shutil, "copy", damaged)
    with pytest.raises(StoreError, match=r"does not hold what was written at column 600, row 0"):
        lx.to_cog(large, tmp_path / "out", year=2018)
    assert not (tmp_path / "out").exists()


def test_nothing_is_computed_for_what_is_refused(large, tmp_path):
    cases = [
        ({"variables": "landcover"}, CubeError, "unknown variable 'landcover'. Known, nearest"),
        ({"variables": []}, CubeError, "no variable to write"),
        ({"year": 2020}, CubeError, "no year 2020 in these maps; they are of 2018, 2019."),
        ({}, CubeError, "is one file, and 1 variables of 2 years are to be written"),
    ]
    with dask.config.set(scheduler=raising):
        for settings, error, said in cases:
            with pytest.raises(error) as caught:
                lx.to_cog(large, tmp_path / "map.tif", **settings)
            assert said in str(caught.value)
        four = large.expand_dims(member=2)
        with pytest.raises(CubeError, match="takes y, x, and one more dimension as bands"):
            lx.to_cog(four, tmp_path / "out", variables="land_cover_probability")
        bare = large.drop_vars("spatial_ref")
        with pytest.raises(CubeError, match="no coordinate reference system"):
            lx.to_cog(bare, tmp_path / "out")
        uneven = large.isel(y=[0, 1, 5])
        with pytest.raises(CubeError, match="'y' is not evenly spaced"):
            lx.to_cog(uneven, tmp_path / "out")
        long = large.assign(count=large["land_cover"].drop_attrs().astype(np.int64))
        with pytest.raises(CubeError, match="'count' is int64; GeoTIFF viewers take numbers up"):
            lx.to_cog(long, tmp_path / "out", variables="count")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(large, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"could not write .*Nothing was left behind"):
        lx.to_cog(large, tmp_path / "file" / "map.tif", year=2018)


def test_the_file_of_names_may_be_lost_and_the_map_stays_readable(large, tmp_path):
    (path,) = lx.to_cog(large, tmp_path / "map.tif", year=2018)
    shutil.move(f"{path}.aux.xml", tmp_path / "gone")
    with rasterio.open(path) as file:
        assert file.tags()["flag_meanings"].split() == list(LEGEND.names)
        assert file.colormap(1)[7][:3] == (0x3D, 0x7F, 0xD1)
