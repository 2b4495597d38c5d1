"""Shares of land: what is done with ocean, ignored and unmapped shares, and with wetland."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.analysis.land_shares import CELL_SOURCES, LandRules, land_shares
from lulc_xr.core.clm import LANDUNITS
from lulc_xr.core.errors import CubeError
from tests.plant_types import cell_coordinates, made_plant_types, set_cell

LAKE, WETLAND, URBAN = (LANDUNITS.index(n) for n in ("lake", "wetland", "urban"))


def named(shares):
    return [CELL_SOURCES[s] for s in shares.source]


def test_a_whole_map_keeps_its_shares():
    plants = made_plant_types()
    found = land_shares(plants, None, LandRules())
    assert set(named(found)) == {"mapped"}
    np.testing.assert_allclose(
        found.units, plants["landunit_fraction"].values.reshape(6, -1), atol=1e-12
    )
    np.testing.assert_allclose(found.natural.sum(axis=0), found.units[0], atol=1e-12)
    np.testing.assert_allclose(found.crops.sum(axis=0), found.units[1], atol=1e-12)


@given(st.floats(0, 0.9), st.integers(0, 99))
def test_shares_of_land_sum_to_one(outside, seed):
    plants = made_plant_types(outside=outside, seed=seed)
    found = land_shares(plants, None, LandRules(min_mapped=0.01, wetland="grass"))
    np.testing.assert_allclose(found.units.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(found.natural.sum(axis=0), found.units[0], atol=1e-12)
    assert (found.units[WETLAND] == 0).all()


def test_nothing_is_scaled_up_in_silence():
    plants = made_plant_types(cell_coordinates())
    plants = set_cell(plants, (1,), crop=0.5, lake=0.2, ocean=0.1, unmapped=0.2)
    with pytest.raises(
        CubeError,
        match=r"1 cells of land are mapped to less than min_mapped=1 .* others is 0.778; .* \(1,\)",
    ):
        land_shares(plants, None, LandRules())
    found = land_shares(plants, None, LandRules(min_mapped=0.7))
    assert named(found)[:3] == ["mapped", "scaled", "mapped"]
    np.testing.assert_allclose(found.units[[1, LAKE], 1], [5 / 7, 2 / 7])


def test_ocean_is_left_out_or_lake():
    plants = set_cell(made_plant_types(cell_coordinates()), (0,), crop=0.6, lake=0.2, ocean=0.2)
    left_out = land_shares(plants, None, LandRules())
    assert named(left_out)[0] == "mapped"
    np.testing.assert_allclose(left_out.units[[1, LAKE], 0], [0.75, 0.25])
    lake = land_shares(plants, None, LandRules(ocean="lake"))
    np.testing.assert_allclose(lake.units[[1, LAKE], 0], [0.6, 0.4])


def test_ignored_classes_count_as_unmapped_unless_scaled():
    plants = set_cell(made_plant_types(cell_coordinates()), (0,), crop=0.6, urban=0.2, ignored=0.2)
    with pytest.raises(CubeError, match="mapped to less"):
        land_shares(plants, None, LandRules())
    found = land_shares(plants, None, LandRules(ignored="scale"))
    np.testing.assert_allclose(found.units[[1, URBAN], 0], [0.75, 0.25])


def test_what_is_missing_comes_from_other_plant_types():
    other = made_plant_types(cell_coordinates(), seed=9)
    plants = made_plant_types(cell_coordinates())
    plants = set_cell(plants, (0,), crop=0.4, ignored=0.1, unmapped=0.5)
    plants = set_cell(plants, (1,), unmapped=1.0)
    plants = set_cell(plants, (2,), ocean=1.0)
    mask = xr.DataArray(np.ones(7, bool), dims="cell")
    found = land_shares(plants, None, LandRules(unmapped=other, land_mask=mask))
    assert named(found)[:4] == ["filled", "filled", "filled", "mapped"]
    theirs = other["landunit_fraction"].values[:, 0]
    expected = 0.6 * theirs[:, 0] + 0.4 * (np.arange(6) == 1)
    np.testing.assert_allclose(found.units[:, 0], expected, atol=1e-12)
    np.testing.assert_allclose(found.units[:, 1:3], theirs[:, 1:3], atol=1e-12)
    np.testing.assert_allclose(
        found.natural[:, 1], other["natural_pft_fraction"].values[:, 0, 1], atol=1e-12
    )


def test_a_fallback_must_cover_what_is_missing():
    plants = set_cell(made_plant_types(cell_coordinates()), (3,), unmapped=1.0)
    with pytest.raises(CubeError, match="has no land in 1 of 1 cells that need it"):
        land_shares(plants, None, LandRules(unmapped=plants))
    small = made_plant_types(cell_coordinates(4))
    with pytest.raises(CubeError, match=r"has \(4,\) cells"):
        land_shares(plants, None, LandRules(unmapped=small))


def test_cells_without_a_map_are_left_where_asked():
    plants = set_cell(made_plant_types(cell_coordinates()), (3,), unmapped=1.0)
    found = land_shares(plants, None, LandRules(unmapped="missing"))
    assert found.counts() == {"sea": 0, "mapped": 6, "scaled": 0, "filled": 0, "left": 1}
    assert (found.units[:, 3] == 0).all()


def test_the_mask_decides_what_is_land():
    plants = set_cell(made_plant_types(cell_coordinates()), (0,), unmapped=1.0)
    mask = xr.DataArray(np.arange(7) > 2, dims="cell")
    found = land_shares(plants, None, LandRules(land_mask=mask))
    assert named(found) == ["sea"] * 3 + ["mapped"] * 4
    without = land_shares(set_cell(plants, (0,), ocean=1.0), None, LandRules())
    assert named(without)[0] == "sea"


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (xr.DataArray(np.ones(7, int), dims="cell"), "the land mask is int64 over"),
        (xr.DataArray(np.ones(7, bool), dims="x"), r"expected bool \(True on land\) over"),
        (xr.DataArray(np.ones(5, bool), dims="cell"), "has 6 more cells a side"),
    ],
)
def test_masks_of_another_form_are_refused(mask, message):
    with pytest.raises(CubeError, match=message):
        land_shares(made_plant_types(cell_coordinates()), None, LandRules(land_mask=mask))


def test_a_mask_elsewhere_is_refused():
    plants = made_plant_types()
    mask = plants["unmapped_fraction"].isel(year=0, drop=True) < 1
    land_shares(plants, None, LandRules(land_mask=mask))
    moved = mask.assign_coords(rlat=mask["rlat"] + 0.01)
    with pytest.raises(CubeError, match=r"'rlat' of the land mask is up to 0.01 away"):
        land_shares(plants, None, LandRules(land_mask=moved))


def test_wetland_becomes_grass_as_the_cell_has_it():
    plants = made_plant_types(cell_coordinates())
    plants = set_cell(plants, (0,), natural_vegetation=0.5, wetland=0.5)
    plants["natural_pft_fraction"][:, 0, 0] = 0
    plants["natural_pft_fraction"][12, 0, 0] = 0.2
    plants["natural_pft_fraction"][13, 0, 0] = 0.3
    plants = set_cell(plants, (1,), wetland=0.5, lake=0.5)
    found = land_shares(plants, None, LandRules(wetland="grass"))
    np.testing.assert_allclose(found.natural[[12, 13], 0], [0.4, 0.6])
    np.testing.assert_allclose(found.natural[[12, 13], 1], [0, 0.5])
    assert land_shares(plants, None, LandRules(wetland="lake")).units[LAKE, 1] == 1
    assert land_shares(plants, None, LandRules(wetland=7)).natural[7, 1] == 0.5
    assert land_shares(plants, None, LandRules()).units[WETLAND, 1] == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wetland": "sea"}, "wetland='sea' is unknown"),
        ({"wetland": 15}, "wetland=15 is no natural plant type"),
        ({"min_mapped": 0}, "min_mapped=0 is no share above 0"),
        ({"ocean": "land"}, "ocean='land' is unknown. Choose one of leave_out, lake"),
        ({"unmapped": "template"}, "unmapped='template' is unknown. Choose one of error, missing"),
        ({"ignored": "drop"}, "ignored='drop' is unknown"),
    ],
)
def test_unknown_rules_are_refused(settings, message):
    with pytest.raises(CubeError, match=message):
        LandRules(**settings)


def test_years_must_be_chosen():
    plants = made_plant_types(years=(2018, 2020))
    with pytest.raises(CubeError, match=r"have years 2018, 2020 .* choose it with year="):
        land_shares(plants, None, LandRules())
    with pytest.raises(CubeError, match=r"unknown year '2019'. Known, nearest first: 201"):
        land_shares(plants, 2019, LandRules())
    two = land_shares(plants, 2020, LandRules())
    np.testing.assert_allclose(
        two.units, plants["landunit_fraction"].sel(year=2020).values.reshape(6, -1), atol=1e-12
    )


def test_other_data_sets_are_refused():
    plants = made_plant_types()
    with pytest.raises(CubeError, match="lacks cft_fraction, unmapped_fraction"):
        land_shares(plants.drop_vars(["cft_fraction", "unmapped_fraction"]), None, LandRules())
    with pytest.raises(CubeError, match="'natpft' is"):
        land_shares(plants.isel(natpft=slice(14)), None, LandRules())
    broken = plants.copy(deep=True)
    broken["natural_pft_fraction"][0] += 0.1
    with pytest.raises(CubeError, match=r"natural plant types are 0.1 away from their sum in 20"):
        land_shares(broken, None, LandRules())
    broken["natural_pft_fraction"][0] = np.nan
    with pytest.raises(CubeError, match="natural plant types are NaN away"):
        land_shares(broken, None, LandRules())
