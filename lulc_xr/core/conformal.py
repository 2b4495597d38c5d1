"""Conformal sets: the classes that cannot be ruled out at a place, with a promised coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.regions import RegionKey

ConformalMethod = Literal["lac", "aps", "raps"]
CONFORMAL_METHODS: tuple[ConformalMethod, ...] = ("lac", "aps", "raps")


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
        scores = conformal_scores(probabilities, self.method, penalty=self.penalty, free=self.free)
        table = np.array(self.thresholds[task], np.float32).T
        if self.regions is None or region is None:
            limit = table[:, -1].reshape(-1, *(1,) * (probabilities.ndim - 1))
        else:
            limit = table[:, region]
        held: NDArray[np.bool_] = scores <= limit
        return held

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
        "lac": 1 - p. "aps": the sum of the probabilities from the largest down to that of the
        class, itself included (not randomised: coverage is at least what is promised). "raps":
        the same, and `penalty` for each rank beyond `free`.
    penalty, free
        See :class:`Conformal`.

    Returns
    -------
    ndarray of float32
        Shape (class, ...).
    """
    if method == "lac":
        return np.float32(1) - probabilities
    order = np.argsort(-probabilities, axis=0, kind="stable")
    sorted_ = np.take_along_axis(probabilities, order, axis=0)
    total = np.cumsum(sorted_, axis=0, dtype=np.float32)
    if method == "raps":
        rank = np.arange(1, len(probabilities) + 1, dtype=np.float32)
        extra = np.float32(penalty) * np.maximum(rank - np.float32(free), 0)
        total += extra.reshape(-1, *(1,) * (probabilities.ndim - 1))
    scores = np.empty_like(total)
    np.put_along_axis(scores, order, total, axis=0)
    return scores
