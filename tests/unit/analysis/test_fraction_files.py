"""Fractions in files: what is written is read back, lazily, whole, and as CF has it."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import dask
import dask.array as da
import geopandas as gpd
import netCDF4
import numpy as np
import pytest
import shapely
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

import lulc_xr as lx
from lulc_xr.core.dates import year_bounds
from tests.european import cells_of
from tests.fractions import made_fractions
from tests.plant_types import BONN

LEGEND = lx.Legend(
    name="demo",
    classes=(
        lx.LegendClass(class_id=40, name="cropland", color="#ff0000"),
        lx.LegendClass(class_id=10, name="woodland"),
        lx.LegendClass(class_id=80, name="water", color="#0000ff"),
    ),
)
FORMATS = ("f.nc", "f.zarr")


def rotated(ny=5, nx=4):
    """Some cells of EUR-11 in the middle of Europe."""
    return cells_of("EUR-11", range(210, 210 + ny), range(200, 200 + nx))


@pytest.fixture
def shares():
    return made_fractions(LEGEND, grid=rotated(), years=(2018, 2019), expected=True, lazy=True)


def refuse(*_, **__):
    raise AssertionError("something was computed")


def attributes_kept(found, given):
    for name in given.variables:
        for key, value in given[name].attrs.items():
            np.testing.assert_array_equal(found[name].attrs[key], value)


@given(
    place=st.sampled_from(FORMATS),
    years=st.sampled_from([(2018,), (2018, 2019, 2021), (1999, 2030)]),
    cells=st.tuples(st.integers(1, 5), st.integers(1, 7)),
    on_rotated=st.booleans(),
    expected=st.booleans(),
    lazy=st.booleans(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory, place, years, cells, on_rotated, expected, lazy
):
    path = tmp_path_factory.mktemp("files") / place
    where = {"grid": rotated(*cells)} if on_rotated else {"shape": cells}
    made = made_fractions(LEGEND, years=years, expected=expected, lazy=lazy, **where)
    lx.write_fractions(made, path)
    found = lx.open_fractions(path)
    xr.testing.assert_equal(found.compute(), made.compute())
    assert {n: v.dims for n, v in found.variables.items()} == {
        n: v.dims for n, v in made.variables.items()
    }
    assert {n: v.dtype for n, v in found.variables.items()} == {
        n: v.dtype for n, v in made.variables.items()
    }
    attributes_kept(found, made)
    assert lx.Legend.from_flags(found["class_id"].attrs) == LEGEND
    assert found.attrs["lulc_xr:sources"] == made.attrs["lulc_xr:sources"]


@pytest.mark.parametrize("place", FORMATS)
def test_files_are_opened_lazily_and_missing_values_come_back(tmp_path, shares, place):
    shares["mean_entropy"] = shares["mean_entropy"].where(shares["rlat"] > shares["rlat"].mean())
    lx.write_fractions(shares, tmp_path / place)
    with dask.config.set(scheduler=refuse):
        found = lx.open_fractions(tmp_path / place)
    assert all(isinstance(v.data, da.Array) for v in found.data_vars.values())
    assert found["class"].sel({"class": "water"}).item() == "water"
    lacking = found["mean_entropy"].isnull().values
    assert 0 < lacking.sum() < lacking.size
    np.testing.assert_array_equal(lacking, shares["mean_entropy"].isnull().values)


@pytest.mark.parametrize("place", FORMATS)
def test_everything_is_computed_once_and_in_blocks(tmp_path, place):
    """All variables come from the same tasks, and what is in memory at a time is a block."""
    calls = []

    def block(block_info=None):
        calls.append(block_info[None]["chunk-location"])
        return np.full(block_info[None]["chunk-shape"], 0.25)

    grid = rotated(8, 6)
    made = made_fractions(LEGEND, grid=grid, years=(2018,))
    values = da.map_blocks(block, chunks=((3,), (1,), (4, 4), (6,)), dtype=float)
    made["fraction"] = made["fraction"].copy(data=values)
    made["expected_fraction"] = made["fraction"] * 1
    made["unmapped_fraction"] = made["unmapped_fraction"].copy(data=1 - values.sum(axis=0))
    lx.write_fractions(made, tmp_path / place)
    assert sorted(calls) == [(0, 0, 0, 0), (0, 0, 1, 0)]
    assert float(lx.open_fractions(tmp_path / place)["unmapped_fraction"].min()) == 0.25


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 60))
def test_shares_sum_to_one_within_a_millionth_in_both_types(tmp_path_factory, seed, classes):
    legend = lx.Legend.from_names("many", [f"class_{n}" for n in range(classes)])
    made = made_fractions(legend, shape=(6, 7), seed=seed)
    folder = tmp_path_factory.mktemp("sums")
    for dtype, most in (("float64", 1e-14), ("float32", 1e-7)):
        path = lx.write_fractions(made, folder / f"{dtype}.nc", dtype=dtype)
        with netCDF4.Dataset(path) as file:
            assert file["fraction"].dtype == dtype
        found = lx.open_fractions(path)
        assert found["fraction"].dtype == np.float64
        total = found["fraction"].sum("class") + found["unmapped_fraction"]
        assert float(abs(total - 1).max()) <= most


def test_a_netcdf_file_is_laid_out_as_cf_has_it(tmp_path, shares):
    path = lx.write_fractions(shares, tmp_path / "f.nc")
    with netCDF4.Dataset(path) as file:
        assert file.data_model == "NETCDF4"
        assert file.Conventions == "CF-1.10"
        shared = file["fraction"]
        assert shared.dimensions == ("time", "class", "rlat", "rlon")
        assert file.dimensions["time"].isunlimited()
        assert shared.standard_name == "area_fraction"
        assert (shared.units, shared.cell_methods) == ("1", "area: mean")
        assert shared.cell_measures == "area: cell_area"
        assert shared.grid_mapping == "rotated_pole"
        assert shared.coordinates.split()[0] == "class_name"
        assert set(shared.coordinates.split()) == {"class_name", "class_id", "lat", "lon"}
        assert file["rotated_pole"].grid_north_pole_latitude == 39.25
        for axis in ("rlat", "rlon", "lat", "lon", "time"):
            assert file[axis].bounds in file.variables
        assert file["class_name"].dtype == "S1"
        assert file["class_name"][:].tolist() == ["cropland", "woodland", "water"]
        time = file["time"]
        days = netCDF4.num2date(file["time_bnds"][:], time.units, time.calendar)
        assert [[str(day)[:10] for day in row] for row in days] == [
            ["2018-01-01", "2019-01-01"],
            ["2019-01-01", "2020-01-01"],
        ]
        # As the checker wants it: bounds have no attributes of their own.
        assert file["lat_vertices"].ncattrs() == []


def test_a_zarr_store_is_of_version_3_with_the_same_layout(tmp_path, shares):
    path = lx.write_fractions(shares, tmp_path / "f.zarr")
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == 3
    assert group["fraction"].metadata.dimension_names == ("time", "class", "rlat", "rlon")
    plain = xr.open_zarr(path, consolidated=False)
    assert plain["class_name"].values.tolist() == ["cropland", "woodland", "water"]
    assert plain["time"].dt.year.values.tolist() == [2018, 2019]


@pytest.mark.parametrize("month", [3, 9])
def test_years_that_begin_in_another_month_keep_their_names(tmp_path, month):
    grid = cells_of("EUR-11", range(210, 224), range(188, 206))
    maps = a_map(0)
    first, after = year_bounds(2018, start_month=month)
    maps.attrs["year_start"] = str(first)
    path = lx.write_fractions(lx.fractions(maps, grid), tmp_path / "f.nc")
    with netCDF4.Dataset(path) as file:
        begin, end = netCDF4.num2date(file["time_bnds"][0], file["time"].units)
    assert (str(begin)[:10], str(end)[:10]) == (str(first), str(after))
    east = a_map(1)
    east.attrs["year_start"] = str(first)
    lx.add_to_fractions(path, lx.fractions(east, grid))
    found = lx.open_fractions(path)
    assert found["year"].values.tolist() == [2018]
    assert found["year"].attrs["year_start"] == str(first)


def test_the_file_says_what_it_was_made_of_and_by_what(tmp_path, shares):
    shares.attrs["lulc_xr:sources"] = json.dumps(
        [
            {"store": "/data/b.zarr", "task": "land_cover", "model": "ab12", "years": [2018]},
            {"store": "/data/a.zarr", "task": "land_cover", "model": "ab12", "years": [2019]},
        ]
    )
    path = lx.write_fractions(
        shares, tmp_path / "f.nc", attrs={"institution": "INRES"}, command="lulc-xr fractions b a"
    )
    with netCDF4.Dataset(path) as file:
        assert file.source == (f"lulc_xr {version('lulc_xr')}; maps of a.zarr, b.zarr; model ab12")
        assert file.institution == "INRES"
        assert file.legend == "demo"
        newest, *older = file.history.splitlines()
        assert newest.endswith("Z lulc-xr fractions b a")
        assert older == ["made up"]
        assert json.loads(file.lulc_xr_versions)["xarray"] == version("xarray")
        assert len(json.loads(file.lulc_xr_sources)) == 2
        assert not any(":" in name for name in file.ncattrs())


def test_the_compliance_checker_finds_nothing_in_what_is_made_of_maps(tmp_path, mapped):
    maps = lx.open_cube(mapped)
    made = lx.fractions(maps, "EUR-0275", of=["land_cover", "probability"])
    assert {"expected_fraction", "mean_entropy"} <= set(made.data_vars)
    path = lx.write_fractions(made, tmp_path / "f.nc", dtype="float32")
    assert_compliant(path)
    found = lx.open_fractions(path)
    xr.testing.assert_allclose(found.compute(), made.compute(), rtol=1e-7, atol=0)
    for name in made.variables:
        assert set(made[name].attrs) <= set(found[name].attrs)
    model = maps["land_cover"].attrs["model_hash"]
    assert f"maps of mapped.zarr; model {model}" in found.attrs["source"]
    assert found["fraction"].attrs["valid_max"].dtype == np.float32


@pytest.mark.parametrize("on_rotated", [True, False])
def test_the_compliance_checker_finds_nothing(tmp_path, on_rotated):
    where = {"grid": rotated()} if on_rotated else {}
    made = made_fractions(LEGEND, years=(2018, 2019), expected=True, **where)
    path = lx.write_fractions(made, tmp_path / "f.nc", dtype="float32")
    assert_compliant(path)


def assert_compliant(path):
    checker = Path(sys.executable).with_name("compliance-checker")
    done = subprocess.run(
        [checker, "--test", "cf:1.10", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All tests passed!" in done.stdout


@pytest.mark.parametrize("place", FORMATS)
def test_a_file_is_replaced_only_when_asked_and_only_by_a_whole_one(tmp_path, shares, place):
    path = lx.write_fractions(shares, tmp_path / place)
    other = shares.isel(year=[0])
    with pytest.raises(lx.StoreError, match=r"exists already.*overwrite=True"):
        lx.write_fractions(other, path)

    def fail(values):
        raise OSError(5, "Input/output error")

    broken = other.copy()
    broken["fraction"] = other["fraction"].copy(
        data=other["fraction"].data.map_blocks(fail, dtype=float)
    )
    with pytest.raises(lx.StoreError, match=r"Input/output error.*before is unchanged"):
        lx.write_fractions(broken, path, overwrite=True)
    assert lx.open_fractions(path).equals(shares)
    lx.write_fractions(other, path, overwrite=True)
    assert lx.open_fractions(path).equals(other)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".{place}.lock", place]


@pytest.mark.parametrize("place", FORMATS)
def test_an_error_of_the_maps_is_told_as_it_is(tmp_path, shares, place):
    def fail(values):
        raise ValueError("no such block")

    shares["fraction"] = shares["fraction"].copy(
        data=shares["fraction"].data.map_blocks(fail, dtype=float)
    )
    with pytest.raises(ValueError, match="no such block"):
        lx.write_fractions(shares, tmp_path / place)
    assert [p.name for p in tmp_path.iterdir()] == [f".{place}.lock"]


def test_two_writers_of_one_file_do_not_meet(tmp_path, shares):
    path = tmp_path / "f.nc"

    def write_too(values):
        with pytest.raises(lx.StoreError, match=r"being written to .* by another process"):
            lx.write_fractions(made_fractions(LEGEND), path, overwrite=True)
        return values

    first = shares.copy()
    first["fraction"] = shares["fraction"].copy(
        data=shares["fraction"].data.map_blocks(write_too, meta=np.zeros((0,) * 4))
    )
    lx.write_fractions(first, path)
    assert lx.open_fractions(path).equals(shares)


def test_what_cannot_be_written_is_named(tmp_path, shares):
    with pytest.raises(lx.CubeError, match=r"'f\.tif' is neither a \.nc nor a \.zarr file"):
        lx.write_fractions(shares, tmp_path / "f.tif")
    with pytest.raises(lx.CubeError, match=r"dtype 'int16'; expected float64 or float32"):
        lx.write_fractions(shares, tmp_path / "f.nc", dtype="int16")
    with pytest.raises(lx.StoreError, match=r"there is no folder '.*nowhere' to write 'f\.nc' to"):
        lx.write_fractions(shares, tmp_path / "nowhere" / "f.nc")
    with pytest.raises(lx.CubeError, match=r"no fractions among the variables .*'cell_area'"):
        lx.write_fractions(shares.drop_vars("cell_area"), tmp_path / "f.nc")
    with pytest.raises(lx.CubeError, match=r"no fractions among the variables \['cell_area'\]"):
        lx.write_fractions(shares[["cell_area"]], tmp_path / "f.nc")
    with pytest.raises(lx.CubeError, match=r"'year' is a single value.*isel\(year=\[0\]\)"):
        lx.write_fractions(shares.isel(year=0), tmp_path / "f.nc")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_named(tmp_path, made_store):
    with pytest.raises(lx.StoreError, match=r"no file .*write_fractions makes it"):
        lx.open_fractions(tmp_path / "f.nc")
    (tmp_path / "f.nc").write_bytes(b"no netcdf")
    with pytest.raises(lx.StoreError, match=r"f\.nc' can't be read as NetCDF-4 or Zarr"):
        lx.open_fractions(tmp_path / "f.nc")
    (tmp_path / "f.zarr").mkdir()
    with pytest.raises(lx.StoreError, match=r"f\.zarr' can't be read as NetCDF-4 or Zarr"):
        lx.open_fractions(tmp_path / "f.zarr")
    with pytest.raises(lx.CubeError, match=r"without 'cell_area': these are no fractions"):
        lx.open_fractions(made_store)


@pytest.mark.parametrize("place", FORMATS)
def test_cells_of_any_form_are_written_too(tmp_path, place):
    vertices = np.array([[7.0, 8.0, 7.5], [7.5, 8.0, 8.5], [8.0, 9.0, 8.5]])
    grid = lx.as_grid(
        xr.Dataset(
            coords={
                "clon": ("cell", vertices.mean(axis=1), attributes("longitude", "clon_vertices")),
                "clat": ("cell", [50.3, 50.7, 50.3], attributes("latitude", "clat_vertices")),
                "clon_vertices": (("cell", "nv"), vertices),
                "clat_vertices": (
                    ("cell", "nv"),
                    [[50.0, 50.0, 51.0], [51.0, 50.0, 51.0], [50.0, 50.0, 51.0]],
                ),
            }
        )
    )
    made = made_fractions(LEGEND, grid=grid, years=(2018, 2019), lazy=True)
    found = lx.open_fractions(lx.write_fractions(made, tmp_path / place))
    xr.testing.assert_equal(found.compute(), made.compute())
    attributes_kept(found, made)


def attributes(kind, bounds):
    units = {"longitude": "degrees_east", "latitude": "degrees_north"}[kind]
    return {"standard_name": kind, "units": units, "bounds": bounds}


@pytest.mark.parametrize("place", FORMATS)
def test_regions_keep_their_names(tmp_path, place):
    regions = gpd.GeoDataFrame(
        {"NUTS_ID": ["DE1", "FR2"], "NUTS_NAME": ["Ländle", "Île"]},
        geometry=[shapely.box(7, 50, 8, 51), shapely.box(5, 48, 6, 50)],
        crs=4326,
    )
    made = made_fractions(LEGEND, grid=lx.as_grid(regions), years=(2018,))
    found = lx.open_fractions(lx.write_fractions(made, tmp_path / place))
    assert found["region"].values.tolist() == ["DE1", "FR2"]
    assert found["NUTS_NAME"].values.tolist() == ["Ländle", "Île"]
    np.testing.assert_array_equal(found["fraction"].values, made["fraction"].values)
    assert float(found["cell_area"].sel(region="FR2")) == float(made["cell_area"][1])


@pytest.mark.parametrize("place", FORMATS)
def test_blocks_of_uneven_sizes_are_written_whole(tmp_path, place):
    made = made_fractions(LEGEND, grid=rotated(11, 13), years=(2018, 2019))
    uneven = made.chunk({"rlat": (4, 5, 2), "rlon": (6, 1, 6), "class": 2})
    found = lx.open_fractions(lx.write_fractions(uneven, tmp_path / place))
    xr.testing.assert_equal(found.compute(), made)


def a_map(column, *, seed=0, year=2018, name=""):
    """A class map of 40 x 40 pixels of 500 m in UTM, the more east the higher the column."""
    values = np.random.default_rng(seed).choice([40, 10, 80, 255], (40, 40)).astype(np.uint8)
    made = xr.DataArray(
        values,
        dims=("y", "x"),
        coords={
            "y": 5_640_000 - 500 * (np.arange(40) + 0.5),
            "x": 350_000 + 500 * (40 * column + np.arange(40) + 0.5),
            "year": year,
            "spatial_ref": xr.Variable((), 0, {"crs_wkt": CRS(32632).to_wkt()}),
        },
        attrs={**LEGEND.flags(), "source": name},
        name="land_cover",
    )
    return made.chunk({"y": 16, "x": 16})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("place", FORMATS)
def test_more_stores_are_added_to_a_file(tmp_path, place, dtype):
    grid = cells_of("EUR-11", range(210, 224), range(188, 206))
    west, east = a_map(0, name="west.zarr"), a_map(1, seed=1, name="east.zarr")
    path = lx.write_fractions(
        lx.fractions(west, grid), tmp_path / place, dtype=dtype, attrs={"institution": "INRES"}
    )
    lx.add_to_fractions(path, lx.fractions(east, grid), command="the second run")
    found = lx.open_fractions(path)
    whole = lx.fractions([west, east], grid).compute()
    for name, values in whole.data_vars.items():
        # A sum of two float32 numbers, rounded once more.
        np.testing.assert_allclose(
            found[name].values, values.values, rtol=0, atol=1e-12 if dtype == "float64" else 1.3e-7
        )
    assert found.encoding["dtype"] == dtype
    assert found.attrs["institution"] == "INRES"
    newest, middle, oldest = found.attrs["history"].splitlines()
    assert newest.endswith("Z the second run")
    assert middle.endswith("Z lulc_xr.write_fractions")
    assert oldest == "lulc_xr.fractions"
    assert "east.zarr" in found.attrs["source"]
    assert "west.zarr" in found.attrs["source"]
    # The same once more changes nothing.
    with pytest.raises(lx.CubeError, match=r"both hold 'east\.zarr'"):
        lx.add_to_fractions(path, lx.fractions(east, grid))
    xr.testing.assert_identical(lx.open_fractions(path).compute(), found.compute())


def test_a_year_is_added_to_a_file(tmp_path):
    grid = cells_of("EUR-11", range(210, 224), range(188, 206))
    first = lx.fractions(a_map(0), grid)
    path = lx.write_fractions(first, tmp_path / "f.nc")
    lx.add_to_fractions(path, lx.fractions(a_map(1, year=2019), grid))
    found = lx.open_fractions(path)
    assert found["year"].values.tolist() == [2018, 2019]
    np.testing.assert_allclose(
        found["fraction"].sel(year=2018), first["fraction"].sel(year=2018), rtol=0, atol=1e-15
    )


def test_what_cannot_be_added_leaves_the_file(tmp_path, shares):
    grid = cells_of("EUR-11", range(210, 224), range(188, 206))
    there = lx.fractions(a_map(0), grid)
    with pytest.raises(lx.StoreError, match="no file"):
        lx.add_to_fractions(tmp_path / "f.nc", there)
    path = lx.write_fractions(there, tmp_path / "f.nc")
    with pytest.raises(lx.CubeError, match="overlap"):
        lx.add_to_fractions(path, lx.fractions(a_map(0.5), grid))
    with pytest.raises(lx.CubeError, match="grids differ"):
        lx.add_to_fractions(path, lx.fractions(a_map(1), rotated()))
    assert lx.open_fractions(path).equals(there.compute())


@pytest.mark.parametrize("place", FORMATS)
def test_plant_types_are_written_and_read_back(tmp_path, place):
    legend = lx.legend("lucas_lc1_level1")
    made = made_fractions(legend, grid=rotated(), years=(2018, 2019), lazy=True)
    bare = {name: (("lat", "lon"), np.full((2, 2), value)) for name, value in BONN.items()}
    climate = xr.Dataset(bare, {"lat": [40.0, 60.0], "lon": [0.0, 20.0]})
    types = lx.plant_functional_types(made, climate=climate, method="nearest")
    path = lx.write_fractions(types, tmp_path / place)
    found = lx.open_fractions(path)
    xr.testing.assert_equal(found.compute(), types.compute())
    assert {n: v.dims for n, v in found.variables.items()} == {
        n: v.dims for n, v in types.variables.items()
    }
    attributes_kept(found, types)
    for name in ("crosswalk", "climate_rules"):
        assert found.attrs[name] == types.attrs[name]
        json.loads(found.attrs[name])
    if place == "f.nc":
        assert_compliant(path)
