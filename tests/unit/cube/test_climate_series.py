"""Readers of E-OBS and AgERA5: names, units, areas, and a true place."""

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from lulc_xr.cube.context import as_context

TIME = pd.date_range("2001-01-01", "2001-12-31")
EOBS = {"tg": "Celsius", "tn": "Celsius", "tx": "Celsius", "rr": "mm"}
CDS = {
    "Temperature_Air_2m_Mean_24h": "K",
    "Temperature_Air_2m_Min_24h": "K",
    "Temperature_Air_2m_Max_24h": "K",
    "Precipitation_Flux": "mm d-1",
}


def daily(names, *, lat=3, lon=4):
    """Made-up days in the units that the names go with: mean, lowest, highest, rain."""
    rng = np.random.default_rng(0)
    season = -9 * np.cos(2 * np.pi * np.arange(365) / 365)[:, None, None]
    tas = 10 + season + rng.normal(0, 2, (365, lat, lon))
    fields = [tas, tas - 4, tas + 5, rng.gamma(0.5, 4, (365, lat, lon))]
    coords = {"time": TIME, "latitude": 50 + np.arange(lat), "longitude": 4 + np.arange(lon)}
    made = {}
    for (name, units), field in zip(names.items(), fields, strict=True):
        values = field + 273.15 if units == "K" else field
        made[name] = (tuple(coords), values.astype(np.float32), {"units": units})
    return xr.Dataset(made, coords)


def truth():
    names = dict(zip(EOBS, ("tas", "tasmin", "tasmax", "pr"), strict=True))
    made = daily(EOBS).rename(names)
    for name in made.data_vars:
        made[name].attrs["units"] = "mm/day" if name == "pr" else "degC"
    return made


@pytest.fixture
def eobs(tmp_path):
    """One file per variable, packed as whole hundredths, as E-OBS comes."""
    for name, var in daily(EOBS).data_vars.items():
        packed = {name: {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -9999}}
        var.to_dataset().to_netcdf(
            tmp_path / f"{name}_ens_mean_0.1deg_reg_v30.0e.nc", encoding=packed
        )
    return tmp_path


def test_eobs_is_named_lazy_and_ready_for_bioclim(eobs):
    def refuse(*_, **__):
        raise AssertionError("computed")

    with dask.config.set(scheduler=refuse):
        found = lx.read_eobs(eobs)
        made = lx.bioclim(**found)
    assert {n: v.attrs["units"] for n, v in found.data_vars.items()} == {
        "tas": "degC", "tasmin": "degC", "tasmax": "degC", "pr": "mm/day",
    }  # fmt: skip
    # Packed in hundredths: means are within half of one, sums of a year within 365 halves.
    expected = lx.bioclim(**truth())
    np.testing.assert_allclose(made, expected, atol=365 * 0.005, rtol=0.01)
    np.testing.assert_allclose(made[0], expected[0], atol=0.006)


def test_agera5_comes_in_many_files_and_in_kelvin(tmp_path):
    data = daily(CDS)
    for start in range(0, 365, 73):
        part = data.isel(time=slice(start, start + 73))
        for name in CDS:
            part[[name]].to_netcdf(tmp_path / f"{name}_{start:03d}.nc")
    found = lx.read_agera5(tmp_path)
    assert found["tas"].attrs["units"] == "K"
    np.testing.assert_allclose(lx.bioclim(**found), lx.bioclim(**truth()), rtol=1e-4, atol=1e-3)


def test_areas_and_years_are_cut(eobs):
    found = lx.read_eobs(eobs, bbox=(4.5, 49, 6.5, 51.2), years=(2001, 2001))
    assert found["tas"].shape == (365, 2, 2)
    assert lx.read_eobs(eobs, years=(2002, 2003)).sizes["time"] == 0
    with pytest.raises(CubeError, match=r"no cell of longitude \(4 to 7\) lies within bbox"):
        lx.read_eobs(eobs, bbox=(49, 4.5, 51.2, 6.5))


@pytest.mark.parametrize(
    ("reader", "names", "wrong", "message"),
    [
        (lx.read_eobs, EOBS, {"tg": "K"}, r"'tg' has units 'K'; E-OBS has .*Celsius"),
        (lx.read_eobs, EOBS, {"rr": "kg m-2 s-1"}, r"'rr' has units 'kg m-2 s-1'; E-OBS has mm"),
        (lx.read_agera5, CDS, {"Precipitation_Flux": "m"}, r"'Precipitation_Flux' has units 'm'"),
    ],
)
def test_wrong_units_are_refused(tmp_path, reader, names, wrong, message):
    data = daily(names)
    for name, units in wrong.items():
        data[name].attrs["units"] = units
    data.to_netcdf(tmp_path / "all.nc")
    with pytest.raises(CubeError, match=message):
        reader(tmp_path / "all.nc")


def test_values_that_deny_their_units_are_refused_when_read(tmp_path):
    data = daily(CDS)
    data["Temperature_Air_2m_Mean_24h"] -= 273.15
    data["Temperature_Air_2m_Mean_24h"].attrs["units"] = "K"
    data.to_netcdf(tmp_path / "all.nc")
    found = lx.read_agera5(tmp_path / "all.nc")
    with pytest.raises(CubeError, match=r"'Temperature_Air_2m_Mean_24h' is .* K; expected 170"):
        found["tas"].load()
    # Packed values that were never unpacked.
    twice = daily(EOBS)
    twice["tg"] = (twice["tg"] * 100).assign_attrs(units="Celsius")
    twice.to_netcdf(tmp_path / "twice.nc")
    with pytest.raises(CubeError, match=r"'tg' is .*scale_factor"):
        lx.read_eobs(tmp_path / "twice.nc")["tas"].load()


def test_files_without_climate_are_refused(tmp_path):
    with pytest.raises(CubeError, match="no NetCDF file at"):
        lx.read_eobs(tmp_path)
    with pytest.raises(CubeError, match=r"no NetCDF file at .*none\.nc"):
        lx.read_eobs(tmp_path / "none.nc")
    xr.Dataset({"t2m": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(CubeError, match=r"unknown set of E-OBS variables.*t2m.*tg"):
        lx.read_eobs(tmp_path / "other.nc")


def test_a_year_in_flanders_is_like_the_climate_there(shared_data):
    (file,) = (shared_data / "flanders_patches/00002806639B424A").glob("AgERA5*.nc")
    days = lx.read_agera5(file).sel(time=slice("2017-12-01", "2018-11-30"))
    made = lx.bioclim(**days).squeeze(("y", "x")).load()
    v = dict(zip(map(str, made["bioclim_variable"].values), made.values.tolist(), strict=True))
    # Laws of the definitions on real data.
    assert v["bio07"] == pytest.approx(v["bio05"] - v["bio06"], abs=1e-4)
    days = days.load()
    total = float(days["pr"].sum())
    assert v["bio12"] == pytest.approx(total, rel=1e-5)
    months = days["tas"].resample(time="MS").mean().values.ravel() - 273.15
    assert v["bio01"] == pytest.approx(months.mean(), abs=1e-4)
    # WorldClim 1.4 (1950-2000) of the nearest cell of 1.5 degrees; one year of a warmer decade,
    # and a dry one, may differ by a few degrees, and by half of the rain.
    for name, tolerance in (("bio11", 4.0), ("bio12", 400.0), ("bio07", 8.0)):
        file = shared_data / f"bioclim_coarse/{name.replace('bio0', 'bio')}.gri"
        cells = np.fromfile(file, "<f4").reshape(94, 240)
        there = float(cells[int((83.5 - 50.816) / 1.5), int((3.024 + 180) / 1.5)])
        there /= 1 if name == "bio12" else 10
        assert abs(v[name] - there) < tolerance, (name, v[name], there)


def test_context_of_a_lone_cell_needs_its_size(shared_data):
    (file,) = (shared_data / "flanders_patches/00002806639B424A").glob("AgERA5*.nc")
    days = lx.read_agera5(file).sel(time=slice("2017-12-01", "2018-11-30"))
    made = lx.bioclim(**days)
    with pytest.raises(CubeError, match=r"one cell along 'y'.*'GeoTransform'"):
        as_context(made, crs="EPSG:32631")
