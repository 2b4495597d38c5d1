"""How unlabelled samples take part in a training: settings of each method, checked when made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.training.augmentation import Augmentation
from lulc_xr.training.pseudo_labels import THRESHOLDS, Threshold


@dataclass(frozen=True, kw_only=True)
class MeanTeacher:
    """Consistency with a teacher, the moving average of the network's own weights.

    The network sees a strongly changed view of unlabelled samples and is drawn, by the mean
    squared difference of probabilities, to what the teacher says of a weakly changed one. The
    teacher becomes the classifier.

    Parameters
    ----------
    weight : float
        Weight of the consistency beside the loss of the labels; 0: supervised training. On blocks
        set apart for it 10 lost against supervised training, 1 and 3 did not.
    decay : float or None
        Of the moving average, 0 to below 1. None: it reaches back over the share of the steps
        that `average_weights` of the training says.
    ramp : float
        Share (0 to 1) of the steps over which the weight rises.
    ratio : int
        Unlabelled samples for each labelled one of a full batch; 0: supervised training.
    weak, strong : Augmentation
        Changes of what the teacher and what the network sees.

    References
    ----------
    Tarvainen, A., Valpola, H. (2017). Mean teachers are better role models. NeurIPS 2017,
    https://arxiv.org/abs/1703.01780
    """

    weight: float = 3.0
    decay: float | None = None
    ramp: float = 0.3
    ratio: int = 2
    weak: Augmentation = field(default_factory=Augmentation.weak)
    strong: Augmentation = field(default_factory=Augmentation.strong)

    def __post_init__(self) -> None:
        _check_method(self)
        if self.decay is not None and not 0 <= self.decay < 1:
            raise ModelError(f"decay {self.decay}; expected a value from 0 to below 1.")


@dataclass(frozen=True, kw_only=True)
class FixMatch:
    """Pseudo-labels of weakly changed samples, learnt on strongly changed ones where confident.

    Parameters
    ----------
    weight : float
        Weight of the pseudo-labels' loss beside that of the labels; 0: supervised training.
    threshold : {"adaptive", "freematch", "fixed"}
        ``"adaptive"``: of every class the most confident predictions are believed, so that rare
        classes get pseudo-labels, too (:class:`.pseudo_labels.ClassThresholds`).
        ``"freematch"``: thresholds of FreeMatch. ``"fixed"``: as in FixMatch.
    share : float
        Share (above 0, to 1) of the predictions of a class that ``"adaptive"`` believes.
    confidence : float
        The threshold of ``"fixed"``, 0 to 1.
    temperature : float
        Sharpening of the pseudo-labels; 0: the hard label.
    ramp : float
        Share (0 to 1) of the steps over which the weight rises.
    ratio : int
        Unlabelled samples for each labelled one of a full batch; 0: supervised training.
    weak, strong : Augmentation
        Changes of what pseudo-labels are predicted from, and of what they are learnt on.

    References
    ----------
    Sohn, K. et al. (2020). FixMatch. NeurIPS 2020, https://arxiv.org/abs/2001.07685
    Wang, Y. et al. (2023). FreeMatch. ICLR 2023, https://arxiv.org/abs/2205.07246
    """

    weight: float = 1.0
    threshold: Threshold = "adaptive"
    share: float = 0.5
    confidence: float = 0.95
    temperature: float = 0.0
    ramp: float = 0.3
    ratio: int = 2
    weak: Augmentation = field(default_factory=Augmentation.weak)
    strong: Augmentation = field(default_factory=Augmentation.strong)

    def __post_init__(self) -> None:
        _check_method(self)
        _check_pseudo_labels(self)


@dataclass(frozen=True, kw_only=True)
class SelfTraining:
    """A teacher is trained on the labels; a new network learns from them and what it says.

    The teacher stays as it is, so that a student cannot talk itself into its own errors. With
    more rounds the student is the next teacher.

    Parameters
    ----------
    weight : float
        Weight of the pseudo-labels' loss beside that of the labels; 0: supervised training.
    rounds : int
        Students trained one after the other, at least 1.
    threshold : {"adaptive", "freematch", "fixed"}
        As in :class:`FixMatch`.
    share : float
        Share (above 0, to 1) of the predictions of a class that ``"adaptive"`` believes.
    confidence : float
        The threshold of ``"fixed"``, 0 to 1.
    temperature : float
        Sharpening of the teacher's probabilities; 0: hard labels, 1: as they are.
    ratio : int
        Unlabelled samples for each labelled one of a full batch; 0: supervised training.
    weak, strong : Augmentation
        Changes of what the teacher and what the student sees.

    References
    ----------
    Xie, Q. et al. (2020). Self-training with noisy student improves ImageNet classification.
    CVPR 2020, https://arxiv.org/abs/1911.04252
    """

    weight: float = 1.0
    rounds: int = 1
    threshold: Threshold = "adaptive"
    share: float = 0.5
    confidence: float = 0.95
    temperature: float = 1.0
    ratio: int = 2
    weak: Augmentation = field(default_factory=Augmentation)
    strong: Augmentation = field(default_factory=Augmentation.strong)

    def __post_init__(self) -> None:
        _check_method(self)
        _check_pseudo_labels(self)
        if self.rounds < 1:
            raise ModelError(f"rounds {self.rounds}; expected a whole number >= 1.")


Method = MeanTeacher | FixMatch | SelfTraining
METHODS: dict[str, type[Method]] = {
    "mean_teacher": MeanTeacher,
    "fixmatch": FixMatch,
    "self_training": SelfTraining,
}


def _check_method(method: Method) -> None:
    if not method.weight >= 0:
        raise ModelError(f"weight {method.weight}; expected a value >= 0.")
    if method.ratio != int(method.ratio) or method.ratio < 0:
        raise ModelError(f"ratio {method.ratio}; expected a whole number >= 0.")
    ramp = getattr(method, "ramp", 0.0)
    if not 0 <= ramp <= 1:
        raise ModelError(f"ramp {ramp}; expected a value from 0 to 1.")
    for name in ("weak", "strong"):
        changes = getattr(method, name)
        if not isinstance(changes, Augmentation):
            raise ModelError(f"{name} {changes!r}; expected an Augmentation(...).")
        if changes.mixup:
            raise ModelError(
                f"{name} with mixup {changes.mixup}: unlabelled samples are not mixed. "
                "Leave mixup at 0 here; TrainConfig(augmentation=...) mixes labelled ones."
            )


def _check_pseudo_labels(method: FixMatch | SelfTraining) -> None:
    if method.threshold not in THRESHOLDS:
        raise ModelError(name_unknown("threshold", method.threshold, THRESHOLDS))
    if not 0 < method.share <= 1:
        raise ModelError(f"share {method.share}; expected a value above 0, at most 1.")
    if not 0 <= method.confidence <= 1:
        raise ModelError(f"confidence {method.confidence}; expected a value from 0 to 1.")
    if not method.temperature >= 0:
        raise ModelError(f"temperature {method.temperature}; expected a value >= 0.")


def method_from_dict(values: Mapping[str, Any]) -> Method:
    """A method from a table such as ``{"name": "fixmatch", "weight": 0.5}``, as in a TOML file.

    Raises
    ------
    ModelError
        If the method or a setting is unknown or out of range.
    """
    settings = dict(values)
    name = str(settings.pop("name", ""))
    if name not in METHODS:
        raise ModelError(name_unknown("method", name, METHODS))
    known = METHODS[name].__dataclass_fields__
    for setting in settings:
        if setting not in known:
            raise ModelError(name_unknown(f"setting of method {name}", setting, known))
    for view in ("weak", "strong"):
        if isinstance(settings.get(view), Mapping):
            for change in settings[view]:
                if change not in Augmentation.__dataclass_fields__:
                    known_changes = Augmentation.__dataclass_fields__
                    raise ModelError(name_unknown(f"change of {view}", change, known_changes))
            settings[view] = Augmentation(**settings[view])
    return METHODS[name](**settings)


def method_to_dict(method: Method) -> dict[str, Any]:
    """The table that :func:`method_from_dict` reads."""
    (name,) = (name for name, kind in METHODS.items() if isinstance(method, kind))
    return {"name": name, **asdict(method)}
