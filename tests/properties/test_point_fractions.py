"""Laws of fractions from points: parts add up, grids nest, order does not matter."""

import warnings

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lulc_xr as lx
from lulc_xr.core.grids import lonlat_grid
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["crop", "wood", "water"])
COARSE = lonlat_grid(5, 45, 7, 48, step=1)
FINE = lonlat_grid(5, 45, 7, 48, step=0.25)


@st.composite
def tables(draw, least=1):
    number = draw(st.integers(least, 40))
    column = lambda low, high: draw(  # noqa: E731
        arrays.arrays(np.float64, number, elements=st.floats(low, high, width=32))
    )
    labels = draw(st.lists(st.integers(0, 2), min_size=number, max_size=number))
    # Places of half a fine cell: some lie on the edges of cells.
    return pd.DataFrame(
        {
            "lon": np.round(column(4.75, 7.25) * 8) / 8,
            "lat": np.round(column(44.75, 48.25) * 8) / 8,
            "land_cover": labels,
            "weight": column(0.125, 8),
        }
    )


def fractions(points, grid=COARSE, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*points left out")
        return lx.fractions_from_points(points, grid, legend=LEGEND, **options)


def some_inside(points):
    return COARSE.locate(points.lon.to_numpy(), points.lat.to_numpy()).max() >= 0


@given(tables().filter(some_inside))
def test_shares_sum_to_one_where_there_are_points(points):
    for weights in (None, "weight"):
        found = fractions(points, weights=weights)
        total = found.fraction.sum("class", skipna=False)
        there = (found.points > 0).values
        np.testing.assert_allclose(total.values[there], 1, atol=1e-12)
        assert np.isnan(total.values[~there]).all()
        inside = found.where(there)
        assert bool((inside.fraction_lower >= 0).where(there, True).all())
        assert bool((inside.fraction_upper <= 1).where(there, True).all())
        used = found.attrs["points_used"]
        assert int(found.points.sum()) == used
        assert used + found.attrs["points_outside"] == len(points)


@given(tables().filter(some_inside), tables().filter(some_inside))
def test_sets_of_points_add_up(first, second):
    both = fractions(pd.concat([first, second]), weights="weight")
    parts = [fractions(points, weights="weight") for points in (first, second)]
    xr.testing.assert_equal(both.points, parts[0].points + parts[1].points)
    sums = sum((part.fraction * part.total_weight).fillna(0) for part in parts)
    np.testing.assert_allclose(
        (both.fraction * both.total_weight).fillna(0), sums, rtol=1e-9, atol=1e-9
    )


@given(tables().filter(some_inside))
def test_finer_cells_that_nest_give_the_coarser_ones(points):
    for weights, number in ((None, "points"), ("weight", "total_weight")):
        coarse, fine = fractions(points, weights=weights), fractions(points, FINE, weights=weights)
        sums = (fine.fraction.fillna(0) * fine[number]).coarsen(lat=4, lon=4).sum()
        total = fine[number].coarsen(lat=4, lon=4).sum()
        np.testing.assert_allclose(total, coarse[number])
        np.testing.assert_allclose(sums, coarse.fraction.fillna(0) * coarse[number], atol=1e-9)


@given(tables(least=2).filter(some_inside), st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    xr.testing.assert_allclose(
        fractions(points.iloc[order], weights="weight"), fractions(points, weights="weight")
    )


@given(tables().filter(some_inside), st.floats(0.01, 100))
def test_weights_are_relative(points, factor):
    one = fractions(points, weights="weight").drop_vars("total_weight")
    other = fractions(points.assign(weight=points.weight * factor), weights="weight")
    xr.testing.assert_allclose(one, other.drop_vars("total_weight"), rtol=1e-9)
