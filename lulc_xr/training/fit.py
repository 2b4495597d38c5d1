"""Training: from samples to a classifier."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.model import ModelSpec, check_single_pixels, fixed_number_of_dates
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.registry import is_spatial, load_network, make_network, needs_fixed_dates
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.samples.loader import Batch, SampleBatches
from lulc_xr.training.best_weights import BestWeights
from lulc_xr.training.checkpoint import EpochSeeds, SaveLast, find_checkpoint, identify
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.distributed import give_to_all, trainer_settings
from lulc_xr.training.faults import check_context, count_unlabelled, name_samples
from lulc_xr.training.learner import Learner
from lulc_xr.training.logs import make_logger
from lulc_xr.training.methods import Method, method_to_dict
from lulc_xr.training.prepare import (
    check_gaps,
    check_samples,
    choose_context,
    count_classes,
    split_fold,
    weigh_classes,
    with_scaling,
)
from lulc_xr.training.regressions import keep_heads, scale_targets, with_targets
from lulc_xr.training.semi_supervised import SemiSupervisedLearner
from lulc_xr.training.teaching import Teaching, make_learner, plan_teaching
from lulc_xr.training.unlabelled import describe_unlabelled
from lulc_xr.training.warm_start import Init, take_weights, with_scaling_of

_PACKAGES = ("lulc_xr", "torch", "lightning", "numpy", "xarray")


def fit(
    samples: xr.Dataset,
    network: str = "tempcnn",
    *,
    config: TrainConfig | None = None,
    method: Method | None = None,
    unlabelled: xr.Dataset | None = None,
    init: Init | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Classifier:
    """A classifier trained on samples.

    Parameters
    ----------
    samples : xr.Dataset
        Samples as :func:`lulc_xr.extract_samples` gives them: `reflectance` (sample, time, band),
        for networks that look around (sample, time, band, patch_y, patch_x); labels of one or
        more tasks.
    network : str
        Name of a network, such as ``"tempcnn"`` or ``"ltae"``.
    config : TrainConfig, optional
        Settings; the defaults suit a few hundred samples.
    method : MeanTeacher, FixMatch or SelfTraining, optional
        How to learn from unlabelled samples. Default: from the labels alone.
    unlabelled : xr.Dataset, optional
        Samples for the method, of the same dates, bands and patch, whose labels are not read; or
        a cube, lazy as :func:`lulc_xr.open_cube` gives it, whose pixels or patches of the same
        year are drawn while training, shard by shard.
    init : Classifier or Pretrained, optional
        Begin with the weights of another training (:func:`lulc_xr.pretrain`, or `fit` on weak
        labels) where names and shapes are equal, and with its scaling; heads of another legend stay
        new. How many tensors were taken is in the provenance.
    checkpoint : path, optional
        Folder for a checkpoint after every epoch. The same call continues a training that was
        interrupted, and gives the same classifier as one that was not; what is there of
        another training is refused. The folder may be removed afterwards.

    Returns
    -------
    Classifier
        Ready to use; how it was trained is in its `provenance`.

    Raises
    ------
    SampleError
        If the network takes patches and samples are single pixels or the other way round, a
        class of the legend has no sample, the network cannot see gaps and there are some,
        context is missing, or the validation fold is not there.
    ModelError
        If the network is unknown, does not take its sizes, `init` is another network or sees other
        bands, dates or context, training diverged, or the checkpoint belongs to another training.

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.samples.extract import extract_samples
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> classifier = fit(samples, config=TrainConfig(epochs=3))
    >>> classifier.network_name, classifier.provenance["samples"]["training"]
    ('tempcnn', 40)
    """
    config = config or TrainConfig()
    _check_patches(samples, network, config)
    samples = with_targets(samples, config.regressions)
    training, validation = split_fold(samples, validation_fold=config.validation_fold)
    spec = ModelSpec.from_samples(samples, context=choose_context(samples, config))
    check_samples(training, spec, allow_missing_classes=config.allow_missing_classes)
    check_context(samples, spec.context)
    if validation is not None and count_unlabelled(validation) == validation.sizes["sample"]:
        raise SampleError(
            f"no sample of validation_fold {config.validation_fold} has a label to judge by. "
            "Choose another fold."
        )
    if nothing := count_unlabelled(training):
        warnings.warn(
            f"{nothing} of {training.sizes['sample']} training samples have no label of any task "
            "and teach the classes nothing.",
            stacklevel=2,
        )
    if needs_fixed_dates(load_network(network)):
        check_gaps(samples, network=network)
    spec = with_scaling(spec, training)
    if init is not None:
        spec = with_scaling_of(spec, init, network=network)
    with _seeded(config.seed), _quiet():
        module = build_network(network, spec, config)
        begun = take_weights(module, init, spec=spec) if init is not None else None
        spec = replace(
            spec,
            halo=int(getattr(module, "receptive_field", 0)),
            stride=int(getattr(module, "stride", 1)),
        )
        teaching = plan_teaching(
            method,
            unlabelled,
            spec=spec,
            samples=training,
            config=config,
            fixed_dates=needs_fixed_dates(module),
        )
        identity = identify(
            samples,
            spec,
            network=network,
            config=config,
            method=None if method is None else method_to_dict(method),
            unlabelled=None if unlabelled is None else dict(unlabelled.sizes),
            init=None if init is None else init.content_hash,
        )
        folder = None if checkpoint is None else Path(checkpoint)
        scores = _train(module, spec, training, validation, config, (folder, identity), teaching)
        for number in range(1, teaching.rounds if teaching else 1):
            teacher, module = module, build_network(network, spec, config)
            if init is not None:
                take_weights(module, init, spec=spec)
            again = None if folder is None else folder / f"round_{number}"
            scores = _train(
                module, spec, training, validation, config, (again, identity), teaching, teacher
            )
        if config.regressions:
            without = build_network(network, spec, replace(config, regressions=()))
            module = keep_heads(without, module, name=network)
    provenance = _provenance(config, training, validation, spec, scores)
    if begun is not None:
        provenance["init"] = begun
    if method is not None and unlabelled is not None:
        provenance["method"] = method_to_dict(method)
        provenance["samples"]["unlabelled"] = describe_unlabelled(unlabelled)
    return Classifier(module, name=network, spec=spec, provenance=provenance)


def build_network(network: str, spec: ModelSpec, config: TrainConfig) -> torch.nn.Module:
    """A network of random weights that fits a specification and settings of a training."""
    conditioned: dict[str, Any] = {}
    if spec.context:
        conditioned = {"context": len(spec.context), "conditioning": config.conditioning}
        conditioned |= {"faithful": True} if config.faithful else {}
        if config.pixel_context:
            conditioned["pixel_context"] = len(config.pixel_context)
    return make_network(
        network,
        bands=len(spec.bands),
        dates=fixed_number_of_dates(spec.dates),
        classes={task: len(legend) for task, legend in spec.legends.items()}
        | dict.fromkeys(config.regressions, 1),
        **conditioned,
        **config.sizes,
    )


def _check_patches(samples: xr.Dataset, network: str, config: TrainConfig) -> None:
    if not is_spatial(load_network(network)):
        check_single_pixels(samples)
        if config.loss.spatial:
            raise ModelError(
                f"{config.loss} asks for neighbouring pixels (tolerance, image_level or "
                f"total_variation), which network {network!r} does not see. Leave them at 0, or "
                "choose a network of patches, such as 'unet'."
            )
    elif not set(PATCH_DIMS) <= set(samples["reflectance"].dims):
        raise SampleError(
            f"network {network!r} learns from patches, but these samples are single pixels. "
            "Draw them with lulc_xr.extract_samples(..., patch=33) or another odd side."
        )


def _train(
    network: torch.nn.Module,
    spec: ModelSpec,
    training: xr.Dataset,
    validation: xr.Dataset | None,
    config: TrainConfig,
    checkpoint: tuple[Path | None, Mapping[str, Any]],
    teaching: Teaching | None = None,
    teacher: torch.nn.Module | None = None,
) -> dict[str, float]:
    """Train a network in place; the losses it ended with."""
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
    best = BestWeights()
    folder, identity = checkpoint
    last, begin = find_checkpoint(folder, identity) if folder else (None, 0)
    batches.set_epoch(begin)
    if teaching is not None and isinstance(learner, SemiSupervisedLearner):
        teaching.stream.skip(begin * len(batches))
    callbacks = [
        EpochSeeds(config.seed, [batches]),
        *_callbacks(config, best, steps=steps, average=not learner.averages_itself),
    ]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        callbacks.append(SaveLast(folder, identity))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        **trainer_settings(config.device),
        precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
        callbacks=callbacks,
        logger=make_logger(config),
        enable_checkpointing=folder is not None,
        enable_model_summary=False,
        enable_progress_bar=config.progress,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    judged = None
    if validation is not None:
        size = 32 if is_spatial(network) else 1024
        judged = _loader(
            SampleBatches(
                validation,
                batch_size=size,
                shuffle=False,
                shared=False,
                context=spec.context_scaling,
                regressions=config.regressions,
            )
        )
    loader = _training_loader(batches, learner, teaching)
    trainer.fit(learner, loader, judged, ckpt_path=last, weights_only=True)
    loss = float(trainer.callback_metrics["loss"])
    if not math.isfinite(loss):
        raise ModelError(
            f"training diverged: the loss is {loss}. "
            f"Choose a learning_rate below {config.learning_rate:g}."
        )
    scores = {"training_loss": loss, "epochs": float(trainer.current_epoch)}
    if validation is not None:
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
    if config.average_weights and average:
        reach = max(1.0, config.average_weights * steps)
        callbacks.append(EMAWeightAveraging(decay=1 - 1 / reach))
    if config.patience is not None:
        callbacks.append(EarlyStopping("validation_loss", patience=config.patience))
    return callbacks


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """All of PyTorch's random numbers from one seed; the caller's stay as they were.

    One thread, too: sums over several threads would depend on the number of processors.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's messages about devices and loaders, which say nothing of the samples."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _provenance(
    config: TrainConfig,
    training: xr.Dataset,
    validation: xr.Dataset | None,
    spec: ModelSpec,
    scores: dict[str, float],
) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": config.seed,
        "settings": config.to_dict(),
        "samples": {
            "training": training.sizes["sample"],
            "validation": validation.sizes["sample"] if validation is not None else 0,
            "classes": {
                task: count_classes(training[task], legend) for task, legend in spec.legends.items()
            },
        },
        "scores": scores,
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
