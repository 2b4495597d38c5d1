"""Interpolation along the dates of a batch: lost dates filled, a series moved by some days."""

from __future__ import annotations

import torch
from torch import Tensor


def fill_lost(series: Tensor, days: Tensor, lost: Tensor) -> Tensor:
    """Series with lost values interpolated in time, the nearest date's at the ends.

    Parameters
    ----------
    series : Tensor
        (batch, time, band[, y, x]).
    days : Tensor
        (batch, time), ascending.
    lost : Tensor
        (batch, time[, y, x]) bool; nowhere all dates of a pixel.

    Returns
    -------
    Tensor
        Of the shape of `series`.

    Examples
    --------
    >>> series, days = torch.tensor([[[1.0], [9.0], [4.0]]]), torch.tensor([[0, 10, 30]])
    >>> fill_lost(series, days, torch.tensor([[False, True, False]])).flatten().tolist()
    [1.0, 2.0, 4.0]
    """
    time = series.shape[1]
    position = torch.arange(time, device=series.device).view(1, -1, *[1] * (lost.ndim - 2))
    before = torch.where(lost, -1, position).cummax(dim=1).values
    after = torch.where(lost, time, position).flip(1).cummin(dim=1).values.flip(1)
    first, last = torch.where(before < 0, after, before), torch.where(after == time, before, after)
    day = days.float().view(*days.shape, *[1] * (lost.ndim - 2)).expand(lost.shape)
    start, end = day.gather(1, first), day.gather(1, last)
    share = ((day - start) / (end - start).clamp_min(1e-6)).clamp(0, 1).unsqueeze(2)
    low, high = _at(series, first), _at(series, last)
    return torch.where(lost.unsqueeze(2), low + share * (high - low), series)


def shift_series(series: Tensor, days: Tensor, shift: Tensor) -> Tensor:
    """Series as they would be some days later, interpolated at the same dates.

    Parameters
    ----------
    series : Tensor
        (batch, time, band[, y, x]) without gaps.
    days : Tensor
        (batch, time), ascending.
    shift : Tensor
        (batch,) days; what was at day d is at day d + shift. Beyond the ends the first or the
        last value holds.

    Returns
    -------
    Tensor
        Of the shape of `series`.

    Examples
    --------
    >>> series, days = torch.tensor([[[0.0], [1.0], [3.0]]]), torch.tensor([[0, 10, 20]])
    >>> shift_series(series, days, torch.tensor([5.0])).flatten().tolist()
    [0.0, 0.5, 2.0]
    """
    if series.shape[1] == 1:
        return series
    day = days.float().contiguous()
    wanted = day - shift[:, None]
    after = torch.searchsorted(day, wanted).clamp(1, series.shape[1] - 1)
    start, end = day.gather(1, after - 1), day.gather(1, after)
    share = ((wanted - start) / (end - start).clamp_min(1e-6)).clamp(0, 1)
    around = [1] * (series.ndim - 3)
    share = share.view(*share.shape, 1, *around)
    after = after.view(*after.shape, *around).expand(*after.shape, *series.shape[3:])
    low, high = _at(series, after - 1), _at(series, after)
    return low + share * (high - low)


def _at(series: Tensor, position: Tensor) -> Tensor:
    """Values (batch, time, band[, y, x]) at other positions of time, (batch, time[, y, x])."""
    return series.gather(1, position.unsqueeze(2).expand_as(series))
