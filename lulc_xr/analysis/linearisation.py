"""Variance of totals in strata and clusters, from moments of the weights: sparse sums only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """What the variance of any total of a sample follows from.

    A pair is a cell in a group whose total is known; a total is then one of the residuals from
    the mean of the group. Without clusters a unit is a stratum, whose squares are kept apart.

    Parameters
    ----------
    cell, group : ndarray of int64
        Of each pair, shape (pair,).
    groups : int
        Number of groups; 0 if no total is known.
    sums : csr_array
        Sum of weights, (primary unit, pair); (stratum, pair) if every unit is one.
    squares : csr_array or None
        Sum of squared weights, (stratum, pair), if every unit is a primary one.
    strata : csr_array or None
        Which primary unit lies in which stratum, (stratum, primary unit), if there are clusters.
    scale : ndarray of float64
        (1 - sampling fraction) n / (n - 1) of each stratum.
    primary : ndarray of float64
        Primary units n of each stratum.
    """

    cell: Ints
    group: Ints
    groups: int
    sums: csr_array
    squares: csr_array | None
    strata: csr_array | None
    scale: Floats
    primary: Floats

    @classmethod
    def of(
        cls, *, stratum: Ints, unit: Ints | None, group: Ints | None, groups: int, cell: Ints,
        cells: int, weight: Floats, number: Ints, primary: Floats, fraction: Floats,
    ) -> Moments:  # fmt: skip
        """Moments of rows of `number` units of one weight each."""
        place = cell if group is None else group * cells + cell
        pairs, place = np.unique(place, return_inverse=True)
        place = place.reshape(-1)
        strata, one = primary.size, weight * number

        def table(values: Floats, rows: Ints, size: int) -> csr_array:
            return csr_array((values, (rows, place)), shape=(size, pairs.size))

        squares = membership = None
        if unit is None:
            sums = table(one, stratum, strata)
            squares = table(weight * one, stratum, strata)
        else:
            units, first = np.unique(unit, return_index=True)
            sums = table(one, unit, units.size)
            membership = csr_array(
                (np.ones(units.size), (stratum[first], units)), shape=(strata, units.size)
            )
        return cls(
            cell=pairs % cells, group=pairs // cells, groups=groups, sums=sums, squares=squares,
            strata=membership, primary=primary,
            scale=(1 - fraction) * primary / np.maximum(primary - 1, 1),
        )  # fmt: skip

    @property
    def height(self) -> int:
        """Rows of the widest array that a variance makes for each estimate."""
        units, pairs = self.sums.shape
        return int(max(units, pairs))

    def variance(self, influence: Floats) -> Floats:
        """Variances of totals of `influence` (cell, estimate), shape (estimate,)."""
        rest = self._residual(influence)
        units = np.asarray(self.sums @ rest)
        sums, squares = units, units**2
        if self.strata is not None:
            sums, squares = np.asarray(self.strata @ units), np.asarray(self.strata @ squares)
        elif self.squares is not None:
            squares = np.asarray(self.squares @ rest**2)
        spread = squares - sums**2 / self.primary[:, None]
        # Rounding may leave a variance of zero at -1e-20.
        found: Floats = np.maximum(self.scale @ spread, 0.0)
        return found

    def covariance(self, influence: Floats) -> Floats:
        """Covariances of totals of `influence`, shape (estimate, estimate)."""
        rest = self._residual(influence)
        units = np.asarray(self.sums @ rest)
        sums = units
        if self.strata is not None:
            sums, rest = np.asarray(self.strata @ units), units
        factor = self.squares if self.strata is None else self.strata
        assert factor is not None
        weighted = rest * np.asarray(factor.T @ self.scale)[:, None]
        between = (self.scale / self.primary)[:, None] * sums
        found: Floats = rest.T @ weighted - sums.T @ between
        return found

    def _residual(self, influence: Floats) -> Floats:
        """Influence of each pair, less its mean in the group whose total is known."""
        values: Floats = influence[self.cell]
        if not self.groups:
            return values
        weight = np.asarray(self.sums.sum(axis=0)).reshape(-1)
        member = csr_array(
            (weight, (self.group, np.arange(weight.size))), shape=(self.groups, weight.size)
        )
        total = np.bincount(self.group, weight, minlength=self.groups)
        means = np.asarray(member @ values) / np.where(total > 0, total, 1.0)[:, None]
        return values - means[self.group]
