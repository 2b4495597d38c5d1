"""Composites: lazy, ready to be stored, refused where they would mislead."""

import dask
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, ModelError


def raising(*_, **__):
    raise AssertionError("something was computed")


@pytest.mark.parametrize("method", ["median", "mean", "medoid", "best"])
@pytest.mark.parametrize("weights", [None, "clear"])
def test_nothing_is_computed(store, method, weights):
    opened = lx.open_cube(store)
    opened["unread"] = opened["clear"]
    with dask.config.set(scheduler=raising):
        made = lx.composite(opened, "MS", method, weights=weights, max_gap=60)
        assert made.sizes["time"] == 12
        with pytest.raises(AssertionError, match="something was computed"):
            made.compute()


@pytest.mark.parametrize("freq", ["MS", "2MS", "YS"])
@pytest.mark.parametrize("method", ["median", "mean", "medoid", "best"])
@pytest.mark.parametrize("weights", [None, "clear"])
def test_stored_integers_give_the_bits_of_their_values(tmp_path, freq, method, weights):
    # Nodata that was seen clearly too: it reaches the arithmetic as NaN, or as an integer.
    cube = lx.testing.landscape(y=70, x=90, time=30, bands=("red", "nir"), seed=3)
    cube["clear"][::3] = np.uint8(1)
    plan = lx.ChunkPlan(chunks={"y": 32, "x": 32}, shards={"y": 32, "x": 32})
    opened = lx.open_cube(lx.write_cube(cube, tmp_path / "cube.zarr", plan=plan))
    settings = {"freq": freq, "method": method, "weights": weights}
    lazy = lx.composite(opened, **settings).compute()
    xr.testing.assert_identical(lx.composite(opened.load(), **settings).compute(), lazy)


def test_composites_can_be_stored_and_classified(cube, tmp_path):
    made = lx.composite(cube.chunk({"y": 16}))
    store = lx.write_cube(made, tmp_path / "months.zarr")
    back = lx.open_cube(store)
    for name in ("clear", "clear_count"):
        np.testing.assert_array_equal(back[name].values, made[name].values)
    assert back["clear_count"].dtype == np.uint16
    np.testing.assert_allclose(
        back["reflectance"].values, made["reflectance"].values, atol=0.51e-4, rtol=1e-6
    )
    assert back["spatial_ref"].attrs["crs_wkt"] == cube["spatial_ref"].attrs["crs_wkt"]


def test_periods_without_any_date_are_there(cube):
    made = lx.composite(cube.isel(time=[0, 1, 8, 11]), fill=None)
    assert made.sizes["time"] == 12
    assert made["reflectance"].isel(time=slice(3, 8)).isnull().all()
    assert not made["clear"].isel(time=slice(3, 8)).any()


@pytest.mark.parametrize(
    ("freq", "starts"),
    [
        ("month", ["2018-01-01", "2018-02-01", "2018-03-01"]),
        ("dekad", ["2018-01-01", "2018-01-11", "2018-01-21", "2018-02-01"]),
        ("season", ["2017-12-01", "2018-03-01", "2018-06-01", "2018-09-01", "2018-12-01"]),
        ("year", ["2018-01-01"]),
    ],
)
def test_periods_have_names(cube, freq, starts):
    found = lx.composite(cube, freq)["time"].values.astype("datetime64[D]")
    assert [str(day) for day in found][: len(starts)] == starts
    assert found[0] <= cube["time"].values[0]
    assert len(found) == {"month": 12, "dekad": 35, "season": 5, "year": 1}[freq]


def test_years_without_any_date_are_there(cube):
    apart = cube.isel(time=[0, 1])
    apart["time"] = np.array(["2018-05-01", "2020-02-01"], "datetime64[ns]")
    made = lx.composite(apart, "year", fill=None)
    assert made["time"].dt.year.values.tolist() == [2018, 2019, 2020]
    assert made["reflectance"].sel(time="2019").isnull().all()


def test_several_quantiles_become_bands(cube):
    made = lx.composite(cube, "year", "quantile", q=[0.05, 0.5])
    assert made["band"].values.tolist() == [
        *("green_q5", "red_q5", "nir_q5"),
        *("green_q50", "red_q50", "nir_q50"),
    ]
    median = lx.composite(cube, "year")
    one = lx.composite(cube, "year", "quantile", q=0.5)
    xr.testing.assert_equal(one, median)
    found = made.isel(band=slice(3, None))["reflectance"]
    np.testing.assert_array_equal(found.values, median["reflectance"].values)


def test_the_best_of_equal_dates_is_in_the_middle(cube):
    made = lx.composite(cube.assign(clear=xr.ones_like(cube["clear"])), "year", "best")
    middle = np.abs(cube["time"].values - np.datetime64("2018-07-02T12")).argmin()
    whole = cube["reflectance"].notnull().all(("time", "band")).values
    expected = cube["reflectance"].values[middle][:, whole]
    np.testing.assert_array_equal(made["reflectance"].values[0][:, whole], expected)


def test_weights_of_the_user_choose_dates(cube):
    chosen = xr.zeros_like(cube["time"], dtype=float)
    chosen[3], chosen[4] = 2.0, np.nan
    made = lx.composite(cube, "year", "mean", weights=chosen)
    only = lx.composite(cube.isel(time=[3]), "year", "mean")
    np.testing.assert_allclose(made["reflectance"], only["reflectance"], rtol=1e-6)
    np.testing.assert_array_equal(made["clear_count"], only["clear_count"])
    lazy = chosen.expand_dims(x=cube["x"], y=cube["y"]).chunk({"y": 9})
    again = lx.composite(cube.chunk({"time": 5}), "year", "mean", weights=lazy)
    xr.testing.assert_equal(again, made)


def test_what_has_no_time_is_kept(cube):
    more = cube.assign(
        unread=xr.zeros_like(cube["clear"]),
        land_cover=cube["reference"].expand_dims(year=[2018]),
        angle=("time", np.arange(12)),
    ).assign_coords(platform=("time", ["landsat-8"] * 12))
    more["unread"][4, 5, 6] = 1
    made = lx.composite(more.chunk({"time": 5}), "month")
    assert set(made.data_vars) == {"reflectance", "clear", "clear_count", "unread", "reference"}
    assert "platform" not in made.coords
    xr.testing.assert_identical(made["reference"].compute().variable, cube["reference"].variable)
    assert made["unread"].dtype == np.uint8
    assert np.argwhere(made["unread"].values).tolist() == [[4, 5, 6]]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda c: lx.composite(c, method="quantile"), ModelError, "expected q with .*q=0.25"),
        (lambda c: lx.composite(c, q=0.5), ModelError, "method 'median' with q="),
        (lambda c: lx.composite(c, "year", "quantile", q=25), ModelError, "between 0 and 1"),
        (lambda c: lx.composite(c, "year", "quantile", q=[0.1, 0.1]), ModelError, "twice"),
        (lambda c: lx.composite(c, max_gap=0), ModelError, "max_gap=0: give whole days >= 1"),
        (lambda c: lx.composite(c, fill=None, max_gap=9), ModelError, "fill is None"),
        (lambda c: lx.composite(c, weights="cloud"), CubeError, "expected 'clear'"),
        (lambda c: lx.composite(c.drop_vars("clear"), weights="clear"), CubeError, "has `clear`"),
        (lambda c: lx.composite(c, weights=c["reflectance"]), CubeError, r"expected \(time\) or"),
        (lambda c: lx.composite(c, weights=c["clear"][:3]), CubeError, "do not lie on this cube"),
        (
            lambda c: lx.composite(c, weights=c["clear"] * -1.0).compute(),
            CubeError,
            "a weight is -1.* at least 0",
        ),
        (lambda c: lx.composite(c, "banana"), ModelError, "'banana' is not a pandas offset"),
        (lambda c: lx.composite(c, method="max"), ModelError, "unknown compositing method 'max'"),
        (lambda c: lx.composite(c.drop_vars("spatial_ref")), CubeError, "no coordinate reference"),
    ],
)
def test_impossible_composites_are_refused(cube, call, kind, message):
    with pytest.raises(kind, match=message):
        call(cube)


def test_stored_integers_are_refused(store):
    with pytest.raises(CubeError, match="open the cube with raw=False"):
        lx.composite(lx.open_cube(store, raw=True))
