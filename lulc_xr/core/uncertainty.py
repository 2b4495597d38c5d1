"""Arithmetic of uncertainty: margin, least confidence, and what several members agree on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.probability import entropy

_ONE = np.float32(1)


def margin(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest minus second largest probability over the first axis.

    Parameters
    ----------
    probabilities : ndarray of float32
        Shape (class, ...), summing to 1 over classes.

    Returns
    -------
    ndarray of float32
        Shape (...); 0 where two classes are equally probable, 1 where one is certain.

    Examples
    --------
    >>> margin(np.array([[0.75, 0.5], [0.25, 0.5], [0.0, 0.0]], np.float32)).tolist()
    [0.5, 0.0]
    """
    first, second = two_largest(probabilities)
    difference: NDArray[np.float32] = np.clip(first - second, 0, _ONE)
    return difference


def max_probability(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest probability over the first axis: (class, ...) to (...), 1/K to 1."""
    lowest = np.float32(1 / len(probabilities))
    largest: NDArray[np.float32] = np.clip(probabilities.max(axis=0), lowest, _ONE)
    return largest


def least_confidence(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """One minus the largest probability: (class, ...) to (...), 0 to 1 - 1/K.

    Examples
    --------
    >>> least_confidence(np.array([[0.75, 0.5], [0.25, 0.5]], np.float32)).tolist()
    [0.25, 0.5]
    """
    least: NDArray[np.float32] = _ONE - max_probability(probabilities)
    return least


def mark_applicable(dissimilarity: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """1 where a dissimilarity is up to the threshold, 0 beyond, 255 where it is NaN.

    Examples
    --------
    >>> mark_applicable(np.array([0.1, 0.3, np.nan], np.float32), 0.2).tolist()
    [1, 0, 255]
    """
    inside = dissimilarity <= np.float32(threshold)
    return np.where(np.isnan(dissimilarity), FILL_CLASS, inside).astype(np.uint8)


def two_largest(
    probabilities: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The largest and the second largest value over the first axis, equals counted twice.

    Parameters
    ----------
    probabilities : ndarray of float32
        Shape (class, ...); of a single class the second is 0.
    """
    # Class by class: sorting pixels that lie apart in memory costs twenty times as much.
    first = probabilities[0].copy()
    second = np.zeros_like(first)
    lesser = np.empty_like(first)
    for p in probabilities[1:]:
        np.minimum(first, p, out=lesser)
        np.maximum(second, lesser, out=second)
        np.maximum(first, p, out=first)
    return first, second


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Total uncertainty and its two parts, in nats, each of shape (...).

    Parameters
    ----------
    total : ndarray of float32
        Entropy of the mean of the members.
    aleatoric : ndarray of float32
        Mean of the members' entropies: what stays, however well the members know the classes.
    epistemic : ndarray of float32
        The rest: mutual information of class and member, 0 where all members agree.
    """

    total: NDArray[np.float32]
    aleatoric: NDArray[np.float32]
    epistemic: NDArray[np.float32]


class MemberSum:
    """Mean and parts of the uncertainty of several members that come one after the other.

    Holds a sum of probabilities and a sum of entropies, however many members there are.

    Parameters
    ----------
    entropies : bool
        Keep the sum of entropies too, for :meth:`parts`.

    References
    ----------
    Depeweg, S., Hernandez-Lobato, J. M., Doshi-Velez, F., Udluft, S. (2018). Decomposition of
    uncertainty in Bayesian deep learning for efficient and risk-sensitive learning. ICML 2018,
    https://arxiv.org/abs/1710.07283

    Examples
    --------
    >>> members = MemberSum()
    >>> members.add(np.array([[1.0], [0.0]], np.float32))
    >>> members.add(np.array([[0.0], [1.0]], np.float32))
    >>> parts = members.parts()
    >>> parts.aleatoric.tolist(), parts.epistemic.round(4).tolist()
    ([0.0], [0.6930999755859375])
    """

    def __init__(self, *, entropies: bool = True) -> None:
        self.number = 0
        self._with_entropies = entropies
        self._probabilities: NDArray[np.float32] | None = None
        self._entropies: NDArray[np.float32] | None = None

    def add(self, probabilities: NDArray[np.float32]) -> None:
        """Count one more member.

        Parameters
        ----------
        probabilities : ndarray of float32
            Shape (class, ...), summing to 1 over classes; not kept.
        """
        self.number += 1
        if self._probabilities is None:
            self._probabilities = np.array(probabilities, np.float32)
        else:
            self._probabilities += probabilities
        if not self._with_entropies:
            return
        own = entropy(probabilities)
        if self._entropies is None:
            self._entropies = own
        else:
            self._entropies += own

    def mean(self) -> NDArray[np.float32]:
        """Mean probabilities of the members, shape (class, ...)."""
        if self._probabilities is None:
            raise ModelError("no member gave anything; each_member must give one or more.")
        return self._probabilities / np.float32(self.number)

    def parts(self, total: NDArray[np.float32] | None = None) -> Parts:
        """Entropy of the mean, and its aleatoric and epistemic part.

        Parameters
        ----------
        total : ndarray of float32, optional
            Entropy of :meth:`mean`, where it is known already.

        Returns
        -------
        Parts
            0 <= aleatoric <= total <= ln K; the parts add up to the total but for rounding.
        """
        whole = entropy(self.mean()) if total is None else total
        if self._entropies is None:
            raise ModelError("the entropies of the members were not kept; ask for them.")
        # The entropy is concave, so only rounding can make the mean larger than the total.
        aleatoric = np.minimum(self._entropies / np.float32(self.number), whole)
        return Parts(total=whole, aleatoric=aleatoric, epistemic=whole - aleatoric)


def mean_of_members(
    each: Iterable[Mapping[str, NDArray[np.float32]]],
) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
    """Mean of what members say, one after the other: their probabilities are not kept.

    Parameters
    ----------
    each : iterable of mapping
        Task to probabilities (class, ...), of each member.

    Returns
    -------
    ndarray of float32, or dict of task to such
        A dict if there are several tasks.

    Raises
    ------
    ModelError
        If there is no member.
    """
    sums: dict[str, MemberSum] = {}
    for given in each:
        for task, found in given.items():
            sums.setdefault(task, MemberSum(entropies=False)).add(found)
    mean = {task: own.mean() for task, own in sums.items()}
    if not mean:
        raise ModelError("no member gave anything; each_member must give one or more.")
    return mean if len(mean) > 1 else next(iter(mean.values()))
