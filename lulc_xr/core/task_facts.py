"""What a model says of one task at some places: what outputs are made of, and share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.conformal import Conformal
from lulc_xr.core.legend import Legend
from lulc_xr.core.probability import entropy, most_probable
from lulc_xr.core.regions import RegionKey
from lulc_xr.core.uncertainty import MemberSum, Parts, max_probability

Regions = Mapping[RegionKey, NDArray[np.int16]]
"""Position of each place's region, for each way to tell regions apart."""


class Members:
    """What the members of a model say of one task, gathered one member after the other.

    Parameters
    ----------
    legend : Legend
        Classes of the task.
    entropies, classes : bool
        Whether to keep the sum of the entropies, and the class map of each member.
    """

    def __init__(self, legend: Legend, *, entropies: bool, classes: bool) -> None:
        self._legend, self._with_classes = legend, classes
        self.sums = MemberSum(entropies=entropies)
        self.classes: list[NDArray[np.uint8]] = []

    def add(self, probabilities: NDArray[np.float32]) -> None:
        """Count one more member: probabilities of shape (class, ...), which are not kept."""
        self.sums.add(probabilities)
        if self._with_classes:
            self.classes.append(most_probable(probabilities, self._legend))


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What a model says of one task; each number is made once, when it is first asked for.

    Parameters
    ----------
    task : str
        The task.
    legend : Legend
        Its classes.
    probabilities : ndarray of float32
        Shape (class, ...); the mean over members if there are several.
    members : Members or None
        What each member says, where an output needs it.
    conformal : Conformal or None
        The rule of the sets.
    regions : mapping of RegionKey to ndarray of int16
        Regions of the places, shape (...), for a rule that tells them apart.
    """

    task: str
    legend: Legend
    probabilities: NDArray[np.float32]
    members: Members | None = None
    conformal: Conformal | None = None
    regions: Regions = field(default_factory=dict)

    @cached_property
    def entropy(self) -> NDArray[np.float32]:
        """Entropy of the probabilities."""
        return entropy(self.probabilities)

    @cached_property
    def largest(self) -> NDArray[np.float32]:
        """Largest probability."""
        return max_probability(self.probabilities)

    @cached_property
    def parts(self) -> Parts:
        """The parts of the entropy, each of shape (...)."""
        assert self.members is not None, "asked for only of models with members"
        return self.members.sums.parts(self.entropy)

    @cached_property
    def sets(self) -> NDArray[np.bool_]:
        """Which classes the set of each place holds, (class, ...)."""
        assert self.conformal is not None, "asked for only of models with conformal sets"
        key = self.conformal.regions
        region = self.regions.get(key) if key else None
        return self.conformal.sets(self.probabilities, task=self.task, region=region)
