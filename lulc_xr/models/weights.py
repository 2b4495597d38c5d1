"""Weights of a network: their number, their fit to a specification, and how they are put in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, fixed_number_of_dates
from lulc_xr.models.registry import is_spatial, needs_fixed_dates


def sizes_of(network: nn.Module) -> dict[str, Any]:
    """Keyword arguments that build a network again.

    Raises
    ------
    ModelError
        If the network does not keep them in ``.sizes``.
    """
    sizes = getattr(network, "sizes", None)
    if not isinstance(sizes, Mapping):
        raise ModelError(
            f"{type(network).__name__} has no attribute 'sizes' with the keyword arguments that "
            "build it. Set self.sizes in its __init__."
        )
    return copy.deepcopy(dict(sizes))


def count_weights(network: nn.Module) -> int:
    """Number of trained values of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def check_network(network: nn.Module, *, name: str, spec: ModelSpec) -> None:
    """Raise ModelError unless a network fits what a specification says of it."""
    sizes = sizes_of(network)
    expected: dict[str, Any] = {
        "bands": len(spec.bands),
        "classes": {task: len(legend) for task, legend in spec.legends.items()},
    }
    if needs_fixed_dates(network):
        expected["dates"] = fixed_number_of_dates(spec.dates)
    if spec.context or sizes.get("context"):
        expected["context"] = len(spec.context)
    for what, value in expected.items():
        if sizes.get(what) != value:
            raise ModelError(
                f"network {name!r} was built with {what}={sizes.get(what)!r}, but the "
                f"specification says {value!r}. Build the network from the specification."
            )
    field, stride = getattr(network, "receptive_field", 0), getattr(network, "stride", 1)
    if (field or stride > 1) and not is_spatial(network):
        raise ModelError(
            f"network {name!r} looks {field} pixels around, but takes single pixels. Set "
            "spatial = True in its class, if it takes patches (batch, time, band, y, x)."
        )
    if field > spec.halo or stride != spec.stride:
        raise ModelError(
            f"network {name!r} looks {field} pixels around in cells of {stride}, but the "
            f"specification says halo {spec.halo} and stride {spec.stride}. Give it halo={field} "
            f"and stride={stride}."
        )


def put_weights(network: nn.Module, weights: Mapping[str, Tensor], *, origin: str) -> None:
    """Fill a network with weights from elsewhere, all of them and nothing else.

    Parameters
    ----------
    network : torch.nn.Module
        Its state is replaced.
    weights : mapping of str to Tensor
        The new state.
    origin : str
        Where they come from, for messages.

    Raises
    ------
    ModelError
        If a tensor is missing, one too many, or of another shape or type than the network's.
    """
    state = network.state_dict()
    way_out = (
        f"The network {type(network).__name__} has changed since the model was saved: use the "
        "version of its package that saved it, or train the model again."
    )
    missing, extra = sorted(state.keys() - weights.keys()), sorted(weights.keys() - state.keys())
    if missing:
        raise ModelError(f"weights in {origin} lack {', '.join(missing)}. {way_out}")
    if extra:
        raise ModelError(f"weights in {origin} have unknown tensors {', '.join(extra)}. {way_out}")
    for name, expected in state.items():
        tensor = weights[name]
        if tensor.shape != expected.shape or tensor.dtype != expected.dtype:
            raise ModelError(
                f"weights in {origin}: {name} is {tensor.dtype} {tuple(tensor.shape)}, but the "
                f"network takes {expected.dtype} {tuple(expected.shape)}. {way_out}"
            )
        if not torch.isfinite(tensor).all():
            raise ModelError(
                f"weights in {origin}: {name} has values that are not finite. "
                "The training diverged: train again with a smaller learning_rate."
            )
    network.load_state_dict(dict(weights))


def take_weights(
    network: nn.Module, weights: Mapping[str, Tensor], *, name: str, origin: str
) -> tuple[str, ...]:
    """Begin a network with those weights of another that fit; heads stay new where they differ.

    Parameters
    ----------
    network : torch.nn.Module
        Filled in place.
    weights : mapping of str to Tensor
        The other's state.
    name : str
        Name of the network, for the message.
    origin : str
        What the weights are of, for the message, such as ``"a 'ltae'"``.

    Returns
    -------
    tuple of str
        Names of the tensors that stayed new.

    Raises
    ------
    ModelError
        If a tensor outside the heads is missing or of another shape: it is another network, or
        one of other sizes, bands, dates or conditioning.
    """
    state = network.state_dict()
    fitting = {
        key: weights[key]
        for key, own in state.items()
        if key in weights and weights[key].shape == own.shape
    }
    new = tuple(key for key in state if key not in fitting)
    body = [key for key in new if not key.startswith("heads.")]
    if body:
        first = body[0]
        had = tuple(weights[first].shape) if first in weights else "not there"
        raise ModelError(
            f"weights of {origin} do not fit network {name!r}: {len(body)} of {len(state)} tensors "
            f"differ, such as {first}, which is {had} and should be {tuple(state[first].shape)}. "
            "Begin with the same network of the same sizes, bands, dates and conditioning."
        )
    network.load_state_dict({**state, **fitting})
    return new
