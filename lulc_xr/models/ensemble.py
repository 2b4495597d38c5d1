"""Ensemble: several models as one, whose probabilities are the mean of the members'."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, check_precision
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.members import (
    Members,
    finish_loading,
    intact,
    read_attachments,
    read_document,
    save_copy,
)
from lulc_xr.models.monte_carlo import MonteCarloDropout, load_monte_carlo_dropout
from lulc_xr.models.views import TestTimeAugmentation, load_test_time_augmentation

DOCUMENT = "ensemble.json"
"""The file that makes a folder an ensemble's."""


class Ensemble(Members):
    """Several models that predict together: the mean of their probabilities.

    Networks that were trained from other random weights, or on other parts of the samples, err in
    other places; the mean errs less than most of them, and where members differ says how little
    they know.

    Parameters
    ----------
    members : sequence of Classifier
        At least one. They see the same bands and dates and have the same legends; networks,
        sizes, context and halo may differ.
    attachments : Attachments, optional
        Calibration, which is done to what every member says before the mean is taken; conformal
        sets of the mean; area of applicability.
    provenance : mapping, optional
        How the members came about, JSON-able; no part of its identity.

    Raises
    ------
    ModelError
        If there is no member, or they do not go together.

    References
    ----------
    Lakshminarayanan, B., Pritzel, A., Blundell, C. (2017). Simple and scalable predictive
    uncertainty estimation using deep ensembles. NeurIPS 2017, https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.training.config import TrainConfig
    >>> from lulc_xr.training.fit import fit
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> members = [fit(samples, config=TrainConfig(epochs=2, seed=seed)) for seed in (0, 1)]
    >>> Ensemble(members).predict_members(samples)["land_cover_probability"].dims
    ('member', 'sample', 'class')
    """

    kind: ClassVar[str] = "ensemble"
    document: ClassVar[str] = DOCUMENT
    members: tuple[Classifier, ...]

    def __init__(
        self,
        members: Sequence[Classifier],
        *,
        attachments: Attachments | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        for number, member in enumerate(members):
            if not isinstance(member, Classifier):
                raise ModelError(
                    f"member {number} is a {type(member).__name__}; an ensemble is made of "
                    "classifiers (lulc_xr.fit), which can be stored without code. Leave it out."
                )
        super().__init__(
            members,
            spec=_common_spec(members),
            precision=members[0].precision,
            attachments=attachments,
            provenance=provenance,
        )

    @property
    def network_name(self) -> str:
        """What its members are, in words."""
        names = {member.network_name for member in self.members}
        return f"ensemble of {len(self)} ({', '.join(sorted(names))})"

    def with_precision(self, precision: str) -> Ensemble:
        """The same ensemble in another arithmetic; weights are shared, not copied."""
        others = [member.with_precision(precision) for member in self.members]
        other = Ensemble(others, attachments=self.attachments, provenance=self._provenance)
        other.precision, other._folder = check_precision(precision), self._folder
        return other

    def _with_attachments(self, attachments: Attachments) -> Ensemble:
        other = Ensemble(self.members, attachments=attachments, provenance=self._provenance)
        other.precision = self.precision
        return other

    def _identity(self) -> list[Any]:
        # The mean does not depend on the order, but for its last bit; nor does the identity.
        return ["ensemble", sorted(member.content_hash for member in self.members)]

    def _write_parts(self, staging: Path) -> dict[str, Any]:
        parts = {f"member_{i:02d}": m for i, m in enumerate(self.members)}
        for name, member in parts.items():
            save_copy(member, staging / name)
        return {"members": list(parts)}

    @property
    def _load(self) -> Callable[..., Ensemble]:
        return load_ensemble


def load_ensemble(path: str | os.PathLike[str], *, device: str | None = None) -> Ensemble:
    """The ensemble in a folder that :meth:`Ensemble.save` wrote; no code of it is run.

    Parameters
    ----------
    path : path-like
        The folder, with ``ensemble.json`` and a folder for each member.
    device : str, optional
        As for :func:`lulc_xr.load_classifier`.

    Raises
    ------
    ModelError
        If there is no such folder, or it or a member is damaged or was changed.
    """
    folder = Path(path).expanduser().absolute()
    document = read_document(folder, DOCUMENT, kind=Ensemble.kind)
    with intact(folder):
        names = [str(name) for name in document["members"]]
    for name in names:
        if Path(name).name != name or name.startswith("."):
            raise ModelError(f"{folder} names a member {name!r} outside of itself; not opened.")
    loaded = Ensemble(
        [load_classifier(folder / name, device=device) for name in names],
        attachments=read_attachments(folder, document),
        provenance=document.get("provenance"),
    )
    return finish_loading(loaded, folder, document)


def load_model(
    path: str | os.PathLike[str], *, device: str | None = None
) -> Classifier | Ensemble | MonteCarloDropout | TestTimeAugmentation:
    """The model in a folder, of whatever kind it is.

    Parameters
    ----------
    path : path-like
        Folder of a classifier, an ensemble, a :class:`lulc_xr.MonteCarloDropout` or a
        :class:`lulc_xr.TestTimeAugmentation`.
    device : str, optional
        As for :func:`lulc_xr.load_classifier`.

    Raises
    ------
    ModelError
        If there is no such folder, or it is damaged or was changed.
    """
    folder = Path(path).expanduser()
    if (folder / DOCUMENT).is_file():
        return load_ensemble(folder, device=device)
    if (folder / MonteCarloDropout.document).is_file():
        return load_monte_carlo_dropout(folder, device=device)
    if (folder / TestTimeAugmentation.document).is_file():
        return load_test_time_augmentation(folder, device=device)
    return load_classifier(path, device=device)


def _common_spec(members: Sequence[Classifier]) -> ModelSpec:
    """What all members together need and give."""
    if not members:
        raise ModelError("no member: an ensemble needs at least one classifier.")
    first = members[0].spec
    for number, member in enumerate(members[1:], 1):
        for what in ("bands", "dates", "legends"):
            own, expected = getattr(member.spec, what), getattr(first, what)
            if own != expected:
                raise ModelError(
                    f"member {number} has {what} {_short(own)}, the first has {_short(expected)}. "
                    "Members of an ensemble see the same and tell the same classes apart."
                )
    scalings = {json.dumps(member.spec.to_dict()["scaling"]) for member in members}
    of_context = [member.spec.context_scaling for member in members]
    context = tuple(dict.fromkeys(name for member in members for name in member.spec.context))
    return ModelSpec(
        bands=first.bands,
        legends=first.legends,
        dates=first.dates,
        halo=max(member.spec.halo for member in members),
        stride=math.lcm(*(member.spec.stride for member in members)),
        context=context,
        scaling=first.scaling if len(scalings) == 1 else None,
        context_scaling=of_context[0] if all(s == of_context[0] for s in of_context) else None,
    )


def _short(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, dict)) else str(value)
