"""Laws of BIO1 to BIO19: a year may begin in any month, identities, bounds, shifts and scales."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

import lulc_xr as lx

TIME = pd.date_range("2001-01-01", periods=12, freq="MS")
# Powers of two, each once: no two quarters are equal, and sums are exact.
MONTHS = st.permutations(range(12)).map(lambda order: 2.0 ** np.array(order) / 64)
SPREADS = arrays(np.float64, 12, elements=st.floats(0.5, 9, width=16))


def bio(tas, spread, pr):
    values = {"tas": tas, "tasmin": tas - spread, "tasmax": tas + spread, "pr": pr}
    units = {"pr": "mm/month"}
    series = {
        n: xr.DataArray(v, {"time": TIME}, "time", attrs={"units": units.get(n, "degC")})
        for n, v in values.items()
    }
    made = lx.bioclim(**series)
    return dict(zip(map(str, made["bioclim_variable"].values), made.values.tolist(), strict=True))


def close(a, b):
    np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-5, atol=1e-4)


@given(MONTHS, SPREADS, MONTHS, st.integers(1, 11))
def test_the_year_may_begin_in_any_month(tas, spread, pr, shift):
    close(bio(tas, spread, pr), bio(*(np.roll(v, shift) for v in (tas, spread, pr))))


@given(MONTHS, SPREADS, MONTHS)
def test_identities_and_bounds_of_the_definitions(tas, spread, pr):
    v = bio(tas, spread, pr)
    assert v["bio07"] == pytest.approx(v["bio05"] - v["bio06"], abs=1e-4)
    assert v["bio03"] == pytest.approx(100 * v["bio02"] / v["bio07"], rel=1e-5)
    assert v["bio02"] == pytest.approx(2 * spread.mean(), rel=1e-5)
    assert v["bio11"] <= v["bio01"] <= v["bio10"] <= v["bio05"]
    for mean in ("bio08", "bio09"):
        assert v["bio11"] <= v[mean] <= v["bio10"]
    for rain in ("bio18", "bio19"):
        assert v["bio17"] <= v[rain] <= v["bio16"]
    assert 3 * v["bio14"] <= v["bio17"] + 1e-3
    assert v["bio16"] <= min(3 * v["bio13"], v["bio12"]) + 1e-3


@given(MONTHS, SPREADS, MONTHS, st.floats(-20, 20, width=16), st.floats(1, 8, width=16))
def test_warmer_and_wetter_years_shift_and_scale(tas, spread, pr, warmer, wetter):
    before, after = bio(tas, spread, pr), bio(tas + warmer, spread, pr * wetter)
    for number in (1, 5, 6, 8, 9, 10, 11):
        name = f"bio{number:02d}"
        assert after[name] == pytest.approx(before[name] + warmer, abs=1e-3)
    for number in (2, 3, 4, 7):
        name = f"bio{number:02d}"
        assert after[name] == pytest.approx(before[name], rel=1e-4, abs=1e-3)
    for number in (12, 13, 14, 16, 17, 18, 19):
        name = f"bio{number:02d}"
        assert after[name] == pytest.approx(before[name] * wetter, rel=1e-4, abs=1e-3)
