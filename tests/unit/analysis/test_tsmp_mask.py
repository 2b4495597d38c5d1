"""The land mask of a TSMP run."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from lulc_xr.analysis.tsmp_mask import tsmp_land_mask
from lulc_xr.core.errors import CubeError, SourceError


@pytest.fixture(scope="module")
def masks(shared_data):
    return shared_data / "grids" / "tsmp_oasis_masks_EUR-11.nc"


@pytest.fixture(scope="module")
def orography(shared_data):
    (found,) = (shared_data / "grids").glob("orog_EUR-11_*.nc")
    with xr.open_dataset(found) as opened:
        yield opened


def test_land_lies_on_the_cells_of_eur_11(masks, orography):
    land = tsmp_land_mask(masks)
    assert land.dtype == bool
    assert land.dims == ("rlat", "rlon")
    for dim in land.dims:
        np.testing.assert_allclose(land[dim], orography[dim], atol=1e-6)
    # The share that the data's own description says.
    assert (land.values == (orography["orog"].values > 0.5)).mean() == pytest.approx(
        0.974, abs=1e-3
    )


@pytest.mark.parametrize("variable", ["gclm.msk", "gpfl.msk"])
def test_flat_and_twodimensional_masks_are_alike(masks, variable):
    with netCDF4.Dataset(masks) as file:
        raw = np.asarray(file.variables["gpfl.msk"][:])
    land = tsmp_land_mask(masks, variable=variable)
    np.testing.assert_array_equal(land, raw[6:-6, 6:-6] == 0)
    whole = tsmp_land_mask(masks, variable=variable, margin=0)
    np.testing.assert_array_equal(whole, raw == 0)
    np.testing.assert_array_equal(whole["rlat"][6:-6], land["rlat"])


def test_a_mask_can_be_written(masks, tmp_path):
    land = tsmp_land_mask(masks)
    land.to_dataset().to_netcdf(tmp_path / "land.nc")
    with xr.open_dataset(tmp_path / "land.nc", decode_coords="all") as again:
        np.testing.assert_array_equal(again["land_mask"], land)


def test_bad_masks_are_refused(masks, tmp_path):
    with pytest.raises(CubeError, match=r"unknown mask 'gclm'. Known, nearest first: gclm.msk"):
        tsmp_land_mask(masks, variable="gclm")
    with pytest.raises(CubeError, match="margin=7 lies outside 0 to 6"):
        tsmp_land_mask(masks, margin=7)
    with pytest.raises(SourceError, match="cannot be read"):
        tsmp_land_mask(tmp_path / "none.nc")
    for values, message in (
        (np.zeros((4, 5)), r"has 20 cells \(4, 5\); expected 424 x 436"),
        (np.full((424, 436), 2), "values besides 0"),
    ):
        made = xr.Dataset({"gpfl.msk": (("y", "x"), values.astype("i4"))})
        made.to_netcdf(tmp_path / "masks.nc")
        with pytest.raises(CubeError, match=message):
            tsmp_land_mask(tmp_path / "masks.nc", variable="gpfl.msk")
