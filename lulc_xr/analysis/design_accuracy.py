"""Scores of a class map from a survey sample, each with its standard error and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.intervals import (
    Interval,
    effective_size,
    logit_interval,
    normal_interval,
    wilson_interval,
)
from lulc_xr.analysis.matrix_scores import (
    ALLOCATION,
    AREA,
    PROPORTION,
    QUANTITY,
    SHARES,
    MatrixScores,
)
from lulc_xr.analysis.resampling import percentile_interval
from lulc_xr.analysis.rescaled_bootstrap import replicate_totals
from lulc_xr.analysis.survey import SurveySample

Floats = NDArray[np.float64]

COLUMNS = (
    "quantity", "class", "estimate", "standard_error", "low", "high", "interval", "samples",
)  # fmt: skip
"""Columns of a table of estimates."""

# An error below this is rounding: the quantity is known, such as the area of a map class.
_KNOWN = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreEstimates:
    """Scores of a sample whose cells are (mapped class or not mapped, true class).

    Parameters
    ----------
    sample : SurveySample
        The sample.
    scores : MatrixScores
        Which scores.
    level : float
        Coverage of the intervals.
    interval : {"wilson", "normal", "logit", "bootstrap"}
        Kind of the intervals of shares. What is no share (macro F1, kappa, disagreement) has a
        normal one unless "bootstrap" is asked for.
    repeats, seed : int
        Resamples of the bootstrap, and their seed.
    """

    sample: SurveySample
    scores: MatrixScores
    level: float = 0.95
    interval: Interval = "wilson"
    repeats: int = 1000
    seed: int | np.random.Generator = 0

    @cached_property
    def proportions(self) -> Floats:
        """Estimated share of the area in each cell, shape (cell,)."""
        totals = self.sample.totals()
        found: Floats = totals / totals.sum()
        return found

    @cached_property
    def values(self) -> Floats:
        """Estimated scores, shape (score,)."""
        return self.scores.values(self.proportions)

    @cached_property
    def errors(self) -> Floats:
        """Standard errors by linearisation, shape (score,); NaN where a score is."""
        influence = self.scores.influence(self.proportions) / self.sample.totals().sum()
        undefined = np.isnan(influence).any(axis=0) | np.isnan(self.values)
        variance = self.sample.variance(np.where(np.isnan(influence), 0.0, influence))
        return np.where(undefined, np.nan, np.sqrt(variance))

    @cached_property
    def proportion_errors(self) -> Floats:
        """Standard errors of `proportions`, shape (cell,)."""
        p = self.proportions
        influence = (np.eye(p.size) - p) / self.sample.totals().sum()
        return np.sqrt(self.sample.variance(influence))

    @cached_property
    def samples(self) -> NDArray[np.int64]:
        """Sampled units on which each score rests, shape (score,)."""
        counts = self.sample.counts()
        _, below = self.scores.ratios
        of_shares = (counts @ (below > 0)).astype(np.int64)
        all_units = np.full(len(self.scores.labels), self.sample.units)
        all_units[self._is_share] = of_shares
        return all_units

    def intervals(self) -> tuple[Floats, Floats, NDArray[np.object_]]:
        """Lower and upper ends, and the kind of each interval, each of shape (score,)."""
        if self.interval == "bootstrap":
            low, high = self._bootstrap()
            kinds = np.full(low.shape, "bootstrap", object)
        else:
            low, high = normal_interval(self.values, self.errors, self.level)
            low, high = self._of_disagreement(low, high)
            kinds = np.full(low.shape, "normal", object)
            if self.interval != "normal":
                share = self._is_share
                low[share], high[share], kinds[share] = self._of_shares()
        known = self.errors < _KNOWN
        known &= (self.values > _KNOWN) & (self.values < 1 - _KNOWN)
        low[known] = high[known] = self.values[known]
        return low, high, kinds

    def to_dataframe(self, *, area: float | None = None) -> pd.DataFrame:
        """One row for each score, in the columns of `COLUMNS`; areas if the whole is known."""
        low, high, kinds = self.intervals()
        quantity, name = (np.array(part, object) for part in zip(*self.scores.labels, strict=True))
        samples = self.samples.copy()
        shares = quantity == PROPORTION
        counts = self.sample.counts().reshape(-1, len(self.scores.names))
        samples[shares] = counts.sum(axis=0)
        numbers = np.stack([self.values, self.errors, low, high])
        columns = [quantity, name, *numbers, kinds, samples]
        if area is not None:
            areas = [np.full(int(shares.sum()), AREA, object), name[shares]]
            areas += [*(numbers[:, shares] * area), kinds[shares], samples[shares]]
            columns = [np.concatenate(pair) for pair in zip(columns, areas, strict=True)]
        return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    @cached_property
    def _is_share(self) -> NDArray[np.bool_]:
        return np.array([quantity in SHARES for quantity, _ in self.scores.labels])

    def _of_shares(self) -> tuple[Floats, Floats, Any]:
        """Intervals of the shares; Wilson's where the logit is not defined."""
        values, errors = self.values[self._is_share], self.errors[self._is_share]
        _, below = self.scores.ratios
        inside = (below > 0).astype(np.float64)
        size = effective_size(
            values, errors,
            samples=self.sample.counts() @ inside, spread=self._kish(inside),
            freedom=self.sample.freedom, units=int(self.sample.primary.sum()),
        )  # fmt: skip
        low, high = wilson_interval(values, size, self.level, unseen=self._unseen(below))
        kinds = np.full(low.shape, "wilson", object)
        if self.interval == "logit":
            by_logit = logit_interval(values, errors, self.level, freedom=self.sample.freedom)
            defined = np.isfinite(by_logit[0])
            low, high = np.where(defined, by_logit[0], low), np.where(defined, by_logit[1], high)
            kinds[defined] = "logit"
        return low, high, kinds

    def _unseen(self, below: Floats) -> Floats:
        """Mean weight of a unit over the area, as a share of each denominator.

        What is mapped lies in strata that are seen, if these are the classes of the map; the true
        class of what was not sampled may be any, anywhere.
        """
        sample = self.sample
        total = sample.totals()
        mean = np.full(below.shape[1], (sample.weights**2 * sample.number).sum() / total.sum())
        number = len(self.scores.names)
        mapped = sample.cell // number
        pairs = np.unique(sample.stratum * (number + 1) + mapped)
        if pairs.size == len(sample.strata) > 1:
            users = np.arange(1, 1 + number)
            mean[users] = 1 / np.maximum(self._kish(below[:, users]), 1e-300)
            mean[users] *= total @ below[:, users]
        return mean / np.maximum(total @ below, 1e-300)

    def _kish(self, inside: Floats) -> Floats:
        """Effective number of primary units in the denominator of each share."""
        sample = self.sample
        if sample.cluster is None:
            squares = np.bincount(
                sample.cell, sample.weights**2 * sample.number, minlength=sample.cells
            )
            sums = sample.totals() @ inside
            kish: Floats = sums**2 / np.maximum(squares @ inside, 1e-300)
            return kish
        weight = sample.weights * sample.number
        found = np.empty(inside.shape[1])
        for k in range(found.size):
            of_unit = np.bincount(sample.primary_unit, weight * inside[sample.cell, k])
            found[k] = of_unit.sum() ** 2 / max((of_unit**2).sum(), 1e-300)
        return found

    def _of_disagreement(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Quantity disagreement is |d|: its interval is that of d folded at 0."""
        quantity = np.array([q == QUANTITY and n != "" for q, n in self.scores.labels])
        half = (high - low)[quantity] / 2
        value = self.values[quantity]
        low[quantity] = np.where(value <= half, 0.0, value - half)
        differences = [q in (QUANTITY, ALLOCATION) for q, _ in self.scores.labels]
        return np.where(differences, np.maximum(low, 0), low), high

    def _bootstrap(self) -> tuple[Floats, Floats]:
        totals = replicate_totals(self.sample, repeats=self.repeats, seed=self.seed)
        values = self.scores.values(totals / totals.sum(axis=1, keepdims=True))
        return percentile_interval(values, level=self.level)


def estimates_without_intervals(
    matrix: NDArray[Any], names: Sequence[str], *, kappa: bool = False
) -> pd.DataFrame:
    """Scores of counts or weights whose sample is not known, in the columns of `COLUMNS`."""
    scores = MatrixScores(names=names, kappa=kappa)
    flat = np.asarray(matrix, np.float64).reshape(-1)
    values = scores.values(flat / flat.sum()) if flat.sum() else np.full(len(scores.labels), np.nan)
    table = pd.DataFrame(scores.labels, columns=["quantity", "class"]).assign(estimate=values)
    for name in ("standard_error", "low", "high"):
        table[name] = np.nan
    table = table.assign(interval="none", samples=0)
    table.attrs = {"note": "No intervals: how the labels were drawn is not known."}
    return table[list(COLUMNS)]
