"""Crosswalks from the classes of maps to level 1 of the land cover of LUCAS, row by row."""

from __future__ import annotations

from collections.abc import Mapping

from lulc_xr.core.corine import corine_codes

_LCSLAB = "code of LC-SLab (2026)"
_ELC10 = "Venter and Sydenham (2021), Remote Sensing 13:2301: classes made after those of LUCAS"
_MATCHED = "definitions of the two legends matched; no published table was found"

ProductRow = tuple[int, Mapping[int, float], bool, str]
"""Class id of the map, shares of LUCAS classes, whether published, reference."""

# LUCAS: 1 artificial, 2 cropland, 3 woodland, 4 shrubland, 5 grassland, 6 bare, 7 water, 8 wetland.
_WORLDCOVER = {10: 3, 20: 4, 30: 5, 40: 2, 50: 1, 60: 6, 70: 7, 80: 7, 90: 8, 95: 8, 100: 6}
_DYNAMIC_WORLD = {0: 7, 1: 3, 2: 5, 3: 8, 4: 2, 5: 4, 6: 1, 7: 6, 8: 7}
_CLCPLUS = {1: 1, 2: 3, 3: 3, 4: 3, 5: 4, 6: 5, 7: 2, 8: 6, 9: 6, 10: 7, 11: 7, 253: 7}

_CORINE = {
    1: (111, 112, 121, 122, 123, 124, 131, 132, 133),
    2: (211, 212, 213, 221, 222, 223, 241),
    3: (311, 312, 313),
    4: (322, 323),
    5: (231, 321),
    6: (331, 332, 333),
    7: (335, 511, 512, 521, 522, 523),
    8: (411, 412, 421, 422, 423),
}
_CORINE_SHARED: tuple[tuple[int, Mapping[int, float], str], ...] = (
    (141, {}, "green urban areas are grass, trees or sealed: not to be told"),
    (142, {}, "sport and leisure facilities are grass, built or trees: not to be told"),
    (242, {2: 0.5, 5: 0.5}, "small parcels of crops and pasture: half of each"),
    (243, {}, "crops and natural vegetation of any kind: not to be told"),
    (244, {2: 0.5, 3: 0.5}, "crops or pasture below trees: half cropland, half woodland"),
    (324, {3: 0.5, 4: 0.5}, "between shrubs and forest: half of each"),
    (334, {}, "what has burnt is not said"),
)


def _corine_rows() -> tuple[ProductRow, ...]:
    ids = corine_codes()
    told = [
        (ids[code], {target: 1.0}, False, f"{_MATCHED}; CLC {code}")
        for target, codes in _CORINE.items()
        for code in codes
    ]
    shared = [(ids[code], shares, False, why) for code, shares, why in _CORINE_SHARED]
    return (*told, *shared)


def _rows(table: Mapping[int, int], published: bool, reference: str) -> tuple[ProductRow, ...]:
    return tuple((source, {target: 1.0}, published, reference) for source, target in table.items())


PRODUCT_ROWS: Mapping[str, tuple[ProductRow, ...]] = {
    "worldcover": _rows(_WORLDCOVER, True, _LCSLAB),
    "dynamic_world": _rows(_DYNAMIC_WORLD, False, _MATCHED),
    "elc10": _rows({number: number for number in range(1, 9)}, True, _ELC10),
    "clcplus_backbone": _rows(_CLCPLUS, False, _MATCHED),
    "corine_level3": _corine_rows(),
}
"""Rows to ``"lucas_lc1_level1"`` of each legend of a map, by its name."""
