"""What plant rules ask of the climate: degree days, winters, and what BIO variables tell."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lulc_xr.core.plant_climate import (
    climate_of_bio,
    climate_of_months,
    growing_degree_days,
    missing_bio,
)
from lulc_xr.core.plant_rules import PLANT_CLIMATE
from lulc_xr.cube.bioclim import bioclim

WAVE = -np.cos(2 * np.pi * np.arange(12) / 12)


def test_degree_days_are_those_of_a_fine_polygon_through_the_middles_of_months():
    months = np.random.default_rng(0).normal(6, 9, (12, 5))
    lengths = pd.Series(pd.date_range("2001-01-01", periods=12, freq="MS")).dt.days_in_month
    middles = np.cumsum(lengths.to_numpy()) - lengths.to_numpy() / 2
    days = np.arange(365) + 0.5
    expected = [
        np.maximum(np.interp(days, middles, one, period=365) - 5, 0).sum() for one in months.T
    ]
    np.testing.assert_allclose(growing_degree_days(months), expected, rtol=1e-12)


def test_a_missing_month_is_no_climate():
    months = np.full((12, 2), 15.0)
    months[3, 1] = np.nan
    assert np.isnan(growing_degree_days(months)).tolist() == [False, True]


def test_winter_lies_in_the_other_half_of_the_year_south_of_the_equator():
    rain = np.arange(1.0, 13.0).reshape(12, 1) * np.ones((12, 2))
    made = climate_of_months(np.full((12, 2), 10.0), rain, np.array([50.0, -50.0]))
    north = sum(month for month in (11, 12, 1, 2, 3, 4))
    assert made["winter_precipitation"].tolist() == [north, 78 - north]
    assert made["annual_precipitation"].tolist() == [78, 78]
    assert made["driest_month_precipitation"].tolist() == [1, 1]


@pytest.mark.parametrize("given", [("bio10", "bio11"), ("bio04",)])
def test_bio_variables_of_a_cosine_give_its_months_back(given):
    """Temperature is taken for a cosine, so that of a cosine nothing is lost."""
    time = pd.date_range("2001-01-01", periods=12, freq="MS")
    mean, amplitude = np.array([4.0, 9.0, 17.0]), np.array([14.0, 8.0, 7.0])
    values = mean + amplitude * WAVE[:, None]
    tas = xr.DataArray(values, {"time": time}, ("time", "x"), attrs={"units": "degC"})
    pr = xr.DataArray(
        60 + 30 * WAVE[:, None] + 0 * values, {"time": time}, ("time", "x"),
        attrs={"units": "mm/month"},
    )  # fmt: skip
    made = bioclim(tas, tas, tas, pr)
    names = ("bio01", *given, "bio12", "bio14", "bio18", "bio19")
    found = climate_of_bio({n: made.sel(bioclim_variable=n).values for n in names})
    exact = climate_of_months(values, pr.values, np.full(3, 50.0))
    for name in PLANT_CLIMATE:
        # BIO variables are float32. November to April is not the half of the year around January,
        # the coldest month here, but one half month later.
        loose = 0.13 if name == "winter_precipitation" else 1e-4
        np.testing.assert_allclose(found[name], exact[name], rtol=loose, atol=1e-3, err_msg=name)


def test_without_the_driest_month_a_third_of_the_driest_quarter_counts():
    bio = {"bio01": 10.0, "bio04": 600.0, "bio12": 800.0, "bio18": 250.0, "bio19": 150.0}
    made = climate_of_bio({k: np.array(v) for k, v in (bio | {"bio17": 90.0}).items()})
    assert made["driest_month_precipitation"] == 30
    assert made["winter_precipitation"] == (800 + 150 - 250) / 2


def test_missing_bio_variables_are_named_with_their_alternatives():
    assert missing_bio({"bio01", "bio04", "bio12", "bio14", "bio18", "bio19"}) == []
    assert missing_bio({"bio01", "bio10", "bio12", "bio18", "bio19"}) == [
        "bio10 and bio11 (or bio04)",
        "bio14 (or bio17)",
    ]


def months_of_points(file):
    """Twelve monthly means (degC) and sums (mm) of real points, and their latitudes."""
    table = pd.read_parquet(file)
    table["month"] = pd.to_datetime(table["timestamp"]).dt.to_period("M")
    columns = {"AGERA5-TMEAN": "tas", "AGERA5-PRECIP": "pr"}
    table = table.rename(columns=columns)[["sample_id", "month", "lat", *columns.values()]]
    table = table[(table["tas"] < 65535) & (table["pr"] < 65535)]
    # The last month of the French table is not whole: it is colder than any January there.
    first = sorted(table["month"].unique())[:12]
    table = table[table["month"].isin(first)].sort_values(
        ["sample_id", "month"], key=lambda c: c.map(lambda p: p.month) if c.name == "month" else c
    )
    whole = table.groupby("sample_id").filter(lambda one: len(one) == 12)
    shape = (-1, 12)
    return (
        whole["tas"].to_numpy(float).reshape(shape).T / 100 - 273.15,
        whole["pr"].to_numpy(float).reshape(shape).T / 100,
        whole["lat"].to_numpy(float).reshape(shape)[:, 0],
    )


@pytest.mark.parametrize(
    ("name", "degrees", "days", "winter"),
    # How far off the approximations from BIO variables are in the mean of real points of one
    # year: kelvin, share of the degree days, share of the year's precipitation.
    [
        ("2022_FRA_LPIS_POLY_110.geoparquet", 0.5, 0.01, 0.16),
        ("2021_BEL_LPIS-Flanders_data_0.parquet", 1.7, 0.02, 0.1),
    ],
)
def test_bio_variables_tell_the_climate_of_real_points_roughly(
    shared_data, name, degrees, days, winter
):
    tas, pr, lat = months_of_points(shared_data / "points_timeseries" / name)
    time = pd.date_range("2001-01-01", periods=12, freq="MS")
    as_array = [
        xr.DataArray(v, {"time": time}, ("time", "point"), attrs={"units": units})
        for v, units in ((tas, "degC"), (pr, "mm/month"))
    ]
    made = bioclim(as_array[0], *[as_array[0]] * 2, as_array[1])
    found = climate_of_bio(
        {str(n): made.sel(bioclim_variable=n).values for n in made["bioclim_variable"].values}
    )
    exact = climate_of_months(tas, pr, lat)
    off = {n: float(np.abs(found[n] - exact[n]).mean()) for n in PLANT_CLIMATE}
    assert off["coldest_month"] < degrees
    assert off["warmest_month"] < degrees
    assert off["growing_degree_days"] < days * exact["growing_degree_days"].mean()
    assert off["winter_precipitation"] < winter * exact["annual_precipitation"].mean()
    np.testing.assert_allclose(found["annual_precipitation"], exact["annual_precipitation"], 1e-5)
