"""Two maps at the same points: which is right more often, by how much, and how sure that is."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.block_scores import (
    SCORES,
    Block,
    Cells,
    amounts_of,
    block_of,
    cells_of,
    deviation,
    positions_in,
    shares_of,
)
from lulc_xr.analysis.matrix_scores import OVERALL, MatrixScores
from lulc_xr.analysis.mcnemar import McNemar, mcnemar
from lulc_xr.analysis.paired_tables import pair_arrays, pair_tables
from lulc_xr.analysis.resampling import bootstrap_sums, percentile_interval
from lulc_xr.core.errors import SampleError


def compare_maps(
    first: pd.DataFrame | xr.DataArray,
    second: pd.DataFrame | xr.DataArray,
    reference: xr.DataArray | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
    block: Block = None,
    near: bool = False,
    weights: str | None = None,
    strata: str | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> MapComparison:
    """Two maps judged at the same points: McNemar's test, and differences of scores.

    Parameters
    ----------
    first, second : pandas.DataFrame or xr.DataArray
        Two tables of :func:`lulc_xr.judge_points` at the same points; or two class maps on the
        grid or the samples of `reference`.
    reference : xr.DataArray, optional
        Class ids to judge arrays by, with CF flags.
    names : pair of str
        What to call the maps.
    block : str or float, optional
        Column with the block of each point, or the side of square blocks in metres; None: the
        column `block` if there is one, else points are drawn one by one.
    near : bool
        Judge with a tolerance of one pixel.
    weights : str, optional
        Column of weights, for the differences; McNemar's test counts points.
    strata : str, optional
        Column of strata within which blocks are drawn.
    repeats : int
        Number of resamples.
    level : float
        Coverage that the intervals aim at.
    seed : int
        Seed of the draws.

    Returns
    -------
    MapComparison
        Differences are first minus second.

    Raises
    ------
    SampleError
        If the tables hold different points, or different labels for them.
    LegendError
        If their legends differ.
    CubeError
        If the arrays are not on one grid.

    References
    ----------
    McNemar, Q. (1947). Note on the sampling error of the difference between correlated
    proportions or percentages. Psychometrika 12(2), 153-157.
    Foody, G. M. (2004). Thematic map comparison: evaluating the statistical significance of
    differences in classification accuracy. Photogrammetric Engineering and Remote Sensing
    70(5), 627-633.

    Examples
    --------
    >>> from lulc_xr.core.legend import Legend
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> ids = dict(dims="sample", attrs=legend.flags())
    >>> truth = xr.DataArray(np.array([0, 1] * 6, np.uint8), **ids)
    >>> poor = xr.DataArray(np.zeros(12, np.uint8), **ids)
    >>> result = compare_maps(truth, poor, truth)
    >>> result.mcnemar.only_first, result.mcnemar.p_value
    (6, 0.03125)
    """
    if isinstance(first, xr.DataArray) or isinstance(second, xr.DataArray):
        one, other = pair_arrays(first, second, reference)
    elif reference is not None:
        raise SampleError("judged points hold their reference; leave reference= out.")
    else:
        one, other = pair_tables(first, second, names)
    cells = [cells_of(table, near=near) for table in (one, other)]
    counted = cells[0].counted
    blocks = None
    if block is not None or "block" in one:
        blocks = block_of(one, block)[counted]
    differences = _differences(
        cells,
        amounts_of(one, weights)[counted],
        blocks=blocks,
        strata=None if strata is None else positions_in(one, strata)[counted],
        repeats=repeats,
        level=level,
        seed=seed,
    )
    right = [_right(c) for c in cells]
    return MapComparison(
        differences=differences,
        mcnemar=mcnemar(*right),
        names=names,
        level=level,
        blocks=None if blocks is None else len(np.unique(blocks)),
        weighted=weights is not None,
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MapComparison:
    """Two maps at the same points.

    Parameters
    ----------
    differences : pandas.DataFrame
        `quantity`, `class` ("" for the whole map), `first`, `second`, `difference`,
        `standard_error`, `low`, `high`, `interval`, `samples`.
    mcnemar : McNemar
        Test of equal overall accuracy; points count once and as independent.
    names : pair of str
        What the maps are called.
    level : float
        Coverage that the intervals aim at.
    blocks : int or None
        Number of blocks drawn; None: points one by one.
    weighted : bool
        Whether the differences are of weighted scores.
    """

    differences: pd.DataFrame
    mcnemar: McNemar
    names: tuple[str, str]
    level: float
    blocks: int | None
    weighted: bool

    @property
    def statement(self) -> str:
        """What may be concluded of overall accuracy, in a sentence or two."""
        row = self.differences[self.differences["quantity"] == OVERALL].iloc[0]
        low, high = row["low"], row["high"]
        one, other = self.names
        if low > 0 or high < 0:
            better, worse = (one, other) if low > 0 else (other, one)
            said = f"{better} is right more often than {worse}"
        else:
            said = f"these points do not tell which of {one} and {other} is right more often"
        how = "points drawn one by one" if self.blocks is None else f"{self.blocks} blocks"
        return (
            f"Overall accuracy {row['first']:.3f} ({one}) and {row['second']:.3f} ({other}), "
            f"difference {row['difference']:+.3f} [{low:+.3f}, {high:+.3f}] ({self.level:.0%} "
            f"paired bootstrap, {how}): {said}. McNemar ({self.mcnemar.method}): "
            f"{self.mcnemar.only_first} points right in {one} alone, {self.mcnemar.only_second} in "
            f"{other} alone, p = {self.mcnemar.p_value:.3g} if points were independent."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; None where a score is not defined."""
        table = self.differences.astype(object).where(self.differences.notna(), None)
        return {
            "statement": self.statement,
            "names": list(self.names),
            "level": self.level,
            "blocks": self.blocks,
            "weighted": self.weighted,
            "mcnemar": vars(self.mcnemar).copy(),
            "differences": [
                {str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
                for row in table.to_dict("records")
            ],
        }

    def __repr__(self) -> str:
        return f"{self.statement}\n{self._table.to_string(index=False, na_rep='-')}"

    def _repr_html_(self) -> str:
        table = self._table.to_html(index=False, na_rep="-", border=0)
        return f"<p>{html.escape(self.statement)}</p><div>{table}</div>"

    @property
    def _table(self) -> pd.DataFrame:
        shown = self.differences.rename(
            columns=dict(zip(("first", "second"), self.names, strict=True))
        )
        return shown.drop(columns=["interval"]).round(3)


def _right(cells: Cells) -> NDArray[np.bool_]:
    row, column = np.divmod(cells.cell, len(cells.legend))
    right: NDArray[np.bool_] = row == column
    return right


def _differences(
    cells: list[Cells],
    amounts: NDArray[np.float64],
    *,
    blocks: NDArray[np.int64] | None,
    strata: NDArray[np.int64] | None,
    repeats: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Scores of both maps and their differences, with intervals from the same resamples."""
    one, other = cells
    scores = MatrixScores(names=one.legend.names)
    number = one.number
    both = np.stack([one.cell, other.cell + number], axis=1)
    found = bootstrap_sums(
        both,
        2 * number,
        amounts=amounts,
        blocks=blocks,
        strata=strata,
        repeats=repeats,
        seed=seed,
    )
    totals = np.bincount(both.ravel(), np.repeat(amounts, 2), 2 * number)
    values = [scores.values(shares_of(part)) for part in np.split(totals, 2)]
    sides = [scores.values(shares_of(part)) for part in np.split(found, 2, axis=1)]
    replicates = sides[0] - sides[1]
    low, high = percentile_interval(replicates, level=level)
    quantity, name = (np.array(part, object) for part in zip(*scores.labels, strict=True))
    table = pd.DataFrame(
        {
            "quantity": quantity,
            "class": name,
            "first": values[0],
            "second": values[1],
            "difference": values[0] - values[1],
            "standard_error": deviation(replicates),
            "low": low,
            "high": high,
            "interval": "paired block bootstrap" if blocks is not None else "paired bootstrap",
            "samples": one.cell.size,
        }
    )
    return table[table["quantity"].isin(SCORES)].reset_index(drop=True)
