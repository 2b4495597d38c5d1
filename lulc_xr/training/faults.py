"""What is said when training meets a value that is not finite, or samples that teach nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lulc_xr.core.errors import LulcError, ModelError, SampleError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import tasks_of
from lulc_xr.samples.loader import Batch

_NAMED = 5


def name_samples(samples: xr.Dataset) -> list[str]:
    """What each sample is called in messages: its point_id, or its position."""
    if "point_id" not in samples:
        return [f"position {n}" for n in range(samples.sizes["sample"])]
    return [f"point_id {n}" for n in samples["point_id"].values]


def list_samples(chosen: Sequence[int], names: Sequence[str]) -> str:
    """Names of the first samples of a choice, and how many there are more."""
    some = ", ".join(names[n] for n in chosen[:_NAMED])
    more = len(chosen) - _NAMED
    return some + (f" and {more} more" if more > 0 else "")


def explain_fault(
    loss: float,
    batch: Batch,
    logits: Mapping[str, Tensor],
    *,
    names: Sequence[str] | None,
    learning_rate: float,
) -> LulcError:
    """The error of a loss that is not finite: the sample at fault, or a training that diverged.

    Parameters
    ----------
    loss : float
        The loss.
    batch : Batch
        The batch it is of.
    logits : mapping of str to Tensor
        What the network gave, (batch, ...).
    names : sequence of str or None
        What each sample is called; None: by position.
    learning_rate : float
        Largest learning rate of the training.
    """
    index = batch["index"].tolist()
    called = names if names is not None else [f"position {n}" for n in range(max(index) + 1)]
    faults = {
        "infinite reflectance": torch.isinf(batch["series"]),
        "a weight that is not finite": ~torch.isfinite(batch["weight"]),
    }
    if batch["context"] is not None:
        faults["context that is missing or infinite"] = ~torch.isfinite(batch["context"])
    for what, wrong in faults.items():
        if wrong.any():
            at = [index[i] for i in torch.nonzero(_rows(wrong))[:, 0]]
            return SampleError(
                f"{what} in a training batch, of {len(at)} sample(s): {list_samples(at, called)}. "
                "Drop these samples, or draw them again."
            )
    bad = torch.stack([_rows(~torch.isfinite(own)) for own in logits.values()]).any(0)
    if bad.any() and not bad.all():
        at = [index[i] for i in torch.nonzero(bad)[:, 0]]
        return SampleError(
            f"the network gives no finite numbers for {len(at)} of {len(bad)} samples of a batch: "
            f"{list_samples(at, called)}. Look at their values, and drop them."
        )
    return ModelError(
        f"training diverged: the loss is {loss}. Choose a learning_rate below {learning_rate:g}."
    )


def check_context(samples: xr.Dataset, variables: Sequence[str]) -> None:
    """Raise SampleError if a sample lacks context that the network is given.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with ``bioclim(sample, bioclim_variable)``.
    variables : sequence of str
        Names of the variables of the network.
    """
    if not variables:
        return
    table = samples["bioclim"].transpose("sample", "bioclim_variable")
    known = [str(n) for n in table["bioclim_variable"].values]
    missing = ~np.isfinite(table.values[:, [known.index(v) for v in variables]])
    at = np.flatnonzero(missing.any(1)).tolist()
    if at:
        lacking = [v for v, any_ in zip(variables, missing.any(0), strict=True) if any_]
        raise SampleError(
            f"{len(at)} of {len(missing)} samples have no context ({', '.join(lacking)}): "
            f"{list_samples(at, name_samples(samples))}. Drop them, or leave the variables out "
            "(TrainConfig(context=...))."
        )


def count_unlabelled(samples: xr.Dataset) -> int:
    """Number of samples without a label of any task."""
    none = np.ones(samples.sizes["sample"], bool)
    for task in tasks_of(samples):
        labels = samples[task].transpose("sample", ...).values
        none &= (labels == FILL_CLASS).reshape(len(labels), -1).all(1)
    return int(none.sum())


def _rows(wrong: Tensor) -> Tensor:
    return wrong.flatten(1).any(1) if wrong.ndim > 1 else wrong
