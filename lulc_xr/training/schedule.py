"""How the learning rate changes over the steps of a training."""

from __future__ import annotations

import math

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig


def rate_at(step: int, *, steps: int, rise: float, cycles: int = 1) -> float:
    """Share of the learning rate at a step: a linear rise over a part, half a cosine down to 0.

    With several cycles it does so in each of them; the last step of a cycle belongs to it, and
    what is left over to the last cycle.

    References
    ----------
    Loshchilov, I., Hutter, F. (2017). SGDR: stochastic gradient descent with warm restarts.
    ICLR 2017, https://arxiv.org/abs/1608.03983

    Examples
    --------
    >>> [round(rate_at(step, steps=10, rise=0.2), 2) for step in (0, 2, 10)]
    [0.33, 1.0, 0.0]
    >>> [round(rate_at(step, steps=20, rise=0.2, cycles=2), 2) for step in (9, 10, 12, 20)]
    [0.04, 0.33, 1.0, 0.0]
    """
    if cycles > 1:
        length = steps // cycles
        begun = min(step // length, cycles - 1) * length
        return rate_at(step - begun, steps=length, rise=rise)
    risen = max(1.0, rise * steps)
    if step < risen:
        return (step + 1) / (risen + 1)
    progress = (step - risen) / max(1.0, steps - risen)
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def with_schedule(
    optimizer: torch.optim.Optimizer, *, steps: int, rise: float, cycles: int = 1
) -> OptimizerLRSchedulerConfig:
    """An optimizer whose rate rises and falls in every cycle, as Lightning takes it."""
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_at(step, steps=steps, rise=rise, cycles=cycles)
    )
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }
