"""Self-training: a new network learns what a finished one says of unlabelled samples."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lulc_xr.training.fixmatch import PseudoLabelLearner
from lulc_xr.training.inputs import Inputs, call
from lulc_xr.training.methods import SelfTraining
from lulc_xr.training.teacher import Teacher


class SelfTrainingLearner(PseudoLabelLearner):
    """Learns from labels, and from a teacher that was trained on them before and stays as it is.

    Parameters
    ----------
    *args, **settings
        As :class:`.semi_supervised.SemiSupervisedLearner`.
    teacher : torch.nn.Module
        The finished network, of the same inputs and scaling.

    References
    ----------
    Xie, Q. et al. (2020). Self-training with noisy student improves ImageNet classification.
    CVPR 2020, https://arxiv.org/abs/1911.04252
    """

    method: SelfTraining

    def __init__(self, *args: Any, teacher: nn.Module, **settings: Any) -> None:
        super().__init__(*args, **settings)
        # Never told to follow: its weights are part of checkpoints and stay.
        self.teacher = Teacher(teacher, decay=0.0)

    def teach(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of the finished network."""
        return call(self.teacher.network, given)
