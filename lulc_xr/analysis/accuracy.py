"""Agreement of a class map with a reference: overall, macro F1 and per class."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.accuracy_tables import class_table, none_if_nan, records
from lulc_xr.analysis.area import known_area
from lulc_xr.analysis.confusion import NOT_MAPPED, confusion_counts, legend_of
from lulc_xr.analysis.count_scores import CountScores
from lulc_xr.analysis.design import Design
from lulc_xr.analysis.design_accuracy import ScoreEstimates, estimates_without_intervals
from lulc_xr.analysis.intervals import Interval, check_interval
from lulc_xr.analysis.judged_sample import (
    arrays_of_points,
    judge_for,
    sample_of_counts,
    survey_sample,
)
from lulc_xr.analysis.matrix_scores import MatrixScores
from lulc_xr.analysis.survey import SurveySample
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend


def accuracy(
    predicted: xr.DataArray | pd.DataFrame,
    reference: xr.DataArray | pd.DataFrame | None = None,
    *,
    legend: Legend | None = None,
    mask: xr.DataArray | None = None,
    weights: xr.DataArray | None = None,
    design: Design | None = None,
    level: float = 0.95,
    interval: Interval = "wilson",
    kappa: bool = False,
) -> Accuracy:
    """Agreement of a class map with a reference, where the reference has a label.

    With the design by which the reference was drawn, scores and areas are estimates for the whole
    map, each with its standard error and interval. Without it they are shares of the labels given.

    Parameters
    ----------
    predicted : xr.DataArray of int, or pandas.DataFrame
        Class ids, (y, x) or (sample,); 255 where not mapped. A `year` of size 1 is dropped. Dask
        arrays are counted chunk by chunk. Or judged points: a table with columns `mapped` and
        `reference`.
    reference : xr.DataArray of int, or pandas.DataFrame
        Class ids on the same grid; 255 where not labelled. Or labelled points anywhere on a map
        over (y, x), which are judged first, see :func:`lulc_xr.judge_points` for crosswalks and
        more. None for judged points.
    legend : Legend, optional
        The classes; by default the CF flags of `predicted`, or of `reference`.
    mask : xr.DataArray of bool, optional
        True where pixels count, such as the test blocks.
    weights : xr.DataArray of float, optional
        Weight of each pixel or sample, >= 0, for weighted counts. Survey weights go into `design`,
        which gives intervals.
    design : Design, optional
        How the reference was drawn. Its columns are named by coordinates of the samples, or by
        columns of the judged points.
    level : float
        Coverage of the intervals.
    interval : {"wilson", "normal", "logit", "bootstrap"}
        Kind of the intervals. The normal one is that of Olofsson et al. (2014); it fails for rare
        classes and accuracies near 1, where Wilson's holds better.
    kappa : bool
        Whether Cohen's kappa is among the estimates. It compares with a map drawn by chance, which
        nobody makes, and says no more than overall accuracy (Pontius and Millones 2011).

    Returns
    -------
    Accuracy
        Counts and scores. Pixels that are labelled and not mapped count as wrong.

    Raises
    ------
    CubeError
        If the arrays are not on exactly the same grid, or of the wrong type.
    LegendError
        If a label is outside the legend, or the flags of both arrays contradict each other.
    SampleError
        If the design does not fit the points, see :class:`lulc_xr.Design`.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> predicted = xr.DataArray(np.array([0, 0, 1, 255], np.uint8), dims="sample")
    >>> reference = xr.DataArray(np.array([0, 0, 1, 1], np.uint8), dims="sample")
    >>> result = accuracy(predicted, reference, legend=legend)
    >>> result.overall, result.unmapped
    (0.75, 1)
    """
    check_interval(interval, level)
    if isinstance(predicted, pd.DataFrame):
        if reference is not None:
            raise SampleError(
                "judged points hold their reference in a column; pass reference=None, or arrays."
            )
        predicted, reference = arrays_of_points(predicted)
    elif isinstance(reference, pd.DataFrame):
        if mask is not None or weights is not None:
            raise SampleError(
                "mask= and weights= are arrays on a grid, and the reference is a table of points. "
                "Leave points out of the table, and pass their weights in design=."
            )
        judged, design = judge_for(predicted, reference, legend=legend, design=design)
        predicted, reference = arrays_of_points(judged)
    if reference is None:
        raise SampleError("no reference to compare with; pass class ids on the same grid.")
    legend = legend or legend_of(predicted, reference)
    settings: dict[str, Any] = {"level": level, "interval": interval, "kappa": kappa}
    if design is None:
        counts = confusion_counts(predicted, reference, legend, mask=mask, weights=weights)
        return Accuracy(
            counts=counts.compute(), legend=legend, weighted=weights is not None, **settings
        )
    if weights is not None:
        raise SampleError(
            "weights= and design= both weigh the points. Pass survey weights in the design: "
            "Design(weights=...)."
        )
    survey, design, left_out = survey_sample(predicted, reference, legend, design=design, mask=mask)
    return Accuracy._of_survey(survey, legend, design, left_out=left_out, **settings)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Accuracy(CountScores):
    """Confusion counts and the scores that follow from them.

    Without a design these are shares of the labelled pixels given: how well they stand for the
    whole map depends on how they were chosen, which is not known here. With a design the counts
    are estimated areas and every score is one of the whole map; `estimates` has the standard
    errors and intervals.

    Parameters
    ----------
    counts : xr.DataArray
        (predicted, reference) of :func:`confusion_counts`, computed; estimated areas with a design.
    legend : Legend
        The classes, in the order of the counts.
    weighted : bool
        True if counts are sums of weights.
    survey : SurveySample, optional
        The sample behind the counts, if its design is known.
    design : Design, optional
        The design.
    level, interval, kappa
        Which intervals, see :func:`accuracy`.
    left_out : int
        Labels that are no part of the sample: in no stratum, as the map has no class there.

    References
    ----------
    Congalton, R. G. (1991). A review of assessing the accuracy of classifications of
    remotely sensed data. Remote Sensing of Environment 37(1), 35-46. (overall, user's and
    producer's accuracy)
    Stehman, S. V. (1997). Selecting and interpreting measures of thematic classification
    accuracy. Remote Sensing of Environment 62(1), 77-89.
    Pontius, R. G. and Millones, M. (2011). Death to Kappa. International Journal of Remote
    Sensing 32(15), 4407-4429.
    """

    counts: xr.DataArray
    legend: Legend
    weighted: bool = False
    survey: SurveySample | None = None
    design: Design | None = None
    level: float = 0.95
    interval: Interval = "wilson"
    kappa: bool = False
    left_out: int = 0

    @classmethod
    def _of_survey(
        cls, survey: SurveySample, legend: Legend, design: Design, **settings: Any
    ) -> Accuracy:
        counts = xr.DataArray(
            survey.totals().reshape(-1, len(legend)),
            dims=("predicted", "reference"),
            coords={
                "predicted": np.array([*legend.names, NOT_MAPPED], object),
                "reference": np.array(legend.names, object),
            },
            name="confusion_counts",
            attrs={"long_name": "estimated area", "units": design.unit},
        )
        return cls(
            counts=counts, legend=legend, weighted=True, survey=survey, design=design, **settings
        )

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """All scores with standard errors and intervals, one row each.

        Columns: `quantity` ("overall accuracy", "user's accuracy", "producer's accuracy", "F1",
        "macro F1", "weighted F1", "area", "proportion", "mapped proportion", "quantity
        disagreement", "allocation disagreement", "kappa"), `class` ('' for the whole map),
        `estimate`, `standard_error`, `low`, `high`, `interval` (its kind), `samples` (labels on
        which it rests). Attribute `note` says under which design the intervals hold. Weighted
        counts without a design have no intervals.
        """
        estimates = self._score_estimates
        if estimates is None:
            return estimates_without_intervals(self._matrix, self.legend.names, kappa=self.kappa)
        area = None
        if self.survey is not None and self.design is not None:
            area = known_area(self.design, self.survey.totals().sum())
        table = estimates.to_dataframe(area=area)
        table.attrs = {"note": self.interval_statement, "level": self.level}
        return table

    @property
    def interval_statement(self) -> str:
        """Under which design the intervals hold, in one sentence."""
        share = f"{100 * self.level:g} % intervals"
        if self.design is not None:
            return f"{share} ({self.interval}) under the design: {self.design.statement}."
        if self._score_estimates is None:
            return "No intervals: how the weighted labels were drawn is not known."
        return (
            f"{share} ({self.interval}) as if the labels were a simple random sample; labels that "
            "lie together, or were chosen otherwise, make them too narrow."
        )

    @cached_property
    def proportions(self) -> pd.DataFrame:
        """Matrix of estimated area shares, mapped (with 'not mapped') × reference."""
        return self._as_matrix(self._matrix / max(float(self._matrix.sum()), 1e-300))

    @cached_property
    def proportion_errors(self) -> pd.DataFrame:
        """Standard errors of `proportions`; NaN where no design says them."""
        estimates = self._score_estimates
        errors = np.full(self._matrix.size, np.nan)
        if estimates is not None:
            errors = estimates.proportion_errors
        return self._as_matrix(errors.reshape(self._matrix.shape))

    @property
    def samples(self) -> NDArray[np.int64]:
        """Number of labels in each cell of the counts, shape (class + 1, class).

        Without a design, and for weighted counts, it is not known apart from the counts, which are
        then returned.
        """
        if self.survey is None:
            return self._matrix
        return self.survey.counts().reshape(self._matrix.shape)

    @property
    def quantity_disagreement(self) -> float:
        """Half the sum of |mapped - labelled| shares of the classes (Pontius, Millones 2011)."""
        shares = self.proportions.to_numpy()
        mapped, true = shares[:-1].sum(axis=1), shares.sum(axis=0)
        return float(np.abs(mapped - true).sum() / 2 + shares[-1].sum() / 2)

    @property
    def allocation_disagreement(self) -> float:
        """What of the disagreement exchanging places would mend; the rest is one of quantity."""
        return float(1 - self.overall - self.quantity_disagreement)

    @property
    def statement(self) -> str:
        """What was compared and how, in one or two sentences."""
        if self.design is not None:
            unit = f" {self.design.unit}" if self.design.unit else ""
            area = known_area(self.design, self.total)
            text = f"Estimates for the whole area{'' if area is None else f' of {area:g}{unit}'} "
            text += f"from {self.samples.sum()} labelled points: {self.design.statement}."
            if self.left_out:
                text += f" Left out, as the map has no class there: {self.left_out} points."
        elif self.weighted:
            text = f"Weighted agreement of labelled pixels, weights summing to {self.total:g}."
        else:
            text = (
                f"Unweighted agreement of {self.total} labelled pixels; no sampling design is "
                "known, so it need not hold for the whole map."
            )
        if self.unmapped:
            text += f" Not mapped, counted as wrong: {self.unmapped:g}."
        if self.absent:
            text += f" Absent from the reference, left out of macro F1: {', '.join(self.absent)}."
        return text

    def to_dataframe(self) -> pd.DataFrame:
        """Scores per class: one row per class name, in the order of the legend.

        `support` and `mapped` are labels, or with a design estimated areas; `samples` are then the
        labels of the class.
        """
        table = pd.DataFrame(
            {
                "users_accuracy": self.users_accuracy,
                "producers_accuracy": self.producers_accuracy,
                "f1": self.f1,
                "support": self.support,
                "mapped": self._matrix[:-1].sum(axis=1),
            },
            index=pd.Index(self.legend.names, name="class"),
        )
        return table if self.survey is None else table.assign(samples=self.samples.sum(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """All scores and counts as JSON-able values; None where a score is not defined."""
        classes = self.to_dataframe().to_dict(orient="index")
        design = None if self.design is None else self.design.statement
        return {
            "statement": self.statement,
            "weighted": self.weighted,
            "design": design,
            "total": self.total,
            "unmapped": self.unmapped,
            "overall": none_if_nan(self.overall),
            "macro_f1": none_if_nan(self.macro_f1),
            "weighted_f1": none_if_nan(self.weighted_f1),
            "absent": list(self.absent),
            "classes": {
                str(name): {str(key): none_if_nan(value) for key, value in scores.items()}
                for name, scores in classes.items()
            },
            "counts": {
                "predicted": [*self.legend.names, NOT_MAPPED],
                "reference": list(self.legend.names),
                "values": self._matrix.tolist(),
                "samples": self.samples.tolist(),
            },
            "estimates": records(self.estimates),
            "intervals": self.interval_statement,
            "legend": self.legend.to_dict(),
        }

    def __add__(self, other: Accuracy) -> Accuracy:
        """Accuracy of the pixels of both, by adding their counts."""
        if not isinstance(other, Accuracy):
            return NotImplemented
        if self.legend != other.legend:
            raise LegendError(
                f"counts of legend {self.legend.name!r} ({', '.join(self.legend.names)}) cannot be "
                f"added to those of {other.legend.name!r} ({', '.join(other.legend.names)}). "
                "Pass the same legend= to both."
            )
        if self.weighted != other.weighted:
            raise LegendError(
                "weighted and unweighted counts cannot be added. Give both weights, or neither."
            )
        if (self.survey is None) != (other.survey is None):
            raise LegendError(
                "counts with a design and counts without cannot be added. Give both a design, or "
                "neither."
            )
        left_out = self.left_out + other.left_out
        if self.survey is not None and other.survey is not None and self.design is not None:
            joined = self.survey.joined(other.survey)
            settings = {"level": self.level, "interval": self.interval, "kappa": self.kappa}
            return Accuracy._of_survey(
                joined, self.legend, self.design, left_out=left_out, **settings
            )
        return replace(self, counts=self.counts + other.counts.values, left_out=left_out)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Accuracy)
            and self.legend == other.legend
            and self.weighted == other.weighted
            and (self.design is None) == (other.design is None)
            and bool(np.array_equal(self._matrix, other._matrix))
        )

    def __hash__(self) -> int:
        return hash((self.legend, self.weighted, self._matrix.tobytes()))

    def __repr__(self) -> str:
        table = self._shown.to_string(float_format="{:.3f}".format, na_rep="-")
        return f"{self._headline}\n{self.statement}\n{table}"

    def _repr_html_(self) -> str:
        table = self._shown.to_html(float_format="{:.3f}".format, na_rep="-", border=0)
        note = "" if self.design is None else f"<br>{html.escape(self.interval_statement)}"
        return (
            f"<b>{html.escape(self._headline)}</b><br>{html.escape(self.statement)}{note}"
            f"<div>{table}</div>"
        )

    @property
    def _shown(self) -> pd.DataFrame:
        return self.to_dataframe() if self.design is None else class_table(self.estimates)

    @property
    def _headline(self) -> str:
        return (
            f"Overall accuracy {self.overall:.3f}, macro F1 {self.macro_f1:.3f}, "
            f"weighted F1 {self.weighted_f1:.3f}"
        )

    @cached_property
    def _score_estimates(self) -> ScoreEstimates | None:
        """Estimates under the design, or as of a simple random sample; None if neither holds."""
        survey = self.survey
        if survey is None:
            if self.weighted or self.total < 2:
                return None
            survey = sample_of_counts(self._matrix)
        scores = MatrixScores(names=self.legend.names, kappa=self.kappa)
        return ScoreEstimates(
            sample=survey, scores=scores, level=self.level, interval=self.interval
        )

    def _as_matrix(self, values: NDArray[Any]) -> pd.DataFrame:
        rows = pd.Index([*self.legend.names, NOT_MAPPED], name="mapped")
        return pd.DataFrame(values, rows, pd.Index(self.legend.names, name="reference"))
