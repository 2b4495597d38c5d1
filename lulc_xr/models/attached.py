"""Models that carry a calibration, conformal sets and an area of applicability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.attachments import CALIBRATION, CONFORMAL, TRAINING, Attachments
from lulc_xr.core.calibration import Calibration
from lulc_xr.core.conformal import Conformal
from lulc_xr.core.places import Places


class Attached:
    """What models have in common that something can be attached to.

    A subclass holds `attachments`, and says in ``_with_attachments`` what the same model with
    others is.
    """

    attachments: Attachments

    @property
    def calibration(self) -> Calibration | None:
        """What is done to its probabilities, if it was calibrated."""
        return self.attachments.calibration

    @property
    def conformal(self) -> Conformal | None:
        """Its conformal sets, if they were fitted."""
        return self.attachments.conformal

    @property
    def applicability(self) -> Applicability | None:
        """How far it may be used, if that was fitted."""
        return self.attachments.applicability

    @property
    def training_places(self) -> Places | None:
        """Where the samples of its training and validation lay; None if that is not known."""
        return self.attachments.places.get(TRAINING)

    def attach(self, **rules: Any) -> Self:
        """The same model with another calibration, conformal rule or applicability.

        Parameters
        ----------
        **rules : Calibration, Conformal, Applicability or None
            By the names `calibration`, `conformal` and `applicability`; those that are not named
            stay as they are. Another calibration drops the conformal sets, which were fitted to
            other probabilities. `places`, a mapping of name to Places, is added to the record of
            where they were fitted; that of a rule which is replaced goes.
        """
        if "calibration" in rules and rules["calibration"] != self.calibration:
            rules.setdefault("conformal", None)
        gone = {name for name in (CALIBRATION, CONFORMAL) if name in rules}
        kept = {name: p for name, p in self.attachments.places.items() if name not in gone}
        rules["places"] = kept | rules.get("places", {})
        return self._with_attachments(replace(self.attachments, **rules))

    def _with_attachments(self, attachments: Attachments) -> Self:
        raise NotImplementedError


def calibrate_tasks(
    found: Mapping[str, NDArray[np.float32]],
    calibration: Calibration | None,
    *,
    context: Mapping[str, NDArray[np.float32]] | None,
) -> dict[str, NDArray[np.float32]]:
    """Probabilities (class, y, x) of each task after calibration, see :func:`calibrate_block`."""
    return {
        task: calibrate_block(values, calibration, task=task, context=context)
        for task, values in found.items()
    }


def calibrate_block(
    probabilities: NDArray[np.float32],
    calibration: Calibration | None,
    *,
    task: str,
    context: Mapping[str, NDArray[np.float32]] | None,
) -> NDArray[np.float32]:
    """Probabilities (class, y, x) of a block after calibration, by region if it tells them apart.

    Parameters
    ----------
    probabilities : ndarray of float32
        Shape (class, y, x).
    calibration : Calibration or None
        None: they stay as they are.
    task : str
        The task.
    context : mapping or None
        Holds the positions of the regions, shape (y, x), under the name of their variable;
        without them the calibration of all places is used.
    """
    if calibration is None:
        return probabilities
    region = None
    if calibration.regions is not None and context is not None:
        given = context.get(calibration.regions.variable)
        region = None if given is None else np.asarray(given).astype(np.int16)
    return calibration.apply(probabilities, task=task, region=region)
