"""Plant types that a surface file holds."""

import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from tests.clm_surface import make_template, read_cover, sums_of
from tests.plant_types import cell_coordinates, made_plant_types, rotated_coordinates, set_cell


@pytest.mark.parametrize("grid", [rotated_coordinates(), cell_coordinates()])
def test_what_is_exported_is_read_back(tmp_path, grid):
    plants = made_plant_types(grid)
    template = make_template(tmp_path / "template.nc", grid)
    lx.export_clm_surface(template, plants, tmp_path / "surface.nc")
    found = lx.read_clm_surface(tmp_path / "surface.nc", year=2018)
    for name in plants.data_vars:
        assert found[name].shape == plants[name].shape
        np.testing.assert_allclose(found[name].values, plants[name].values, atol=1e-10)
    np.testing.assert_allclose(found["lat"].values, grid["lat"].values)


def test_sea_is_ocean(tmp_path):
    template = make_template(tmp_path / "template.nc", rotated_coordinates(), sea=[(0, 1)])
    found = lx.read_clm_surface(template, year=2005)
    assert found["ocean_fraction"].values[0, 0, 1] == 1
    assert (found["landunit_fraction"].values[:, 0, 0, 1] == 0).all()
    np.testing.assert_allclose(
        found["landunit_fraction"].sum("landunit") + found["ocean_fraction"], 1, atol=1e-12
    )


def test_it_fills_what_a_map_lacks(tmp_path):
    template = make_template(tmp_path / "template.nc", rotated_coordinates())
    today = lx.read_clm_surface(template, year=2005)
    plants = set_cell(made_plant_types(), (1, 1), crop=0.25, unmapped=0.75)
    report = lx.export_clm_surface(template, plants, tmp_path / "surface.nc", unmapped=today)
    assert report.cells["filled"] == 1
    cover, before = read_cover(tmp_path / "surface.nc"), read_cover(template)
    assert all((sums_of(values) == 100).all() for values in cover.values())
    wanted = 0.75 * before["land units"][:5, 1, 1] + 25 * (np.arange(5) == 1)
    np.testing.assert_allclose(cover["land units"][:5, 1, 1], wanted, atol=1e-9)


def test_another_grid_fills_nothing(tmp_path):
    moved = rotated_coordinates(first=(0.495, -6.765))
    today = lx.read_clm_surface(make_template(tmp_path / "template.nc", moved), year=2005)
    plants = set_cell(made_plant_types(), (1, 1), unmapped=1.0)
    with pytest.raises(CubeError, match=r"unmapped land has cells up to 12\.\d km from those of"):
        lx.export_tsmp(plants, tmp_path / "pft.nc", unmapped=today)


def test_sums_that_are_off_are_refused(tmp_path):
    template = make_template(tmp_path / "template.nc", rotated_coordinates(), off=(1, 2))
    with pytest.raises(CubeError, match=r"don't sum to 100 within 0.001 in 1 of 20 cells"):
        lx.read_clm_surface(template, year=2005)
    with pytest.warns(UserWarning, match="don't sum to 100"):
        found = lx.read_clm_surface(template, year=2005, check="warn")
    np.testing.assert_allclose(found["landunit_fraction"].sum("landunit"), 1, atol=1e-12)
