"""The legend of a map and that of points brought together, by a crosswalk where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.crosswalks import crosswalk as named_crosswalk
from lulc_xr.core.crosswalks import list_crosswalks
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.core.legends import legend as named_legend
from lulc_xr.core.legends import list_legends

Walk = Crosswalk | tuple[str, str]
"""A crosswalk, or the names of its two legends."""
Walks = Walk | Sequence[Walk] | None
"""No crosswalk, one, or one for the map and one for the points."""


@dataclass(frozen=True, kw_only=True)
class MatchedLegends:
    """One legend for both sides, and how each side gets to it.

    Parameters
    ----------
    legend : Legend
        Classes of either side, once each is brought there.
    of_map, of_points : Crosswalk or None
        What the class ids of a side go through; None: they stay.
    only_map, only_points : tuple of str
        Names of the classes that the other side cannot have.
    """

    legend: Legend
    of_map: Crosswalk | None
    of_points: Crosswalk | None
    only_map: tuple[str, ...]
    only_points: tuple[str, ...]

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """Names of the legends of each crosswalk that is used."""
        used = [walk for walk in (self.of_map, self.of_points) if walk is not None]
        return tuple((walk.source.name, walk.target.name) for walk in used)


def match_legends(of_map: Legend, of_points: Legend, crosswalk: Walks = None) -> MatchedLegends:
    """One legend for the classes of a map and those of points.

    Without a crosswalk a class id and a name mean the same on both sides, or the legends do
    not go together. A crosswalk is used for the side (or both) whose legend it starts from.

    Parameters
    ----------
    of_map, of_points : Legend
        The two legends.
    crosswalk : Crosswalk, pair of str, sequence of these, or None
        How to bring one side, or both, to the legend of the other.

    Raises
    ------
    LegendError
        If the legends contradict each other; the crosswalks that lead from one to the other are
        named. If a crosswalk starts from neither.

    Examples
    --------
    >>> maps, points = named_legend("worldcover"), named_legend("lucas_lc1_level1")
    >>> match_legends(maps, points, ("lucas_lc1_level1", "worldcover")).legend.name
    'worldcover'
    """
    walks: dict[str, Crosswalk | None] = {"map": None, "points": None}
    sides = {"map": of_map, "points": of_points}
    for one in _crosswalks(crosswalk):
        starts = [side for side, legend in sides.items() if _holds(one.source, legend)]
        if not starts:
            raise LegendError(
                f"the crosswalk from {one.source.name!r} to {one.target.name!r} starts from "
                f"neither the map's legend ({_listed(of_map)}) nor the points' "
                f"({_listed(of_points)}). {_offer(of_map, of_points)}"
            )
        for side in starts:
            if walks[side] is not None:
                raise LegendError(
                    f"two crosswalks start from the legend of the {side}, {sides[side].name!r}; "
                    "give one for each side at most."
                )
            walks[side] = one
    first, second = (
        legend if (walk := walks[side]) is None else walk.target for side, legend in sides.items()
    )
    reason = _contradiction(first, second)
    if reason:
        raise LegendError(
            f"the map's legend is {first.name!r} ({_listed(first)}) and the points' is "
            f"{second.name!r} ({_listed(second)}): {reason}. {_offer(of_map, of_points)}"
        )
    return MatchedLegends(
        legend=_joined(first, second),
        of_map=walks["map"],
        of_points=walks["points"],
        only_map=tuple(n for n in first.names if n not in second.names),
        only_points=tuple(n for n in second.names if n not in first.names),
    )


def _crosswalks(given: Walks) -> list[Crosswalk]:
    if given is None:
        return []
    if isinstance(given, Crosswalk):
        return [given]
    parts = list(given)
    if len(parts) == 2 and all(isinstance(part, str) for part in parts):
        return [named_crosswalk(str(parts[0]), str(parts[1]))]
    made = []
    for part in parts:
        if isinstance(part, str):
            raise LegendError(
                f"crosswalk={given!r}; expected the names of two legends, a lulc_xr.Crosswalk, or "
                "a list of these. lulc_xr.list_crosswalks() lists the names."
            )
        made.extend(_crosswalks(part))
    return made


def _holds(whole: Legend, part: Legend) -> bool:
    """Whether every class of a legend is one of another, by id and name."""
    return set(_pairs(part)) <= set(_pairs(whole))


def _pairs(legend: Legend) -> list[tuple[int, str]]:
    return list(zip(legend.ids, legend.names, strict=True))


def _contradiction(first: Legend, second: Legend) -> str:
    """Why two legends do not go together; empty if they do."""
    one, other = dict(_pairs(first)), dict(_pairs(second))
    for class_id in one.keys() & other.keys():
        if one[class_id] != other[class_id]:
            return f"class id {class_id} is {one[class_id]!r} here and {other[class_id]!r} there"
    if not one.keys() & other.keys():
        return "they have no class id in common"
    ids = {name: i for i, name in other.items()}
    for class_id, name in one.items():
        if ids.get(name, class_id) != class_id:
            return f"class {name!r} has id {class_id} here and {ids[name]} there"
    return ""


def _joined(first: Legend, second: Legend) -> Legend:
    """The classes of the second legend, and those that only the first has."""
    if _holds(second, first):
        return second
    if _holds(first, second):
        return first
    extra = tuple(c for c in first.classes if c.name not in second.names)
    return Legend(name=f"{second.name}+{first.name}", classes=second.classes + extra)


def _listed(legend: Legend, most: int = 12) -> str:
    words = [f"{i} {name}" for i, name in _pairs(legend)]
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")


def _known_as(legend: Legend) -> str:
    """Name under which crosswalks may know a legend: its own, or that of one that holds it."""
    names = [legend.name, *list_legends()]
    known = [n for n in names if n in list_legends() and _holds(named_legend(n), legend)]
    return known[0] if known else legend.name


def _offer(of_map: Legend, of_points: Legend) -> str:
    """The ways from one legend to the other that exist, as arguments to give."""
    maps, points = _known_as(of_map), _known_as(of_points)
    pairs = list_crosswalks()
    ways = [repr(pair) for pair in ((points, maps), (maps, points)) if pair in pairs]
    common = sorted({t for s, t in pairs if s == maps} & {t for s, t in pairs if s == points})
    ways += [f"[({maps!r}, {target!r}), ({points!r}, {target!r})]" for target in common]
    if not ways:
        return (
            "No crosswalk between them is known (lulc_xr.list_crosswalks()): make a "
            "lulc_xr.Crosswalk and pass it as crosswalk=."
        )
    return "Bring them together with " + " or ".join(f"crosswalk={way}" for way in ways) + "."
