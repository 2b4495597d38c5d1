"""Land-use time series for CLM5."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.exact_percent import PLACES
from tests.clm_surface import make_template, read_cover, read_raw, sums_of
from tests.plant_types import cell_coordinates, made_plant_types, rotated_coordinates, set_cell

YEARS = (2016, 2018, 2021)


@pytest.fixture
def plants():
    return made_plant_types(years=YEARS)


def write(folder, plants, grid=None, **options):
    """A template, the surface file of the first year, the series."""
    made = make_template(folder / "template.nc", rotated_coordinates() if grid is None else grid)
    surface = folder / "surface.nc"
    kept = {k: v for k, v in options.items() if k != "years"}
    lx.export_clm_surface(made, plants, surface, year=YEARS[0], overwrite=True, **kept)
    path = folder / "landuse.nc"
    report = lx.export_clm_landuse(plants, path, template=surface, overwrite=True, **options)
    return surface, path, report


def series_of(path):
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return {name: variable[:] for name, variable in file.variables.items()}


@pytest.mark.parametrize("grid", [rotated_coordinates(), cell_coordinates()])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("file_format", ["NETCDF4", "NETCDF3_64BIT_OFFSET"])
def test_a_series_has_clms_form_and_exact_sums(tmp_path, grid, dtype, file_format):
    template = make_template(tmp_path / "t.nc", grid, dtype=dtype, file_format=file_format)
    plants = made_plant_types(grid, years=YEARS)
    report = lx.export_clm_landuse(plants, tmp_path / "landuse.nc", template=template)
    assert report.years == YEARS
    raw, found = read_raw(tmp_path / "landuse.nc"), series_of(tmp_path / "landuse.nc")
    assert raw["format"] == file_format
    assert raw["dimensions"]["time"] == (3, True)
    cells = ("lsmlat", "lsmlon") if grid["lon"].ndim == 2 else ("gridcell",)
    for name, dims in (
        ("PCT_NAT_PFT", ("natpft", *cells)),
        ("PCT_CROP", cells),
        ("PCT_CFT", ("cft", *cells)),
    ):
        assert raw["variables"][name]["dimensions"] == ("time", *dims)
        assert raw["variables"][f"{name}_MAX"]["dimensions"] == dims
        assert found[name].dtype == dtype
        np.testing.assert_array_equal(found[f"{name}_MAX"], found[name].max(axis=0))
    for name in ("PCT_NAT_PFT", "PCT_CFT"):
        for year in found[name]:
            assert (sums_of(year) == 100).all()
    np.testing.assert_array_equal(found["YEAR"], YEARS)
    np.testing.assert_array_equal(found["time"], YEARS)
    before = read_raw(template)["variables"]
    for name in ("LONGXY", "LATIXY", "AREA", "PFTDATA_MASK", "LANDFRAC_PFT", "natpft", "cft"):
        for key in ("values", "dtype", "attributes", "dimensions"):
            assert raw["variables"][name][key] == before[name][key]


def test_the_first_year_is_that_of_the_surface_file(tmp_path, plants):
    surface, path, _ = write(tmp_path, plants)
    cover, found = read_cover(surface), series_of(path)
    np.testing.assert_array_equal(found["PCT_NAT_PFT"][0], cover["natural"])
    np.testing.assert_array_equal(found["PCT_CFT"][0], cover["crops"])
    unit = 2.0 ** -PLACES[np.dtype("f8")]
    np.testing.assert_allclose(found["PCT_CROP"][0], cover["land units"][1], rtol=0, atol=unit)


def test_crops_share_the_room_that_other_land_units_leave(tmp_path, plants):
    surface, path, report = write(tmp_path, plants)
    units, crop = read_cover(surface)["land units"], series_of(path)["PCT_CROP"]
    room = 100 - units[2:].sum(axis=0)
    natural, crops = plants["landunit_fraction"].values[:2]
    np.testing.assert_allclose(crop, room * crops / (crops + natural), atol=1e-9)
    # What is left for natural vegetation makes the sum exactly 100.
    for year in crop:
        rest = room - year
        assert (rest >= 0).all()
        assert (sums_of(np.concatenate([rest[None], year[None], units[2:]])) == 100).all()
    apart = np.abs(100 * (1 - crops - natural) - units[2:].sum(axis=0)).mean(axis=(1, 2))
    assert f"differs by {', '.join(f'{a:.2f}' for a in apart)} % of the land" in str(report)


def test_a_cell_without_vegetation_keeps_the_surface_files_crops(tmp_path, plants):
    later = set_cell(plants, (0, 0), lake=1.0)
    later = later.where(later["year"] > YEARS[0], plants).assign_attrs(plants.attrs)
    surface, path, _ = write(tmp_path, later)
    crop = series_of(path)["PCT_CROP"][:, 0, 0]
    np.testing.assert_allclose(crop, read_cover(surface)["land units"][1, 0, 0], atol=1e-9)


def test_a_cell_that_lacks_a_map_in_one_year_changes_in_none(tmp_path, plants):
    gap = plants.copy(deep=True)
    for name in ("landunit_fraction", "natural_pft_fraction", "cft_fraction"):
        gap[name][:, 1, 2, 3] = 0
    gap["unmapped_fraction"][1, 2, 3] = 1
    with pytest.raises(CubeError, match=r"1 cells of land .* by position: \(2, 3\)"):
        write(tmp_path, gap)
    surface, path, report = write(tmp_path, gap, unmapped="template")
    cover, found = read_cover(surface), series_of(path)
    assert report.cells["left"] == 1
    for year in range(3):
        np.testing.assert_array_equal(
            found["PCT_NAT_PFT"][year, :, 2, 3], cover["natural"][:, 2, 3]
        )
        np.testing.assert_array_equal(found["PCT_CROP"][year, 2, 3], cover["land units"][1, 2, 3])
        assert (sums_of(found["PCT_NAT_PFT"][year]) == 100).all()


def test_a_cell_that_is_sea_in_one_year_changes_in_none(tmp_path, plants):
    template = make_template(tmp_path / "template.nc", rotated_coordinates(), mask=False)
    flooded = set_cell(plants, (0, 0), ocean=1.0)
    flooded = flooded.where(flooded["year"] == YEARS[1], plants).assign_attrs(plants.attrs)
    path = tmp_path / "landuse.nc"
    report = lx.export_clm_landuse(flooded, path, template=template)
    crop = series_of(path)["PCT_CROP"][:, 0, 0]
    np.testing.assert_array_equal(crop, crop[0])
    assert crop[0] == pytest.approx(read_cover(template)["land units"][1, 0, 0], abs=1e-9)
    assert report.cells["left"] == 1


def test_a_series_of_the_sea_is_the_template(tmp_path, plants):
    nowhere = xr.DataArray(np.zeros((4, 5), bool), dims=("rlat", "rlon"))
    surface, path, report = write(tmp_path, plants, land_mask=nowhere)
    assert report.cells["sea"] == 20
    for crop in series_of(path)["PCT_CROP"]:
        np.testing.assert_array_equal(crop, read_cover(surface)["land units"][1])


def test_years_are_chosen_in_order(tmp_path, plants):
    _, path, report = write(tmp_path, plants, years=(2018, 2021))
    assert report.years == (2018, 2021)
    np.testing.assert_array_equal(series_of(path)["YEAR"], (2018, 2021))
    with pytest.raises(CubeError, match=r"years \(2021, 2018\) are not ascending"):
        write(tmp_path, plants, years=(2021, 2018))
    with pytest.raises(CubeError, match="unknown year '2019'"):
        write(tmp_path, plants, years=(2018, 2019))
    with pytest.raises(CubeError, match=r"years \(\) are not ascending"):
        write(tmp_path, plants, years=())


def test_nothing_is_half_written(tmp_path, plants):
    _, path, _ = write(tmp_path, plants)
    before = path.read_bytes()
    surface = tmp_path / "surface.nc"
    with pytest.raises(StoreError, match="is there already"):
        lx.export_clm_landuse(plants, path, template=surface)
    broken = plants.copy(deep=True)
    broken["unmapped_fraction"][2] = np.nan
    with pytest.raises(CubeError, match="are NaN away from their sum"):
        lx.export_clm_landuse(broken, path, template=surface, overwrite=True)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["landuse.nc", "surface.nc", "template.nc"]


def test_the_file_says_where_it_comes_from(tmp_path, plants):
    _, path, _ = write(tmp_path, plants)
    with xr.open_dataset(path, decode_times=False) as opened:
        assert opened.attrs["lulc_xr_template"] == "surface.nc"
        assert opened.attrs["lulc_xr_model_hash"] == "abc123"
        assert "lulc_xr.export_clm_landuse: years (2016, 2018, 2021)" in opened.attrs["history"]
        assert b"plant types of 2018" in b"".join(opened["input_pftdata_filename"].values[1:2])
