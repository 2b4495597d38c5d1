"""Whether probabilities mean what they say: reliability, scores, accuracy against coverage."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.calibration_inputs import ScoredSamples, read_probabilities
from lulc_xr.analysis.calibration_sums import CalibrationSums, draw_blocks
from lulc_xr.analysis.calibration_tables import (
    error_of_noise,
    format_overall,
    list_records,
    tabulate_bins,
    tabulate_scores,
)
from lulc_xr.analysis.resampling import percentile_interval
from lulc_xr.analysis.selective import ErrorDetection, SelectiveCurve
from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.reliability import BINNINGS

COVERAGES = np.arange(1, 21) / 20
"""Coverages at which accuracy is given."""

_AT_ONCE = 16
_CURVE = ("accuracy at coverage", -1)

Values = NDArray[np.float64]


def calibration_scores(
    probabilities: NDArray[np.floating] | xr.DataArray | pd.DataFrame,
    reference: NDArray[np.integer] | xr.DataArray | None = None,
    *,
    legend: Legend | None = None,
    bins: int = 15,
    weights: NDArray[np.floating] | xr.DataArray | None = None,
    blocks: NDArray[Any] | xr.DataArray | None = None,
    level: float = 0.95,
    repeats: int = 1000,
    seed: int = 0,
) -> CalibrationScores:
    """Whether the probabilities of classes mean what they say, with intervals.

    Parameters
    ----------
    probabilities : DataArray, ndarray or DataFrame
        Shape (sample, class), as models and maps give them for points; a DataArray may have them
        in any order. A row of NaN was not predicted, and is left out. Or the table of
        :func:`lulc_xr.judge_points`, with columns ``probability_<class>`` and `reference`.
    reference : DataArray or ndarray of int, optional
        Class ids, shape (sample,); 255 without label. Not for a table.
    legend : Legend, optional
        The classes, in the order of `probabilities`; by default the CF flags of `reference`, or
        the legend of the table.
    bins : int
        Number of bins of reliability.
    weights : array, optional
        Weight of each sample, >= 0; of a table its column `weight`, if it has one.
    blocks : array, optional
        Block of each sample: samples of one block are drawn together, since neighbours err alike.
        Of a table its column `block`, if it has one. By default each sample is one.
    level : float
        Confidence of the intervals.
    repeats : int
        Resamples of the bootstrap; 0: no intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    CalibrationScores

    Raises
    ------
    SampleError
        If probabilities do not add up to 1 or some of a row are missing, shapes differ, weights
        are negative, there are fewer than two blocks, or nothing is left to score.
    LegendError
        If a label is not in the legend, or no legend is known.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    >>> found = calibration_scores(p, np.array([0, 0, 1, 1]), legend=legend, bins=5)
    >>> found["accuracy"], round(found["Brier score"], 4)
    (0.75, 0.25)
    """
    if bins < 2 or repeats == 1 or repeats < 0:
        raise SampleError(f"bins={bins}, repeats={repeats}; give at least 2 bins, and 0 or more "
                          "than 1 repeats.")  # fmt: skip
    given = read_probabilities(probabilities, reference, legend, weights, blocks)
    number = int(given.block.max()) + 1
    if repeats and number < 2:
        raise SampleError(
            f"{len(given.labels)} samples in {number} block: a bootstrap needs at least two "
            "blocks. Make blocks smaller, or pass repeats=0 for no intervals."
        )
    measure = _Measure(given, bins=bins)
    found = measure(np.ones((1, number)))
    draws = draw_blocks(number, repeats=repeats, seed=seed, at_once=_AT_ONCE)
    drawn = [measure(times) for times in draws]
    again = {name: np.concatenate([d[name] for d in drawn]) for name in found} if drawn else {}
    tables = [
        tabulate_bins(
            given, measure.sums, binning=binning, level=level,
            resamples=again.get((binning, -1)) if given.blocked else None,
        )
        for binning in BINNINGS
    ]  # fmt: skip
    curve = measure.curve_table(found.pop(_CURVE)[0], again.pop(_CURVE, None), level=level)
    for binning in BINNINGS:
        found.pop((binning, -1))
    scores = tabulate_scores(found, again, legend=given.legend, level=level)
    return CalibrationScores(
        legend=given.legend,
        scores=scores,
        reliability=pd.concat(tables, ignore_index=True),
        coverage=curve,
        samples=len(given.labels),
        left_out=given.left_out,
        weighted=given.weighted,
        noise={b: error_of_noise(given, measure.sums, binning=b) for b in BINNINGS},
        blocks=number if given.blocked else None,
        bins=bins,
        level=level,
        repeats=repeats,
    )


class _Measure:
    """All that is measured of resamples of blocks (repeat, block), by name and class."""

    def __init__(self, given: ScoredSamples, *, bins: int) -> None:
        p, labels = given.probabilities, given.labels
        right = p.argmax(axis=0) == labels
        entropy = -(p * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis=0)
        self.sums = CalibrationSums(p, labels, weights=given.weights, block=given.block, bins=bins)
        self._given = given
        self._curve = SelectiveCurve(p.max(axis=0), right)
        self._doubt = ErrorDetection(entropy, right)

    def __call__(self, times: Values) -> dict[tuple[str, int], Values]:
        own = self.sums.of(times)
        each = times[:, self._given.block] * self._given.weights
        found = self.sums.scores(own)
        found["AURC", -1] = self._curve.area(each)
        found["AUROC of entropy for errors", -1] = self._doubt.area(each)
        for binning in BINNINGS:
            weight, _, hits = self.sums.of_bins(own, binning)
            with np.errstate(divide="ignore", invalid="ignore"):
                found[binning, -1] = hits / weight
        found[_CURVE] = self._curve.accuracy_at(each, COVERAGES)
        return found

    def curve_table(
        self, accuracy: Values, resamples: Values | None, *, level: float
    ) -> pd.DataFrame:
        low = high = np.full(len(COVERAGES), np.nan)
        if resamples is not None:
            low, high = percentile_interval(resamples, level=level)
        confidence = self._curve.confidence_at(self._given.weights, COVERAGES)
        columns = {"coverage": COVERAGES, "confidence": confidence, "accuracy": accuracy}
        return pd.DataFrame(columns | {"low": low, "high": high})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CalibrationScores:
    """How far probabilities mean what they say, each score with an interval.

    Confidence is the largest probability of a sample, and it is right if that class is the true
    one. ``scores["ECE, equal width"]`` and all other names of `scores` give the estimate.

    **Scores.** "ECE": mean distance of confidence and accuracy over bins of confidence, by their
    weight, for bins of equal width and of equal mass. "class-wise ECE": the same of the
    probability of one class against how often it is the true one, in bins of equal width; its
    mean over the classes that are there. "Brier score": mean of sum_k (p_k - y_k)^2, between 0 and
    2. Its parts (Murphy 1973), added up over the classes, in bins of equal width of each p_k:
    Brier score = reliability - resolution + uncertainty + within bins. The last is what bins
    lose: the variance of p_k within the bins less twice its covariance with y_k there
    (Stephenson et al. 2008); it is no error, and goes to 0 with more bins. "negative
    log-likelihood": mean of -ln p of the true class, in nats. "AURC": mean error of the surest
    samples, over all coverages; samples of equal confidence are accepted together. "AUROC of
    entropy for errors": probability that a wrong sample has a higher entropy than a right one.

    **Intervals** are of a bootstrap of the blocks (of samples, if there are none), by percentile.
    A distance such as ECE is never negative, so that noise makes it larger, in resamples once
    more; so does it move the parts of the Brier score. There the interval is "wide": it holds
    the percentiles and their mirror image about the estimate (the basic interval), from 0 on.
    `noise` says which ECE so few samples
    give on average if every confidence is exact: an ECE near it is no sign of miscalibration,
    and its interval need not reach down to 0. Bins have Wilson's interval (with the effective
    number of weighted samples), or that of the bootstrap if there are blocks.

    Parameters
    ----------
    legend : Legend
        The classes.
    scores : pandas.DataFrame
        Columns `score`, `class` ("" for all), `estimate`, `low`, `high`, `interval`; NaN for
        classes that no sample has.
    reliability : pandas.DataFrame
        Columns `binning`, `bin`, `from`, `to`, `samples`, `weight` (share), `confidence`,
        `accuracy`, `low`, `high`, `interval`; bins without samples are left out.
    coverage : pandas.DataFrame
        Columns `coverage`, `confidence` (the least that is accepted), `accuracy`, `low`, `high`.
    samples, left_out : int
        Samples scored, and samples without label or prediction.
    weighted : bool
        True if samples had weights.
    noise : dict of str to float
        ECE, by binning, to be expected of exact confidences and independent samples.
    blocks : int or None
        Number of blocks that were drawn; None if samples count as independent.
    bins, repeats : int
        As asked for.
    level : float
        Confidence of the intervals.

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML 2017.
    Kull, M. et al. (2019). Beyond temperature scaling. NeurIPS 2019. (class-wise ECE)
    Murphy, A. H. (1973). A new vector partition of the probability score. J. Applied
    Meteorology 12, 595-600.
    Stephenson, D. B., Coelho, C. A. S., Jolliffe, I. T. (2008). Two extra components in the Brier
    score decomposition. Weather and Forecasting 23, 752-757.
    Davison, A. C., Hinkley, D. V. (1997). Bootstrap methods and their application. Cambridge.
    """

    legend: Legend
    scores: pd.DataFrame
    reliability: pd.DataFrame
    coverage: pd.DataFrame
    samples: int
    left_out: int
    weighted: bool
    noise: dict[str, float]
    blocks: int | None
    bins: int
    level: float
    repeats: int

    def __getitem__(self, score: str) -> float:
        own = self.scores[(self.scores["score"] == score) & (self.scores["class"] == "")]
        if own.empty:
            raise KeyError(f"no score {score!r}; there are {', '.join(self.scores.score.unique())}")
        return float(own["estimate"].iloc[0])

    def to_dataframe(self) -> pd.DataFrame:
        """The scores, one per row; a copy."""
        return self.scores.copy()

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able; None for what is not defined."""
        tables = {
            name: list_records(getattr(self, name))
            for name in ("scores", "reliability", "coverage")
        }
        names = ("samples", "left_out", "weighted", "noise", "blocks", "bins", "level", "repeats")
        return {
            "legend": self.legend.to_dict(),
            **{name: getattr(self, name) for name in names},
            **{name: list_records(getattr(self, name)) for name in tables},
        }

    def __repr__(self) -> str:
        return f"<CalibrationScores of {self._title()}>\n{format_overall(self.scores).to_string()}"

    def _repr_html_(self) -> str:
        table = format_overall(self.scores).to_html(border=0)
        return f"<p>Calibration of {html.escape(self._title())}</p>{table}"

    def _title(self) -> str:
        drawn = f"{self.blocks} blocks" if self.blocks else "independent samples"
        return (
            f"{self.samples} {'weighted ' if self.weighted else ''}samples, {self.left_out} left "
            f"out; intervals of {self.level:.0%} over {drawn}"
        )
