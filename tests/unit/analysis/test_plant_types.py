"""Plant types of CLM5: the schema, where each class goes, options, refusals, real places."""

import json

import dask
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.clm import CROPS, LANDUNITS, NATURAL_PFTS
from lulc_xr.core.plant_groups import LANDUNIT_GROUPS, NATURAL_GROUPS, NEEDLELEAF, OCEAN
from lulc_xr.core.plant_rules import PLANT_CLIMATE, split_groups
from tests.fractions import made_fractions

# A place near Bonn: months of about 2 to 19 degC, wet all the year.
MILD = dict(zip(PLANT_CLIMATE, (2.5, 18.5, 2200.0, 800.0, 380.0, 50.0), strict=True))
COLD = dict(zip(PLANT_CLIMATE, (-14.0, 14.0, 800.0, 500.0, 200.0, 25.0), strict=True))


def climate(fractions, values=MILD):
    dims = ("lat", "lon")
    shape = tuple(fractions.sizes[d] for d in dims)
    variables = {name: (dims, np.full(shape, value)) for name, value in values.items()}
    return xr.Dataset(variables, {d: fractions[d] for d in dims})


def pure(name, **options):
    """As many cells as classes, each wholly of one class."""
    classes = lx.legend(name)
    shares = np.eye(len(classes))[:, None, None, :]
    return made_fractions(classes, shares, shape=(1, len(classes)), step=0.25, **options)


@pytest.mark.parametrize("name", lx.list_plant_crosswalks())
@pytest.mark.parametrize("values", [MILD, COLD])
def test_a_cell_of_one_class_goes_wholly_where_its_row_says(name, values):
    fractions = pure(name)
    types = lx.plant_functional_types(fractions, climate=climate(fractions, values), crops="types")
    walk = lx.plant_crosswalk(name)
    for place, class_id in enumerate(walk.source.ids):
        row = next(r for r in walk.rows if r.source == class_id)
        cell = types.isel(lat=0, lon=place, year=0)
        groups = np.zeros(len(NATURAL_GROUPS))
        for group, share in row.shares.items():
            if group in NATURAL_GROUPS:
                groups[group] = share
            elif group in CROPS:
                assert float(cell["cft_fraction"].sel(cft=CROPS[group])) == pytest.approx(share)
            elif group == OCEAN:
                assert float(cell["ocean_fraction"]) == share
            else:
                unit = next(n for n, number in LANDUNIT_GROUPS.items() if number == group)
                assert float(cell["landunit_fraction"].sel(landunit=unit)) == share
        expected = split_groups(groups, list(values.values()), rules=lx.PlantClimateRules())
        np.testing.assert_allclose(cell["natural_pft_fraction"], expected, atol=1e-15)
        assert float(cell["ignored_fraction"]) == (not row.shares)


def test_variables_and_coordinates_are_as_agreed():
    fractions = made_fractions(lx.legend("lucas_lc1_level1"), years=(2015, 2018))
    types = lx.plant_functional_types(fractions, climate=climate(fractions))
    cells = ("year", "lat", "lon")
    dims = {name: types[name].dims for name in types.data_vars if name.endswith("_fraction")}
    assert dims == {
        "landunit_fraction": ("landunit", *cells), "natural_pft_fraction": ("natpft", *cells),
        "cft_fraction": ("cft", *cells), "ocean_fraction": cells, "ignored_fraction": cells,
        "unmapped_fraction": cells, "covered_fraction": ("lat", "lon"),
    }  # fmt: skip
    assert types["landunit"].values.tolist() == list(LANDUNITS)
    assert types["natpft"].values.tolist() == list(NATURAL_PFTS)
    assert types["natpft_id"].values.tolist() == list(range(15))
    assert types["cft"].values.tolist() == ["c3_crop", "c3_irrigated"]
    assert types["cft_id"].values.tolist() == [15, 16]
    np.testing.assert_array_equal(types["unmapped_fraction"], fractions["unmapped_fraction"])
    for name in ("lat", "lon", "lat_bnds", "lon_bnds", "crs", "year"):
        xr.testing.assert_identical(types[name].variable, fractions[name].variable)
    assert "class" not in types.variables
    for name in dims:
        assert types[name].attrs["units"] == "1"
        assert types[name].encoding["grid_mapping"] == "crs"
        assert types[name].dtype == np.float64
    many = lx.plant_functional_types(fractions, climate=climate(fractions), crops="types")
    assert many["cft_id"].values.tolist() == list(range(15, 79))
    # Level 1 does not tell crops: they stay in the first.
    np.testing.assert_array_equal(
        many["cft_fraction"].sel(cft="c3_crop"), types["cft_fraction"].sel(cft="c3_crop")
    )


def test_what_was_used_is_kept_as_json():
    fractions = made_fractions(lx.legend("lucas_lc1"))
    rules = lx.PlantClimateRules(name="mine", source="my own", c4_share=0.1)
    types = lx.plant_functional_types(
        fractions, climate=climate(fractions), climate_rules=rules, needleleaf_share=0.3,
        irrigated_share=xr.zeros_like(fractions["cell_area"]), wetland="grass",
    )  # fmt: skip
    said = json.loads(types.attrs["climate_rules"])
    assert said["name"] == "mine"
    assert said["source"] == "my own"
    assert said["thresholds"] == rules.thresholds()
    assert said["thresholds"]["c4_share"] == 0.1
    assert said["needleleaf_share"] == 0.3
    assert said["irrigated_share"] == "given per cell"
    assert said["evergreen_share"] is None
    assert (said["crops"], said["wetland"], said["of"]) == ("generic", "grass", "land_cover")
    assert said["climate"] == "given ready; given on the cells"
    walk = json.loads(types.attrs["crosswalk"])
    assert walk["source"] == "lucas_lc1"
    rows = {row["class"]: row for row in walk["rows"]}
    assert set(rows) == set(lx.legend("lucas_lc1").names)
    assert rows["B13_barley"]["shares"] == {"barley": 0.5, "winter_barley": 0.5}
    assert all(row["status"] == "own proposal" and row["reference"] for row in rows.values())
    assert types.attrs["lulc_xr:sources"] == fractions.attrs["lulc_xr:sources"]
    assert types.attrs["history"].splitlines()[0] == fractions.attrs["history"]


def test_irrigation_moves_rainfed_crops_to_their_twins():
    fractions = pure("corine_level3")
    share = xr.DataArray(np.full((1, 44), 0.25), {"lat": fractions["lat"], "lon": fractions["lon"]})
    types = lx.plant_functional_types(
        fractions, climate=climate(fractions), crops="types", irrigated_share=share
    )
    crops = types["cft_fraction"].isel(year=0, lat=0)
    place = {c.name: n for n, c in enumerate(lx.legend("corine_level3").classes)}
    grapes = crops.isel(lon=place["vineyards"])
    assert float(grapes.sel(cft="grapes")) == 0.75
    assert float(grapes.sel(cft="irrigated_grapes")) == 0.25
    # What is irrigated already stays so.
    assert float(crops.isel(lon=place["rice_fields"]).sel(cft="irrigated_rice")) == 1
    irrigated = crops.isel(lon=place["permanently_irrigated_land"])
    assert float(irrigated.sel(cft="c3_irrigated")) == 1
    few = lx.plant_functional_types(fractions, climate=climate(fractions), irrigated_share=share)
    assert float(few["cft_fraction"].isel(year=0, lat=0, lon=place["rice_fields"])[1]) == 1
    np.testing.assert_allclose(few["cft_fraction"].sum("cft"), types["cft_fraction"].sum("cft"))


def test_wetland_becomes_grass_where_the_model_has_none():
    fractions = pure("elc10")
    kept, grass = (
        lx.plant_functional_types(fractions, climate=climate(fractions), wetland=how)
        for how in ("landunit", "grass")
    )
    place = {"lon": 7, "lat": 0, "year": 0}
    assert float(kept["landunit_fraction"].sel(landunit="wetland").isel(place)) == 1
    assert float(grass["landunit_fraction"].sel(landunit="wetland").isel(place)) == 0
    assert float(grass["natural_pft_fraction"].sel(natpft="c3_non-arctic_grass").isel(place)) == 1


def test_water_that_the_model_takes_for_sea_is_ocean():
    classes = lx.legend("worldcover")
    shares = np.zeros((len(classes), 1, 1, 4))
    shares[classes.names.index("permanent_water_bodies")] = [1.0, 0.6, 0.6, 0.6]
    shares[classes.names.index("grassland")] = [0.0, 0.4, 0.4, 0.4]
    fractions = made_fractions(classes, shares, shape=(1, 4))
    land = xr.DataArray([[0.0, 0.4, 0.7, np.nan]], dims=("lat", "lon"))
    types = lx.plant_functional_types(fractions, climate=climate(fractions), land_fraction=land)
    lake = types["landunit_fraction"].sel(landunit="lake").squeeze()
    np.testing.assert_allclose(types["ocean_fraction"].squeeze(), [1, 0.6, 0.3, 0])
    np.testing.assert_allclose(lake, [0, 0, 0.3, 0.6], atol=1e-12)


def test_classes_in_another_order_or_some_of_them_find_their_rows():
    whole = made_fractions(lx.legend("lucas_lc1_level1"), seed=5)
    order = [4, 2, 0]
    some = lx.Legend(
        name="lucas_lc1_level1",
        classes=tuple(lx.legend("lucas_lc1_level1").classes[n] for n in order),
    )
    shares = whole["fraction"].values[order]
    part = made_fractions(some, shares)
    made = lx.plant_functional_types(part, climate=climate(part))
    rest = whole.assign(fraction=whole["fraction"].where(whole["class"].isin(some.names), 0.0))
    expected = lx.plant_functional_types(rest, climate=climate(whole))
    for name in ("landunit_fraction", "natural_pft_fraction", "cft_fraction"):
        np.testing.assert_allclose(made[name], expected[name], atol=1e-15)


def own_crosswalk(target):
    legend = lx.Legend.from_names("demo", ["field", "wood", "cloud"])
    rows = [({15: 1.0}, {1: 1.0}, {}), ({2: 1.0}, {3: 1.0}, {})][target != "groups"]
    return lx.Crosswalk(
        source=legend,
        target=lx.plant_group_legend() if target == "groups" else lx.legend(target),
        rows=tuple(
            lx.CrosswalkRow(source=n, shares=shares, published=False, reference="test")
            for n, shares in enumerate(rows)
        ),
    )


@pytest.mark.parametrize("target", ["groups", "elc10"])
def test_an_own_crosswalk_leads_to_plant_groups_or_a_known_legend(target):
    walk = own_crosswalk(target)
    fractions = made_fractions(walk.source, np.array([0.5, 0.3, 0.2]).reshape(3, 1, 1, 1))
    with pytest.raises(lx.LegendError, match=r"unknown legend.*'demo'.*crosswalk=Crosswalk"):
        lx.plant_functional_types(fractions, climate=climate(fractions))
    types = lx.plant_functional_types(
        fractions, climate=climate(fractions), crosswalk=walk, needleleaf_share=1.0
    )
    np.testing.assert_allclose(types["ignored_fraction"], 0.2)
    np.testing.assert_allclose(types["cft_fraction"].sel(cft="c3_crop"), 0.5)
    needles = types["natural_pft_fraction"].sel(natpft=NATURAL_PFTS[NEEDLELEAF])
    np.testing.assert_allclose(needles, 0.3)


def test_expected_fractions_are_split_like_counted_ones():
    fractions = made_fractions(lx.legend("elc10"), expected=True)
    # As bytes of probability add up: a little more than the mapped part.
    fractions["expected_fraction"] = fractions["expected_fraction"] * 1.3
    types = lx.plant_functional_types(fractions, climate=climate(fractions), of="probability")
    whole = types["landunit_fraction"].sum("landunit") + types["unmapped_fraction"]
    np.testing.assert_allclose(whole, 1, atol=1e-12)
    assert float(types["unmapped_fraction"].min()) == 0
    assert json.loads(types.attrs["climate_rules"])["of"] == "probability"


def refuse(*_, **__):
    raise AssertionError("computed")


def test_nothing_is_computed_before_it_is_asked_for():
    fractions = made_fractions(lx.legend("lucas_lc1"), shape=(6, 5), years=(2015, 2018), lazy=True)
    with dask.config.set(scheduler=refuse):
        types = lx.plant_functional_types(
            fractions, climate=climate(fractions).chunk(), crops="types",
            land_fraction=xr.ones_like(fractions["cell_area"]), on_missing="nearest",
            years=[2018],
        )  # fmt: skip
        lazy = [n for n, v in types.data_vars.items() if v.chunks is not None]
        assert {n for n in types.data_vars if n.endswith("_fraction")} <= set(lazy)
    assert types["year"].values.tolist() == [2018]
    known = made_fractions(lx.legend("lucas_lc1"), shape=(6, 5), years=(2015, 2018))
    expected = lx.plant_functional_types(known, climate=climate(known), crops="types")
    xr.testing.assert_allclose(types["cft_fraction"], expected["cft_fraction"].sel(year=[2018]))


def test_maps_on_a_grid_in_one_call():
    legend = lx.legend("lucas_lc1_level1")
    ids = np.random.default_rng(2).choice(np.array([*legend.ids, 255], np.uint8), (1, 60, 80))
    x, y = 400_000 + 100.0 * np.arange(80), 5_620_000 - 100.0 * np.arange(60)
    maps = xr.Dataset(
        {"land_cover": (("year", "y", "x"), ids, legend.flags() | {"grid_mapping": "spatial_ref"})},
        {"year": [2018], "y": y, "x": x,
         "spatial_ref": ((), 0, {"crs_wkt": rasterio.crs.CRS.from_epsg(32632).to_wkt()})},
    ).chunk({"y": 30})  # fmt: skip
    grid = lx.lonlat_grid(7.5, 50.6, 7.8, 50.8, step=0.1)
    lat, lon = grid.coordinates()["lat"], grid.coordinates()["lon"]
    here = xr.Dataset(
        {n: (("lat", "lon"), np.full((2, 3), v)) for n, v in MILD.items()}, {"lat": lat, "lon": lon}
    )
    made = maps.lulc.plant_functional_types(grid, climate=here)
    assert made["cft_fraction"].chunks is not None
    fractions = lx.fractions(maps, grid)
    expected = fractions.lulc.plant_functional_types(climate=here)
    xr.testing.assert_allclose(made, expected)
    whole = made["landunit_fraction"].sum("landunit") + sum(
        made[f"{n}_fraction"] for n in ("ocean", "ignored", "unmapped")
    )
    np.testing.assert_allclose(whole, 1, atol=1e-6)
    # Pixels of the transverse Mercator projection differ from 100 m by 0.03 % here.
    field = float((made["cft_fraction"] * made["cell_area"]).sum())
    assert field == pytest.approx(1e4 * (ids == 2).sum(), rel=1e-3)


def test_what_cannot_be_told_is_refused():
    fractions = made_fractions(lx.legend("elc10"))
    here = climate(fractions)
    nowhere = here.where(here["lon"] < -7)
    off = xr.zeros_like(fractions["cell_area"]).assign_coords(lat=fractions["lat"] + 1)
    for options, kind, words in (
        ({"of": "entropy"}, lx.LegendError, "unknown kind of fractions"),
        ({"crops": "all"}, lx.LegendError, "unknown way of telling crops"),
        ({"wetland": "bog"}, lx.LegendError, "unknown way of taking wetland"),
        ({"climate_rules": "koeppen"}, lx.LegendError, "unknown set of climate rules"),
        ({"of": "probability"}, lx.CubeError, "no expected_fraction.*with of='probability'"),
        ({"years": [1990]}, lx.CubeError, "no year 1990, but 2018"),
        ({"irrigated_share": 30.0}, lx.CubeError, "between 30 and 30; expected shares from 0 to 1"),
        ({"needleleaf_share": off}, lx.CubeError, "other cells along 'lat'"),
        ({"land_fraction": off.rename(lat="y")}, lx.CubeError, r"expected some of \('year', 'lat'"),
        ({"climate": nowhere}, lx.LegendError, r"6 of 12 cells and years.*on_missing='nearest'"),
        ({"crosswalk": lx.crosswalk("elc10", "lucas_lc1_level1").then(
            lx.Crosswalk(source=lx.legend("lucas_lc1_level1"), target=lx.legend("corine_level1"),
                         rows=tuple(lx.CrosswalkRow(source=i, shares={1: 1.0}, published=False,
                                                    reference="") for i in range(1, 9))))},
         lx.LegendError, "leads to 'corine_level1'; expected plant groups"),
        ({"crosswalk": lx.plant_crosswalk("s2glc")}, lx.LegendError, "has no row for"),
    ):  # fmt: skip
        with pytest.raises(kind, match=words):
            lx.plant_functional_types(fractions, **({"climate": here} | options))
    with pytest.raises(lx.CubeError, match="are no fractions, so a grid is needed"):
        lx.plant_functional_types(here, climate=here)
    with pytest.raises(lx.LegendError, match="Select no classes before"):
        lx.plant_functional_types(fractions.isel({"class": [0, 1]}), climate=here)
    filled = lx.plant_functional_types(fractions, climate=nowhere, on_missing="nearest")
    xr.testing.assert_allclose(filled, lx.plant_functional_types(fractions, climate=here))


def test_fractions_of_points_have_no_unmapped_share_and_are_taken_too():
    points = pd.DataFrame(
        {"x": [-7.8, -7.7, -7.2], "y": [40.2, 40.3, 40.2], "land_cover": [2, 3, 5]}
    )
    grid = lx.lonlat_grid(-8.0, 40.0, -6.5, 40.5, step=0.5)
    fractions = lx.fractions_from_points(
        points, grid, legend=lx.legend("elc10"), crs="EPSG:4326"
    )  # fmt: skip
    here = climate(fractions)
    with pytest.raises(lx.CubeError, match=r"expand_dims\(year="):
        lx.plant_functional_types(fractions, climate=here)
    types = lx.plant_functional_types(fractions.expand_dims(year=[2018]), climate=here)
    assert types["unmapped_fraction"].squeeze().values.tolist() == [0, 0, 1]
    assert types["cft_fraction"].sel(cft="c3_crop").squeeze().values.tolist() == [0.5, 0, 0]
    whole = types["landunit_fraction"].sum("landunit") + types["unmapped_fraction"]
    np.testing.assert_allclose(whole, 1)


def test_another_map_tells_how_many_trees_are_needleleaf():
    """As the page on plant types shows it: a share of each cell, NaN where no tree is."""
    other = made_fractions(lx.legend("clcplus_backbone"), seed=7)["fraction"].sel(year=2018)
    other = other.where(other["lat"] > 40.5, 0.0)
    needles = other.sel({"class": "woody_needle_leaved_trees"})
    names = ["woody_broadleaved_deciduous_trees", "woody_broadleaved_evergreen_trees"]
    share = needles / (needles + other.sel({"class": names}).sum("class"))
    fractions = made_fractions(lx.legend("worldcover"))
    types = lx.plant_functional_types(
        fractions, climate=climate(fractions), needleleaf_share=share
    ).isel(year=0)
    trees = fractions["fraction"].sel({"class": "tree_cover"}).isel(year=0)
    found = types["natural_pft_fraction"].sel(natpft="needleleaf_evergreen_temperate_tree")
    np.testing.assert_allclose(found, trees * share.fillna(0.5))
    assert share.isnull().any()
