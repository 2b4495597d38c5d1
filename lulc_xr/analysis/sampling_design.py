"""How many reference points each stratum needs for a wanted standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.design_columns import Totals, check_totals
from lulc_xr.core.errors import SampleError, name_unknown

Allocation = Literal["proportional", "neyman", "equal"]
ALLOCATIONS: tuple[Allocation, ...] = get_args(Allocation)
"""Ways to divide points among strata."""

Floats = NDArray[np.float64]
_LEAST = 2
_MOST = 100_000_000


def plan_sample(
    stratum_area: Totals,
    *,
    expected: float | Totals,
    standard_error: float | None = None,
    points: int | None = None,
    allocation: Allocation = "proportional",
    minimum: int | Totals = _LEAST,
    population: Totals | None = None,
) -> pd.DataFrame:
    """Points per stratum for a wanted standard error, or for a number of points.

    The quantity is a share of the whole area: overall accuracy, if `expected` are the user's
    accuracies of the map classes that are the strata; the area of a class, if `expected` is its
    share in each stratum.

    Parameters
    ----------
    stratum_area : mapping
        Area of each stratum in any unit, such as ``lx.class_areas(class_map)["area_ha"]``.
    expected : float or mapping
        Expected share in each stratum, between 0 and 1: of points that agree, or of the class.
    standard_error : float, optional
        Wanted standard error of the share, such as 0.01.
    points : int, optional
        Number of points instead.
    allocation : {"proportional", "neyman", "equal"}
        Points by area, by area × standard deviation (least standard error), or the same for each.
    minimum : int or mapping
        Least points of each stratum, at least 2; 50 to 100 for rare classes whose user's accuracy
        is to be reported (Olofsson et al. 2014).
    population : mapping, optional
        Units (pixels) of each stratum: no more are drawn, and the finite population correction
        counts.

    Returns
    -------
    pandas.DataFrame
        One row per stratum: `area`, `share`, `expected`, `points`, `standard_error` (of the share
        expected in the stratum). Attributes: `points` in all, `standard_error` expected for the
        whole, `wanted`, `allocation`.

    Raises
    ------
    SampleError
        If both or neither of `standard_error` and `points` are given, names do not match, or more
        points are needed than there are units.

    Notes
    -----
    With shares W and S² = p (1 - p), the variance is sum W² S² / n_h - sum W² S² / N_h. For
    n_h = n a_h it takes n = sum (W² S² / a_h) / (SE² + sum W² S² / N_h); for Neyman's allocation
    and large N that is (sum W S / SE)², equation 13 of Olofsson et al. and 5.25 of Cochran. Points
    are rounded up, and minima come on top.

    References
    ----------
    Cochran, W. G. (1977). Sampling techniques, 3rd edition. Wiley. (5.25)
    Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land
    change. Remote Sensing of Environment 148, 42-57. (equation 13)

    Examples
    --------
    >>> plan = plan_sample(
    ...     {"deforestation": 0.02, "gain": 0.015, "forest": 0.32, "other": 0.645},
    ...     expected={"deforestation": 0.7, "gain": 0.6, "forest": 0.9, "other": 0.95},
    ...     standard_error=0.01,
    ...     allocation="neyman",
    ... )
    >>> plan["points"].tolist(), round(plan.attrs["standard_error"], 4)
    ([24, 19, 243, 356], 0.01)
    """
    check_totals("stratum_area", stratum_area)
    if (standard_error is None) == (points is None):
        raise SampleError("give either a wanted standard_error or a number of points.")
    if allocation not in ALLOCATIONS:
        raise SampleError(name_unknown("allocation", allocation, ALLOCATIONS))
    known = {str(name): float(area) for name, area in stratum_area.items() if area > 0}
    names, area = list(known), np.array(list(known.values()))
    if not names:
        raise SampleError("no stratum has an area; there is nothing to sample.")
    share = area / area.sum()
    agreeing = _by_stratum("expected", expected, names)
    if ((agreeing < 0) | (agreeing > 1)).any():
        raise SampleError(f"expected shares {agreeing.tolist()} must lie between 0 and 1.")
    least = np.maximum(_by_stratum("minimum", minimum, names), _LEAST)
    units = np.full(area.size, np.inf)
    if population is not None:
        units = _by_stratum("population", population, names)
    variance = agreeing * (1 - agreeing)
    parts = _parts(allocation, share, variance)
    if standard_error is not None:
        wanted = _needed(share, variance, parts, standard_error=standard_error, units=units)
    else:
        wanted = _divide(int(points or 0), parts, least)
    drawn = np.maximum(wanted, least).astype(np.int64)
    too_many = np.flatnonzero(drawn > units)
    if too_many.size:
        at = int(too_many[0])
        raise SampleError(
            f"stratum {names[at]!r} needs {drawn[at]} points and has {units[at]:g} units. Take a "
            "larger standard_error, fewer points, or a smaller minimum."
        )
    of_stratum = variance / drawn * (1 - drawn / units)
    plan = pd.DataFrame(
        {
            "area": area, "share": share, "expected": agreeing, "points": drawn,
            "standard_error": np.sqrt(of_stratum),
        },
        index=pd.Index(names, name="stratum"),
    )  # fmt: skip
    plan.attrs = {
        "points": int(drawn.sum()),
        "standard_error": float(np.sqrt((share**2 * of_stratum).sum())),
        "wanted": standard_error,
        "allocation": allocation,
    }
    return plan


def _by_stratum(what: str, values: float | Totals, names: list[str]) -> Floats:
    if not isinstance(values, Mapping | pd.Series):
        return np.full(len(names), float(values))
    unknown = [name for name in values.keys() if name not in names]  # noqa: SIM118
    missing = [name for name in names if name not in values]
    if what == "minimum":
        return np.array([float(values.get(name, _LEAST)) for name in names])
    if missing:
        more = f" It has {unknown[0]!r}, which is no stratum with an area." if unknown else ""
        raise SampleError(f"{what} has no value for stratum {missing[0]!r}; give one each.{more}")
    return np.array([float(values[name]) for name in names])


def _parts(allocation: Allocation, share: Floats, variance: Floats) -> Floats:
    """Share of the points of each stratum."""
    if allocation == "equal":
        return np.full(share.size, 1 / share.size)
    if allocation == "proportional":
        return share
    weight = share * np.sqrt(variance)
    # Without any spread expected there is no best way to divide points.
    return weight / weight.sum() if weight.sum() > 0 else share


def _needed(
    share: Floats, variance: Floats, parts: Floats, *, standard_error: float, units: Floats
) -> Floats:
    if not standard_error > 0:
        raise SampleError(f"standard_error {standard_error} must be greater than 0, such as 0.01.")
    spread = share**2 * variance
    known = spread > 0
    above = float((spread[known] / parts[known]).sum())
    number = above / (standard_error**2 + float((spread / units).sum()))
    if number > _MOST:
        raise SampleError(
            f"a standard error of {standard_error:g} would take {number:.3g} points. Take a "
            "larger one."
        )
    # The last digit of a float must not cost a point.
    return np.ceil(number * parts - 1e-9)


def _divide(points: int, parts: Floats, least: Floats) -> Floats:
    """A number of points divided: minima first, the rest by their parts."""
    if points < least.sum():
        raise SampleError(
            f"{points} points are fewer than the minima of the strata need ({least.sum():g}). Give "
            "more, or a smaller minimum."
        )
    drawn = np.floor(parts * points)
    for _ in range(parts.size):
        short = drawn < least
        drawn[short] = least[short]
        free = ~short & (drawn > least)
        rest = points - drawn[~free].sum()
        if not free.any():
            break
        drawn[free] = np.maximum(np.floor(rest * parts[free] / parts[free].sum()), least[free])
    left = int(points - drawn.sum())
    order = np.argsort(-(parts * points - drawn), kind="stable")
    for k in range(abs(left)):
        able = [i for i in order if left > 0 or drawn[i] > least[i]]
        drawn[able[k % len(able)]] += math.copysign(1, left)
    return drawn
