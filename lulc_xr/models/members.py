"""Members: what models have in common that ask several models and give the mean."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import (
    ModelSpec,
    Precision,
    Predictor,
    PredictorReference,
    Probabilities,
    by_task,
)
from lulc_xr.core.places import Places
from lulc_xr.core.uncertainty import mean_of_members
from lulc_xr.models.attached import Attached, calibrate_tasks
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.folder import cache_folder, read_arrays, without_provenance, write_arrays
from lulc_xr.models.sample_predictions import predict_samples

_VERSION = 1


class Members(Attached):
    """Several models that predict together: the mean of their probabilities.

    A subclass says in ``_describe`` and ``_write_parts`` what is in its folder, in ``_load`` how
    it is read again, and in ``_with`` what the same model with other attachments is.

    Parameters
    ----------
    members : sequence of Predictor
        At least one.
    spec : ModelSpec
        What all together need and give.
    precision : {"float32", "bfloat16"}
        Arithmetic of the members.
    attachments : Attachments or None
        Calibration, which is done to what every member says before the mean is taken; conformal
        sets of the mean; area of applicability.
    provenance : mapping or None
        How the members came about, JSON-able; no part of the identity.
    """

    kind: ClassVar[str]
    """What it is, in words."""
    document: ClassVar[str]
    """The file that makes a folder one of its kind."""

    def __init__(
        self,
        members: Sequence[Predictor],
        *,
        spec: ModelSpec,
        precision: Precision,
        attachments: Attachments | None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.members: tuple[Predictor, ...] = tuple(members)
        self.spec = spec
        self.precision: Precision = precision
        self.attachments = attachments or Attachments()
        self._provenance = dict(provenance or {})
        described = [*self._identity(), *_identity_of(self.attachments)]
        self.content_hash = hashlib.sha256(json.dumps(described).encode()).hexdigest()
        self._folder: Path | None = None

    def __len__(self) -> int:
        return len(self.members)

    @property
    def network_name(self) -> str:
        """What it is made of, in words."""
        raise NotImplementedError

    @property
    def provenance(self) -> dict[str, Any]:
        """How its members came about; empty if that was not said."""
        return dict(self._provenance)

    @property
    def training_places(self) -> Places | None:
        """Where the samples of all members lay; None if that is not known of each."""
        known = [getattr(model, "training_places", None) for model in self._trained]
        return Places.joined(p for p in known if p) if all(p is not None for p in known) else None

    @property
    def _trained(self) -> Sequence[Predictor]:
        """The models that learned from samples."""
        return self.members

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
        return mean_of_members(self.each_member(pixels, days, context))

    def each_member(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """What each member says of a block, one after the other: task to (class, y, x)."""
        for member in self.members:
            found = by_task(member.predict_block(pixels, days, context), self.spec)
            yield calibrate_tasks(found, self.calibration, context=context)

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
        return xr.concat([predict_samples(m, samples) for m in self.members], dim="member")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the model as a folder with a folder for each part; whole or not at all.

        Parameters
        ----------
        path : path-like
            The folder to be. If this very model is there already, nothing is written.
        overwrite : bool
            Replace another model of this kind at `path`.

        Raises
        ------
        ModelError
            If something else is at `path`, or another model and `overwrite` is False.
        """
        folder = Path(path).expanduser().absolute()
        if folder.exists() and any(folder.iterdir()):
            if not (folder / self.document).is_file():
                raise ModelError(
                    f"{folder} is there already and is no {self.kind}. Give a free path."
                )
            if read_document(folder, self.document, kind=self.kind)["content_hash"] == (
                self.content_hash
            ):
                self._folder = folder
                return folder
            if not overwrite:
                raise ModelError(
                    f"{folder} holds another {self.kind}. Give another path, or pass "
                    "overwrite=True."
                )
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        try:
            document = {"format": f"lulc_xr {self.kind}", "format_version": _VERSION}
            document |= {"content_hash": self.content_hash, **self._write_parts(staging)}
            document |= {"provenance": self._provenance} if self._provenance else {}
            document |= self.attachments.to_dict()
            write_arrays(staging, self.attachments.arrays())
            (staging / self.document).write_text(json.dumps(document, indent=2) + "\n")
            if folder.exists():
                shutil.rmtree(folder)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        self._folder = folder
        return folder

    def reference(self) -> PredictorReference:
        """Where a worker finds this model; without a folder, in the user's cache."""
        if self._folder is None or not self._folder.is_dir():
            self.save(cache_folder(self.content_hash), overwrite=True)
        return PredictorReference(
            loader=self._load,
            path=str(self._folder),
            content_hash=self.content_hash,
            precision=self.precision,
        )

    def __reduce__(self) -> tuple[Callable[..., Members], tuple[Any, ...]]:
        reference = self.reference()
        loader, path = reference.loader, reference.path
        return _load_again, (loader, path, reference.content_hash, reference.precision)

    def with_precision(self, precision: str) -> Self:
        """The same model in another arithmetic; weights are shared, not copied."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self.network_name}, {self.precision}, {self.content_hash[:12]}>"

    def _identity(self) -> list[Any]:
        """What of the members decides the results, JSON-able."""
        raise NotImplementedError

    def _write_parts(self, staging: Path) -> dict[str, Any]:
        """Write the folders of the parts; what the document says of them."""
        raise NotImplementedError

    @property
    def _load(self) -> Callable[..., Members]:
        raise NotImplementedError


Loaded = TypeVar("Loaded", bound=Members)


def read_document(folder: Path, name: str, *, kind: str) -> dict[str, Any]:
    """What the document of a folder says.

    Parameters
    ----------
    folder : Path
        The folder.
    name : str
        Name of the document.
    kind : str
        What should be there, in words.

    Raises
    ------
    ModelError
        If it is not there, damaged, or of another format version.
    """
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(
            f"no {kind} at {folder}: no {name} there. Give the folder that its save() wrote; for "
            "a single classifier take lulc_xr.load_classifier, for any model lulc_xr.load_model."
        ) from None
    with intact(folder):
        document = json.loads(text)
        version, _ = document["format_version"], str(document["content_hash"])
    if version != _VERSION:
        raise ModelError(
            f"{folder} has format_version {version!r}; this lulc_xr reads {_VERSION}. Load it with "
            "the lulc_xr that wrote it."
        )
    return dict(document)


@contextmanager
def intact(folder: Path) -> Iterator[None]:
    """Call a folder damaged if what is read of its document is lacking, or of another kind."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder} is damaged: {error!r}. Copy the folder again.") from error


def read_attachments(folder: Path, document: Mapping[str, Any]) -> Attachments:
    """What was attached to the model of a folder."""
    return Attachments.from_dict(document, read_arrays(folder))


def finish_loading(loaded: Loaded, folder: Path, document: Mapping[str, Any]) -> Loaded:
    """A model that was put together from a folder, if it is the one that was saved.

    Raises
    ------
    ModelError
        If a part was changed.
    """
    if loaded.content_hash != document["content_hash"]:
        raise ModelError(
            f"the members in {folder} are not those that were saved. Copy the folder again."
        )
    loaded._folder = folder
    return loaded


def save_copy(classifier: Predictor, path: Path) -> None:
    """Write a classifier into a folder under which it will not be known."""
    assert isinstance(classifier, Classifier)
    other = classifier.with_precision(classifier.precision)
    # The folder of a part stays where it may be known.
    other._folder = None
    other.save(path)


def _identity_of(attachments: Attachments) -> list[Any]:
    """What of the attachments decides the results; nothing, if nothing is attached."""
    if attachments == Attachments():
        return []
    return [without_provenance(part) for part in attachments.rules.values()]


def _load_again(
    loader: Callable[[str], Members], path: str, content_hash: str, precision: Precision
) -> Members:
    loaded = loader(path)
    if loaded.content_hash != content_hash:
        raise ModelError(
            f"{loaded.kind} in {path} is {loaded.content_hash[:12]}, but {content_hash[:12]} was "
            "meant: the folder was replaced in the meantime. Save models to folders of their own."
        )
    return loaded.with_precision(precision)
