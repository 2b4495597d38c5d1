"""How the learning rate changes over the steps of a training."""

from __future__ import annotations

import math

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig


def rate_at(step: int, *, steps: int, rise: float) -> float:
    """Share of the learning rate at a step: a linear rise over a part, half a cosine down to 0.

    Examples
    --------
    >>> [round(rate_at(step, steps=10, rise=0.2), 2) for step in (0, 2, 10)]
    [0.33, 1.0, 0.0]
    """
    risen = max(1.0, rise * steps)
    if step < risen:
        return (step + 1) / (risen + 1)
    progress = (step - risen) / max(1.0, steps - risen)
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def with_schedule(
    optimizer: torch.optim.Optimizer, *, steps: int, rise: float
) -> OptimizerLRSchedulerConfig:
    """An optimizer whose rate rises and falls over all steps, as Lightning takes it."""
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_at(step, steps=steps, rise=rise)
    )
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }
