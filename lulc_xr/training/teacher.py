"""A teacher: the moving average of the weights of the network that learns."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Teacher(nn.Module):
    """A copy of a network whose weights follow it as an exponential moving average.

    After step t (from 1) the average is ``a * teacher + (1 - a) * student`` with
    ``a = min(decay, t / (t + 9))``, so that the first, random weights are soon forgotten. The
    running statistics of batch norm are averaged likewise; counts are copied. Weights are part of
    the module's state, so a checkpoint holds them, and ask for no gradient.

    Parameters
    ----------
    network : torch.nn.Module
        The student; the teacher begins as its copy.
    decay : float
        Of the average, below 1.

    References
    ----------
    Tarvainen, A., Valpola, H. (2017). Mean teachers are better role models: weight-averaged
    consistency targets improve semi-supervised deep learning results. NeurIPS 2017,
    https://arxiv.org/abs/1703.01780
    """

    taken: Tensor

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.register_buffer("taken", torch.tensor(0))

    def train(self, mode: bool = True) -> Teacher:
        """Stay as in prediction: a teacher drops nothing and learns no statistics by itself."""
        return super().train(False)

    def decay_at(self, step: int) -> float:
        """Decay of a step, 1-based."""
        return min(self.decay, step / (step + 9))

    @torch.no_grad()
    def follow(self, student: nn.Module) -> None:
        """Take one step of the average; call it after every step of the optimizer."""
        self.taken += 1
        share = 1 - self.decay_at(int(self.taken))
        new = student.state_dict()
        for name, own in self.network.state_dict().items():
            if own.is_floating_point():
                own.lerp_(new[name].to(own.dtype), share)
            else:
                own.copy_(new[name])
