"""Scores of judged points over resamples of blocks, since neighbours err alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.design_accuracy import COLUMNS
from lulc_xr.analysis.map_fields import blocks_of
from lulc_xr.analysis.matrix_scores import (
    F1,
    MACRO_F1,
    OVERALL,
    PRODUCERS,
    USERS,
    WEIGHTED_F1,
    MatrixScores,
)
from lulc_xr.analysis.resampling import bootstrap_sums, percentile_interval
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

Block = str | float | None
"""A column of judged points, the side of squares in metres, or column `block`."""

SCORES = (OVERALL, USERS, PRODUCERS, F1, MACRO_F1, WEIGHTED_F1)
"""Quantities that are given for blocks: what follows from counts and needs no area."""


def bootstrap_accuracy(
    judged: pd.DataFrame,
    *,
    block: Block = None,
    near: bool = False,
    weights: str | None = None,
    strata: str | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of judged points with intervals from a bootstrap of blocks.

    Points of one block are drawn together. Neighbours err alike, so that an interval for
    independent points is too narrow. Blocks should be wider than errors reach; results for some
    sides say whether they are.

    Parameters
    ----------
    judged : pandas.DataFrame
        What :func:`lulc_xr.judge_points` gave.
    block : str or float, optional
        Column with the block of each point, or the side of square blocks in metres. Default:
        column `block`.
    near : bool
        Judge with a tolerance of one pixel: column `mapped_near`.
    weights : str, optional
        Column of weights. Default: each point counts once.
    strata : str, optional
        Column of strata within which blocks are drawn; a block lies in one.
    repeats : int
        Number of resamples.
    level : float
        Coverage that the intervals aim at.
    seed : int
        Seed of the draws.

    Returns
    -------
    pandas.DataFrame
        As ``Accuracy.estimates``: `quantity`, `class` ("" for the whole map), `estimate`,
        `standard_error`, `low`, `high`, `interval` ("block bootstrap") and `samples`.

    Raises
    ------
    SampleError
        If a column is missing, there are fewer than two blocks, or a weight is negative.
    LegendError
        If the table has no legend.

    References
    ----------
    Efron, B., Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman and Hall.
    Künsch, H. R. (1989). The jackknife and the bootstrap for general stationary observations.
    Annals of Statistics 17(3), 1217-1241.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> seen = {"mapped": [0, 0, 1, 1], "reference": [0, 0, 1, 0], "block": [1, 1, 2, 3]}
    >>> judged = pd.DataFrame(seen, dtype="uint8")
    >>> judged.attrs["legend"] = legend.to_dict()
    >>> found = bootstrap_accuracy(judged, repeats=100)
    >>> found.loc[0, ["quantity", "interval"]].tolist(), float(found.loc[0, "estimate"])
    (['overall accuracy', 'block bootstrap'], 0.75)
    """
    cells = cells_of(judged, near=near)
    scores = MatrixScores(names=cells.legend.names)
    amounts = amounts_of(judged, weights)[cells.counted]
    found = bootstrap_sums(
        cells.cell,
        cells.number,
        amounts=amounts,
        blocks=block_of(judged, block)[cells.counted],
        strata=None if strata is None else positions_in(judged, strata)[cells.counted],
        repeats=repeats,
        seed=seed,
    )
    totals = np.bincount(cells.cell, amounts, cells.number)
    replicates = scores.values(shares_of(found))
    low, high = percentile_interval(replicates, level=level)
    columns = [
        *(np.array(part, object) for part in zip(*scores.labels, strict=True)),
        scores.values(shares_of(totals)),
        deviation(replicates),
        low,
        high,
        np.full(low.size, "block bootstrap", object),
        _samples(cells, scores),
    ]
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return table[table["quantity"].isin(SCORES)].reset_index(drop=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Cell of the confusion matrix (mapped class or not mapped, true class) of each point.

    Parameters
    ----------
    cell : ndarray of int
        One for each labelled point.
    counted : ndarray of bool
        Which points of the table are labelled.
    legend : Legend
        The classes.
    """

    cell: NDArray[np.int64]
    counted: NDArray[np.bool_]
    legend: Legend

    @property
    def number(self) -> int:
        """Number of cells."""
        return (len(self.legend) + 1) * len(self.legend)


def cells_of(judged: pd.DataFrame, *, near: bool = False) -> Cells:
    """Cells of judged points; those without a label do not count.

    Raises
    ------
    SampleError
        If a column is missing, or no point is labelled.
    LegendError
        If the table carries no legend.
    """
    column = "mapped_near" if near else "mapped"
    for name in (column, "reference"):
        if name not in judged:
            raise SampleError(
                name_unknown("column", name, map(str, judged.columns))
                + " Make the table with lulc_xr.judge_points."
            )
    if "legend" not in judged.attrs:
        raise LegendError(
            "this table carries no legend in attrs['legend']. Make it with lulc_xr.judge_points, "
            "or set it: judged.attrs['legend'] = legend.to_dict()."
        )
    legend = Legend.from_dict(judged.attrs["legend"])
    reference = judged["reference"].to_numpy()
    counted = reference != FILL_CLASS
    if not counted.any():
        raise SampleError(f"none of the {counted.size} points has a label; nothing to judge.")
    true = legend.index_of(reference[counted]).astype(np.int64)
    row = legend.index_of(judged[column].to_numpy()[counted]).astype(np.int64)
    row[row < 0] = len(legend)
    return Cells(cell=row * len(legend) + true, counted=counted, legend=legend)


def amounts_of(judged: pd.DataFrame, weights: str | None) -> NDArray[np.float64]:
    """Weight of each point, shape (point,); 1 without a column."""
    if weights is None:
        return np.ones(len(judged))
    if weights not in judged:
        raise SampleError(name_unknown("column of weights", weights, map(str, judged.columns)))
    found = judged[weights].to_numpy(np.float64)
    wrong = ~(np.isfinite(found) & (found >= 0))
    if wrong.any():
        raise SampleError(
            f"weight {found[wrong][0]} at {int(wrong.sum())} points; expected finite weights >= 0. "
            "Drop these points, or mend their weights."
        )
    return found


def block_of(judged: pd.DataFrame, block: Block) -> NDArray[np.int64]:
    """Block of each point, shape (point,)."""
    if isinstance(block, str):
        return positions_in(judged, block)
    if block is not None:
        x, y = (judged[name].to_numpy(np.float64) for name in ("x", "y"))
        return blocks_of(x, y, crs=judged.attrs.get("crs") or None, side=block)
    if "block" not in judged:
        raise SampleError(
            "these points have no column 'block'. Give block=10_000, the side of square blocks in "
            "metres, or name a column; judge_points(..., block=10_000) adds it."
        )
    return positions_in(judged, "block")


def positions_in(judged: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """Number of each point's value among the values of a column, shape (point,)."""
    if column not in judged:
        raise SampleError(name_unknown("column", column, map(str, judged.columns)))
    codes, _ = pd.factorize(judged[column], sort=True)
    if (codes < 0).any():
        raise SampleError(
            f"column {column!r} is empty at {int((codes < 0).sum())} points; fill it, or drop them."
        )
    return np.asarray(codes, np.int64)


def shares_of(totals: NDArray[Any]) -> NDArray[np.float64]:
    """Share of each cell in the sum over the last axis; NaN where that is 0."""
    whole = totals.sum(axis=-1, keepdims=True)
    found: NDArray[np.float64] = totals / np.where(whole > 0, whole, np.nan)
    return found


def deviation(replicates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation over resamples where a value is defined, shape (value,)."""
    known = np.isfinite(replicates)
    number = known.sum(axis=0)
    mean = np.where(known, replicates, 0).sum(axis=0) / np.maximum(number, 1)
    squares = np.where(known, (replicates - mean) ** 2, 0).sum(axis=0)
    found: NDArray[np.float64] = np.sqrt(squares / np.maximum(number - 1, 1))
    return np.where(number > 1, found, np.nan)


def _samples(cells: Cells, scores: MatrixScores) -> NDArray[Any]:
    """Points on which each score rests: those of its denominator, all for the others."""
    counts = np.bincount(cells.cell, minlength=cells.number)
    own = (counts @ (scores.ratios[1] > 0)).astype(np.int64)
    made = np.full(len(scores.labels), counts.sum())
    number = len(scores.names)
    made[: 1 + 3 * number] = own[: 1 + 3 * number]
    return made
