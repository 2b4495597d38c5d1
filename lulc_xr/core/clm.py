"""What CLM5 divides land into: land units, natural plant types and crops, by number and name."""

from __future__ import annotations

from collections.abc import Mapping

LANDUNITS = ("natural_vegetation", "crop", "lake", "wetland", "glacier", "urban")
"""Land units that a cell is made of, in the order of our files (the order is ours)."""

NATURAL_PFTS = (
    "not_vegetated",
    "needleleaf_evergreen_temperate_tree",
    "needleleaf_evergreen_boreal_tree",
    "needleleaf_deciduous_boreal_tree",
    "broadleaf_evergreen_tropical_tree",
    "broadleaf_evergreen_temperate_tree",
    "broadleaf_deciduous_tropical_tree",
    "broadleaf_deciduous_temperate_tree",
    "broadleaf_deciduous_boreal_tree",
    "broadleaf_evergreen_shrub",
    "broadleaf_deciduous_temperate_shrub",
    "broadleaf_deciduous_boreal_shrub",
    "c3_arctic_grass",
    "c3_non-arctic_grass",
    "c4_grass",
)
"""Natural plant functional types; the number of each, 0 to 14, is its position (pftconMod.F90)."""

_CROPS = """
    c3_crop temperate_corn spring_wheat winter_wheat temperate_soybean barley winter_barley rye
    winter_rye cassava citrus cocoa coffee cotton datepalm foddergrass grapes groundnuts millet
    oilpalm potatoes pulses rapeseed rice sorghum sugarbeet sugarcane sunflower miscanthus
    switchgrass tropical_corn tropical_soybean
"""
FIRST_CROP = 15


def _irrigated(name: str) -> str:
    return "c3_irrigated" if name == "c3_crop" else f"irrigated_{name}"


CROPS: Mapping[int, str] = {
    number: name
    for position, rainfed in enumerate(_CROPS.split())
    for number, name in (
        (FIRST_CROP + 2 * position, rainfed),
        (FIRST_CROP + 2 * position + 1, _irrigated(rainfed)),
    )
}
"""Crop functional types by their number: 15 to 78, odd rainfed, even irrigated (pftconMod.F90)."""

GENERIC_CROPS: Mapping[int, str] = {number: CROPS[number] for number in (15, 16)}
"""The two crops where types are not told apart (satellite phenology)."""


def crop_number(name: str) -> int:
    """Number of a crop by its name.

    Examples
    --------
    >>> crop_number("winter_wheat"), crop_number("irrigated_rice"), crop_number("c3_irrigated")
    (21, 62, 16)
    """
    return {known: number for number, known in CROPS.items()}[name]
