"""Crosswalks from the legends of maps to plant groups, crops and land units, row by row.

No published table from LUCAS, WorldCover or CORINE to CLM5 was found: every row is our own
proposal, made by matching definitions. ``Crosswalk.table()`` lists them with their reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lulc_xr.core.clm import crop_number
from lulc_xr.core.corine import corine_codes
from lulc_xr.core.crosswalk import Crosswalk, CrosswalkRow
from lulc_xr.core.errors import LegendError, name_unknown
from lulc_xr.core.legends import legend
from lulc_xr.core.lucas import lucas_codes
from lulc_xr.core.plant_groups import (
    BARE,
    BROADLEAF,
    CROP,
    DECIDUOUS,
    EVERGREEN,
    EVERGREEN_SHRUB,
    GLACIER,
    GRASS,
    IRRIGATED_CROP,
    LAKE,
    LICHEN,
    NEEDLELEAF,
    OCEAN,
    SHRUB,
    TREE,
    URBAN,
    WETLAND,
    plant_group_legend,
)

_MATCHED = "definitions matched; no published table was found"
_HALF = "mixed: half of each"
_SOWING = "sown in spring or autumn is not said"
_WINTER_WHEAT = "94 to 95 % of Europe's wheat is winter wheat (ESCOMP/CTSM, issue 269)"

_Row = tuple[str, Mapping[int, float], str]
"""Codes or their beginnings, shares of groups, reason."""


def _one(codes: str, group: int, why: str = _MATCHED) -> _Row:
    return (codes, {group: 1.0}, why)


def _crop(codes: str, name: str, why: str = _MATCHED) -> _Row:
    return (codes, {crop_number(name): 1.0}, why)


_MIXED = {NEEDLELEAF: 0.5, BROADLEAF: 0.5}
_NO_TYPE = f"{_MATCHED}; CLM5 has no such crop"
_PALE = "lichens and moss have no plant type in CLM5: arctic grass in a cold climate, else bare"
_TIDAL = "flooded by the sea every day"

_LUCAS: tuple[_Row, ...] = (
    _one("A", URBAN),
    _crop("B11 B12", "winter_wheat", f"{_SOWING}: {_WINTER_WHEAT}"),
    ("B13", {crop_number("barley"): 0.5, crop_number("winter_barley"): 0.5}, f"{_SOWING}: {_HALF}"),
    _crop("B14", "winter_rye", f"{_SOWING}: winter rye is the rule in Europe"),
    _crop("B16", "temperate_corn"),
    _crop("B17", "rice"),
    _crop("B21", "potatoes"),
    _crop("B22", "sugarbeet"),
    _crop("B31", "sunflower"),
    _crop("B32", "rapeseed"),
    _crop("B33", "temperate_soybean"),
    _crop("B34", "cotton"),
    _crop("B41", "pulses"),
    _crop("B51 B52 B53 B55", "foddergrass"),
    _crop("B76 B77", "citrus"),
    _crop("B82", "grapes"),
    _one("B15 B18 B19 B23 B35 B36 B37 B42 B43 B44 B45 B54", CROP, _NO_TYPE),
    _one("B71 B72 B73 B74 B75 B81 B83 B84", CROP, _NO_TYPE),
    _one("BX", CROP, f"{_MATCHED}; the crop is not said"),
    _one("C1", BROADLEAF),
    _one("C2", NEEDLELEAF, f"{_MATCHED}; larch is not told apart"),
    ("C3", _MIXED, _HALF),
    _one("D", SHRUB),
    _one("E", GRASS),
    _one("F10 F20 F40", BARE),
    _one("F30", LICHEN, _PALE),
    _one("G1 G2", LAKE),
    _one("G3 G4", OCEAN),
    _one("G5", GLACIER),
    _one("H11 H12 H21", WETLAND),
    _one("H22", BARE, f"{_MATCHED}; salt without plants"),
    _one("H23", OCEAN, _TIDAL),
)

_LUCAS_2: tuple[_Row, ...] = (
    _one("A", URBAN),
    _one("B", CROP, "the crop is not said at this level"),
    _one("C1", BROADLEAF),
    _one("C2", NEEDLELEAF, f"{_MATCHED}; larch is not told apart"),
    ("C3", _MIXED, _HALF),
    _one("D", SHRUB),
    _one("E", GRASS),
    _one("F1 F2 F4", BARE),
    _one("F3", LICHEN, _PALE),
    _one("G1 G2", LAKE),
    _one("G3 G4", OCEAN),
    _one("G5", GLACIER),
    _one("H1", WETLAND),
    _one("H2", WETLAND, "salt marshes, salines and tidal flats are not told apart: taken as marsh"),
)

_WATER = "sea, lakes and permanent snow are not told apart: taken as lake"
_LEVEL1: Mapping[int, tuple[int, str]] = {
    1: (URBAN, _MATCHED),
    2: (CROP, "the crop is not said"),
    3: (TREE, "the leaf is not said"),
    4: (SHRUB, _MATCHED),
    5: (GRASS, _MATCHED),
    6: (BARE, _MATCHED),
    7: (LAKE, _WATER),
    8: (WETLAND, _MATCHED),
}

_WORLDCOVER: Mapping[int, tuple[int, str]] = {
    10: (TREE, "the leaf is not said; holds olives and other plantations"),
    20: (SHRUB, _MATCHED),
    30: (GRASS, _MATCHED),
    40: (CROP, "the crop is not said"),
    50: (URBAN, _MATCHED),
    60: (BARE, _MATCHED),
    70: (GLACIER, _MATCHED),
    80: (LAKE, "sea and lakes are not told apart: taken as lake"),
    90: (WETLAND, _MATCHED),
    95: (EVERGREEN, _MATCHED),
    100: (LICHEN, _PALE),
}

_DYNAMIC_WORLD: Mapping[int, tuple[int, str]] = {
    0: (LAKE, "sea and lakes are not told apart: taken as lake"),
    1: (TREE, "the leaf is not said"),
    2: (GRASS, _MATCHED),
    3: (WETLAND, _MATCHED),
    4: (CROP, "the crop is not said"),
    5: (SHRUB, _MATCHED),
    6: (URBAN, _MATCHED),
    7: (BARE, _MATCHED),
    8: (GLACIER, _MATCHED),
}

_CLCPLUS: Mapping[int, tuple[int, str]] = {
    1: (URBAN, f"{_MATCHED}; sealed ground only, gardens and parks are classes of their own"),
    2: (NEEDLELEAF, f"{_MATCHED}; larch is not told apart"),
    3: (DECIDUOUS, _MATCHED),
    4: (EVERGREEN, _MATCHED),
    5: (SHRUB, _MATCHED),
    6: (GRASS, _MATCHED),
    7: (CROP, "the crop is not said"),
    8: (LICHEN, _PALE),
    9: (BARE, _MATCHED),
    10: (LAKE, _MATCHED),
    11: (GLACIER, _MATCHED),
    253: (OCEAN, _MATCHED),
}

_S2GLC: Mapping[int, tuple[int, str]] = {
    1: (URBAN, _MATCHED),
    2: (BARE, _MATCHED),
    3: (BROADLEAF, _MATCHED),
    4: (NEEDLELEAF, f"{_MATCHED}; larch is not told apart"),
    5: (GRASS, _MATCHED),
    6: (SHRUB, _MATCHED),
    7: (EVERGREEN_SHRUB, _MATCHED),
    8: (CROP, "the crop is not said"),
    9: (crop_number("grapes"), _MATCHED),
    10: (WETLAND, _MATCHED),
    11: (WETLAND, _MATCHED),
    12: (LAKE, "sea and lakes are not told apart: taken as lake"),
    13: (GLACIER, _MATCHED),
}

_PFLUGMACHER: tuple[tuple[int, Mapping[int, float], str], ...] = (
    (1, {URBAN: 1.0}, _MATCHED),
    (2, {CROP: 1.0}, "the crop is not said"),
    (3, {CROP: 1.0}, "the crop is not said"),
    (4, {BROADLEAF: 1.0}, _MATCHED),
    (5, {NEEDLELEAF: 1.0}, f"{_MATCHED}; larch is not told apart"),
    (6, _MIXED, _HALF),
    (7, {SHRUB: 1.0}, _MATCHED),
    (8, {GRASS: 1.0}, _MATCHED),
    (9, {BARE: 1.0}, _MATCHED),
    (10, {LAKE: 1.0}, "sea and lakes are not told apart: taken as lake"),
    (11, {WETLAND: 1.0}, _MATCHED),
    (12, {GLACIER: 1.0}, _MATCHED),
)

_PARK = "lawns, trees and sealed ground: half urban, half grass"
_FARMED = "fields between natural plants: half crop, a quarter of grass and of trees"
_SPARSE = "plants on 10 to 50 % of the ground: the middle"
_CORINE_3: tuple[_Row, ...] = (
    _one("111 112 121 122 123 124 131 132 133", URBAN),
    ("141 142", {URBAN: 0.5, GRASS: 0.5}, _PARK),
    _one("211", CROP, "the crop is not said"),
    _one("212", IRRIGATED_CROP, "the crop is not said"),
    _crop("213", "irrigated_rice", f"{_MATCHED}; fields are flooded"),
    _crop("221", "grapes"),
    _one("222 223", CROP, _NO_TYPE),
    _one("231", GRASS),
    _one("241", CROP, "the crop is not said"),
    ("242", {CROP: 0.5, GRASS: 0.5}, "small parcels of crops and pasture: half of each"),
    ("243", {CROP: 0.5, GRASS: 0.25, TREE: 0.25}, _FARMED),
    ("244", {CROP: 0.5, BROADLEAF: 0.5}, "crops or pasture below trees: half of each"),
    _one("311", BROADLEAF),
    _one("312", NEEDLELEAF, f"{_MATCHED}; larch is not told apart"),
    ("313", _MIXED, _HALF),
    _one("321", GRASS),
    _one("322", SHRUB),
    _one("323", EVERGREEN_SHRUB),
    ("324", {SHRUB: 0.5, TREE: 0.5}, "between shrubs and forest: half of each"),
    _one("331 332", BARE),
    ("333", {BARE: 0.7, GRASS: 0.3}, _SPARSE),
    ("334", {}, "what has burnt is not said"),
    _one("335", GLACIER),
    _one("411 412 421", WETLAND),
    _one("422", BARE, f"{_MATCHED}; salt without plants"),
    _one("423", OCEAN, _TIDAL),
    _one("511 512", LAKE),
    _one("521 522 523", OCEAN),
)

_CORINE_2: tuple[_Row, ...] = (
    _one("11 12 13", URBAN),
    ("14", {URBAN: 0.5, GRASS: 0.5}, _PARK),
    _one("21 22", CROP, "the crop is not said at this level"),
    _one("23", GRASS),
    ("24", {CROP: 0.5, GRASS: 0.25, TREE: 0.25}, "parcels of crops, pasture and trees; as for 243"),
    _one("31", TREE, "the leaf is not said"),
    ("32", {SHRUB: 0.5, GRASS: 0.5}, "shrubs or grass: half of each"),
    _one("33", BARE, "glaciers, burnt and sparsely grown areas are not told apart: taken as bare"),
    _one("41 42", WETLAND),
    _one("51", LAKE),
    _one("52", OCEAN),
)


def plant_crosswalk(source: str) -> Crosswalk:
    """Crosswalk from a legend to plant groups, crops and land units of CLM5.

    All rows are our own proposals; :meth:`Crosswalk.table` gives the reason of each. Climate is
    no part of it: :func:`lulc_xr.plant_functional_types` splits the groups afterwards.

    Parameters
    ----------
    source : str
        Name of a legend: one of :func:`list_plant_crosswalks`.

    Raises
    ------
    LegendError
        If there is none from this legend; the known ones are listed.

    Examples
    --------
    >>> table = plant_crosswalk("lucas_lc1").table()
    >>> table[table.source == "C31_spruce_dominated_mixed_woodland"][["target", "share"]].values
    array([['needleleaf_evergreen_tree', 0.5],
           ['broadleaf_tree', 0.5]], dtype=object)
    """
    if source not in _SOURCES:
        raise LegendError(
            name_unknown("legend with a crosswalk to plant groups", source, _SOURCES)
            + " Give your own: crosswalk=Crosswalk(source=..., target=plant_group_legend(), ...)."
        )
    rows = tuple(
        CrosswalkRow(source=class_id, shares=shares, published=False, reference=why)
        for class_id, shares, why in _SOURCES[source]()
    )
    return Crosswalk(source=legend(source), target=plant_group_legend(), rows=rows)


def list_plant_crosswalks() -> tuple[str, ...]:
    """Legends that :func:`plant_crosswalk` knows, sorted."""
    return tuple(sorted(_SOURCES))


_Rows = tuple[tuple[int, Mapping[int, float], str], ...]


def _coded(table: tuple[_Row, ...], codes: Mapping[str, int]) -> _Rows:
    return tuple(
        (class_id, shares, why)
        for begins, shares, why in table
        for code, class_id in codes.items()
        if any(code.startswith(word) for word in begins.split())
    )


def _numbered(table: Mapping[int, tuple[int, str]]) -> _Rows:
    return tuple((class_id, {group: 1.0}, why) for class_id, (group, why) in table.items())


_SOURCES: Mapping[str, Callable[[], _Rows]] = {
    "lucas_lc1": lambda: _coded(_LUCAS, lucas_codes("lucas_lc1")),
    "lucas_lc1_level2": lambda: _coded(_LUCAS_2, lucas_codes("lucas_lc1_level2")),
    "lucas_lc1_level1": lambda: _numbered(_LEVEL1),
    "elc10": lambda: _numbered(_LEVEL1),
    "worldcover": lambda: _numbered(_WORLDCOVER),
    "dynamic_world": lambda: _numbered(_DYNAMIC_WORLD),
    "clcplus_backbone": lambda: _numbered(_CLCPLUS),
    "s2glc": lambda: _numbered(_S2GLC),
    "pflugmacher": lambda: _PFLUGMACHER,
    "corine_level3": lambda: _coded(_CORINE_3, {str(c): i for c, i in corine_codes().items()}),
    "corine_level2": lambda: _coded(_CORINE_2, {str(i): i for i in legend("corine_level2").ids}),
}
