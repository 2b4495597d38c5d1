"""Maps of a later year are appended to those of a store, which stay as they are."""

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import StoreError
from tests.conftest import small_plan
from tests.predictors import Ratio


@pytest.fixture
def two_years(cube, tmp_path):
    """A store whose 2018 is mapped, extended by 2019."""
    store = lx.write_cube(cube, tmp_path / "cube.zarr", plan=small_plan(16, 8))
    lx.write_variables(lx.classify(lx.open_cube(store), Ratio()), store, progress=False)
    later = cube.assign_coords(time=cube["time"] + np.timedelta64(365, "D"))
    later["reflectance"] = cube["reflectance"][:, ::-1]
    later["reflectance"].encoding = cube["reflectance"].encoding
    later = later.assign_coords(band=cube["band"])
    lx.extend_cube(later, store, progress=False)
    return store


def maps_of(store, year, **changes):
    opened = lx.open_cube(store)
    return lx.classify(opened.sel(time=str(year)), Ratio(**changes))


def test_a_year_is_appended(two_years):
    before = lx.open_cube(two_years)
    held = before["land_cover"].values
    result = maps_of(two_years, 2019)
    assert result["year"].values.tolist() == [2019]
    report = lx.write_variables(result, two_years, progress=False)
    assert report == lx.WriteReport(written=12, skipped=0)
    found = lx.open_cube(two_years)
    assert found["year"].values.tolist() == [2018, 2019]
    np.testing.assert_array_equal(found["land_cover"][0], held[0])
    np.testing.assert_array_equal(found["land_cover"][1], result["land_cover"][0])
    np.testing.assert_array_equal(found["land_cover_entropy"][1], result["land_cover_entropy"][0])
    assert (found["land_cover"][1] != found["land_cover"][0]).any()
    verification = lx.verify(two_years)
    assert verification.ok
    assert verification.variables["land_cover"].shards == 24
    assert xr.open_zarr(two_years)["land_cover"].sizes["year"] == 2


def test_earlier_years_and_other_models_are_refused(two_years):
    lx.write_variables(maps_of(two_years, 2019), two_years, progress=False)
    early = maps_of(two_years, 2018).assign_coords(year=[2017])
    with pytest.raises(StoreError, match=r"holds maps of \[2018, 2019\]; these are of \[2017\]"):
        lx.write_variables(early, two_years, progress=False)
    other = maps_of(two_years, 2019, bands=("nir", "red")).assign_coords(year=[2020])
    with pytest.raises(StoreError, match=r"of model_hash .*One variable holds maps of one model"):
        lx.write_variables(other, two_years, progress=False)
    new = maps_of(two_years, 2019).rename(land_cover="land_use").assign_coords(year=[2020])
    with pytest.raises(StoreError, match=r"'land_use' is not in the store"):
        lx.write_variables(new[["land_use"]], two_years, progress=False)


def test_damage_in_an_appended_year_is_found(two_years):
    import zarr

    lx.write_variables(maps_of(two_years, 2019), two_years, progress=False)
    array = zarr.open_group(two_years, mode="r+", use_consolidated=False)["land_cover"]
    array[1, 20, 20] = 99
    assert lx.verify(two_years).variables["land_cover"].damaged == ((1, 1, 1),)
