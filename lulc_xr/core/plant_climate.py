"""What the climate rules of plant types ask for, from monthly climate or from BIO variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.plant_rules import PLANT_CLIMATE

Floats = NDArray[np.float64]

BASE = 5.0
"""Temperature above which degree days count (degC)."""

_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_NORTHERN_WINTER = np.array([1, 2, 3, 4, 11, 12]) - 1
_SOUTHERN_WINTER = np.array([5, 6, 7, 8, 9, 10]) - 1

# Of a cosine over the year of amplitude 1, twelve values: mean of the three around the top, and
# sample standard deviation (of 12 over 11), as BIO10, BIO11 and BIO4 are defined.
_QUARTER = (1 + 2 * np.cos(np.pi / 6)) / 3
_DEVIATION = np.sqrt(6 / 11)


def growing_degree_days(months: NDArray[Any], *, base: float = BASE) -> Floats:
    """Growing degree days of a year from twelve monthly means.

    Daily means lie on straight lines between the middles of the months, as in the biome models
    since Prentice et al. (1992), J. Biogeogr. 19, 117-134; the year has 365 days. Where all
    days are above `base` this is the sum of the months but for the bends of those lines.

    Parameters
    ----------
    months : ndarray
        Monthly means in degC from January to December, shape (month, ...).
    base : float
        Temperature above which degrees count.

    Returns
    -------
    ndarray of float64
        degC day, shape (...); NaN where a month is.

    Examples
    --------
    >>> float(growing_degree_days(np.full(12, 15.0)))
    3650.0
    """
    values = np.asarray(months, np.float64)
    middles = np.cumsum(_LENGTHS) - _LENGTHS / 2
    total = np.zeros(values.shape[1:])
    for day in np.arange(365) + 0.5:
        # The month whose middle came last, and how far the day is on the way to the next.
        last = int(np.searchsorted(middles, day, side="right")) - 1
        following = (last + 1) % 12
        way = (middles[following] - middles[last]) % 365
        part = (day - middles[last]) % 365 / way
        total += np.maximum((1 - part) * values[last] + part * values[following] - base, 0.0)
    return total


def climate_of_months(
    temperature: NDArray[Any], precipitation: NDArray[Any], latitude: NDArray[Any]
) -> dict[str, Floats]:
    """Variables of ``PLANT_CLIMATE`` from twelve monthly means and sums.

    Parameters
    ----------
    temperature, precipitation : ndarray
        Monthly means in degC, monthly sums in mm, January to December, shape (month, ...).
    latitude : ndarray
        Degrees north, a shape that fits (...): winter is November to April north of the equator
        and May to October south of it (ours).

    Returns
    -------
    dict of str to ndarray of float64
        Shape (...).
    """
    warmth, rain = (np.asarray(v, np.float64) for v in (temperature, precipitation))
    north, south = (rain[months].sum(axis=0) for months in (_NORTHERN_WINTER, _SOUTHERN_WINTER))
    values = (
        warmth.min(axis=0),
        warmth.max(axis=0),
        growing_degree_days(warmth),
        rain.sum(axis=0),
        np.where(np.asarray(latitude) >= 0, north, south),
        rain.min(axis=0),
    )
    return dict(zip(PLANT_CLIMATE, values, strict=True))


REQUIRED_BIO = ("bio01", "bio12", "bio18", "bio19")
"""BIO variables that are always needed; and either bio10 and bio11 or bio04, bio14 or bio17."""


def missing_bio(names: set[str]) -> list[str]:
    """BIO variables that are wanting for :func:`climate_of_bio`."""
    wanting = [name for name in REQUIRED_BIO if name not in names]
    if not ({"bio10", "bio11"} <= names or "bio04" in names):
        wanting.append("bio10 and bio11 (or bio04)")
    if not names & {"bio14", "bio17"}:
        wanting.append("bio14 (or bio17)")
    return wanting


def climate_of_bio(bio: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
    """Variables of ``PLANT_CLIMATE`` from BIO variables; approximations, all but two of them ours.

    Annual precipitation is BIO12, that of the driest month BIO14 (without it a third of BIO17,
    which is too much). The rest takes temperature for a cosine over the year: the coldest and the
    warmest month follow from the coldest and the warmest quarter (BIO11, BIO10), whose mean is
    0.911 of the way from BIO1, or from BIO4; degree days are those of a cosine of the mean BIO1
    and the amplitude of both. Winter's half of the year is the coldest quarter and half of what
    falls outside the coldest and the warmest: (BIO12 + BIO19 - BIO18) / 2.

    Parameters
    ----------
    bio : mapping of str to ndarray
        ``bio01``, ``bio12``, ``bio18``, ``bio19``; ``bio10`` and ``bio11``, or ``bio04``;
        ``bio14`` or ``bio17``, in the units of WorldClim (BIO4 in degC times 100).

    Returns
    -------
    dict of str to ndarray of float64
    """
    values = {name: np.asarray(value, np.float64) for name, value in bio.items()}
    mean = values["bio01"]
    if {"bio10", "bio11"} <= set(values):
        above = (values["bio10"] - mean) / _QUARTER
        below = (mean - values["bio11"]) / _QUARTER
    else:
        above = below = values["bio04"] / 100 / _DEVIATION
    wave = -np.cos(2 * np.pi * np.arange(12) / 12).reshape(12, *[1] * mean.ndim)
    driest = values["bio14"] if "bio14" in values else values["bio17"] / 3
    made = (
        mean - below,
        mean + above,
        growing_degree_days(mean + (above + below) / 2 * wave),
        values["bio12"],
        (values["bio12"] + values["bio19"] - values["bio18"]) / 2,
        driest,
    )
    return dict(zip(PLANT_CLIMATE, made, strict=True))
