"""Plant groups: what a class of a map says of plants, before climate splits them into plant types.

A class says "broadleaf trees", not whether they are temperate or boreal. Groups are the targets of
the crosswalks in :mod:`lulc_xr.core.plant_crosswalks`; crops are targets by their CLM5 number.
"""

from __future__ import annotations

from lulc_xr.core.clm import CROPS
from lulc_xr.core.legend import Legend, LegendClass

BARE, NEEDLELEAF, LARCH, BROADLEAF, EVERGREEN, DECIDUOUS, TREE = 0, 1, 2, 3, 4, 5, 6
SHRUB, EVERGREEN_SHRUB, GRASS, LICHEN = 7, 8, 9, 10
LAKE, WETLAND, GLACIER, URBAN, OCEAN = 80, 81, 82, 83, 84
CROP, IRRIGATED_CROP = 15, 16

_GROUPS = """
    0 bare_ground #b5aea4
    1 needleleaf_evergreen_tree #14532d
    2 needleleaf_deciduous_tree #6b8e23
    3 broadleaf_tree #3f8f3a
    4 broadleaf_evergreen_tree #1f6f4a
    5 broadleaf_deciduous_tree #7cb342
    6 tree #2e7d32
    7 shrub #b08d57
    8 broadleaf_evergreen_shrub #806000
    9 grass #a3d36c
    10 lichen_and_moss #fae6a0
    80 lake #3d7fd1
    81 wetland #26a69a
    82 glacier #f0f0f0
    83 urban #c0392b
    84 ocean #1b3a6b
"""
_CROP_COLOR = "#e8c34a"

NATURAL_GROUPS = tuple(range(LICHEN + 1))
"""Class ids of the groups that make natural vegetation; climate splits them into plant types."""

LANDUNIT_GROUPS = {"lake": LAKE, "wetland": WETLAND, "glacier": GLACIER, "urban": URBAN}
"""Class ids of what are land units of their own."""


def plant_group_legend() -> Legend:
    """Groups of plants, crops by their CLM5 number (15 to 78), other land units, and the ocean.

    ``tree`` is a tree of unknown leaf, ``broadleaf_tree`` one of which it is not known whether it
    sheds its leaves.

    Examples
    --------
    >>> legend = plant_group_legend()
    >>> dict(zip(legend.ids, legend.names))[21], len(legend)
    ('winter_wheat', 80)
    """
    named = [line.split() for line in _GROUPS.strip().splitlines()]
    classes = [LegendClass(class_id=int(i), name=name, color=color) for i, name, color in named]
    crops = [LegendClass(class_id=i, name=name, color=_CROP_COLOR) for i, name in CROPS.items()]
    return Legend(
        name="clm5_plant_groups",
        classes=tuple(sorted((*classes, *crops), key=lambda one: one.class_id)),
    )
