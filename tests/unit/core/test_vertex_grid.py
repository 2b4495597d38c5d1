"""Cells between great circles: triangles over the whole earth, and curvilinear cells."""

import numpy as np
import pytest

from lulc_xr.core.errors import CubeError
from lulc_xr.core.grids import named_grid
from lulc_xr.core.vertex_grid import VertexGrid
from tests.grid_laws import check_locate, check_near, geodesic_areas, icosahedron, places_of

EARTH = 510_065_621_724_088.0  # Square metres of WGS 84, from PROJ's polygon of a whole globe.


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def triangles(splits=3, *, turn=0.0, tilt=0.1):
    """Triangles over the whole earth, turned about its axis; the poles are inside of two."""
    longitude, latitude = icosahedron(splits, tilt)
    return VertexGrid(
        name="triangles", dim_names=("cell",), longitude=longitude + turn, latitude=latitude
    )


def quadrangles():
    """EUR-44 by its vertices."""
    places = named_grid("EUR-44").coordinates()
    return VertexGrid(
        name="quadrangles",
        dim_names=("y", "x"),
        longitude=places["lon_vertices"].values,
        latitude=places["lat_vertices"].values,
        centres=(places["lon"].values, places["lat"].values),
    )


def one(longitude, latitude):
    """A grid of one cell."""
    return VertexGrid(
        name="one",
        dim_names=("cell",),
        longitude=np.array([longitude], float),
        latitude=np.array([latitude], float),
    )


def without_poles(grid):
    """Cells that hold no pole."""
    polar = grid.locate(np.zeros(2), np.array([90.0, -90.0]))
    return np.setdiff1d(np.arange(grid.size), polar)


def test_triangles_cover_the_earth_once():
    # With a pole inside of a cell, and where cells meet.
    for tilt in (0.1, 0.0):
        grid = triangles(4, tilt=tilt)
        assert grid.shape == (20 * 4**4,)
        assert grid.areas().sum() == pytest.approx(EARTH, rel=1e-12)


@pytest.mark.parametrize("make", [triangles, quadrangles])
def test_areas_are_those_of_finely_cut_outlines(make, rng):
    grid = make()
    cells = np.unique(rng.choice(without_poles(grid), 8))
    expected = geodesic_areas(grid.part(cells).outlines(1024), cells.size)
    np.testing.assert_allclose(grid.areas()[cells], expected, rtol=1e-7)


def test_small_cells_have_exact_areas():
    # 3 km in the north, where digits cancel.
    grid = one([20, 20.03, 20.06], [68.0, 68.02, 68.0])
    expected = geodesic_areas(grid.part(np.array([0])).outlines(64), 1)
    np.testing.assert_allclose(grid.areas(), expected, rtol=1e-7)


def test_vertices_may_run_either_way_repeat_and_end_early():
    square = [0, 1, 1, 0], [50, 50, 51, 51]
    plain = one(*square)
    for again in (
        one(square[0][::-1], square[1][::-1]),
        one([*square[0], 0], [*square[1], 51]),
        one([*square[0], np.nan, np.nan], [*square[1], np.nan, np.nan]),
        one([0, 0, 1, 1, 1, 0], [50, 50, 50, 50, 51, 51]),
        one([360, -359, 1, 720], square[1]),
    ):
        np.testing.assert_allclose(again.areas(), plain.areas(), rtol=1e-12)
        assert again.part(np.array([0])).outlines(2).x.size == 8
        assert again.locate(np.array([0.5]), np.array([50.5])).tolist() == [0]


def test_neighbours_share_the_very_same_places():
    # Triangles around a vertex: each shares an edge of four pieces with two others.
    grid = triangles(2, turn=7.0)
    lon, lat = grid.longitude, grid.latitude
    at = (np.abs(lon - lon[40, 0]) < 1e-9) & (np.abs(lat - lat[40, 0]) < 1e-9)
    cells = np.flatnonzero(at.any(axis=1))
    assert cells.size in (5, 6)
    places = places_of(grid.part(cells).outlines(4))
    shared = [len(a & b) for i, a in enumerate(places) for b in places[:i]]
    assert sorted(set(shared)) == [1, 5]
    assert shared.count(5) == cells.size


@pytest.mark.parametrize("make", [triangles, quadrangles])
def test_places_lie_in_the_cell_whose_outline_holds_them(make, rng):
    grid = make()
    check_locate(grid, np.unique(rng.choice(without_poles(grid), 20)), rng)


@pytest.mark.parametrize("tilt", [0.0, 0.1])
def test_every_place_lies_in_a_triangle(tilt, rng):
    grid = triangles(3, tilt=tilt)
    corners = np.stack([grid.longitude.ravel(), grid.latitude.ravel()])
    places = np.concatenate([rng.uniform([[-180], [-90]], [[180], [90]], (2, 3000)),
                             [[0, 0, 180, -180], [90, -90, 10, 10]], corners], axis=1)  # fmt: skip
    assert (grid.locate(*places) >= 0).all()
    assert grid.locate(np.array([np.nan, 5]), np.array([3, np.nan])).tolist() == [-1, -1]


def test_the_first_of_cells_that_overlap():
    grid = VertexGrid(
        name="twice",
        dim_names=("cell",),
        longitude=np.array([[5, 6, 6], [0, 4, 0], [0, 4, 0]], float),
        latitude=np.array([[0, 0, 1], [0, 0, 4], [0, 0, 4]], float),
    )
    assert grid.locate(np.array([1.0, 5.7]), np.array([1.0, 0.1])).tolist() == [1, 0]


def test_cells_near_a_part_are_few_and_none_is_missing(rng):
    grid = triangles(5)  # 20480 triangles of 220 km
    near = check_near(grid, (7, 9), (48, 49), rng)
    assert near.size < 30
    check_near(grid, (170, 195), (-30, 10), rng)
    check_near(grid, (-180, 180), (80, 90), rng)
    assert check_near(grid, (-180, 180), (-90, 90), rng).size == grid.size
    assert check_near(grid, (-30, 30), (0, 0.1), rng).size < grid.size / 20


def test_a_cell_that_crosses_the_date_line():
    grid = one([179, -179, 180], [10, 10, 12])
    outlines = grid.part(np.array([0])).outlines(8)
    assert np.ptp(outlines.x) == 2
    assert grid.locate(np.array([180.0, -180, 179.9, 0]), np.full(4, 10.5)).tolist() == [
        0,
        0,
        0,
        -1,
    ]
    vertices = grid.coordinates()["lon_vertices"].values
    assert np.ptp(vertices) == 2


def test_a_cell_that_holds_a_pole_is_refused_when_it_is_used():
    grid = triangles(3)
    cell = int(grid.locate(np.zeros(1), np.array([90.0]))[0])
    assert grid.part(without_poles(grid)).outlines(4).cells.size == grid.size - 2
    with pytest.raises(CubeError, match=rf"cell {cell} of grid 'triangles' holds a pole"):
        grid.part(np.array([cell])).outlines(4)
    assert grid.areas()[cell] == pytest.approx(np.median(grid.areas()), rel=0.3)


def test_a_vertex_at_a_pole_is_no_hindrance():
    # Four cells around the pole, whatever longitude it is given.
    longitude = np.array([[0, 90, 33], [90, 180, -5], [180, 270, 0], [270, 360, 270]], float)
    latitude = np.tile([80.0, 80, 90], (4, 1))
    grid = VertexGrid(name="cap", dim_names=("cell",), longitude=longitude, latitude=latitude)
    outlines = grid.part(np.arange(4)).outlines(64)
    assert outlines.y.max() == 90
    np.testing.assert_allclose(geodesic_areas(outlines, 4), grid.areas(), rtol=1e-6)
    # The longitude of each quarter spans a quarter: its outline in degrees has the cap's shape.
    spans = [np.ptp(outlines.x[a:b]) for a, b in zip(outlines.starts[:-1], outlines.starts[1:],
                                                     strict=True)]  # fmt: skip
    np.testing.assert_allclose(spans, 90)


def test_coordinates_name_their_vertices():
    found = quadrangles().coordinates()
    assert found["lon"].attrs["bounds"] == "lon_vertices"
    assert found["lat_vertices"].dims == ("y", "x", "vertices")
    assert found[found.attrs["grid_mapping"]].attrs["grid_mapping_name"] == "latitude_longitude"
    derived = triangles(1).coordinates()
    place = triangles(1).locate(derived["lon"].values, derived["lat"].values)
    assert place.tolist() == list(range(80))
    assert quadrangles().width() == pytest.approx(named_grid("EUR-44").width(), rel=0.05)


@pytest.mark.parametrize(
    ("longitude", "latitude", "message"),
    [
        ([0, 1, 1], [0, 0, 95], "cell 0 of grid 'one' has a vertex at latitude 95"),
        ([0, 1, np.nan], [0, 0, 1], "fewer than three different vertices, the first is cell 0"),
        ([np.nan] * 3, [np.nan] * 3, "fewer than three"),
        ([0, 1], [0, 1], "fewer than three"),
    ],
)
def test_cells_that_cannot_be(longitude, latitude, message):
    with pytest.raises(CubeError, match=message):
        one(longitude, latitude)


def test_vertices_have_one_dimension_more():
    with pytest.raises(CubeError, match="expected one dimension more"):
        VertexGrid(name="x", dim_names=("y", "x"), longitude=np.zeros((3, 4)),
                   latitude=np.zeros((3, 4)))  # fmt: skip
