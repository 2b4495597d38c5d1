"""The nomenclature of LUCAS: land cover (LC1) and land use (LU1) at all of its levels.

Codes and names are those of Eurostat's nomenclature of 2018, codes in upper case (BX1, BX2: arable
land and permanent crops that only photo-interpretation saw). The class ids are our own, counted
from 1 in the order of the codes; at level 1 of the land cover they are those of ELC10. The parent
of a class is the id of its class in the level above.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

from lulc_xr.core.legend import Legend, LegendClass

LC1_LEVEL1 = """
    A artificial_land #c0392b
    B cropland #e8c34a
    C woodland #2e7d32
    D shrubland #b08d57
    E grassland #a3d36c
    F bare_land #b5aea4
    G water #3d7fd1
    H wetland #26a69a
"""

LC1_LEVEL2 = """
    A1 roofed_built_up_areas
    A2 artificial_non_built_up_areas
    A3 other_artificial_areas
    B1 cereals
    B2 root_crops
    B3 non_permanent_industrial_crops
    B4 dry_pulses_vegetables_and_flowers
    B5 fodder_crops
    B7 fruit_trees
    B8 other_permanent_crops
    BX cropland_only_pi
    C1 broadleaved_woodland
    C2 coniferous_woodland
    C3 mixed_woodland
    D1 shrubland_with_sparse_tree_cover
    D2 shrubland_without_tree_cover
    E1 grassland_with_sparse_tree_shrub_cover
    E2 grassland_without_tree_shrub_cover
    E3 spontaneously_re_vegetated_surfaces
    F1 rocks_and_stones
    F2 sand
    F3 lichens_and_moss
    F4 other_bare_soil
    G1 inland_water_bodies
    G2 inland_running_water
    G3 transitional_water_bodies
    G4 sea_and_ocean
    G5 glaciers_permanent_snow
    H1 inland_wetlands
    H2 coastal_wetlands
"""

LC1_LEVEL3 = """
    A11 buildings_with_one_to_three_floors
    A12 buildings_with_more_than_three_floors
    A13 greenhouses
    A21 non_built_up_area_features
    A22 non_built_up_linear_features
    A30 other_artificial_areas
    B11 common_wheat
    B12 durum_wheat
    B13 barley
    B14 rye
    B15 oats
    B16 maize
    B17 rice
    B18 triticale
    B19 other_cereals
    B21 potatoes
    B22 sugar_beet
    B23 other_root_crops
    B31 sunflower
    B32 rape_and_turnip_rape
    B33 soya
    B34 cotton
    B35 other_fibre_and_oleaginous_crops
    B36 tobacco
    B37 other_non_permanent_industrial_crops
    B41 dry_pulses
    B42 tomatoes
    B43 other_fresh_vegetables
    B44 floriculture_and_ornamental_plants
    B45 strawberries
    B51 clovers
    B52 lucerne
    B53 other_leguminous_and_mixtures_for_fodder
    B54 mixed_cereals_for_fodder
    B55 temporary_grasslands
    B71 apple_fruit
    B72 pear_fruit
    B73 cherry_fruit
    B74 nuts_trees
    B75 other_fruit_trees_and_berries
    B76 oranges
    B77 other_citrus_fruit
    B81 olive_groves
    B82 vineyards
    B83 nurseries
    B84 permanent_industrial_crops
    BX1 arable_land_only_pi
    BX2 permanent_crops_only_pi
    C10 broadleaved_woodland
    C21 spruce_dominated_coniferous_woodland
    C22 pine_dominated_coniferous_woodland
    C23 other_coniferous_woodland
    C31 spruce_dominated_mixed_woodland
    C32 pine_dominated_mixed_woodland
    C33 other_mixed_woodland
    D10 shrubland_with_sparse_tree_cover
    D20 shrubland_without_tree_cover
    E10 grassland_with_sparse_tree_shrub_cover
    E20 grassland_without_tree_shrub_cover
    E30 spontaneously_re_vegetated_surfaces
    F10 rocks_and_stones
    F20 sand
    F30 lichens_and_moss
    F40 other_bare_soil
    G11 inland_fresh_water_bodies
    G12 inland_salty_water_bodies
    G21 inland_fresh_running_water
    G22 inland_salty_running_water
    G30 transitional_water_bodies
    G40 sea_and_ocean
    G50 glaciers_permanent_snow
    H11 inland_marshes
    H12 peatbogs
    H21 salt_marshes
    H22 salines_and_other_chemical_deposits
    H23 intertidal_flats
"""

LU1_LEVEL1 = """
    U1 primary_sector #8fae3f
    U2 secondary_sector_and_energy #7e57c2
    U3 tertiary_sector_transport_and_residential #c0392b
    U4 unused_and_abandoned #8d8d8d
"""

LU1_LEVEL2 = """
    U11 agriculture
    U12 forestry
    U13 aquaculture_and_fishing
    U14 mining_and_quarrying
    U15 other_primary_production
    U21 energy_production
    U22 industry
    U31 transport_networks_and_protection
    U32 water_and_waste_treatment
    U33 construction
    U34 commerce_finance_and_business
    U35 community_services
    U36 recreation_leisure_and_sport
    U37 residential
    U41 abandoned_areas
    U42 semi_natural_areas_not_in_use
"""

LU1_LEVEL3 = """
    U111 agriculture
    U112 fallow_land
    U113 kitchen_gardens
    U120 forestry
    U130 aquaculture_and_fishing
    U140 mining_and_quarrying
    U150 other_primary_production
    U210 energy_production
    U221 food_industry
    U222 textile_industry
    U223 coal_oil_and_metal_industry
    U224 non_metal_mineral_industry
    U225 chemical_industry
    U226 machinery_industry
    U227 wood_industry
    U228 printing_industry
    U311 railways
    U312 roads
    U313 water_transport
    U314 air_transport
    U315 pipelines
    U316 telecommunication
    U317 logistics_and_storage
    U318 protection_infrastructure
    U319 electricity_gas_and_heat_distribution
    U321 water_supply_and_treatment
    U322 waste_treatment
    U330 construction
    U341 commerce
    U342 financial_professional_and_information_services
    U350 community_services
    U361 amenities_museums_and_leisure
    U362 sport
    U370 residential
    U411 abandoned_industrial_areas
    U412 abandoned_commercial_areas
    U413 abandoned_transport_areas
    U414 abandoned_residential_areas
    U415 other_abandoned_areas
    U420 semi_natural_areas_not_in_use
"""

_LEVELS = {"lc1": (LC1_LEVEL1, LC1_LEVEL2, LC1_LEVEL3), "lu1": (LU1_LEVEL1, LU1_LEVEL2, LU1_LEVEL3)}
_LENGTHS = {"lc1": (1, 2, 3), "lu1": (2, 3, 4)}

LUCAS_LEGENDS: Mapping[str, tuple[str, int]] = {
    f"lucas_{kind}{'' if level == 3 else f'_level{level}'}": (kind, level)
    for kind in _LEVELS
    for level in (1, 2, 3)
}
"""Names of the legends of LUCAS, each with its nomenclature and level."""


def lucas_codes(name: str) -> dict[str, int]:
    """Class id of each code of a legend of LUCAS.

    Parameters
    ----------
    name : str
        One of :data:`LUCAS_LEGENDS`.

    Examples
    --------
    >>> lucas_codes("lucas_lc1_level1")
    {'A': 1, 'B': 2, 'C': 3, 'D': 4, 'E': 5, 'F': 6, 'G': 7, 'H': 8}
    """
    kind, level = LUCAS_LEGENDS[name]
    lines = _LEVELS[kind][level - 1].split("\n")
    codes = [line.split()[0] for line in lines if line.strip()]
    return {code: number for number, code in enumerate(codes, 1)}


def cut_code(code: str, name: str) -> str:
    """A code of the survey, shortened to the level of a legend: C10 to C1 or C.

    Examples
    --------
    >>> cut_code("C10", "lucas_lc1_level2"), cut_code("U370", "lucas_lu1_level1")
    ('C1', 'U3')
    """
    kind, level = LUCAS_LEGENDS[name]
    return code[: _LENGTHS[kind][level - 1]]


def lucas_legend(name: str) -> Legend:
    """Legend of LUCAS by its name; below level 1 the code stands before each name."""
    kind, level = LUCAS_LEGENDS[name]
    lines = [line.split() for line in _LEVELS[kind][level - 1].split("\n") if line.strip()]
    if level == 1:
        return Legend(
            name=name,
            classes=tuple(
                LegendClass(class_id=number, name=words, color=color)
                for number, (_, words, color) in enumerate(lines, 1)
            ),
        )
    above = f"lucas_{kind}_level{level - 1}"
    parents, colors = lucas_codes(above), {c.class_id: c.color for c in lucas_legend(above).classes}
    family = [parents[cut_code(code, above)] for code, _ in lines]
    return Legend(
        name=name,
        classes=tuple(
            LegendClass(
                class_id=number,
                name=f"{code}_{words}",
                color=_shade(colors[parent], family[:number].count(parent), family.count(parent)),
                parent=parent,
            )
            for number, ((code, words), parent) in enumerate(zip(lines, family, strict=True), 1)
        ),
    )


def _shade(color: str, number: int, of: int) -> str:
    """The number-th of some shades of a colour, from darker to lighter; the colour if only one."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, full = colorsys.rgb_to_hls(red, green, blue)
    moved = light + 0.3 * ((number - 0.5) / of - 0.5)
    shaded = colorsys.hls_to_rgb(hue, min(max(moved, 0.1), 0.9), full)
    return "#" + "".join(f"{round(255 * part):02x}" for part in shaded)
