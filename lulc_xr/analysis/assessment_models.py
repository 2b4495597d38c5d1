"""Tables of an assessment about the model behind a map: probabilities, sets, limits, transfer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.assessment_tables import WEIGHT, score_points, shares_of
from lulc_xr.analysis.calibration_scores import calibration_scores
from lulc_xr.analysis.intervals import Interval, wilson_interval
from lulc_xr.analysis.resampling import bootstrap, percentile_interval
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

Floats = NDArray[np.float64]


def probabilities_of(judged: pd.DataFrame, legend: Legend) -> NDArray[np.float64] | None:
    """Probabilities of judged points, shape (point, class); None if the table has none.

    Raises
    ------
    SampleError
        If only some classes have a column.
    """
    names = [f"probability_{name}" for name in legend.names]
    there = [name for name in names if name in judged]
    if not there:
        return None
    missing = [name for name in names if name not in judged]
    if missing:
        raise SampleError(
            f"judged points have {len(there)} columns of probabilities and lack "
            f"{', '.join(missing)}; expected one for each class of legend {legend.name!r}."
        )
    return judged[names].to_numpy(np.float64)


def calibration_tables(
    judged: pd.DataFrame,
    legend: Legend,
    *,
    units: str | None,
    level: float,
    repeats: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Scores, reliability, classes and coverage of the points that have probabilities.

    Parameters
    ----------
    judged : pandas.DataFrame
        The points; weights of a design in column `weight_of_point`.
    legend : Legend
        The classes.
    units : str or None
        Column of clusters or blocks.
    level, repeats, seed
        Of the intervals.
    """
    given = probabilities_of(judged, legend)
    if given is None or np.isnan(given).any(axis=1).all():
        return {}
    weights = judged[WEIGHT].to_numpy() if WEIGHT in judged else None
    blocks = pd.factorize(judged[units])[0] if units is not None else None
    found = calibration_scores(
        given, judged["reference"].to_numpy(np.uint8), legend=legend, weights=weights,
        blocks=blocks, level=level, repeats=repeats, seed=seed,
    )  # fmt: skip
    gap = _overconfidence(
        given, judged, legend, weights=weights, blocks=blocks, level=level, repeats=repeats,
        seed=seed,
    )  # fmt: skip
    every = pd.concat([found.scores, pd.DataFrame([gap])], ignore_index=True)
    every["samples"] = found.samples
    names = {"accuracy": "estimate", "binning": "bins"}
    reliability = found.reliability.rename(columns=names)
    coverage = found.coverage.rename(columns=names).assign(samples=found.samples)
    noise = pd.DataFrame({"bins": list(found.noise), "estimate": list(found.noise.values())})
    of_class = every["class"] != ""
    return {
        "scores": every[~of_class].reset_index(drop=True),
        "classes": every[of_class].reset_index(drop=True),
        "reliability": reliability,
        "coverage": coverage,
        "noise": noise.assign(low=np.nan, high=np.nan, samples=found.samples),
    }


def _overconfidence(
    given: Floats,
    judged: pd.DataFrame,
    legend: Legend,
    *,
    weights: Floats | None,
    blocks: NDArray[np.intp] | None,
    level: float,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Mean of the largest probability less the share where its class is the true one."""
    known = ~np.isnan(given).any(axis=1)
    true = legend.index_of(judged["reference"].to_numpy(np.uint8))
    difference = given[known].max(axis=1) - (given[known].argmax(axis=1) == true[known])
    own = np.ones(len(difference)) if weights is None else weights[known]

    def mean(times: Floats) -> Floats:
        total = (own * times).sum()
        return np.array([(own * times * difference).sum() / total if total > 0 else np.nan])

    drawn = bootstrap(
        mean, len(difference), blocks=None if blocks is None else blocks[known],
        repeats=repeats, seed=seed,
    )  # fmt: skip
    low, high = percentile_interval(drawn, level=level)
    return {
        "score": "overconfidence", "class": "", "estimate": float(mean(np.ones(len(own)))[0]),
        "low": float(low[0]), "high": float(high[0]), "interval": "percentile",
    }  # fmt: skip


def set_table(
    judged: pd.DataFrame,
    legend: Legend,
    *,
    promised: float | None,
    units: str | None,
    level: float,
) -> pd.DataFrame:
    """How many sets hold the true class: over all, by class and by region, with the mean size.

    Weighted where the points have weights; intervals as those of :func:`cell_table`.
    """
    names = [f"set_{name}" for name in legend.names]
    if any(name not in judged for name in names):
        return pd.DataFrame()
    held = judged[names].to_numpy(np.float64)
    known = np.isin(held, (0, 1)).all(axis=1)
    part = judged[known].reset_index(drop=True)
    if part.empty:
        return pd.DataFrame()
    held = held[known]
    position = legend.index_of(part["reference"].to_numpy()).astype(int)
    hit = held[np.arange(len(part)), position] > 0
    weight = part[WEIGHT].to_numpy(np.float64) if WEIGHT in part else np.ones(len(part))
    unit = np.arange(len(part)) if units is None else pd.factorize(part[units])[0]
    if promised is None:
        promised = float(judged.attrs.get("coverage") or math.nan)
    groups = [("all", "", np.ones(len(part), bool))]
    groups += [("class", name, position == n) for n, name in enumerate(legend.names)]
    if "region" in part:
        regions = part["region"].astype("string")
        groups += [
            ("region", str(name), (regions == name).fillna(False).to_numpy(bool))
            for name in sorted(regions.dropna().unique()) if name
        ]  # fmt: skip
    rows = []
    for group, name, chosen in groups:
        count = int(chosen.sum())
        if not count or not weight[chosen].sum() > 0:
            continue
        shares, sizes = shares_of(weight[chosen], hit[chosen].astype(int), unit[chosen], 2)
        share = shares[1:]
        low, high = wilson_interval(share, sizes[1:], level)
        rows.append(
            {
                "group": group, "name": name, "promised": promised, "estimate": float(share[0]),
                "low": float(low[0]), "high": float(high[0]), "samples": count,
                "size": float(np.average(held[chosen].sum(axis=1), weights=weight[chosen])),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def limits_table(judged: pd.DataFrame, legend: Legend, **scoring: Any) -> pd.DataFrame:
    """Share and accuracy of the points inside and outside the area of applicability."""
    if "applicable" not in judged:
        return pd.DataFrame()
    known = judged[judged["applicable"].isin((0, 1))]
    rows = []
    for place, value in (("inside", 1), ("outside", 0)):
        part = known[known["applicable"] == value]
        if len(known):
            share = len(part) / len(known)
            rows.append({"place": place, "share": share, **score_points(part, legend, **scoring)})
    return pd.DataFrame(rows)


def transfer_table(
    table: pd.DataFrame | None, legend: Legend, *, level: float, interval: Interval
) -> pd.DataFrame:
    """Scores in each region of models that did not see it.

    Raises
    ------
    SampleError
        If a column is missing, or no row has a label.
    LegendError
        If a class is not part of the legend.
    """
    if table is None:
        return pd.DataFrame()
    for name in ("region", "mapped", "reference"):
        if name not in table:
            raise SampleError(
                f"table of transfer: {name_unknown('column', name, map(str, table.columns))} It "
                "needs region (held out), and mapped and reference at each of its points."
            )
    known = table[table["region"].notna() & (table["region"].astype(str) != "")]
    read = known.assign(**{name: _ids(known[name], legend) for name in ("mapped", "reference")})[
        ["region", "mapped", "reference"]
    ]
    read.attrs = {"legend": legend.to_dict()}
    rows = []
    for region in sorted(read["region"].astype(str).unique()):
        part = read[read["region"].astype(str) == region]
        scored = score_points(part, legend, units=None, level=level, interval=interval)
        if scored["samples"]:
            rows.append({"region": region, **scored})
    if not rows:
        raise SampleError("table of transfer: no row has a region and a label.")
    return pd.DataFrame(rows)


def _ids(column: pd.Series[Any], legend: Legend) -> NDArray[np.uint8]:
    """Class ids of a column of ids or names."""
    if pd.api.types.is_numeric_dtype(column):
        return np.asarray(column.fillna(FILL_CLASS), np.uint8)
    ids = dict(zip(legend.names, legend.ids, strict=True))
    unknown = sorted({str(name) for name in column.dropna()} - set(ids))
    if unknown:
        raise LegendError(
            f"table of transfer: {name_unknown('class', unknown[0], legend.names)} Its classes "
            f"must be those of legend {legend.name!r}."
        )
    return np.asarray(column.map(ids).fillna(FILL_CLASS), np.uint8)
