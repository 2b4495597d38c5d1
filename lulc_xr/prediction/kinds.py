"""Kinds of outputs: what each is, how it is made of what is known of a pixel, how it is described.

A new output is one entry of :data:`TASK_KINDS` or :data:`PLACE_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.probability import PROBABILITY_SCALE, most_probable
from lulc_xr.core.task_facts import TaskFacts
from lulc_xr.core.uncertainty import margin
from lulc_xr.prediction.context import OUTSIDE
from lulc_xr.prediction.facts import PlaceFacts

CLASS_MAP = "class"
"""Kind of the class map, which users ask for by the name of the task."""

Axis = Literal["", "class", "member"]
Need = Literal["", "members", "conformal", "applicability", "range"]
Facts = TypeVar("Facts")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What the attributes of an output are written from.

    Parameters
    ----------
    words : str
        The task in words.
    legend : Legend or None
        Classes of the task.
    context : tuple of str
        Context variables of the model.
    attachments : Attachments
        Rules of the model.
    """

    words: str = ""
    legend: Legend | None = None
    context: tuple[str, ...] = ()
    attachments: Attachments = field(default_factory=Attachments)

    @property
    def flags(self) -> dict[str, Any]:
        """CF flags of the classes."""
        return {} if self.legend is None else self.legend.flags()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 0 if self.legend is None else len(self.legend)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[Facts]):
    """One kind of output.

    Parameters
    ----------
    make : callable
        Facts of a patch to values, shape (y, x), (class, y, x) or (member, y, x).
    describe : callable
        Attributes of the variable.
    axis : {"", "class", "member"}
        Dimension before y and x.
    dtype : type
        float32, with NaN where a pixel was not seen; or uint8, with 255.
    needs : {"", "members", "conformal", "applicability", "range"}
        What a model must have.
    encoding : mapping
        How it is stored, where that is not as it is in memory.
    """

    make: Callable[[Facts], NDArray[Any]]
    describe: Callable[[Meaning], dict[str, Any]]
    axis: Axis = ""
    dtype: type[np.float32] | type[np.uint8] = np.float32
    needs: Need = ""
    encoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fill(self) -> float:
        """Value of pixels that were not seen."""
        return FILL_CLASS if self.dtype is np.uint8 else np.nan

    def stored(self) -> dict[str, Any]:
        """Encoding of the variable."""
        made: dict[str, Any] = {"grid_mapping": "spatial_ref", "dtype": np.dtype(self.dtype).name}
        if self.dtype is np.uint8:
            made["_FillValue"] = np.uint8(FILL_CLASS)
        return made | dict(self.encoding)


def _nats(what: str, *, comment: str) -> Callable[[Meaning], dict[str, Any]]:
    def describe(meaning: Meaning) -> dict[str, Any]:
        return {
            "long_name": what.format(meaning.words),
            "units": "1",
            "comment": comment,
            "valid_min": 0.0,
            "valid_max": float(np.log(meaning.classes)),
        }

    return describe


def _share(
    what: str, *, comment: str, low: Callable[[int], float], high: Callable[[int], float]
) -> Callable[[Meaning], dict[str, Any]]:
    def describe(meaning: Meaning) -> dict[str, Any]:
        return {
            "long_name": what.format(meaning.words),
            "units": "1",
            "comment": comment,
            "valid_min": low(meaning.classes),
            "valid_max": high(meaning.classes),
        }

    return describe


def _set_attrs(what: str) -> Callable[[Meaning], dict[str, Any]]:
    def describe(meaning: Meaning) -> dict[str, Any]:
        rule = meaning.attachments.conformal
        attrs: dict[str, Any] = {"long_name": what.format(meaning.words)}
        if rule is None:
            return attrs
        promised = [name for name, told in (("class", rule.by_class),) if told]
        promised += [rule.regions.variable] if rule.regions else []
        each = f" for each {' and '.join(promised)}" if promised else ""
        return attrs | {
            "conformal_method": rule.method,
            "coverage": rule.coverage,
            "comment": f"sets hold the true class at {rule.coverage:.0%} of places{each}, "
            "if these are like those that the sets were fitted to",
        }

    return describe


def _set(meaning: Meaning) -> dict[str, Any]:
    return _set_attrs("whether the conformal set of {} holds a class")(meaning) | {
        "flag_values": np.array([0, 1], np.uint8),
        "flag_meanings": "ruled_out in_set",
    }


def _set_size(meaning: Meaning) -> dict[str, Any]:
    return _set_attrs("number of classes in the conformal set of {}")(meaning) | {
        "units": "1",
        "valid_min": np.uint8(0),
        "valid_max": np.uint8(meaning.classes),
    }


def _dissimilarity(meaning: Meaning) -> dict[str, Any]:
    rule = meaning.attachments.applicability
    return {
        "long_name": "dissimilarity to the training samples",
        "units": "1",
        "comment": "distance to the nearest training sample in feature space, in mean distances "
        "between training samples (Meyer and Pebesma 2021)",
        "valid_min": 0.0,
    } | ({} if rule is None else {"threshold": rule.threshold})


def _applicable(meaning: Meaning) -> dict[str, Any]:
    rule = meaning.attachments.applicability
    return {
        "long_name": "area of applicability",
        "flag_values": np.array([0, 1], np.uint8),
        "flag_meanings": "outside inside",
        "comment": "inside where the dissimilarity is up to the threshold",
    } | ({} if rule is None else {"threshold": rule.threshold})


def _outside(meaning: Meaning) -> dict[str, Any]:
    return {
        "long_name": "context outside the range of the training samples",
        "flag_values": np.array([0, 1], np.uint8),
        "flag_meanings": "inside outside",
        "comment": f"any of {', '.join(meaning.context)}",
    }


TASK_KINDS: Mapping[str, Kind[TaskFacts]] = {
    CLASS_MAP: Kind(
        make=lambda facts: most_probable(facts.probabilities, facts.legend),
        describe=lambda meaning: {"long_name": meaning.words, **meaning.flags},
        dtype=np.uint8,
    ),
    "entropy": Kind(
        make=lambda facts: facts.entropy,
        describe=_nats(
            "Shannon entropy of {} probabilities",
            comment="natural logarithm (nats); 0 to ln(number of classes)",
        ),
    ),
    "probability": Kind(
        make=lambda facts: facts.probabilities,
        describe=lambda meaning: {"long_name": f"probability of {meaning.words}", "units": "1"},
        axis="class",
        encoding={"dtype": "uint8", "scale_factor": PROBABILITY_SCALE, "_FillValue": np.uint8(255)},
    ),
    "aleatoric": Kind(
        make=lambda facts: facts.parts.aleatoric,
        describe=_nats(
            "aleatoric part of the entropy of {}",
            comment="mean of the members' entropies (nats)",
        ),
        needs="members",
    ),
    "epistemic": Kind(
        make=lambda facts: facts.parts.epistemic,
        describe=_nats(
            "epistemic part of the entropy of {}",
            comment="entropy less its aleatoric part (nats): mutual information of class and "
            "member, 0 where all members agree",
        ),
        needs="members",
    ),
    "margin": Kind(
        make=lambda facts: margin(facts.probabilities),
        describe=_share(
            "margin of {}",
            comment="largest less second largest probability",
            low=lambda _: 0.0,
            high=lambda _: 1.0,
        ),
    ),
    "least_confidence": Kind(
        make=lambda facts: np.float32(1) - facts.largest,
        describe=_share(
            "least confidence in {}",
            comment="1 less the largest probability",
            low=lambda _: 0.0,
            high=lambda classes: 1 - 1 / classes,
        ),
    ),
    "max_probability": Kind(
        make=lambda facts: facts.largest,
        describe=_share(
            "largest probability of {}",
            comment="probability of the class of the map",
            low=lambda classes: 1 / classes,
            high=lambda _: 1.0,
        ),
    ),
    "set_size": Kind(
        make=lambda facts: facts.sets.sum(axis=0, dtype=np.uint8),
        describe=_set_size,
        dtype=np.uint8,
        needs="conformal",
    ),
    "set": Kind(
        make=lambda facts: facts.sets.astype(np.uint8),
        describe=_set,
        axis="class",
        dtype=np.uint8,
        needs="conformal",
    ),
    "members": Kind(
        make=lambda facts: np.stack(facts.members.classes if facts.members else []),
        describe=lambda meaning: {
            "long_name": f"{meaning.words} of each member",
            **meaning.flags,
        },
        axis="member",
        dtype=np.uint8,
        needs="members",
    ),
}
"""What is made of each task, as variables ``<task>_<kind>``; the class map as ``<task>``."""

PLACE_KINDS: Mapping[str, Kind[PlaceFacts]] = {
    OUTSIDE: Kind(
        make=lambda facts: facts.outside, describe=_outside, dtype=np.uint8, needs="range"
    ),
    "dissimilarity": Kind(
        make=lambda facts: facts.dissimilarity, describe=_dissimilarity, needs="applicability"
    ),
    "applicable": Kind(
        make=lambda facts: facts.applicable,
        describe=_applicable,
        dtype=np.uint8,
        needs="applicability",
    ),
}
"""What is made of the inputs, as variables of these names."""
