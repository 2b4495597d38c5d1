"""Probabilities and labels of samples, checked, for scores of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.probability import PROBABILITY_SCALE

_COLUMN = "probability_"


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredSamples:
    """Samples with a prediction and a label.

    Parameters
    ----------
    probabilities : ndarray of float64
        Shape (class, sample).
    labels : ndarray of int
        Position of the true class, shape (sample,).
    weights : ndarray of float64
        Shape (sample,).
    block : ndarray of int
        Number of the block of each sample, shape (sample,).
    blocked : bool
        True if blocks were given; else each sample is one.
    weighted : bool
        True if weights were given.
    left_out : int
        Samples without label, prediction or weight.
    legend : Legend
        The classes.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    block: NDArray[np.int64]
    blocked: bool
    weighted: bool
    left_out: int
    legend: Legend


def read_probabilities(
    probabilities: NDArray[np.floating] | xr.DataArray | pd.DataFrame,
    reference: NDArray[np.integer] | xr.DataArray | None,
    legend: Legend | None,
    weights: NDArray[np.floating] | xr.DataArray | None,
    blocks: NDArray[Any] | xr.DataArray | None,
) -> ScoredSamples:
    """Samples to score; see :func:`lulc_xr.calibration_scores`."""
    if isinstance(probabilities, pd.DataFrame):
        if reference is not None:
            raise SampleError(
                "a table of judged points holds its own reference; leave reference= out."
            )
        legend = legend or _legend_of_table(probabilities)
        reference = _column(probabilities, "reference")
        if weights is None and "weight" in probabilities:
            weights = _column(probabilities, "weight")
        if blocks is None and "block" in probabilities:
            blocks = _column(probabilities, "block")
        values = _of_table(probabilities, legend)
    elif reference is None:
        raise SampleError("no reference: give the class id of each sample, 255 without label.")
    else:
        attrs = getattr(reference, "attrs", {})
        if legend is None and "flag_values" not in attrs:
            raise LegendError(
                "no legend: pass legend=, or a reference with CF flags (Legend.flags())."
            )
        legend = legend or Legend.from_flags(attrs)
        values = _over_samples(probabilities, len(legend))
    ids = np.asarray(reference)
    if values.shape != (ids.size, len(legend)) or ids.ndim != 1:
        raise SampleError(
            f"probabilities of shape {values.shape} and a reference of shape {ids.shape}; expected "
            f"(sample, {len(legend)}) and (sample,), for the {len(legend)} classes of the legend."
        )
    own = _weights(weights, ids.size)
    labels = legend.index_of(ids)
    known = (labels >= 0) & (own > 0) & _predicted(values)
    if not known.any():
        raise SampleError(f"none of {ids.size} samples has a label, a prediction and a weight.")
    block = np.arange(ids.size) if blocks is None else _per_sample(blocks, ids.size, "blocks")
    if pd.isna(block[known]).any():
        raise SampleError("a block is missing (NaN): give each sample a block, or no blocks.")
    _, number = np.unique(block[known], return_inverse=True)
    return ScoredSamples(
        probabilities=np.ascontiguousarray(values[known].T),
        labels=labels[known].astype(np.int64),
        weights=own[known],
        block=number.ravel().astype(np.int64),
        blocked=blocks is not None,
        weighted=weights is not None,
        left_out=int((~known).sum()),
        legend=legend,
    )


def _legend_of_table(table: pd.DataFrame) -> Legend:
    found = table.attrs.get("legend")
    if not isinstance(found, Mapping):
        raise LegendError(
            "the table does not say its legend (attrs['legend'] = Legend.to_dict()); pass legend=."
        )
    return Legend.from_dict(found)


def _column(table: pd.DataFrame, name: str) -> NDArray[Any]:
    if name not in table:
        raise SampleError(
            f"the table has no column {name!r}, only {', '.join(map(str, table.columns))}. Make it "
            "with lulc_xr.judge_points, of a map with the output 'probability'."
        )
    return np.asarray(table[name].to_numpy())


def _of_table(table: pd.DataFrame, legend: Legend) -> NDArray[np.float64]:
    columns = [_column(table, f"{_COLUMN}{name}") for name in legend.names]
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def _over_samples(
    probabilities: NDArray[np.floating] | xr.DataArray, classes: int
) -> NDArray[np.float64]:
    """Probabilities (sample, class) in float64."""
    if isinstance(probabilities, xr.DataArray):
        over = [d for d in probabilities.dims if str(d).endswith("class")]
        if probabilities.ndim != 2 or len(over) != 1:
            raise SampleError(
                f"probabilities over {probabilities.dims}; expected samples and classes, such as "
                "('sample', 'class'). Stack others: p.stack(sample=('y', 'x'))."
            )
        probabilities = probabilities.transpose(..., over[0]).values
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 2:
        raise SampleError(
            f"probabilities of shape {values.shape}; expected (sample, {classes}): one column for "
            "each class."
        )
    return values


def _predicted(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Samples with probabilities; raises if they are none."""
    missing = np.isnan(values).sum(axis=1)
    nothing: NDArray[np.bool_] = missing == values.shape[1]
    partly = int(((missing > 0) & ~nothing).sum())
    if partly:
        raise SampleError(
            f"{partly} of {len(values)} samples have a NaN among their probabilities; expected "
            "all of a sample, or none (not predicted)."
        )
    # Stored maps round each probability to 1/250.
    tolerance = 1e-3 + values.shape[1] * PROBABILITY_SCALE / 2
    total = values.sum(axis=1)
    off: NDArray[np.float64] = np.where(nothing, 0.0, np.abs(total - 1))
    wrong = off > tolerance
    if wrong.any() or (values < 0).any():
        what = "add up to" if wrong.any() else "hold"
        example = total[wrong][0] if wrong.any() else np.nanmin(values)
        raise SampleError(
            f"probabilities {what} {example:g} (such samples: "
            f"{int(wrong.sum() or (values < 0).any(axis=1).sum())} of {len(values)}); expected "
            "values >= 0 that add up to 1. Apply a softmax to logits; divide percentages by 100."
        )
    return ~nothing


def _weights(weights: Any, number: int) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(number)
    own = np.asarray(_per_sample(weights, number, "weights"), np.float64)
    wrong = np.asarray(~(own >= 0) | np.isinf(own))
    if wrong.any():
        raise SampleError(
            f"{int(wrong.sum())} of {number} weights are such as {own[wrong][0]:g}; expected "
            "finite numbers >= 0."
        )
    return own


def _per_sample(values: Any, number: int, name: str) -> NDArray[Any]:
    own = np.asarray(values)
    if own.shape != (number,):
        raise SampleError(f"{name} of shape {own.shape} for {number} samples; give one for each.")
    return own
