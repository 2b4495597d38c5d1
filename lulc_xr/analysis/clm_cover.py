"""Land cover of a surface file made anew: percentages of units, plant types and crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.clm_template import GROUPS, URBAN_CLASSES, SurfaceTemplate
from lulc_xr.analysis.land_shares import LandShares
from lulc_xr.core.clm import FIRST_CROP, LANDUNITS
from lulc_xr.core.errors import CubeError
from lulc_xr.core.exact_percent import PLACES, exact_percent

_UNITS = ("natural_vegetation", "crop", "lake", "wetland", "glacier")


@dataclass(frozen=True, kw_only=True)
class CoverRules:
    """How land cover is laid over a template; see :func:`lulc_xr.export_clm_surface`."""

    urban: tuple[float, float, float] = (0.0, 0.0, 1.0)
    crop_types: str = "map"
    absent: str = "first"
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        classes = np.asarray(self.urban, float)
        if (
            classes.shape != (URBAN_CLASSES,)
            or (classes < 0).any()
            or abs(classes.sum() - 1) > 1e-6
        ):
            raise CubeError(
                f"urban={self.urban} are no shares of the {URBAN_CLASSES} urban classes (tall "
                "buildings, high, medium density). Give three that sum to 1; TSMP has (0, 0, 1)."
            )
        for name, known in (
            ("crop_types", ("map", "merge", "template")),
            ("absent", ("first", "template")),
        ):
            if getattr(self, name) not in known:
                raise CubeError(
                    f"{name}={getattr(self, name)!r} is unknown. Choose one of {', '.join(known)}."
                )


def made_cover(
    shares: LandShares, template: SurfaceTemplate, rules: CoverRules
) -> dict[str, NDArray[np.floating]]:
    """Percentages by group of `GROUPS`, (type, cell), in the file's own precision.

    Cells without shares keep the template's values; where those sum to 100 but for rounding, they
    are rounded so that the sum is exact.
    """
    units = shares.units
    five = np.stack([units[LANDUNITS.index(name)] for name in _UNITS])
    towns = units[LANDUNITS.index("urban")] * np.asarray(rules.urban, float)[:, None]
    wanted = {"land units": np.concatenate([five, towns]), "natural plant types": shares.natural}
    if rules.crop_types != "template":
        wanted["crops"] = match_crops(shares, template.crop_ids, rules.crop_types)
    made = {}
    for group, values in template.groups.items():
        kind = template.precision(group)
        result = values.astype(kind)
        written = shares.written if group in wanted else np.zeros_like(shares.written)
        if group != "land units" and rules.absent == "template" and group in wanted:
            # Nothing of this land unit: the template's types stay, whatever they are.
            written = written & (wanted[group].sum(axis=0) > 0)
        if written.any():
            result[:, written] = exact_percent(
                wanted[group][:, written],
                dtype=kind,
                absent=None if group == "land units" else 0,
            )
        _mend(result, ~written, rules.tolerance)
        made[group] = result
    return made


def _mend(values: NDArray[np.floating], cells: NDArray[np.bool_], tolerance: float) -> None:
    """Make sums exact in place in cells where they are 100 but for rounding."""
    units = values.astype(np.float64) * 2.0 ** PLACES[values.dtype]
    sums = values.sum(axis=0, dtype=np.float64)
    # Only whole units sum to 100 in any order.
    exact = (units == np.rint(units)).all(axis=0) & (sums == 100)
    near = (np.abs(sums - 100) <= tolerance) & (values >= 0).all(axis=0)
    inexact = cells & ~exact & near
    if inexact.any():
        values[:, inexact] = exact_percent(values[:, inexact], dtype=values.dtype)


def match_crops(shares: LandShares, wanted: Sequence[int], crop_types: str) -> NDArray[np.float64]:
    """Shares of the template's crops (cft, cell).

    Raises
    ------
    CubeError
        If the map has crops that the template hasn't, and they may not be merged.
    """
    made = np.zeros((len(wanted), shares.crops.shape[1]))
    positions = {number: position for position, number in enumerate(wanted)}
    lost = []
    for number, values in zip(shares.crop_ids, shares.crops, strict=True):
        # Odd numbers are rainfed, even irrigated; 15 and 16 stand for all of them.
        generic = FIRST_CROP + (number - FIRST_CROP) % 2
        if number not in positions and values.any():
            lost.append(number)
        target = positions.get(number, positions.get(generic))
        if target is not None:
            made[target] += values
    unplaced = [n for n in lost if FIRST_CROP + (n - FIRST_CROP) % 2 not in positions]
    if lost and (crop_types != "merge" or unplaced):
        raise CubeError(
            f"the plant types have crops {lost}; the template has {len(wanted)}, "
            f"{min(wanted)} to {max(wanted)}. Pass crop_types='merge' to add them to 15 (rainfed) "
            "and 16 (irrigated), crop_types='template' to keep the template's PCT_CFT, or take a "
            "template with 64 crops."
        )
    return made


def split_group(group: str, values: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Values of a group by variable, (type, cell) or (cell,)."""
    if group != "land units":
        return {GROUPS[group][0]: values}
    *single, towns = GROUPS[group]
    made: dict[str, NDArray[np.floating]] = {n: values[i] for i, n in enumerate(single)}
    made[towns] = values[len(single) :]
    return made
