"""Climate rules of plant types against the rules in plain words, one cell at a time."""

import itertools

import numpy as np
import pytest

from lulc_xr.core.clm import NATURAL_PFTS
from lulc_xr.core.errors import LegendError
from lulc_xr.core.plant_groups import (
    BARE,
    BROADLEAF,
    DECIDUOUS,
    EVERGREEN,
    EVERGREEN_SHRUB,
    GRASS,
    LARCH,
    LICHEN,
    NATURAL_GROUPS,
    NEEDLELEAF,
    SHRUB,
    TREE,
)
from lulc_xr.core.plant_rules import (
    CLIMATE_RULES,
    PlantClimateRules,
    find_climate_rules,
    split_groups,
)

RULES = PlantClimateRules()
# Either side of each threshold, and on it.
COLDEST = [-25.0, -19.0, -18.9, -15.0, -14.9, 2.9, 3.0, 15.5, 15.6]
WARMEST = [8.0, 22.0, 22.1]
DAYS = [500.0, 999.9, 1000.0, 1000.1, 1200.0, 1200.1, 4000.0]
RAIN = [300.0, 520.0, 521.0, 900.0]
WINTER = [0.3, 2 / 3, 0.7]
DRIEST = [0.0, 25.0, 25.1, 39.9, 40.0]
CLIMATES = np.array(
    [
        (c, w, d, r, share * r, dry)
        for c, w, d, r, share, dry in itertools.product(
            COLDEST, WARMEST, DAYS, RAIN, WINTER, DRIEST
        )
    ]
).T


def in_words(group, climate):
    """The rules for one group in one climate, as the issue's reference says them."""
    cold, warm, days, rain, winter, driest = climate
    if group == BARE:
        return "not_vegetated"
    if group == NEEDLELEAF:
        temperate = cold > -19 and days > 1200
        return f"needleleaf_evergreen_{'temperate' if temperate else 'boreal'}_tree"
    if group == LARCH:
        return "needleleaf_deciduous_boreal_tree"
    if group == EVERGREEN:
        return f"broadleaf_evergreen_{'tropical' if cold > 15.5 else 'temperate'}_tree"
    if group == DECIDUOUS:
        if cold > 15.5:
            return "broadleaf_deciduous_tropical_tree"
        temperate = -15 < cold <= 15.5 and days > 1200
        return f"broadleaf_deciduous_{'temperate' if temperate else 'boreal'}_tree"
    if group == BROADLEAF:
        keeps = days > 1200 and (cold > 15.5 or (cold >= 3 and driest < 40))
        return in_words(EVERGREEN if keeps else DECIDUOUS, climate)
    if group in (SHRUB, EVERGREEN_SHRUB):
        if not (cold > -19 and days > 1200):
            return "broadleaf_deciduous_boreal_shrub"
        if group == EVERGREEN_SHRUB or (rain > 520 and winter > 2 / 3 * rain):
            return "broadleaf_evergreen_shrub"
        return "broadleaf_deciduous_temperate_shrub"
    if group == GRASS:
        if days < 1000:
            return "c3_arctic_grass"
        c4 = days > 1000 and warm > 22 and driest > 25
        return "c4_grass" if c4 else "c3_non-arctic_grass"
    assert group == LICHEN
    return "c3_arctic_grass" if days < 1000 else "not_vegetated"


@pytest.mark.parametrize("group", [g for g in NATURAL_GROUPS if g != TREE])
def test_a_group_goes_where_the_rules_say_in_words(group):
    shares = np.zeros((CLIMATES.shape[1], len(NATURAL_GROUPS)))
    shares[:, group] = 0.25
    made = split_groups(shares, CLIMATES, rules=RULES)
    assert ((made > 0).sum(axis=1) == 1).all()
    np.testing.assert_array_equal(made.sum(axis=1), 0.25)
    names = np.array(NATURAL_PFTS)[made.argmax(axis=1)]
    expected = [in_words(group, climate) for climate in CLIMATES.T]
    np.testing.assert_array_equal(names, expected)


def test_trees_of_unknown_leaf_are_shared_between_needles_and_leaves():
    shares = np.zeros((CLIMATES.shape[1], len(NATURAL_GROUPS)))
    parts = np.zeros((2, *shares.shape))
    shares[:, TREE] = 1
    parts[0, :, NEEDLELEAF], parts[1, :, BROADLEAF] = 0.3, 0.7
    made = split_groups(shares, CLIMATES, rules=RULES, needleleaf_share=0.3)
    apart = sum(split_groups(part, CLIMATES, rules=RULES) for part in parts)
    np.testing.assert_allclose(made, apart, atol=1e-15)
    unknown = split_groups(shares, CLIMATES, rules=RULES, needleleaf_share=np.nan)
    half = split_groups(shares, CLIMATES, rules=RULES, needleleaf_share=0.5)
    np.testing.assert_array_equal(unknown, half)


def test_a_given_share_of_evergreen_trees_goes_before_the_rule():
    climate = np.array([[5.0], [20.0], [2500.0], [600.0], [400.0], [10.0]])
    shares = np.zeros((1, len(NATURAL_GROUPS)))
    shares[:, BROADLEAF] = 1
    names = dict(zip(NATURAL_PFTS, range(15), strict=True))
    keeps, sheds = (
        names[f"broadleaf_{word}_temperate_tree"] for word in ("evergreen", "deciduous")
    )
    for given, expected in ((None, 1.0), (np.nan, 1.0), (0.25, 0.25), (0.0, 0.0)):
        made = split_groups(shares, climate, rules=RULES, evergreen_share=given)[0]
        assert made[keeps] == expected
        assert made[sheds] == 1 - expected
    fewer = PlantClimateRules(evergreen_share=0.6)
    assert split_groups(shares, climate, rules=fewer)[0, keeps] == 0.6


def test_a_share_of_c4_grass_leaves_the_rest_to_c3():
    hot = np.array([[0.0], [24.0], [3000.0], [800.0], [300.0], [50.0]])
    shares = np.zeros((1, len(NATURAL_GROUPS)))
    shares[:, GRASS] = 1
    made = split_groups(shares, hot, rules=PlantClimateRules(c4_share=0.2))[0]
    assert made[14] == 0.2
    assert made[13] == 0.8


def test_plants_without_climate_are_refused_and_counted():
    climate = np.full((6, 3), 10.0)
    climate[2, 1:] = np.nan
    shares = np.zeros((3, len(NATURAL_GROUPS)))
    shares[:, BARE] = 0.5
    assert split_groups(shares, climate, rules=RULES)[:, 0].tolist() == [0.5] * 3
    shares[:2, GRASS] = 0.5
    with pytest.raises(LegendError, match=r"1 of 2 cells and years.*on_missing='nearest'"):
        split_groups(shares, climate, rules=RULES)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"c4_share": 1.5}, "c4_share=1.5.*0 to 1"), ({"c4_driest": np.nan}, "expected a number"),
     ({"tropical_coldest": -16.0}, "splits boreal from temperate")],
)  # fmt: skip
def test_thresholds_out_of_order_are_refused(wrong, words):
    with pytest.raises(LegendError, match=words):
        PlantClimateRules(**wrong)


def test_rules_are_found_by_name():
    assert find_climate_rules("bonan2002") is CLIMATE_RULES["bonan2002"]
    with pytest.raises(LegendError, match=r"unknown set of climate rules 'bonan'.*bonan2002"):
        find_climate_rules("bonan")
