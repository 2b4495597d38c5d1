"""From judged points, or a map and points, to an assessment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.assessment import Assessment
from lulc_xr.analysis.assessment_models import (
    calibration_tables,
    limits_table,
    set_table,
    transfer_table,
)
from lulc_xr.analysis.assessment_tables import (
    WEIGHT,
    cell_table,
    error_correlation,
    group_table,
    point_weights,
    subset_table,
)
from lulc_xr.analysis.design import Design
from lulc_xr.analysis.findings import AREA
from lulc_xr.analysis.intervals import Interval
from lulc_xr.analysis.judged import judge_points
from lulc_xr.analysis.map_pictures import picture_of
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

_NEEDED = ("mapped", "reference")
_WORDS = {
    "outside": "outside the map",
    "year_not_mapped": "of years that are not mapped",
    "unlabelled": "without a label",
    "unmapped": "where the map has no class",
    "masked": "where the mask does not count",
    "ambiguous": "where the crosswalk says nothing of the map's class",
}
"""Why points are left out, by the counts of judged points."""


def assess(
    maps: pd.DataFrame | xr.Dataset | xr.DataArray,
    points: Any = None,
    *,
    task: str = "land_cover",
    design: Design | None = None,
    block: float | None = None,
    transfer: pd.DataFrame | None = None,
    promised: float | None = None,
    level: float = 0.95,
    interval: Interval = "wilson",
    kappa: bool = False,
    repeats: int = 500,
    seed: int = 0,
    facts: Mapping[str, str] | None = None,
    picture: xr.Dataset | None = None,
    **judging: Any,
) -> Assessment:
    """All that reference points tell of a class map: figures, intervals, and what follows.

    Parameters
    ----------
    maps : DataFrame, xr.Dataset or xr.DataArray
        Judged points (:func:`lulc_xr.judge_points`); or a map, with `points`. Probabilities, sets,
        entropy and dissimilarity that it holds are judged as well.
    points : GeoDataFrame, DataFrame or xr.Dataset, optional
        Reference points, if `maps` is a map.
    task : str
        Name of the class map.
    design : Design, optional
        How the points were drawn. Without it all figures are unweighted agreement.
    block : float, optional
        Side in metres of blocks whose points err alike: they, not points, are the units of all
        intervals. With a design give its clusters instead.
    transfer : pandas.DataFrame, optional
        Points judged by models that did not see their region: columns `region`, `mapped` and
        `reference`, ids or names of this legend. A section of its own; no other figure uses it.
    promised : float, optional
        Coverage that the conformal sets promise; by default what the judged points say of it.
    level : float
        Of all intervals.
    interval : {"wilson", "normal", "logit", "bootstrap"}
        Kind of the intervals of shares, see :func:`lulc_xr.accuracy`.
    kappa : bool
        Whether to tell Cohen's kappa too, with its caveat.
    repeats, seed : int
        Resamples for intervals of calibration, and the seed of all draws.
    facts : mapping of str to str, optional
        What to tell of the comparison, such as `map`, `reference`, `command`; `training samples`
        if it is known that the model never saw these points, and how.
    picture : xr.Dataset, optional
        The map of judged points: where it is unsure is drawn from its entropy.
    **judging
        Further settings of :func:`lulc_xr.judge_points`, if `maps` is a map.

    Returns
    -------
    Assessment
        Tables, sentences, page.

    Raises
    ------
    SampleError
        If no point has a label, or settings contradict each other.
    LegendError
        If judged points say nothing of their legend.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> judged = pd.DataFrame({"mapped": [0, 0, 1, 1], "reference": [0, 0, 1, 0]}, dtype="uint8")
    >>> judged.attrs["legend"] = legend.to_dict()
    >>> found = assess(judged)
    >>> round(found.estimate("overall accuracy").value, 6), found.points
    (0.75, {'given': 4, 'judged': 4})
    """
    pictures = picture_of(picture, task) if picture is not None else ()
    known = {str(key): str(text) for key, text in (facts or {}).items()}
    if not isinstance(maps, pd.DataFrame):
        if points is None:
            raise SampleError("a map and no points; pass points=, or judged points alone.")
        judged = judge_points(maps, points, task=task, block=block, **judging)
        pictures, known = picture_of(maps, task), {**_told_by(maps, task), **known}
    elif points is not None or judging:
        more = ", ".join(judging) or "points"
        raise SampleError(f"judged points hold all of that already; leave {more} out.")
    else:
        judged = maps
    _check(judged)
    legend = _legend_of(judged)
    labelled = judged[judged["reference"] != FILL_CLASS].reset_index(drop=True)
    if labelled.empty:
        raise SampleError(f"none of {len(judged)} judged points has a label; nothing to compare.")
    settings = _Settings(design=design, block=block, level=level, interval=interval, kappa=kappa)
    plan = settings.units(labelled)
    result = accuracy(
        labelled, legend=legend, design=plan.design, level=level, interval=interval, kappa=kappa
    )
    estimates = result.estimates
    if design is None:
        # Counts of points are no areas.
        estimates = estimates[estimates["quantity"] != AREA].reset_index(drop=True)
    if design is not None and result.survey is not None:
        labelled[WEIGHT] = point_weights(labelled, legend, result.survey)
    scoring = {"units": plan.units, "level": level, "interval": interval}
    passes = str(judged.attrs.get("filter", "the filter"))
    calibration = calibration_tables(
        labelled, legend, units=plan.units, level=level, repeats=repeats, seed=seed
    )
    return Assessment(
        facts=_facts(judged, known),
        points=_counts(judged, labelled),
        legend=legend,
        judged=labelled,
        counts=_counts_of(result),
        estimates=estimates,
        design=design.statement if design is not None else "",
        unit=design.unit if design is not None else "",
        blocks=plan.blocks,
        correlation=error_correlation(labelled, level=level, seed=seed),
        cells=cell_table(labelled, legend, estimates, units=plan.units, level=level),
        subsets=subset_table(labelled, legend, filter_name=passes, **scoring),
        regions=_regions(labelled, legend, scoring),
        calibration=calibration,
        sets=set_table(labelled, legend, promised=promised, units=plan.units, level=level),
        applicability=limits_table(labelled, legend, **scoring),
        transfer=transfer_table(transfer, legend, level=level, interval=interval),
        pictures=pictures,
        level=level,
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The design that intervals are made by, their units, and how many blocks there are."""

    design: Design | None
    units: str | None
    blocks: tuple[int, float] | None


@dataclass(frozen=True, kw_only=True)
class _Settings:
    design: Design | None
    block: float | None
    level: float
    interval: Interval
    kappa: bool

    def units(self, labelled: pd.DataFrame) -> _Plan:
        if self.block is None:
            clusters = self.design.clusters if self.design is not None else None
            units = clusters if isinstance(clusters, str) else None
            return _Plan(design=self.design, units=units, blocks=None)
        if self.design is not None:
            raise SampleError(
                f"block={self.block:g} with a design: its units are those that were drawn. Give "
                "them as Design(clusters=...), or leave one of the two out."
            )
        if "block" not in labelled:
            raise SampleError(
                f"block={self.block:g}, and the judged points have no column 'block'. Make them "
                "with judge_points(..., block=...)."
            )
        number = int(labelled["block"].nunique())
        if number < 2:
            raise SampleError(
                f"all {len(labelled)} points lie in one block of {self.block:g} m; make blocks "
                "smaller, or leave them out if points err independently."
            )
        design = Design(weights=np.ones(len(labelled)), clusters="block")
        return _Plan(design=design, units="block", blocks=(number, float(self.block)))


def _check(judged: pd.DataFrame) -> None:
    for name in _NEEDED:
        if name not in judged:
            raise SampleError(
                f"judged points: {name_unknown('column', name, map(str, judged.columns))} Make "
                "them with lulc_xr.judge_points(map, points)."
            )


def _legend_of(judged: pd.DataFrame) -> Legend:
    told = judged.attrs.get("legend")
    if not isinstance(told, Mapping):
        raise LegendError(
            "the judged points say nothing of their legend. Make them with lulc_xr.judge_points, "
            "or set judged.attrs['legend'] = legend.to_dict()."
        )
    return Legend.from_dict(told)


def _counts_of(result: Accuracy) -> xr.DataArray:
    return result.counts.copy(data=np.asarray(result.samples, np.int64))


def _regions(labelled: pd.DataFrame, legend: Legend, scoring: Mapping[str, Any]) -> pd.DataFrame:
    if "region" not in labelled:
        return pd.DataFrame()
    return group_table(labelled, legend, by="region", name="region", **scoring)


def _counts(judged: pd.DataFrame, labelled: pd.DataFrame) -> dict[str, int]:
    """Numbers of points: given, judged, and why others were left out."""
    told = judged.attrs.get("counts", {})
    inside = {"unmapped", "ambiguous"} if len(labelled) == told.get("judged") else set()
    out = {
        word: int(told[name])
        for name, word in _WORDS.items()
        if told.get(name) and name not in inside
    }
    given = int(told.get("given", len(judged)))
    missing = given - len(labelled) - sum(out.values())
    if missing:
        # What the table itself does not explain, such as rows taken away since.
        out["left out before"] = missing
    return {"given": given, "judged": len(labelled), **out}


def _told_by(maps: xr.Dataset | xr.DataArray, task: str) -> dict[str, str]:
    """What a map's own attributes say of it."""
    da = maps if isinstance(maps, xr.DataArray) else maps[task]
    found = {"map": str(da.attrs.get("title") or da.attrs.get("long_name") or task)}
    for key, words in (("model", "model"), ("model_hash", "model hash"), ("source", "source")):
        if da.attrs.get(key):
            found[words] = str(da.attrs[key])
    return found


def _facts(judged: pd.DataFrame, told: Mapping[str, str]) -> dict[str, str]:
    years = judged.attrs.get("years") or []
    found = {"map": "the map", "reference": "reference points", **told}
    if years:
        found["mapped year"] = ", ".join(map(str, years))
    steps = judged.attrs.get("crosswalk") or []
    if steps:
        found["crosswalk"] = "; ".join(" to ".join(map(str, step)) for step in steps)
    pair = judged[list(_NEEDED)].to_numpy(np.uint8)
    found["hash of the judged classes"] = hashlib.sha256(pair.tobytes()).hexdigest()[:16]
    found["made"] = f"lulc_xr {version('lulc_xr')}, {datetime.now(UTC):%d %B %Y}"
    return found
