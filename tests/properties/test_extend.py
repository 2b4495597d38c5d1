"""Laws of extending: in parts or at once is the same; readers see the old state, then the new."""

import shutil

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.cube.build import build_cube
from lulc_xr.cube.extend import extend_cube
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.testing import landscape

BANDS = ("green", "red", "nir", "swir16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


def rich(cube, *, seed=0):
    """A cube with one of each kind of companion: by date, by pixel, a name for each date."""
    sizes = cube.sizes
    random = np.random.default_rng(seed)
    unread = random.random((sizes["time"], sizes["y"], sizes["x"])) < 0.1
    names = np.array([("sentinel-2a", "landsat-8")[i % 2] for i in range(sizes["time"])])
    return cube.assign(
        unread=(("time", "y", "x"), unread.astype(np.uint8)),
        height=(("y", "x"), random.random((sizes["y"], sizes["x"]))),
    ).assign_coords(platform=("time", names.astype(np.dtypes.StringDType())))


def parts_of(cube, dim, at):
    return cube.isel({dim: slice(at)}), cube.isel({dim: slice(at, None)})


def assert_same(found, expected):
    assert set(found.variables) == set(expected.variables)
    for name in expected.variables:
        assert found[name].dims == expected[name].dims
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=str(name))


@st.composite
def splits(draw):
    sizes = {d: draw(st.integers(2, n)) for d, n in (("time", 9), ("y", 30), ("x", 30))}
    bands = BANDS[: draw(st.integers(2, 4))]
    chunks, shards = {}, {}
    for dim in draw(st.sets(st.sampled_from(["time", "y", "x", "band"]))):
        chunks[dim] = draw(st.integers(max(1, sizes.get(dim, 4) // 5), 12))
        shards[dim] = chunks[dim] * draw(st.integers(1, 3))
    dim = draw(st.sampled_from(["time", "y", "x", "band"]))
    whole = sizes.get(dim, len(bands))
    return (
        sizes,
        bands,
        ChunkPlan(chunks=chunks, shards=shards),
        dim,
        draw(st.integers(1, whole - 1)),
    )


@given(splits(), st.booleans(), st.integers(2, 40))
@settings(max_examples=8)
def test_extending_is_writing_all_at_once(folder, split, lazy, chunk):
    sizes, bands, plan, dim, at = split
    cube = rich(landscape(**sizes, bands=bands, seed=5))
    first, second = parts_of(cube, dim, at)
    for name in ("parts.zarr", "whole.zarr"):
        shutil.rmtree(folder / name, ignore_errors=True)
    store = write_cube(first, folder / "parts.zarr", plan=plan)
    before = open_cube(store, raw=True)
    held = before.load().copy(deep=True)
    report = extend_cube(
        second.chunk({"y": chunk, "x": chunk, "time": 3}) if lazy else second, store, progress=False
    )
    assert report.written > 0
    found = open_cube(store, raw=True)
    whole = open_cube(write_cube(cube, folder / "whole.zarr", plan=plan), raw=True)
    assert_same(found, whole)
    old = {dim: slice(at)}
    for name in held.variables:
        np.testing.assert_array_equal(found[name].isel(old, missing_dims="ignore"), held[name])
    plain = xr.open_zarr(store)
    assert_same(plain, xr.open_zarr(folder / "whole.zarr", consolidated=False))
    shape = zarr.open_group(store, mode="r").attrs["spatial:shape"]
    assert shape == [cube.sizes["y"], cube.sizes["x"]]
    # The same again, alone or with all that is there already: nothing to do.
    for again in (second, cube):
        assert extend_cube(again, store, progress=False).written == 0
    assert not (store / "extension").exists()


@given(splits(), st.integers(0, 5))
@settings(max_examples=4)
def test_readers_see_the_old_state_until_the_end(folder, split, number):
    """The values fail after some shards; then the rest is done."""
    sizes, bands, plan, dim, at = split
    cube = rich(landscape(**sizes, bands=bands, seed=5))
    first, second = parts_of(cube, dim, at)
    for name in ("parts.zarr", "whole.zarr"):
        shutil.rmtree(folder / name, ignore_errors=True)
    store = write_cube(first, folder / "parts.zarr", plan=plan)
    before, plain = open_cube(store), xr.open_zarr(store, consolidated=False)
    held = before.load().copy(deep=True), plain.load().copy(deep=True)
    count = []

    def failing(block):
        count.append(1)
        if len(count) > number:
            raise RuntimeError("the lights went out")
        return block

    broken = second.chunk({"y": 8, "x": 8})
    data = broken["clear"].data.map_blocks(failing, meta=np.empty((0, 0, 0), np.uint8))
    broken = broken.assign(clear=(("time", "y", "x"), data))
    grows = dim != "band"
    with dask.config.set(scheduler="synchronous"):
        if grows and broken["clear"].data.npartitions > number:
            with pytest.raises(RuntimeError, match="the lights went out"):
                extend_cube(broken, store, identity="same", progress=False)
            assert (store / "extension").exists()
            assert_same(open_cube(store), held[0])
            assert_same(xr.open_zarr(store), held[1])
        done = extend_cube(second, store, identity="same", progress=False)
    assert done.written > 0
    whole = write_cube(cube, folder / "whole.zarr", plan=plan)
    assert_same(open_cube(store), open_cube(whole))


@given(st.integers(6, 30), st.integers(6, 30), st.integers(3, 9), st.integers(1, 3), st.data())
@settings(max_examples=4)
def test_a_declared_extent_is_filled_area_by_area(folder, y, x, chunk, times, data):
    cube = rich(landscape(y=y, x=x, time=4, bands=("red", "nir"), seed=2))
    rows = data.draw(st.integers(1, y - 1))
    columns = data.draw(st.integers(1, x - 1))
    plan = ChunkPlan(
        chunks={"y": chunk, "x": chunk}, shards={"y": chunk * times, "x": chunk * times}
    )
    for name in ("parts.zarr", "whole.zarr"):
        shutil.rmtree(folder / name, ignore_errors=True)
    store = folder / "parts.zarr"
    quarters = [
        cube.isel(y=r, x=c)
        for r in (slice(rows), slice(rows, None))
        for c in (slice(columns), slice(columns, None))
    ]
    order = data.draw(st.permutations(quarters))
    build_cube(order[0], store, plan=plan, grid=cube[["y", "x"]], progress=False)
    for quarter in order[1:]:
        extend_cube(quarter, store, progress=False)
    assert_same(open_cube(store), open_cube(write_cube(cube, folder / "whole.zarr", plan=plan)))
