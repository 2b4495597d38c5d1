"""Legends by name: LUCAS, and the maps that it is compared with."""

from __future__ import annotations

from lulc_xr.core.corine import corine_level3
from lulc_xr.core.errors import LegendError, name_unknown
from lulc_xr.core.legend import Legend, LegendClass
from lulc_xr.core.lucas import LUCAS_LEGENDS, lucas_legend

_CORINE = "corine_level3"

_PRODUCTS = {
    "worldcover": """
        10 tree_cover #006400
        20 shrubland #ffbb22
        30 grassland #ffff4c
        40 cropland #f096ff
        50 built_up #fa0000
        60 bare_or_sparse_vegetation #b4b4b4
        70 snow_and_ice #f0f0f0
        80 permanent_water_bodies #0064c8
        90 herbaceous_wetland #0096a0
        95 mangroves #00cf75
        100 moss_and_lichen #fae6a0
    """,
    "dynamic_world": """
        0 water #419bdf
        1 trees #397d49
        2 grass #88b053
        3 flooded_vegetation #7a87c6
        4 crops #e49635
        5 shrub_and_scrub #dfc35a
        6 built #c4281b
        7 bare #a59b8f
        8 snow_and_ice #b39fe1
    """,
    "elc10": """
        1 artificial_land #c0392b
        2 cropland #e8c34a
        3 woodland #2e7d32
        4 shrubland #b08d57
        5 grassland #a3d36c
        6 bare_land #b5aea4
        7 water_and_permanent_snow #3d7fd1
        8 wetland #26a69a
    """,
    "clcplus_backbone": """
        1 sealed #ff0100
        2 woody_needle_leaved_trees #238b23
        3 woody_broadleaved_deciduous_trees #80ff00
        4 woody_broadleaved_evergreen_trees #00ff00
        5 low_growing_woody_plants #804000
        6 permanent_herbaceous #ccf24e
        7 periodically_herbaceous #feff80
        8 lichens_and_mosses #ff81ff
        9 non_and_sparsely_vegetated #bfbfbf
        10 water #0080ff
        11 snow_and_ice #00ffff
        253 coastal_seawater_buffer #bfdfff
    """,
    "corine_level1": """
        1 artificial_surfaces #c0392b
        2 agricultural_areas #e8c34a
        3 forest_and_semi_natural_areas #2e7d32
        4 wetlands #26a69a
        5 water_bodies #3d7fd1
    """,
    "corine_level2": """
        11 urban_fabric #e6004d
        12 industrial_commercial_and_transport_units #cc4df2
        13 mine_dump_and_construction_sites #a600cc
        14 artificial_non_agricultural_vegetated_areas #ffa6ff
        21 arable_land #ffffa8
        22 permanent_crops #e68000
        23 pastures #e6e64d
        24 heterogeneous_agricultural_areas #ffe6a6
        31 forests #00a600
        32 scrub_and_herbaceous_vegetation #a6f200
        33 open_spaces_with_little_vegetation #cccccc
        41 inland_wetlands #a6a6ff
        42 maritime_wetlands #ccccff
        51 inland_waters #00ccf2
        52 marine_waters #00ffa6
    """,
    "s2glc": """
        1 artificial_surfaces #d20000
        2 natural_material_surfaces #b4b4b4
        3 broadleaf_tree_cover #009600
        4 coniferous_tree_cover #005000
        5 herbaceous_vegetation #a3d36c
        6 moors_and_heathland #806000
        7 sclerophyllous_vegetation #b49632
        8 cultivated_areas #fdd327
        9 vineyards #bf5fa5
        10 marshes #26a69a
        11 peatbogs #7e8f9e
        12 water_bodies #1486e0
        13 permanent_snow #f0f0f0
    """,
    "pflugmacher": """
        1 artificial #c0392b
        2 seasonal_crop #e8c34a
        3 perennial_crop #ef8d32
        4 broadleaf_forest #3f8f3a
        5 coniferous_forest #14532d
        6 mixed_forest #6b8e23
        7 shrubland #b08d57
        8 grassland #a3d36c
        9 barren #b5aea4
        10 water #3d7fd1
        11 wetland #26a69a
        12 snow #f0f0f0
    """,
}


def legend(name: str) -> Legend:
    """Legend of LUCAS or of a known map, by name.

    Parameters
    ----------
    name : str
        ``"lucas_lc1"`` (land cover, 76 codes), ``"lucas_lc1_level1"`` (8 classes),
        ``"lucas_lc1_level2"``; ``"lucas_lu1"`` (land use), ``"lucas_lu1_level1"``,
        ``"lucas_lu1_level2"``; ``"worldcover"``, ``"dynamic_world"``, ``"elc10"``,
        ``"clcplus_backbone"``, ``"corine_level1"``, ``"corine_level2"``: class ids are the codes
        of the product. ``"corine_level3"``: class ids are 1 to 44, as in its rasters.
        ``"s2glc"`` and ``"pflugmacher"``: class ids are our own, 1 to 13 and 1 to 12; those of
        the maps themselves could not be verified.

    Returns
    -------
    Legend

    Raises
    ------
    LegendError
        If the name is not known; the known ones are listed.

    Examples
    --------
    >>> legend("lucas_lc1_level1").names[:3]
    ('artificial_land', 'cropland', 'woodland')
    >>> legend("worldcover").ids[-2:]
    (95, 100)
    """
    if name in LUCAS_LEGENDS:
        return lucas_legend(name)
    if name == _CORINE:
        return corine_level3()
    if name not in _PRODUCTS:
        raise LegendError(name_unknown("legend", name, list_legends()))
    lines = [line.split() for line in _PRODUCTS[name].split("\n") if line.strip()]
    nested = name == "corine_level2"
    return Legend(
        name=name,
        classes=tuple(
            LegendClass(
                class_id=int(number),
                name=words,
                color=color,
                parent=int(number[0]) if nested else None,
            )
            for number, words, color in lines
        ),
    )


def list_legends() -> tuple[str, ...]:
    """Names that :func:`legend` knows, sorted."""
    return tuple(sorted([*LUCAS_LEGENDS, *_PRODUCTS, _CORINE]))
