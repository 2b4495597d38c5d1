"""From settings of a method and unlabelled samples to what a training needs of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import xarray as xr
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fixmatch import FixMatchLearner
from lulc_xr.training.learner import Learner
from lulc_xr.training.mean_teacher import MeanTeacherLearner
from lulc_xr.training.methods import FixMatch, MeanTeacher, Method, SelfTraining
from lulc_xr.training.self_training import SelfTrainingLearner
from lulc_xr.training.unlabelled import UnlabelledStream, open_unlabelled


class Teaching(NamedTuple):
    """A method, and the unlabelled batches that it learns from."""

    method: Method
    stream: UnlabelledStream

    @property
    def rounds(self) -> int:
        """Networks that are trained one after the other."""
        return self.method.rounds + 1 if isinstance(self.method, SelfTraining) else 1


def plan_teaching(
    method: Method | None,
    unlabelled: xr.Dataset | None,
    *,
    spec: ModelSpec,
    samples: xr.Dataset,
    config: TrainConfig,
    fixed_dates: bool,
) -> Teaching | None:
    """What a method needs, None for supervised training.

    Parameters
    ----------
    method : Method or None
        Settings; with weight or ratio 0 training is supervised.
    unlabelled : xr.Dataset or None
        Samples.
    spec : ModelSpec
        With scalings.
    samples : xr.Dataset
        Labelled samples.
    config : TrainConfig
        Gives batch size and seed.
    fixed_dates : bool
        The network cannot see gaps.

    Raises
    ------
    ModelError
        If the method is none, or there is a method without samples or the other way round.
    SampleError
        If the samples do not fit.
    """
    if method is None:
        if unlabelled is not None:
            raise ModelError(
                "unlabelled samples, but no method to learn from them. "
                "Pass method=lulc_xr.FixMatch() or another, or unlabelled=None."
            )
        return None
    if not isinstance(method, Method):
        raise ModelError(
            f"method {method!r}; expected MeanTeacher(...), FixMatch(...) or SelfTraining(...)."
        )
    if unlabelled is None:
        raise ModelError(
            f"{type(method).__name__} learns from unlabelled samples, but there are none. "
            "Pass unlabelled=samples."
        )
    if not method.weight or not method.ratio:
        return None
    stream = open_unlabelled(
        unlabelled,
        spec,
        samples=samples,
        batch_size=method.ratio * config.batch_size,
        seed=config.seed,
        fixed_dates=fixed_dates,
    )
    return Teaching(method, stream)


def make_learner(
    network: nn.Module, teaching: Teaching | None, *, teacher: nn.Module | None, **settings: Any
) -> Learner:
    """The learner of a method; supervised without one, and for the first round of self-training.

    Parameters
    ----------
    network : torch.nn.Module
        The network that learns.
    teaching : Teaching or None
        The method.
    teacher : torch.nn.Module or None
        The network of the round before.
    **settings
        Other arguments of :class:`lulc_xr.training.learner.Learner`.
    """
    method = None if teaching is None else teaching.method
    if isinstance(method, MeanTeacher):
        return MeanTeacherLearner(network, method=method, **settings)
    if isinstance(method, FixMatch):
        return FixMatchLearner(network, method=method, **settings)
    if isinstance(method, SelfTraining) and teacher is not None:
        return SelfTrainingLearner(network, method=method, teacher=teacher, **settings)
    return Learner(network, **settings)
