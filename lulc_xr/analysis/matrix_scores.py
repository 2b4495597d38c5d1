"""Scores of a matrix of area proportions, and what each unit of a sample adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OVERALL, USERS, PRODUCERS, F1 = "overall accuracy", "user's accuracy", "producer's accuracy", "F1"
MACRO_F1, WEIGHTED_F1, KAPPA = "macro F1", "weighted F1", "kappa"
PROPORTION, MAPPED, AREA = "proportion", "mapped proportion", "area"
QUANTITY, ALLOCATION = "quantity disagreement", "allocation disagreement"
SHARES = (OVERALL, USERS, PRODUCERS, F1, PROPORTION, MAPPED)
"""Quantities that are shares of units, for which there are score intervals."""


@dataclass(frozen=True, kw_only=True)
class MatrixScores:
    """Scores that follow from a matrix (mapped class or not mapped, true class).

    Each score is a smooth function of the proportions p_ij; its influence is the derivative by
    the weight of a unit in cell ij, so that the variance of any score is that of a total. A row
    for what is not mapped counts as wrong. F1 is 2 p_jj / (p_j. + p_.j).

    Parameters
    ----------
    names : sequence of str
        Names of the classes, K of them.
    kappa : bool
        Whether Cohen's kappa is among the scores.

    References
    ----------
    Olofsson, P., Foody, G. M., Herold, M., Stehman, S. V., Woodcock, C. E., Wulder, M. A. (2014).
    Good practices for estimating area and assessing accuracy of land change. Remote Sensing of
    Environment 148, 42-57.
    Stehman, S. V. (2014). Estimating area and map accuracy for stratified random sampling when
    the strata are different from the map classes. International Journal of Remote Sensing
    35(13), 4923-4939. (ratios of indicator variables)
    Pontius, R. G., Millones, M. (2011). Death to Kappa: birth of quantity disagreement and
    allocation disagreement for accuracy assessment. International Journal of Remote Sensing
    32(15), 4407-4429.
    """

    names: Sequence[str]
    kappa: bool = False

    @cached_property
    def labels(self) -> list[tuple[str, str]]:
        """Quantity and class of each score; the class is '' for the whole map."""
        of_class = [(q, n) for q in (USERS, PRODUCERS, F1) for n in self.names]
        areas = [(q, n) for q in (PROPORTION, MAPPED) for n in self.names]
        differences = [(q, n) for q in (QUANTITY, ALLOCATION) for n in ("", *self.names)]
        whole = [(MACRO_F1, ""), (WEIGHTED_F1, "")]
        return [
            (OVERALL, ""), *of_class, *whole, *areas, *differences,
            *([(KAPPA, "")] if self.kappa else []),
        ]  # fmt: skip

    @cached_property
    def ratios(self) -> tuple[Floats, Floats]:
        """Numerators and denominators of the shares by cell, each (cell, share)."""
        number = len(self.names)
        row, column = np.divmod(np.arange((number + 1) * number), number)
        mapped = (row[:, None] == np.arange(number)).astype(np.float64)
        true = (column[:, None] == np.arange(number)).astype(np.float64)
        hits = mapped * true
        ones = np.ones((hits.shape[0], 1))
        above = [hits.sum(axis=1, keepdims=True), hits, hits, 2 * hits, true, mapped]
        below = [ones, mapped, true, mapped + true, *[np.repeat(ones, number, axis=1)] * 2]
        return np.concatenate(above, axis=1), np.concatenate(below, axis=1)

    def values(self, proportions: Floats) -> Floats:
        """Scores of matrices, shape (..., cell) to (..., score); NaN where not defined."""
        parts = self._parts(proportions)
        whole = [parts.macro[..., None], parts.weighted[..., None]]
        mapped, true = parts.mapped, parts.true
        quantity, allocation = self._disagreement(parts)
        found = [
            parts.shares[..., : 1 + 3 * len(self.names)], *whole, true, mapped,
            (quantity.sum(axis=-1, keepdims=True) + parts.unmapped) / 2, quantity,
            allocation.sum(axis=-1, keepdims=True) / 2, allocation,
        ]  # fmt: skip
        if self.kappa:
            found.append(((parts.overall - parts.chance) / (1 - parts.chance))[..., None])
        return np.concatenate(found, axis=-1)

    def influence(self, proportions: Floats) -> Floats:
        """Derivative of each score by the share of each cell, shape (cell, score)."""
        number = len(self.names)
        parts = self._parts(proportions)
        above, below = self.ratios
        whole = np.where(parts.below > 0, parts.below, np.nan)
        shares = (above - np.nan_to_num(parts.shares) * below) / whole
        overall, f1 = shares[:, :1], shares[:, 1 + 2 * number : 1 + 3 * number]
        true, mapped = shares[:, 1 + 3 * number : 1 + 4 * number], shares[:, 1 + 4 * number :]
        present = parts.true > 0
        clean = np.where(present, np.nan_to_num(f1), 0.0)
        macro = clean.sum(axis=1) / max(int(present.sum()), 1)
        scores = np.where(present, np.nan_to_num(parts.f1), 0.0)
        weighted = clean @ parts.true + true @ scores
        # |a - b| and min(a, b) are followed on the side where the estimate lies.
        hits = parts.hits
        sign = np.sign(parts.mapped - parts.true)
        quantity = (mapped - true) * sign
        hit = above[:, 1 : 1 + number] - hits
        least = np.where(parts.mapped <= parts.true, mapped, true)
        allocation = 2 * (least - hit)
        # Not mapped is a class of the map that the reference never has.
        unmapped = -mapped.sum(axis=1, keepdims=True)
        found = [
            shares[:, : 1 + 3 * number], macro[:, None], weighted[:, None], true, mapped,
            (quantity.sum(axis=1, keepdims=True) + unmapped) / 2, quantity,
            allocation.sum(axis=1, keepdims=True) / 2, allocation,
        ]  # fmt: skip
        if self.kappa:
            chance = mapped @ parts.true + true @ parts.mapped
            rest = 1 - parts.chance
            found.append(overall / rest - ((1 - parts.overall) / rest**2 * chance)[:, None])
        return np.concatenate(found, axis=1)

    def _parts(self, proportions: Floats) -> _Parts:
        number = len(self.names)
        above, below = self.ratios
        whole = proportions @ below
        shares = _ratio(proportions @ above, whole)
        true, mapped = (shares[..., 1 + k * number : 1 + (k + 1) * number] for k in (3, 4))
        f1 = np.where(true > 0, shares[..., 1 + 2 * number : 1 + 3 * number], np.nan)
        shares = shares.copy()
        shares[..., 1 + 2 * number : 1 + 3 * number] = f1
        hits = proportions @ above[:, 1 : 1 + number]
        present = true > 0
        zero = np.where(present, np.nan_to_num(f1), 0.0)
        return _Parts(
            shares=shares, below=whole, true=true, mapped=mapped, hits=hits, f1=f1,
            overall=shares[..., 0],
            macro=_ratio(zero.sum(axis=-1), present.sum(axis=-1)),
            weighted=_ratio((zero * true).sum(axis=-1), true.sum(axis=-1)),
            chance=(true * mapped).sum(axis=-1),
            unmapped=1 - mapped.sum(axis=-1, keepdims=True),
        )  # fmt: skip

    @staticmethod
    def _disagreement(parts: _Parts) -> tuple[Floats, Floats]:
        """Quantity and allocation disagreement of each class."""
        quantity = np.abs(parts.mapped - parts.true)
        allocation = 2 * (np.minimum(parts.mapped, parts.true) - parts.hits)
        return quantity, allocation


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """What several scores share; the leading dimensions are those of the matrices."""

    shares: Floats
    below: Floats
    true: Floats
    mapped: Floats
    hits: Floats
    f1: Floats
    overall: Floats
    macro: Floats
    weighted: Floats
    chance: Floats
    unmapped: Floats


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Part / whole, NaN where the whole is 0."""
    found: Floats = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=found, where=np.asarray(whole) > 0)
    return found
