"""Any predictor with what is attached to it: an estimator, a module, a test's arithmetic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, Predictor, Probabilities, by_task
from lulc_xr.core.places import Places
from lulc_xr.core.uncertainty import mean_of_members
from lulc_xr.models.attached import Attached, calibrate_tasks
from lulc_xr.models.folder import without_provenance
from lulc_xr.models.sample_predictions import predict_samples


def attachable(model: Any) -> Any:
    """The model itself, if something can be attached to it, else in a :class:`Calibrated`."""
    if hasattr(model, "attach"):
        return model
    return CalibratedMembers(model) if hasattr(model, "each_member") else Calibrated(model)


class Calibrated(Attached):
    """A predictor whose probabilities are calibrated, and that carries conformal sets.

    Parameters
    ----------
    model : Predictor
        What predicts; an :class:`lulc_xr.EstimatorPredictor`, say. A Classifier or an Ensemble
        needs no wrapping: ``model.attach(calibration=...)``.
    attachments : Attachments, optional
        What is attached.
    """

    def __init__(self, model: Predictor, *, attachments: Attachments | None = None) -> None:
        self.model = model
        self.attachments = attachments or Attachments()
        if inner := getattr(model, "content_hash", None):
            rules = {n: without_provenance(r) for n, r in self.attachments.rules.items()}
            described = json.dumps([inner, rules])
            self.content_hash = hashlib.sha256(described.encode()).hexdigest()

    @property
    def spec(self) -> ModelSpec:
        """What the model needs and gives."""
        return self.model.spec

    @property
    def training_places(self) -> Places | None:
        """Where the model was trained, if it knows."""
        found: Places | None = getattr(self.model, "training_places", None)
        return found

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Probabilities:
        """Calibrated class probabilities of a block, as the model itself gives them."""
        given = self.model.predict_block(pixels, days, context)
        found = calibrate_tasks(by_task(given, self.spec), self.calibration, context=context)
        return found if isinstance(given, Mapping) else next(iter(found.values()))

    def predict(self, samples: xr.Dataset) -> xr.Dataset:
        """Classes, entropy and probabilities of samples."""
        return predict_samples(self, samples)

    def with_precision(self, precision: str) -> Calibrated:
        """The same in another arithmetic.

        Raises
        ------
        ModelError
            If the model has only one.
        """
        if hasattr(self.model, "with_precision"):
            return type(self)(self.model.with_precision(precision), attachments=self.attachments)
        if precision != "float32":
            raise ModelError(f"{type(self.model).__name__} offers float32 only, not {precision}.")
        return self

    def __repr__(self) -> str:
        names = [name for name, rule in self.attachments.rules.items() if rule]
        return f"<{type(self.model).__name__} with {', '.join(names) or 'nothing attached'}>"

    def _with_attachments(self, attachments: Attachments) -> Calibrated:
        return type(self)(self.model, attachments=attachments)


class CalibratedMembers(Calibrated):
    """The same of a model of several members: each is calibrated, then the mean is taken."""

    def __len__(self) -> int:
        members: Any = self.model
        return len(members)

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Probabilities:
        """Mean of the calibrated class probabilities of the members."""
        return mean_of_members(self.each_member(pixels, days, context))

    def each_member(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """What each member says of a block, calibrated: task to (class, y, x)."""
        inner: Any = self.model
        for given in inner.each_member(pixels, days, context):
            yield calibrate_tasks(given, self.calibration, context=context)
