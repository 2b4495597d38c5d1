"""Cells between meridians and parallels: areas, outlines, what lies in them and near them."""

import pickle

import numpy as np
import pytest

from lulc_xr.core.errors import CubeError
from lulc_xr.core.grids import lonlat_grid, named_grid
from lulc_xr.core.lattice_grid import LatticeGrid
from lulc_xr.core.uneven_lattice import UnevenLattice
from tests.grid_laws import check_locate, check_near, geodesic_areas, places_of

EARTH = 510_065_621_724_088.0  # Square metres of WGS 84, from PROJ's polygon of a whole globe.


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def lattice(**other):
    """Two by three cells of a rotated grid."""
    given = {"name": "some", "nx": 3, "ny": 2, "first_x": 0.5, "first_y": 10.5,
             "step_x": 1.0, "step_y": 1.0, "pole": (-162.0, 39.25)}  # fmt: skip
    return LatticeGrid(**(given | other))


def gaussian(**other):
    """Latitudes that are not evenly apart, from the north."""
    y = np.array([60.0, 50.2, 41.0, 20.5])
    edges = np.array([66.0, 55.1, 45.0, 30.3, 10.0])
    x = np.array([-1.0, 0.5, 4.0])
    given = {"name": "uneven", "centres_x": x, "centres_y": y,
             "edges": (np.array([-2.0, 0, 1, 7]), edges)}  # fmt: skip
    return UnevenLattice(**(given | other))


@pytest.mark.parametrize(
    "grid",
    [
        named_grid("EUR-11"),
        named_grid("EUR-44"),
        lonlat_grid(-30, 30, 60, 75, step=2.5),
        lattice(step_y=-3.0),
        gaussian(),
        gaussian(pole=(-162.0, 80.0)),
    ],
    ids=lambda grid: f"{grid.name} {grid.pole}",
)
def test_areas_are_those_of_finely_cut_outlines(grid, rng):
    cells = np.unique(rng.integers(0, grid.size, 6))
    expected = geodesic_areas(grid.part(cells).outlines(4096), cells.size)
    np.testing.assert_allclose(grid.areas()[cells], expected, rtol=1e-7)


def test_areas_of_the_whole_earth_add_up():
    for pole in (None, (20.0, 50.0)):
        grid = lattice(nx=72, ny=36, first_x=-177.5, first_y=-87.5, step_x=5, step_y=5, pole=pole)
        assert grid.areas().sum() == pytest.approx(EARTH, rel=1e-12 if pole is None else 1e-10)


def test_neighbours_share_the_very_same_places():
    for grid in (named_grid("EUR-11"), lonlat_grid(-3, 40, 3, 46, step=1 / 3), gaussian()):
        column, row = grid.nx // 2, grid.ny // 2
        cells = np.array([row * grid.nx + column, row * grid.nx + column + 1])
        left, right = places_of(grid.part(cells).outlines(16))
        assert len(left & right) == 17
        cells = np.array([(row - 1) * grid.nx + column, row * grid.nx + column])
        below, above = places_of(grid.part(cells).outlines(16))
        assert len(below & above) == 17


def test_outlines_of_many_cells_are_those_of_one_by_one():
    grid = named_grid("EUR-22")
    cells = np.array([5, 300, 20_000])
    together = places_of(grid.part(cells).outlines(4))
    assert together == [places_of(grid.part(cells[i : i + 1]).outlines(4))[0] for i in range(3)]


def test_a_part_is_small():
    part = named_grid("EUR-0275").part(np.arange(100))
    assert len(pickle.dumps(part)) < 3000
    again = pickle.loads(pickle.dumps(part)).outlines(2)
    assert (again.x == part.outlines(2).x).all()


@pytest.mark.parametrize(
    "grid",
    [named_grid("EUR-44"), lonlat_grid(-20, 30, 40, 70, step=2), gaussian(), lattice(step_y=-1.0)],
    ids=lambda grid: grid.name,
)
def test_places_lie_in_the_cell_whose_outline_holds_them(grid, rng):
    check_locate(grid, np.unique(rng.integers(0, grid.size, 25)), rng)


def test_centres_lie_in_their_cells():
    for name in ("EUR-11", "EUR-11i", "EUR-0275"):
        grid = named_grid(name)
        x, y = np.meshgrid(grid.x[::37], grid.y[::41])
        expected = np.add.outer(np.arange(0, grid.ny, 41) * grid.nx, np.arange(0, grid.nx, 37))
        assert (grid.locate(*grid.places(x.ravel(), y.ravel())) == expected.ravel()).all()


def test_nothing_lies_outside():
    grid = lonlat_grid(0, 40, 10, 50, step=1)
    found = grid.locate(np.array([-0.001, 10.0, 5, 5, np.nan, 0.0, 9.999]),
                        np.array([45.0, 45, 39.9, 50.0, 45, 40, 49.999]))  # fmt: skip
    assert found.tolist() == [-1, -1, -1, -1, -1, 0, 99]


def test_a_grid_may_cross_the_date_line():
    grid = lonlat_grid(170, -10, 190, 0, step=5)
    found = grid.locate(np.array([179.0, -179.0, 181.0, -171.0]), np.full(4, -1.0))
    assert found.tolist() == [5, 6, 6, 7]
    outlines = grid.part(np.arange(8)).outlines(2)
    assert np.ptp(outlines.x[outlines.starts[1] : outlines.starts[2]]) == 5
    near = grid.near(np.array([179.5, -179.5]), np.array([-7.0, -7.0]))
    assert near.tolist() == [1, 2]
    # A cell of which the date line is no edge keeps in one piece.
    odd = lonlat_grid(172.5, -10, 187.5, 0, step=5).part(np.array([1])).outlines(2)
    assert np.ptp(odd.x) == 5


def test_latitudes_with_centres_at_the_poles():
    # As ERA5 has them: the first and the last row are half as high.
    grid = LatticeGrid(name="with poles", nx=8, ny=5, first_x=0, first_y=90, step_x=45, step_y=-45)
    assert grid.y.tolist() == [90, 45, 0, -45, -90]
    assert grid.areas().sum() == pytest.approx(EARTH, rel=1e-12)
    assert grid.locate(np.array([0.0, 0.0]), np.array([90.0, -90.0])).tolist() == [0, 32]
    assert geodesic_areas(grid.part(np.array([0])).outlines(512), 1)[0] == pytest.approx(
        grid.areas()[0], rel=1e-4
    )


def test_a_cell_that_holds_a_pole_is_refused_when_it_is_used():
    grid = lattice(nx=20, ny=20, first_x=-19, first_y=20, step_x=2, step_y=2)
    cell = int(grid.locate(np.array([0.0]), np.array([90.0]))[0])
    assert cell >= 0
    assert grid.areas().min() > 0
    others = np.setdiff1d(np.arange(grid.size), [cell])
    assert grid.part(others).outlines(4).cells.size == grid.size - 1
    with pytest.raises(CubeError, match=rf"cell {cell} of grid 'some' holds a pole"):
        grid.part(np.arange(grid.size)).outlines(4)


def test_cells_near_a_part_are_few():
    grid = named_grid("EUR-11")
    # A block of 20 km meets at most nine cells of 12 km.
    lon, lat = np.meshgrid(np.linspace(7, 7.28, 9), np.linspace(50.6, 50.78, 9))
    assert 4 <= grid.near(lon.ravel(), lat.ravel()).size <= 12
    assert grid.near(np.array([170.0]), np.array([-40.0])).size == 0
    assert grid.near(np.array([np.nan]), np.array([np.nan])).size == 0


def test_cells_near_a_part_around_the_pole(rng):
    grid = lonlat_grid(-180, -90, 180, 90, step=10)
    turn = np.linspace(0, 2 * np.pi, 30)
    found = grid.near(np.degrees(turn) - 180, np.full(30, 80.0))
    assert set(range(36 * 17, 36 * 18)) <= set(found.tolist())
    check_near(grid, (-180, 179), (60, 89), rng)
    check_near(lattice(nx=60, ny=60, first_x=-29.5, first_y=10), (-180, 179), (70, 89), rng)


def test_uneven_edges_must_rise_or_fall():
    with pytest.raises(CubeError, match="rising or falling"):
        gaussian(centres_x=np.array([0.0, 1]))
    with pytest.raises(CubeError, match="more than 360"):
        gaussian(edges=(np.array([-200.0, 0, 1, 170]), gaussian().y_edges))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"nx": 0}, "2 x 0 cells"), ({"step_x": 0.0}, "other than 0"),
     ({"first_y": 100.0}, "expected -90 to 90")],
)  # fmt: skip
def test_lattices_that_cannot_be(change, message):
    with pytest.raises(CubeError, match=message):
        lattice(**change)
