"""Tables of an assessment: confused pairs, subsets of the points, regions, how neighbours err."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.design import Design
from lulc_xr.analysis.findings import OVERALL, USERS
from lulc_xr.analysis.intervals import Interval, wilson_interval
from lulc_xr.analysis.survey import SurveySample
from lulc_xr.core.legend import FILL_CLASS, Legend

WEIGHT = "weight_of_point"
"""Column of the weights that follow from the design of the whole sample."""

Floats = NDArray[np.float64]

_SHUFFLES = 199
_FEW = 10
_NAMES = ("estimate", "low", "high", "samples", "macro_f1")


def score_points(
    judged: pd.DataFrame,
    legend: Legend,
    *,
    units: str | None,
    level: float,
    interval: Interval = "wilson",
) -> dict[str, float]:
    """Overall accuracy with its interval, number of points and macro F1 of some of the points.

    Parameters
    ----------
    judged : pandas.DataFrame
        The points; their weights, where a design gave some, stand in column `weight_of_point`.
    legend : Legend
        The classes.
    units : str or None
        Column of clusters or blocks, whose points were drawn, or err, together.
    level, interval
        Of the interval. Strata are not used for it: in part of a sample they are no design, and
        without them it is rather too wide.
    """
    labelled = judged["reference"] != FILL_CLASS
    if not labelled.any():
        return dict(zip(_NAMES, (math.nan, math.nan, math.nan, 0, math.nan), strict=True))
    one_unit = units is not None and judged.loc[labelled, units].nunique() < 2
    if labelled.sum() < 2 or one_unit:
        found = _counted(judged, legend)
        return {
            "estimate": found.overall, "low": math.nan, "high": math.nan,
            "samples": int(labelled.sum()), "macro_f1": found.macro_f1,
        }  # fmt: skip
    design = None
    if WEIGHT in judged or units is not None:
        weights = WEIGHT if WEIGHT in judged else np.ones(len(judged))
        design = Design(weights=weights, clusters=units)
    result = accuracy(
        judged.reset_index(drop=True), legend=legend, design=design, level=level, interval=interval
    )
    rows = result.estimates
    row = rows[rows["quantity"] == OVERALL].iloc[0]
    macro = rows[rows["quantity"] == "macro F1"].iloc[0]
    return {
        **{name: float(row[name]) for name in ("estimate", "low", "high")},
        "samples": int(labelled.sum()),
        "macro_f1": float(macro["estimate"]),
    }


def subset_table(
    judged: pd.DataFrame, legend: Legend, *, filter_name: str, **settings: Any
) -> pd.DataFrame:
    """All points and those that pass a filter, each with a tolerance of 0 and 1 pixel.

    Parameters
    ----------
    judged : pandas.DataFrame
        With `passes_filter` or `mapped_near`, if there is something to compare.
    legend : Legend
        The classes.
    filter_name : str
        Name of the filter.
    **settings
        Of :func:`score_points`.
    """
    groups = {"all": judged}
    if "passes_filter" in judged:
        passes = judged["passes_filter"].fillna(False).astype(bool)
        groups[f"pass {filter_name}"] = judged[passes]
        groups[f"do not pass {filter_name}"] = judged[~passes]
    reaches = (0, 1) if "mapped_near" in judged else (0,)
    rows = []
    for name, part in groups.items():
        for reach in reaches:
            counted = part.assign(mapped=part["mapped_near"]) if reach else part
            scored = score_points(counted, legend, **settings)
            rows.append({"points": name, "tolerance": reach, **scored})
    return pd.DataFrame(rows)


def group_table(
    judged: pd.DataFrame, legend: Legend, *, by: str, name: str, **settings: Any
) -> pd.DataFrame:
    """Scores of the points of each group, such as a region; points of no group are left out.

    Parameters
    ----------
    judged : pandas.DataFrame
        The points.
    legend : Legend
        The classes.
    by, name : str
        Column of the groups, and what it is called in the table.
    **settings
        Of :func:`score_points`.
    """
    names = judged[by].astype("string")
    rows = [
        {
            name: str(group),
            **score_points(judged[(names == group).fillna(False)], legend, **settings),
        }
        for group in sorted(names.dropna().unique())
        if group
    ]
    return pd.DataFrame(rows, columns=[name, *_NAMES])


def cell_table(
    judged: pd.DataFrame,
    legend: Legend,
    estimates: pd.DataFrame,
    *,
    units: str | None,
    level: float,
) -> pd.DataFrame:
    """Of what is mapped as one class, the share that the reference calls another, by point.

    Weighted where the points have weights. The interval is Wilson's, from the number of
    independent points that would give a share the same variance; that of the same class is its
    user's accuracy, taken from `estimates`.

    Parameters
    ----------
    judged : pandas.DataFrame
        Labelled points.
    legend : Legend
        The classes.
    estimates : pandas.DataFrame
        Has the user's accuracies.
    units : str or None
        Column of clusters or blocks.
    level : float
        Of the intervals.
    """
    weight = judged[WEIGHT].to_numpy(np.float64) if WEIGHT in judged else np.ones(len(judged))
    unit = np.arange(len(judged)) if units is None else pd.factorize(judged[units])[0]
    row = legend.index_of(judged["mapped"].to_numpy()).astype(int)
    column = legend.index_of(judged["reference"].to_numpy()).astype(int)
    number = len(legend)
    parts = []
    for position, name in enumerate(legend.names):
        own = row == position
        share, size = shares_of(weight[own], column[own], unit[own], number)
        low, high = wilson_interval(share, size, level)
        users = estimates[(estimates["quantity"] == USERS) & (estimates["class"] == name)].iloc[0]
        low[position], high[position] = users["low"], users["high"]
        counts = np.bincount(column[own], minlength=number)
        columns = {"mapped": name, "reference": legend.names, "samples": counts}
        parts.append(pd.DataFrame({**columns, "estimate": share, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True)


def shares_of(
    weight: Floats, column: NDArray[np.int_], unit: NDArray[np.int_], number: int
) -> tuple[Floats, Floats]:
    """Shares of classes among some points, and how many independent points would tell as much.

    Parameters
    ----------
    weight, column, unit : ndarray
        Weight, class position and unit of each point, shape (point,).
    number : int
        Number of classes.

    Returns
    -------
    share, size : ndarray of float64
        Each of shape (class,); NaN and 0 without points.
    """
    total = weight.sum()
    if not total > 0:
        return np.full(number, np.nan), np.zeros(number)
    share = np.bincount(column, weight, minlength=number) / total
    _, unit = np.unique(unit, return_inverse=True)
    count = int(unit.max()) + 1
    sums = np.bincount(unit * number + column, weight, minlength=count * number)
    sums = sums.reshape(count, number)
    whole = sums.sum(axis=1, keepdims=True)
    # Residuals of a ratio, by unit: their squares are the variance of the share.
    squares = ((sums - whole * share) ** 2).sum(axis=0)
    if count < len(column):
        squares *= count / max(count - 1, 1)
    kish = total**2 / (whole**2).sum()
    spread = share * (1 - share) * total**2
    known = (squares > 1e-12 * total**2) & (spread > 0)
    return share, np.where(known, spread / np.where(known, squares, 1.0), kish)


def error_correlation(judged: pd.DataFrame, *, level: float, seed: int) -> pd.Series[float]:
    """Whether points that lie together err alike.

    Returns
    -------
    pandas.Series
        `distance`: median to the nearest neighbour; `correlation` of being right between nearest
        neighbours; `bound`: what it stays below in all but the upper tail of the level when the
        errors are dealt out anew. NaN without places, errors, or ten points.
    """
    nothing = pd.Series({"distance": math.nan, "correlation": math.nan, "bound": math.nan})
    if not {"x", "y"} <= set(judged):
        return nothing
    places = judged[["x", "y"]].to_numpy(np.float64)
    right = (judged["mapped"] == judged["reference"]).to_numpy(np.float64)
    known = np.isfinite(places).all(axis=1)
    places, right = places[known], right[known]
    if len(right) < _FEW or right.min() == right.max():
        return nothing
    distance, neighbour = (a[:, 1] for a in cKDTree(places).query(places, k=2))
    rng = np.random.default_rng(seed)
    dealt = [_correlation(rng.permutation(right), neighbour) for _ in range(_SHUFFLES)]
    return pd.Series(
        {
            "distance": float(np.median(distance)),
            "correlation": _correlation(right, neighbour),
            "bound": float(np.quantile(dealt, (1 + level) / 2)),
        }
    )


def point_weights(judged: pd.DataFrame, legend: Legend, survey: SurveySample) -> Floats:
    """Weight of each labelled point in a sample; 0 for those that are no part of it.

    Parameters
    ----------
    judged : pandas.DataFrame
        The labelled points.
    legend : Legend
        The classes.
    survey : SurveySample
        The sample that they make, point by point or counted by cell.
    """
    row, column = (
        legend.index_of(judged[name].to_numpy()).astype(np.int64)
        for name in ("mapped", "reference")
    )
    made = np.zeros(len(judged))
    if survey.unit_weights is not None:
        # Where strata are classes of the map, points that are not mapped are no part of it.
        part = slice(None) if survey.unit_weights.size == len(judged) else row >= 0
        made[part] = survey.unit_weights
        return made
    cell = np.where(row < 0, len(legend), row) * len(legend) + column
    of_cell = np.zeros(survey.cells)
    of_cell[survey.cell] = survey.weights
    return of_cell[cell]


def _counted(judged: pd.DataFrame, legend: Legend) -> Accuracy:
    pair = [
        xr.DataArray(judged[n].to_numpy(np.uint8), dims="sample") for n in ("mapped", "reference")
    ]
    return accuracy(*pair, legend=legend)


def _correlation(right: NDArray[np.float64], neighbour: NDArray[np.intp]) -> float:
    centred = right - right.mean()
    return float((centred * centred[neighbour]).mean() / (centred**2).mean())
