"""Some classes of a legend: chosen by name, by id, or by the name of a group above them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from lulc_xr.core.errors import LegendError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.legends import legend as named_legend
from lulc_xr.core.legends import list_legends
from lulc_xr.core.lucas import LUCAS_LEGENDS

ClassChoice = str | int | Sequence[str | int]
"""A class by name or id, or several; a name may also be that of a group, such as "cropland"."""

_CORINE_ABOVE = {"corine_level3": "corine_level2", "corine_level2": "corine_level1"}


def choose_classes(legend: Legend, classes: ClassChoice) -> tuple[int, ...]:
    """Ids of the classes that are meant, in the order of the legend.

    Parameters
    ----------
    legend : Legend
        The classes of a map. If its name is one of :func:`lulc_xr.list_legends` and that legend
        has levels above (LUCAS, CORINE), their classes are groups of classes of this one.
    classes : str, int, or sequence of them
        Names of classes, ids, or names of groups.

    Returns
    -------
    tuple of int
        At least one id.

    Raises
    ------
    LegendError
        If there is no such class or group, the nearest names first; or none is given.

    Examples
    --------
    >>> choose_classes(named_legend("worldcover"), ["cropland", 10])
    (10, 40)
    >>> choose_classes(named_legend("lucas_lc1_level2"), "water")
    (24, 25, 26, 27, 28)
    """
    single = isinstance(classes, str | Integral)
    wanted = [classes] if single else list(classes)  # type: ignore[arg-type]
    if not wanted:
        raise LegendError(
            f"no class is given. Choose of {', '.join(legend.names)} ({legend.name!r})."
        )
    own = dict(zip(legend.names, legend.ids, strict=True))
    groups = class_groups(legend)
    found: set[int] = set()
    for item in wanted:
        if isinstance(item, Integral) and int(item) in legend.ids:
            found.add(int(item))
        elif isinstance(item, str) and item in own:
            found.add(own[item])
        elif isinstance(item, str) and item in groups:
            found.update(groups[item])
        else:
            raise LegendError(_unknown(item, legend, groups))
    return tuple(i for i in legend.ids if i in found)


def class_groups(legend: Legend) -> dict[str, tuple[int, ...]]:
    """Ids of the classes in each group of the levels above a legend; none if it has no levels.

    Examples
    --------
    >>> list(class_groups(named_legend("corine_level2")))[:2]
    ['artificial_surfaces', 'agricultural_areas']
    """
    if legend.name not in list_legends():
        return {}
    known = named_legend(legend.name)
    parents = {c.name: c.parent for c in known.classes}
    # Where the map holds classes of another legend under this name, nothing is said of groups.
    family = {i: parents.get(n) for i, n in zip(legend.ids, legend.names, strict=True)}
    groups: dict[str, tuple[int, ...]] = {}
    above = _above(legend.name)
    while above:
        higher = named_legend(above)
        for group in higher.classes:
            members = tuple(i for i, parent in family.items() if parent == group.class_id)
            if members:
                groups[group.name] = members
        next_parent = {c.class_id: c.parent for c in higher.classes}
        family = {i: None if p is None else next_parent.get(p) for i, p in family.items()}
        above = _above(above)
    return groups


def _above(name: str) -> str | None:
    """Legend of the next level above, which has the parents of its classes."""
    if name in LUCAS_LEGENDS:
        kind, level = LUCAS_LEGENDS[name]
        return f"lucas_{kind}_level{level - 1}" if level > 1 else None
    return _CORINE_ABOVE.get(name)


def _unknown(item: object, legend: Legend, groups: dict[str, tuple[int, ...]]) -> str:
    if isinstance(item, Integral):
        return (
            f"legend {legend.name!r} has no class id {item}; its ids are "
            f"{', '.join(f'{i} ({n})' for i, n in zip(legend.ids, legend.names, strict=True))}."
        )
    said = name_unknown(f"class of legend {legend.name!r}", str(item), [*legend.names, *groups])
    return said if groups else f"{said} The legend has no groups of classes."
