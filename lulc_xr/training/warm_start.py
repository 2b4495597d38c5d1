"""Begin a training with the weights of another network instead of random ones."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from torch import nn

from lulc_xr.core.dates import dates_to_dict
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.pretrained import Pretrained

Init = Classifier | Pretrained
"""What a training can begin with."""


def with_scaling_of(spec: ModelSpec, init: Init, *, network: str) -> ModelSpec:
    """The specification with the scaling that the weights were learnt in.

    Parameters
    ----------
    spec : ModelSpec
        Of the model to be.
    init : Classifier or Pretrained
        What the training begins with.
    network : str
        Name of the network to be trained.

    Raises
    ------
    ModelError
        If `init` is another network, or sees other bands, dates or context.
    """
    if init.network_name != network:
        raise ModelError(
            f"init holds a network {init.network_name!r}, but {network!r} is to be trained. "
            f"Train {init.network_name!r}, or begin with a {network!r}."
        )
    if init.spec.bands != spec.bands:
        raise ModelError(
            f"init sees bands {', '.join(init.spec.bands)}, but the samples have "
            f"{', '.join(spec.bands)}. Draw the samples with these bands, in this order: "
            f"bands={list(init.spec.bands)}."
        )
    if dates_to_dict(init.spec.dates) != dates_to_dict(spec.dates):
        raise ModelError(
            f"init sees {init.spec.dates}, but the samples were drawn on {spec.dates}. "
            "Draw the samples with dates=init.spec.dates."
        )
    scaled = replace(spec, scaling=init.spec.scaling)
    theirs = init.spec.context_scaling
    if not spec.context or theirs is None:
        return scaled
    if theirs.variables != spec.context:
        raise ModelError(
            f"init sees context {', '.join(theirs.variables)}, but {', '.join(spec.context)} was "
            "chosen. Choose the same: TrainConfig(context=init.spec.context)."
        )
    return replace(scaled, context_scaling=theirs)


def take_weights(network: nn.Module, init: Init, *, spec: ModelSpec) -> dict[str, Any]:
    """Put the weights of `init` into a network where names and shapes are equal.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place. Heads stay new unless `init` is a classifier whose legend of the task is
        the same.
    init : Classifier or Pretrained
        Where the weights come from.
    spec : ModelSpec
        Of the model to be.

    Returns
    -------
    dict
        JSON-able: ``content_hash`` of `init`, number of tensors ``taken``, names that stay ``new``.

    Raises
    ------
    ModelError
        If no weight fits.

    Warns
    -----
    UserWarning
        If weights other than those of heads stay new, as with other sizes or conditioning.
    """
    state = network.state_dict()
    theirs = {name: w for name, w in init.weights.items() if _head_fits(name, init, spec)}
    fitting = {n: w for n, w in theirs.items() if n in state and w.shape == state[n].shape}
    # Counters of batches fit everywhere, and say nothing.
    trained = [n for n, w in fitting.items() if w.is_floating_point()]
    if not trained:
        raise ModelError(
            f"no weight of init ({type(init).__name__} of {init.network_name!r}, sizes "
            f"{init.sizes}) fits this network. Give the same sizes: TrainConfig(sizes=...)."
        )
    network.load_state_dict({**state, **fitting})
    new = sorted(n for n in state.keys() - fitting.keys() if state[n].is_floating_point())
    beside = [name for name in new if not name.startswith("heads.")]
    if beside:
        warnings.warn(
            f"{len(trained)} tensors are taken from init; {len(beside)} others than heads stay "
            f"new, such as {beside[0]}: sizes or conditioning differ.",
            stacklevel=3,
        )
    return {"content_hash": init.content_hash, "taken": len(trained), "new": new}


def _head_fits(name: str, init: Init, spec: ModelSpec) -> bool:
    """False for the weights of a head of another legend."""
    if not name.startswith("heads."):
        return True
    task = name.split(".")[1]
    if not isinstance(init, Classifier) or task not in init.spec.legends:
        return False
    theirs, ours = init.spec.legends[task], spec.legends.get(task)
    return ours is not None and (theirs.ids, theirs.names) == (ours.ids, ours.names)
