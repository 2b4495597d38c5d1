"""Areas of change in polygons and cells: exact shares of pixels, any number of classes, lazily."""

import dask
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from pyproj import Transformer

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from lulc_xr.core.region_grid import RegionGrid
from tests.unit.analysis.yearly_maps import as_maps, drawn, raising

LEFT, TOP, STEP = 4_000_000.0, 3_000_000.0, 10.0


def box(first_row, last_row, first_column, last_column):
    """A polygon in units of pixels of the maps, whose edges run along rows and columns."""
    return shapely.box(
        LEFT + STEP * first_column,
        TOP - STEP * last_row,
        LEFT + STEP * last_column,
        TOP - STEP * first_row,
    )


def regions(*geometries):
    ids = np.array([f"r{n}" for n in range(len(geometries))], object)
    return RegionGrid(
        name="parts", geometries=np.array(geometries, object), crs="EPSG:3035", ids=ids
    )


def test_polygons_along_pixels_hold_what_zones_of_pixels_hold():
    maps = drawn()
    found = lx.transitions(maps, regions(box(0, 5, 0, 23), box(5, 17, 3, 11))).compute()
    zones = xr.DataArray(np.zeros((17, 23), int), dims=("y", "x"))
    zones[:5], zones[5:, 3:11] = 1, 2
    expected = lx.transitions(maps, zones).compute()
    assert found["transition_area"].dims == ("period", "from_class", "to_class", "region")
    for name in ("transition_area", "unmapped_area"):
        # EPSG:3035 keeps areas; edges pass through degrees, and come back within a millimetre.
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found["cell_area"], [5 * 23 * 100, 12 * 8 * 100], rtol=1e-4)


def test_a_pixel_on_the_edge_counts_with_its_share():
    maps = as_maps([[[3, 7]], [[7, 7]]])
    found = lx.transitions(maps, regions(box(0, 1, 0.25, 1.5))).compute()
    matrix = found["transition_area"].isel(period=0, region=0)
    crop_to_grass = float(matrix.sel(from_class="crop", to_class="grass"))
    assert crop_to_grass == pytest.approx(75, rel=1e-4)
    assert float(matrix.sum()) == pytest.approx(125, rel=1e-4)


def test_outside_the_map_is_no_unmapped_area():
    maps = as_maps([[[3, 255]], [[3, 7]]])
    found = lx.transitions(maps, regions(box(0, 1, -10, 2), box(5, 6, 0, 2))).compute()
    np.testing.assert_allclose(found["unmapped_area"][0], [100, 0], rtol=1e-4)
    np.testing.assert_allclose(found["cell_area"], [1200, 200], rtol=1e-4)


def test_more_pairs_than_a_class_map_can_hold_are_counted_in_turns():
    legend = lx.Legend.from_names("many", [f"class_{n}" for n in range(40)])
    maps = drawn(years=2, legend=legend)
    found = lx.transitions(maps, regions(box(0, 17, 0, 23))).compute().isel(region=0)
    expected = lx.transitions(maps).compute()
    np.testing.assert_allclose(
        found["transition_area"], expected["transition_area"], rtol=1e-4, atol=1e-3
    )
    assert float(found["unmapped_area"].item()) == pytest.approx(
        float(expected["unmapped_area"].item()), rel=1e-4
    )


def test_marginals_are_the_fractions_of_the_years():
    maps = drawn(years=2, y=40, x=40)
    maps["land_cover"] = maps["land_cover"].where(maps["land_cover"] != 255, 3).astype("uint8")
    maps["land_cover"].attrs = drawn()["land_cover"].attrs
    to_degrees = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    west, south = to_degrees.transform(LEFT - 100, TOP - 500)
    grid = lx.lonlat_grid(west, south, west + 0.008, south + 0.008, step=0.002)
    found = lx.transitions(maps, grid).compute().isel(period=0)
    assert found["transition_area"].dims == ("from_class", "to_class", "lat", "lon")
    shares = lx.fractions(maps, grid).compute()
    for year, gone, left in ((0, "to_class", "from_class"), (1, "from_class", "to_class")):
        area = found["transition_area"].sum(gone).rename({left: "class"}) / found["cell_area"]
        expected = shares["fraction"].isel(year=year).transpose("class", ...)
        np.testing.assert_allclose(area, expected, atol=1e-9)


def test_nothing_is_computed_and_chunks_do_not_show():
    maps = drawn()
    cells = regions(box(0.3, 9.2, 1.1, 20), box(4, 12.5, 0, 7))
    with dask.config.set(scheduler=raising):
        found = maps.chunk({"year": 1, "y": 4, "x": 9}).lulc.transitions(cells)
    whole = lx.transitions(maps, cells)
    xr.testing.assert_allclose(found.compute(), whole.compute(), rtol=1e-12)
    assert lx.change_table(found).index.names == ["period", "region", "class"]


def test_polygons_of_a_table_and_cells_of_a_named_grid_will_do():
    maps = drawn(years=2)
    table = gpd.GeoDataFrame(
        {"name": ["north", "south"]},
        geometry=[box(0, 8, 0, 23), box(8, 17, 0, 23)],
        crs="EPSG:3035",
    )
    found = lx.transitions(maps, table).compute()
    assert found["name"].values.tolist() == ["north", "south"]
    cells = lx.transitions(maps, "EUR-11")
    assert cells["transition_area"].dims[3:] == ("rlat", "rlon")
    assert cells["transition_area"].encoding["grid_mapping"] in cells.coords
    whole = lx.transitions(maps).compute()["transition_area"]
    for one in (
        found["transition_area"].sum("region"),
        cells["transition_area"].sum(("rlat", "rlon")),
    ):
        np.testing.assert_allclose(one, whole, rtol=1e-4)


def test_ids_of_zones_are_for_pixels_only():
    with pytest.raises(CubeError, match="zone_ids are of zones on the pixels"):
        lx.transitions(drawn(), regions(box(0, 1, 0, 1)), zone_ids=[1])
