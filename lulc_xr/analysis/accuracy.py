"""Agreement of a class map with a reference: overall, macro F1 and per class."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.confusion import NOT_MAPPED, confusion_counts, legend_of
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend


def accuracy(
    predicted: xr.DataArray,
    reference: xr.DataArray,
    *,
    legend: Legend | None = None,
    mask: xr.DataArray | None = None,
    weights: xr.DataArray | None = None,
) -> Accuracy:
    """Agreement of a class map with a reference, where the reference has a label.

    Parameters
    ----------
    predicted, reference : xr.DataArray of int
        Class ids on the same grid, (y, x) or (sample,); 255 where not mapped or not
        labelled. A `year` of size 1 is dropped. Dask arrays are counted chunk by chunk.
    legend : Legend, optional
        The classes; by default the CF flags of `predicted`, or of `reference`.
    mask : xr.DataArray of bool, optional
        True where pixels count, such as the test blocks.
    weights : xr.DataArray of float, optional
        Weight of each pixel or sample, >= 0.

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

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> predicted = xr.DataArray(np.array([0, 0, 1, 255], np.uint8), dims="sample")
    >>> reference = xr.DataArray(np.array([0, 0, 1, 1], np.uint8), dims="sample")
    >>> result = accuracy(predicted, reference, legend=legend)
    >>> result.overall, result.unmapped
    (0.75, 1)
    """
    legend = legend or legend_of(predicted, reference)
    counts = confusion_counts(predicted, reference, legend, mask=mask, weights=weights)
    return Accuracy(counts=counts.compute(), legend=legend, weighted=weights is not None)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Accuracy:
    """Confusion counts and the scores that follow from them.

    Without weights these are shares of the labelled pixels given: how well they stand for
    the whole map depends on how they were chosen, which is not known here. Cohen's kappa is
    not computed, as it adds nothing to overall accuracy and per-class scores.

    Parameters
    ----------
    counts : xr.DataArray
        (predicted, reference) of :func:`confusion_counts`, computed.
    legend : Legend
        The classes, in the order of the counts.
    weighted : bool
        True if counts are sums of weights.

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

    @property
    def total(self) -> float:
        """Number of labelled pixels (sum of weights)."""
        return _number(self._matrix.sum())

    @property
    def unmapped(self) -> float:
        """Number of pixels that are labelled and not mapped; they count as wrong."""
        return _number(self._matrix[-1].sum())

    @property
    def overall(self) -> float:
        """Overall accuracy: share of labelled pixels mapped as labelled; NaN without any."""
        return float(_ratio(self._hits.sum(), self._matrix.sum()))

    @property
    def support(self) -> NDArray[Any]:
        """Number of labelled pixels of each class, shape (class,)."""
        return np.asarray(self._matrix.sum(axis=0))

    @property
    def users_accuracy(self) -> NDArray[np.float64]:
        """Share of the pixels mapped as a class that are labelled so (precision).

        Shape (class,); NaN for a class that is not mapped at any labelled pixel.
        """
        return _ratio(self._hits, self._matrix[:-1].sum(axis=1))

    @property
    def producers_accuracy(self) -> NDArray[np.float64]:
        """Share of the pixels labelled as a class that are mapped so (recall).

        Shape (class,); NaN for a class absent from the reference.
        """
        return _ratio(self._hits, self.support)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of user's and producer's accuracy, 2 hits / (mapped + labelled).

        Shape (class,); NaN for a class absent from the reference, 0 for one never mapped.
        """
        both = self._matrix[:-1].sum(axis=1) + self.support
        return np.where(self.support > 0, _ratio(2 * self._hits, both), np.nan)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that the reference has."""
        present = self.support > 0
        return float(self.f1[present].mean()) if present.any() else math.nan

    @property
    def weighted_f1(self) -> float:
        """Mean F1 of the classes that the reference has, by their number of labelled pixels."""
        present = self.support > 0
        return float(_ratio((self.f1 * self.support)[present].sum(), self.support.sum()))

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the classes that the reference does not have; macro F1 leaves them out."""
        return tuple(name for name, n in zip(self.legend.names, self.support, strict=True) if not n)

    @property
    def statement(self) -> str:
        """What was compared and how, in one or two sentences."""
        if self.weighted:
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
        """Scores per class: one row per class name, in the order of the legend."""
        return pd.DataFrame(
            {
                "users_accuracy": self.users_accuracy,
                "producers_accuracy": self.producers_accuracy,
                "f1": self.f1,
                "support": self.support,
                "mapped": self._matrix[:-1].sum(axis=1),
            },
            index=pd.Index(self.legend.names, name="class"),
        )

    def to_dict(self) -> dict[str, Any]:
        """All scores and counts as JSON-able values; None where a score is not defined."""
        classes = self.to_dataframe().to_dict(orient="index")
        return {
            "statement": self.statement,
            "weighted": self.weighted,
            "total": self.total,
            "unmapped": self.unmapped,
            "overall": _or_none(self.overall),
            "macro_f1": _or_none(self.macro_f1),
            "weighted_f1": _or_none(self.weighted_f1),
            "absent": list(self.absent),
            "classes": {
                str(name): {str(key): _or_none(value) for key, value in scores.items()}
                for name, scores in classes.items()
            },
            "counts": {
                "predicted": [*self.legend.names, NOT_MAPPED],
                "reference": list(self.legend.names),
                "values": self._matrix.tolist(),
            },
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
        counts = self.counts + other.counts.values
        return Accuracy(counts=counts, legend=self.legend, weighted=self.weighted)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Accuracy)
            and self.legend == other.legend
            and self.weighted == other.weighted
            and bool(np.array_equal(self._matrix, other._matrix))
        )

    def __hash__(self) -> int:
        return hash((self.legend, self.weighted, self._matrix.tobytes()))

    def __repr__(self) -> str:
        table = self.to_dataframe().to_string(float_format="{:.3f}".format, na_rep="-")
        return f"{self._headline}\n{self.statement}\n{table}"

    def _repr_html_(self) -> str:
        table = self.to_dataframe().to_html(float_format="{:.3f}".format, na_rep="-", border=0)
        return (
            f"<b>{html.escape(self._headline)}</b><br>{html.escape(self.statement)}"
            f"<div>{table}</div>"
        )

    @property
    def _headline(self) -> str:
        return (
            f"Overall accuracy {self.overall:.3f}, macro F1 {self.macro_f1:.3f}, "
            f"weighted F1 {self.weighted_f1:.3f}"
        )

    @property
    def _matrix(self) -> NDArray[Any]:
        return np.asarray(self.counts.values)

    @property
    def _hits(self) -> NDArray[Any]:
        return np.diagonal(self._matrix[:-1])


def _ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    """Part / whole, NaN where the whole is zero."""
    whole = np.asarray(whole, np.float64)
    ratio: NDArray[np.float64] = np.full(whole.shape, np.nan)
    np.divide(np.asarray(part, np.float64), whole, out=ratio, where=whole > 0)
    return ratio


def _number(value: Any) -> float:
    """A NumPy number as Python's own, whole numbers as int."""
    plain: float = value.item()
    return plain


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
