"""What is worked out from the samples before training: checks, split, scaling, class weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lulc_xr.core.context_scaling import context_of_samples, fit_context_scaling
from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Scaling
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.loss_config import ClassWeights
from lulc_xr.training.losses import weigh_counts


def choose_context(samples: xr.Dataset, config: TrainConfig) -> tuple[str, ...]:
    """Names of the context variables of the model to be, those of the map last.

    Raises
    ------
    SampleError
        If the samples do not carry them.
    """
    if config.conditioning == "none":
        return ()
    names = config.context or tuple(context_of_samples(samples)[1])
    chosen = (*(n for n in names if n not in config.pixel_context), *config.pixel_context)
    context_of_samples(samples, chosen)
    return chosen


def split_fold(
    samples: xr.Dataset, *, validation_fold: int | None
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Samples to train on, and those of the validation fold.

    Raises
    ------
    SampleError
        If there are no folds, or the fold or the rest is empty.
    """
    if validation_fold is None:
        return samples, None
    if "fold" not in samples:
        raise SampleError(
            f"validation_fold {validation_fold} of samples without folds. "
            "Draw folds first: samples = lulc_xr.make_folds(samples, ...)."
        )
    folds = samples["fold"].values
    inside = folds == validation_fold
    # Fold -1 lies too near to others: it is neither trained nor judged on.
    rest = ~inside & (folds >= 0)
    if validation_fold < 0 or not inside.any() or not rest.any():
        found = ", ".join(str(fold) for fold in np.unique(folds[folds >= 0]))
        raise SampleError(
            f"validation_fold {validation_fold} holds {int(inside.sum())} of {inside.size} "
            f"samples; the folds are {found}. Choose a fold that is there, beside others."
        )
    return samples.isel(sample=rest), samples.isel(sample=inside)


def check_samples(samples: xr.Dataset, spec: ModelSpec, *, allow_missing_classes: bool) -> None:
    """Raise SampleError unless samples can be trained on.

    Parameters
    ----------
    samples : xr.Dataset
        Samples of the training folds.
    spec : ModelSpec
        The model to be.
    allow_missing_classes : bool
        Accept classes of the legend that no sample has.
    """
    number = samples.sizes.get("sample", 0)
    if number < 2:
        raise SampleError(f"{number} samples to train on; expected at least 2 in every class.")
    values = samples["reflectance"].transpose("sample", "time", "band", ...).to_numpy()
    unseen = np.isnan(values).all(axis=tuple(range(1, values.ndim)))
    if unseen.any() or np.isinf(values).any():
        raise SampleError(
            f"{int(unseen.sum())} of {number} samples have no clear date, or reflectance is "
            "infinite. Drop these samples first."
        )
    for task, legend in spec.legends.items():
        missing = [name for name, n in count_classes(samples[task], legend).items() if not n]
        if len(missing) == len(legend):
            others = " ".join(t for t in spec.legends if t != task)
            way_out = f", or train without: samples.assign_attrs(tasks={others!r})" * bool(others)
            raise SampleError(
                f"none of {number} training samples has a label of {task}. Draw samples with such "
                f"labels{way_out}."
            )
        if missing and not allow_missing_classes:
            raise SampleError(
                f"no training sample of {task} has class {', '.join(missing)}. "
                "Draw samples of it, use a legend without it, or pass "
                "TrainConfig(allow_missing_classes=True) (lulc-xr train --allow-missing)."
            )


def count_classes(labels: xr.DataArray, legend: Legend) -> dict[str, int]:
    """Number of samples of each class, by its name."""
    index = legend.index_of(labels.values)
    counts = np.bincount(index[index >= 0], minlength=len(legend))
    return dict(zip(legend.names, counts.tolist(), strict=True))


def check_gaps(samples: xr.Dataset, *, network: str) -> None:
    """Raise SampleError if samples have gaps in time, for a network that cannot see them."""
    series = samples["reflectance"].transpose("sample", "time", "band", ...)
    # Around it a patch may reach beyond the cube, or over pixels that were never clear.
    middle = {dim: n // 2 for dim, n in series.sizes.items() if dim in PATCH_DIMS}
    values = series.isel(middle).to_numpy()
    gaps = np.isnan(values).any(axis=(1, 2))
    if gaps.any():
        raise SampleError(
            f"{int(gaps.sum())} of {gaps.size} samples have dates that were not clear, "
            f"but network {network!r} needs every date. Draw the samples with "
            "RegularDates(fill='linear'), or train a network for gaps, such as 'ltae'."
        )


def with_scaling(spec: ModelSpec, samples: xr.Dataset) -> ModelSpec:
    """The specification with the scaling of its bands and its context over training samples.

    Raises
    ------
    SampleError
        If a band is constant, or a variable of the context is constant or missing.
    """
    values = samples["reflectance"].transpose("band", ...).values.astype(np.float64)
    flat = values.reshape(len(spec.bands), -1)
    mean, std = np.nanmean(flat, axis=1), np.nanstd(flat, axis=1)
    constant = [band for band, s in zip(spec.bands, std, strict=True) if not s > 0]
    if constant:
        raise SampleError(
            f"band {', '.join(constant)} is the same in all samples and dates. "
            "Draw the samples without it."
        )
    # float32 numbers: what JSON says is then exactly what the network is given.
    return replace(
        spec,
        scaling=Scaling(
            mean=tuple(float(v) for v in mean.astype(np.float32)),
            std=tuple(float(v) for v in std.astype(np.float32)),
        ),
        context_scaling=fit_context_scaling(samples, spec.context) if spec.context else None,
    )


def weigh_classes(
    samples: xr.Dataset, spec: ModelSpec, *, rule: ClassWeights | None, beta: float = 0.999
) -> dict[str, Tensor]:
    """Weight of each class in the loss of each task, 1 on average over the labels.

    Parameters
    ----------
    samples : xr.Dataset
        Training samples; their `weight` counts.
    spec : ModelSpec
        Gives tasks and legends.
    rule : {"balanced", "effective", None}
        See :func:`lulc_xr.training.losses.weigh_counts`.
    beta : float
        Of the effective number of labels.

    Returns
    -------
    dict of str to Tensor
        Task to (class,) float32; 0 for a class without samples, unless all are 1.
    """
    each = samples["weight"].values if "weight" in samples else np.ones(samples.sizes["sample"])
    each = each / each.mean()
    weights = {}
    for task, legend in spec.legends.items():
        index = legend.index_of(samples[task].transpose("sample", ...).values)
        # Of dense labels every pixel counts.
        own = np.broadcast_to(each.reshape(-1, *[1] * (index.ndim - 1)), index.shape)
        known = index >= 0
        counts = np.bincount(index[known], weights=own[known], minlength=len(legend))
        weights[task] = torch.tensor(weigh_counts(counts, rule, beta=beta), dtype=torch.float32)
    return weights
