"""Settings of the loss, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from lulc_xr.core.errors import ModelError, name_unknown

ClassWeights = Literal["balanced", "effective"]
ToleranceRule = Literal["best", "mean"]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What a network is punished for, beyond plain cross entropy at labelled pixels.

    Parameters
    ----------
    class_weights : {"balanced", "effective", None}
        ``"balanced"``: every class counts the same, however many labels it has. ``"effective"``:
        it counts by the inverse of its effective number of labels (Cui et al. 2019), between
        none and balanced.
    effective_beta : float
        How fast further labels of a class stop telling something new, 0 <= beta < 1; only for
        ``"effective"``. 0 gives equal weights, values near 1 balanced ones.
    focal_gamma : float
        Exponent of the focal loss (Lin et al. 2017), >= 0: labels that are already predicted
        well count less. 0 is cross entropy.
    tolerance : int
        Pixels on each side of a label within which its class may lie, for patches: points of a
        survey are often a pixel off. 0: the labelled pixel alone.
    tolerance_rule : {"best", "mean"}
        ``"best"``: the pixel of the window that fits the label best counts, as in the accuracy
        of LC-SLab at tolerance t. ``"mean"``: the mean over the window counts, as if all of it
        had the label.
    image_level : float
        Weight of the image-level term: the mean probability over a patch should show the classes
        of its labels.
    total_variation : float
        Weight of the total variation of the probabilities of a patch; makes maps coherent.

    Raises
    ------
    ModelError
        If a setting is out of range.

    References
    ----------
    Cui, Y. et al. (2019). Class-balanced loss based on effective number of samples. CVPR 2019.
    Lin, T.-Y. et al. (2017). Focal loss for dense object detection. ICCV 2017.
    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab. JAG 152, 105476.

    Examples
    --------
    >>> LossConfig(class_weights="effective", focal_gamma=1.0).focal_gamma
    1.0
    """

    class_weights: ClassWeights | None = None
    effective_beta: float = 0.999
    focal_gamma: float = 0.0
    tolerance: int = 0
    tolerance_rule: ToleranceRule = "best"
    image_level: float = 0.0
    total_variation: float = 0.0

    def __post_init__(self) -> None:
        check_class_weights(self.class_weights)
        if not 0 <= self.effective_beta < 1:
            raise ModelError(
                f"effective_beta {self.effective_beta!r}; expected a value from 0 to below 1, "
                "such as 0.999."
            )
        for name in ("focal_gamma", "image_level", "total_variation"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ModelError(f"{name} {value!r}; expected a value >= 0.")
        if self.tolerance != int(self.tolerance) or self.tolerance < 0:
            raise ModelError(f"tolerance {self.tolerance!r}; expected whole pixels >= 0.")
        if self.tolerance_rule not in get_args(ToleranceRule):
            raise ModelError(
                name_unknown("tolerance_rule", self.tolerance_rule, get_args(ToleranceRule))
            )

    @property
    def spatial(self) -> bool:
        """Whether a setting speaks of neighbouring pixels, and so needs patches."""
        return bool(self.tolerance or self.image_level or self.total_variation)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LossConfig:
        """Settings from what :meth:`to_dict` gave, or from a table of a TOML file.

        Raises
        ------
        ModelError
            If a setting is unknown or out of range.
        """
        for name in values:
            if name not in cls.__dataclass_fields__:
                raise ModelError(
                    name_unknown("setting of the loss", name, cls.__dataclass_fields__)
                )
        return cls(**values)


def check_class_weights(rule: str | None) -> None:
    """Raise ModelError unless this is a known rule of class weights."""
    known = get_args(ClassWeights)
    if rule is not None and rule not in known:
        raise ModelError(name_unknown("class_weights", rule, [*known, "None"]))
