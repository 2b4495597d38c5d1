"""Numbers, names and sentences as a page of results says them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

NOTHING = "–"
_GAP = "\N{NO-BREAK SPACE}"


def percent(share: float, *, digits: int = 1) -> str:
    r"""A share in per cent.

    Examples
    --------
    >>> percent(0.8615), percent(float("nan")), percent(0.95, digits=0)
    ('86.2\xa0%', '–', '95\xa0%')
    """
    return NOTHING if math.isnan(share) else f"{100 * share:.{digits}f}{_GAP}%"


def number(value: float) -> str:
    r"""A number of things or metres, its thousands apart.

    Examples
    --------
    >>> number(5037), number(1234567.4), number(0.25)
    ('5\xa0037', '1\xa0234\xa0567', '0.25')
    """
    if math.isnan(value):
        return NOTHING
    if abs(value) < 10 and value != round(value):
        return f"{value:.2g}"
    return f"{value:,.0f}".replace(",", _GAP)


def plural(count: int, word: str) -> str:
    """A number and what is counted.

    Examples
    --------
    >>> plural(1, "point"), plural(12, "point")
    ('1 point', '12 points')
    """
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


def points_of(count: int, total: int) -> str:
    """Some of all points.

    Examples
    --------
    >>> points_of(3, 12)
    '3 of 12 points'
    """
    return f"{number(count)} of {plural(total, 'point')}"


def spoken(name: object) -> str:
    """A name of data without its underscores."""
    return str(name).replace("_", " ")


def listed(names: Sequence[str], *, plain: bool = True) -> str:
    """Names in a row.

    Examples
    --------
    >>> listed(["bare_land", "water", "wetlands"])
    'bare land, water and wetlands'
    """
    words = [spoken(name) if plain else name for name in names]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """One sentence or two, and whether they say what may or what may not be concluded."""

    allowed: bool
    topic: str
    text: str


def may(topic: str, text: str) -> Conclusion:
    """What may be concluded."""
    return Conclusion(allowed=True, topic=topic, text=text)


def may_not(topic: str, text: str) -> Conclusion:
    """What may not be concluded."""
    return Conclusion(allowed=False, topic=topic, text=text)
