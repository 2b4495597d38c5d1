"""Climate splits plant groups into the natural plant types of CLM5, by rules with thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.clm import NATURAL_PFTS
from lulc_xr.core.errors import LegendError, name_unknown
from lulc_xr.core.plant_groups import (
    BARE,
    BROADLEAF,
    DECIDUOUS,
    EVERGREEN,
    EVERGREEN_SHRUB,
    GRASS,
    LARCH,
    LICHEN,
    NATURAL_GROUPS,
    NEEDLELEAF,
    SHRUB,
    TREE,
)

PLANT_CLIMATE: Mapping[str, tuple[str, str]] = {
    "coldest_month": ("degC", "mean temperature of the coldest month"),
    "warmest_month": ("degC", "mean temperature of the warmest month"),
    "growing_degree_days": ("degC day", "sum of daily mean temperatures above 5 degC in a year"),
    "annual_precipitation": ("mm", "precipitation of a year"),
    "winter_precipitation": ("mm", "precipitation of the winter half of the year"),
    "driest_month_precipitation": ("mm", "precipitation of the driest month"),
}
"""What the rules ask of the climate of a cell, with units and meaning."""

NEEDLELEAF_SHARE = 0.5
"""Ours: share of trees of unknown leaf that counts as needleleaf where no source says it."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_SOURCE = (
    "Bonan et al. (2002), Global Biogeochem. Cycles 16, 1021, doi 10.1029/2000GB001360, as used "
    "for CLM; numbers from memory, not compared with the paper"
)


@dataclass(frozen=True, kw_only=True)
class PlantClimateRules:
    """Thresholds by which climate splits plant groups.

    The rules are those that Bonan et al. (2002) gave for CLM2's plant types. What could be read
    when this was written: the technical notes of CLM say that grass, shrubs and trees are split
    into tropical, temperate and boreal types by climate rules that go back to Nemani and Running
    (1996), and that newer surface data take C3 and C4 from Still et al. (2003) instead; others
    confirm that Bonan's rules turn 7 types into 15. The table of thresholds itself could not be
    read: the numbers are from memory, and are parameters for this reason. What is ours is said.

    Parameters
    ----------
    name : str
        Name of the rules, kept with what is made.
    source : str
        Where the numbers are from.
    tropical_coldest : float
        Trees are tropical where the coldest month is warmer (degC).
    needleleaf_coldest, broadleaf_coldest, shrub_coldest : float
        Needleleaf trees, broadleaf deciduous trees, shrubs are temperate where the coldest month
        is warmer (degC) and `temperate_degree_days` are exceeded, else boreal.
    temperate_degree_days : float
        Growing degree days above 5 degC (degC day).
    shrub_precipitation : float
        Shrubs of unknown leaf are evergreen in a temperate climate where more precipitation falls
        in a year (mm), of which more than `shrub_winter_share` in the winter half.
    shrub_winter_share : float
        See there (1). That winter is November to April, south of the equator May to October, is
        ours.
    arctic_degree_days : float
        Grass is arctic below (degC day).
    c4_warmest, c4_driest : float
        Grass that is not arctic is C4 where the warmest month is warmer (degC) and the driest
        month is wetter (mm), else C3.
    c4_share : float
        Share of that grass which is C4 (1). The rule says 1; less is your own. Grassland of
        southern central Europe is C3 for the most part, so 0 may be nearer to it.
    evergreen_coldest : float
        Ours: broadleaf trees of unknown leaf are evergreen where the coldest month is at least as
        warm (degC), `temperate_degree_days` are exceeded and the driest month has less than
        `evergreen_driest`; or where the climate is tropical. 3 degC is the limit of temperate
        broadleaf evergreen trees in LPJ and CLM-DGVM.
    evergreen_driest : float
        Ours: 40 mm, which the driest month of summer stays below in a Mediterranean climate of
        Köppen and Geiger.
    evergreen_share : float
        Ours: share of broadleaf trees of unknown leaf that is evergreen there (1); none elsewhere.

    Raises
    ------
    LegendError
        If a number is not finite, a share outside 0 to 1, or thresholds are out of order.

    References
    ----------
    Nemani, R., Running, S. W. (1996). Implementation of a hierarchical global vegetation
    classification in ecosystem function models. J. Veg. Sci. 7, 337-346.
    Technical descriptions of CLM4.5 and CLM5: ESCOMP/CTSM, doc/source/tech_note.

    Examples
    --------
    >>> PlantClimateRules(c4_share=0.0).temperate_degree_days
    1200.0
    """

    name: str = "bonan2002"
    source: str = _SOURCE
    tropical_coldest: float = 15.5
    needleleaf_coldest: float = -19.0
    broadleaf_coldest: float = -15.0
    shrub_coldest: float = -19.0
    temperate_degree_days: float = 1200.0
    shrub_precipitation: float = 520.0
    shrub_winter_share: float = 2 / 3
    arctic_degree_days: float = 1000.0
    c4_warmest: float = 22.0
    c4_driest: float = 25.0
    c4_share: float = 1.0
    evergreen_coldest: float = 3.0
    evergreen_driest: float = 40.0
    evergreen_share: float = 1.0

    def __post_init__(self) -> None:
        for name, value in self.thresholds().items():
            if not np.isfinite(value):
                raise LegendError(f"{name}={value} of the climate rules; expected a number.")
            if name.endswith("_share") and not 0 <= value <= 1:
                raise LegendError(f"{name}={value} of the climate rules; expected 0 to 1.")
        low = max(self.needleleaf_coldest, self.broadleaf_coldest, self.shrub_coldest)
        if low >= self.tropical_coldest:
            raise LegendError(
                f"a coldest month of {low:g} degC splits boreal from temperate plants, and "
                f"tropical_coldest={self.tropical_coldest:g} tropical ones: give it above."
            )

    def thresholds(self) -> dict[str, float]:
        """The numbers by name."""
        return {k: float(v) for k, v in asdict(self).items() if k not in ("name", "source")}


CLIMATE_RULES: Mapping[str, PlantClimateRules] = {"bonan2002": PlantClimateRules()}
"""Climate rules by name."""


def find_climate_rules(rules: str | PlantClimateRules) -> PlantClimateRules:
    """Rules by their name, or as they are.

    Raises
    ------
    LegendError
        If the name is not known.
    """
    if isinstance(rules, PlantClimateRules):
        return rules
    if rules not in CLIMATE_RULES:
        raise LegendError(
            name_unknown("set of climate rules", rules, CLIMATE_RULES)
            + " Your own are PlantClimateRules(...)."
        )
    return CLIMATE_RULES[rules]


def needs_climate(group: int) -> bool:
    """Whether climate decides which plant type a group becomes."""
    return group in NATURAL_GROUPS and group not in (BARE, LARCH)


def split_groups(
    groups: NDArray[Any],
    climate: Sequence[NDArray[Any]],
    *,
    rules: PlantClimateRules,
    needleleaf_share: Any = NEEDLELEAF_SHARE,
    evergreen_share: Any = None,
) -> Floats:
    """Shares of natural plant types from shares of plant groups.

    Parameters
    ----------
    groups : ndarray
        Shares of the groups ``NATURAL_GROUPS``, in this order, shape (..., group).
    climate : sequence of ndarray
        The six variables of ``PLANT_CLIMATE``, in this order, of shapes that fit (...).
    rules : PlantClimateRules
        The rules.
    needleleaf_share, evergreen_share : array-like
        Share of trees of unknown leaf that is needleleaf (NaN: half); share of broadleaf trees of
        unknown leaf that is evergreen (None or NaN: as the rules say). Shapes that fit (...).

    Returns
    -------
    ndarray of float64
        Shape (..., natpft): the 15 types in the order of ``NATURAL_PFTS``; they sum to what
        `groups` sum to.

    Raises
    ------
    LegendError
        If a cell has plants that need climate, and has none.
    """
    shares = np.moveaxis(np.asarray(groups, np.float64), -1, 0)
    cold, warm, days, rain, winter, driest = (np.asarray(v, np.float64) for v in climate)
    _check_known(shares, (cold, warm, days, rain, winter, driest))
    made = np.zeros((len(NATURAL_PFTS), *shares.shape[1:]))

    def put(amount: Floats, choices: Sequence[tuple[int, Mask]], otherwise: int) -> None:
        """Give an amount to the first type whose condition holds, else to `otherwise`."""
        left = np.ones(np.broadcast_shapes(*(mask.shape for _, mask in choices)), np.bool_)
        for number, mask in choices:
            made[number] += np.where(left & mask, amount, 0.0)
            left = left & ~mask
        made[otherwise] += np.where(left, amount, 0.0)

    tropical, grows = cold > rules.tropical_coldest, days > rules.temperate_degree_days
    needle = np.asarray(needleleaf_share, np.float64)
    needle = np.where(np.isnan(needle), NEEDLELEAF_SHARE, needle)
    needleleaf = shares[NEEDLELEAF] + needle * shares[TREE]
    put(needleleaf, [(1, (cold > rules.needleleaf_coldest) & grows)], otherwise=2)
    made[3] += shares[LARCH]

    dry = (cold >= rules.evergreen_coldest) & (driest < rules.evergreen_driest)
    by_rule = np.where(grows & (tropical | dry), rules.evergreen_share, 0.0)
    given = np.asarray(np.nan if evergreen_share is None else evergreen_share, np.float64)
    evergreen = np.where(np.isnan(given), by_rule, given)
    unknown = shares[BROADLEAF] + (1 - needle) * shares[TREE]
    put(shares[EVERGREEN] + evergreen * unknown, [(4, tropical)], otherwise=5)
    temperate = (cold > rules.broadleaf_coldest) & grows
    deciduous = shares[DECIDUOUS] + (1 - evergreen) * unknown
    put(deciduous, [(6, tropical), (7, temperate)], otherwise=8)

    mild = (cold > rules.shrub_coldest) & grows
    wet = (rain > rules.shrub_precipitation) & (winter > rules.shrub_winter_share * rain)
    put(shares[SHRUB], [(9, mild & wet), (10, mild)], otherwise=11)
    put(shares[EVERGREEN_SHRUB], [(9, mild)], otherwise=11)

    arctic = days < rules.arctic_degree_days
    hot = (days > rules.arctic_degree_days) & (warm > rules.c4_warmest) & (driest > rules.c4_driest)
    put(rules.c4_share * shares[GRASS], [(12, arctic), (14, hot)], otherwise=13)
    put((1 - rules.c4_share) * shares[GRASS], [(12, arctic)], otherwise=13)
    put(shares[LICHEN], [(12, arctic)], otherwise=0)
    made[0] += shares[BARE]
    return np.moveaxis(made, 0, -1)


def _check_known(shares: Floats, climate: Sequence[Floats]) -> None:
    """Raise where plants that need climate stand in cells without any."""
    asking = np.zeros(shares.shape[1:], np.bool_)
    for group in NATURAL_GROUPS:
        if needs_climate(group):
            asking |= shares[group] > 0
    unknown = np.zeros(shares.shape[1:], np.bool_)
    for values in climate:
        unknown |= np.isnan(values)
    number = int((asking & unknown).sum())
    if number:
        raise LegendError(
            f"{number} of {int(asking.sum())} cells and years with plants have no climate (NaN): "
            "their plant types cannot be told. Give climate for them, or pass "
            "on_missing='nearest' to take that of the nearest cell which has it."
        )
