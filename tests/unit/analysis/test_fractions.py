"""Shares of classes in cells, held against areas made in other ways."""

import json

import dask
import flox
import geopandas
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, LegendError
from tests.predictors import Ratio
from tests.unit.analysis.lattices import (
    LEGEND,
    at_origin,
    class_map,
    lattice,
    random_classes,
    rotated,
)

GEOD = Geod(ellps="WGS84")


def raising(*_, **__):
    raise AssertionError("something was computed")


def polygons(grid, crs):
    """Cells as polygons in a reference system, each edge in 256 pieces."""
    part = grid.part(np.arange(grid.size)).outlines(256)
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(part.x, part.y)
    rings = zip(part.starts[:-1], part.starts[1:], strict=True)
    return [shapely.Polygon(np.column_stack([x[a:b], y[a:b]])) for a, b in rings]


def geodesic_areas(grid):
    part = grid.part(np.arange(grid.size)).outlines(64)
    rings = zip(part.starts[:-1], part.starts[1:], strict=True)
    return np.array(
        [abs(GEOD.polygon_area_perimeter(part.x[a:b], part.y[a:b])[0]) for a, b in rings]
    )


def shares(found, name="fraction"):
    """(class, year, cell)."""
    values = found[name].values
    return values.reshape(*values.shape[:-2], -1)


@pytest.mark.parametrize("up", [False, True])
def test_shares_are_areas_of_intersections(up):
    grid, shape, step = rotated(), (23, 31), 3000.0
    values = random_classes(shape)
    corner = at_origin("EPSG:3035", shape, step)
    maps = class_map(values, "EPSG:3035", corner, step)
    if up:
        maps = maps.isel(y=slice(None, None, -1))
    found = lx.fractions(maps, grid)
    rows, columns = np.indices(shape)
    left, top = corner[0] + columns * step, corner[1] - rows * step
    pixels = shapely.box(left, top - step, left + step, top)
    expected = np.zeros((len(LEGEND), grid.size))
    covered = np.zeros(grid.size)
    for cell, polygon in enumerate(polygons(grid, "EPSG:3035")):
        area = shapely.area(shapely.intersection(pixels, polygon))
        covered[cell] = area.sum()
        for k in range(len(LEGEND)):
            expected[k, cell] = area[values == k].sum()
    areas = geodesic_areas(grid)
    np.testing.assert_allclose(shares(found)[:, 0], expected / areas, atol=1e-6)
    np.testing.assert_allclose(found["covered_fraction"].values.ravel(), covered / areas, atol=1e-6)
    flags = found["cell_coverage"].values.ravel()
    whole = covered / areas > 1 - 1e-6
    assert whole.any()
    assert (~whole).any()
    np.testing.assert_array_equal(flags, np.where(whole, 2, np.where(covered > 0, 1, 0)))


@pytest.mark.parametrize(
    ("crs", "step"), [("EPSG:32631", 2500.0), ("EPSG:3857", 3000.0), ("ESRI:54009", 2500.0)]
)
def test_pixels_split_many_times_give_the_same_shares(crs, step):
    """Areas of pixels on the ellipsoid by geodesics; cells of small parts by their middles."""
    grid, shape, split = lx.as_grid("EUR-11"), (21, 17), 40
    values = random_classes(shape)
    # Where edges of cells do not run along rows of pixels: splitting is worst where they do.
    corner = at_origin(crs, shape, step, place=(5.0, 44.0))
    found = lx.fractions(class_map(values, crs, corner, step), grid)
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    y, x = (np.arange(n * split) + 0.5 for n in shape)
    x, y = np.meshgrid(corner[0] + x * step / split, corner[1] - y * step / split)
    longitude, latitude = back.transform(x, y)
    cell = grid.locate(longitude.ravel(), latitude.ravel())
    area = np.empty(shape)
    for i, j in np.ndindex(shape):
        along = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) + np.array([j, i])
        ring = shapely.segmentize(shapely.LineString(along), 0.1)
        column, row = shapely.get_coordinates(ring)[:-1].T
        lon, lat = back.transform(corner[0] + column * step, corner[1] - row * step)
        area[i, j] = abs(GEOD.polygon_area_perimeter(lon, lat)[0])
    small = np.repeat(np.repeat(area, split, 0), split, 1).ravel() / split**2
    classes = np.repeat(np.repeat(values, split, 0), split, 1).ravel()
    for k in range(len(LEGEND)):
        own = classes == k
        expected = np.bincount(cell[own], small[own], grid.size) / grid.areas()
        np.testing.assert_allclose(shares(found)[k, 0], expected, atol=2e-4)
    assert shares(found).sum() > 5


@pytest.mark.parametrize(
    ("crs", "step"),
    [("EPSG:3035", 300.0), ("EPSG:32632", 300.0), ("EPSG:4326", 0.004), ("EPSG:3857", 300.0)],
)
def test_nothing_is_unmapped_where_every_pixel_has_a_class(crs, step):
    shape = (300, 301)
    values = random_classes(shape, unmapped=0)
    maps = class_map(values, crs, at_origin(crs, shape, step), step, chunk=128)
    if crs == "EPSG:4326":
        corner = (18 - shape[1] * step / 2, 50.75 + shape[0] * step / 2)
        maps = class_map(values, crs, corner, step, chunk=128)
    found = lx.fractions(maps, "EUR-11").compute()
    covered = found["cell_coverage"] == 2
    assert int(covered.sum()) > 10
    assert float(found["unmapped_fraction"].where(covered).max()) < 1e-6
    total = found["fraction"].sum("class") + found["unmapped_fraction"]
    np.testing.assert_allclose(total, 1, atol=1e-6)
    outside = found["cell_coverage"] == 0
    assert float(found["fraction"].where(outside).max()) == 0
    assert float(found["unmapped_fraction"].where(outside).min()) == 1


@settings(max_examples=8)
@given(
    rows=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    columns=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    crs=st.sampled_from(["EPSG:3035", "EPSG:32633", "EPSG:4326"]),
    seed=st.integers(0, 99),
)
def test_chunks_do_not_show(rows, columns, crs, seed):
    shape = (sum(rows), sum(columns))
    step = 0.05 if crs == "EPSG:4326" else 4000.0
    corner = (17.6, 51.0) if crs == "EPSG:4326" else at_origin(crs, shape, step)
    maps = class_map(random_classes(shape, seed), crs, corner, step)
    whole = lx.fractions(maps, rotated())
    parts = lx.fractions(maps.chunk(y=tuple(rows), x=tuple(columns)), rotated())
    for name in ("fraction", "unmapped_fraction", "covered_fraction"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=0, atol=1e-12)
    assert float(whole["fraction"].sum()) > 0


def test_groups_of_chunks_do_not_show(monkeypatch):
    maps = class_map(
        random_classes((60, 70)), "EPSG:32633", at_origin("EPSG:32633", (60, 70), 900.0), 900.0
    )
    whole = lx.fractions(maps.chunk(y=7, x=11), rotated()).compute()
    monkeypatch.setattr("lulc_xr.analysis.fraction_graph.BLOCK", 1)
    monkeypatch.setattr("lulc_xr.analysis.fraction_graph.WIDE", 1)
    each = lx.fractions(maps.chunk(y=7, x=11), rotated()).compute()
    xr.testing.assert_allclose(each, whole, rtol=0, atol=1e-12)
    assert float(whole["fraction"].sum()) > 1


def test_nothing_is_computed(made_maps):
    cube = lx.open_cube(made_maps)
    with dask.config.set(scheduler=raising):
        found = cube.lulc.fractions("EUR-11", of=("land_cover", "probability"))
        assert {"expected_fraction", "mean_entropy"} <= set(found.data_vars)
        assert dict(found["fraction"].sizes) == {"class": 3, "year": 1, "rlat": 412, "rlon": 424}
        with pytest.raises(AssertionError, match="something was computed"):
            found.compute()


def test_shares_alone_read_class_maps_alone(made_maps):
    cube = lx.open_cube(made_maps)

    def fail(block):
        raise AssertionError("entropy was read")

    cube["land_cover_entropy"] = cube["land_cover_entropy"].copy(
        data=cube["land_cover_entropy"].data.map_blocks(fail, meta=np.empty((0, 0, 0), np.float32))
    )
    found = lx.fractions(cube, rotated())
    assert float(found["fraction"].sum()) == 0
    assert float(found["covered_fraction"].sum()) == 0
    near = lx.fractions(cube, lonlat_around(cube))
    assert float(near["fraction"].sum()) > 0
    with pytest.raises(AssertionError, match="entropy was read"):
        near["mean_entropy"].compute()


def test_maps_that_are_not_yet_made(cube, made_maps):
    lazy = lx.classify(cube, Ratio())
    grid = lonlat_around(cube)
    found = lazy.lulc.fractions(grid)
    stored = lx.fractions(lx.open_cube(made_maps), grid)
    np.testing.assert_allclose(found["fraction"], stored["fraction"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["mean_entropy"], stored["mean_entropy"], atol=1e-6)


def lonlat_around(cube, step=0.002):
    """Unrotated cells about a cube."""
    move = Transformer.from_crs(cube["spatial_ref"].attrs["crs_wkt"], "EPSG:4326", always_xy=True)
    lon, lat = move.transform(float(cube.x.mean()), float(cube.y.mean()))
    return lattice(west=lon - 3 * step, south=lat - 2 * step, step=step, rows=5, columns=7)


def test_expected_shares_entropy_and_what_is_not_seen(made_maps):
    cube = lx.open_cube(made_maps)
    grid = lonlat_around(cube, step=0.02)
    found = lx.fractions(cube, grid, of="probability").compute()
    flat = found.stack(cell=grid.dims)
    assert int((flat["fraction"].sum("class") > 0).sum()) == 4
    area = (cube["land_cover"].size * 100.0) / grid.areas()
    assert float(flat["covered_fraction"].sum()) == pytest.approx(area.mean(), rel=2e-3)
    classes = cube["land_cover"].values.ravel()
    ids = lx.Legend.from_flags(cube["land_cover"].attrs).ids
    counted = [(classes == i).mean() for i in ids]
    probability = cube["land_cover_probability"].values.reshape(3, -1).astype(float)
    assert np.isnan(probability).any()
    probability /= probability.sum(axis=0)
    weights = float(flat["covered_fraction"].sum())
    expected = np.nansum(probability, axis=1) / classes.size
    # Areas of pixels differ by 1e-6 over this cube, cells by 1e-3.
    for name, values in (("fraction", counted), ("expected_fraction", expected)):
        total = (flat[name] * flat["cell_area"]).sum("cell") / (
            (flat["covered_fraction"] * flat["cell_area"]).sum("cell")
        )
        np.testing.assert_allclose(total.values[:, 0], values, rtol=1e-5)
    assert weights > 0
    both = flat["fraction"].sum("class") - flat["expected_fraction"].sum("class")
    np.testing.assert_allclose(both, 0, atol=1e-12)
    mapped = flat["fraction"].sum("class") * flat["cell_area"]
    mean = float((flat["mean_entropy"] * mapped).sum() / mapped.sum())
    assert mean == pytest.approx(float(np.nanmean(cube["land_cover_entropy"])), rel=1e-5)
    assert np.isnan(flat["mean_entropy"].values[mapped.values == 0]).all()


def test_stored_numbers_give_the_same_expected_shares(made_maps):
    cube, raw = lx.open_cube(made_maps), lx.open_cube(made_maps, raw=True)
    grid = lonlat_around(cube)
    found = [lx.fractions(c, grid, of="probability")["expected_fraction"] for c in (cube, raw)]
    assert raw["land_cover_probability"].dtype == np.uint8
    np.testing.assert_allclose(*found, rtol=0, atol=1e-7)
    assert float(found[0].sum()) > 1


def test_standard_errors_are_those_between_members():
    shape = (40, 50)
    layers = [random_classes(shape, seed) for seed in range(4)]
    given_map = class_map(layers[0], "EPSG:3035", at_origin("EPSG:3035", shape, 700.0), 700.0)
    members = xr.concat([given_map.copy(data=v[None]) for v in layers], "member")
    members.attrs = LEGEND.flags()
    maps = xr.Dataset({"land_cover": given_map, "land_cover_members": members})
    found = lx.fractions(maps, rotated(), members="each").compute()
    alone = [lx.fractions(m, rotated())["fraction"].values for m in members]
    expected = np.std(alone, axis=0, ddof=1)
    mapped = np.broadcast_to(found["fraction"].sum("class").values > 0, expected.shape)
    error = lx.fractions(maps, rotated())["fraction_standard_error"].values
    np.testing.assert_allclose(error[mapped], expected[mapped], atol=1e-12)
    assert expected.max() > 1e-3
    assert np.isnan(error[~mapped]).all()
    np.testing.assert_allclose(found["fraction_standard_error"].values, error, atol=1e-12)
    assert found["member_fraction"].dims == ("member", "class", "year", "rlat", "rlon")
    np.testing.assert_allclose(found["member_fraction"], alone, atol=1e-12)
    assert "fraction_standard_error" not in lx.fractions(maps, rotated(), members=False)


def test_flox_gives_the_same_where_no_pixel_is_on_an_edge():
    """Cells of 5 x 4 whole pixels in degrees: labels of pixels are exact."""
    values = random_classes((40, 60), unmapped=0)
    maps = class_map(values, "EPSG:4326", (10.0, 52.0), (0.01, -0.01), chunk=13)
    grid = lattice(west=10.0, south=51.6, step=0.05, rows=8, columns=12)
    rows, columns = np.indices(values.shape)
    label = (8 - 1 - rows // 5) * 12 + columns // 5
    edges = np.sin(np.deg2rad(52.0 - 0.01 * np.arange(41)))
    e = np.sqrt(GEOD.es)
    belt = (1 - GEOD.es) * (edges / (1 - GEOD.es * edges**2) + np.arctanh(e * edges) / e)
    area = np.abs(np.diff(belt)) * GEOD.a**2 / 2 * np.deg2rad(0.01)
    summed, classes, cells = flox.groupby_reduce(
        np.repeat(area, 60), values.ravel(), label.ravel(), func="sum", fill_value=0.0
    )
    assert (classes == [0, 1, 2]).all()
    assert (cells == np.arange(96)).all()
    found = lx.fractions(maps, grid)
    np.testing.assert_allclose(shares(found)[:, 0], summed / grid.areas(), atol=1e-9)


def test_polygons_with_holes_and_several_parts():
    shape, step = (40, 44), 2500.0
    x, y = at_origin("EPSG:3035", shape, step)
    values = random_classes(shape)
    middle = shapely.Point(x + 55e3, y - 50e3)
    shapes = [
        middle.buffer(40e3).difference(middle.buffer(15e3)),
        shapely.MultiPolygon([middle.buffer(9e3), shapely.box(x - 2e4, y - 2e4, x + 1e4, y + 5e3)]),
    ]
    found = lx.fractions(
        class_map(values, "EPSG:3035", (x, y), step, chunk=16),
        geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:3035"),
    )
    rows, columns = np.indices(shape)
    left, top = x + columns * step, y - rows * step
    pixels = shapely.box(left, top - step, left + step, top)
    for number, polygon in enumerate(shapes):
        area = shapely.area(shapely.intersection(pixels, polygon))
        expected = [area[values == k].sum() / polygon.area for k in range(len(LEGEND))]
        np.testing.assert_allclose(found["fraction"].values[:, 0, number], expected, atol=1e-7)
    assert found["cell_coverage"].values.tolist() == [2, 1]


def test_cells_of_3_km_make_those_of_12_km():
    shape = (400, 400)
    maps = class_map(
        random_classes(shape), "EPSG:3035", at_origin("EPSG:3035", shape, 150.0), 150.0, chunk=200
    )
    coarse = lx.fractions(maps, "EUR-11")["fraction"].compute()
    fine = lx.fractions(maps, "EUR-0275")
    area = fine["fraction"] * fine["cell_area"]
    window = {"rlat": slice(696, 904), "rlon": slice(880, 1088)}
    joined = area.isel(window).coarsen(rlat=4, rlon=4).sum().compute()
    whole = fine["cell_area"].isel(window).coarsen(rlat=4, rlon=4).sum()
    shares = joined / whole
    near = coarse.sel(rlat=joined["rlat"], rlon=joined["rlon"], method="nearest")
    assert float(abs(near["rlon"].values - joined["rlon"].values).max()) < 1e-6
    assert float(near.sum()) == pytest.approx(float(coarse.sum()))
    assert float(near.sum()) > 15
    np.testing.assert_allclose(shares.values, near.values, rtol=0, atol=1e-6)


def test_a_map_in_degrees_may_lie_anywhere_on_the_circle():
    values = random_classes((20, 30))
    here = lx.fractions(class_map(values, "EPSG:4326", (17.0, 51.5), 0.07), rotated())
    for turn in (-360.0, 360.0):
        there = lx.fractions(class_map(values, "EPSG:4326", (17.0 + turn, 51.5), 0.07), rotated())
        np.testing.assert_allclose(there["fraction"], here["fraction"], atol=1e-9)
        np.testing.assert_allclose(there["covered_fraction"], here["covered_fraction"], atol=1e-9)
    assert float(here["fraction"].sum()) > 1


def test_cells_across_the_date_line_are_whole():
    values = np.zeros((40, 3600), np.uint8)
    maps = class_map(values, "EPSG:4326", (-180.0, 52.0), 0.1)
    grid = lattice(west=175.0, south=49.0, step=0.7, rows=3, columns=16)
    found = lx.fractions(maps, grid)
    np.testing.assert_allclose(found["fraction"].values[0], 1, atol=1e-6)
    assert (found["cell_coverage"].values == 2).all()


def test_a_single_pixel_is_counted():
    maps = class_map([[2]], "EPSG:3035", at_origin("EPSG:3035", (1, 1), 5000.0), 5000.0)
    found = lx.fractions(maps, rotated())
    area = float((found["fraction"].sel({"class": "water"}) * found["cell_area"]).sum())
    assert area == pytest.approx(25e6, rel=1e-9)
    bare = maps.copy()
    bare["spatial_ref"] = ((), 0, {"crs_wkt": maps["spatial_ref"].attrs["crs_wkt"]})
    with pytest.raises(CubeError, match="single pixel of unknown size"):
        lx.fractions(bare, rotated())


@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_single_row_or_column_has_square_pixels(axis):
    whole = class_map(random_classes((8, 8)), "EPSG:3035", at_origin("EPSG:3035", (8, 8), 4e3), 4e3)
    line = whole.isel({axis: [3]})
    line["spatial_ref"] = ((), 0, {"crs_wkt": whole["spatial_ref"].attrs["crs_wkt"]})
    found = lx.fractions(line, rotated())
    area = float((found["covered_fraction"] * found["cell_area"]).sum())
    assert area == pytest.approx(8 * 16e6, rel=1e-8)


def test_the_result_says_what_it_is(made_maps):
    cube = lx.open_cube(made_maps)
    found = lx.fractions(cube, "EUR-11")
    assert list(found["class"].values) == list(cube["class"].values)
    assert lx.Legend.from_flags(found["class_id"].attrs) == lx.Legend.from_flags(
        cube["land_cover"].attrs
    )
    assert found["year"].dtype.kind == "i"
    assert found["fraction"].encoding["grid_mapping"] in found.coords
    assert found["cell_coverage"].dtype == np.uint8
    assert found.attrs["Conventions"] == "CF-1.10"
    (source,) = json.loads(found.attrs["lulc_xr:sources"])
    assert source["store"] == str(made_maps)
    assert source["model"] == cube["land_cover"].attrs["model_hash"]
    assert shapely.from_wkt(source["footprint"]).is_valid


def test_years():
    first = class_map([[0, 1]], "EPSG:3035", at_origin("EPSG:3035", (1, 2), 5e3), 5e3)
    both = xr.concat([first, first.copy(data=1 - first.data).assign_coords(year=[2021])], "year")
    found = lx.fractions(both, rotated())
    assert found["year"].values.tolist() == [2018, 2021]
    assert lx.fractions(both, rotated(), years=[2021])["year"].values.tolist() == [2021]
    np.testing.assert_allclose(
        found["fraction"].sel(year=2018).isel({"class": 0}),
        lx.fractions(first, rotated())["fraction"].isel(year=0).isel({"class": 0}),
    )
    with pytest.raises(CubeError, match=r"no map is of 2019. Years of the maps: 2018, 2021"):
        lx.fractions(both, rotated(), years=[2019, 2021])
    bare = first.isel(year=0, drop=True)
    with pytest.raises(CubeError, match=r"does not say which year"):
        lx.fractions(bare, rotated())
    said = lx.fractions(bare, rotated(), years=[2018])
    np.testing.assert_array_equal(said["fraction"], lx.fractions(first, rotated())["fraction"])
    dated = bare.assign_coords(year=2018)
    np.testing.assert_array_equal(lx.fractions(dated, rotated())["fraction"], said["fraction"])


def test_refusals():
    maps = class_map(random_classes((6, 6)), "EPSG:3035", (4.6e6, 3.2e6), 3000.0)
    with pytest.raises(CubeError, match=r"assign_crs\('EPSG:3035'\)"):
        lx.fractions(maps.drop_vars("spatial_ref"), rotated())
    with pytest.raises(CubeError, match="unknown class map 'land_use'"):
        lx.fractions(maps.to_dataset(), rotated(), of="land_use")
    with pytest.raises(CubeError, match="name 2 tasks"):
        lx.fractions(maps, rotated(), of="land_use", task="land_cover")
    with pytest.raises(CubeError, match="expected uint8 class ids over"):
        lx.fractions(maps.rename(y="lat"), rotated())
    with pytest.raises(CubeError, match="expected uint8 class ids over"):
        lx.fractions(maps.astype(np.int16), rotated())
    with pytest.raises(CubeError, match="no 'land_cover_probability'"):
        lx.fractions(maps, rotated(), of="probability")
    with pytest.raises(CubeError, match="no maps"):
        lx.fractions([], rotated())
    with pytest.raises(CubeError, match="'x' of map 1 is not evenly spaced"):
        lx.fractions(maps.isel(x=[0, 1, 3, 5]), rotated())
    with pytest.raises(CubeError, match="no coordinate 'x'"):
        lx.fractions(maps.drop_vars("x"), rotated())
    strange = class_map(np.full((6, 6), 7), "EPSG:3035", at_origin("EPSG:3035", (6, 6), 3e3), 3e3)
    with pytest.raises(LegendError, match=r"class ids 7 of the map are not part of its legend"):
        lx.fractions(strange, rotated()).compute()
    half = class_map(random_classes((6, 6)), "EPSG:32633", (-1.9e7, 5e6), 3e3)
    with pytest.raises(CubeError, match="is not defined"):
        lx.fractions(half, "EUR-11").compute()
