"""Composites: lazy, ready to be stored, refused where they would mislead."""

import dask
import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, ModelError


def raising(*_, **__):
    raise AssertionError("something was computed")


def test_nothing_is_computed(store):
    opened = lx.open_cube(store)
    with dask.config.set(scheduler=raising):
        made = lx.composite(opened, "MS")
        assert made.sizes["time"] == 12
        with pytest.raises(AssertionError, match="something was computed"):
            made.compute()


def test_composites_can_be_stored_and_classified(cube, tmp_path):
    made = lx.composite(cube.chunk({"y": 16}))
    store = lx.write_cube(made, tmp_path / "months.zarr")
    back = lx.open_cube(store)
    np.testing.assert_array_equal(back["clear"].values, made["clear"].values)
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
    ("call", "kind", "message"),
    [
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
