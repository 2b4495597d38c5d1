"""Laws of the interpolation of context: constants, bounds, planes, coasts, any part of an area."""

import hypothesis.strategies as st
import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays
from pyproj import CRS

from lulc_xr.core.context import CONTEXT_DIMS, context_at

STEP = 0.25
NUMBERS = st.floats(-1e4, 1e4, width=32)
HOLES = st.booleans()


def coarse(values, *, north=52.0, west=4.0):
    """A context of one or more variables (variable, row, column), a quarter of a degree a cell."""
    rows, columns = values.shape[1:]
    mapping = ((), 0, {"crs_wkt": CRS("EPSG:4326").to_wkt()})
    names = [f"bio{number + 1:02d}" for number in range(len(values))]
    axes = (names, north - STEP * np.arange(rows), west + STEP * np.arange(columns))
    coords = dict(zip(CONTEXT_DIMS, axes, strict=True)) | {"spatial_ref_bioclim": mapping}
    return xr.DataArray(values.astype(np.float32), dims=CONTEXT_DIMS, coords=coords)


def at(bioclim, row, column):
    """Values at fractional rows and columns, in the context's own system."""
    y = float(bioclim["y_bioclim"][0]) - STEP * np.asarray(row)
    x = float(bioclim["x_bioclim"][0]) + STEP * np.asarray(column)
    return context_at(bioclim, x, y, crs="EPSG:4326")


FIELDS = st.tuples(st.integers(2, 5), st.integers(2, 5)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=NUMBERS), arrays(np.bool_, shape, elements=HOLES)
    )
)
PLACES = st.lists(st.tuples(st.floats(-2, 7), st.floats(-2, 7)), min_size=1, max_size=12)


def valid_near(values, row, column):
    """Values of the cells with data whose centre is less than a cell away in both directions."""
    r, c = np.indices(values.shape)
    near = (abs(r - row) < 1 - 1e-5) & (abs(c - column) < 1 - 1e-5)
    return values[near & np.isfinite(values)]


def on_the_edge(row, column):
    """True where rounding of coordinates may decide whether a cell is near."""
    return any(abs(v - np.rint(v)) < 2e-5 for v in (row, column))


@given(FIELDS, PLACES)
def test_value_exists_where_a_cell_is_near_and_lies_between_its_neighbours(field, places):
    values = np.where(field[1], np.nan, field[0])
    found = at(coarse(values[None]), *np.array(places).T)[0]
    for value, (row, column) in zip(found, places, strict=True):
        near = valid_near(values, row, column)
        if on_the_edge(row, column):
            continue
        assert np.isfinite(value) == (near.size > 0)
        if near.size:
            assert near.min() <= value <= near.max()


@given(FIELDS, NUMBERS, PLACES)
def test_constant_field_stays_constant_whatever_the_coast(field, constant, places):
    values = np.where(field[1], np.nan, np.float32(constant))
    found = at(coarse(values[None]), *np.array(places).T)
    assert (found[np.isfinite(found)] == np.float32(constant)).all()


@given(FIELDS)
def test_a_cell_centre_gives_the_cells_value_to_the_bit(field):
    values = np.where(field[1], np.nan, field[0])
    found = at(coarse(values[None]), *np.indices(values.shape))[0]
    known = np.isfinite(values)
    np.testing.assert_array_equal(found[known], values[known])


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.lists(st.floats(0, 3), min_size=2, max_size=2))
def test_a_plane_is_reproduced_inside(plane, place):
    r, c = np.indices((4, 4))
    values = plane[0] + plane[1] * r + plane[2] * c
    (found,) = at(coarse(values[None]), *place).ravel()
    expected = plane[0] + plane[1] * place[0] + plane[2] * place[1]
    size = np.abs(plane).sum() * 4
    assert abs(found - expected) <= 1e-6 * size + 1e-30


@given(FIELDS, st.integers(1, 40), st.integers(0, 20), st.integers(0, 20))
def test_a_part_of_an_area_gives_the_bits_of_the_whole(field, side, top, left):
    bioclim = coarse(np.where(field[1], np.nan, field[0])[None])
    # UTM zone 31: coordinates are transformed, pixels of 1.3 km cross cells and the border.
    x = 480_000 + 1300.0 * np.arange(60)
    y = 5_780_000 - 1300.0 * np.arange(60)[:, None]
    whole = context_at(bioclim, x, y, crs="EPSG:32631")
    rows, columns = slice(top, top + side), slice(left, left + side)
    part = context_at(bioclim, x[columns], y[rows], crs="EPSG:32631")
    assert part.tobytes() == np.ascontiguousarray(whole[:, rows, columns]).tobytes()


@given(FIELDS, PLACES)
def test_variables_with_other_coasts_do_not_touch_each_other(field, places):
    holed = np.where(field[1], np.nan, field[0])
    both = at(coarse(np.stack([field[0], holed])), *np.array(places).T)
    for number, alone in enumerate((field[0], holed)):
        single = at(coarse(alone[None]), *np.array(places).T)[0]
        assert both[number].tobytes() == single.tobytes()
