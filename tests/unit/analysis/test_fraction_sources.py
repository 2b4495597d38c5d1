"""Fractions of several stores: apart, overlapping, in several reference systems and years."""

import dask
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from tests.unit.analysis.lattices import at_origin, class_map, lattice, random_classes, rotated

STEP = 2500.0
SHAPE = (24, 26)


def whole_map(seed=0, crs="EPSG:3035", **settings):
    return class_map(
        random_classes(SHAPE, seed), crs, at_origin(crs, SHAPE, STEP), STEP, **settings
    )


def same(first, second, atol=1e-12):
    for name in ("fraction", "unmapped_fraction", "covered_fraction"):
        np.testing.assert_allclose(first[name], second[name], rtol=0, atol=atol)
    np.testing.assert_array_equal(first["cell_coverage"], second["cell_coverage"])


@settings(max_examples=8)
@given(
    row=st.integers(1, SHAPE[0] - 1), column=st.integers(1, SHAPE[1] - 1),
    order=st.permutations(range(4)), seed=st.integers(0, 9),
    crs=st.sampled_from(["EPSG:3035", "EPSG:32633"]),
)  # fmt: skip
def test_stores_that_lie_apart_make_the_whole(row, column, order, seed, crs):
    maps = whole_map(seed, crs)
    down, across = (slice(0, row), slice(row, None)), (slice(0, column), slice(column, None))
    parts = [maps.isel(y=i, x=j) for i in down for j in across]
    whole = lx.fractions(maps, rotated())
    # Nodes of areas are those of each store.
    atol = 1e-12 if crs == "EPSG:3035" else 2e-7
    same(lx.fractions([parts[n] for n in order], rotated()), whole, atol=atol)
    each = [lx.fractions(parts[n], rotated()) for n in order]
    same(lx.add_fractions(*each), lx.fractions(parts, rotated()))
    some = lx.add_fractions(lx.fractions([parts[n] for n in order[:3]], rotated()), each[3])
    same(some, lx.fractions(parts, rotated()))
    assert float(whole["fraction"].sum()) > 1


def test_stores_in_two_zones_that_do_not_meet():
    """The western and the eastern side of a meridian, each in its own zone."""
    maps = [
        class_map(
            random_classes((20, 9), 1), crs, at_origin(crs, (20, 9), STEP, (lon, 50.75)), STEP
        )
        for crs, lon in (("EPSG:32633", 17.7), ("EPSG:32634", 18.3))
    ]
    both = lx.fractions(maps, rotated())
    each = [lx.fractions(m, rotated()) for m in maps]
    same(lx.add_fractions(*each), both)
    same(lx.fractions(maps[::-1], rotated()), both)
    area = float((both["covered_fraction"] * both["cell_area"]).sum())
    assert area == pytest.approx(2 * 180 * STEP**2, rel=2e-3)


def test_overlaps_are_named():
    maps = whole_map()
    west, east = maps.isel(x=slice(0, 15)), maps.isel(x=slice(12, None))
    west.attrs["source"], east.attrs["source"] = "west.tif", "east.tif"
    with pytest.raises(CubeError, match=r"'west.tif' and map 'east.tif' overlap: 72 pixels, 20.0%"):
        lx.fractions([west, east], rotated())
    with pytest.raises(CubeError, match="overlap='both'; expected"):
        lx.fractions([west, east], rotated(), overlap="both")
    zone = class_map(
        random_classes(SHAPE), "EPSG:32633", at_origin("EPSG:32633", SHAPE, STEP), STEP
    )
    with pytest.raises(CubeError, match=r"map 1 and map 2 overlap: \d+ pixels"):
        lx.fractions([maps, zone], rotated())


@pytest.mark.parametrize("overlap", ["first", "last"])
def test_one_of_two_maps_wins_where_they_overlap(overlap):
    """On one grid of pixels: as if the loser's pixels were not there."""
    first, second = whole_map(0).isel(y=slice(0, 16), x=slice(3, 20)), whole_map(1)
    second = second.isel(y=slice(9, None), x=slice(0, 17))
    lower, upper = (second, first) if overlap == "first" else (first, second)
    mosaic = whole_map(0).copy(data=np.full((1, *SHAPE), 255, np.uint8))
    for layer in (lower, upper):
        mosaic.loc[{"y": layer.y, "x": layer.x}] = layer.values
    found = lx.fractions([first, second], rotated(), overlap=overlap)
    expected = lx.fractions(mosaic, rotated())
    np.testing.assert_allclose(found["fraction"], expected["fraction"], rtol=0, atol=1e-9)
    rows, columns = np.indices(SHAPE)
    inside = ((rows < 16) & (columns >= 3) & (columns < 20)) | ((rows >= 9) & (columns < 17))
    union = lx.fractions(
        mosaic.copy(data=np.where(inside, 0, 255)[None].astype(np.uint8)), rotated()
    )
    np.testing.assert_allclose(
        found["covered_fraction"], union["fraction"].sum("class").isel(year=0), rtol=0, atol=1e-9
    )
    assert float(found["covered_fraction"].max()) > 1 - 1e-6


@pytest.mark.parametrize(("first", "second"), [("EPSG:3035", "EPSG:32633"), ("EPSG:4326",) * 2])
def test_winners_in_other_reference_systems_take_their_extent(first, second):
    """Every place counts once: what both cover is the union of their extents."""
    shape, full = (20, 20), []
    for crs, place in ((first, (17.9, 50.7)), (second, (18.2, 50.9))):
        step = 0.03 if crs == "EPSG:4326" else STEP
        corner = at_origin(crs, shape, step, place)
        if crs == "EPSG:4326":
            corner = (place[0] - 10 * step, place[1] + 10 * step)
        full.append(class_map(np.zeros(shape), crs, corner, step))
    grid = rotated(rows=16, columns=16)
    found = lx.fractions(full, grid, overlap="first").compute()
    total = float((found["fraction"] * found["cell_area"]).sum())
    flat = []
    for maps in full:
        edge = [np.linspace(maps[d].values[0], maps[d].values[-1], 400) for d in ("x", "y")]
        half = [(maps[d].values[1] - maps[d].values[0]) / 2 for d in ("x", "y")]
        (x0, x1), (y0, y1) = ((e[0] - h, e[-1] + h) for e, h in zip(edge, half, strict=True))
        ring = shapely.segmentize(
            shapely.Polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), abs(x1 - x0) / 200
        )
        move = Transformer.from_crs(
            maps["spatial_ref"].attrs["crs_wkt"], "EPSG:6933", always_xy=True
        )
        corners = shapely.get_coordinates(ring)
        flat.append(shapely.Polygon(np.column_stack(move.transform(*corners.T))))
    assert shapely.intersection(*flat).area > 1e8
    assert total == pytest.approx(shapely.union(*flat).area, rel=2e-6)
    np.testing.assert_allclose(
        found["covered_fraction"], found["fraction"].sum("class").isel(year=0), atol=1e-6
    )
    turned = lx.fractions(full[::-1], grid, overlap="last")
    np.testing.assert_allclose(turned["fraction"], found["fraction"], atol=1e-12)


def test_maps_of_other_years_do_not_compete():
    first, second = whole_map(0, years=(2018,)), whole_map(1, years=(2021,))
    second = second.isel(x=slice(0, 13))
    found = lx.fractions([first, second], rotated())
    assert found["year"].values.tolist() == [2018, 2021]
    for year, maps in ((2018, first), (2021, second)):
        alone = lx.fractions(maps, rotated())
        np.testing.assert_allclose(
            found["fraction"].sel(year=[year]), alone["fraction"], rtol=0, atol=1e-12
        )
    np.testing.assert_allclose(
        found["covered_fraction"], lx.fractions(first, rotated())["covered_fraction"], atol=1e-9
    )


def test_grids_of_one_name_and_shape_are_not_taken_for_each_other():
    maps = whole_map(chunk=10)
    moved = lattice(west=-0.3, south=-0.33, step=0.11, rows=6, columns=7, pole=(-162.0, 39.25))
    pair = [lx.fractions(maps, g)["fraction"] for g in (rotated(), moved)]
    together = dask.compute(*(f.data for f in pair))
    for found, alone in zip(together, pair, strict=True):
        np.testing.assert_array_equal(found, alone.values)
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_legends_must_agree():
    other = whole_map(legend=lx.Legend.from_names("other", ["a", "b", "c"])).isel(x=slice(20, None))
    with pytest.raises(CubeError, match="legends differ: map 1 has 'demo' with crop, wood, water"):
        lx.fractions([whole_map().isel(x=slice(0, 20)), other], rotated())


def halves():
    maps = whole_map(chunk=10)
    return maps.isel(x=slice(0, 13)), maps.isel(x=slice(13, None))


def test_adding_computes_nothing_and_says_where_it_comes_from():
    def raising(*_, **__):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=raising):
        parts = [lx.fractions(m, rotated()) for m in halves()]
        found = lx.add_fractions(*parts)
    assert found.attrs["history"] == "lulc_xr.add_fractions"
    assert found.attrs["lulc_xr:sources"].count('"footprint"') == 2
    assert found["fraction"].attrs == parts[0]["fraction"].attrs
    assert found["fraction"].dims == parts[0]["fraction"].dims
    again = lx.add_fractions(found.isel(year=[0]))
    xr.testing.assert_allclose(again, found)


def test_adding_what_was_written_and_read(tmp_path):
    parts = [lx.fractions(m, rotated()) for m in halves()]
    read = []
    for number, part in enumerate(parts):
        part.drop_encoding().to_zarr(tmp_path / f"{number}.zarr", zarr_format=3, consolidated=False)
        read.append(xr.open_zarr(tmp_path / f"{number}.zarr", consolidated=False))
    same(lx.add_fractions(*read), lx.fractions(list(halves()), rotated()))


def test_years_that_one_lacks_are_unmapped():
    west, east = halves()
    east = xr.concat([east.assign_coords(year=[2021]), east], "year")
    found = lx.add_fractions(lx.fractions(west, rotated()), lx.fractions(east, rotated()))
    expected = lx.fractions([west, east], rotated())
    assert found["year"].values.tolist() == expected["year"].values.tolist() == [2018, 2021]
    same(found, expected)
    assert found["fraction"].dtype == np.float64


def test_entropy_and_members_add_up():
    sets = []
    for maps, seed in zip(halves(), (1, 2), strict=True):
        draw = np.random.default_rng(seed)
        layers = xr.concat([maps, maps.copy(data=draw.permuted(maps.values, axis=2))], "member")
        layers.attrs = maps.attrs
        entropy = xr.where(maps == 255, np.nan, draw.random(maps.shape)).astype(np.float32)
        sets.append(
            xr.Dataset(
                {
                    "land_cover": maps,
                    "land_cover_entropy": entropy.drop_attrs(),
                    "land_cover_members": layers,
                }
            )
        )
    whole = lx.fractions(sets, rotated()).compute()
    each = lx.add_fractions(*(lx.fractions(s, rotated(), members="each") for s in sets)).compute()
    np.testing.assert_allclose(each["mean_entropy"], whole["mean_entropy"], atol=1e-9)
    name = "fraction_standard_error"
    np.testing.assert_allclose(each[name], whole[name], atol=1e-12)
    assert float(whole[name].max()) > 1e-3
    bound = lx.add_fractions(*(lx.fractions(s, rotated()) for s in sets)).compute()
    assert (bound[name] >= whole[name] - 1e-12).where(~np.isnan(whole[name]), True).all()
    assert "cannot exceed" in bound[name].attrs["comment"]


def test_what_does_not_add_up_is_refused():
    west, east = halves()
    a, b = lx.fractions(west, rotated()), lx.fractions(east, rotated())
    with pytest.raises(CubeError, match=r"a map without a path.* overlap: 312 pixels, 100.0%"):
        lx.add_fractions(a, b, a)
    named = west.copy()
    named.attrs["source"] = "west.tif"
    twice = lx.fractions(named, rotated())
    with pytest.raises(CubeError, match=r"datasets 1 and 3 both hold 'west.tif'"):
        lx.add_fractions(twice, b, twice)
    with pytest.raises(CubeError, match="grids differ: 'small' of 6 rlat x 7 rlon; dataset 2"):
        lx.add_fractions(a, lx.fractions(east, rotated(rows=5)))
    moved = lattice(west=-0.3, south=-0.33, step=0.11, rows=6, columns=7, pole=(-162.0, 39.25))
    with pytest.raises(CubeError, match="grids differ"):
        lx.add_fractions(a, lx.fractions(east, moved))
    other = east.assign_attrs(lx.Legend.from_names("other", ["a", "b", "c"]).flags())
    with pytest.raises(CubeError, match="legends differ"):
        lx.add_fractions(a, lx.fractions(other, rotated()))
    with pytest.raises(CubeError, match="do not both have cell_area"):
        lx.add_fractions(a, b.drop_vars("cell_area"))
    with pytest.raises(CubeError, match="dataset 2 is no result of"):
        lx.add_fractions(a, b.drop_vars("fraction"))
    with pytest.raises(CubeError, match="lacks the attribute"):
        lx.add_fractions(a.drop_attrs(), b)
