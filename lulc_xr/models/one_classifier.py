"""Members that are made of one classifier: draws of its dropout, views of its input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import Predictor
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.members import (
    Members,
    intact,
    read_attachments,
    read_document,
    save_copy,
)

_PART = "classifier"


class MembersOfOne(Members):
    """Several models that are made of one classifier, a number and a seed.

    A subclass makes the members, and says in ``_settings`` what else they are made by.

    Parameters
    ----------
    members : sequence of Predictor
        At least one.
    classifier : Classifier
        What they are made of. Its calibration is done by each member.
    seed : int
        What they follow from.
    attachments : Attachments or None
        What is attached to the whole; None: the area of applicability of the classifier, which is
        about what the network sees. Its conformal sets were fitted to other probabilities.
    """

    def __init__(
        self,
        members: Sequence[Predictor],
        *,
        classifier: Classifier,
        seed: int,
        attachments: Attachments | None,
    ) -> None:
        self.classifier, self.seed = classifier, seed
        super().__init__(
            members,
            spec=classifier.spec,
            precision=classifier.precision,
            attachments=attachments or Attachments(applicability=classifier.applicability),
        )

    def with_precision(self, precision: str) -> Self:
        """The same members in another arithmetic; weights are shared, not copied."""
        other = self._made_of(self.classifier.with_precision(precision), self.attachments)
        other._folder = self._folder
        return other

    def _made_of(self, classifier: Classifier, attachments: Attachments) -> Self:
        """The same of another classifier, or with other attachments."""
        raise NotImplementedError

    @property
    def _settings(self) -> dict[str, Any]:
        """What the members are made by, JSON-able."""
        return {"members": len(self.members), "seed": self.seed}

    @property
    def _trained(self) -> tuple[Classifier]:
        return (self.classifier,)

    def _with_attachments(self, attachments: Attachments) -> Self:
        return self._made_of(self.classifier, attachments)

    def _identity(self) -> list[Any]:
        return [self.kind.lower(), self.classifier.content_hash, *self._settings.values()]

    def _write_parts(self, staging: Path) -> dict[str, Any]:
        save_copy(self.classifier, staging / _PART)
        return {"classifier": _PART, **self._settings}


def check_members(classifier: object, members: int, seed: int, *, kind: str) -> None:
    """Refuse what no members can be made of.

    Raises
    ------
    ModelError
        If it is no classifier, or a number is out of range.
    """
    if not isinstance(classifier, Classifier):
        raise ModelError(
            f"{kind} is made of a classifier (lulc_xr.fit, lulc_xr.load_classifier), not of a "
            f"{type(classifier).__name__}."
        )
    if members < 1:
        raise ModelError(f"members {members!r}; give 1 or more.")
    if not 0 <= seed < 2**32:
        raise ModelError(f"seed {seed!r}; give one from 0 to {2**32 - 1}.")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What is in the folder of such a model.

    Parameters
    ----------
    path : Path
        The folder.
    document : mapping
        What it says.
    classifier : Classifier
        What the members are made of.
    settings : mapping
        Keyword arguments that both kinds have: `members`, `seed`, `attachments`.
    """

    path: Path
    document: dict[str, Any]
    classifier: Classifier
    settings: dict[str, Any]


def read_members(
    path: str | os.PathLike[str], kind: type[MembersOfOne], *, device: str | None
) -> Folder:
    """What is in a folder that ``save`` of this kind wrote; no code of it is run.

    Raises
    ------
    ModelError
        If there is no such folder, or it is damaged.
    """
    folder = Path(path).expanduser().absolute()
    document = read_document(folder, kind.document, kind=kind.kind)
    with intact(folder):
        settings: dict[str, Any] = {name: int(document[name]) for name in ("members", "seed")}
    settings["attachments"] = read_attachments(folder, document)
    classifier = load_classifier(folder / _PART, device=device)
    return Folder(path=folder, document=document, classifier=classifier, settings=settings)
