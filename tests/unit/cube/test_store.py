"""Stores of cubes: what other readers find in them, and what is said when they cannot be opened."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio.crs
import xarray as xr
import zarr

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, StoreError
from tests.conftest import small_plan
from tests.predictors import LEGEND, Ratio


def test_a_normal_run_warns_of_nothing(cube, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = lx.write_cube(cube, tmp_path / "quiet.zarr", plan=small_plan(16, 8))
        result = lx.classify(lx.open_cube(store), Ratio(), outputs=("land_cover", "probability"))
        lx.write_variables(result, store, progress=False)
        lx.open_cube(store).load()
        xr.open_zarr(store, consolidated=False).load()
        assert lx.verify(store).ok


def test_xarray_alone_reads_the_same(mapped, cube):
    ours = lx.open_cube(mapped)
    plain = xr.open_zarr(mapped, consolidated=False)
    raw = xr.open_zarr(mapped, consolidated=False, mask_and_scale=False)
    np.testing.assert_allclose(plain["reflectance"], cube["reflectance"], rtol=1e-6)
    np.testing.assert_allclose(
        plain["land_cover_probability"], ours["land_cover_probability"], rtol=1e-6
    )
    np.testing.assert_array_equal(plain["land_cover_entropy"], ours["land_cover_entropy"])
    np.testing.assert_array_equal(raw["land_cover"], ours["land_cover"])
    assert plain["land_cover"].encoding["_FillValue"] == 255
    np.testing.assert_array_equal(np.isnan(plain["land_cover"]), ours["land_cover"] == 255)
    assert plain["land_cover"].attrs["grid_mapping"] == "spatial_ref"
    assert plain["time"].values.tolist() == cube["time"].values.tolist()


def test_names_of_classes_are_read_by_cf_xarray(mapped):
    import cf_xarray  # noqa: F401  (registers the accessor)

    ours = lx.open_cube(mapped)["land_cover"]
    plain = xr.open_zarr(mapped, consolidated=False, mask_and_scale=False)["land_cover"]
    for class_map in (ours, plain):
        for class_id, name in zip(LEGEND.ids, LEGEND.names, strict=True):
            np.testing.assert_array_equal(class_map.cf == name, ours == class_id)
    assert ours.attrs["flag_values"].dtype == np.uint8
    assert lx.Legend.from_flags(plain.attrs) == LEGEND


def test_the_crs_is_read_by_odc_and_rasterio(mapped):
    import odc.geo.xr  # noqa: F401  (registers the accessor)

    for ds in (lx.open_cube(mapped), xr.open_zarr(mapped, consolidated=False)):
        assert ds.odc.crs.epsg == 32631
        affine = ds.odc.transform
        group = zarr.open_group(mapped, mode="r").attrs
        assert list(affine)[:6] == group["spatial:transform"]
        c, a, b, f, d, e = map(float, ds["spatial_ref"].attrs["GeoTransform"].split())
        assert [a, b, c, d, e, f] == group["spatial:transform"]
        assert list(ds["land_cover"].odc.transform)[:6] == group["spatial:transform"]
    text = xr.open_zarr(mapped, consolidated=False)["spatial_ref"].attrs["crs_wkt"]
    assert rasterio.crs.CRS.from_wkt(text).to_epsg() == 32631
    assert rasterio.crs.CRS.from_wkt(group["proj:wkt2"]).to_epsg() == 32631


def test_attributes_of_maps_are_written_anew(mapped):
    class_map = lx.open_cube(mapped)["land_cover"]
    entropy = lx.open_cube(mapped)["land_cover_entropy"]
    assert set(class_map.attrs["ancillary_variables"].split()) == {
        "land_cover_entropy",
        "land_cover_probability",
    }
    assert entropy.attrs["valid_max"] == np.log(len(LEGEND))
    assert "surface" not in str(class_map.attrs)
    assert class_map.attrs["year_start"] == "2018-01-01"
    assert class_map.attrs["precision"] == "float32"


def test_one_dask_chunk_is_one_shard(store):
    opened = lx.open_cube(store)
    assert opened["reflectance"].data.chunksize == (12, 3, 16, 16)
    assert zarr.open_group(store)["reflectance"].chunks == (12, 3, 8, 8)


def test_raw_gives_the_stored_integers(store, cube):
    raw = lx.open_cube(store, raw=True)["reflectance"]
    assert raw.dtype == np.int16
    assert raw.attrs["scale_factor"] == 1e-4
    missing = np.isnan(cube["reflectance"].values)
    np.testing.assert_array_equal(raw.values == -9999, missing)


def test_a_relative_path_serves_workers_elsewhere(store, monkeypatch, tmp_path):
    monkeypatch.chdir(store.parent)
    opened = lx.open_cube(store.name)
    result = lx.classify(opened, Ratio())
    again = lx.classify(lx.open_cube(store), Ratio())
    # The same job from anywhere, so that a run begun here is resumed there.
    assert result["land_cover"].data.name == again["land_cover"].data.name
    monkeypatch.chdir(tmp_path.parent)
    opened.isel(y=[0], x=[0]).compute()


def test_what_is_no_store_is_named(tmp_path):
    file = tmp_path / "cube.nc"
    file.write_text("no store")
    for path, what in (
        (tmp_path / "none.zarr", "nothing"),
        (tmp_path, "a folder without zarr.json"),
    ):
        with pytest.raises(StoreError, match=f"no Zarr group at '{path}': {what} is there"):
            lx.open_cube(path)
    with pytest.raises(StoreError, match=r"a file is there.*write_cube"):
        lx.open_cube(file)


def test_an_existing_store_is_not_replaced_unasked(store, cube):
    before = lx.open_cube(store)["reflectance"].values
    with pytest.raises(StoreError, match=r"exists already.*pass overwrite=True"):
        lx.write_cube(cube.isel(y=slice(5)), store)
    np.testing.assert_array_equal(lx.open_cube(store)["reflectance"].values, before)


def test_an_error_while_writing_leaves_the_former_store(store, cube):
    before = lx.open_cube(store).load()
    spoiled = cube.copy(deep=True)
    spoiled["reflectance"][0, 0, 30, 40] = 7.5
    with pytest.raises(CubeError, match=r"value 7.5 .* does not fit int16"):
        lx.write_cube(spoiled, store, overwrite=True)
    assert lx.open_cube(store).load().identical(before)
    assert [p.name for p in store.parent.iterdir()] == [store.name]


@pytest.mark.parametrize(
    ("factor", "message"), [(1e4, "It looks unscaled"), (1e-4, "It looks scaled twice")]
)
def test_wrong_scales_are_not_written(cube, tmp_path, factor, message):
    wrong = cube.assign(reflectance=cube["reflectance"] * np.float32(factor))
    with pytest.raises(CubeError, match=message):
        lx.write_cube(wrong, tmp_path / "cube.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dtype", "attrs", "message"),
    [
        ("int32", {}, "'reflectance' is int32; expected float .* or stored int16"),
        ("int16", {"scale_factor": 1e-3}, "scale_factor 0.001; a cube is stored with 0.0001"),
        ("int16", {"_FillValue": 0}, "_FillValue 0; a cube is stored with -9999"),
    ],
)
def test_integers_of_another_kind_are_refused(cube, tmp_path, dtype, attrs, message):
    raw = (cube["reflectance"].fillna(0) * 10000).astype(dtype).assign_attrs(attrs)
    with pytest.raises(CubeError, match=message):
        lx.write_cube(cube.assign(reflectance=raw), tmp_path / "cube.zarr")
    assert list(tmp_path.iterdir()) == []


DIES_WHILE_WRITING = """
import os, sys
import dask
import lulc_xr as lx
from tests.conftest import small_plan

def die_at_the_end(block, block_info):
    if block_info[0]["chunk-location"][-1] == 19:
        os._exit(9)
    return block

# Wider than the sample of the middle whose scale is checked before.
cube = lx.testing.landscape(y=16, x=320, time=4, bands=("red",), chunks={"x": 16})
values = cube["reflectance"].data
cube["reflectance"].data = values.map_blocks(die_at_the_end, dtype="f4", meta=values._meta)
with dask.config.set(scheduler="synchronous"):
    lx.write_cube(cube, sys.argv[1], plan=small_plan(16, 8), overwrite=True)
"""


def test_a_writer_that_dies_leaves_the_former_store(store):
    before = lx.open_cube(store).load()
    child = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(store)], check=False)
    assert child.returncode == 9
    # It was writing: its unfinished folder lies beside.
    assert len(list(store.parent.glob(".cube.zarr.*.partial/reflectance/c/0/0/0/*"))) > 0
    assert lx.open_cube(store).load().identical(before)


def test_a_store_that_was_left_half_written_says_so(store):
    zarr.open_group(store, mode="r+").attrs.update({"lulc_xr:state": "writing"})
    with pytest.raises(StoreError, match=r"was interrupted.*write_cube\(\.\.\., overwrite=True\)"):
        lx.open_cube(store)
