"""CORINE land cover at level 3: its 44 codes, names and colours, numbered as its rasters are."""

from __future__ import annotations

from lulc_xr.core.legend import Legend, LegendClass

_LEVEL3 = """
    111 continuous_urban_fabric #e6004d
    112 discontinuous_urban_fabric #ff0000
    121 industrial_or_commercial_units #cc4df2
    122 road_and_rail_networks_and_associated_land #cc0000
    123 port_areas #e6cccc
    124 airports #e6cce6
    131 mineral_extraction_sites #a600cc
    132 dump_sites #a64d00
    133 construction_sites #ff4dff
    141 green_urban_areas #ffa6ff
    142 sport_and_leisure_facilities #ffe6ff
    211 non_irrigated_arable_land #ffffa8
    212 permanently_irrigated_land #ffff00
    213 rice_fields #e6e600
    221 vineyards #e68000
    222 fruit_trees_and_berry_plantations #f2a64d
    223 olive_groves #e6a600
    231 pastures #e6e64d
    241 annual_crops_associated_with_permanent_crops #ffe6a6
    242 complex_cultivation_patterns #ffe64d
    243 agriculture_with_significant_areas_of_natural_vegetation #e6cc4d
    244 agro_forestry_areas #f2cca6
    311 broad_leaved_forest #80ff00
    312 coniferous_forest #00a600
    313 mixed_forest #4dff00
    321 natural_grasslands #ccf24d
    322 moors_and_heathland #a6ff80
    323 sclerophyllous_vegetation #a6e64d
    324 transitional_woodland_shrub #a6f200
    331 beaches_dunes_sands #e6e6e6
    332 bare_rocks #cccccc
    333 sparsely_vegetated_areas #ccffcc
    334 burnt_areas #000000
    335 glaciers_and_perpetual_snow #a6e6cc
    411 inland_marshes #a6a6ff
    412 peat_bogs #4d4dff
    421 salt_marshes #ccccff
    422 salines #e6e6ff
    423 intertidal_flats #a6a6e6
    511 water_courses #00ccf2
    512 water_bodies #80f2e6
    521 coastal_lagoons #00ffa6
    522 estuaries #a6ffe6
    523 sea_and_ocean #e6f2ff
"""


def corine_codes() -> dict[int, int]:
    """Class id (1 to 44, as in the rasters of the Copernicus service) of each code of level 3.

    Examples
    --------
    >>> codes = corine_codes()
    >>> codes[111], codes[211], codes[311], codes[512], len(codes)
    (1, 12, 23, 41, 44)
    """
    return {int(line.split()[0]): n for n, line in enumerate(_LEVEL3.strip().splitlines(), 1)}


def corine_level3() -> Legend:
    """The 44 classes; the parent of a class is its class id at level 2."""
    lines = [line.split() for line in _LEVEL3.strip().splitlines()]
    return Legend(
        name="corine_level3",
        classes=tuple(
            LegendClass(class_id=number, name=words, color=color, parent=int(code[:2]))
            for number, (code, words, color) in enumerate(lines, 1)
        ),
    )
