"""Crosswalks to plant groups: whole, and at one with those to LUCAS."""

import numpy as np
import pytest

from lulc_xr.core.clm import CROPS
from lulc_xr.core.crosswalks import crosswalk, list_crosswalks
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legends import legend, list_legends
from lulc_xr.core.lucas import cut_code, lucas_codes
from lulc_xr.core.plant_crosswalks import list_plant_crosswalks, plant_crosswalk
from lulc_xr.core.plant_groups import NATURAL_GROUPS, plant_group_legend

LAND_COVER = "lucas_lc1_level1"
# What each group is at level 1 of LUCAS.
LEVEL1 = {
    **dict.fromkeys(("bare_ground", "lichen_and_moss"), "bare_land"),
    **dict.fromkeys(("shrub", "broadleaf_evergreen_shrub"), "shrubland"),
    **dict.fromkeys(CROPS.values(), "cropland"),
    **dict.fromkeys(("lake", "glacier", "ocean"), "water"),
    "grass": "grassland", "wetland": "wetland", "urban": "artificial_land",
}  # fmt: skip
# Classes that the two crosswalks see differently, and why.
OTHERWISE = {
    "mangroves": "trees that stand in water",
    "salines": "wetland to LUCAS, ground without plants to a land model",
    "intertidal_flats": "wetland to LUCAS, sea to a land model",
    "green_urban_areas": "LUCAS ignores what cannot be told; here it is shared out",
    "sport_and_leisure_facilities": "as above",
    "agriculture_with_significant_areas_of_natural_vegetation": "as above",
    "sparsely_vegetated_areas": "bare to LUCAS, partly grass to a land model",
}


@pytest.mark.parametrize("name", list_plant_crosswalks())
def test_each_class_of_each_legend_is_shared_out_or_ignored(name):
    walk = plant_crosswalk(name)
    assert walk.source == legend(name)
    sums = walk.matrix().sum(axis=1)
    ignored = walk.ignored()
    np.testing.assert_allclose(sums[~ignored], 1, atol=1e-12)
    assert {c.name for c, no in zip(walk.source.classes, ignored, strict=True) if no} <= {
        "burnt_areas"
    }
    table = walk.table()
    assert set(table["status"]) == {"own proposal"}
    assert (table["reference"].str.len() > 0).all()


def test_every_legend_of_land_cover_has_one():
    # Level 1 of CORINE joins forest, shrubs, grass and glaciers: nothing to be said.
    without = set(list_legends()) - set(list_plant_crosswalks())
    assert without == {"corine_level1", *(n for n in list_legends() if n.startswith("lucas_lu1"))}


@pytest.mark.parametrize("name", [a for a, b in list_crosswalks() if b == LAND_COVER])
def test_groups_agree_with_the_crosswalks_to_lucas(name):
    plants, lucas = plant_crosswalk(name), crosswalk(name, LAND_COVER)
    words = {g: LEVEL1.get(g, "woodland") for g in plants.target.names}
    columns = [lucas.target.names.index(words[g]) for g in plants.target.names]
    merged = np.zeros(lucas.matrix().shape)
    np.add.at(merged, (slice(None), columns), plants.matrix())
    for class_, ours, theirs in zip(plants.source.classes, merged, lucas.matrix(), strict=True):
        code = class_.name.split("_", 1)[-1] if name.startswith("lucas") else class_.name
        if not any(code.startswith(other) for other in OTHERWISE):
            np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=class_.name)


@pytest.mark.parametrize("level", ["lucas_lc1_level2", "lucas_lc1_level1"])
def test_coarser_levels_lead_to_land_units_of_finer_ones(level):
    """A class of a coarser level becomes what one of its parts becomes, crops all alike."""
    fine, coarse = plant_crosswalk("lucas_lc1"), plant_crosswalk(level)
    parents = lucas_codes(level)
    kinds = {i: "natural" if i in NATURAL_GROUPS else i for i in plant_group_legend().ids}
    kinds |= dict.fromkeys(CROPS, "crop")
    parts = {i: set() for i in coarse.source.ids}
    for code, class_id in lucas_codes("lucas_lc1").items():
        row = next(r for r in fine.rows if r.source == class_id)
        parts[parents[cut_code(code, level)]] |= {kinds[i] for i in row.shares}
    for row in coarse.rows:
        assert {kinds[i] for i in row.shares} <= parts[row.source]


def test_unknown_legend_names_the_known_ones():
    with pytest.raises(LegendError, match=r"unknown legend with a crosswalk.*corine_level3"):
        plant_crosswalk("corine_level1")
