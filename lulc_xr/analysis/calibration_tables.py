"""Tables of scores of calibration: one row per score, per bin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.calibration_inputs import ScoredSamples
from lulc_xr.analysis.calibration_sums import CalibrationSums
from lulc_xr.analysis.resampling import percentile_interval
from lulc_xr.core.coverage import proportion_interval
from lulc_xr.core.legend import Legend
from lulc_xr.core.reliability import put_into_bins

Values = NDArray[np.float64]

_BIASED = (
    "ECE", "class-wise ECE", "Brier reliability", "Brier resolution", "Brier uncertainty",
)  # fmt: skip
"""Scores that few samples move to one side: sums of distances, or of squares."""


def tabulate_scores(
    found: Mapping[tuple[str, int], Values],
    resamples: Mapping[tuple[str, int], Values],
    *,
    legend: Legend,
    level: float,
) -> pd.DataFrame:
    """Estimates with intervals, one row per score and class.

    Parameters
    ----------
    found : mapping of (score, class) to ndarray
        Estimates, each of shape (1,); class -1 is all classes.
    resamples : mapping of (score, class) to ndarray
        The same over resamples, each of shape (repeat,); empty: no intervals.
    legend : Legend
        The classes.
    level : float
        Confidence.
    """
    rows = []
    for (score, position), (estimate,) in found.items():
        row = {
            "score": score,
            "class": legend.names[position] if position >= 0 else "",
            "estimate": float(estimate),
            "low": np.nan,
            "high": np.nan,
            "interval": "",
        }
        if resamples and np.isfinite(estimate):
            low, high = (
                float(end[0])
                for end in percentile_interval(resamples[score, position][:, None], level=level)
            )
            biased = score.startswith(_BIASED)
            if biased:
                mirrored = 2 * float(estimate) - high, 2 * float(estimate) - low
                low, high = max(min(low, mirrored[0]), 0.0), max(high, mirrored[1])
            row |= {"low": low, "high": high, "interval": "wide" if biased else "percentile"}
        rows.append(row)
    return pd.DataFrame(rows)


def tabulate_bins(
    given: ScoredSamples,
    sums: CalibrationSums,
    *,
    binning: str,
    resamples: Values | None,
    level: float,
) -> pd.DataFrame:
    """Confidence and accuracy of each bin that has samples.

    Parameters
    ----------
    given : ScoredSamples
        The samples.
    sums : CalibrationSums
        Their sums.
    binning : str
        "equal width" or "equal mass".
    resamples : ndarray of float64 or None
        Accuracy over resamples of blocks (repeat, bin); without, Wilson's interval.
    level : float
        Confidence.
    """
    once = np.ones((1, int(given.block.max()) + 1))
    weight, confidence, right = (v[0] for v in sums.of_bins(sums.of(once), binning))
    which = put_into_bins(given.probabilities.max(axis=0), sums.edges[binning])
    samples = np.bincount(which, minlength=len(weight))
    if resamples is None:
        squares = np.bincount(which, given.weights**2, minlength=len(weight))
        # Kish: as many equally weighted samples as tell as much.
        with np.errstate(divide="ignore", invalid="ignore"):
            effective = np.where(samples > 0, weight**2 / squares, 0)
            low, high = proportion_interval(effective * right / weight, effective, level=level)
    else:
        low, high = percentile_interval(resamples, level=level)
    edges = np.r_[0.0, sums.edges[binning], 1.0]
    with np.errstate(divide="ignore", invalid="ignore"):
        table = pd.DataFrame(
            {
                "binning": binning,
                "bin": np.arange(len(weight)),
                "from": edges[:-1],
                "to": edges[1:],
                "samples": samples,
                "weight": weight / weight.sum(),
                "confidence": confidence / weight,
                "accuracy": right / weight,
                "low": low,
                "high": high,
                "interval": "wilson" if resamples is None else "percentile",
            }
        )
    return table[table["samples"] > 0].reset_index(drop=True)


def error_of_noise(given: ScoredSamples, sums: CalibrationSums, *, binning: str) -> float:
    """ECE to be expected if each sample were right with its confidence: of few samples alone.

    In each bin the distance is nearly normal, with mean 0 and the variance of as many coins.
    """
    confidence = given.probabilities.max(axis=0)
    which = put_into_bins(confidence, sums.edges[binning])
    share = given.weights / given.weights.sum()
    variance = np.bincount(which, share**2 * confidence * (1 - confidence))
    return float(np.sqrt(2 / np.pi * np.maximum(variance, 0)).sum())


def list_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON-able values; None for NaN."""
    return [
        {str(k): None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def format_overall(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of all classes as text, for people."""
    own = scores[scores["class"] == ""]
    return pd.DataFrame(
        {
            "estimate": [f"{v:.4f}" for v in own["estimate"]],
            "interval": [
                "" if np.isnan(low) else f"{low:.4f} to {high:.4f}"
                for low, high in zip(own["low"], own["high"], strict=True)
            ],
        },
        index=pd.Index(own["score"], name=None),
    )
