"""Real maps and points on the grids of models: what the evidence counts, it counts right."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

import lulc_xr as lx
from benchmarks.evidence import land_models
from benchmarks.evidence import land_models_counts as counts
from benchmarks.evidence import land_models_europe as europe
from lulc_xr.core.region_grid import to_longitude_latitude

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def parcels():
    """The reference map of the demo: 64 x 64 pixels of 10 m, parcels as farmers declared them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "zarr_stores"))
        flanders = __import__("flanders")
        made = flanders.make_cube(ROOT / "zarr_stores" / "raw").reference.compute()
    sys.modules.pop("flanders", None)
    return made


@pytest.fixture(scope="module")
def corine(shared_data):
    """The south-eastern quarter of the square, 55 km a side."""
    return europe.corine_map(shared_data).isel(y=slice(549, None), x=slice(549, None))


def test_counting_is_that_of_whole_blocks(parcels):
    ids = [int(v) for v in parcels.attrs["flag_values"]]
    own = counts.counted(parcels, *counts.edges_of(parcels, 80.0), ids=ids)
    blocks = parcels.sortby("y").values.reshape(8, 8, 8, 8)
    expected = [(blocks == class_id).mean(axis=(1, 3)).ravel() for class_id in ids]
    np.testing.assert_allclose(own, expected, atol=1e-12)


@pytest.mark.parametrize("side", [80.0, 160.0, 320.0])
@pytest.mark.parametrize("offset", [0.0, 3.7])
def test_cells_of_the_maps_own_system_are_counted_exactly(parcels, side, offset):
    edges = counts.edges_of(parcels, side, offset=offset)
    found, own = counts.compare(parcels, edges, crs="EPSG:32631", year=2018)
    np.testing.assert_allclose(found["fraction"].transpose("class", ...), own, atol=1e-7)
    # Cells begin `offset` outside, so that the first row and column are not all mapped.
    along = int((640 + offset) // side) - (offset > 0)
    assert int((found["cell_coverage"] == 2).sum()) == along**2


def test_the_demo_lies_in_two_cells_of_the_models(parcels):
    maps = parcels.to_dataset(name="land_cover").expand_dims(year=[2018])
    table = counts._in_eur11(maps)
    assert len(table) == 2
    # The scale of UTM near its central meridian, 3 degrees east: 0.9996.
    assert table["covered (m2)"].sum() == pytest.approx(640**2 / 0.9996**2, rel=1e-6)
    shares = table.drop(columns=["area (km2)", "covered", "covered (m2)"])
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("side", [10.0, 100.0])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_the_tile_of_2_m_is_counted_exactly(shared_data, side, shift):
    classes = counts.open_tile(shared_data).isel(y=slice(0, 152), x=slice(0, 150))
    edges = tuple(e - shift for e in counts.lattice_edges(classes, side))
    found, own = counts.compare(classes, edges, crs="EPSG:3035", year=2021)
    share = found["fraction"].transpose("class", ...).values
    np.testing.assert_allclose(share, own, atol=1e-8)
    np.testing.assert_allclose(share.sum(axis=0) + found["unmapped_fraction"].values, 1, atol=1e-8)
    # 152 rows are 15.2 cells of 10 m, so that the last row is covered in part.
    assert (found["cell_coverage"] == 1).any()
    assert share.max() == pytest.approx(1, abs=1e-8) or side == 100


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [("EPSG:3035", 4.0e6, 3.2e6), ("EPSG:32631", 5e5, 5.6e6), ("EPSG:2056", 2.6e6, 1.2e6)],
)
def test_edges_of_regions_stay_on_edges_of_pixels(crs, x, y):
    """Back in their own system, places are where they were: to 10 nm, not to PROJ's 0.3 mm."""
    places = x + np.arange(0, 50_000, 1234.0), y + np.arange(0, 50_000, 1234.0)
    back = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    found = back.transform(*to_longitude_latitude(crs, *places))
    np.testing.assert_allclose(found, places, atol=1e-7, rtol=0)


def test_points_of_two_surveys_on_the_grid(shared_data):
    (_, cells), (_, shares) = europe.point_tables(shared_data)
    czech, all_of = cells["Czechia, LUCAS 2018"], cells["Europe, ELC10"]
    assert czech["given"] == 5037
    assert all_of["given"] == 55_662
    assert czech["outside"] == all_of["outside"] == 0
    assert (cells.loc["2 x 2 cells against EUR-22 (points)"] < 1e-9).all()
    # More points, narrower intervals.
    assert (cells.loc["with 8 and more"] < cells.loc["interval (mean width)"]).all()
    np.testing.assert_allclose(shares.sum(), 1, atol=1e-3)


def test_corine_keeps_its_area_on_grids_that_nest(corine):
    # Of EUR-0275 the part that is needed: its 2.5 million cells take a minute.
    whole = lx.as_grid("EUR-0275")
    first = (752, 584)
    part = replace(
        whole, nx=48, ny=52,
        first_x=whole.first_x + first[0] * whole.step_x,
        first_y=whole.first_y + first[1] * whole.step_y,
    )  # fmt: skip
    fine = lx.fractions(corine, part, years=[europe.YEAR]).isel(year=0)
    fine = fine[["fraction", "cell_area"]].compute()
    coarse = lx.fractions(corine, "EUR-11", years=[europe.YEAR]).isel(year=0).compute()
    assert europe.nesting(fine, coarse) < 1e-6
    assert fine["fraction"].values[:, [0, -1]].max() == 0, "the part is too small"
    sums = [
        (found["fraction"] * found["cell_area"]).sum(("rlat", "rlon")).values
        for found in (coarse, fine)
    ]
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-9, atol=1)
    # In the plane of UTM areas are too small by up to 0.08 % near its central meridian.
    flat = lx.class_areas(corine)["area_m2"].to_numpy()
    assert sums[0].sum() / flat.sum() == pytest.approx(1, abs=8e-4)


def test_corine_agrees_with_half_a_degree(shared_data):
    table = europe.half_degree(shared_data, europe.corine_map(shared_data), least=0.95)
    assert len(table) >= 1
    for name in ("112", "211", "312"):
        assert (table[f"{name} ours"] - table[f"{name} theirs"]).abs().max() < 0.05


def test_regions_that_the_map_covers_have_all_their_area(shared_data, corine):
    table = europe.nuts_table(shared_data, corine, number=3)
    levels = table.drop(columns=["covered"])
    np.testing.assert_allclose(levels.sum(axis=1), 1, atol=2e-4)
    np.testing.assert_allclose(table["covered"] + table["unmapped"], 1, atol=2e-4)


def test_classes_of_the_first_level_are_those_of_the_codes():
    matrix = europe.first_level()
    assert matrix.shape == (44, 5)
    np.testing.assert_array_equal(matrix.sum(axis=1), 1)
    names = lx.legend("corine_level3").names
    level1 = lx.legend("corine_level1").names
    for name, first in (("rice_fields", "agricultural_areas"), ("salines", "wetlands")):
        assert matrix[names.index(name), level1.index(first)] == 1


def test_runs_without_data_say_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(europe, "SHARED", tmp_path / "nowhere")
    monkeypatch.setattr(sys, "argv", ["land_models", "--run", "2"])
    land_models.main()
    assert "LULC_XR_SHARED" in capsys.readouterr().out


@pytest.mark.slow
def test_the_class_map_of_the_demo():
    (_, squares), (_, cells) = land_models.tables_of(1)
    assert squares["cells"].tolist() == [64, 16, 4]
    assert (squares[["largest difference", "sum off 1", "from 80 m cells"]] < 1e-7).all(axis=None)
    assert cells["covered (m2)"].sum() == pytest.approx(640**2 / 0.9996**2, rel=1e-6)
