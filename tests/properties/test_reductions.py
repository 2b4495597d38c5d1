"""Laws of reductions, weights, gaps and counts: what any order, chunking or weight must keep."""

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

from lulc_xr.core.clearness import CLEARNESS_RADIUS, clearness
from lulc_xr.core.compositing import Reduction, composite_pixels
from lulc_xr.core.gaps import fill_gaps
from lulc_xr.cube.composite import composite
from lulc_xr.testing import landscape
from tests.properties.test_composite import cubes

METHODS = ("median", "mean", "quantile", "medoid", "best")
FREQ = st.sampled_from(["month", "dekad", "season", "year"])
FILL = st.sampled_from(["linear", None])


def how(method, q=(0.3,)):
    return Reduction(method=method, q=q if method == "quantile" else ())


@st.composite
def periods(draw):
    """Dates of one period with few distinct values, so that ties happen, and what is missing."""
    dates, bands, pixels = draw(st.integers(1, 9)), draw(st.integers(1, 3)), draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    steps = draw(st.sampled_from([3, 10_000]))
    values = random.integers(0, steps, (dates, bands, pixels)).astype(np.float32) / np.float32(1e4)
    missing = random.random((dates, pixels)) < draw(st.sampled_from([0, 0.4, 1]))
    values[np.repeat(missing[:, None], bands, axis=1)] = np.nan
    weights = random.integers(1, 5, (dates, pixels)).astype(np.float32)
    return values, missing, weights


def reduced(values, missing, method, weights=None, order=None, q=(0.3,)):
    chosen = slice(None) if order is None else order
    group = np.zeros(len(values), np.int64)
    weights = weights if weights is None else weights[chosen]
    return composite_pixels(
        values[chosen], missing[chosen], group, number=1, how=how(method, q), weights=weights
    )[0]


@given(periods(), st.lists(st.floats(0, 1), min_size=1, max_size=3, unique=True))
def test_quantiles_are_those_of_numpy(period, q):
    values, missing, _ = period
    found = reduced(values, missing, "quantile", q=tuple(q))
    seen = ~missing.all(axis=0)
    expected = np.nanquantile(values[:, :, seen].astype(np.float64), q, axis=0)
    np.testing.assert_allclose(
        found[:, seen], expected.reshape(len(found), seen.sum()), rtol=1e-5, atol=1e-7
    )
    assert np.isnan(found[:, ~seen]).all()


@given(periods(), st.sampled_from(["median", "mean", "quantile"]), st.floats(0.5, 9))
def test_equal_weights_are_no_weights(period, method, weight):
    values, missing, _ = period
    alike = np.full(missing.shape, weight, np.float32)
    found = reduced(values, missing, method, alike)
    np.testing.assert_allclose(found, reduced(values, missing, method), rtol=1e-5, atol=1e-7)


@given(periods(), st.sampled_from(METHODS[:-1]), st.booleans(), st.randoms())
def test_the_order_of_dates_changes_nothing(period, method, weighted, random):
    values, missing, weights = period
    order = list(range(len(values)))
    random.shuffle(order)
    weights = weights if weighted else None
    once, again = (reduced(values, missing, method, weights, o) for o in (None, order))
    if weighted or method == "mean":
        np.testing.assert_allclose(once, again, rtol=1e-5, atol=1e-7)
    else:
        np.testing.assert_array_equal(once, again)


@given(periods(), st.sampled_from(METHODS), st.booleans())
def test_equal_dates_give_their_value(period, method, weighted):
    values, missing, weights = period
    same = np.where(missing[:, None], np.float32(np.nan), np.float32(0.1234))
    same = np.broadcast_to(same, values.shape).copy()
    found = reduced(same, missing, method, weights if weighted else None)
    expected = np.where(missing.all(axis=0), np.nan, 0.1234)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-6)


@given(periods(), st.sampled_from(["medoid", "best"]), st.booleans())
def test_all_bands_come_from_one_clear_date(period, method, weighted):
    values, missing, weights = period
    found = reduced(values, missing, method, weights if weighted else None)
    for pixel in range(found.shape[1]):
        dates = values[~missing[:, pixel], :, pixel]
        if not len(dates):
            assert np.isnan(found[:, pixel]).all()
            continue
        assert (dates == found[:, pixel]).all(axis=1).any()
        if method == "medoid" and not weighted:
            far = np.linalg.norm(dates - np.median(dates, axis=0), axis=1)
            own = np.linalg.norm(found[:, pixel] - np.median(dates, axis=0))
            assert own <= far.min() + 2e-6


@given(periods())
def test_the_best_date_has_the_highest_weight(period):
    values, missing, weights = period
    found = reduced(values, missing, "best", weights)
    weights = np.where(missing, 0, weights)
    first = np.take_along_axis(values, weights.argmax(axis=0)[None, None], axis=0)[0]
    np.testing.assert_array_equal(found, np.where(missing.all(axis=0), np.nan, first))


@given(st.integers(0, 10_000), st.integers(1, 400))
def test_gaps_longer_than_the_maximum_stay(seed, max_gap):
    random = np.random.default_rng(seed)
    days = np.cumsum(random.integers(1, 90, 9)).astype(np.int32)
    series = random.random((9, 2, 6), np.float32)
    missing = random.random((9, 6)) < 0.6
    series[np.repeat(missing[:, None], 2, axis=1)] = np.nan
    free = fill_gaps(series.copy(), days)
    found = fill_gaps(series.copy(), days, max_gap=max_gap)
    for pixel in range(6):
        clear = days[~missing[:, pixel]]
        for step in range(9):
            day = days[step]
            left, right = clear[clear <= day], clear[clear >= day]
            ends = [*left[-1:], *right[:1]]
            span = max([*ends, day]) - min([*ends, day])
            if ends and span <= max_gap:
                np.testing.assert_array_equal(found[step, :, pixel], free[step, :, pixel])
            else:
                assert np.isnan(found[step, :, pixel]).all()


@given(cubes(), FREQ, st.sampled_from(METHODS), FILL, st.sampled_from(["clear", None]), st.data())
@settings(max_examples=25)
def test_any_chunking_gives_the_same(cube, freq, method, fill, weights, data):
    settings_ = {"fill": fill, "weights": weights, "q": 0.4 if method == "quantile" else None}
    chunks = {d: data.draw(st.integers(1, cube.sizes[d])) for d in ("time", "band", "y", "x")}
    lazy = cube.chunk(chunks)
    lazy["clear"] = lazy["clear"].chunk({"time": data.draw(st.integers(1, cube.sizes["time"]))})
    made = composite(lazy, freq, method, **settings_).compute()
    assert made.identical(composite(cube, freq, method, **settings_).compute())


@given(cubes(), FREQ, st.sampled_from(METHODS))
@settings(max_examples=10)
def test_counts_add_up_to_the_clear_dates(cube, freq, method):
    made = composite(cube, freq, method, q=0.5 if method == "quantile" else None).compute()
    clear = (cube["clear"] == 1) & cube["reflectance"].notnull().all("band")
    xr.testing.assert_equal(made["clear_count"].sum("time").astype(int), clear.sum("time"))
    np.testing.assert_array_equal(made["clear"], made["clear_count"] > 0)
    # A year of months counts what a year of dates does.
    whole = composite(made, "year")["clear_count"].sum("time")
    np.testing.assert_array_equal(whole, clear.sum("time"))


@given(st.integers(1, 45), st.integers(1, 45), st.integers(0, 99))
@settings(max_examples=10)
def test_clearness_is_the_clear_share_of_the_window(y, x, seed):
    clear = (np.random.default_rng(seed).random((2, y, x)) < 0.6).astype(np.uint8)
    found = clearness(clear)
    for row, column in {(0, 0), (y // 2, x // 2), (y - 1, x - 1)}:
        rows, columns = (
            slice(max(0, at - CLEARNESS_RADIUS), at + CLEARNESS_RADIUS + 1) for at in (row, column)
        )
        expected = clear[:, rows, columns].mean(axis=(1, 2))
        np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-6)


@pytest.mark.parametrize("weights", [None, "clear"])
def test_chunks_narrower_than_the_window_change_nothing(weights):
    cube = landscape(y=50, x=40, time=8, bands=("red", "nir"))
    made = composite(cube.chunk({"y": 7, "x": 13, "time": 3}), "season", "mean", weights=weights)
    assert made.compute().identical(composite(cube, "season", "mean", weights=weights).compute())
