"""Columns and known totals of a sampling design, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError, name_unknown

Column = str | Sequence[Any] | NDArray[Any] | pd.Series | xr.DataArray
Totals = Mapping[Any, float] | pd.Series
Floats = NDArray[np.float64]

_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Columns of points by name, of which those count where `keep` is True."""

    columns: Mapping[str, Any]
    keep: NDArray[np.bool_]

    def values(self, name: str, column: Column) -> NDArray[Any]:
        """Values of a column at the points that count.

        Raises
        ------
        SampleError
            If there is no such column, or values are not one per point.
        """
        if isinstance(column, str):
            if column not in self.columns:
                raise SampleError(
                    f"{name}: {name_unknown('column', column, map(str, self.columns))} Name one of "
                    "these, or pass values over the points."
                )
            column = self.columns[column]
        values = np.asarray(column)
        if values.shape != self.keep.shape:
            raise SampleError(
                f"{name} has shape {values.shape}; expected one value for each of "
                f"{self.keep.size} points."
            )
        return values[self.keep]

    def groups(
        self, name: str, column: Column | None, number: int
    ) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
        """Position of each point among the groups of a column, and their names.

        Raises
        ------
        SampleError
            If a point has none.
        """
        if column is None:
            return np.zeros(number, np.int64), ("all",)
        values = self.values(name, column)
        positions, names = pd.factorize(values, sort=True)
        if (positions < 0).any():
            raise SampleError(
                f"{name} is missing at {int((positions < 0).sum())} of {number} points. Fill it "
                "in, or leave these points out with mask= if they are no part of the sample."
            )
        return positions.astype(np.int64), tuple(np.asarray(names).tolist())

    def weights(self, column: Column | None, number: int) -> Floats:
        """Survey weights, ones where none are given.

        Raises
        ------
        SampleError
            If one is not a finite number > 0.
        """
        if column is None:
            return np.ones(number)
        values = self.values("weights", column)
        if values.dtype.kind not in "fiub":
            raise SampleError(f"weights are {values.dtype}; expected numbers > 0.")
        weights: Floats = values.astype(np.float64)
        wrong = ~(np.isfinite(weights) & (weights > 0))
        if wrong.any():
            raise SampleError(
                f"weight {weights[wrong][0]:g} at {int(wrong.sum())} of {number} points; expected "
                "finite survey weights > 0. A point without weight is no part of the sample: leave "
                "it out with mask=, or mend its weight."
            )
        return weights


def check_totals(name: str, totals: Totals | None) -> None:
    """Refuse totals that are negative or not finite.

    Raises
    ------
    SampleError
        If so, naming the first.
    """
    for key, value in () if totals is None else totals.items():
        if not np.isfinite(value) or value < 0:
            raise SampleError(f"{name} of {key!r} is {value}; expected a finite number >= 0.")


@overload
def totals_in_order(
    kind: str, names: tuple[Any, ...], totals: Totals, *, what: str = "area"
) -> Floats: ...
@overload
def totals_in_order(
    kind: str, names: tuple[Any, ...], totals: None, *, what: str = "area"
) -> None: ...
def totals_in_order(
    kind: str, names: tuple[Any, ...], totals: Totals | None, *, what: str = "area"
) -> Floats | None:
    """Totals in the order of the groups that the sample has.

    Raises
    ------
    SampleError
        If a group of the sample has no total, or one with a total has no sample.
    """
    if totals is None:
        return None
    known = {key: float(value) for key, value in totals.items()}
    without = [name for name in names if not known.get(name, 0.0) > 0]
    if without:
        raise SampleError(
            f"{kind} {_list(without)} has points and no {what}; known are {_list(list(known))}. "
            f"Give the {what} of each, by the same names."
        )
    empty = [key for key, value in known.items() if value > 0 and key not in names]
    if empty and what == "area":
        share = sum(known[key] for key in empty) / sum(known.values())
        raise SampleError(
            f"{kind} {_list(empty)} has {100 * share:.2g} % of the area and no point, so nothing "
            "is known of it. Sample it, merge it with a stratum like it (in strata and areas), or "
            "leave its area out and say that the result does not speak of it."
        )
    return np.array([known[name] for name in names])


def check_nested(
    stratum: NDArray[np.int64],
    cluster: NDArray[np.int64],
    *,
    strata: tuple[Any, ...],
    clusters: tuple[Any, ...],
) -> None:
    """Refuse a cluster that lies in two strata.

    Raises
    ------
    SampleError
        If there is one.
    """
    low = np.full(len(clusters), len(strata))
    high = np.full(len(clusters), -1)
    np.minimum.at(low, cluster, stratum)
    np.maximum.at(high, cluster, stratum)
    across = np.flatnonzero(low != high)
    if across.size:
        at = int(across[0])
        raise SampleError(
            f"cluster {clusters[at]!r} has points in strata {strata[low[at]]!r} and "
            f"{strata[high[at]]!r} ({across.size} such clusters); a primary unit is drawn within "
            "one stratum. If ids start anew in each stratum, join them: stratum + '/' + cluster. "
            "If strata were not used in drawing the clusters, pass them as post_strata."
        )


def _list(names: Sequence[Any]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in names[:_NAMED]) + more
