"""Augmentation of training batches, drawn from PyTorch's random numbers, which `fit` seeds."""

from __future__ import annotations

import torch
from torch import Tensor

from lulc_xr.training.config import Augmentation


def augment_series(
    series: Tensor, mask: Tensor | None, *, settings: Augmentation, zero: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Series with lost dates, other band gains and noise.

    Parameters
    ----------
    series : Tensor
        (batch, time, band) scaled reflectance.
    mask : Tensor or None
        (batch, time) bool, True where observed; None for a network without gaps.
    settings : Augmentation
        How much of each.
    zero : Tensor
        (band,) what reflectance 0 is after scaling; gains pivot there.

    Returns
    -------
    series, mask : Tensor
        Of the same shapes.
    """
    batch, time, band = series.shape
    if settings.band_gain:
        gain = 1 + settings.band_gain * torch.randn(batch, 1, band)
        series = zero + (series - zero) * gain
    if settings.noise:
        series = series + settings.noise * torch.randn_like(series)
    if settings.date_dropout:
        lost = torch.rand(batch, time) < settings.date_dropout
        if mask is None:
            series = torch.where(lost[..., None], _mean_of_neighbours(series), series)
        else:
            kept = mask & ~lost
            # A sample that would lose its last date keeps all of them.
            mask = torch.where(kept.any(dim=1, keepdim=True), kept, mask)
    return series, mask


def mix_samples(
    series: Tensor, mask: Tensor | None, *, mixup: float
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Each sample of a batch mixed with another one.

    Parameters
    ----------
    series : Tensor
        (batch, time, band).
    mask : Tensor or None
        (batch, time) bool.
    mixup : float
        Parameter of the beta distribution.

    Returns
    -------
    series, mask : Tensor
        ``share * own + (1 - share) * partner``, observed where both are; two samples without a
        common date are not mixed.
    share : Tensor
        (batch,) in [0, 1].
    partner : Tensor
        (batch,) positions.

    References
    ----------
    Zhang, H. et al. (2018). mixup: Beyond empirical risk minimization. ICLR 2018.
    """
    batch = len(series)
    share = torch.distributions.Beta(mixup, mixup).sample((batch,))
    partner = torch.randperm(batch)
    if mask is not None:
        common = mask & mask[partner]
        alone = ~common.any(dim=1)
        mask = torch.where(alone[:, None], mask, common)
        share = torch.where(alone, 1.0, share)
    own = share[:, None, None]
    return own * series + (1 - own) * series[partner], mask, share, partner


def _mean_of_neighbours(series: Tensor) -> Tensor:
    before = torch.cat([series[:, :1], series[:, :-1]], dim=1)
    after = torch.cat([series[:, 1:], series[:, -1:]], dim=1)
    return (before + after) / 2
