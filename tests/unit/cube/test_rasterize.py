"""Polygons on a cube's grid: lazy, the same in any chunks, the pixel's centre decides."""

import dask
import geopandas
import hypothesis.strategies as st
import numpy as np
import pytest
import shapely
from hypothesis import given, settings

import lulc_xr as lx
from lulc_xr.core.errors import CubeError

WEST, NORTH = 500_000.0, 5_600_000.0


def raising(*_, **__):
    raise AssertionError("something was computed")


def table(names, shapes, crs="EPSG:32631"):
    return geopandas.GeoDataFrame({"zone": names}, geometry=shapes, crs=crs)


def box(left, top, right, bottom):
    """Of pixels, as columns and rows."""
    return shapely.box(WEST + 10 * left, NORTH - 10 * bottom, WEST + 10 * right, NORTH - 10 * top)


@pytest.fixture(scope="module")
def grid():
    return lx.testing.landscape(y=20, x=30, time=1, bands=("red",))


def test_the_centre_of_a_pixel_decides_and_the_first_polygon_counts(grid):
    zones = table(["a", "b", "a"], [box(0, 0, 5.4, 3), box(3, 2, 10.6, 8), box(20, 0, 22, 2)])
    found = lx.rasterize_regions(grid, zones, column="zone")
    expected = np.full((20, 30), 255, np.uint8)
    expected[2:8, 3:11] = 2
    expected[0:3, 0:5] = 1
    expected[0:2, 20:22] = 1
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8
    assert found.attrs["flag_values"].tolist() == [1, 2]
    assert found.attrs["flag_meanings"] == "a b"
    assert found.encoding["_FillValue"] == 255
    assert found.name == "zone"


def test_it_is_lazy_and_has_the_chunks_of_the_cube(grid):
    with dask.config.set(scheduler=raising):
        found = lx.rasterize_regions(
            grid.chunk({"y": 7, "x": 16}), table(["a"], [box(0, 0, 5, 5)]), column="zone"
        )
        assert found.chunks == ((7, 7, 6), (16, 14))
        with pytest.raises(AssertionError, match="something was computed"):
            found.compute()
        assert lx.rasterize_regions(
            lx.testing.landscape(y=600, x=10, time=1, bands=("red",)),
            table(["a"], [box(0, 0, 5, 5)]),
            column="zone",
        ).chunks == ((512, 88), (10,))


@given(
    st.integers(0, 999),
    st.integers(200, 700),
    st.integers(1, 700),
    st.integers(1, 700),
)
@settings(max_examples=10)
def test_chunks_do_not_show(seed, size, y, x):
    big = lx.testing.landscape(y=size, x=size + 31, time=1, bands=("red",))
    rng = np.random.default_rng(seed)
    triangles = [
        shapely.Polygon(np.array([WEST, NORTH]) + rng.uniform(0, 10 * size, (3, 2)) * [1, -1])
        for _ in range(6)
    ]
    zones = table([f"z{i % 4}" for i in range(6)], triangles)
    chunks = {"y": max(y, size // 5), "x": max(x, size // 5)}
    one = lx.rasterize_regions(big, zones, column="zone")
    other = lx.rasterize_regions(big.chunk(chunks), zones, column="zone")
    np.testing.assert_array_equal(one, other)
    assert (one != 255).any()


def test_pixels_lie_in_the_polygon_that_shapely_finds(grid):
    rng = np.random.default_rng(3)
    corners = np.array([WEST, NORTH]) + rng.uniform(0, 200, (3, 2)) * [1, -1]
    shape = shapely.Polygon(corners)
    found = lx.rasterize_regions(grid, table(["a"], [shape]), column="zone").values == 1
    xs, ys = np.meshgrid(grid["x"].values, grid["y"].values)
    np.testing.assert_array_equal(found, shapely.contains_xy(shape, xs, ys))


def test_polygons_in_degrees_are_brought_to_the_cube(grid):
    zones = table(["a"], [box(5, 5, 15, 15)])
    direct = lx.rasterize_regions(grid, zones, column="zone")
    turned = lx.rasterize_regions(grid, zones.to_crs("EPSG:4326"), column="zone")
    # Corners are the same to a micrometre; sides that lie on borders of pixels stay there.
    assert float((direct != turned).mean()) == 0


def test_the_regions_can_be_written_into_the_store_and_are_read_as_regions(store):
    cube = lx.open_cube(store)
    zones = table(["north", "south"], [box(0, 0, 50, 12), box(0, 12, 50, 37)])
    regions = lx.rasterize_regions(cube, zones, column="zone")
    lx.write_variables(regions.to_dataset(), store, progress=False)
    read = lx.open_cube(store)["zone"]
    np.testing.assert_array_equal(read, regions)
    assert read.attrs["flag_meanings"] == "north south"
    assert read.dtype == np.uint8


@pytest.mark.parametrize(
    ("zones", "column", "message"),
    [
        (table(["a"], [box(0, 0, 5, 5)]), "name", "unknown column of polygons 'name'.*zone"),
        (table(["a"], [box(0, 0, 5, 5)], crs=None), "zone", "no reference system; set it"),
        (table(["a", None], [box(0, 0, 5, 5)] * 2), "zone", "1 of 2 polygons have no name"),
        (table(["a b"], [box(0, 0, 5, 5)]), "zone", "region 'a b' is empty or has blanks"),
        (table([""], [box(0, 0, 5, 5)]), "zone", "region '' is empty or has blanks"),
        (
            table([f"z{i}" for i in range(255)], [box(0, 0, 5, 5)] * 255),
            "zone",
            "255 regions; at most 254 fit",
        ),
        (table(["a"], [box(90, 0, 95, 5)]), "zone", "none of the 1 polygons meets the cube"),
    ],
)
def test_polygons_that_cannot_be_used_are_named(grid, zones, column, message):
    with pytest.raises(CubeError, match=message):
        lx.rasterize_regions(grid, zones, column=column)
