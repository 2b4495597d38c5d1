"""TSMP's stack of plant types."""

import math

import dask
import netCDF4
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.clm import LANDUNITS
from lulc_xr.core.errors import CubeError, StoreError
from tests.clm_surface import read_raw, sums_of
from tests.plant_types import cell_coordinates, made_plant_types, set_cell


def stack_of(path):
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return file.variables["PCT_PFT"][:]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("grid", [None, cell_coordinates()])
def test_indices_are_tsmps_and_sums_exact(tmp_path, dtype, grid):
    plants = made_plant_types(grid, cfts=(15, 16, 21))
    report = lx.export_tsmp(plants, tmp_path / "pft.nc", dtype=dtype)
    stack = stack_of(tmp_path / "pft.nc")
    assert stack.dtype == dtype
    assert (sums_of(stack) == 100).all()
    units = {n: plants["landunit_fraction"].values[i, 0] for i, n in enumerate(LANDUNITS)}
    one = {"rtol": 0, "atol": 100 * 2.0**-17 + 1e-9}
    for index, name in ((15, "crop"), (17, "lake"), (18, "glacier"), (19, "urban")):
        np.testing.assert_allclose(stack[index], 100 * units[name], **one)
    assert (stack[16] == 0).all()
    np.testing.assert_allclose(
        stack[:15].sum(axis=0), 100 * (units["natural_vegetation"] + units["wetland"]), **one
    )
    trees = plants["natural_pft_fraction"].values[:12, 0]
    np.testing.assert_allclose(stack[:12], 100 * trees, **one)
    cells = math.prod(stack.shape[1:])
    assert report.cells == {"sea": 0, "mapped": cells, "scaled": 0, "filled": 0, "left": 0}
    assert f"cells 0 sea, {cells} mapped" in str(report)


def test_tsmps_script_takes_it_as_it_is(tmp_path):
    """What replace_surfdata.py does with the stack, step by step in our own words."""
    lx.export_tsmp(made_plant_types(), tmp_path / "pft.nc")
    with xr.open_dataset(tmp_path / "pft.nc") as opened:
        stack = opened["PCT_PFT"].values
    natural, crop, lake, glacier, town = stack[:15], stack[15], stack[17], stack[18], stack[19]
    whole = natural.sum(axis=0) + crop + (0 + 0 + town) + lake + glacier
    np.testing.assert_array_equal(100 / whole, 1)


def test_sea_is_zero_or_missing(tmp_path):
    plants = set_cell(made_plant_types(), (0, 1), unmapped=1.0)
    mask = xr.DataArray(np.ones((4, 5), bool), dims=("rlat", "rlon"))
    mask[0, 1] = False
    lx.export_tsmp(plants, tmp_path / "pft.nc", land_mask=mask)
    assert (stack_of(tmp_path / "pft.nc")[:, 0, 1] == 0).all()
    lx.export_tsmp(plants, tmp_path / "nan.nc", land_mask=mask, sea="missing")
    with xr.open_dataset(tmp_path / "nan.nc") as opened:
        missing = np.isnan(opened["PCT_PFT"].values)
        assert opened["cell_source"].attrs["flag_meanings"].split()[0] == "sea"
        assert (opened["cell_source"].values == np.where(mask, 1, 0)).all()
    np.testing.assert_array_equal(missing, np.broadcast_to(~mask.values, missing.shape))


def test_unmapped_land_is_reported(tmp_path):
    plants = set_cell(made_plant_types(), (2, 2), unmapped=1.0)
    with pytest.raises(CubeError, match=r"1 cells of land .* unmapped='missing'"):
        lx.export_tsmp(plants, tmp_path / "pft.nc")
    assert not list(tmp_path.iterdir())
    report = lx.export_tsmp(plants, tmp_path / "pft.nc", unmapped="missing")
    assert report.cells["left"] == 1
    with xr.open_dataset(tmp_path / "pft.nc") as opened:
        assert np.isnan(opened["PCT_PFT"].values).any(axis=0).sum() == 1
        assert "1 left" in opened.attrs["lulc_xr_cells"]
    filled = lx.export_tsmp(
        plants, tmp_path / "full.nc", unmapped=made_plant_types(seed=3, years=(2015,))
    )
    assert filled.cells["filled"] == 1
    assert (sums_of(stack_of(tmp_path / "full.nc")) == 100).all()


def test_the_file_says_where_it_comes_from(tmp_path):
    plants = made_plant_types(years=(2018, 2020))
    lx.export_tsmp(plants, tmp_path / "pft.nc", year=2020, wetland=14)
    with xr.open_dataset(tmp_path / "pft.nc", decode_coords="all") as opened:
        attrs = opened.attrs
        assert opened["PCT_PFT"].dims == ("pft", "rlat", "rlon")
        assert opened["pft_name"].values[[0, 15, 19]].tolist() == [
            b"not_vegetated",
            b"crop",
            b"urban",
        ]
        assert opened["PCT_PFT"].attrs["cell_methods"] == "area: mean where land"
        assert opened["PCT_PFT"].encoding["grid_mapping"] == "rotated_pole"
        assert {"lat_vertices", "lon_vertices", "rotated_pole"} <= set(opened.coords)
    assert attrs["lulc_xr_model_hash"] == "abc123"
    assert attrs["lulc_xr_stores"] == "demo.zarr"
    assert attrs["lulc_xr_legend"] == "s2glc"
    assert attrs["lulc_xr_year"] == 2020
    assert "lulc_xr.export_tsmp: year 2020" in attrs["history"]
    assert "wetland=14" in attrs["history"]
    assert attrs["history"].endswith("made up")
    assert "netCDF4" in attrs["lulc_xr_versions"]


@pytest.mark.parametrize("decode_coords", [True, "all"])
@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_plant_types_may_come_from_a_file(tmp_path, decode_coords, suffix):
    plants, path = made_plant_types(), tmp_path / f"plants.{suffix}"
    plants.to_netcdf(path) if suffix == "nc" else plants.to_zarr(path, consolidated=False)
    options = {"consolidated": False} if suffix == "zarr" else {}
    lx.export_tsmp(plants, tmp_path / "memory.nc")
    with xr.open_dataset(path, decode_coords=decode_coords, **options) as opened:
        lx.export_tsmp(opened, tmp_path / "file.nc")
    one, other = (read_raw(tmp_path / f"{name}.nc") for name in ("memory", "file"))
    assert other["dimensions"] == one["dimensions"]
    assert other["variables"] == one["variables"]


def test_one_year_alone_is_computed(tmp_path):
    plants = made_plant_types(years=(2018, 2020), lazy=True)

    def fail(block):
        raise AssertionError("another year was computed")

    for name in ("landunit_fraction", "natural_pft_fraction", "cft_fraction"):
        other = plants[name].sel(year=[2018])
        other = other.copy(data=other.data.map_blocks(fail, dtype=float, meta=np.empty(0)))
        plants[name] = xr.concat([other, plants[name].sel(year=[2020])], "year")
    lx.export_tsmp(plants, tmp_path / "pft.nc", year=2020)
    with pytest.raises(AssertionError, match="another year"):
        lx.export_tsmp(plants, tmp_path / "old.nc", year=2018)
    assert [p.name for p in tmp_path.iterdir()] == ["pft.nc"]


def test_refusals_compute_nothing(tmp_path):
    def fail(*args, **kwargs):
        raise AssertionError("computed")

    plants = made_plant_types(years=(2018, 2020), lazy=True)
    with dask.config.set(scheduler=fail):
        with pytest.raises(CubeError, match="choose it with year="):
            lx.export_tsmp(plants, tmp_path / "pft.nc")
        (tmp_path / "pft.nc").touch()
        with pytest.raises(StoreError, match="is there already"):
            lx.export_tsmp(plants, tmp_path / "pft.nc", year=2018)
        with pytest.raises(StoreError, match="there is no folder"):
            lx.export_tsmp(plants, tmp_path / "none" / "pft.nc", year=2018)
    lx.export_tsmp(plants, tmp_path / "pft.nc", year=2018, overwrite=True)
    assert (sums_of(stack_of(tmp_path / "pft.nc")) == 100).all()


def test_unknown_settings_are_refused(tmp_path):
    plants = made_plant_types()
    for name, value in (("sea", "nan"), ("unmapped", "template"), ("wetland", "wetland")):
        with pytest.raises(CubeError, match=f"{name}='{value}' is unknown"):
            lx.export_tsmp(plants, tmp_path / "pft.nc", **{name: value})
    with pytest.raises(CubeError, match="float16 cannot be made"):
        lx.export_tsmp(plants, tmp_path / "pft.nc", dtype="float16")
