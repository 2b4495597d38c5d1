"""What the codes of LUCAS mean, column by column: text of one cell to one value.

Every decoder takes the text of a cell (blanks stripped, whole numbers without a decimal point,
empty where the file has none) and the year of the campaign. It gives the value, None where the
survey says 'not relevant', and raises KeyError for what it does not know. The codes 8, 88, 888
and 8888 mean 'not relevant' in some columns and are plain numbers in others, so that no code is
missing everywhere.

Sources: the schemas of JRC/LUCAS_HARMO/THLOC/V1 and JRC/LUCAS/THLOC/V1/2022 in the Earth Engine
catalogue, the record of the micro-data of 2018, and d'Andrimont et al. (2020). Two tables are from
memory and were checked against no document: the codes of PARCEL_AREA_HA of 2018 (1 to 4), and
OBS_TYPE 8, marine sea. So are the inner bounds of the classes of LU1_PERC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NoReturn

Decoder = Callable[[str, int], object]
"""Text of a cell and year of the campaign to a value; None: not relevant; KeyError: unknown."""

BLANK = ("", "na", "nan", "nat", "none", "<na>", "n.r.", "not relevant", "-1")
"""Cells (in lower case) without a value in any column; -1 is the mark of ST_LUCAS."""

OBSERVATIONS = (
    "in situ < 100 m",
    "in situ > 100 m",
    "in situ photo-interpretation",
    "not possible",
    "out of national territory",
    "out of EU",
    "office photo-interpretation",
    "marine sea",
)
"""Categories of `observation`, in the order of the codes 1-8 of OBS_TYPE."""

DIRECTIONS = ("on the point", "north", "east")
"""Categories of `observation_direction`, in the order of the codes 1-3 of OBS_DIRECT."""

REMARKS = (
    "harvested", "tilled or sowed", "clear cut", "burnt", "fire break", "nursery", "dump",
    "dry", "flooded", "none",
)  # fmt: skip
"""Categories of `special_remark`, in the order of the codes 1-10."""

PARCEL_AREAS: Mapping[str, tuple[float, float]] = {
    "< 0.1": (0.0, 0.1),
    "< 0.5": (0.0, 0.5),
    "0.1 - 0.5": (0.1, 0.5),
    "0.5 - 1": (0.5, 1.0),
    "1 - 10": (1.0, 10.0),
    "> 10": (10.0, float("inf")),
}
"""Categories of `parcel_area` with their bounds in hectares; '< 0.5' holds '0.1 - 0.5'."""

_PARCEL_2018 = ("< 0.5", "0.5 - 1", "1 - 10", "> 10")
_PARCEL_2022 = ("< 0.1", "0.1 - 0.5", "0.5 - 1", "1 - 10", "> 10")

COVER_SHARES: Mapping[str, tuple[float, float]] = {
    "< 10": (0, 10),
    "10 - 25": (10, 25),
    "25 - 50": (25, 50),
    "50 - 75": (50, 75),
    "> 75": (75, 100),
}
"""Classes of LC1_PERC in 2009-2015 with their bounds in per cent, codes 1-5."""

USE_SHARES: Mapping[str, tuple[float, float]] = {
    "< 5": (0, 5),
    "5 - 10": (5, 10),
    "10 - 25": (10, 25),
    "25 - 50": (25, 50),
    "50 - 75": (50, 75),
    "75 - 90": (75, 90),
    "> 90": (90, 100),
}
"""Classes of LU1_PERC in 2015 with their bounds in per cent, codes 1-7."""

_RADII_2006 = {"1": 1.5, "2": 24.5, "3": 75.0, "4": 101.0}
_COVER = re.compile(r"[A-H][0-9X][0-9]|[A-H]X?[0-9]")
_USE = re.compile(r"U[0-9]{3}")
_DATES = (
    "%d/%m/%y", "%d/%m/%Y", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
    "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d",
)  # fmt: skip
_LAST_YEAR_OF_CLASSES = 2015
_CHANGE_OF_PARCELS = 2022


def plain_text(text: str, _: int) -> str | None:
    """Any text; 8 means 'not relevant'."""
    return None if text == "8" else text


def any_text(text: str, _: int) -> str | None:
    """Any text, 8 too: names of places."""
    return text


def cover(text: str, _: int) -> str | None:
    """Code of a land cover in upper case, such as C10 or BX1."""
    return _code(text.upper(), _COVER)


def use(text: str, _: int) -> str | None:
    """Code of a land use in upper case, such as U111."""
    return _code(text.upper(), _USE)


def number(*missing: float) -> Decoder:
    """Decoder of a number in a column where exactly these numbers mean 'not relevant'."""

    def decode(text: str, _: int) -> float | None:
        value = _float(text)
        return None if any(abs(value - code) < 1e-6 for code in missing) else value

    return decode


def coordinate(text: str, _: int) -> float | None:
    """Degrees; 88.888888 and the like mean 'not relevant'."""
    value = _float(text)
    return None if 88.8 < abs(value) < 89 or abs(value) in (88, 888, 8888) else value


def observation_distance(text: str, year: int) -> float | None:
    """Metres; in 2006 classes 1-4 that stand for 1.5, 24.5, 75 and 101 m."""
    if year == 2006 and text in _RADII_2006:
        return _RADII_2006[text]
    value = _float(text)
    return None if value == 8888 else value


def east_west(text: str, _: int) -> float | None:
    """Sign of a longitude: 1 for east, -1 for west."""
    return {"1": 1.0, "E": 1.0, "EAST": 1.0, "2": -1.0, "W": -1.0, "WEST": -1.0, "8": None}[
        text.upper()
    ]


def date(text: str, _: int) -> datetime | None:
    """Date of a visit; 88/88/2006 means 'not relevant'."""
    if text.startswith("88") or text == "8":
        return None
    for form in _DATES:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise KeyError(text)


def percent(text: str, year: int) -> float | None:
    """Per cent in campaigns that noted numbers (2018 and later); otherwise None."""
    if year <= _LAST_YEAR_OF_CLASSES or _as_class(text, {**USE_SHARES, **COVER_SHARES}) is not None:
        return None
    value = _float(text)
    return value if 0 <= value <= 100 else None


def percent_class(shares: Mapping[str, tuple[float, float]]) -> Decoder:
    """Decoder of a share to its class, from a class, its code (until 2015) or a number (later)."""
    names = tuple(shares)

    def decode(text: str, year: int) -> str | None:
        found = _as_class(text, shares)
        if found is not None:
            return found
        if year <= _LAST_YEAR_OF_CLASSES:
            return None if text in ("8", "88", "888") else _by_code(text, names)
        return class_of(percent(text, year), shares)

    return decode


def class_code(shares: Mapping[str, tuple[float, float]]) -> Decoder:
    """Decoder of a column that holds codes of the classes of a share in every year."""
    names = tuple(shares)
    return lambda text, _: None if text in ("8", "88", "888") else _by_code(text, names)


def class_of(value: float | None, shares: Mapping[str, tuple[float, float]]) -> str | None:
    """Class of a percentage: lower bounds belong to it, and 75 % is not '> 75'."""
    if value is None:
        return None
    last = list(shares)[-1]
    found = [n for n, (low, _) in shares.items() if value >= low and (n != last or value > low)]
    return found[-1] if found else None


def parcel_area(text: str, year: int) -> str | None:
    """Category of a parcel's area; the codes of 2022 differ from those before."""
    found = _as_class(text.removesuffix("ha"), PARCEL_AREAS)
    if found is not None:
        return found
    if text in ("8", "88"):
        return None
    if year >= _CHANGE_OF_PARCELS:
        return None if text == "6" else _by_code(text, _PARCEL_2022)
    return _by_code(text, _PARCEL_2018)


def observation(text: str, _: int) -> str | None:
    """Category of how a point was observed."""
    known = {
        "in situ < 100 m": 0, "in situ > 100 m": 1, "in situ pi": 2, "in situ pi not possible": 3,
        "out of national territory": 4, "out of eu": 5, "in office pi": 6, "marine sea": 7,
    }  # fmt: skip
    if text.lower() in known:
        return OBSERVATIONS[known[text.lower()]]
    return _by_code(text, OBSERVATIONS)


def direction(text: str, _: int) -> str | None:
    """Category of where a surveyor looked: at the point, or beside a border or a line."""
    if text in ("4", "8"):
        return None
    said = [name for name in DIRECTIONS if name in text.lower()]
    return said[0] if said else _by_code(text, DIRECTIONS)


def remark(text: str, _: int) -> str | None:
    """Category of a special remark."""
    if text in ("11", "8888", "88", "888"):
        return None
    words = ("harvest", "till", "clear", "burn", "fire", "nurser", "dump", "dry", "flood", "no")
    if not text.isdigit():
        said = [name for word, name in zip(words, REMARKS, strict=True) if word in text.lower()]
        return said[0] if said else _unknown(text)
    return _by_code(text, REMARKS)


def _code(text: str, form: re.Pattern[str]) -> str | None:
    if text in ("8", "88", "888", "0", "NOT RELEVANT"):
        return None
    return text if form.fullmatch(text) else _unknown(text)


def _by_code(text: str, names: tuple[str, ...]) -> str:
    place = int(text) - 1 if text.isdigit() else -1
    return names[place] if 0 <= place < len(names) else _unknown(text)


def _as_class(text: str, names: Mapping[str, tuple[float, float]]) -> str | None:
    """Name of a class however it is spaced; '>=10' counts as '> 10'."""
    bare = text.replace(" ", "").replace("=", "").replace("%", "").replace("≥", ">")
    return next((name for name in names if name.replace(" ", "") == bare), None)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return _unknown(text)


def _unknown(text: str) -> NoReturn:
    raise KeyError(text)
