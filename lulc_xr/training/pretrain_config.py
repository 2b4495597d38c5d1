"""Settings of a training without labels, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lulc_xr.core.errors import ModelError, name_unknown

Objective = Literal["autoencoder", "masked"]
OBJECTIVES: tuple[Objective, ...] = ("autoencoder", "masked")
_CONDITIONINGS = ("none", "embedding", "cbn")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """How a network is trained without labels.

    Parameters
    ----------
    epochs : int
        Passes over the data. The paper's autoencoder: 200.
    batch_size : int
        Pixels or patches of a batch, at least 2 for batch norm.
    learning_rate : float
        Largest learning rate of AdamW; it rises to it and falls to 0 again.
    weight_decay : float
        Decay of the weights in AdamW.
    hidden_dates : float
        Share (0 to 1) of the observed dates of a sample that are hidden (``"masked"``).
    hidden_bands : float
        Share (0 to 1) of the bands of a sample that are hidden on all dates (``"masked"``).
    l1_share : float
        Weight of L1 in the loss of ``"autoencoder"``; the rest is 1 - SSIM. The paper's: 0.9.
    decoder : int
        Units of the hidden layer of the decoder, which is thrown away afterwards.
    context : sequence of str
        Names of context variables. Default with conditioning: all that the data carry.
    conditioning : {"none", "embedding", "cbn"}
        How the network takes context.
    faithful : bool
        Start the layers of the context at random, as the paper does.
    patch : int
        Side of the patches drawn from a cube, for networks of patches.
    number : int, optional
        Pixels or patches of a cube that an epoch takes. Default: all.
    year : int, optional
        Mapped year of a cube. Default: the only one that it covers.
    seed : int
        The same seed and data give the same weights bit for bit on one kind of CPU.
    progress : bool
        Show a progress bar.
    sizes : mapping
        Sizes of the network other than its defaults.

    Raises
    ------
    ModelError
        If a setting is out of range.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    hidden_dates: float = 0.4
    hidden_bands: float = 0.1
    l1_share: float = 0.9
    decoder: int = 128
    context: Sequence[str] = ()
    conditioning: Literal["none", "embedding", "cbn"] = "none"
    faithful: bool = False
    patch: int = 32
    number: int | None = None
    year: int | None = None
    seed: int = 0
    progress: bool = False
    sizes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 2), ("decoder", 1), ("patch", 1)):
            if getattr(self, name) < low:
                raise ModelError(f"{name} {getattr(self, name)}; expected a value >= {low}.")
        for name in ("hidden_dates", "hidden_bands", "l1_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"{name} {getattr(self, name)}; expected a value from 0 to 1.")
        if not self.learning_rate > 0:
            raise ModelError(f"learning_rate {self.learning_rate}; expected a value > 0.")
        if not self.weight_decay >= 0:
            raise ModelError(f"weight_decay {self.weight_decay}; expected a value >= 0.")
        if self.conditioning not in _CONDITIONINGS:
            raise ModelError(name_unknown("conditioning", self.conditioning, _CONDITIONINGS))
        object.__setattr__(self, "context", tuple(self.context))
        object.__setattr__(self, "sizes", dict(self.sizes))

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values."""
        return {**asdict(self), "context": list(self.context)}


def check_objective(objective: str, config: PretrainConfig) -> Objective:
    """The objective, if it is a known one that these settings leave something to learn."""
    for known in OBJECTIVES:
        if objective == known:
            if known == "masked" and not config.hidden_dates + config.hidden_bands:
                raise ModelError(
                    "objective='masked' with hidden_dates=0 and hidden_bands=0 leaves nothing to "
                    "tell. Choose one of them above 0."
                )
            return known
    raise ModelError(name_unknown("objective", objective, OBJECTIVES))
