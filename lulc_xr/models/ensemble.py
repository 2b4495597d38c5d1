"""Ensemble: several classifiers as one model, whose probabilities are the mean of the members'."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import (
    ModelSpec,
    Precision,
    PredictorReference,
    Probabilities,
    check_precision,
)
from lulc_xr.core.places import Places
from lulc_xr.models.attached import Attached, calibrate_block
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.folder import cache_folder, read_arrays, without_provenance, write_arrays
from lulc_xr.models.sample_predictions import predict_samples

DOCUMENT = "ensemble.json"
"""The file that makes a folder an ensemble's."""

_VERSION = 1


class Ensemble(Attached):
    """Several classifiers that predict together: the mean of their probabilities.

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

    def __init__(
        self, members: Sequence[Classifier], *, attachments: Attachments | None = None
    ) -> None:
        self.members = tuple(members)
        self.attachments = attachments or Attachments()
        self.spec = _common_spec(self.members)
        self.precision: Precision = self.members[0].precision
        # The mean does not depend on the order, but for its last bit; nor does the identity.
        hashes = sorted(member.content_hash for member in self.members)
        described = ["ensemble", hashes, *_identity(self.attachments)]
        self.content_hash = hashlib.sha256(json.dumps(described).encode()).hexdigest()
        self._folder: Path | None = None

    def __len__(self) -> int:
        return len(self.members)

    @property
    def network_name(self) -> str:
        """What its members are, in words."""
        names = ", ".join(sorted({member.network_name for member in self.members}))
        return f"ensemble of {len(self)} ({names})"

    @property
    def training_places(self) -> Places | None:
        """Where the samples of all members lay; None if that is not known of each."""
        known = [member.training_places for member in self.members]
        return Places.joined(p for p in known if p) if all(p is not None for p in known) else None

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Probabilities:
        """Mean class probabilities of a block; see :meth:`Classifier.predict_block`.

        Returns
        -------
        ndarray of float32, or dict of task to such
            Probabilities, shape (class, y, x); a dict if there are several tasks.
        """
        total: dict[str, NDArray[np.float32]] = {}
        # Member by member: a block of all of them would be as many times as large.
        for given in self.each_member(pixels, days, context):
            for task, found in given.items():
                total[task] = total[task] + found if task in total else found
        mean = {task: values / np.float32(len(self.members)) for task, values in total.items()}
        return mean if len(mean) > 1 else next(iter(mean.values()))

    def each_member(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """What each member says of a block, one after the other: task to (class, y, x)."""
        for member in self.members:
            yield {
                task: calibrate_block(found, self.calibration, task=task, context=context)
                for task, found in self._of_member(member, pixels, days, context).items()
            }

    def predict_block_members(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """What each member says of a block: task to (member, class, y, x)."""
        given = list(self.each_member(pixels, days, context))
        return {task: np.stack([found[task] for found in given]) for task in self.spec.legends}

    def predict(self, samples: xr.Dataset) -> xr.Dataset:
        """Classes, entropy and mean probabilities of samples; see :meth:`Classifier.predict`."""
        return predict_samples(self, samples)

    def predict_members(self, samples: xr.Dataset) -> xr.Dataset:
        """Predictions of each member for samples, along a new first dimension `member`."""
        return xr.concat([member.predict(samples) for member in self.members], dim="member")

    def with_precision(self, precision: str) -> Ensemble:
        """The same ensemble in another arithmetic; weights are shared, not copied."""
        other = Ensemble(
            [member.with_precision(precision) for member in self.members],
            attachments=self.attachments,
        )
        other.precision, other._folder = check_precision(precision), self._folder
        return other

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the ensemble as a folder with a folder for each member; whole or not at all.

        Raises
        ------
        ModelError
            If something else is at `path`, or another ensemble and `overwrite` is False.
        """
        folder = Path(path).expanduser().absolute()
        if folder.exists() and any(folder.iterdir()):
            if not (folder / DOCUMENT).is_file():
                raise ModelError(f"{folder} is there already and is no ensemble. Give a free path.")
            if _read(folder)["content_hash"] == self.content_hash:
                self._folder = folder
                return folder
            if not overwrite:
                raise ModelError(
                    f"{folder} holds another ensemble. Give another path, or pass overwrite=True."
                )
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        try:
            names = [f"member_{number:02d}" for number in range(len(self.members))]
            for name, member in zip(names, self.members, strict=True):
                # Not under this name: the folder of a member stays where it may be known.
                _copy_of(member).save(staging / name)
            document = {"format": "lulc_xr ensemble", "format_version": _VERSION}
            document |= {"content_hash": self.content_hash, "members": names}
            document |= self.attachments.to_dict()
            write_arrays(staging, self.attachments.arrays())
            (staging / DOCUMENT).write_text(json.dumps(document, indent=2) + "\n")
            if folder.exists():
                shutil.rmtree(folder)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        self._folder = folder
        return folder

    def reference(self) -> PredictorReference:
        """Where a worker finds this ensemble; without a folder, in the user's cache."""
        if self._folder is None or not self._folder.is_dir():
            self.save(cache_folder(self.content_hash), overwrite=True)
        return PredictorReference(
            loader=load_ensemble,
            path=str(self._folder),
            content_hash=self.content_hash,
            precision=self.precision,
        )

    def __reduce__(self) -> tuple[Callable[..., Ensemble], tuple[str, str, Precision]]:
        reference = self.reference()
        return _load, (reference.path, reference.content_hash, reference.precision)

    def __repr__(self) -> str:
        return f"<{self.network_name}, {self.precision}, {self.content_hash[:12]}>"

    def _with_attachments(self, attachments: Attachments) -> Ensemble:
        other = Ensemble(self.members, attachments=attachments)
        other.precision = self.precision
        return other

    def _of_member(
        self,
        member: Classifier,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None,
    ) -> Mapping[str, NDArray[np.float32]]:
        found = member.predict_block(pixels, days, context)
        return found if isinstance(found, Mapping) else {next(iter(self.spec.legends)): found}


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
    document = _read(folder)
    loaded = Ensemble(
        [load_classifier(folder / str(name), device=device) for name in document["members"]],
        attachments=Attachments.from_dict(document, read_arrays(folder)),
    )
    if loaded.content_hash != document["content_hash"]:
        raise ModelError(
            f"the members in {folder} are not those that were saved. Copy the folder again."
        )
    loaded._folder = folder
    return loaded


def load_model(path: str | os.PathLike[str], *, device: str | None = None) -> Classifier | Ensemble:
    """The classifier or the ensemble in a folder, whichever is there."""
    if (Path(path).expanduser() / DOCUMENT).is_file():
        return load_ensemble(path, device=device)
    return load_classifier(path, device=device)


def _read(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        names = [str(name) for name in document["members"]]
        version = document["format_version"]
        expected = str(document["content_hash"])
    except FileNotFoundError:
        raise ModelError(
            f"no ensemble at {folder}: no {DOCUMENT} there. Give the folder that Ensemble.save "
            "wrote; for a single classifier take lulc_xr.load_classifier."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} is damaged: {error!r}. Copy the folder again.") from error
    if version != _VERSION:
        raise ModelError(
            f"{folder} has format_version {version!r}; this lulc_xr reads {_VERSION}. Load it with "
            "the lulc_xr that wrote it."
        )
    for name in names:
        if Path(name).name != name or name.startswith("."):
            raise ModelError(f"{folder} names a member {name!r} outside of itself; not opened.")
    return {**document, "members": names, "content_hash": expected}


def _identity(attachments: Attachments) -> list[Any]:
    """What of the attachments decides the results; nothing, if nothing is attached."""
    if attachments == Attachments():
        return []
    return [without_provenance(part) for part in attachments.rules.values()]


def _copy_of(member: Classifier) -> Classifier:
    other = member.with_precision(member.precision)
    other._folder = None
    return other


def _load(path: str, content_hash: str, precision: Precision) -> Ensemble:
    loaded = load_ensemble(path)
    if loaded.content_hash != content_hash:
        raise ModelError(
            f"ensemble in {path} is {loaded.content_hash[:12]}, but {content_hash[:12]} was meant: "
            "the folder was replaced in the meantime. Save ensembles to folders of their own."
        )
    return loaded.with_precision(precision)


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
