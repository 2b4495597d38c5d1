"""What is attached to a trained model: calibration, conformal sets, area of applicability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.calibration import Calibration
from lulc_xr.core.conformal import Conformal
from lulc_xr.core.regions import RegionKey

_AREA = "applicability/"


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """What is known of a model's trustworthiness; it travels with the model.

    Parameters
    ----------
    calibration : Calibration or None
        Already done to the probabilities that the model gives.
    conformal : Conformal or None
        Turns the (calibrated) probabilities into sets.
    applicability : Applicability or None
        Says how far a place lies from the training samples.
    """

    calibration: Calibration | None = None
    conformal: Conformal | None = None
    applicability: Applicability | None = None

    @property
    def region_keys(self) -> tuple[RegionKey, ...]:
        """The regions that calibration and conformal sets tell apart, each once."""
        rules = (self.calibration, self.conformal)
        return tuple(dict.fromkeys(rule.regions for rule in rules if rule and rule.regions))

    def to_dict(self) -> dict[str, Any]:
        """What a model's document says of them: `calibration`, and the others if there are any."""
        return {"calibration": self.calibration and self.calibration.to_dict()} | {
            name: rule.to_dict()
            for name, rule in (
                ("conformal", self.conformal), ("applicability", self.applicability),
            )
            if rule is not None
        }  # fmt: skip

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Arrays that are stored beside the document, by name."""
        if self.applicability is None:
            return {}
        return {f"{_AREA}{name}": a for name, a in self.applicability.arrays().items()}

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Attachments:
        """The attachments from what :meth:`to_dict` and :meth:`arrays` gave."""
        calibration, conformal = document.get("calibration"), document.get("conformal")
        area = document.get("applicability")
        own = {n.removeprefix(_AREA): a for n, a in arrays.items() if n.startswith(_AREA)}
        return cls(
            calibration=Calibration.from_dict(calibration) if calibration else None,
            conformal=Conformal.from_dict(conformal) if conformal else None,
            applicability=Applicability.from_dict(area, own) if area else None,
        )
