"""Regions of polygons: areas, what lies in them, outlines that neighbours share."""

import pickle

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from lulc_xr.core.errors import CubeError
from lulc_xr.core.region_grid import RegionGrid
from tests.grid_laws import check_near, geodesic_areas, places_of


@pytest.fixture
def rng():
    return np.random.default_rng(13)


def regions(*geometries, crs="EPSG:3035", ids=None, name="some"):
    """A grid of these."""
    ids = np.arange(len(geometries)) if ids is None else np.asarray(ids, object)
    return RegionGrid(name=name, geometries=np.array(geometries, object), crs=crs, ids=ids)


def two_squares():
    """Neighbours of 30 km, the second with a hole and an island far away."""
    a = shapely.box(4e6, 3e6, 4.03e6, 3.03e6)
    hole = shapely.box(4.04e6, 3.01e6, 4.05e6, 3.02e6)
    island = shapely.box(4.3e6, 3.3e6, 4.31e6, 3.31e6)
    b = shapely.box(4.03e6, 3e6, 4.06e6, 3.03e6).difference(hole).union(island)
    return a, b


def test_areas_in_an_equal_area_system_are_those_of_the_plane():
    a, b = two_squares()
    np.testing.assert_allclose(regions(a, b).areas(), [a.area, b.area], rtol=1e-7)


def test_areas_of_outlines_straight_in_longitude_and_latitude():
    box = shapely.box(5, 45, 9, 50)
    grid = regions(box, crs="EPSG:4326")
    outlines = grid.part(np.array([0])).outlines(8192)
    np.testing.assert_allclose(grid.areas(), geodesic_areas(outlines, 1), rtol=1e-7)


def test_real_regions_have_the_areas_that_proj_finds(shared_data):
    table = gpd.read_file(shared_data / "nuts" / "nuts_2024.gpkg")
    table = table[table["LEVL_CODE"] == 3].iloc[::40]
    grid = RegionGrid(
        name="NUTS",
        geometries=np.asarray(table.geometry.array, object),
        crs=table.crs.to_wkt(),
        ids=table["NUTS_ID"].to_numpy(object),
    )
    geod = pyproj.Geod(ellps="WGS84")
    fine = table.geometry.segmentize(0.0005)
    expected = [abs(geod.geometry_area_perimeter(each)[0]) for each in fine]
    np.testing.assert_allclose(grid.areas(), expected, rtol=1e-7)
    moved = RegionGrid(
        name="NUTS",
        geometries=np.asarray(table.to_crs(3035).geometry.array, object),
        crs="EPSG:3035",
        ids=table["NUTS_ID"].to_numpy(object),
    )
    planar = table.to_crs(3035).geometry.area
    np.testing.assert_allclose(moved.areas(), planar, rtol=1e-7)


def test_places_lie_where_the_polygons_say(rng):
    a, b = two_squares()
    grid = regions(a, b)
    x, y = rng.uniform(3.99e6, 4.07e6, 500), rng.uniform(2.99e6, 3.04e6, 500)
    x[:3], y[:3] = 4.305e6, 3.305e6
    longitude, latitude = pyproj.Transformer.from_crs(3035, 4326, always_xy=True).transform(x, y)
    expected = np.where(
        shapely.contains_xy(a, x, y), 0, np.where(shapely.contains_xy(b, x, y), 1, -1)
    )
    assert set(expected) == {-1, 0, 1}
    assert (grid.locate(longitude, latitude) == expected).all()
    # The first of regions that overlap; nowhere is in none.
    twice = regions(b, a, a)
    assert set(twice.locate(longitude[expected == 0], latitude[expected == 0])) == {1}
    assert grid.locate(np.array([np.nan, 0]), np.array([1, np.nan])).tolist() == [-1, -1]


def test_neighbours_share_the_very_same_places():
    a, b = two_squares()
    # Drawn the other way round, from another corner, with an edge that is cut in two.
    a = shapely.Polygon([(4.03e6, 3.03e6), (4.03e6, 3e6), (4e6, 3e6), (4e6, 3.03e6)])
    first, *rest = places_of(regions(a, b).part(np.array([0, 1])).outlines(8))
    shared = [len(first & other) for other in rest]
    assert max(shared) >= 9
    assert sorted(shared)[:-1] == [0, 0]


def test_holes_run_the_other_way():
    _, b = two_squares()
    outlines = regions(b).part(np.array([0])).outlines(4)
    signs = [
        np.sign((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
        for x, y in (
            (outlines.x[i:j] - outlines.x[i], outlines.y[i:j] - outlines.y[i])
            for i, j in zip(outlines.starts[:-1], outlines.starts[1:], strict=True)
        )
    ]
    assert outlines.cells.tolist() == [0, 0, 0]
    assert sorted(signs) in ([-1, -1, 1], [-1, 1, 1])
    assert abs(sum(signs)) == 1


def test_near_regions_and_overseas_ones(rng):
    a, b = two_squares()
    grid = regions(a, b)
    into = pyproj.Transformer.from_crs(3035, 4326, always_xy=True)
    x, y = into.transform(np.array([4.305e6, 4.306e6]), np.array([3.305e6, 3.306e6]))
    # Near the island of the second, far from its main part.
    assert grid.near(x, y).tolist() == [1]
    x, y = into.transform(np.array([4.2e6, 4.201e6]), np.array([3.2e6, 3.201e6]))
    assert grid.near(x, y).size == 0
    assert grid.near(*into.transform(np.array([4.029e6]), np.array([3.02e6]))).tolist() == [0, 1]
    wide = regions(shapely.box(0, 60, 40, 70), shapely.box(60, 60, 80, 70), crs="EPSG:4326")
    # The parallel of 70 degrees lies far from the great circle between its ends.
    assert check_near(wide, (19, 21), (69.8, 70), rng).tolist() == [0]


def test_a_part_is_sent_with_its_polygons():
    grid = regions(*two_squares())
    part = pickle.loads(pickle.dumps(grid.part(np.array([1]))))
    assert (part.outlines(4).x == grid.part(np.array([1])).outlines(4).x).all()
    with pytest.raises(CubeError, match="ascending positions below 2"):
        grid.part(np.array([2]))


def test_regions_over_the_date_line_and_to_the_pole():
    east, west = shapely.box(175, -20, 180, -15), shapely.box(-180, -20, -175, -15)
    fiji = regions(shapely.MultiPolygon([east, west]), crs="EPSG:4326")
    both = regions(shapely.box(175, -20, 185, -15), crs="EPSG:4326")
    np.testing.assert_allclose(fiji.areas(), both.areas(), rtol=1e-9)
    place = np.array([179.0, -179.0]), np.array([-17.0, -17.0])
    assert fiji.locate(*place).tolist() == [0, 0]
    # A cap in degrees ends at the pole's parallel.
    cap = regions(shapely.box(-180, -90, 180, -80), crs="EPSG:4326")
    assert cap.part(np.array([0])).outlines(4).y.min() == -90
    polar = regions(shapely.box(-1e6, -1e6, 1e6, 1e6), crs="EPSG:3031", ids=["antarctica"])
    with pytest.raises(CubeError, match="cell antarctica of grid 'some' holds a pole"):
        polar.part(np.array([0])).outlines(4)


BOW = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


@pytest.mark.parametrize(
    ("geometries", "ids", "message"),
    [
        ([BOW, shapely.box(0, 0, 1, 1)], ["bow", "box"], r"themselves: bow \(Self-.*make_valid"),
        ([shapely.Point(0, 0)], ["dot"], "region dot of 'some' is a Point"),
        ([None], ["none"], "region none of 'some' is missing"),
        ([shapely.Polygon()], ["void"], "is empty"),
        ([shapely.box(0, 0, 1, 1)] * 2, ["same", "same"], "belong to several regions: same"),
        ([], [], "at least one"),
    ],
)
def test_regions_that_cannot_be(geometries, ids, message):
    with pytest.raises(CubeError, match=message):
        regions(*geometries, ids=ids)


def test_coordinates_have_a_place_inside():
    grid = regions(*two_squares(), ids=["a", "b"])
    found = grid.coordinates()
    assert found["region"].values.tolist() == ["a", "b"]
    assert grid.locate(found["lon"].values, found["lat"].values).tolist() == [0, 1]
    assert grid.width() == pytest.approx(30_000, rel=0.01)
