"""Settings of a training run, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.model import Precision, check_precision
from lulc_xr.models.conditioning import CONDITIONINGS
from lulc_xr.models.execution import DEVICES
from lulc_xr.training.augmentation import Augmentation
from lulc_xr.training.loss_config import ClassWeights, LossConfig, check_class_weights
from lulc_xr.training.tasks import TaskRule, check_task_weights

Conditioning = Literal["none", "embedding", "cbn", "mcbn"]

_EPOCHS, _STEPS = 20, 140
_LOGGERS = ("csv", "tensorboard")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a network is trained.

    Parameters
    ----------
    epochs : int or None
        Passes over the training samples. None: 20, or as many as make 140 steps if the samples
        are few.
    cycles : int
        Times that the learning rate rises and falls; a classifier can be taken at the end of
        each (:func:`lulc_xr.fit_snapshots`). More than 1: `epochs` is a multiple of it, and
        weights are not averaged.
    batch_size : int
        Samples of a batch, at least 2 for batch norm.
    learning_rate : float
        Largest learning rate of AdamW; it rises to it and falls to 0 again.
    weight_decay : float
        Decay of the weights in AdamW.
    label_smoothing : float
        Share (0 to 1) of the label that is spread over all classes.
    class_weights : {"balanced", "effective", None}
        Short for ``loss=LossConfig(class_weights=...)``. ``"balanced"``: every class counts the
        same in the loss, however many samples it has.
    loss : LossConfig
        The loss beyond cross entropy at labelled pixels: class weights, focal, tolerance, total
        variation.
    task_weights : mapping of str to float, "uncertainty" or None
        Weight of each task in the loss (1 if it is not named), learned from the uncertainty of
        each task (Kendall et al. 2018), or 1 for all.
    regressions : sequence of str
        Numbers that are learned beside the classes and left out of the classifier: ``"ndvi"``
        (mean of the year), a context variable of the samples such as ``"elevation"``, or
        another variable (sample,) or (sample, patch_y, patch_x) of theirs.
    augmentation : Augmentation
        Changes of the samples while training.
    average_weights : float
        Share (0 to 1) of the steps over which a moving average of the weights reaches back; the
        average becomes the classifier. 0: the last weights are taken.
    validation_fold : int or None
        Fold of the samples that is not trained on but judged after every epoch.
    patience : int or None
        Stop after so many epochs without a lower validation loss, and take the best epoch.
    seed : int
        The same seed and samples give the same weights bit for bit on one kind of CPU.
    precision : {"float32", "bfloat16"}
        Arithmetic of the training.
    progress : bool
        Show a progress bar.
    log_folder : str or None
        Folder for the losses of every epoch, in one subfolder ``version_...`` per run.
    logger : {"csv", "tensorboard"}
        How they are written: a table, or the files that TensorBoard shows.
    device : {"cpu", "cuda", "auto", None}
        Where to train. None: what the environment variable LULC_XR_DEVICE says, else the CPU.
        Under ``torchrun`` all its processes train together.
    allow_missing_classes : bool
        Train although a class of the legend has no sample; it will not be predicted well.
    conditioning : {"none", "embedding", "cbn", "mcbn"}
        How the network takes the context of a place (bioclimate) into account.
    context : tuple of str
        Names of the context variables, such as ``("bio01", "bio12")``. Empty, with a
        conditioning: all that the samples carry.
    pixel_context : tuple of str
        Those among them that form the map of ``"mcbn"``, which varies from pixel to pixel.
    faithful : bool
        Begin with random scales and shifts of the context, as the paper's code does, instead
        of scale 1 and shift 0.
    sizes : mapping
        Sizes of the network other than its defaults, such as ``{"filters": 32}``.

    Raises
    ------
    ModelError
        If a setting is out of range.
    """

    epochs: int | None = None
    cycles: int = 1
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    class_weights: ClassWeights | None = None
    loss: LossConfig = field(default_factory=LossConfig)
    task_weights: TaskRule = None
    regressions: Sequence[str] = ()
    augmentation: Augmentation = field(default_factory=Augmentation)
    average_weights: float = 0.35
    validation_fold: int | None = None
    patience: int | None = None
    seed: int = 0
    precision: Precision = "float32"
    progress: bool = False
    log_folder: str | None = None
    logger: Literal["csv", "tensorboard"] = "csv"
    device: Literal["cpu", "cuda", "auto"] | None = None
    allow_missing_classes: bool = False
    conditioning: Conditioning = "none"
    context: tuple[str, ...] = ()
    pixel_context: tuple[str, ...] = ()
    faithful: bool = False
    sizes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.epochs is not None:
            _check_range("epochs", self.epochs, low=1)
        self._check_cycles()
        _check_range("batch_size", self.batch_size, low=2)
        if not self.learning_rate > 0:
            raise ModelError(f"learning_rate {self.learning_rate}; expected a value > 0.")
        _check_range("weight_decay", self.weight_decay, low=0)
        _check_range("label_smoothing", self.label_smoothing, low=0, high=1)
        _check_range("average_weights", self.average_weights, low=0, high=1)
        _check_range("seed", self.seed, low=0, high=2**32 - 1)
        self._check_loss()
        check_precision(self.precision)
        for name, known in (("logger", _LOGGERS), ("device", (*DEVICES, None))):
            if getattr(self, name) not in known:
                raise ModelError(name_unknown(name, getattr(self, name), map(str, known)))
        if self.patience is not None:
            _check_range("patience", self.patience, low=1)
            if self.validation_fold is None:
                raise ModelError(
                    f"patience {self.patience} needs a validation loss. "
                    "Give validation_fold (a fold of the samples), or patience=None."
                )
        object.__setattr__(self, "sizes", dict(self.sizes))
        object.__setattr__(self, "context", tuple(self.context))
        object.__setattr__(self, "pixel_context", tuple(self.pixel_context))
        self._check_context()

    def epochs_of(self, batches: int) -> int:
        """Number of passes over samples that make so many batches."""
        epochs = self.epochs or max(_EPOCHS, math.ceil(_STEPS / batches))
        return epochs + -epochs % self.cycles

    @property
    def class_rule(self) -> ClassWeights | None:
        """How classes are weighed."""
        return self.loss.class_weights or self.class_weights

    def _check_cycles(self) -> None:
        _check_range("cycles", self.cycles, low=1)
        if self.epochs is not None and self.epochs % self.cycles:
            raise ModelError(
                f"{self.epochs} epochs cannot be dealt evenly to {self.cycles} cycles. Choose "
                f"epochs={self.epochs + -self.epochs % self.cycles}, or other cycles."
            )
        if self.cycles > 1 and self.patience is not None:
            raise ModelError(
                f"patience {self.patience} could stop within one of {self.cycles} cycles. Leave "
                "patience out, or train one cycle."
            )

    def _check_loss(self) -> None:
        check_class_weights(self.class_weights)
        both = (self.class_weights, self.loss.class_weights)
        if None not in both and both[0] != both[1]:
            raise ModelError(
                f"class_weights {both[0]!r} and loss.class_weights {both[1]!r}; give one of them."
            )
        check_task_weights(self.task_weights)
        if isinstance(self.task_weights, Mapping):
            object.__setattr__(self, "task_weights", dict(self.task_weights))
        if isinstance(self.regressions, str):
            raise ModelError(
                f"regressions {self.regressions!r}; give a tuple, such as ({self.regressions!r},)."
            )
        object.__setattr__(self, "regressions", tuple(self.regressions))

    def _check_context(self) -> None:
        if self.conditioning not in CONDITIONINGS:
            raise ModelError(name_unknown("conditioning", self.conditioning, CONDITIONINGS))
        if self.conditioning == "none" and (self.context or self.pixel_context or self.faithful):
            raise ModelError(
                f"context {', '.join(self.context + self.pixel_context) or 'faithful=True'} with "
                "conditioning 'none', which takes no context. Choose conditioning='cbn' or "
                "'embedding', or leave the context out."
            )
        if bool(self.pixel_context) != (self.conditioning == "mcbn"):
            raise ModelError(
                f"pixel_context {self.pixel_context} with conditioning {self.conditioning!r}: "
                "'mcbn' needs the variables of its map there, and no other conditioning has one."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Settings from what :meth:`to_dict` gave, or from a table of a TOML file.

        Raises
        ------
        ModelError
            If a setting is unknown or out of range.
        """
        settings = dict(values)
        _check_names(settings, cls.__dataclass_fields__)
        if isinstance(settings.get("augmentation"), Mapping):
            _check_names(settings["augmentation"], Augmentation.__dataclass_fields__)
            settings["augmentation"] = Augmentation(**settings["augmentation"])
        if isinstance(settings.get("loss"), Mapping):
            settings["loss"] = LossConfig.from_dict(settings["loss"])
        return cls(**settings)


def _check_names(settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in settings:
        if name not in known:
            raise ModelError(name_unknown("training setting", name, known))


def _check_range(name: str, value: float, *, low: float, high: float | None = None) -> None:
    if not (value >= low and (high is None or value <= high)):
        limits = f">= {low}" if high is None else f"from {low} to {high}"
        raise ModelError(f"{name} {value!r}; expected a value {limits}.")
