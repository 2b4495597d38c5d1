"""True classes of what a map shows as each class: shares of the rows of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.accuracy import Accuracy
from lulc_xr.analysis.confusion import NOT_MAPPED
from lulc_xr.analysis.survey import SurveySample, estimate_ratios
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import Legend

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RowShares:
    """Shares of the true classes in each mapped class, and how sure they are.

    Parameters
    ----------
    shares : ndarray of float64
        Shape (mapped, true); rows add up to 1, and are 0 where there is no label.
    covariance : ndarray of float64
        Of the shares of one true class in all mapped classes, shape (true, mapped, mapped).
    units : ndarray of float64
        Labels in each mapped class, shape (mapped,).
    effective : ndarray of float64
        Labels of equal weight that would tell as much, shape (mapped,).
    freedom : int or None
        Degrees of freedom of the whole sample, where mapped classes are not its strata.
    known : ndarray of bool
        Mapped classes with labels, shape (mapped,); `certain` those whose variance is known.
    certain : ndarray of bool
        Mapped classes with two labels or more, shape (mapped,).
    statement : str
        How the labels were drawn.
    """

    shares: Floats
    covariance: Floats
    units: Floats
    effective: Floats
    freedom: int | None
    known: NDArray[np.bool_]
    certain: NDArray[np.bool_]
    statement: str


def row_shares(confusion: Accuracy | xr.DataArray | pd.DataFrame, legend: Legend) -> RowShares:
    """Row shares of a confusion matrix, in the classes of a map.

    Parameters
    ----------
    confusion : Accuracy, xr.DataArray or pandas.DataFrame
        Accuracy of the map; or counts of labels as :func:`lulc_xr.analysis.confusion` gives them
        (predicted, reference), or a table with mapped classes as rows and true ones as columns.
    legend : Legend
        Classes of the map.

    Raises
    ------
    LegendError
        If the matrix has classes that the map does not have.
    SampleError
        If it holds no counts and no design says how its labels weigh.
    """
    if isinstance(confusion, Accuracy):
        if confusion.survey is not None:
            statement = confusion.design.statement if confusion.design else ""
            return _of_survey(confusion.survey, confusion.legend.names, legend, statement)
        if confusion.weighted:
            raise SampleError(
                "the accuracy is of weighted labels without a design, so its errors are not "
                "known. Pass their weights in a design: accuracy(..., design=Design(weights=...))."
            )
        confusion = confusion.counts
    table: Any = confusion
    if isinstance(confusion, xr.DataArray):
        table = confusion.transpose("predicted", "reference").to_pandas()
    if not isinstance(table, pd.DataFrame):
        raise SampleError(
            f"confusion is {type(confusion).__name__}; expected what lulc_xr.accuracy gives, or "
            "counts of labels with mapped classes as rows and true classes as columns."
        )
    return _of_counts(_in_order(table, legend))


def _in_order(table: pd.DataFrame, legend: Legend) -> Floats:
    """Counts (mapped, true) in the order of the legend, after checks."""
    rows = [str(name) for name in table.index if str(name) != NOT_MAPPED]
    columns = [str(name) for name in table.columns]
    _check_names([*rows, *columns], legend)
    named = table.rename(index=str, columns=str).loc[rows]
    full = named.reindex(index=list(legend.names), columns=list(legend.names), fill_value=0)
    counts = full.to_numpy(np.float64)
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts != np.rint(counts)).any():
        raise SampleError(
            "the confusion matrix holds values that are no counts of labels (whole numbers >= 0). "
            "For areas or shares pass the accuracy with its design: accuracy(..., design=...)."
        )
    if not counts.sum():
        raise SampleError("the confusion matrix holds no label of a mapped pixel.")
    return counts


def _check_names(names: Sequence[str], legend: Legend) -> None:
    for name in names:
        if name not in legend.names:
            raise LegendError(
                name_unknown(f"class of legend {legend.name!r}", name, legend.names)
                + " The confusion matrix must be of the classes of the map."
            )


def _of_counts(counts: Floats) -> RowShares:
    """Labels of each mapped class as a simple random sample of it (Olofsson et al. 2014)."""
    units = counts.sum(axis=1)
    shares = counts / np.maximum(units, 1)[:, None]
    variance = shares * (1 - shares) / np.maximum(units - 1, 1)[:, None]
    covariance = np.zeros((counts.shape[1], counts.shape[0], counts.shape[0]))
    place = np.arange(counts.shape[0])
    covariance[:, place, place] = variance.T
    return RowShares(
        shares=shares, covariance=covariance, units=units, effective=units, freedom=None,
        known=units > 0, certain=units > 1,
        statement="labels of each mapped class as a simple random sample of it",
    )  # fmt: skip


def _of_survey(
    sample: SurveySample, names: Sequence[str], legend: Legend, statement: str
) -> RowShares:
    """Ratios of totals with the covariance that the design gives them."""
    _check_names(names, legend)
    number, size = len(names), len(legend)
    place = np.array([legend.names.index(name) for name in names])
    row, column = np.divmod(np.arange((number + 1) * number), number)
    mapped = (row[:, None] == np.arange(number)).astype(np.float64)
    units = sample.counts() @ mapped
    weight = sample.weights**2 * sample.number
    squares = np.bincount(sample.cell, weight, minlength=sample.cells) @ mapped
    totals = sample.totals() @ mapped
    has = units > 0
    shares, covariance = np.zeros((size, size)), np.zeros((size, size, size))
    for true in range(number):
        below = mapped[:, has]
        above = below * (column == true)[:, None]
        ratio, found = estimate_ratios(sample, above, below)
        shares[place[has], place[true]] = ratio
        covariance[np.ix_([place[true]], place[has], place[has])] = found
    pairs: Any = np.unique(sample.stratum * (number + 1) + row[sample.cell]).size
    by_map = sample.cluster is None and pairs == len(sample.strata) and int(has.sum()) == pairs
    effective = np.zeros(size)
    effective[place[has]] = totals[has] ** 2 / squares[has]
    labels = np.zeros(size)
    labels[place] = units
    return RowShares(
        shares=shares, covariance=covariance, units=labels, effective=effective,
        freedom=None if by_map else sample.freedom,
        known=labels > 0, certain=labels > (1 if by_map else 0), statement=statement,
    )  # fmt: skip
