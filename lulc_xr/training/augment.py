"""Augmentation of training batches, drawn from PyTorch's random numbers, which `fit` seeds.

Every change is one that leaves the class as it is: another light, another noise, a few days
earlier or later, clouds, a patch that is turned. Values of the climate stay as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lulc_xr.training.augmentation import Augmentation
from lulc_xr.training.gaps import fill_lost, shift_series

_CLOUD = 8  # pixels: about the size of the smallest clouds drawn over a patch


def augment_series(
    series: Tensor, days: Tensor, mask: Tensor | None, *, settings: Augmentation, zero: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Series with other band gains, noise, a shift in time, lost dates and clouds.

    Parameters
    ----------
    series : Tensor
        (batch, time, band[, y, x]) scaled reflectance.
    days : Tensor
        (batch, time) days since the first day of the mapped year, ascending.
    mask : Tensor or None
        (batch, time[, y, x]) bool, True where observed; None for a network without gaps.
    settings : Augmentation
        How much of each. Mixup and turns are drawn apart.
    zero : Tensor
        (band,) what reflectance 0 is after scaling; gains pivot there.

    Returns
    -------
    series, days, mask : Tensor
        Of the same shapes. With a mask, lost values are marked in it and a shift in time moves
        the days; without one, lost values are interpolated from the dates around them, and so
        is the shifted series.
    """
    batch, _, band = series.shape[:3]
    around = [1] * (series.ndim - 3)
    if settings.band_gain:
        gain = 1 + settings.band_gain * torch.randn(batch, 1, band, *around, device=series.device)
        pivot = zero.view(-1, *around)
        series = pivot + (series - pivot) * gain
    if settings.noise:
        series = series + settings.noise * torch.randn_like(series)
    if settings.date_jitter:
        shift = settings.date_jitter * torch.randn(batch, device=series.device)
        if mask is None:
            series = shift_series(series, days, shift)
        else:
            days = days + shift.round().to(days.dtype)[:, None]
    if settings.date_dropout or settings.cloud_gap:
        lost = draw_lost(series, settings=settings)
        if mask is None:
            series = fill_lost(series, days, lost & ~lost.all(dim=1, keepdim=True))
        else:
            kept = mask & ~lost
            # Where the last date would be lost, all are kept.
            mask = torch.where(kept.any(dim=1, keepdim=True), kept, mask)
    return series, days, mask


def draw_lost(series: Tensor, *, settings: Augmentation) -> Tensor:
    """Where values are lost: single dates, and one cloudy spell of dates in a row.

    Parameters
    ----------
    series : Tensor
        (batch, time, band[, y, x]); only its shape counts.
    settings : Augmentation
        `date_dropout` and `cloud_gap`.

    Returns
    -------
    Tensor
        (batch, time[, y, x]) bool. Over a patch, the spell hides areas of the shape of clouds.
    """
    batch, time, _, *sides = series.shape
    around = [1] * len(sides)
    lost = torch.rand(batch, time, device=series.device) < settings.date_dropout
    lost = lost.view(batch, time, *around)
    if settings.cloud_gap:
        length = torch.rand(batch, 1, device=series.device) * settings.cloud_gap * (time + 1)
        length = length.floor().clamp_max(time)
        start = (torch.rand_like(length) * (time - length + 1)).floor()
        date = torch.arange(time, device=series.device)
        spell = (date >= start) & (date < start + length)
        spell = spell.view(batch, time, *around)
        lost = lost | (spell & _clouds(batch, sides, device=series.device) if sides else spell)
    return lost.expand(batch, time, *sides)


def mix_samples(
    series: Tensor, days: Tensor, mask: Tensor | None, *, mixup: float
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Each sample of a batch mixed with another one.

    Parameters
    ----------
    series : Tensor
        (batch, time, band[, y, x]).
    days : Tensor
        (batch, time); samples of other days are not mixed.
    mask : Tensor or None
        (batch, time[, y, x]) bool.
    mixup : float
        Parameter of the beta distribution.

    Returns
    -------
    series, mask : Tensor
        ``share * own + (1 - share) * partner``, observed where both are; two samples without a
        common date, in any pixel of a patch, are not mixed.
    share : Tensor
        (batch,) in [0, 1]; the share that the own label has in the loss.
    partner : Tensor
        (batch,) positions.

    References
    ----------
    Zhang, H. et al. (2018). mixup: Beyond empirical risk minimization. ICLR 2018.
    """
    batch = len(series)
    share = torch.distributions.Beta(mixup, mixup).sample((batch,)).to(series.device)
    partner = torch.randperm(batch, device=series.device)
    alone = (days != days[partner]).any(dim=1)
    if mask is not None:
        common = mask & mask[partner]
        emptied = mask.any(dim=1) & ~common.any(dim=1)
        alone = alone | emptied.view(batch, -1).any(dim=1)
        mask = torch.where(alone.view(-1, *[1] * (mask.ndim - 1)), mask, common)
    share = torch.where(alone, 1.0, share)
    own = share.view(-1, *[1] * (series.ndim - 1))
    return own * series + (1 - own) * series[partner], mask, share, partner


def draw_turns(series: Tensor) -> Tensor:
    """One of the eight turns and flips of a square for each patch, (batch,) int 0 to 7.

    Patches that are not square get one of the four that keep their shape.
    """
    batch, (y, x) = len(series), series.shape[-2:]
    turns = torch.randint(8 if y == x else 4, (batch,), device=series.device)
    return turns if y == x else turns * 2


def turn(patches: Tensor, turns: Tensor) -> Tensor:
    """Patches turned by quarters and flipped.

    Parameters
    ----------
    patches : Tensor
        (batch, ..., y, x) of anything that lies on the ground: series, masks, labels, logits.
    turns : Tensor
        (batch,) of :func:`draw_turns`: quarter turns, plus 1 for odd ones and 4 for a flip.

    Returns
    -------
    Tensor
        Of the same shape. ``turn_back(turn(p, t), t)`` equals ``p``.
    """
    return _turn(patches, turns, back=False)


def turn_back(patches: Tensor, turns: Tensor) -> Tensor:
    """Patches as they were before :func:`turn`."""
    return _turn(patches, turns, back=True)


def _turn(patches: Tensor, turns: Tensor, *, back: bool) -> Tensor:
    turned = torch.empty_like(patches, memory_format=torch.contiguous_format)
    for code in turns.unique().tolist():
        own = turns == code
        values = patches[own]
        flipped, quarters = code >= 4, code % 4
        if flipped and not back:
            values = values.flip(-1)
        values = values.rot90(-quarters if back else quarters, (-2, -1))
        if flipped and back:
            values = values.flip(-1)
        turned[own] = values
    return turned


def _clouds(batch: int, sides: list[int], *, device: torch.device) -> Tensor:
    """Areas of the shape of clouds, (batch, 1, y, x) bool, over 0 to 80 % of each patch."""
    coarse = [max(2, -(-side // _CLOUD) + 1) for side in sides]
    field = functional.interpolate(
        torch.randn(batch, 1, *coarse, device=device), size=sides, mode="bicubic"
    )
    clear = 1 - 0.8 * torch.rand(batch, device=device)
    ordered = field.flatten(1).sort(dim=1).values
    level = ordered.gather(1, ((ordered.shape[1] - 1) * clear).long()[:, None])
    return field > level.view(batch, 1, 1, 1)
