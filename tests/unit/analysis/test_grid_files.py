"""Grids from what users have: names, CF files of all kinds, Datasets, files of polygons."""

import warnings

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.lattice_grid import LatticeGrid
from lulc_xr.core.region_grid import RegionGrid
from lulc_xr.core.uneven_lattice import UnevenLattice
from lulc_xr.core.vertex_grid import VertexGrid
from tests.grid_laws import icosahedron

CORDEX = "orog_EUR-11_ECMWF-ERAINT_evaluation_r0i0p0_GERICS-REMO2015_v1_fx.nc"


def regular(east, north, *, bounds=False, **names):
    """A Dataset with 1-D coordinates."""
    ds = xr.Dataset(
        coords={
            "lon": ("lon", np.asarray(east), {"units": "degrees_east"}),
            "lat": ("lat", np.asarray(north), {"units": "degrees_north"}),
        }
    )
    if bounds:
        for name in ("lon", "lat"):
            centres = ds[name].values
            half = np.gradient(centres) / 2
            ds[name].attrs["bounds"] = f"{name}_bnds"
            ds[f"{name}_bnds"] = ((name, "bnds"), np.stack([centres - half, centres + half], 1))
    return ds.rename(names)


def icon(splits=2, *, units="radian"):
    """A grid file as ICON's: angles in radians, edges and vertices beside the cells."""
    lon, lat = icosahedron(splits, 0.1)
    factor = np.pi / 180 if units == "radian" else 1
    ds = xr.Dataset()
    for what, size in (("c", len(lon)), ("v", 5), ("e", 7)):
        dim = {"c": "cell", "v": "vertex", "e": "edge"}[what]
        for name, values in (("lon", lon), ("lat", lat)):
            kind = "grid_longitude" if name == "lon" else "grid_latitude"
            ds[f"{what}{name}"] = (dim, values.mean(axis=1)[:size] * factor,
                                   {"units": units, "standard_name": kind,
                                    "bounds": f"{what}{name}_vertices"})  # fmt: skip
            ds[f"{what}{name}_vertices"] = ((dim, "nv"), values[:size] * factor)
    return ds


def test_the_real_cordex_file_is_eur_11(shared_data):
    path = shared_data / "grids" / CORDEX
    with pytest.warns(lx.GridWarning) as said:
        grid = lx.read_grid(path)
    expected = lx.as_grid("EUR-11")
    assert (grid.x == expected.x).all()
    assert (grid.y == expected.y).all()
    assert grid.pole == expected.pole
    assert (grid.areas() == expected.areas()).all()
    words = [str(each.message) for each in said]
    assert sum("has no bounds: edges were put half-way" in each for each in words) == 2
    # Longitude and latitude of this file are half a cell off, to the north-west.
    assert any("0.71 cells away" in each or "0.70 cells away" in each for each in words)
    assert {each.filename for each in said} == {__file__}
    # What is off is exactly half a cell: these are centres and vertices of the lattice.
    with xr.open_dataset(path) as ds:
        at = np.s_[1:-1:40, 1:-1:40]
        half = grid.x_at(np.arange(424.0)), grid.y_at(np.arange(412.0) + 1)
        east, north = grid.places(*np.meshgrid(*half))
        np.testing.assert_allclose(ds["lat"].values[at], north[at], atol=1e-3)
        np.testing.assert_allclose(ds["lon"].values[at], east[at], atol=2e-3)
        vertices = ds["lat_vertices"].values[at], ds["lon_vertices"].values[at]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = lx.read_grid(path, cells="vertices")
    found = other.coordinates()
    np.testing.assert_allclose(found["lat_vertices"].values[at], vertices[0])
    np.testing.assert_allclose(found["lon_vertices"].values[at], vertices[1])
    assert found["rlon"].attrs["standard_name"] == "grid_longitude"
    inner = other.areas().reshape(other.shape)[1:-1, 1:-1]
    np.testing.assert_allclose(inner, expected.areas().reshape(inner.shape[0] + 2, -1)[1:-1, 1:-1],
                               rtol=5e-3)  # fmt: skip


@pytest.mark.parametrize("name", ["EUR-44", "EUR-11i"])
def test_what_is_written_is_read_back(name, tmp_path):
    grid = lx.as_grid(name)
    path = tmp_path / "grid.nc"
    grid.coordinates().to_netcdf(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = lx.as_grid(path)
    assert (again.x_edges == grid.x_edges).all()
    assert (again.y_edges == grid.y_edges).all()
    assert again.pole == grid.pole
    assert again.dims == grid.dims
    assert again.name == "grid"
    xr.testing.assert_identical(again.coordinates(), grid.coordinates())


def test_vertices_are_written_and_read_back(tmp_path):
    grid = lx.read_grid(icon())
    grid.coordinates().to_netcdf(tmp_path / "icon.nc")
    again = lx.read_grid(tmp_path / "icon.nc")
    np.testing.assert_allclose(again.areas(), grid.areas(), rtol=1e-12)
    assert again.dims == ("cell",)


def test_zarr_stores_are_read(tmp_path):
    lx.as_grid("EUR-44").coordinates().to_zarr(tmp_path / "grid.zarr", zarr_format=2)
    again = lx.as_grid(str(tmp_path / "grid.zarr"))
    assert again.shape == (103, 106)


def test_a_regular_grid_keeps_its_order():
    ds = regular(np.arange(0, 20, 0.5, dtype=np.float32), [60.0, 59.0, 58.0], bounds=True)
    grid = lx.as_grid(ds)
    assert isinstance(grid, LatticeGrid)
    assert grid.y.tolist() == [60, 59, 58]
    assert (grid.step_x, grid.step_y) == (0.5, -1.0)
    assert grid.locate(np.array([0.0]), np.array([60.2])).tolist() == [0]


def test_bounds_that_are_missing_are_derived_and_said():
    ds = regular([0, 0.1, 0.2], [50, 50.5, 51], lat="latitude")
    with pytest.warns(lx.GridWarning, match="has no bounds: edges were put half-way") as said:
        grid = lx.read_grid(ds)
    assert [str(each.message).split()[0] for each in said] == ["'lon'", "'latitude'"]
    assert grid.dims == ("latitude", "lon")
    np.testing.assert_allclose(grid.y_edges, [49.75, 50.25, 50.75, 51.25])


def test_steps_of_float32_are_read_as_they_were_meant():
    lon = (np.arange(1600, dtype=np.float64) * 0.0275 - 26.98625).astype(np.float32)
    grid = lx.read_grid(regular(lon, np.arange(30, 40, 0.1, dtype=np.float32), bounds=True))
    assert (grid.first_x, grid.step_x) == (-26.98625, 0.0275)
    thirds = np.arange(12) / 3
    grid = lx.read_grid(regular(thirds, thirds, bounds=True))
    np.testing.assert_allclose(grid.x, thirds, atol=1e-12)


def test_longitudes_beyond_the_date_line_and_from_0_to_360():
    grid = lx.read_grid(regular([179.0, -180.0, -179.0], [0.0, 1, 2], bounds=False)
                        .pipe(with_bounds))  # fmt: skip
    assert grid.locate(np.array([180.0]), np.array([1.0])).tolist() == [4]
    whole = lx.read_grid(regular(np.arange(0, 360, 10.0), [0.0, 10], bounds=True))
    assert whole.locate(np.array([-1.0, -9]), np.array([0.0, 0])).tolist() == [0, 35]


def with_bounds(ds):
    """Bounds of one degree, on the turn of the centres."""
    for name in ("lon", "lat"):
        ds[name].attrs["bounds"] = f"{name}_bnds"
        ends = ds[name].values[:, None] + np.array([-0.5, 0.5])
        ds[f"{name}_bnds"] = ((name, "bnds"), ends)
    return ds


def test_uneven_coordinates_with_bounds():
    ds = regular([0.0, 1, 2], [60.0, 50.2, 41], bounds=True)
    ds["lat_bnds"].values[:] = [[66, 55], [55, 45], [45, 37]]
    grid = lx.read_grid(ds)
    assert isinstance(grid, UnevenLattice)
    assert grid.y_edges.tolist() == [66, 55, 45, 37]
    assert grid.coordinates()["lat_bnds"].values.tolist() == [[66, 55], [55, 45], [45, 37]]
    assert grid.coordinates()["lat"].values.tolist() == [60, 50.2, 41]
    assert grid.locate(np.array([1.0]), np.array([46.0])).tolist() == [4]


def test_a_turned_rotated_grid_lies_where_proj_puts_it():
    ds = lx.as_grid("EUR-44").coordinates()
    ds = ds.drop_vars(["lon", "lat", "lon_vertices", "lat_vertices"])
    ds["rotated_pole"].attrs["north_pole_grid_longitude"] = 10.0
    grid = lx.read_grid(ds)
    attrs = {k: v for k, v in ds["rotated_pole"].attrs.items() if k != "earth_radius"}
    crs = pyproj.CRS.from_cf(attrs)
    out = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    lon, lat = out.transform(float(ds["rlon"][20]), float(ds["rlat"][30]))
    assert grid.locate(np.array([lon]), np.array([lat])).tolist() == [30 * 106 + 20]


def test_icon_triangles_in_radians_and_degrees():
    grid = lx.read_grid(icon())
    assert isinstance(grid, VertexGrid)
    assert grid.dims == ("cell",)
    assert grid.shape == (320,)
    np.testing.assert_allclose(lx.read_grid(icon(units="degrees")).areas(), grid.areas())
    with pytest.raises(
        lx.CubeError, match="'clon_vertices' has the units 'furlong'; expected degrees"
    ):
        lx.read_grid(icon(units="furlong"))


def test_an_unstructured_grid_without_vertices_is_refused():
    ds = icon()[["clon", "clat"]]
    with pytest.raises(lx.CubeError, match=r"along 'cell' have no vertices.*clon_vertices"):
        lx.read_grid(ds)


def test_scrip_files_are_read():
    lon, lat = icosahedron(1, 0.1)
    ds = xr.Dataset()
    for name, values in (("lon", lon), ("lat", lat)):
        ds[f"grid_center_{name}"] = ("grid_size", values.mean(axis=1), {"units": "degrees"})
        ds[f"grid_corner_{name}"] = (("grid_size", "grid_corners"), values, {"units": "degrees"})
    grid = lx.read_grid(ds)
    np.testing.assert_allclose(grid.longitude, (lon + 180) % 360 - 180)


def test_curvilinear_cells_without_vertices_get_derived_ones():
    places = lx.as_grid("EUR-44").coordinates()
    ds = places[["lon", "lat"]].drop_vars(["rlon", "rlat", "rotated_pole"], errors="ignore")
    ds = ds.drop_vars([n for n in ds.variables if n not in ("lon", "lat")])
    ds = ds.rename(rlat="y", rlon="x")
    del ds["lon"].attrs["bounds"], ds["lat"].attrs["bounds"]
    with pytest.warns(lx.GridWarning, match="no vertices: they were put in the middle of four"):
        grid = lx.read_grid(ds, name="mine")
    assert grid.dims == ("y", "x")
    inner = np.s_[1:-1, 1:-1]
    for name in ("lon_vertices", "lat_vertices"):
        found = np.sort(grid.coordinates()[name].values[inner], axis=-1)
        np.testing.assert_allclose(found, np.sort(places[name].values[inner], axis=-1), atol=2e-3)
    np.testing.assert_allclose(grid.areas(), lx.as_grid("EUR-44").areas(), rtol=2e-3)
    with pytest.raises(lx.CubeError, match="'mine' has 1 x 106 cells without vertices"):
        lx.read_grid(ds.isel(y=[0]), name="mine")


def test_surface_files_of_clm_are_read_by_their_centres():
    grid = lx.as_grid("EUR-44")
    places = grid.coordinates()
    ds = xr.Dataset(
        {
            "LONGXY": (("lsmlat", "lsmlon"), places["lon"].values % 360, {"units": "degrees east"}),
            "LATIXY": (("lsmlat", "lsmlon"), places["lat"].values, {"units": "degrees north"}),
            "PCT_CROP": (("lsmlat", "lsmlon"), np.zeros(grid.shape), {"units": "unitless"}),
        }
    )
    with pytest.warns(lx.GridWarning, match="put in the middle of four centres"):
        found = lx.as_grid(ds)
    assert found.dims == ("lsmlat", "lsmlon")
    here = np.array([7.0982]), np.array([50.7374])
    assert found.locate(*here).tolist() == grid.locate(*here).tolist()


def test_one_of_several_grids_is_said_by_a_variable():
    ds = regular([0.0, 1], [50.0, 51], bounds=True)
    names = {name: name.replace("l", "other_l") for name in ("lon", "lat", "lon_bnds", "lat_bnds")}
    other = regular([3.0, 4, 5], [50.0, 51], bounds=True).rename(names)
    for name in ("other_lon", "other_lat"):
        other[name].attrs["bounds"] = f"{name}_bnds"
    ds = xr.merge([ds, other]).assign(t=(("other_lat", "other_lon"), np.zeros((2, 3))))
    assert lx.read_grid(ds, variable="t").shape == (2, 3)
    ds = ds.rename(lon="east", lat="north")
    with pytest.raises(lx.CubeError, match=r"has several grids: .*Say which by variable="):
        lx.read_grid(ds)
    with pytest.raises(lx.CubeError, match="has no variable 'snow'; it has"):
        lx.read_grid(ds, variable="snow")


@pytest.mark.parametrize(
    ("ds", "message"),
    [
        (regular([0.0, 2, 1], [50.0, 51]), "'lon' neither rises nor falls.*begin with 0, 2, 1"),
        (regular([0.0], [50.0, 51]), "'lon' has one value and no bounds"),
        (xr.Dataset({"a": ("x", [1.0])}), "no longitude and latitude of cells"),
    ],
)
def test_files_that_have_no_cells(ds, message):
    with pytest.raises(lx.CubeError, match=message):
        lx.read_grid(ds)


def test_bounds_with_gaps_are_refused():
    ds = regular([0.0, 1, 2], [50.0, 51, 52], bounds=True)
    ds["lon_bnds"].values[1] = [0.6, 1.4]
    with pytest.raises(lx.CubeError, match=r"bounds of 'lon' leave gaps of up to 0.1 degrees"):
        lx.read_grid(ds)


def test_a_rotated_pole_without_its_place_is_refused():
    ds = lx.as_grid("EUR-44").coordinates()
    del ds["rotated_pole"].attrs["grid_north_pole_latitude"]
    with pytest.raises(lx.CubeError, match="has no grid_north_pole_latitude"):
        lx.read_grid(ds)


def test_files_of_polygons_and_their_ids(shared_data, tmp_path):
    grid = lx.as_grid(shared_data / "nuts" / "nuts_2024.gpkg")
    assert isinstance(grid, RegionGrid)
    assert grid.name == "nuts_2024"
    found = grid.coordinates()
    assert found["region"].dtype == object
    assert "DEA22" in found["region"].values
    assert found["NAME_LATN"].sel(region="DEA22") == "Bonn, Kreisfreie Stadt"
    bonn = grid.locate(np.array([7.0982]), np.array([50.7374]))
    assert str(found["CNTR_CODE"].values[bonn[0]]) == "DE"
    # Overseas regions are as good as others.
    reunion = gpd.read_file(shared_data / "nuts" / "nuts_2024.gpkg").query("NUTS_ID == 'FRY40'")
    assert lx.as_grid(reunion).areas()[0] == pytest.approx(2.5e9, rel=0.05)


def test_the_world_has_a_geometry_that_must_be_mended(shared_data):
    world = gpd.read_file(shared_data / "nuts" / "countries_2024.gpkg")
    with pytest.raises(lx.CubeError, match=r"1 regions of 'CNTR_ID' have outlines.*make_valid"):
        lx.as_grid(world)
    world.geometry = world.geometry.make_valid()
    assert lx.as_grid(world).shape == (263,)


def table(**columns):
    boxes = [shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)]
    return gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:4326", index=["a", "b"])


def test_ids_come_from_a_column_or_the_index():
    frame = table(code=["x", "y"], year=[1, 2], empty=[None, "z"], share=[0.5, np.nan],
                  when=np.array(["2020", "2021"], "datetime64[ns]"))  # fmt: skip
    assert lx.as_grid(frame).ids.tolist() == ["a", "b"]
    grid = lx.as_grid(frame, id_column="code", name="mine")
    assert (grid.name, grid.ids.tolist()) == ("mine", ["x", "y"])
    # What is neither number nor word is left out; the year of a result is another one.
    assert set(grid.attributes) == {"region_year", "empty", "share"}
    assert grid.attributes["empty"].tolist() == ["", "z"]
    assert lx.as_grid(frame.geometry).ids.tolist() == ["a", "b"]
    with pytest.raises(lx.CubeError, match=r"unknown column 'cod'. Known, nearest first: code"):
        lx.as_grid(frame, id_column="cod")
    with pytest.raises(lx.CubeError, match="expected words or numbers"):
        lx.as_grid(frame, id_column="when")


def test_polygons_without_reference_system_are_refused():
    with pytest.raises(lx.CubeError, match=r"no coordinate reference system.*set_crs"):
        lx.as_grid(table().set_crs(None, allow_override=True))


def test_what_describes_no_grid(tmp_path):
    assert lx.as_grid(lx.lonlat_grid(0, 0, 1, 1, step=0.5)).shape == (2, 2)
    with pytest.raises(lx.CubeError, match=r"int describes no grid; expected a name \(EUR-11"):
        lx.as_grid(12)
    with pytest.raises(lx.CubeError, match="unknown grid 'EUR11'"):
        lx.as_grid("EUR11")
    with pytest.raises(lx.CubeError, match="there is no file"):
        lx.as_grid(tmp_path / "nothing.nc")
    with pytest.raises(lx.CubeError, match="there is no file"):
        lx.as_grid("nothing.gpkg")
    with pytest.raises(lx.CubeError, match="cells='corners'; expected 'lattice' or 'vertices'"):
        lx.read_grid(regular([0.0, 1], [0.0, 1]), cells="corners")
