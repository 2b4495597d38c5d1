"""Laws of grids: no cell that meets a part of a map is missing, and each place has its cell."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.core.lattice_grid import LatticeGrid
from lulc_xr.core.region_grid import RegionGrid
from lulc_xr.core.uneven_lattice import UnevenLattice
from lulc_xr.core.vertex_grid import VertexGrid
from tests.grid_laws import icosahedron, places_of

# Geographic, a web map's, Europe's, a zone of UTM, and both poles'.
SYSTEMS = ("EPSG:4326", "EPSG:3857", "EPSG:3035", "EPSG:32633", "EPSG:3413", "EPSG:3031")
OUT = {name: pyproj.Transformer.from_crs(name, "EPSG:4326", always_xy=True) for name in SYSTEMS}


@st.composite
def lattices(draw):
    """Rotated or not, with rising or falling coordinates, even or uneven."""
    step_x, step_y = (draw(st.sampled_from([0.1, 0.5, 2.0, 7.5, -1.0])) for _ in range(2))
    nx = draw(st.integers(1, min(60, int(360 / abs(step_x)))))
    ny = draw(st.integers(1, min(60, int(170 / abs(step_y)))))
    lowest = draw(st.floats(-89, 89 - abs(step_y) * ny, allow_nan=False))
    first_x = draw(st.floats(-200, 200))
    pole = draw(st.none() | st.tuples(st.floats(-180, 180), st.floats(5, 90)))
    x = first_x + np.arange(nx) * step_x
    y = (lowest + abs(step_y) / 2 + np.arange(ny) * abs(step_y))[:: 1 if step_y > 0 else -1]
    if draw(st.booleans()):
        return LatticeGrid(name="even", nx=nx, ny=ny, first_x=x[0], first_y=y[0], step_x=step_x,
                           step_y=step_y, pole=pole)  # fmt: skip
    shift = draw(st.floats(0.2, 0.8))
    edges = [
        np.append(c - shift * s, c[-1] + (1 - shift) * s) for c, s in ((x, step_x), (y, step_y))
    ]
    return UnevenLattice(name="uneven", centres_x=x, centres_y=y, edges=tuple(edges), pole=pole)


@st.composite
def blocks(draw):
    """Places on a block of pixels as the engine of fractions asks for, and some inside."""
    name = draw(st.sampled_from(SYSTEMS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if name == "EPSG:4326":
        x, y = draw(st.floats(-180, 170)), draw(st.floats(-89, 80))
        wide, high = draw(st.floats(0.01, 180 - x)), draw(st.floats(0.01, 90 - y))
    else:
        x, y = draw(st.floats(-3e6, 3e6)), draw(st.floats(-3e6, 3e6))
        if name in ("EPSG:3035", "EPSG:32633"):
            # Where these are meant for: within 3000 km or 500 km of their middle.
            x, y = (x / 2 + 4e6, y / 2 + 3e6) if name == "EPSG:3035" else (x / 6 + 5e5, y + 4e6)
        wide, high = (draw(st.sampled_from([2e4, 2e5, 1e6])) for _ in range(2))
    border = np.meshgrid(np.linspace(x, x + wide, 9), np.linspace(y, y + high, 9))
    inside = rng.uniform(x, x + wide, 300), rng.uniform(y, y + high, 300)
    return (
        OUT[name].transform(*(each.ravel() for each in border)),
        OUT[name].transform(*inside),
    )


def check(grid, block):
    around, inside = block
    near = grid.near(*around)
    assert (np.diff(near) > 0).all()
    found = grid.locate(*inside)
    assert found.max(initial=-1) < grid.size
    missing = np.setdiff1d(found[found >= 0], near)
    assert not missing.size


@given(lattices(), blocks())
def test_no_cell_of_a_lattice_is_missing(grid, block):
    check(grid, block)


TRIANGLES = [
    VertexGrid(name="t", dim_names=("cell",), longitude=lon, latitude=lat)
    for lon, lat in (icosahedron(splits, 0.1) for splits in (0, 2, 4))
]


@given(st.sampled_from(TRIANGLES), blocks())
def test_no_triangle_is_missing_and_every_place_has_one(grid, block):
    check(grid, block)
    assert (grid.locate(*block[1]) >= 0).all()


@given(
    st.lists(st.tuples(st.floats(-25, 40), st.floats(30, 70)), min_size=3, max_size=6),
    st.sampled_from(["EPSG:4326", "EPSG:3035"]),
    blocks(),
)
def test_no_region_is_missing(points, crs, block):
    into = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    shape = shapely.convex_hull(shapely.MultiPoint(np.array(into.transform(*np.array(points).T)).T))
    if shape.geom_type != "Polygon" or shape.area == 0:
        return
    island = shapely.box(*into.transform(-9, 38), *into.transform(-8, 39))
    grid = RegionGrid(
        name="r", geometries=np.array([shape, island], object), crs=crs, ids=np.array(["a", "b"])
    )
    check(grid, block)


@given(lattices(), st.integers(0, 4))
def test_neighbours_on_a_lattice_share_their_places(grid, halvings):
    pieces = 2**halvings
    if grid.nx < 2 or grid.ny < 2:
        return
    first = (grid.ny // 2) * grid.nx + grid.nx // 2 - 1
    cells = np.array([first - grid.nx, first, first + 1])
    polar = grid.locate(np.zeros(2), np.array([90.0, -90.0]))
    if np.isin(cells, polar).any() and grid.pole is not None:
        return
    below, left, right = places_of(grid.part(cells).outlines(pieces))
    assert len(left & right) >= pieces + 1 or grid.nx * abs(grid.x[1] - grid.x[0]) >= 359
    assert len(left & below) >= pieces + 1


@given(lattices())
def test_areas_are_positive_and_add_up_to_the_box(grid):
    found = grid.areas()
    assert (found > 0).all()
    whole = LatticeGrid(
        name="box",
        nx=1,
        ny=1,
        first_x=0,
        first_y=grid.y_edges[[0, -1]].mean(),
        step_x=np.ptp(grid.x_edges),
        step_y=np.ptp(grid.y_edges),
    )
    if grid.pole is None:
        assert found.sum() == pytest.approx(whole.areas()[0], rel=1e-9)
    else:
        # A sphere turned keeps its areas; the ellipsoid's differ by up to its flattening.
        assert found.sum() == pytest.approx(whole.areas()[0], rel=0.02)
