"""The page on plant types shows the rows and the thresholds that are in use."""

import re

import pytest

from lulc_xr.core.lucas import lucas_codes
from lulc_xr.core.plant_crosswalks import plant_crosswalk
from lulc_xr.core.plant_rules import PlantClimateRules
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def page():
    return (ROOT / "examples" / "methods" / "plant_types.md").read_text(encoding="utf-8")


def test_the_table_of_lucas_is_the_crosswalk(page):
    walk = plant_crosswalk("lucas_lc1")
    numbers = {name: i for i, name in zip(walk.target.ids, walk.target.names, strict=True)}
    shown = {}
    for codes, shares in re.findall(r"^\| ([A-HX0-9 ]{3,}) \| (.+?) \|", page, re.MULTILINE):
        found = re.findall(r"([\d.]+ )?`(\w+)`(?: \((\d+)\))?", shares)
        row = {numbers[name]: float(share or 1) for share, name, _ in found}
        assert all(int(number) == numbers[name] for _, name, number in found if number)
        shown |= dict.fromkeys(codes.split(), row)
    codes = {class_id: code for code, class_id in lucas_codes("lucas_lc1").items()}
    assert shown == {codes[row.source]: dict(row.shares) for row in walk.rows}


def test_the_thresholds_shown_are_those_in_use(page):
    rules = page[page.index("| Group | becomes") : page.index("**What was verified.**")]
    shown = {float(n) for n in re.findall(r"(?<![\w(])(-?\d+(?:\.\d+)?) (?:°C|mm)", rules)}
    shown |= {float(n) for n in re.findall(r"GDD [<>]=? (\d+)", rules)}
    used = PlantClimateRules().thresholds()
    assert shown == {v for name, v in used.items() if not name.endswith("_share")}
