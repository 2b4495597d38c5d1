"""Training: from samples to a classifier."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from lulc_xr.core.attachments import TRAINING, Attachments
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.model import ModelSpec, check_single_pixels, fixed_number_of_dates
from lulc_xr.core.places import Places
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.registry import is_spatial, load_network, make_network, needs_fixed_dates
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.training.checkpoint import identify
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.faults import check_context, count_unlabelled
from lulc_xr.training.loop import train_network
from lulc_xr.training.methods import Method, method_to_dict
from lulc_xr.training.prepare import (
    check_gaps,
    check_samples,
    choose_context,
    split_fold,
    with_scaling,
)
from lulc_xr.training.provenance import describe_training
from lulc_xr.training.regressions import keep_heads, with_targets
from lulc_xr.training.snapshots import Snapshots
from lulc_xr.training.surroundings import quiet, seeded
from lulc_xr.training.teaching import plan_teaching
from lulc_xr.training.unlabelled import describe_unlabelled
from lulc_xr.training.warm_start import Init, take_weights, with_scaling_of


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
        Ready to use; how it was trained is in its `provenance`, and where in its
        `training_places`, so that it is not calibrated there.

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
    (classifier,) = learn(
        samples,
        network,
        config=config or TrainConfig(),
        method=method,
        unlabelled=unlabelled,
        init=init,
        checkpoint=checkpoint,
    )
    return classifier


def learn(
    samples: xr.Dataset,
    network: str,
    *,
    config: TrainConfig,
    method: Method | None = None,
    unlabelled: xr.Dataset | None = None,
    init: Init | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    snapshots: Snapshots | None = None,
) -> list[Classifier]:
    """The classifier of a training, or one of each of its snapshots; see :func:`fit`."""
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
    with seeded(config.seed), quiet():
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
        settings: dict[str, Any] = {
            "training": training,
            "validation": validation,
            "identity": identity,
            "teaching": teaching,
            "snapshots": snapshots,
        }
        scores = train_network(module, spec, config, checkpoint=folder, **settings)
        for number in range(1, teaching.rounds if teaching else 1):
            teacher, module = module, build_network(network, spec, config)
            if init is not None:
                take_weights(module, init, spec=spec)
            again = None if folder is None else folder / f"round_{number}"
            scores = train_network(
                module, spec, config, checkpoint=again, teacher=teacher, **settings
            )
        modules = [module]
        if snapshots is not None:
            modules = [build_network(network, spec, config) for _ in snapshots.states]
            for made, state in zip(modules, snapshots.states, strict=True):
                made.load_state_dict(state)
        if config.regressions:
            plain = replace(config, regressions=())
            modules = [
                keep_heads(build_network(network, spec, plain), made, name=network)
                for made in modules
            ]
    provenance = describe_training(config, training, validation, spec, scores)
    if begun is not None:
        provenance["init"] = begun
    if method is not None and unlabelled is not None:
        provenance["method"] = method_to_dict(method)
        provenance["samples"]["unlabelled"] = describe_unlabelled(unlabelled)
    seen = _places_of(training, validation, init)
    attachments = Attachments(places={TRAINING: seen} if seen else {})
    return [
        Classifier(m, name=network, spec=spec, provenance=provenance, attachments=attachments)
        for m in modules
    ]


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


def _places_of(
    training: xr.Dataset, validation: xr.Dataset | None, init: Init | None
) -> Places | None:
    """Where labels were learned or validated on; None if some do not say where they lie."""
    given = [training] if validation is None else [training, validation]
    if any("crs_wkt" not in s.attrs or not {"x", "y"} <= set(s.variables) for s in given):
        return None
    seen = [Places.of_samples(samples) for samples in given]
    if isinstance(init, Classifier):
        if init.training_places is None:
            return None
        seen.append(init.training_places)
    return Places.joined(seen)


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
