"""Land cover laid over a CLM5 surface file."""

import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.clm import CROPS, LANDUNITS
from lulc_xr.core.errors import CubeError, SourceError, StoreError
from lulc_xr.core.grids import named_grid
from tests.clm_surface import COVER, make_template, read_cover, read_raw, sums_of
from tests.fractions import lonlat_coordinates
from tests.plant_types import cell_coordinates, made_plant_types, rotated_coordinates, set_cell

GRIDS = {"structured": rotated_coordinates(), "unstructured": cell_coordinates()}
FORMATS = ("NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


@pytest.fixture
def plants():
    return made_plant_types()


@pytest.fixture
def template(tmp_path):
    return make_template(tmp_path / "template.nc", GRIDS["structured"])


def write(template, plants, **options):
    path = Path(template).with_name("surface.nc")
    return lx.export_clm_surface(template, plants, path, overwrite=True, **options), path


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("cfts", [2, 64])
def test_sums_are_exact_and_the_rest_untouched(tmp_path, grid, dtype, file_format, cfts):
    sea = [(0,) * GRIDS[grid]["lon"].ndim]
    template = make_template(
        tmp_path / "template.nc",
        GRIDS[grid],
        dtype=dtype,
        file_format=file_format,
        cfts=cfts,
        sea=sea,
    )
    plants = made_plant_types(GRIDS[grid], cfts=sorted(CROPS)[:cfts])
    report, path = write(template, plants)
    before, after = read_raw(template), read_raw(path)
    assert after["format"] == file_format
    assert after["order"] == before["order"]
    assert after["dimensions"] == before["dimensions"]
    for name, old in before["variables"].items():
        new = after["variables"][name]
        if name in COVER:
            assert new["values"] != old["values"]
            old, new = ({k: v for k, v in one.items() if k != "values"} for one in (old, new))
        assert new == old, name
    for values in read_cover(path).values():
        assert values.dtype == dtype
        assert (sums_of(values) == 100).all()
    assert report.cells["sea"] == 1


@pytest.mark.parametrize("grid", GRIDS)
def test_values_are_those_of_the_map(tmp_path, grid):
    plants = made_plant_types(GRIDS[grid])
    template = make_template(tmp_path / "template.nc", GRIDS[grid])
    _, path = write(template, plants, urban=(0.1, 0.2, 0.7))
    cover = read_cover(path)
    units = plants["landunit_fraction"].values[:, 0]
    town = units[LANDUNITS.index("urban")]
    wanted = 100 * np.concatenate([units[:5], np.stack([0.1 * town, 0.2 * town, 0.7 * town])])
    np.testing.assert_allclose(cover["land units"], wanted, atol=1e-9)
    natural = plants["natural_pft_fraction"].values[:, 0]
    some = natural.sum(axis=0) > 0
    np.testing.assert_allclose(
        cover["natural"][:, some], 100 * (natural / natural.sum(axis=0))[:, some], atol=1e-9
    )
    assert LANDUNITS[:5] == ("natural_vegetation", "crop", "lake", "wetland", "glacier")


def test_types_of_an_absent_land_unit_are_chosen(template, plants):
    plants = set_cell(plants, (1, 1), lake=1.0)
    _, path = write(template, plants)
    first = read_cover(path)
    np.testing.assert_array_equal(first["natural"][:, 1, 1], np.eye(15)[0] * 100)
    np.testing.assert_array_equal(first["crops"][:, 1, 1], [100, 0])
    _, path = write(template, plants, absent="template")
    kept, before = read_cover(path), read_cover(template)
    for name in ("natural", "crops"):
        np.testing.assert_allclose(kept[name][:, 1, 1], before[name][:, 1, 1], atol=1e-11)
        assert (sums_of(kept[name]) == 100).all()


def test_towns_are_of_medium_density_as_tsmp_has_them(template, plants):
    _, path = write(template, plants)
    assert (read_cover(path)["land units"][5:7] == 0).all()
    for urban in ((1, 1, 0), (0, 1), (-1, 1, 1)):
        with pytest.raises(CubeError, match="no shares of the 3 urban classes"):
            write(template, plants, urban=urban)


def test_sea_and_unmapped_cells_keep_the_template(tmp_path, plants):
    template = make_template(tmp_path / "template.nc", GRIDS["structured"], sea=[(0, 0), (3, 4)])
    plants = set_cell(plants, (0, 0), unmapped=1.0)
    plants = set_cell(plants, (2, 2), unmapped=1.0)
    with pytest.raises(CubeError, match=r"1 cells of land .*\(2, 2\).* unmapped='template'"):
        write(template, plants)
    report, path = write(template, plants, unmapped="template")
    assert report.cells == {"sea": 2, "mapped": 17, "scaled": 0, "filled": 0, "left": 1}
    before, after = read_cover(template), read_cover(path)
    for name, values in after.items():
        for cell in ((0, 0), (3, 4), (2, 2)):
            np.testing.assert_allclose(values[:, *cell], before[name][:, *cell], atol=1e-11)
    # What is exact already isn't touched.
    np.testing.assert_array_equal(after["land units"][:, 0, 0], 100 * np.eye(8)[3])
    assert all((sums_of(values) == 100).all() for values in after.values())


def test_a_mask_of_ones_own_goes_before_the_templates(tmp_path, plants):
    template = make_template(tmp_path / "template.nc", GRIDS["structured"], sea=[(0, 0)])
    mask = xr.DataArray(np.ones((4, 5), bool), dims=("rlat", "rlon"))
    mask[3, 3] = False
    report, _ = write(template, plants, land_mask=mask)
    assert report.cells["sea"] == 1
    assert "1 cells of land are none in the template (PFTDATA_MASK is 0)" in str(report)
    bare = make_template(tmp_path / "bare.nc", GRIDS["structured"], mask=False)
    report, _ = write(bare, set_cell(plants, (1, 2), ocean=1.0))
    assert report.cells["sea"] == 1


def test_wetland_may_become_grass(template, plants):
    _, path = write(template, plants, wetland="grass")
    assert (read_cover(path)["land units"][3] == 0).all()
    assert (sums_of(read_cover(path)["land units"]) == 100).all()


def test_crops_must_fit_the_template_or_be_merged(template, tmp_path, plants):
    rich = made_plant_types(cfts=(15, 16, 21, 22, 59))
    with pytest.raises(CubeError, match=r"crops \[21, 22, 59\]; the template has 2, 15 to 16"):
        write(template, rich)
    report, path = write(template, rich, crop_types="merge")
    crops = rich["cft_fraction"].values[:, 0]
    wanted = np.stack([crops[[0, 2, 4]].sum(axis=0), crops[[1, 3]].sum(axis=0)])
    np.testing.assert_allclose(
        read_cover(path)["crops"], 100 * wanted / wanted.sum(axis=0), atol=1e-9
    )
    assert "added to 15 (rainfed), 16 (irrigated)" in str(report)
    full = make_template(tmp_path / "full.nc", GRIDS["structured"], cfts=64)
    _, path = write(full, rich)
    found = read_cover(path)["crops"]
    np.testing.assert_allclose(found[21 - 15], 100 * crops[2] / crops.sum(axis=0), atol=1e-9)
    assert (found[2:6] == 0).all()
    _, path = write(template, rich, crop_types="template")
    np.testing.assert_allclose(read_cover(path)["crops"], read_cover(template)["crops"], atol=1e-11)
    assert (sums_of(read_cover(path)["crops"]) == 100).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_negative_longitudes_are_refused_or_mended(tmp_path, dtype):
    grid = cell_coordinates()
    template = make_template(tmp_path / "template.nc", grid, west=True, dtype=dtype)
    plants = made_plant_types(grid)
    with pytest.raises(CubeError, match=r"outside 0 to 360 in 2 cells \(the lowest is -3\)"):
        write(template, plants)
    report, path = write(template, plants, longitudes="mend")
    with netCDF4.Dataset(path) as file:
        found = file.variables["LONGXY"][:]
    assert found.dtype == dtype
    assert ((found >= 0) & (found < 360)).all()
    np.testing.assert_allclose(found, grid["lon"].values % 360, rtol=1e-6)
    assert "LONGXY was brought into 0 to 360" in str(report)


def test_a_template_whose_sums_are_off_is_refused_or_warned_of(tmp_path, plants):
    template = make_template(tmp_path / "template.nc", GRIDS["structured"], off=(1, 2))
    message = (
        r"land units \(PCT_NATVEG, .*\) of the template don't sum to 100 within 0.001 in 1 of 20 "
        r"cells of land: \[1, 2\] at 7.* E 50.* N sums to 102.5."
    )
    with pytest.raises(CubeError, match=message + r".* pass check='warn'"):
        write(template, plants)
    with pytest.warns(UserWarning, match=message):
        _, path = write(template, plants, check="warn")
    assert (sums_of(read_cover(path)["land units"]) == 100).all()
    at_sea = make_template(tmp_path / "sea.nc", GRIDS["structured"], off=(1, 2), sea=[(1, 2)])
    write(at_sea, plants)


def test_another_grid_is_refused(tmp_path, plants):
    template = make_template(tmp_path / "template.nc", rotated_coordinates((4, 6)))
    with pytest.raises(
        CubeError, match=r"has 4 x 6 \(lsmlat, lsmlon\) cells, the plant types have 4 x 5 \(rlat"
    ):
        write(template, plants)
    # The older TSMP-COSMO grid is shifted by about 0.004 degrees.
    moved = rotated_coordinates(first=(0.495 + 0.0026, -6.875 + 0.0037))
    template = make_template(tmp_path / "template.nc", moved)
    with pytest.raises(CubeError, match=r"up to 0\.5\d* km from .* \(tolerance 0.1 km; at cell \["):
        write(template, plants)
    write(template, plants, grid_tolerance=600.0)


def test_regular_grids_have_centres_along_their_dimensions(tmp_path):
    grid = lonlat_coordinates((3, 4), west=2.0)
    template = make_template(tmp_path / "template.nc", grid)
    _, path = write(template, made_plant_types(grid))
    assert (sums_of(read_cover(path)["land units"]) == 100).all()
    turned = made_plant_types(lonlat_coordinates((3, 4), south=41.5, step=-0.5, west=4.0))
    with pytest.raises(CubeError, match="runs the other way along lsmlat and lsmlon"):
        write(template, turned)


def test_plant_types_without_places_are_refused(template, plants):
    with pytest.raises(CubeError, match="no coordinate of standard name 'longitude'"):
        write(template, plants.drop_vars(["lon", "lon_vertices"]))


def test_a_grid_that_runs_the_other_way_is_named(tmp_path, plants):
    turned = rotated_coordinates().isel(rlat=slice(None, None, -1))
    template = make_template(tmp_path / "template.nc", turned)
    with pytest.raises(CubeError, match="runs the other way along lsmlat: turn the plant types"):
        write(template, plants)
    write(template, plants.isel(rlat=slice(None, None, -1)))


def test_the_grid_that_would_fit_is_named(tmp_path):
    grid = named_grid("EUR-44").coordinates()
    template = make_template(tmp_path / "template.nc", grid)
    plants = made_plant_types()
    with pytest.raises(CubeError, match="The template lies on the grid 'EUR-44'"):
        write(template, plants)
    elsewhere = made_plant_types(grid.assign_coords(lon=grid["lon"] + 1))
    with pytest.raises(CubeError, match=r"another grid .* lies on the grid 'EUR-44'"):
        write(template, elsewhere)
    template = make_template(tmp_path / "template.nc", grid.assign_coords(lon=grid["lon"] + 1))
    with pytest.raises(CubeError, match="template's size, but elsewhere: 'EUR-44'"):
        write(template, made_plant_types(grid))


def test_files_of_another_kind_are_refused(tmp_path, plants, template):
    with pytest.raises(SourceError, match="cannot be read"):
        lx.export_clm_surface(tmp_path / "none.nc", plants, tmp_path / "surface.nc")
    with netCDF4.Dataset(template, "r+") as file:
        file.renameVariable("PCT_CFT", "PCT_OTHER")
    with pytest.raises(CubeError, match=r"lacks PCT_CFT: it is no CLM5 surface file"):
        write(template, plants)
    with netCDF4.Dataset(template, "r+") as file:
        file.renameVariable("PCT_OTHER", "PCT_CFT")
        file.variables["PCT_CROP"].scale_factor = 0.5
    with pytest.raises(CubeError, match=r"'PCT_CROP' of the template is float64 packed"):
        write(template, plants)
    with netCDF4.Dataset(template, "r+") as file:
        file.variables["PCT_CROP"].delncattr("scale_factor")
        file.renameVariable("PCT_URBAN", "PCT_OTHER")
        file.createVariable("PCT_URBAN", "f8", ("natpft", "lsmlat", "lsmlon"))
    with pytest.raises(CubeError, match=r"'PCT_URBAN' of the template is \(natpft=15.* 3 types"):
        write(template, plants)


def test_towns_without_parameters_are_told(template, plants):
    with netCDF4.Dataset(template, "r+") as file:
        file.variables["URBAN_REGION_ID"][0, 0] = 0
    plants = set_cell(plants, (0, 0), urban=1.0)
    report, _ = write(template, plants)
    assert "1 cells have towns now and no urban parameters in the template" in str(report)


def test_the_file_says_where_it_comes_from(template, plants):
    _, path = write(template, plants)
    with netCDF4.Dataset(path) as file:
        assert file.History_Log == "made up for tests"
        assert file.Conventions == "NCAR-CSM"
        first, *others = file.history.splitlines()
        assert "lulc_xr.export_clm_surface: year 2018" in first
        assert others[-1] == "made up"
        assert file.lulc_xr_model_hash == "abc123"
        assert file.lulc_xr_cells == "0 sea, 20 mapped, 0 scaled, 0 filled, 0 left"


def test_nothing_is_half_written(template, plants, monkeypatch):
    target = template.with_name("surface.nc")
    target.write_bytes(b"old")
    with pytest.raises(StoreError, match="is there already"):
        lx.export_clm_surface(template, plants, target)

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr("lulc_xr.analysis.clm_surface.add_attributes", fail)
    with pytest.raises(OSError, match="the disk is full"):
        lx.export_clm_surface(template, plants, target, overwrite=True)
    assert target.read_bytes() == b"old"
    assert sorted(p.name for p in template.parent.iterdir()) == ["surface.nc", "template.nc"]


def test_a_template_may_be_replaced_by_itself(template, plants, tmp_path):
    _, path = write(template, plants)
    copy = shutil.copy(template, tmp_path / "copy.nc")
    lx.export_clm_surface(copy, plants, copy, overwrite=True)
    assert read_cover(copy)["land units"].tobytes() == read_cover(path)["land units"].tobytes()


def test_written_again_it_stays(template, plants):
    _, path = write(template, plants)
    again = lx.export_clm_surface(path, plants, path.with_name("again.nc"))
    for name, values in read_cover(path).items():
        assert read_cover(again.path)[name].tobytes() == values.tobytes()
