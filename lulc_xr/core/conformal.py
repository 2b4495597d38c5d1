"""Conformal sets: the classes that cannot be ruled out at a place, with a promised coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.regions import RegionKey

ConformalMethod = Literal["lac", "aps", "raps"]
CONFORMAL_METHODS: tuple[ConformalMethod, ...] = ("lac", "aps", "raps")

_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Conformal:
    """Thresholds of a score of each class: classes up to them form the set of a place.

    Parameters
    ----------
    method : {"lac", "aps", "raps"}
        The score, see :func:`conformal_scores`.
    coverage : float
        Promised share of places whose set holds the true class, between 0 and 1.
    thresholds : mapping of str to tuple of tuple of float
        Task to rows of (class,) thresholds: one row per region in the order of `regions`, and a
        last one that holds for all other places. Where classes are not told apart, a row repeats
        one threshold. Infinite: too few samples to rule the class out.
    by_class : bool
        The coverage was promised for each class.
    regions : RegionKey or None
        The regions for each of which it was promised.
    penalty : float
        RAPS: added to the score for each class beyond `free`.
    free : int
        RAPS: number of classes without penalty.
    provenance : mapping
        How it was fitted, JSON-able.

    Raises
    ------
    ModelError
        If a setting is out of range.

    References
    ----------
    Sadinle, M., Lei, J., Wasserman, L. (2019). Least ambiguous set-valued classifiers with
    bounded error levels. JASA 114(525), 223-234. (LAC)
    Romano, Y., Sesia, M., Candes, E. (2020). Classification with valid and adaptive coverage.
    NeurIPS 2020, https://arxiv.org/abs/2006.02544 (APS)
    Angelopoulos, A., Bates, S., Malik, J., Jordan, M. (2021). Uncertainty sets for image
    classifiers using conformal prediction. ICLR 2021, https://arxiv.org/abs/2009.14193 (RAPS)
    Vovk, V., Gammerman, A., Shafer, G. (2005). Algorithmic learning in a random world. Springer.
    (Mondrian: by class and region)
    """

    method: ConformalMethod
    coverage: float
    thresholds: Mapping[str, tuple[tuple[float, ...], ...]]
    by_class: bool = False
    regions: RegionKey | None = None
    penalty: float = 0.0
    free: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.method not in CONFORMAL_METHODS:
            raise ModelError(name_unknown("conformal method", self.method, CONFORMAL_METHODS))
        if not 0 < self.coverage < 1:
            raise ModelError(f"coverage {self.coverage} is not between 0 and 1; give 0.9 say.")
        if self.penalty < 0 or self.free < 0:
            raise ModelError(f"penalty {self.penalty} and free {self.free} must not be negative.")
        tables = {
            str(task): tuple(tuple(map(float, row)) for row in table)
            for task, table in self.thresholds.items()
        }
        object.__setattr__(self, "thresholds", tables)
        rows = 1 + (len(self.regions.names) if self.regions else 0)
        for task, table in tables.items():
            if len(table) != rows or np.isnan(np.array(table)).any():
                raise ModelError(
                    f"thresholds of task {task!r} have {len(table)} rows; expected {rows}: one per "
                    "region, and one for all other places."
                )

    def sets(
        self,
        probabilities: NDArray[np.float32],
        *,
        task: str,
        region: NDArray[np.integer] | None = None,
    ) -> NDArray[np.bool_]:
        """Which classes the set of each place holds.

        The classes whose score is at most the threshold. Sets of APS and RAPS are never empty:
        nothing goes before the most probable class.

        Parameters
        ----------
        probabilities : ndarray of float32
            Shape (class, ...), summing to 1 over classes.
        task : str
            The task.
        region : ndarray of int or None
            Position of the region of each pixel, shape (...); -1, and None: no known region.

        Returns
        -------
        ndarray of bool
            Shape (class, ...).
        """
        table = np.array(self.thresholds[task], np.float32).T
        flat = probabilities.reshape(len(probabilities), -1)
        where = None
        if self.regions is not None and region is not None:
            where = np.broadcast_to(region, probabilities.shape[1:]).reshape(-1)
        held: NDArray[np.bool_] = np.empty(flat.shape, bool)
        for start in range(0, flat.shape[1], _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            # Position -1 is the last row, which holds for all other places.
            limit = table[:, -1:] if where is None else table[:, where[part]]
            held[:, part] = self._hold(np.ascontiguousarray(flat[:, part], np.float32), limit)
        return held.reshape(probabilities.shape)

    def _hold(self, p: NDArray[np.float32], limit: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which classes (class, pixel) conform."""
        if self.method == "lac":
            conforms: NDArray[np.bool_] = np.float32(1) - p <= limit
            return conforms
        before, rank = _rank(p)
        extra = _penalties(len(p), self.method, penalty=self.penalty, free=self.free)
        held: NDArray[np.bool_] = before + extra[rank] <= limit
        return held & ~np.isnan(p)

    def to_dict(self) -> dict[str, Any]:
        """The rule as JSON-able values; an infinite threshold is None."""
        return {
            "method": self.method,
            "coverage": self.coverage,
            "thresholds": {
                task: [[v if np.isfinite(v) else None for v in row] for row in table]
                for task, table in self.thresholds.items()
            },
            "by_class": self.by_class,
            "regions": self.regions and self.regions.to_dict(),
            "penalty": self.penalty,
            "free": self.free,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Conformal:
        """The rule from what :meth:`to_dict` gave."""
        return cls(
            method=values["method"],
            coverage=values["coverage"],
            thresholds={
                task: tuple(tuple(np.inf if v is None else v for v in row) for row in table)
                for task, table in values["thresholds"].items()
            },
            by_class=values["by_class"],
            regions=RegionKey.from_dict(values["regions"]) if values["regions"] else None,
            penalty=values["penalty"],
            free=values["free"],
            provenance=values.get("provenance", {}),
        )


def conformal_scores(
    probabilities: NDArray[np.float32],
    method: ConformalMethod,
    *,
    penalty: float = 0.0,
    free: int = 0,
) -> NDArray[np.float32]:
    """How little each class conforms with the probabilities of its place.

    Parameters
    ----------
    probabilities : ndarray of float32
        Shape (class, ...).
    method : {"lac", "aps", "raps"}
        "lac": 1 - p. "aps": the sum of the probabilities that are larger than that of the class,
        itself left out. "raps": the same, and `penalty` for each rank beyond `free`.
    penalty, free
        See :class:`Conformal`.

    Returns
    -------
    ndarray of float32
        Shape (class, ...).

    Notes
    -----
    Romano et al. (2020) subtract from the sum that includes the class a random part u of its
    probability. A map must not depend on dice, so u = 1 here, for samples and places alike: any
    score keeps the promise that is computed in one way for both. With u = 0 sure and right places
    would have the largest scores, and sets would hold nearly all classes wherever a model is good.
    """
    if method == "lac":
        return np.float32(1) - probabilities
    flat = probabilities.reshape(len(probabilities), -1)
    scores = np.empty(flat.shape, np.float32)
    extra = _penalties(len(flat), method, penalty=penalty, free=free)
    for start in range(0, flat.shape[1], _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        p = np.ascontiguousarray(flat[:, part], np.float32)
        before, rank = _rank(p)
        scores[:, part] = np.where(np.isnan(p), p, before + extra[rank])
    return scores.reshape(probabilities.shape)


def conformal_threshold(scores: NDArray[np.floating], coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n scores; infinite if there are too few.

    A new score that is exchangeable with them does not exceed it with a probability of at least
    `coverage`, and of at most coverage + 1 / (n + 1) if no two scores are equal.

    Parameters
    ----------
    scores : ndarray of float
        Scores of the true classes, shape (sample,).
    coverage : float
        Between 0 and 1.

    Examples
    --------
    >>> conformal_threshold(np.arange(1.0, 10.0), 0.9), conformal_threshold(np.arange(8.0), 0.9)
    (9.0, inf)
    """
    # 0.9 is a little more than 9/10 in binary numbers: 100 * 0.9 must not become 91.
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    if rank > len(scores):
        return math.inf
    return float(np.partition(scores, rank - 1)[rank - 1])


def _rank(p: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Probability that goes before each class (class, pixel), and its rank, 1 for the largest."""
    # Comparing all pairs, in pieces that fit the cache, is six times as fast as sorting along
    # the first axis (10 classes). Of equals the first in the legend goes before.
    before, rank = np.zeros_like(p), np.ones(p.shape, np.uint8)
    for first in range(len(p)):
        for second in range(first + 1, len(p)):
            ahead = p[first] >= p[second]
            before[second] += p[first] * ahead
            rank[second] += ahead
            behind = ~ahead
            before[first] += p[second] * behind
            rank[first] += behind
    return before, rank


def _penalties(
    classes: int, method: ConformalMethod, *, penalty: float, free: int
) -> NDArray[np.float32]:
    """What RAPS adds by rank, 0 to `classes`; nothing for the others."""
    ranks = np.arange(classes + 1)
    extra = penalty * np.maximum(ranks - free, 0) if method == "raps" else np.zeros(classes + 1)
    return extra.astype(np.float32)
