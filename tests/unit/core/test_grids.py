"""Grids by name: the tables of CORDEX and TSMP, and how the grids lie in each other."""

import numpy as np
import pytest

from lulc_xr.core.errors import CubeError
from lulc_xr.core.grids import list_grids, lonlat_grid, named_grid

# Columns, rows, step, and centres of the first and the last cell: CORDEX's tables, and
# differences of published origins, as reference/domain.md 4.5 has them.
TABLE = {
    "EUR-11": (424, 412, 0.11, (-28.375, -23.375), (18.155, 21.835)),
    "EUR-22": (212, 206, 0.22, (-28.32, -23.32), (18.10, 21.78)),
    "EUR-44": (106, 103, 0.44, (-28.21, -23.21), (17.99, 21.67)),
    "EUR-11i": (881, 408, 0.125, (-44.8125, 21.8125), (65.1875, 72.6875)),
    "EUR-11-relaxation": (450, 438, 0.11, (-29.805, -24.805), (19.585, 23.265)),
    "EUR-11-eCLM": (444, 432, 0.11, (-29.475, -24.475), (19.255, 22.935)),
    "EUR-0275": (1600, 1552, 0.0275, (-26.98625, -21.98625), (16.98625, 20.66625)),
    "EUR-0275-eCLM": (1594, 1546, 0.0275, (-26.90375, -21.90375), (16.90375, 20.58375)),
    "EUR-0275-TSMP": (1592, 1544, 0.0275, (-26.87625, -21.87625), (16.87625, 20.55625)),
}


@pytest.mark.parametrize("name", TABLE)
def test_sizes_and_centres(name):
    nx, ny, step, first, last = TABLE[name]
    grid = named_grid(name)
    assert grid.shape == (ny, nx)
    np.testing.assert_allclose([grid.x[0], grid.y[0]], first, atol=1e-9)
    np.testing.assert_allclose([grid.x[-1], grid.y[-1]], last, atol=1e-9)
    np.testing.assert_allclose(np.diff(grid.x), step, atol=1e-9)
    assert (grid.pole is None) == name.endswith("i")
    assert grid.source


def test_every_grid_has_a_name_and_a_source():
    for name in list_grids():
        assert named_grid(name).name == name
        assert ":" in named_grid(name).source
    for new, old in (("EUR-12", "EUR-11"), ("EUR-25", "EUR-22"), ("EUR-50", "EUR-44"),
                     ("EUR-12i", "EUR-11i")):  # fmt: skip
        assert (named_grid(new).x == named_grid(old).x).all()


def test_corners_in_longitude_and_latitude():
    def centre(name, row, column):
        places = named_grid(name).coordinates()
        return float(places["lon"][row, column]), float(places["lat"][row, column])

    expected = {
        ("EUR-11", 0, 0): (-10.0639, 21.9878),
        ("EUR-11", 0, -1): (36.4138, 25.1143),
        ("EUR-11", -1, 0): (-44.5939, 60.2038),
        ("EUR-11", -1, -1): (64.9644, 66.6898),
        ("EUR-11-eCLM", 0, 0): (-10.5775, 20.5765),
        ("EUR-11-eCLM", -1, -1): (68.7289, 66.9023),
    }
    for at, place in expected.items():
        assert centre(*at) == pytest.approx(place, abs=6e-5)


def test_bonn_lies_in_its_cell():
    grid = named_grid("EUR-11")
    cell = grid.locate(np.array([7.0982]), np.array([50.7374]))[0]
    assert np.unravel_index(cell, grid.shape) == (217, 195)
    assert grid.width() == pytest.approx(12_232, abs=1)


def test_fine_cells_nest_4_by_4():
    fine, coarse = named_grid("EUR-0275"), named_grid("EUR-11")
    # 13 cells of relaxation zone lie outside of EUR-0275.
    assert (fine.x_edges[::4] == coarse.x_edges[13:-11]).all()
    assert (fine.y_edges[::4] == coarse.y_edges[13:-11]).all()
    parts = fine.areas().reshape(388, 4, 400, 4).sum(axis=(1, 3))
    whole = coarse.areas().reshape(coarse.shape)[13:-11, 13:-11]
    np.testing.assert_allclose(parts, whole, rtol=1e-9)
    # The outline of a coarse cell passes through places of its fine ones, the very same.
    row, column, pieces = 100, 200, 8
    big = coarse.part(np.array([(row + 13) * coarse.nx + column + 13])).outlines(4 * pieces)
    small = np.add.outer(np.arange(4 * row, 4 * row + 4) * fine.nx, np.arange(4)) + 4 * column
    little = fine.part(small.ravel()).outlines(pieces)
    places = set(zip(little.x.tolist(), little.y.tolist(), strict=True))
    assert set(zip(big.x.tolist(), big.y.tolist(), strict=True)) <= places


def test_variants_are_the_same_lattice():
    coarse = named_grid("EUR-11")
    for name, more in (("EUR-11-relaxation", 13), ("EUR-11-eCLM", 10), ("EUR-11-TSMP", 6)):
        assert (named_grid(name).x_edges[more:-more] == coarse.x_edges).all()
        assert (named_grid(name).y_edges[more:-more] == coarse.y_edges).all()
    for name, less in (("EUR-0275-eCLM", 3), ("EUR-0275-TSMP", 4)):
        assert (named_grid("EUR-0275").x_edges[less:-less] == named_grid(name).x_edges).all()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(CubeError, match=r"unknown grid 'EUR-011'.*nearest first: EUR-11,"):
        named_grid("EUR-011")


def test_regular_grids_of_any_step():
    grid = lonlat_grid(-10, 35, 30, 70, step=(0.5, 0.25))
    assert grid.shape == (140, 80)
    assert (grid.x[0], grid.y[-1]) == (-9.75, 69.875)
    assert grid.dims == ("lat", "lon")
    third = lonlat_grid(0, 0, 1, 1, step=1 / 3)
    assert third.shape == (3, 3)


@pytest.mark.parametrize(
    ("corners", "step", "message"),
    [
        ((0, 0, 1, 1), 0.3, r"west to east: 1 degrees are 3.33333 steps of 0.3.*End at 0.9"),
        ((5, 0, 1, 1), 0.5, r"west to east: 5 to 1 degrees.*rising"),
        ((0, 0, 1, 1), -1, "step above 0"),
        ((0, 0, 361, 1), 1, "more than 360"),
        ((0, 60, 10, 120), 1, "latitudes from 60.5 to 119.5"),
    ],
)
def test_grids_that_cannot_be(corners, step, message):
    with pytest.raises(CubeError, match=message):
        lonlat_grid(*corners, step=step)
