"""What a network is called with, as one value: changed, mixed, turned, joined along the batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import SampleError
from lulc_xr.samples.loader import Batch
from lulc_xr.training.augment import augment_series, draw_turns, mix_samples, turn
from lulc_xr.training.augmentation import Augmentation


class Inputs(NamedTuple):
    """What a network is called with: series, days, mask and context of a batch."""

    series: Tensor
    days: Tensor
    mask: Tensor | None
    context: Tensor | None


def scale_series(series: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Reflectance (batch, time, band[, y, x]) as networks see it, NaN where missing."""
    around = (1,) * (series.ndim - 3)
    return (series - mean.view(-1, *around)) / std.view(-1, *around)


def call(network: nn.Module, given: Inputs) -> dict[str, Tensor]:
    """Logits of every task, (batch, class[, y, x])."""
    context = () if given.context is None else (given.context,)
    logits: dict[str, Tensor] = network(given.series, given.days, given.mask, *context)
    return logits


def change_inputs(
    given: Inputs, *, settings: Augmentation, zero: Tensor
) -> tuple[Inputs, Tensor | None]:
    """Inputs changed at random, apart from mixup; values of the context stay.

    Parameters
    ----------
    given : Inputs
        Of pixels or patches.
    settings : Augmentation
        How much of each change.
    zero : Tensor
        (band,) what reflectance 0 is after scaling.

    Returns
    -------
    Inputs
        Changed; a map of the context turns with its patch.
    Tensor or None
        (batch,) how patches were turned, see :func:`lulc_xr.training.augment.turn`.
    """
    turns = None
    if settings.turns and given.series.ndim > 3:
        turns = draw_turns(given.series)
        given = turn_inputs(given, turns)
    series, days, mask = augment_series(
        given.series, given.days, given.mask, settings=settings, zero=zero
    )
    return given._replace(series=series, days=days, mask=mask), turns


def turn_inputs(given: Inputs, turns: Tensor) -> Inputs:
    """Inputs of patches turned, all that lies on the ground alike."""
    context = given.context
    return Inputs(
        turn(given.series, turns),
        given.days,
        None if given.mask is None else turn(given.mask, turns),
        turn(context, turns) if context is not None and context.ndim > 2 else context,
    )


def turn_labels(batch: Batch, turns: Tensor) -> Batch:
    """The batch with the labels and targets of its patches turned."""
    return {
        **batch,
        "labels": {task: turn(own, turns) for task, own in batch["labels"].items()},
        "targets": {task: turn(own, turns) for task, own in batch["targets"].items()},
    }


def mix_inputs(given: Inputs, *, mixup: float) -> tuple[Inputs, Tensor, Tensor]:
    """Inputs mixed in pairs, their context with them; see :func:`.augment.mix_samples`.

    Returns
    -------
    Inputs
        Mixed.
    share, partner : Tensor
        (batch,) the own share, and the positions of the partners.
    """
    series, mask, share, partner = mix_samples(given.series, given.days, given.mask, mixup=mixup)
    context = given.context
    if context is not None:
        own = share.view(-1, *[1] * (context.ndim - 1))
        context = own * context + (1 - own) * context[partner]
    return Inputs(series, given.days, mask, context), share, partner


def join_inputs(first: Inputs, second: Inputs) -> Inputs:
    """Two batches as one, so that batch norm sees both; fewer dates are filled up as gaps.

    Raises
    ------
    SampleError
        If they differ in bands or size of the patch, or in dates for a network without gaps.
    """
    one, other = first.series, second.series
    if one.shape[2:] != other.shape[2:] or (first.mask is None and one.shape[1] != other.shape[1]):
        raise SampleError(
            f"labelled samples have (time, band[, y, x]) {tuple(one.shape[1:])}, unlabelled ones "
            f"{tuple(other.shape[1:])}. Draw both with the same dates, bands and patch."
        )
    dates = max(one.shape[1], other.shape[1])
    pairs = zip(_filled(first, dates), _filled(second, dates), strict=True)
    joined = [None if a is None or b is None else torch.cat([a, b]) for a, b in pairs]
    assert joined[0] is not None
    assert joined[1] is not None
    return Inputs(joined[0], joined[1], joined[2], joined[3])


def _filled(given: Inputs, dates: int) -> Inputs:
    """Inputs with dates that were not observed at the end, up to a number of them."""
    more = dates - given.series.shape[1]
    if not more or given.mask is None:
        return given
    after = [0, 0] * (given.series.ndim - 2) + [0, more]
    return given._replace(
        series=functional.pad(given.series, after),
        days=functional.pad(given.days, [0, more]),
        mask=functional.pad(given.mask, after[2:], value=False),
    )
