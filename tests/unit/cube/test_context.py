"""Context in a cube's store: written whole, given back, kept by write_cube, refused when wrong."""

import resource

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from pyproj import CRS

import lulc_xr as lx
from lulc_xr.core.context import CONTEXT_DIMS, context_at
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.context import as_context
from tests.conftest import small_plan
from tests.predictors import Ratio


@pytest.fixture
def world():
    """A context of two variables over half of Europe, over latitude and longitude."""
    lat, lon = np.arange(60, 40, -0.25), np.arange(-5, 15, 0.25)
    field = lat[:, None] * 2 + lon
    return xr.DataArray(
        np.stack([field, field**2]).astype(np.float32),
        {"bioclim_variable": ["bio01", "bio12"], "lat": lat, "lon": lon},
        ("bioclim_variable", "lat", "lon"),
    )


def centre_of(cube):
    x, y = (float(cube[n].mean()) for n in ("x", "y"))
    return x, y


def test_context_is_given_back_with_its_own_grid(store, world, cube):
    assert lx.write_context(world, store) == store
    found = lx.open_cube(store)
    assert found["bioclim"].dims == CONTEXT_DIMS
    assert found["bioclim"].dtype == np.float32
    assert found["bioclim"].chunks is not None
    mapping = found["spatial_ref_bioclim"].attrs
    assert CRS(mapping["crs_wkt"]) == CRS("EPSG:4326")
    assert "bio12 mm" in found["bioclim"].attrs["comment"]
    assert found["y_bioclim"].attrs["units"] == "degrees_north"
    # The cube's own system is untouched.
    assert CRS(found["spatial_ref"].attrs["crs_wkt"]) == CRS(cube["spatial_ref"].attrs["crs_wkt"])
    x, y = (found[n].values for n in ("x", "y"))
    crs = found["spatial_ref"].attrs["crs_wkt"]
    here = context_at(found["bioclim"], x, y[:, None], crs=crs)
    whole = context_at(as_context(world), x, y[:, None], crs=crs)
    assert here.shape == (2, y.size, x.size)
    assert np.isfinite(here).all()
    np.testing.assert_allclose(here, whole, rtol=1e-6)


def test_a_store_that_grew_gets_context_too(cube, world, tmp_path):
    """Its readers go by one copy of all metadata, which has to name the context."""
    store = tmp_path / "grown.zarr"
    lx.build_cube(cube.isel(time=slice(8)), store, plan=small_plan(16, 8), progress=False)
    lx.extend_cube(cube, store, progress=False)
    lx.write_context(world, store)
    found = lx.open_cube(store)["bioclim"]
    assert found.sizes["bioclim_variable"] == 2
    lx.write_context(world.isel(bioclim_variable=[1]), store, overwrite=True)
    assert list(lx.open_cube(store)["bioclim_variable"].values) == ["bio12"]


def test_only_the_cells_around_the_cube_are_stored(store, world):
    lx.write_context(world, store)
    rows, columns = lx.open_cube(store)["bioclim"].shape[1:]
    # 500 m of cube lie in one or two cells of a quarter of a degree, and two more on each side.
    assert 5 <= rows <= 7
    assert 5 <= columns <= 7
    transform = lx.open_cube(store)["spatial_ref_bioclim"].attrs["GeoTransform"].split()
    first = float(lx.open_cube(store)["x_bioclim"][0])
    assert float(transform[0]) + float(transform[1]) / 2 == pytest.approx(first)


def test_a_lazy_context_is_read_only_around_the_cube(store, world):
    lazy = world.chunk({"lat": 8, "lon": 8})
    read = []

    def note(block):
        read.append(block.shape)
        return block

    lazy.data = lazy.data.map_blocks(note, meta=np.empty((0, 0, 0), np.float32))
    with dask.config.set(scheduler="synchronous"):
        lx.write_context(lazy, store)
    assert 0 < len(read) <= 8 < lazy.data.npartitions


def test_a_cube_with_context_is_still_a_cube(store, world, tmp_path):
    lx.write_context(world, store)
    cube = lx.open_cube(store)
    copied = lx.write_cube(cube, tmp_path / "copy.zarr", plan=small_plan(16, 8))
    again = lx.open_cube(copied)
    xr.testing.assert_equal(again["bioclim"].load(), cube["bioclim"].load())
    assert again["bioclim"].encoding["grid_mapping"] == "spatial_ref_bioclim"
    lx.write_variables(lx.classify(cube, Ratio()), store, progress=False)
    assert lx.verify(store).ok
    assert lx.open_cube(store)["land_cover"].notnull().any()


def test_xarray_alone_reads_the_store(store, world):
    lx.write_context(world, store)
    plain = xr.open_zarr(store, consolidated=False, decode_coords="all")
    np.testing.assert_array_equal(plain["bioclim"], lx.open_cube(store)["bioclim"])


def test_replacing_needs_permission_and_changes_the_identity(store, world):
    lx.write_context(world, store)
    first = lx.open_cube(store)["bioclim"]
    with pytest.raises(StoreError, match=r"has context already: bio01, bio12.*overwrite=True"):
        lx.write_context(world, store)
    lx.write_context(world, store, overwrite=True)
    assert lx.open_cube(store)["bioclim"].data.name == first.data.name
    larger = (
        (world + 1)
        .isel(bioclim_variable=[0, 1, 1])
        .assign_coords(bioclim_variable=["bio01", "bio12", "bio13"])
    )
    lx.write_context(larger, store, overwrite=True)
    second = lx.open_cube(store)["bioclim"]
    assert second.data.name != first.data.name
    assert second.sizes["bioclim_variable"] == 3
    assert sorted(p.name for p in store.parent.iterdir() if "context" in p.name) == []


def test_a_store_interrupted_while_context_is_replaced_opens_and_can_be_mended(store, world):
    lx.write_context(world, store)
    # The state between: old values away, new places there.
    (store / "bioclim").rename(store.parent / "gone")
    opened = lx.open_cube(store)
    assert "bioclim" not in opened
    lx.write_context(world, store)
    assert "bioclim" in lx.open_cube(store)


def test_what_cannot_be_written_leaves_the_cube_as_it_was(store, world):
    lx.write_context(world, store)
    before = {p: p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}
    beside = sorted(p.name for p in store.parent.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may be longer than 200 bytes: the metadata of the context is.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(StoreError, match=r"could not write context.*The cube is unchanged"):
            lx.write_context(world + 1, store, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {p: p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()} == before
    assert sorted(p.name for p in store.parent.iterdir()) == beside


def test_context_elsewhere_is_refused_with_both_places(store, world):
    away = world.assign_coords(lon=world["lon"].values + 100)
    with pytest.raises(CubeError, match=r"x 95 to 114\.75.*has no data at the cube"):
        lx.write_context(away, store)
    with pytest.raises(CubeError, match="has no data at the cube"):
        lx.write_context(world * np.nan, store)
    assert "bioclim" not in zarr.open_group(store, mode="r")


def test_dimensions_and_systems_must_be_known(store, world):
    with pytest.raises(CubeError, match=r"expected 'bioclim_variable', and latitude"):
        lx.write_context(world.rename(lat="rows"), store)
    with pytest.raises(CubeError, match=r"'y' and 'x' has no grid mapping"):
        lx.write_context(world.rename(lat="y", lon="x"), store)
    with pytest.raises(CubeError, match=r"one cell along 'y'.*'GeoTransform'"):
        lx.write_context(world.isel(lat=[3]), store)


def test_context_in_metres_keeps_its_system(store):
    cube = lx.open_cube(store)
    x, y = centre_of(cube)
    axis = 1000.0 * np.arange(-4, 5)
    mapping = ((), 0, dict(cube["spatial_ref"].attrs))
    values = np.add.outer(axis, axis)[None].astype(np.float32)
    coords = {"bioclim_variable": ["bio01"], "y": y - axis, "x": x + axis, "spatial_ref": mapping}
    lx.write_context(xr.DataArray(values, coords, ("bioclim_variable", "y", "x")), store)
    found = lx.open_cube(store)
    crs = found["spatial_ref"].attrs["crs_wkt"]
    assert context_at(found["bioclim"], x, y, crs=crs) == pytest.approx(0, abs=1e-3)
    assert found["y_bioclim"].attrs["units"] == "m"
