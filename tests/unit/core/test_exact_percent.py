"""Laws of percentages whose sums are exact."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lulc_xr.core.errors import CubeError
from lulc_xr.core.exact_percent import PLACES, exact_percent

KINDS = st.sampled_from(["float32", "float64"])
SHARES = st.one_of(
    st.just(0.0),
    st.floats(0, 1),
    st.floats(0, 1e300),
    st.sampled_from([5e-324, 1e-300, 1 / 3, 1e308]),
)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)
TABLES = hnp.arrays(np.float64, SHAPES, elements=SHARES)


def unit(kind):
    return 2.0 ** -PLACES[np.dtype(kind)]


@given(TABLES, KINDS, st.randoms(use_true_random=False))
def test_sums_are_100_in_any_order(shares, kind, random):
    made = exact_percent(shares, dtype=kind, absent=0)
    order = list(range(len(made)))
    random.shuffle(order)
    shuffled = made[order]
    assert made.dtype == kind
    for sums in (
        np.add.accumulate(shuffled, axis=0)[-1],
        made.sum(axis=0),
        np.ascontiguousarray(shuffled.T).sum(axis=1),
        shuffled.sum(axis=0, dtype=np.float64),
    ):
        np.testing.assert_array_equal(sums, 100)
    for column in made.T:
        assert math.fsum(column) == 100


@given(TABLES, KINDS)
def test_zero_stays_zero_and_nothing_is_negative(shares, kind):
    made = exact_percent(shares, dtype=kind, absent=0)
    some = (shares > 0).any(axis=0)
    assert (made >= 0).all()
    assert (made[:, some][shares[:, some] == 0] == 0).all()
    np.testing.assert_array_equal(made[0, ~some], 100)


@given(TABLES, KINDS)
def test_percentages_are_within_a_unit_of_exact_fractions(shares, kind):
    made = exact_percent(shares, dtype=kind, absent=0)
    # Beside the unit: what float64 rounds in a quotient and its product with 100.
    allowed = Fraction(unit(kind)) + Fraction(200 * 4 * np.finfo(float).eps)
    for column, found in zip(shares.T, made.T, strict=True):
        total = sum(map(Fraction, column))
        for share, percent in zip(column, found, strict=True):
            if total:
                assert abs(Fraction(float(percent)) - 100 * Fraction(share) / total) <= allowed


@given(TABLES, KINDS)
def test_values_are_whole_units(shares, kind):
    made = exact_percent(shares, dtype=kind, absent=0)
    units = made.astype(np.float64) / unit(kind)
    np.testing.assert_array_equal(units, np.rint(units))


@given(TABLES, KINDS, st.integers(0, 100 << 17))
def test_other_totals_are_exact_too(shares, kind, units):
    total = units * unit("float32")
    made = exact_percent(shares, dtype=kind, total=total, absent=0)
    np.testing.assert_array_equal(np.add.accumulate(made, axis=0)[-1], total)


@given(TABLES, KINDS)
def test_made_again_they_stay(shares, kind):
    made = exact_percent(shares, dtype=kind, absent=0)
    np.testing.assert_array_equal(exact_percent(made, dtype=kind), made)


def test_many_cells_are_made_in_blocks_alike():
    shares = np.random.default_rng(0).dirichlet(np.ones(4), (1 << 16) + 3).T
    made = exact_percent(shares)
    np.testing.assert_array_equal(made[:, -5:], exact_percent(shares[:, -5:]))
    np.testing.assert_array_equal(made.sum(axis=0), 100)


@pytest.mark.parametrize(
    ("shares", "options", "message"),
    [
        ([[-1.0], [2.0]], {}, "negative or not finite"),
        ([[np.nan], [2.0]], {}, "negative or not finite"),
        ([[0.0, 1.0], [0.0, 1.0]], {}, "all shares are 0 in 1 of 2 cells"),
        ([[1.0]], {"dtype": "float16"}, "float16 cannot be made; choose float32"),
        ([[1.0]], {"total": 1e-9, "dtype": "float32"}, "multiples of 2\\^-17"),
        ([[1.0]], {"total": 101.0}, "from 0 to 100"),
    ],
)
def test_what_cannot_be_made_is_refused(shares, options, message):
    with pytest.raises(CubeError, match=message):
        exact_percent(np.array(shares), **options)
