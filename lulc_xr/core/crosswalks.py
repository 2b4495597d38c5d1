"""Crosswalks by name: between LUCAS and the legends of maps, each row with where it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lulc_xr.core.crosswalk import ANY_OTHER, Crosswalk, CrosswalkRow
from lulc_xr.core.errors import LegendError, name_unknown
from lulc_xr.core.legends import legend
from lulc_xr.core.lucas import cut_code, lucas_codes
from lulc_xr.core.product_crosswalks import PRODUCT_ROWS

_LCSLAB = "code of LC-SLab (2026)"
_ELC10 = "Venter and Sydenham (2021), Remote Sensing 13:2301, and its code"
_PFLUGMACHER = (
    "Pflugmacher et al. (2019), as re-implemented in public code; not compared with the paper"
)
_MATCHED = "definitions of the two legends matched; no published table was found"
_PLANTATIONS = (
    "WorldCover counts plantations as tree cover, shrub-like ones by analogy as shrubs; how much "
    "of each is not known: shared out equally. LC-SLab takes cropland"
)

_Shares = Mapping[int, float]
_Row = tuple[str, str | None, _Shares, bool, str]
"""Codes or their beginnings, second key, shares, whether published, reference."""

_URBAN_USE = "U370"
_INDUSTRY_USE = (
    "U210 U221 U222 U223 U224 U225 U226 U227 U228 U311 U312 U313 U314 U315 U316 U317 U318 U319 U341"
)


def _one(codes: str, target: int, published: bool, reference: str) -> _Row:
    return (codes, None, {target: 1.0}, published, reference)


_WORLDCOVER: tuple[_Row, ...] = (
    _one("A", 50, True, _LCSLAB),
    _one("B1 B2 B3 B4 B5 BX B82", 40, True, _LCSLAB),
    ("B71 B72 B73 B74 B76 B77 B81", None, {40: 0.5, 10: 0.5}, False, _PLANTATIONS),
    ("B75 B83 B84", None, {40: 0.5, 10: 0.25, 20: 0.25}, False, _PLANTATIONS),
    _one("C", 10, True, _LCSLAB),
    _one("D", 20, True, _LCSLAB),
    _one("E", 30, True, _LCSLAB),
    _one("F10 F20 F40", 60, True, _LCSLAB),
    _one("F30", 100, False, f"{_MATCHED}; LC-SLab merges it into bare"),
    _one("G1 G2 G3 G4", 80, True, _LCSLAB),
    _one("G50", 70, False, _MATCHED),
    _one("H11 H12 H21", 90, True, _LCSLAB),
    ("H22 H23", None, {}, False, "salines and tidal flats have no class in WorldCover"),
)

_ELC10_ROWS: tuple[_Row, ...] = tuple(
    _one(letter, number, True, _ELC10) for letter, number in lucas_codes("lucas_lc1_level1").items()
)

_PFLUGMACHER_ROWS: tuple[_Row, ...] = (
    _one("A", 1, True, _PFLUGMACHER),
    _one("B1 B2 B3 B4 B5", 2, True, _PFLUGMACHER),
    _one("BX1", 2, False, _MATCHED),
    _one("B7 B8", 3, True, _PFLUGMACHER),
    _one("BX2", 3, False, _MATCHED),
    _one("C1", 4, True, _PFLUGMACHER),
    _one("C2", 5, True, _PFLUGMACHER),
    _one("C3", 6, True, _PFLUGMACHER),
    _one("D", 7, True, _PFLUGMACHER),
    _one("E10 E20", 8, True, _PFLUGMACHER),
    ("E30", None, {}, True, f"{_PFLUGMACHER}: dropped"),
    _one("F", 9, True, _PFLUGMACHER),
    _one("G1 G2 G3 G4", 10, True, _PFLUGMACHER),
    _one("G50", 12, True, _PFLUGMACHER),
    _one("H", 11, True, _PFLUGMACHER),
)

_S2GLC: tuple[_Row, ...] = (
    _one("A", 1, False, _MATCHED),
    _one("B1 B2 B3 B4 B51 B52 B53 B54 B7 B81 B83 B84 BX", 8, False, _MATCHED),
    ("B55", None, {}, False, "temporary grass is cultivated or herbaceous: not to be told"),
    _one("B82", 9, False, _MATCHED),
    _one("C1", 3, False, _MATCHED),
    _one("C2", 4, False, _MATCHED),
    ("C3", None, {3: 0.5, 4: 0.5}, False, "S2GLC has no mixed forest: half of each"),
    ("D", "mediterranean", {7: 1.0}, False, _MATCHED),
    ("D", ANY_OTHER, {6: 1.0}, False, _MATCHED),
    ("D", None, {6: 0.5, 7: 0.5}, False, "the region decides; where it is not known, half of each"),
    _one("E", 5, False, _MATCHED),
    _one("F10 F20 F40", 2, False, _MATCHED),
    ("F30", None, {}, False, "lichens and moss have no class in S2GLC"),
    _one("G1 G2 G3 G4", 12, False, _MATCHED),
    _one("G50", 13, False, _MATCHED),
    _one("H11 H21", 10, False, _MATCHED),
    _one("H12", 11, False, _MATCHED),
    ("H22 H23", None, {}, False, "salines and tidal flats have no class in S2GLC"),
)

_CORINE: tuple[_Row, ...] = (
    ("A1", _URBAN_USE, {11: 1.0}, False, f"{_MATCHED}; residential use"),
    *(("A1", use, {12: 1.0}, False, f"{_MATCHED}; industry, transport, commerce")
      for use in _INDUSTRY_USE.split()),
    ("A1", None, {11: 0.5, 12: 0.5}, False, "the use tells urban fabric from units: half of each"),
    ("A2 A3", "U140", {13: 1.0}, False, f"{_MATCHED}; mining"),
    *(("A2 A3", use, {14: 1.0}, False, f"{_MATCHED}; leisure and sport")
      for use in ("U361", "U362")),
    _one("A2 A3", 12, False, _MATCHED),
    _one("B1 B2 B3 B4 B5 BX1", 21, False, _MATCHED),
    _one("B7 B8 BX2", 22, False, _MATCHED),
    _one("C", 31, False, _MATCHED),
    _one("D", 32, False, _MATCHED),
    ("E10 E20", "U111", {23: 1.0}, False, f"{_MATCHED}; used by agriculture"),
    ("E10 E20", ANY_OTHER, {32: 1.0}, False, f"{_MATCHED}; not used by agriculture"),
    ("E10 E20", None, {}, False, "the use tells pasture from natural grass: not to be told"),
    _one("E30", 32, False, _MATCHED),
    _one("F", 33, False, _MATCHED),
    _one("G1 G2", 51, False, _MATCHED),
    _one("G3 G4", 52, False, _MATCHED),
    _one("G50", 33, False, f"{_MATCHED}; CLC 335"),
    _one("H1", 41, False, _MATCHED),
    _one("H2", 42, False, _MATCHED),
)  # fmt: skip

_LEVEL1_WORLDCOVER: tuple[_Row, ...] = tuple(
    _one(letter, target, True, _LCSLAB)
    for letter, target in zip("ABCDEFGH", (50, 40, 10, 20, 30, 60, 80, 90), strict=True)
)

_TABLES: Mapping[tuple[str, str], tuple[Sequence[_Row], str | None]] = {
    ("lucas_lc1", "worldcover"): (_WORLDCOVER, None),
    ("lucas_lc1", "elc10"): (_ELC10_ROWS, None),
    ("lucas_lc1", "pflugmacher"): (_PFLUGMACHER_ROWS, None),
    ("lucas_lc1", "s2glc"): (_S2GLC, "biogeographical region"),
    ("lucas_lc1", "corine_level2"): (_CORINE, "land use (LU1)"),
    ("lucas_lc1_level1", "worldcover"): (_LEVEL1_WORLDCOVER, None),
    ("lucas_lc1_level1", "elc10"): (_ELC10_ROWS, None),
}

_LEVELS = (
    ("lucas_lc1", "lucas_lc1_level2"),
    ("lucas_lc1_level2", "lucas_lc1_level1"),
    ("lucas_lc1", "lucas_lc1_level1"),
    ("lucas_lu1", "lucas_lu1_level2"),
    ("lucas_lu1_level2", "lucas_lu1_level1"),
    ("lucas_lu1", "lucas_lu1_level1"),
    ("corine_level3", "corine_level2"),
    ("corine_level2", "corine_level1"),
    ("corine_level3", "corine_level1"),
)
_OF_MAPS = tuple((product, "lucas_lc1_level1") for product in PRODUCT_ROWS)


def crosswalk(source: str, target: str) -> Crosswalk:
    """Crosswalk from one legend to another, by their names.

    Rows for WorldCover and ELC10 follow published code at level 1, and those for the map of
    Pflugmacher a public re-implementation; S2GLC and CORINE are our own proposals, as no
    published table was found. From maps to level 1 of LUCAS, WorldCover follows the code of
    LC-SLab and ELC10 its own legend; Dynamic World, CLC+ Backbone and CORINE are proposals.
    :meth:`Crosswalk.table` says it row by row. Mind that CORINE's areas are of 25 hectares and
    more: a point may be right and differ.

    Parameters
    ----------
    source, target : str
        Names of legends, such as ``"lucas_lc1"`` and ``"worldcover"``;
        :func:`list_crosswalks` lists the pairs. To ``"corine_level1"``,
        ``"corine_level2"``: the second key is the code of the land use (LU1). To ``"s2glc"``:
        the region, ``"mediterranean"`` or any other.

    Raises
    ------
    LegendError
        If there is none between these legends; the known ones are listed.

    Examples
    --------
    >>> import numpy as np
    >>> from lulc_xr.core.lucas import lucas_codes
    >>> grass = np.array([lucas_codes("lucas_lc1")["E20"]])
    >>> walk = crosswalk("lucas_lc1", "corine_level2")
    >>> [walk.map_labels(grass, use).tolist() for use in ("U111", "U420", None)]
    [[23], [32], [255]]
    """
    if (source, target) == ("lucas_lc1", "corine_level1"):
        return crosswalk(source, "corine_level2").then(crosswalk("corine_level2", target))
    if (source, target) in _LEVELS:
        return _aggregation(source, target)
    if (source, target) in _OF_MAPS:
        return _from_map(source, target)
    if (source, target) not in _TABLES:
        known = [f"{a} to {b}" for a, b in list_crosswalks()]
        raise LegendError(name_unknown("crosswalk", f"{source} to {target}", known))
    table, key = _TABLES[source, target]
    codes = lucas_codes(source)
    rows = [
        CrosswalkRow(
            source=codes[code], shares=shares, published=published, reference=reference, key=second
        )
        for begins, second, shares, published, reference in table
        for code in codes
        if any(code.startswith(word) for word in begins.split())
    ]
    return Crosswalk(source=legend(source), target=legend(target), rows=tuple(rows), key=key)


def list_crosswalks() -> tuple[tuple[str, str], ...]:
    """Pairs of legends, source and target, that :func:`crosswalk` knows."""
    return tuple(sorted([*_TABLES, *_LEVELS, *_OF_MAPS, ("lucas_lc1", "corine_level1")]))


def _from_map(source: str, target: str) -> Crosswalk:
    """From the classes of a map to those of LUCAS."""
    rows = tuple(
        CrosswalkRow(source=class_id, shares=shares, published=published, reference=reference)
        for class_id, shares, published, reference in PRODUCT_ROWS[source]
    )
    return Crosswalk(source=legend(source), target=legend(target), rows=rows)


def _aggregation(source: str, target: str) -> Crosswalk:
    """From a finer to a coarser level of one nomenclature."""
    fine, coarse = legend(source), legend(target)
    if source.startswith("corine"):
        digits = int(target[-1])
        # The parent at level 2 is its code, of which the first digit is that of level 1.
        parents = {c.class_id: int(str(c.parent)[:digits]) for c in fine.classes}
        reference = "nomenclature of CORINE land cover: first digits of the code"
    else:
        above = lucas_codes(target)
        parents = {i: above[cut_code(code, target)] for code, i in lucas_codes(source).items()}
        reference = "nomenclature of LUCAS: first characters of the code"
    rows = tuple(
        CrosswalkRow(source=i, shares={parent: 1.0}, published=True, reference=reference)
        for i, parent in parents.items()
    )
    return Crosswalk(source=fine, target=coarse, rows=rows)
