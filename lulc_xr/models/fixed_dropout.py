"""Dropout whose mask is drawn once: one draw of a function, the same for every pixel of a map."""

from __future__ import annotations

import copy
import hashlib
import threading
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.registry import is_spatial

_ELEMENTS = (nn.Dropout,)
_CHANNELS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_OTHERS = (nn.AlphaDropout, nn.FeatureAlphaDropout)


class FixedDropout(nn.Module):
    """Dropout in the place of an ``nn.Dropout``, whose masks follow from a seed and nothing else.

    A mask has the shape of the features that it meets, without the batch: what a pixel's
    neighbours are and how many of them there are does not matter. A module that a network calls
    several times in one pass draws a mask for each call.

    Parameters
    ----------
    probability : float
        Part of the features that is dropped, 0 to 1.
    seed : tuple of int
        Seed and number of the member.
    name : str
        Name of the module in its network.
    by_channel : bool
        Whole channels (axis 1) are dropped, over all their places, as ``nn.Dropout2d`` does and
        as networks of patches need: a mask over y and x would depend on the block.
    """

    def __init__(
        self, probability: float, *, seed: tuple[int, ...], name: str, by_channel: bool
    ) -> None:
        super().__init__()
        self.probability, self.by_channel = probability, by_channel
        digest = hashlib.sha256(name.encode()).digest()
        self._entropy = (*seed, int.from_bytes(digest[:8], "big"))
        self._masks: dict[tuple[int, ...], Tensor] = {}
        # Threads share the network; each counts the calls of its own pass.
        self._calls: dict[int, int] = {}

    def restart(self) -> None:
        """Begin a pass of the network: the next call is the first one."""
        self._calls[threading.get_ident()] = 0

    def mask(self, *shape: int, call: int = 0) -> Tensor:
        """Factors of features of this shape at a call: 0, or 1 / (1 - probability)."""
        if (call, *shape) not in self._masks:
            rng = np.random.Generator(np.random.PCG64((*self._entropy, call)))
            kept = rng.random(shape) >= self.probability
            factor = 1 / (1 - self.probability) if self.probability < 1 else 0.0
            drawn = torch.from_numpy(np.where(kept, factor, 0).astype(np.float32))
            self._masks[(call, *shape)] = drawn
        return self._masks[(call, *shape)]

    def forward(self, values: Tensor) -> Tensor:
        """Values (batch, ...) times the mask of this call."""
        thread = threading.get_ident()
        call = self._calls.get(thread, 0)
        self._calls[thread] = call + 1
        if self.by_channel and values.ndim > 2:
            mask = self.mask(values.shape[1], call=call).view(-1, *(1,) * (values.ndim - 2))
        else:
            mask = self.mask(*values.shape[1:], call=call)
        return values * mask.to(values.device, values.dtype)


def fix_dropout(network: nn.Module, *, seed: int, member: int) -> nn.Module:
    """A copy of a network in which every dropout is one draw; its weights are shared.

    Parameters
    ----------
    network : torch.nn.Module
        Left as it is.
    seed, member : int
        What the draw follows from.

    Raises
    ------
    ModelError
        If the network has no dropout, or of a kind of which no draw can be kept.
    """
    weights = [*network.parameters(), *network.buffers()]
    copied = copy.deepcopy(network, {id(tensor): tensor for tensor in weights})
    found = 0
    for name, module in network.named_modules():
        if isinstance(module, _OTHERS):
            raise ModelError(
                f"{name!r} of this network is {type(module).__name__}, of which no draw can be "
                "kept. Use nn.Dropout or nn.Dropout2d, or train an ensemble: lulc_xr.fit_ensemble."
            )
        if isinstance(module, (*_ELEMENTS, *_CHANNELS)) and module.p > 0:
            by_channel = isinstance(module, _CHANNELS) or is_spatial(network)
            fixed = FixedDropout(module.p, seed=(seed, member), name=name, by_channel=by_channel)
            copied.set_submodule(name, fixed)
            found += 1
    if not found:
        raise ModelError(
            f"{type(network).__name__} has no dropout, so that all members would be the same. "
            "Train it with dropout, such as TrainConfig(sizes={'dropout': 0.2}), or train an "
            "ensemble: lulc_xr.fit_ensemble."
        )
    return copied


def fixed_dropouts(network: nn.Module) -> list[FixedDropout]:
    """All fixed dropouts of a network."""
    return [module for module in network.modules() if isinstance(module, FixedDropout)]


def mask_inputs(layer: nn.Module, dropout: nn.Module | None, *, call: int = 0) -> nn.Module:
    """A linear layer that does a fixed dropout before it in its own weights, at no cost.

    Parameters
    ----------
    layer : torch.nn.Module
        Linear layer on (batch, feature); left as it is.
    dropout : torch.nn.Module
        Any dropout but a :class:`FixedDropout` gives the layer itself.
    call : int
        Which call of the dropout in a pass of the network it is.
    """
    if not isinstance(dropout, FixedDropout):
        return layer
    masked = copy.deepcopy(cast(nn.Linear, layer)).requires_grad_(False)
    masked.weight.mul_(dropout.mask(masked.in_features, call=call).to(masked.weight.device))
    return masked
