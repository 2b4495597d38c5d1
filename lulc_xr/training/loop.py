"""The loop of a training: loaders, callbacks, checkpoints; Lightning runs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset

from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec
from lulc_xr.models.registry import is_spatial
from lulc_xr.samples.loader import Batch, SampleBatches
from lulc_xr.training.best_weights import BestWeights
from lulc_xr.training.checkpoint import EpochSeeds, SaveLast, find_checkpoint
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.distributed import give_to_all, trainer_settings
from lulc_xr.training.faults import name_samples
from lulc_xr.training.learner import Learner
from lulc_xr.training.logs import make_logger
from lulc_xr.training.prepare import weigh_classes
from lulc_xr.training.regressions import scale_targets
from lulc_xr.training.semi_supervised import SemiSupervisedLearner
from lulc_xr.training.snapshots import Snapshots
from lulc_xr.training.teaching import Teaching, make_learner

_JUDGED, _JUDGED_PATCHES = 1024, 32
"""Samples, or patches, of a batch of the validation fold."""


def train_network(
    network: torch.nn.Module,
    spec: ModelSpec,
    config: TrainConfig,
    *,
    training: xr.Dataset,
    validation: xr.Dataset | None,
    identity: Mapping[str, Any],
    checkpoint: Path | None = None,
    teaching: Teaching | None = None,
    teacher: torch.nn.Module | None = None,
    snapshots: Snapshots | None = None,
) -> dict[str, float]:
    """Train a network in place; the losses it ended with.

    Parameters
    ----------
    network : torch.nn.Module
        Its weights change.
    spec : ModelSpec
        The model to be, with scalings.
    config : TrainConfig
        Settings.
    training, validation : xr.Dataset or None
        Samples to learn from, and to judge by after every epoch.
    identity : mapping
        What decides the result, for checkpoints; see :func:`identify`.
    checkpoint : Path, optional
        Folder for a checkpoint after every epoch.
    teaching : Teaching, optional
        How to learn from unlabelled samples.
    teacher : torch.nn.Module, optional
        The network of the round before, in self-training.
    snapshots : Snapshots, optional
        Takes the weights at the end of every cycle.

    Raises
    ------
    ModelError
        If training diverged, or the checkpoint belongs to another training.
    """
    assert spec.scaling is not None
    batches = SampleBatches(
        training,
        batch_size=config.batch_size,
        shuffle=True,
        seed=config.seed,
        context=spec.context_scaling,
        regressions=config.regressions,
    )
    epochs = config.epochs_of(len(batches))
    steps = epochs * len(batches)
    learner = make_learner(
        network,
        teaching,
        teacher=teacher,
        scaling=spec.scaling,
        class_weights=weigh_classes(
            training, spec, rule=config.class_rule, beta=config.loss.effective_beta
        ),
        config=config,
        steps=steps,
        targets=scale_targets(training, config.regressions),
        names=name_samples(training),
    )
    last, begin = find_checkpoint(checkpoint, identity) if checkpoint else (None, 0)
    batches.set_epoch(begin)
    if teaching is not None and isinstance(learner, SemiSupervisedLearner):
        teaching.stream.start_at(begin * len(batches))
    best = BestWeights()
    callbacks: list[Callback] = [EpochSeeds(config.seed, [batches])]
    callbacks += _callbacks(config, best, steps=steps, average=not learner.averages_itself)
    callbacks += [snapshots] if snapshots is not None else []
    if checkpoint is not None:
        checkpoint.mkdir(parents=True, exist_ok=True)
        callbacks.append(SaveLast(checkpoint, identity))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        **trainer_settings(config.device),
        precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
        callbacks=callbacks,
        logger=make_logger(config),
        enable_checkpointing=checkpoint is not None,
        enable_model_summary=False,
        enable_progress_bar=config.progress,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    loader = _training_loader(batches, learner, teaching)
    judged = None if validation is None else _judged_loader(validation, network, spec, config)
    trainer.fit(learner, loader, judged, ckpt_path=last, weights_only=True)
    return _finish(learner, network, trainer, best, config)


def _finish(
    learner: Learner,
    network: torch.nn.Module,
    trainer: lightning.Trainer,
    best: BestWeights,
    config: TrainConfig,
) -> dict[str, float]:
    """Give the network the weights that count, on the CPU of every process; the scores."""
    loss = float(trainer.callback_metrics["loss"])
    if not math.isfinite(loss):
        raise ModelError(
            f"training diverged: the loss is {loss}. "
            f"Choose a learning_rate below {config.learning_rate:g}."
        )
    scores = {"training_loss": loss, "epochs": float(trainer.current_epoch)}
    if config.validation_fold is not None:
        scores |= {"validation_loss": best.loss, **best.losses}
    if config.patience is not None:
        learner.load_state_dict(best.state)
        scores["best_epoch"] = float(best.epoch)
    if learner.finished() is not network:
        network.load_state_dict(learner.finished().state_dict())
    if config.task_weights == "uncertainty":
        learned = learner.task_weights.current()
        scores |= {f"task_weight/{task}": weight for task, weight in learned.items()}
    learner.cpu()
    return give_to_all(learner, scores)


def _loader(batches: IterableDataset[Batch]) -> DataLoader[Batch]:
    return DataLoader(batches, batch_size=None)


def _judged_loader(
    validation: xr.Dataset, network: torch.nn.Module, spec: ModelSpec, config: TrainConfig
) -> DataLoader[Batch]:
    """The samples of the validation fold, in their order."""
    return _loader(
        SampleBatches(
            validation,
            batch_size=_JUDGED_PATCHES if is_spatial(network) else _JUDGED,
            shuffle=False,
            shared=False,
            context=spec.context_scaling,
            regressions=config.regressions,
        )
    )


def _training_loader(
    batches: SampleBatches, learner: Learner, teaching: Teaching | None
) -> DataLoader[Batch] | CombinedLoader:
    """Labelled batches, alone or each with an unlabelled one."""
    if teaching is None or not isinstance(learner, SemiSupervisedLearner):
        return _loader(batches)
    both = {"labelled": _loader(batches), "unlabelled": _loader(teaching.stream)}
    return CombinedLoader(both, mode="min_size")


def _callbacks(
    config: TrainConfig, best: BestWeights, *, steps: int, average: bool
) -> list[Callback]:
    # The order matters: the best weights are copied while the averaged ones are swapped in.
    callbacks: list[Callback] = [best] if config.validation_fold is not None else []
    if config.average_weights and average and config.cycles == 1:
        reach = max(1.0, config.average_weights * steps)
        callbacks.append(EMAWeightAveraging(decay=1 - 1 / reach))
    if config.patience is not None:
        callbacks.append(EarlyStopping("validation_loss", patience=config.patience))
    return callbacks
