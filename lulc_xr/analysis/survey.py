"""Survey samples: totals, means and ratios with the variance that their design gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.analysis.linearisation import Moments
from lulc_xr.core.errors import SampleError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Lonely = Literal["refuse", "collapse"]
_VALUES_AT_ONCE = 1 << 21


@dataclass(frozen=True, kw_only=True, eq=False)
class SurveySample:
    """Units of a probability sample, each in a cell of which values are known.

    A cell is what units have in common: the pair of mapped and true class, or simply the unit
    itself. A row stands for `number` units of one stratum, group, cell and weight.

    Parameters
    ----------
    stratum : ndarray of int64
        Position of each row among `strata`, shape (row,).
    cell : ndarray of int64
        Cell of each row, shape (row,).
    cells : int
        Number of cells.
    weight : ndarray of float64
        Weight of each single unit of a row, > 0, shape (row,).
    number : ndarray of int64
        Units that a row stands for, shape (row,); 1 where there are clusters.
    strata : tuple
        Names of the strata, for messages; every one has a row.
    cluster : ndarray of int64, optional
        Primary sampling unit of each row; by default every unit is one.
    group : ndarray of int64, optional
        Post-stratum of each row, a position among `group_total`.
    stratum_total, group_total : ndarray of float64, optional
        Known totals (areas), to which the weights are scaled.
    fraction : ndarray of float64, optional
        Share of the primary units of each stratum that was drawn (finite population correction).
    lonely : {"refuse", "collapse"}
        What is done with a stratum of one primary unit.
    unit_weights : ndarray of float64, optional
        Scaled weights of the single units in the order in which they were given, shape (unit,);
        None where they came as counts.

    References
    ----------
    Särndal, C.-E., Swensson, B., Wretman, J. (1992). Model assisted survey sampling. Springer.
    (ratios by linearisation 5.5-5.7, post-stratification 7.6)
    """

    stratum: Ints
    cell: Ints
    cells: int
    weight: Floats
    number: Ints
    strata: tuple[Any, ...]
    cluster: Ints | None = None
    group: Ints | None = None
    stratum_total: Floats | None = None
    group_total: Floats | None = None
    fraction: Floats | None = None
    lonely: Lonely = "refuse"
    unit_weights: Floats | None = None

    @cached_property
    def weights(self) -> Floats:
        """Weights of single units, scaled to the totals that are known; shape (row,)."""
        weight = self.weight
        for position, total in self.known_totals:
            sums = np.bincount(position, weight * self.number, minlength=total.size)
            weight = weight * (total / np.where(sums > 0, sums, 1.0))[position]
        return weight

    @property
    def units(self) -> int:
        """Number of units in the sample."""
        return int(self.number.sum())

    @cached_property
    def primary(self) -> Ints:
        """Number of primary units (clusters, or units) of each stratum."""
        if self.cluster is None:
            found = np.bincount(self.stratum, self.number, minlength=len(self.strata))
            return found.astype(np.int64)
        keys = np.unique(self.stratum * self._clusters + self.cluster)
        return np.bincount(keys // self._clusters, minlength=len(self.strata))

    @cached_property
    def primary_unit(self) -> Ints:
        """Primary unit of each row, counted over all strata."""
        if self.cluster is None:
            return np.arange(self.stratum.size)
        keys = self.stratum * self._clusters + self.cluster
        found: Ints = np.unique(keys, return_inverse=True)[1].reshape(-1)
        return found

    @property
    def freedom(self) -> int:
        """Degrees of freedom: primary units minus strata, at least 1."""
        return max(int(self.primary.sum()) - len(self.strata), 1)

    def totals(self) -> Floats:
        """Estimated total (area) of each cell."""
        found = np.bincount(self.cell, self.weights * self.number, minlength=self.cells)
        return found.astype(np.float64)

    def counts(self) -> Ints:
        """Units in each cell."""
        return np.bincount(self.cell, self.number, minlength=self.cells).astype(np.int64)

    def variance(self, influence: Floats) -> Floats:
        """Variances of estimates, from what a unit of each cell adds to them.

        Parameters
        ----------
        influence : ndarray of float64
            Derivative of each estimate by the weight of a unit, shape (cell, estimate); of a
            ratio X / Y it is (x - X / Y * y) / Y.

        Returns
        -------
        ndarray of float64
            Shape (estimate,).

        Raises
        ------
        SampleError
            If a stratum has one primary unit only, and strata are not to be collapsed.
        """
        moments = self._moments
        step = max(1, _VALUES_AT_ONCE // max(moments.height, 1))
        parts = [
            moments.variance(influence[:, start : start + step])
            for start in range(0, influence.shape[1], step)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def covariance(self, influence: Floats) -> Floats:
        """Covariances of estimates, shape (estimate, estimate); see :meth:`variance`."""
        return self._moments.covariance(influence)

    def joined(self, other: SurveySample) -> SurveySample:
        """Both samples as one; the units of either keep their stratum by its name."""
        names = tuple(dict.fromkeys((*self.strata, *other.strata)))
        place = {name: position for position, name in enumerate(names)}
        parts = (self, other)
        stratum = [np.array([place[s] for s in p.strata], np.int64)[p.stratum] for p in parts]

        def both(name: str) -> Any:
            pair = [getattr(p, name) for p in parts]
            return None if pair[0] is None else np.concatenate(pair)

        def of_strata(name: str) -> Any:
            if getattr(self, name) is None:
                return None
            values = {s: v for p in parts for s, v in zip(p.strata, getattr(p, name), strict=True)}
            return np.array([values[s] for s in names])

        return replace(
            self,
            stratum=np.concatenate(stratum),
            strata=names,
            unit_weights=None,
            stratum_total=of_strata("stratum_total"),
            fraction=of_strata("fraction"),
            **{name: both(name) for name in ("cell", "weight", "number", "cluster", "group")},
        )

    @property
    def known_totals(self) -> list[tuple[Ints, Floats]]:
        """What the weights are scaled to, in this order: position of each row, and totals."""
        known = []
        if self.stratum_total is not None:
            known.append((self.stratum, self.stratum_total))
        if self.group is not None and self.group_total is not None:
            known.append((self.group, self.group_total))
        return known

    @property
    def _clusters(self) -> int:
        return 1 if self.cluster is None else int(self.cluster.max(initial=0)) + 1

    def folded(self) -> SurveySample:
        """The same sample of single units, those that are alike in one row if none is clustered."""
        if self.cluster is not None:
            return replace(self, unit_weights=self.weights)
        group = np.zeros_like(self.stratum) if self.group is None else self.group
        _, weight = np.unique(self.weight, return_inverse=True)
        key, place = _unique_columns(np.stack([self.stratum, group, self.cell, weight.reshape(-1)]))
        values = np.unique(self.weight)
        number = np.bincount(place, self.number, minlength=key.shape[1]).astype(np.int64)
        return replace(
            self, stratum=key[0], cell=key[2], weight=values[key[3]], number=number,
            group=None if self.group is None else key[1], unit_weights=self.weights,
        )  # fmt: skip

    @cached_property
    def _moments(self) -> Moments:
        stratum = variance_strata(self)
        number = int(stratum.max()) + 1
        joined = np.zeros(len(self.strata), np.int64)
        joined[self.stratum] = stratum
        primary = np.bincount(joined, self.primary, minlength=number).astype(np.float64)
        fraction = np.zeros(number)
        if self.fraction is not None:
            population = np.bincount(joined, self.primary / self.fraction, minlength=number)
            fraction = np.minimum(primary / population, 1.0)
        known = self.known_totals
        return Moments.of(
            stratum=stratum, unit=None if self.cluster is None else self.primary_unit,
            group=known[-1][0] if known else None, groups=known[-1][1].size if known else 0,
            cell=self.cell, cells=self.cells, weight=self.weights, number=self.number,
            primary=primary, fraction=fraction,
        )  # fmt: skip


def estimate_ratios(
    sample: SurveySample, numerator: Floats, denominator: Floats
) -> tuple[Floats, Floats]:
    """Ratios of totals and their covariance, by linearisation.

    Parameters
    ----------
    sample : SurveySample
        The sample.
    numerator, denominator : ndarray of float64
        Values of each cell, shape (cell, ratio). A mean has a denominator of ones.

    Returns
    -------
    ratio : ndarray of float64
        Shape (ratio,), NaN where the denominator's total is 0.
    covariance : ndarray of float64
        Shape (ratio, ratio).
    """
    total = sample.totals()
    above, below = total @ numerator, total @ denominator
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below != 0)
    influence = (numerator - np.nan_to_num(ratio) * denominator) / np.where(below, below, np.nan)
    return ratio, sample.covariance(influence)


def estimate_totals(sample: SurveySample, values: Floats) -> tuple[Floats, Floats]:
    """Totals of values of each cell, shape (cell, total), and their covariance."""
    return sample.totals() @ values, sample.covariance(np.asarray(values, np.float64))


def _unique_columns(key: Ints) -> tuple[Ints, Ints]:
    """Distinct columns in their order, and where each column of `key` is among them."""
    order = np.lexsort(key[::-1])
    ordered = key[:, order]
    new = np.concatenate([[True], np.any(np.diff(ordered, axis=1), axis=0)])
    place = np.empty(order.size, np.int64)
    place[order] = np.cumsum(new) - 1
    return ordered[:, new], place


def variance_strata(sample: SurveySample) -> Ints:
    """Stratum of each row for the variance, lonely strata joined with a neighbour."""
    drawn_whole = np.zeros(len(sample.strata), bool)
    if sample.fraction is not None:
        drawn_whole = sample.fraction >= 1
    lonely = np.flatnonzero((sample.primary < 2) & ~drawn_whole)
    if not lonely.size:
        return sample.stratum
    names = ", ".join(repr(sample.strata[i]) for i in lonely[:5])
    more = f" and {lonely.size - 5} more" if lonely.size > 5 else ""
    unit = "unit" if sample.cluster is None else "cluster"
    if sample.lonely == "refuse":
        raise SampleError(
            f"stratum {names}{more} has one sampled {unit}, so its variance cannot be estimated. "
            f"Sample at least two {unit}s, merge it with a stratum like it, or pass "
            "lonely='collapse' to join it with its neighbour for the variance (too wide rather "
            "than too narrow)."
        )
    if len(sample.strata) == 1:
        raise SampleError(
            f"the sample is one {unit}: no variance can be estimated from it. Sample at least two."
        )
    return _collapse(sample.primary, lonely)[sample.stratum]


def _collapse(primary: Ints, lonely: Sequence[int] | Ints) -> Ints:
    """New position of each stratum: a lonely one joins the next, the last one the one before."""
    alone = set(map(int, lonely))
    groups: list[list[int]] = []
    waiting: list[int] = []
    for stratum in range(primary.size):
        waiting.append(stratum)
        if stratum not in alone or len(waiting) > 1:
            groups.append(waiting)
            waiting = []
    if waiting:
        groups[-1].extend(waiting)
    position = np.zeros(primary.size, np.int64)
    for place, members in enumerate(groups):
        position[members] = place
    return position
