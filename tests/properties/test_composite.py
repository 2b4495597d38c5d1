"""Laws of composites: plain arithmetic per pixel, any chunking, idempotent, what models see."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import given, settings

from lulc_xr.core.dates import RegularDates
from lulc_xr.cube.composite import composite
from lulc_xr.prediction.classify import classify
from lulc_xr.testing import landscape
from tests.predictors import Ratio

FREQ = st.sampled_from(["MS", "2MS", "QS", "10D", "YS"])
METHOD = st.sampled_from(["median", "mean"])
FILL = st.sampled_from(["linear", None])


@st.composite
def cubes(draw, most=12, time=30):
    y, x = draw(st.integers(1, most)), draw(st.integers(1, most))
    dates, seed = draw(st.integers(2, time)), draw(st.integers(0, 500))
    cube = landscape(y=y, x=x, time=dates, bands=("red", "nir"), seed=seed)
    share = draw(st.sampled_from([0, 0.5, 0.95]))
    hidden = np.random.default_rng(seed).random(cube["clear"].shape) < share
    cube["clear"] = cube["clear"].where(~hidden, 0).astype(np.uint8)
    return cube


def plainly(cube, freq, method, fill):
    """Composites pixel by pixel with pandas, in float64."""
    clear = cube["clear"].values == 1
    sizes = cube["reflectance"].shape[1:]
    first = cube["time"].values[0].astype("datetime64[Y]")
    last = cube["time"].values[-1].astype("datetime64[Y]") + 1
    edges = pd.date_range(first, last, freq=freq, inclusive="left")
    begun = edges.searchsorted(cube["time"].values, side="right") - 1
    kept = edges[begun[0] : begun[-1] + 1]
    made = np.empty((len(kept), *sizes))
    for band, y, x in np.ndindex(sizes):
        series = pd.Series(cube["reflectance"].values[:, band, y, x].astype(float))
        series = series.where(clear[:, y, x])
        found = getattr(series.groupby(begun), method)()
        found = found.reindex(range(begun[0], begun[-1] + 1))
        found.index = kept
        if fill:
            found = found.interpolate("time", limit_direction="both")
        made[:, band, y, x] = found
    return kept, made


@given(cubes(most=5), FREQ, METHOD, FILL)
@settings(max_examples=15)
def test_composites_equal_plain_arithmetic(cube, freq, method, fill):
    # A cube of one pixel in one band missing is missing whole; landscapes are so by themselves.
    starts, expected = plainly(cube, freq, method, fill)
    made = composite(cube, freq, method, fill=fill)
    np.testing.assert_array_equal(made["time"].values, starts.values)
    np.testing.assert_allclose(made["reflectance"].values, expected, rtol=2e-6, atol=1e-7)
    observed = ~np.isnan(plainly(cube, freq, method, None)[1]).any(axis=1)
    np.testing.assert_array_equal(made["clear"].values, observed)


@given(cubes(), FREQ, METHOD, FILL, st.data())
def test_any_chunking_gives_the_same_composites(cube, freq, method, fill, data):
    sizes = {**cube.sizes, "clear": cube.sizes["y"]}
    chunks = {d: data.draw(st.integers(1, sizes[d])) for d in ("time", "band", "y", "x")}
    expected = composite(cube, freq, method, fill=fill).compute()
    lazy = cube.chunk(chunks)
    lazy["clear"] = lazy["clear"].chunk({"y": data.draw(st.integers(1, sizes["clear"]))})
    made = composite(lazy.transpose("x", "band", "time", "y"), freq, method, fill=fill)
    assert made.compute().identical(expected)


@given(cubes(), FREQ, METHOD)
def test_filling_again_changes_nothing(cube, freq, method):
    once = composite(cube, freq, method).compute()
    assert composite(once, freq, method).compute().identical(once)


@given(cubes(time=40), st.sampled_from(["MS", "2MS", "QS"]), METHOD, FILL)
@settings(max_examples=15)
def test_models_see_these_composites(cube, freq, method, fill):
    seen = {}

    class Recording(Ratio):
        def predict_block(self, pixels, days, context):
            seen["pixels"], seen["days"] = pixels.copy(), days
            return super().predict_block(pixels, days, context)

        def __reduce__(self):
            return Ratio, ()

    model = Recording(dates=RegularDates(freq=freq, method=method, fill=fill))
    classify(cube, model, years=[2018]).compute(scheduler="synchronous")
    made = composite(cube, freq, method, fill=fill)
    if not seen:
        assert not cube["clear"].any()
        return
    # A cube whose last dates lie before the last period has fewer composites than the year.
    number = made.sizes["time"]
    expected = made["reflectance"].values
    if fill:
        expected = np.nan_to_num(expected)
    np.testing.assert_array_equal(seen["pixels"][:number], expected)
    days = (made["time"].values - np.datetime64("2018-01-01")).astype("timedelta64[D]").astype(int)
    np.testing.assert_array_equal(seen["days"][:number], days)
