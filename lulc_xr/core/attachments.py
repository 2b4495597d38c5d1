"""What is attached to a trained model: calibration, conformal sets, area of applicability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.calibration import Calibration
from lulc_xr.core.conformal import Conformal
from lulc_xr.core.places import Places
from lulc_xr.core.regions import RegionKey

_AREA = "applicability/"

TRAINING, CALIBRATION, CONFORMAL = "training", "calibration", "conformal"
"""Names of places: where a model learned, and where what is attached to it was fitted."""


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
    places : mapping of str to Places
        Where samples lay that were used: of the training ("training", validation included), for
        the calibration and for the conformal sets. A record: it is no part of the identity.
    """

    calibration: Calibration | None = None
    conformal: Conformal | None = None
    applicability: Applicability | None = None
    places: Mapping[str, Places] = field(default_factory=dict, compare=False)

    @property
    def region_keys(self) -> tuple[RegionKey, ...]:
        """The regions that calibration and conformal sets tell apart, each once."""
        rules = (self.calibration, self.conformal)
        return tuple(dict.fromkeys(rule.regions for rule in rules if rule and rule.regions))

    @property
    def rules(self) -> dict[str, Any]:
        """What decides the results, JSON-able: `calibration`, and the others if there are any."""
        return {"calibration": self.calibration and self.calibration.to_dict()} | {
            name: rule.to_dict()
            for name, rule in (
                ("conformal", self.conformal), ("applicability", self.applicability),
            )
            if rule is not None
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """What a model's document says of them: the rules, and `places` if any are known."""
        known = {name: place.to_dict() for name, place in self.places.items()}
        return self.rules | ({"places": known} if known else {})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays that are stored beside the document, by name."""
        found: dict[str, NDArray[Any]] = {}
        if self.applicability is not None:
            found |= {f"{_AREA}{name}": a for name, a in self.applicability.arrays().items()}
        for of, place in self.places.items():
            found |= {f"{of}/{name}": array for name, array in place.arrays().items()}
        return found

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Attachments:
        """The attachments from what :meth:`to_dict` and :meth:`arrays` gave."""
        calibration, conformal = document.get("calibration"), document.get("conformal")
        area = document.get("applicability")
        return cls(
            calibration=Calibration.from_dict(calibration) if calibration else None,
            conformal=Conformal.from_dict(conformal) if conformal else None,
            applicability=Applicability.from_dict(area, _under(_AREA, arrays)) if area else None,
            places={
                of: Places.from_dict(values, _under(f"{of}/", arrays))
                for of, values in document.get("places", {}).items()
            },
        )


def attachments_of(model: object) -> Attachments:
    """What is attached to a model; nothing, if it knows of no attachments."""
    found = getattr(model, "attachments", None)
    return found if isinstance(found, Attachments) else Attachments()


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
