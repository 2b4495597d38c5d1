"""BIO1 to BIO19: against xclim where definitions agree, WorldClim's identities, refusals."""

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import xclim.indices as xci

import lulc_xr as lx
from lulc_xr.core.errors import CubeError

DAYS = xr.DataArray(pd.date_range("2001-01-01", periods=12, freq="MS").days_in_month, dims="month")


def climate(years=1, *, seed=3, freq="MS", cells=40):
    """Four variables of made-up monthly climates over `place`, the same in every year."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-01-01", periods=12 * years, freq=freq)
    season = np.cos(2 * np.pi * (np.arange(12)[:, None] - rng.uniform(5, 8, cells)) / 12)
    tas = rng.normal(10, 8, cells) + 9 * season + rng.normal(0, 1, (12, cells))
    spread = rng.uniform(3, 7, (12, cells))
    pr = rng.gamma(2, 1.2, (12, cells))
    made = {"tas": tas, "tasmin": tas - spread, "tasmax": tas + spread, "pr": pr}
    return {
        name: xr.DataArray(
            np.tile(values, (years, 1)),
            {"time": time},
            ("time", "place"),
            attrs={"units": "mm/day" if name == "pr" else "degC"},
        )
        for name, values in made.items()
    }


def bio(made, number):
    return made.sel(bioclim_variable=f"bio{number:02d}").values


def test_what_xclim_defines_alike_is_the_same():
    # Quarters of xclim do not wrap a single year; of three equal years the middle one does.
    given = climate(3)
    ours = lx.bioclim(**given)
    tas, tasmin, tasmax, pr = (given[n] for n in ("tas", "tasmin", "tasmax", "pr"))
    theirs = {
        1: xci.tg_mean(tas),
        2: xci.daily_temperature_range(tasmin, tasmax, freq="YS"),
        3: xci.isothermality(tasmin, tasmax),
        7: xci.extreme_temperature_range(tasmin, tasmax, freq="YS"),
        8: xci.tg_mean_wetdry_quarter(tas, pr, op="wettest"),
        9: xci.tg_mean_wetdry_quarter(tas, pr, op="driest"),
        10: xci.tg_mean_warmcold_quarter(tas, op="warmest"),
        11: xci.tg_mean_warmcold_quarter(tas, op="coldest"),
        12: xci.prcptot(pr),
        13: xci.prcptot_wetdry_period(pr, op="wettest"),
        14: xci.prcptot_wetdry_period(pr, op="driest"),
        16: xci.prcptot_wetdry_quarter(pr, op="wettest"),
        17: xci.prcptot_wetdry_quarter(pr, op="driest"),
        18: xci.prcptot_warmcold_quarter(pr, tas, op="warmest"),
        19: xci.prcptot_warmcold_quarter(pr, tas, op="coldest"),
    }
    for number, found in theirs.items():
        np.testing.assert_allclose(
            bio(ours, number), found.isel(time=1).values, rtol=1e-5, atol=1e-5, err_msg=str(number)
        )


def test_some_quarters_wrap_the_year():
    """Else the comparison above would say nothing of wrapping."""
    given = climate(1)
    months = given["tas"].values
    starts = (months + np.roll(months, -1, 0) + np.roll(months, -2, 0)).argmin(0)
    assert (starts >= 10).any()


def test_temperature_seasonality_is_not_that_of_xclim():
    given = climate()
    ours, theirs = bio(lx.bioclim(**given), 4), xci.temperature_seasonality(given["tas"]).values[0]
    # Theirs is a coefficient of variation in percent of kelvin, ours a deviation times 100.
    kelvin = given["tas"].values.mean(0) + 273.15
    deviation = given["tas"].values.std(0, ddof=1)
    np.testing.assert_allclose(ours, 100 * deviation, rtol=1e-5)
    np.testing.assert_allclose(theirs * kelvin, 100 * given["tas"].values.std(0), rtol=1e-5)


def test_extremes_are_of_monthly_means_not_of_days():
    time = pd.date_range("2001-01-01", "2001-12-31")
    rng = np.random.default_rng(0)
    tas = xr.DataArray(
        10 - 9 * np.cos(2 * np.pi * np.arange(365) / 365) + rng.normal(0, 3, 365),
        {"time": time}, "time", attrs={"units": "degC"},
    )  # fmt: skip
    pr = xr.zeros_like(tas).assign_attrs(units="mm/day")
    ours = lx.bioclim(tas, tas - 4, tas + 4, pr)
    monthly = (tas + 4).resample(time="MS").mean()
    assert bio(ours, 5) == pytest.approx(float(monthly.max()), rel=1e-6)
    assert bio(ours, 5) < xci.tx_max(tas + 4, freq="YS").item() - 3
    assert bio(ours, 6) > xci.tn_min(tas - 4, freq="YS").item() + 3


def test_variation_of_precipitation_has_one_millimetre_in_its_denominator():
    given = climate()
    amounts = given["pr"].values * DAYS.values[:, None]
    expected = 100 * amounts.std(0, ddof=1) / (1 + amounts.mean(0))
    np.testing.assert_allclose(bio(lx.bioclim(**given), 15), expected, rtol=1e-5)
    given["pr"] = given["pr"] * 0
    given["pr"].attrs["units"] = "mm"
    assert (bio(lx.bioclim(**given), 15) == 0).all()


def test_units_make_no_difference():
    given = climate()
    expected = lx.bioclim(**given)
    days = given["tas"]["time"].dt.days_in_month
    other = {n: (given[n] + 273.15).assign_attrs(units="K") for n in ("tas", "tasmin", "tasmax")}
    for values, units in (
        (given["pr"] / 86400, "kg m-2 s-1"),
        (given["pr"] * days, "mm"),
        (given["pr"] * days, "mm per month"),
        (given["pr"] * days, "kg m-2"),
        (given["pr"] / 1000, "m/day"),
    ):
        found = lx.bioclim(**other, pr=values.assign_attrs(units=units))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4, err_msg=units)


def test_daily_and_monthly_data_of_one_climate_agree():
    monthly = climate()
    time = pd.date_range("2001-01-01", "2001-12-31")
    daily = {
        n: v.sel(time=time, method="ffill").assign_coords(time=time) for n, v in monthly.items()
    }
    np.testing.assert_allclose(lx.bioclim(**daily), lx.bioclim(**monthly), rtol=1e-5, atol=1e-5)


def test_the_year_may_begin_in_any_month_and_rests_are_left_out_with_a_warning():
    given = climate(3)
    whole = lx.bioclim(**given)
    shifted = {n: v.isel(time=slice(5, 33)) for n, v in given.items()}
    with pytest.warns(UserWarning, match=r"4 of 28 months.*2001-06 to 2003-05"):
        found = lx.bioclim(**shifted)
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5)


def test_any_day_of_a_month_and_hour_of_a_day_may_stand_for_it():
    given = climate()
    expected = lx.bioclim(**given)
    middle = pd.date_range("2001-01-01", periods=12, freq="MS") + pd.Timedelta(days=14.5)
    moved = {n: v.assign_coords(time=middle) for n, v in given.items()}
    xr.testing.assert_equal(lx.bioclim(**moved), expected)
    time = pd.date_range("2001-01-01", "2001-12-31")
    noon = time + pd.Timedelta(hours=12)
    daily = {
        n: v.reindex(time=time, method="ffill").assign_coords(time=noon) for n, v in given.items()
    }
    np.testing.assert_allclose(lx.bioclim(**daily), expected, rtol=1e-5, atol=1e-5)


def test_years_are_averaged_before_the_variables_are_taken():
    given = climate(2)
    factor = xr.where(given["tas"]["time"].dt.year == 2001, 0.5, 1.5)
    swung = given | {"pr": (given["pr"] * factor).assign_attrs(units="mm/day")}
    np.testing.assert_allclose(lx.bioclim(**swung), lx.bioclim(**given), rtol=1e-5, atol=1e-5)


def test_of_equal_quarters_the_first_counts():
    given = climate(cells=1)
    given["pr"] = (given["pr"] * 0 + 1).assign_attrs(units="mm/month")
    months = given["tas"].values[:, 0]
    made = lx.bioclim(**given)
    assert bio(made, 8) == bio(made, 9) == np.float32(months[:3].mean())


def test_without_mean_temperature_the_middle_is_taken():
    given = climate()
    middle = ((given["tasmin"] + given["tasmax"]) / 2).assign_attrs(units="degC")
    xr.testing.assert_allclose(
        lx.bioclim(**(given | {"tas": None})), lx.bioclim(**(given | {"tas": middle}))
    )


def test_a_missing_month_makes_a_cell_missing_and_only_that():
    given = climate()
    given["pr"][4, 7] = np.nan
    missing = np.isnan(lx.bioclim(**given))
    assert missing.sel(place=7).all()
    assert not missing.drop_isel(place=7).any()


def test_lazy_input_stays_lazy_and_gives_the_same():
    def refuse(*_, **__):
        raise AssertionError("computed")

    given = climate(2)
    lazy = {n: v.chunk({"time": 5, "place": 13}) for n, v in given.items()}
    with dask.config.set(scheduler=refuse):
        made = lx.bioclim(**lazy)
    xr.testing.assert_allclose(made.compute(), lx.bioclim(**given))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g["tas"].attrs.pop("units"), r"'tas' has no attribute 'units'.*'degC'"),
        (lambda g: g["tasmax"].attrs.update(units="mm"), r"'tasmax' has units 'mm'.*'degC' or 'K'"),
        (lambda g: g["pr"].attrs.update(units="degC"), r"'pr' has units 'degC'.*'kg m-2 s-1'"),
        (lambda g: g["pr"].attrs.update(units="buckets"), r"'pr' has units 'buckets'"),
        (lambda g: g.update(pr=g["pr"].isel(time=slice(1, None))), r"'pr' has other dates"),
        (lambda g: g.update({n: v.isel(time=slice(11)) for n, v in g.items()}), r"11 whole months"),
        (lambda g: g.update({n: v.rename(time="t") for n, v in g.items()}), r"without a 'time'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = climate()
    change(given)
    with pytest.raises(CubeError, match=message):
        lx.bioclim(**given)


def test_a_gap_is_named():
    given = {n: v.drop_isel(time=15) for n, v in climate(3).items()}
    with pytest.raises(CubeError, match=r"month 2002-04 is missing"):
        lx.bioclim(**given)


def test_monthly_sums_on_daily_dates_are_refused():
    time = pd.date_range("2001-01-01", "2001-12-31")
    daily = xr.DataArray(np.ones(365), {"time": time}, "time", attrs={"units": "degC"})
    with pytest.raises(CubeError, match=r"'mm/month'.*dates are daily"):
        lx.bioclim(daily, daily, daily, daily.assign_attrs(units="mm/month"))
