"""Legends by name: complete, nested, and as the tables of the survey have them."""

import itertools
import json
import re

import pandas as pd
import pytest

from lulc_xr.core.errors import LegendError
from lulc_xr.core.legends import legend, list_legends
from lulc_xr.core.lucas import LUCAS_LEGENDS, cut_code, lucas_codes


@pytest.mark.parametrize("name", list_legends())
def test_every_legend_is_a_legend(name):
    found = legend(name)
    assert found.name == name
    assert len(found) > 3
    # Shades of one family may meet between families, never within.
    shades = {(c.parent, c.color) for c in found.classes}
    assert len(shades) == len(found)


@pytest.mark.parametrize("kind", ["lc1", "lu1"])
def test_levels_are_nested(kind):
    names = [f"lucas_{kind}{end}" for end in ("", "_level2", "_level1")]
    for fine, coarse in itertools.pairwise(names):
        above = lucas_codes(coarse)
        parents = {c.class_id: c.parent for c in legend(fine).classes}
        for code, class_id in lucas_codes(fine).items():
            assert parents[class_id] == above[cut_code(code, coarse)]
        assert set(parents.values()) == set(legend(coarse).ids)
    assert all(c.parent is None for c in legend(names[-1]).classes)


def test_sizes_of_the_nomenclature():
    sizes = {name: len(legend(name)) for name in LUCAS_LEGENDS}
    assert sizes["lucas_lc1_level1"] == 8
    assert sizes["lucas_lu1_level1"] == 4
    assert legend("lucas_lc1_level1").ids == legend("elc10").ids
    assert legend("worldcover").ids == (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
    assert legend("dynamic_world").ids == tuple(range(9))
    assert len(legend("s2glc")) == 13
    assert len(legend("pflugmacher")) == 12
    parents = {c.class_id: c.parent for c in legend("corine_level2").classes}
    assert all(parent == class_id // 10 for class_id, parent in parents.items())
    assert set(parents.values()) == set(legend("corine_level1").ids)


def test_codes_and_names_of_land_cover_are_those_of_the_survey(shared_data):
    table = pd.read_csv(shared_data / "lucas/lucas_lc1_names.csv", sep=";", dtype=str)
    table = table[table["code"] != "-1"]
    plain = table["name"].str.lower().str.replace(r"[^a-z0-9]+", "_", regex=True).str.strip("_")
    given = (table["code"].str.upper() + "_" + plain).tolist()
    # That table has no sea (G40); the list of codes has it.
    assert [n for n in legend("lucas_lc1").names if not n.startswith("G40")] == given
    codes = pd.read_csv(shared_data / "lucas/cz_2018/lc1_codes.csv")["code"].str.upper()
    assert set(codes) == set(lucas_codes("lucas_lc1"))


def test_levels_of_land_cover_are_those_of_other_tables(shared_data):
    path = shared_data / "lucas/cz_2018/aggregation_lc1_h_to_level1.json"
    groups = json.loads(path.read_text())
    for group, codes in groups.items():
        assert {cut_code(code.upper(), "lucas_lc1_level1") for code in codes} == {group[0]}
    text = (shared_data / "lucas/lucas_lc1_to_lc.yaml").read_text()
    given = {code.upper() for code in re.findall(r"^'(\w+)'", text, re.M)}
    # Classes of other levels and of photo-interpretation only.
    given -= {"BX1", "BX2", "CX", "DX", "FX", "GX"}
    assert given == set(lucas_codes("lucas_lc1_level2"))


def test_codes_of_the_survey_are_in_the_legends(shared_data):
    table = pd.read_csv(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv")
    assert set(table["LC"].str.upper()) <= set(lucas_codes("lucas_lc1"))
    assert set(table["LU"]) <= set(lucas_codes("lucas_lu1"))


def test_unknown_legend_is_named():
    with pytest.raises(LegendError, match=r"unknown legend 'world_cover'.*first: worldcover"):
        legend("world_cover")
