"""Where training runs: the CPU, one GPU, or the processes that ``torchrun`` started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import distributed, nn

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.models.execution import DEVICE_VARIABLE, DEVICES
from lulc_xr.samples.loader_members import rank_of_many


def choose_device(device: str | None) -> str:
    """``"cpu"`` or ``"cuda"``, from the settings, else the environment, else the CPU.

    Raises
    ------
    ModelError
        If the device is unknown, or there is none.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    wanted = device or os.environ.get(DEVICE_VARIABLE) or "cpu"
    if wanted not in DEVICES:
        raise ModelError(name_unknown(f"device (or {DEVICE_VARIABLE})", wanted, DEVICES))
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            "device 'cuda': PyTorch finds no GPU here. Use device='cpu', or 'auto' to take a GPU "
            "only where there is one."
        )
    return wanted


def trainer_settings(device: str | None) -> dict[str, Any]:
    """Settings of Lightning's trainer that say where it runs."""
    accelerator = choose_device(device)
    _, processes = rank_of_many()
    if processes == 1:
        return {"accelerator": accelerator, "devices": 1}
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    nodes = {"devices": here, "num_nodes": processes // here}
    return {"accelerator": accelerator, "strategy": "ddp", **nodes}


def give_to_all(module: nn.Module, scores: Mapping[str, float]) -> dict[str, float]:
    """Make weights and scores of all processes those of the first one.

    Averages of batch norm differ between processes, which see different parts of a batch.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return dict(scores)
    for tensor in module.state_dict().values():
        distributed.broadcast(tensor, src=0)
    given = [dict(scores)]
    distributed.broadcast_object_list(given, src=0)
    return given[0]
