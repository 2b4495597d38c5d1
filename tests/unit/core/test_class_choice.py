"""Classes are chosen by name, id, or group; what is not known is said with the nearest first."""

import numpy as np
import pytest

from lulc_xr.core.class_choice import choose_classes, class_groups
from lulc_xr.core.corine import corine_codes
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.core.legends import legend
from lulc_xr.core.lucas import lucas_codes

WORLDCOVER = legend("worldcover")


def test_names_and_ids_may_be_mixed_and_come_in_the_order_of_the_legend():
    assert choose_classes(WORLDCOVER, ("cropland", np.uint8(10))) == (10, 40)
    assert choose_classes(WORLDCOVER, 40) == choose_classes(WORLDCOVER, ["cropland", 40]) == (40,)


@pytest.mark.parametrize("level", ["lucas_lc1_level2", "lucas_lc1"])
def test_a_group_of_lucas_is_all_codes_that_begin_like_it(level):
    by_code = {i for code, i in lucas_codes(level).items() if code.startswith("B")}
    assert set(choose_classes(legend(level), "cropland")) == by_code
    assert len(by_code) > 5


def test_groups_of_all_levels_above_are_known():
    codes = corine_codes()
    forests = {i for code, i in codes.items() if code // 10 == 31}
    artificial = {i for code, i in codes.items() if code // 100 == 1}
    assert set(choose_classes(legend("corine_level3"), "forests")) == forests
    assert set(choose_classes(legend("corine_level3"), "artificial_surfaces")) == artificial


def test_a_legend_read_from_flags_keeps_its_groups():
    full = legend("lucas_lc1_level2")
    read = Legend.from_flags(full.flags())
    assert class_groups(read) == class_groups(full) != {}


def test_a_group_has_only_classes_that_the_map_has():
    full = legend("lucas_lc1_level2")
    part = Legend(name=full.name, classes=tuple(c for c in full.classes if "B1" in c.name))
    assert choose_classes(part, "cropland") == part.ids
    assert "water" not in class_groups(part)


def test_legends_without_levels_have_no_groups():
    assert class_groups(WORLDCOVER) == {}
    assert class_groups(Legend.from_names("lucas", ["cropland"])) == {}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("croplan", "unknown class of legend 'worldcover' 'croplan'. Known, nearest first: crop"),
        (11, "legend 'worldcover' has no class id 11; its ids are 10 (tree_cover), 20 (shrub"),
        ([], "no class is given. Choose of tree_cover, shrubland"),
        (["cropland", 2.5], "unknown class of legend 'worldcover' '2.5'"),
    ],
)
def test_what_is_not_known_is_said(choice, said):
    with pytest.raises(LegendError) as caught:
        choose_classes(WORLDCOVER, choice)
    assert said in str(caught.value)
