"""How models do in regions that they have not seen: another question than how good a map is."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.block_scores import cells_of, deviation, positions_in, shares_of
from lulc_xr.analysis.matrix_scores import MACRO_F1, OVERALL, MatrixScores
from lulc_xr.analysis.resampling import bootstrap_sums, percentile_interval
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

KIND = "transfer"
"""What these figures are called; those of a map are its quality."""

POOLED = "all regions"
"""Region of the row of all samples."""


def transfer_accuracy(
    predicted: xr.DataArray | pd.DataFrame,
    reference: xr.DataArray | None = None,
    region: xr.DataArray | NDArray[Any] | str = "region",
    *,
    legend: Legend | None = None,
    block: str | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> TransferAccuracy:
    """Scores in regions (or folds) that were left out, each predicted by a model without it.

    This says how a model does in a place that it was not trained for. It is no estimate of how
    good a map is: for that, judge the map at a probability sample (:func:`lulc_xr.accuracy`).

    Parameters
    ----------
    predicted : xr.DataArray or pandas.DataFrame
        Class ids (sample,), 255 where none; or a table with columns `mapped`, `reference` and
        the region.
    reference : xr.DataArray, optional
        Class ids (sample,); None for a table.
    region : array of shape (sample,), or str
        Region that each sample lies in and that its model did not see; for a table its column.
    legend : Legend, optional
        The classes; by default the CF flags of an array, or what the table carries.
    block : str, optional
        Column of a table with the blocks that are drawn together; else samples are drawn one by
        one.
    repeats, level, seed
        As :func:`lulc_xr.bootstrap_accuracy` takes them.

    Returns
    -------
    TransferAccuracy
        A row per region and quantity, and one of all samples. The interval of a region holds
        within it; that of all samples draws whole regions, as another region would be met.

    Raises
    ------
    SampleError
        If there are fewer than two regions, or the samples differ in number.
    LegendError
        If there is no legend.

    References
    ----------
    Wadoux, A. M. J.-C., Heuvelink, G. B. M., de Bruin, S., Brus, D. J. (2021). Spatial
    cross-validation is not the right way to evaluate map accuracy. Ecological Modelling 457,
    109692.
    """
    table = _table(predicted, reference, region, legend)
    cells = cells_of(table)
    place = pd.Series(table["region"].to_numpy()[cells.counted]).astype(str)
    names = sorted(place.unique())
    if len(names) < 2:
        raise SampleError(
            f"all samples lie in region {names[0]!r}; leave-region-out needs two regions or more."
        )
    scores = MatrixScores(names=cells.legend.names)
    wanted = [scores.labels.index((quantity, "")) for quantity in (OVERALL, MACRO_F1)]
    blocks = None if block is None else positions_in(table, block)[cells.counted]
    codes = pd.Categorical(place, categories=names).codes.astype(np.int64)
    rows = []
    for number, name in enumerate([*names, POOLED]):
        own = np.flatnonzero(codes == number) if name != POOLED else np.arange(codes.size)
        drawn = codes if name == POOLED else None if blocks is None else blocks[own]
        values = scores.values(shares_of(np.bincount(cells.cell[own], minlength=cells.number)))
        found: NDArray[np.float64] = np.full((2, values.size), np.nan)
        if len(np.unique(own if drawn is None else drawn)) > 1:
            sums = bootstrap_sums(
                cells.cell[own], cells.number, blocks=drawn, repeats=repeats, seed=seed
            )
            found = scores.values(shares_of(sums))
        low, high = percentile_interval(found, level=level)
        error = deviation(found)
        how = "region" if name == POOLED else "sample" if blocks is None else "block"
        rows += [
            (KIND, name, scores.labels[at][0], values[at], error[at], low[at], high[at],
             f"{how} bootstrap", own.size)
            for at in wanted
        ]  # fmt: skip
    columns = (
        "kind", "region", "quantity", "estimate", "standard_error", "low", "high", "interval",
        "samples",
    )  # fmt: skip
    return TransferAccuracy(
        estimates=pd.DataFrame(rows, columns=columns), legend=cells.legend, level=level
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TransferAccuracy:
    """Scores in regions that were left out; not to be mixed with those of a map.

    Parameters
    ----------
    estimates : pandas.DataFrame
        `kind` ("transfer"), `region`, `quantity`, `estimate`, `standard_error`, `low`, `high`,
        `interval`, `samples`.
    legend : Legend
        The classes.
    level : float
        Coverage that the intervals aim at.
    """

    estimates: pd.DataFrame
    legend: Legend
    level: float

    @property
    def statement(self) -> str:
        """What the figures mean, in a sentence."""
        regions = self.estimates["region"].nunique() - 1
        return (
            f"Transfer to {regions} regions, each left out in turn: how models do where they were "
            "not trained. This is not the accuracy of a map."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; None where a score is not defined."""
        table = self.estimates.astype(object).where(self.estimates.notna(), None)
        return {
            "kind": KIND,
            "statement": self.statement,
            "level": self.level,
            "legend": self.legend.to_dict(),
            "estimates": table.to_dict("records"),
        }

    def __add__(self, other: object) -> NoReturn:
        raise SampleError(
            f"transfer to regions left out and {type(other).__name__} cannot be added: they answer "
            "different questions. Report both, side by side."
        )

    __radd__ = __add__

    def __repr__(self) -> str:
        return f"{self.statement}\n{self.estimates.round(3).to_string(index=False, na_rep='-')}"

    def _repr_html_(self) -> str:
        table = self.estimates.round(3).to_html(index=False, na_rep="-", border=0)
        return f"<p>{html.escape(self.statement)}</p><div>{table}</div>"


def _table(
    predicted: xr.DataArray | pd.DataFrame,
    reference: xr.DataArray | None,
    region: Any,
    legend: Legend | None,
) -> pd.DataFrame:
    """The samples as a table with columns mapped, reference and region."""
    if isinstance(predicted, pd.DataFrame):
        if reference is not None or not isinstance(region, str):
            raise SampleError(
                "a table holds reference and region as columns; leave reference= out and name the "
                "column of the region."
            )
        if region not in predicted:
            raise SampleError(
                name_unknown("column of regions", region, map(str, predicted.columns))
            )
        table = predicted.assign(region=predicted[region])
        table.attrs = dict(predicted.attrs)
    else:
        if reference is None or isinstance(region, str):
            raise SampleError("give reference and region as arrays over the samples of predicted.")
        parts = {"mapped": predicted, "reference": reference, "region": region}
        arrays = {name: np.asarray(part) for name, part in parts.items()}
        sizes = {name: array.shape for name, array in arrays.items()}
        if len(set(sizes.values())) > 1:
            raise SampleError(f"shapes differ: {sizes}; expected one value per sample of each.")
        table = pd.DataFrame(arrays)
        flags = next((da.attrs for da in (predicted, reference) if "flag_values" in da.attrs), None)
        if flags is not None:
            table.attrs["legend"] = Legend.from_flags(flags).to_dict()
    if legend is not None:
        table.attrs["legend"] = legend.to_dict()
    empty = pd.isna(table["region"]) | (table["region"].astype(str) == "")
    labelled = table["reference"] != FILL_CLASS
    if (empty & labelled).any():
        raise SampleError(
            f"{int((empty & labelled).sum())} samples have no region; drop them, or name it."
        )
    return table
