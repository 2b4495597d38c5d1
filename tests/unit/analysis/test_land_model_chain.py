"""From fractions of classes to the files that land models read."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.grids import named_grid
from tests.clm_surface import make_template, read_cover, sums_of
from tests.fractions import made_fractions
from tests.plant_types import BONN


@pytest.fixture(scope="module")
def grid():
    return named_grid("EUR-44")


@pytest.fixture(scope="module")
def plants(grid):
    """Plant types of EUR-44 for two years; a part of each cell isn't mapped."""
    legend = lx.legend("lucas_lc1_level1")
    fractions = made_fractions(legend, grid=grid, years=(2018, 2020), lazy=True)
    climate = xr.Dataset({n: (grid.dims, np.full(grid.shape, v)) for n, v in BONN.items()})
    climate = climate.assign_coords(grid.coordinates().coords)
    return lx.plant_functional_types(fractions, climate=climate)


def test_plant_types_become_tsmps_stack(plants, grid, tmp_path):
    path = tmp_path / "pft.nc"
    report = lx.export_tsmp(plants, path, year=2020, min_mapped=0.001, unmapped="missing")
    assert report.cells["scaled"] + report.cells["left"] == grid.size
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        stack, source = file.variables["PCT_PFT"][:], file.variables["cell_source"][:]
        crosswalk = file.lulc_xr_crosswalk
        assert file.variables["PCT_PFT"].grid_mapping == "rotated_pole"
        assert file.variables["lat"].bounds in file.variables
        assert file.lulc_xr_legend == "lucas_lc1_level1"
    assert crosswalk == plants.attrs["crosswalk"]
    assert (sums_of(stack[:, source == 2]) == 100).all()
    one = plants.sel(year=2020).compute()
    land = one["landunit_fraction"].sum("landunit").values
    crop = one["landunit_fraction"].sel(landunit="crop").values
    np.testing.assert_allclose(
        stack[15][source == 2], 100 * (crop / land)[source == 2], rtol=0, atol=1e-9
    )


def test_plant_types_become_a_surface_file_and_a_series(plants, grid, tmp_path):
    template = make_template(tmp_path / "template.nc", grid.coordinates(), dtype="f4")
    options = {"min_mapped": 0.001, "unmapped": "template"}
    lx.export_clm_surface(template, plants, tmp_path / "surface.nc", year=2018, **options)
    for values in read_cover(tmp_path / "surface.nc").values():
        assert values.dtype == np.float32
        assert (sums_of(values) == 100).all()
    lx.export_clm_landuse(
        plants, tmp_path / "landuse.nc", template=tmp_path / "surface.nc", **options
    )
    with netCDF4.Dataset(tmp_path / "landuse.nc") as file:
        for name in ("PCT_NAT_PFT", "PCT_CFT"):
            for year in file.variables[name][:]:
                assert (sums_of(year.data) == 100).all()
        assert file.variables["YEAR"][:].tolist() == [2018, 2020]
