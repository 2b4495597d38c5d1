"""Laws of storage: what is written is read back; values that do not fit are refused."""

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.cube import NODATA, REFLECTANCE_ENCODING, SCALE, decode, encode
from lulc_xr.core.errors import CubeError
from lulc_xr.cube.ledger import content_digest
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.cube.write import write_variables
from lulc_xr.testing import landscape

STORED = arrays(np.int16, st.integers(1, 40), elements=st.integers(-32768, 32767))


@given(STORED)
def test_stored_numbers_survive_decoding_and_encoding(raw):
    values = decode(raw, scale=SCALE, fill=NODATA, dtype=np.float32)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(values), raw == NODATA)
    np.testing.assert_array_equal(encode(values, REFLECTANCE_ENCODING), raw)


@given(arrays(np.float32, 20, elements=st.floats(-0.875, 3.25, width=32) | st.just(np.nan)))
def test_reflectance_is_kept_to_half_a_step(values):
    stored = encode(values, REFLECTANCE_ENCODING)
    back = decode(stored, scale=SCALE, fill=NODATA, dtype=np.float32)
    np.testing.assert_allclose(back, values, rtol=1e-6, atol=SCALE / 2 * 1.001)


@given(st.floats(3.3, 1e6) | st.floats(-1e6, -3.3) | st.sampled_from([np.inf, -np.inf]))
def test_values_that_do_not_fit_are_refused(value):
    with pytest.raises(CubeError, match=r"does not fit int16 .* Expected -3\.2768 to 3\.2767"):
        encode(np.array([0.1, value], np.float32), REFLECTANCE_ENCODING)


@given(st.integers(256, 2**40) | st.integers(-(2**40), -1))
def test_whole_numbers_are_not_wrapped(value):
    with pytest.raises(CubeError, match="does not fit uint8"):
        encode(np.array([1, value]), {"dtype": "uint8"})
    assert encode(np.array([1, 255]), {"dtype": "uint8"}).tolist() == [1, 255]


def test_nan_needs_a_fill_value():
    with pytest.raises(CubeError, match="NaN cannot be stored as uint8 without a _FillValue"):
        encode(np.array([np.nan]), {"dtype": "uint8"})


@given(arrays(np.float32, 9, elements=st.sampled_from([0.0, -0.0, np.nan, -np.nan, 1.5])))
def test_a_digest_does_not_tell_apart_what_a_store_may_not(values):
    plain = np.where(np.isnan(values), np.float32(np.nan), np.abs(values))
    assert content_digest(values) == content_digest(plain) != 0


@given(arrays(np.float32, 5, elements=st.floats(-1, 1, width=32)), st.integers(0, 4))
def test_a_digest_tells_apart_what_differs(values, place):
    other = values.copy()
    other[place] += 1
    assert content_digest(values) != content_digest(other)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@st.composite
def layouts(draw):
    sizes = {d: draw(st.integers(1, n)) for d, n in (("time", 14), ("y", 45), ("x", 45))}
    chunks, shards = {}, {}
    for dim in draw(st.sets(st.sampled_from(["time", "y", "x", "band"]))):
        size = sizes.get(dim, 2)
        chunks[dim] = draw(st.integers(max(1, size // 4), size + 3))
        shards[dim] = chunks[dim] * draw(st.integers(1, 3))
    return sizes, ChunkPlan(chunks=chunks, shards=draw(st.sampled_from([shards, None])))


@given(layouts(), st.integers(1, 50), st.booleans())
@settings(max_examples=7)
def test_a_cube_written_is_read_back(folder, layout, chunk, lazy):
    sizes, plan = layout
    cube = landscape(**sizes, bands=("red", "nir"), seed=3)
    cube["height"] = (("y", "x"), np.random.default_rng(0).random((sizes["y"], sizes["x"])))
    given_cube = cube.chunk({"y": max(chunk, 12), "time": max(1, chunk // 10)}) if lazy else cube
    store = write_cube(given_cube, folder / "cube.zarr", plan=plan, overwrite=True)
    back = open_cube(store)
    for name in cube.variables:
        if name == "spatial_ref":
            continue
        np.testing.assert_array_equal(back[name].values, cube[name].values, err_msg=str(name))
        assert back[name].dims == cube[name].dims
        if name != "band":
            assert back[name].dtype == cube[name].dtype
    raw = open_cube(store, raw=True)["reflectance"]
    again = write_cube(open_cube(store, raw=True), folder / "raw.zarr", overwrite=True)
    np.testing.assert_array_equal(open_cube(again, raw=True)["reflectance"], raw)


@given(
    st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(1, 2), st.integers(0, 9)
)
@settings(max_examples=5)
def test_maps_written_are_read_back(folder, y, x, shard, years, seed):
    cube = landscape(y=y, x=x, time=2, bands=("red",))
    store = write_cube(cube, folder / "maps.zarr", overwrite=True)
    random = np.random.default_rng(seed)
    shape, dims = (years, y, x), ("year", "y", "x")
    values = random.choice(np.array([0, -0.0, 1.25, np.nan, -np.nan], np.float32), shape)
    maps = xr.Dataset(
        {
            "land_cover": (dims, random.integers(0, 256, shape, np.uint8)),
            "land_cover_entropy": (dims, values),
            "count": (dims, random.integers(-(2**40), 2**40, shape)),
        },
        coords={"year": 2018 + np.arange(years), "y": cube.y, "x": cube.x},
    ).chunk({"year": 1, "y": max(shard, y // 3), "x": max(shard, x // 3)})
    maps["land_cover"].encoding = {"dtype": "uint8", "_FillValue": np.uint8(255)}
    write_variables(maps, store, progress=False)
    back = open_cube(store)
    for name, var in maps.data_vars.items():
        np.testing.assert_array_equal(back[name].values, var.values, err_msg=str(name))
        assert back[name].dtype == var.dtype
    assert zarr.open_group(store)["land_cover"].fill_value == 255
