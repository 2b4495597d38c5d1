"""Checkpoints of a training: written after every epoch, continued with the same result."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import xarray as xr
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import Callback, Checkpoint

from lulc_xr.core.digest import content_digest
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec
from lulc_xr.samples.loader_members import rank_of_many
from lulc_xr.training.config import TrainConfig

NAME = "last.ckpt"
_IDENTITY = "lulc_xr:training"
_NO_MATTER = ("progress", "log_folder", "logger")
_MOST_SAID = 4


class HasEpoch(Protocol):
    """Batches whose order follows from the number of the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration the epoch of this number (0-based)."""
        ...


class EpochSeeds(Callback):
    """Makes all randomness of an epoch follow from the seed and its number, and nothing else.

    So an epoch is the same whether the ones before ran in this process or in one that was
    killed. Processes of a distributed training draw different numbers.

    Parameters
    ----------
    seed : int
        Seed of the training.
    batches : sequence
        The batches that it iterates over.
    """

    def __init__(self, seed: int, batches: Sequence[HasEpoch]) -> None:
        self._seed, self._batches = seed, list(batches)

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Tell the batches the number of the epoch."""
        for batches in self._batches:
            batches.set_epoch(trainer.current_epoch)

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Seed PyTorch before the first batch; until then loaders draw numbers, more or fewer."""
        if not batch_idx:
            key = np.random.SeedSequence((self._seed, trainer.current_epoch, trainer.global_rank))
            torch.manual_seed(int(key.generate_state(1, np.uint32)[0]))


class SaveLast(Checkpoint):
    """Writes a checkpoint at the end of every epoch but the last, in place of the one before.

    It is complete under its name or not there: a process that is killed while it writes leaves
    the one before. Lightning runs callbacks of this kind after all others. After the last
    epoch there is nothing to continue, but a repeated call does that epoch again.

    Parameters
    ----------
    folder : path
        Folder to write to.
    identity : mapping
        What :func:`identify` says of the training.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder, self._identity = folder, dict(identity)

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Say in the file which training it belongs to."""
        checkpoint[_IDENTITY] = json.dumps(self._identity)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write what the next epochs follow from: weights, averages, optimizer, counters."""
        if trainer.should_stop or trainer.current_epoch + 1 >= (trainer.max_epochs or 0):
            return
        partial = self._folder / f".{NAME}.partial"
        try:
            trainer.save_checkpoint(partial, weights_only=False)
            if trainer.is_global_zero:
                _put_in_place(partial, self._folder / NAME)
        except OSError as error:
            raise ModelError(
                f"the checkpoint was not written to {str(self._folder)!r}: {error}. The one before "
                "is unchanged: check permissions and space, then run the same again."
            ) from error


def identify(
    samples: xr.Dataset,
    spec: ModelSpec,
    *,
    network: str,
    config: TrainConfig,
    **more: Any,
) -> dict[str, Any]:
    """What decides the result of a training, JSON-able.

    Parameters
    ----------
    samples : xr.Dataset
        All samples, of the validation fold too.
    spec : ModelSpec
        Specification of the model, with its scaling.
    network : str
        Name of the network.
    config : TrainConfig
        Settings.
    **more
        What else decides it, such as the method; values become text.
    """
    settings = {k: v for k, v in config.to_dict().items() if k not in _NO_MATTER}
    return {
        "network": network,
        "settings": settings,
        "samples": {str(name): _digest(values) for name, values in samples.variables.items()},
        "model": spec.to_dict(),
        "processes": rank_of_many()[1],
        **{name: str(value) for name, value in more.items()},
    }


def find_checkpoint(folder: Path, identity: Mapping[str, Any]) -> tuple[Path | None, int]:
    """The checkpoint in a folder and the epoch (0-based) to go on with; None and 0 without one.

    Raises
    ------
    ModelError
        If it belongs to another training, or is no checkpoint.
    """
    path = folder / NAME
    if not path.exists():
        return None, 0
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        found, epoch = json.loads(held[_IDENTITY]), int(held["epoch"])
    except (
        OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError,
        pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise ModelError(
            f"{str(path)!r} is no checkpoint of a training that fit() wrote "
            f"({type(error).__name__}). Remove it to train anew, or choose another folder."
        ) from error
    differences = list(_differences(found, json.loads(json.dumps(identity))))
    if differences:
        said = "; ".join(differences[:_MOST_SAID])
        more = f"; and {len(differences) - _MOST_SAID} more" * (len(differences) > _MOST_SAID)
        raise ModelError(
            f"the checkpoint in {str(folder)!r} belongs to another training: {said}{more}. Choose "
            "another folder, or remove it to train anew."
        )
    return path, epoch + 1


def _differences(found: Any, expected: Any, *, name: str = "") -> Iterator[str]:
    """What differs between two descriptions, in words."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            yield from _differences(
                found.get(key), expected.get(key), name=f"{name}.{key}" if name else key
            )
    elif found != expected:
        if name.startswith("samples."):
            yield f"its {name.removeprefix('samples.')!r} of the samples is not the same"
        else:
            yield f"{name} is {found!r} there, {expected!r} here"


def _digest(values: xr.Variable) -> str:
    data = values.to_numpy()
    if data.dtype.kind in "biufmM":
        plain = data.view(np.int64) if data.dtype.kind in "mM" else data
        return f"{content_digest(plain):016x} {data.dtype} {data.shape}"
    text = "\n".join(map(str, data.ravel().tolist()))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]} text {data.shape}"


def _put_in_place(partial: Path, target: Path) -> None:
    """Give a file its name once it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
