"""Crosswalks: the table that they follow, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from lulc_xr.core.crosswalk import Crosswalk, CrosswalkRow
from lulc_xr.core.crosswalks import crosswalk, list_crosswalks
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.core.lucas import lucas_codes

CODES = lucas_codes("lucas_lc1")
FINE = Legend.from_names("fine", ["oak", "pine", "sand"])
COARSE = Legend.from_names("coarse", ["tree", "bare"])


def mapped(target, code, key=None, source="lucas_lc1"):
    """Class id that a code becomes; None where it is shared out or ignored."""
    found = crosswalk(source, target).map_labels(np.array(lucas_codes(source)[code]), key)
    return None if found == 255 else int(found)


def row(source, shares, **settings):
    return CrosswalkRow(source=source, shares=shares, published=False, reference="-", **settings)


def walk(*rows, **settings):
    return Crosswalk(source=FINE, target=COARSE, rows=rows, **settings)


@pytest.mark.parametrize(
    ("code", "worldcover", "elc10", "pflugmacher", "s2glc"),
    [
        ("A11", 50, 1, 1, 1), ("A30", 50, 1, 1, 1), ("B11", 40, 2, 2, 8), ("B55", 40, 2, 2, None),
        ("B71", None, 2, 3, 8), ("B82", 40, 2, 3, 9), ("B84", None, 2, 3, 8), ("BX1", 40, 2, 2, 8),
        ("BX2", 40, 2, 3, 8), ("C10", 10, 3, 4, 3), ("C22", 10, 3, 5, 4), ("C33", 10, 3, 6, None),
        ("D10", 20, 4, 7, None), ("E20", 30, 5, 8, 5), ("E30", 30, 5, None, 5),
        ("F10", 60, 6, 9, 2), ("F30", 100, 6, 9, None), ("G11", 80, 7, 10, 12),
        ("G40", 80, 7, 10, 12), ("G50", 70, 7, 12, 13), ("H11", 90, 8, 11, 10),
        ("H12", 90, 8, 11, 11), ("H21", 90, 8, 11, 10), ("H23", None, 8, 11, None),
    ],
)  # fmt: skip
def test_codes_become_the_classes_of_the_table(code, worldcover, elc10, pflugmacher, s2glc):
    assert mapped("worldcover", code) == worldcover
    assert mapped("elc10", code) == elc10
    assert mapped("pflugmacher", code) == pflugmacher
    assert mapped("s2glc", code) == s2glc


@pytest.mark.parametrize(
    ("code", "use", "level1", "level2"),
    [
        ("A11", "U370", 1, 11), ("A12", "U221", 1, 12), ("A13", "U341", 1, 12),
        ("A11", "U312", 1, 12), ("A11", "U350", 1, None), ("A22", "U312", 1, 12),
        ("A21", "U140", 1, 13), ("A21", "U362", 1, 14), ("B55", None, 2, 21),
        ("B82", None, 2, 22), ("BX2", None, 2, 22), ("C10", None, 3, 31), ("D20", None, 3, 32),
        ("E10", "U111", 2, 23), ("E20", "U420", 3, 32), ("E20", None, None, None),
        ("E30", "U111", 3, 32), ("F40", None, 3, 33), ("G21", None, 5, 51), ("G30", None, 5, 52),
        ("G50", None, 3, 33), ("H12", None, 4, 41), ("H22", None, 4, 42),
    ],
)  # fmt: skip
def test_land_use_decides_in_corine(code, use, level1, level2):
    assert mapped("corine_level2", code, use) == level2
    assert mapped("corine_level1", code, use) == level1


def test_region_decides_for_shrubs_in_s2glc():
    assert mapped("s2glc", "D10", "mediterranean") == 7
    assert mapped("s2glc", "D10", "boreal") == 6
    shares = crosswalk("lucas_lc1", "s2glc").matrix()[list(CODES).index("D10")]
    assert shares.tolist().count(0.5) == 2


def test_level_1_follows_published_code():
    found = [mapped("worldcover", c, source="lucas_lc1_level1") for c in "ABCDEFGH"]
    assert found == [50, 40, 10, 20, 30, 60, 80, 90]
    for target in ("worldcover", "elc10"):
        table = crosswalk("lucas_lc1_level1", target).table()
        assert set(table["status"]) == {"published"}


@pytest.mark.parametrize("pair", list_crosswalks(), ids=" to ".join)
def test_every_row_says_where_it_is_from(pair):
    table = crosswalk(*pair).table()
    assert set(table["status"]) <= {"published", "own proposal"}
    assert table["reference"].str.len().min() > 10
    per_row = table.groupby(["source", "key"], dropna=False)["share"].sum()
    ignored = table["target"] == ""
    assert per_row.isin([0, 1]).all()
    assert (table.loc[ignored, "share"] == 0).all()
    if pair[1] in ("s2glc", "corine_level1", "corine_level2") and pair[0] == "lucas_lc1":
        assert set(table["status"]) == {"own proposal"}


def test_keys_may_differ_from_label_to_label():
    walk_ = crosswalk("lucas_lc1", "corine_level2")
    labels = np.array([[CODES["E20"], CODES["E20"]], [CODES["C10"], 255]])
    uses = np.array([["U111", "U420"], [None, "U111"]], dtype=object)
    assert walk_.map_labels(labels, uses).tolist() == [[23, 32], [31, 255]]
    series = pd.Series(["U111", None, "U420"])
    assert walk_.map_labels(np.full(3, CODES["E10"]), series).tolist() == [23, 255, 32]
    with pytest.raises(LegendError, match=r"key has shape \(3,\); expected \(2, 2\)"):
        walk_.map_labels(labels, series)


def test_two_steps_are_one_product():
    fine = Crosswalk(
        source=FINE,
        target=COARSE,
        rows=(row(0, {0: 1.0}), row(1, {0: 0.25, 1: 0.75}), row(2, {})),
    )
    swap = Crosswalk(source=COARSE, target=COARSE, rows=(row(0, {1: 1.0}), row(1, {0: 1.0})))
    assert fine.then(swap).matrix().tolist() == [[0, 1], [0.75, 0.25], [0, 0]]
    assert fine.then(swap).ignored().tolist() == [False, False, True]
    half = Crosswalk(source=COARSE, target=COARSE, rows=(row(0, {1: 1.0}), row(1, {})))
    with pytest.raises(LegendError, match="class 1 of 'fine' is shared between classes of which"):
        fine.then(half)
    with pytest.raises(LegendError, match="to 'coarse' cannot be followed by one from 'fine'"):
        fine.then(fine)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(0, {0: 1.0})], "class 1, 2 of 'fine' has no row without a key"),
        ([row(0, {0: 0.6, 1: 0.6})], "shares of class 0 of 'fine' sum to 1.2"),
        ([row(0, {0: 1.5, 1: -0.5})], "expected positive shares that sum to 1"),
        ([row(9, {0: 1.0})], "class 9 is not part of legend 'fine', which has 0, 1, 2"),
        ([row(0, {7: 1.0})], "class 7 is not part of legend 'coarse'"),
        ([row(0, {}), row(0, {0: 1.0})], "class 0 of 'fine' has two rows for key None"),
        ([row(0, {0: 1.0}, key="north")], "the crosswalk has no second key"),
    ],
)
def test_bad_rows_are_refused(rows, message):
    with pytest.raises(LegendError, match=message):
        walk(*rows)


def test_bad_requests_are_refused():
    with pytest.raises(LegendError, match=r"unknown crosswalk 'lucas_lc1 to clc'\. Known, nearest"):
        crosswalk("lucas_lc1", "clc")
    plain = walk(row(0, {0: 1.0}), row(1, {0: 1.0}), row(2, {1: 1.0}))
    with pytest.raises(LegendError, match="has no second key, and key 'U111' was given"):
        plain.map_labels(np.array([0]), "U111")
    with pytest.raises(LegendError, match=r"labels outside legend 'fine': 7 \(1 times\)"):
        plain.map_labels(np.array([7]))
    with pytest.raises(LegendError, match=r"shape \(2, 4\); expected .* the 3 classes of 'fine'"):
        plain.map_probabilities(np.zeros((2, 4)))


# Code, use, our class at level 1, theirs: where two translations to CORINE see things differently.
DIFFERENCES = {
    "greenhouses of farms: a building here, agriculture there": ("A13", {"U111", "U113"}, 1, 2),
    "shrubs at houses: natural here, urban green there": ("D", {"U370", "U414"}, 3, 1),
    "grass in towns and gardens: natural here, urban green there": (
        "E", {"U113", "U341", "U342", "U350", "U361", "U362", "U370"}, 3, 1,
    ),
    "bare soil of mines and sites: natural here, artificial there": (
        "F", {"U140", "U330", "U350"}, 3, 1,
    ),
    "lagoons where salt is won: water here, wetland there": ("G30", {"U140"}, 5, 4),
}  # fmt: skip


def test_agreement_with_another_translation_to_corine(shared_data):
    """A table of LC1 and LU1 to CORINE by others says the same, but for known differences."""
    table = pd.read_csv(shared_data / "lucas/cz_2018/LUCAS_unique_lc1_lu1_combinations_ALL.csv")
    table["LC1"] = table["LC1"].str.strip()
    # Codes of campaigns before 2018 (C11, E01, U340, ...) have no class here; 9 is left open there.
    known = table["LC1"].isin(CODES) & table["LU1"].isin(lucas_codes("lucas_lu1"))
    table = table[known & (table["CLC1"] != 9)]
    assert len(table) > 700
    labels = table["LC1"].map(CODES).to_numpy()
    table["ours"] = crosswalk("lucas_lc1", "corine_level1").map_labels(labels, table["LU1"])
    differ = table[table["ours"] != table["CLC1"]]
    explained = [
        any(
            found["LC1"].startswith(code)
            and found["LU1"] in uses
            and (found["ours"], found["CLC1"]) == pair
            for code, uses, *rest in DIFFERENCES.values()
            if (pair := tuple(rest))
        )
        for found in differ.to_dict("records")
    ]
    assert all(explained)
    assert len(differ) / len(table) < 0.05
