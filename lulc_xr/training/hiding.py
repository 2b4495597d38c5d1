"""Dates and bands hidden from a network that is to tell them from the rest."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_hidden(observed: Tensor, *, bands: int, date_share: float, band_share: float) -> Tensor:
    """Which dates and bands of each sample are hidden, drawn from PyTorch's random numbers.

    Parameters
    ----------
    observed : Tensor
        (batch, time) bool, True where a date was seen.
    bands : int
        Number of bands.
    date_share : float
        Share (0 to 1) of the observed dates that are hidden in all bands.
    band_share : float
        Share (0 to 1) of the bands that are hidden on all dates.

    Returns
    -------
    Tensor
        (batch, time, band) bool, True where hidden. Shares hold on average; at least one observed
        date and one band of each sample stay.

    Examples
    --------
    >>> hidden = draw_hidden(torch.ones(2, 4).bool(), bands=3, date_share=0.5, band_share=0.0)
    >>> hidden.all(dim=2).sum(dim=1).tolist()
    [2, 2]
    """
    of_bands = torch.ones(len(observed), bands, dtype=torch.bool, device=observed.device)
    dates = _draw_share(observed, date_share)
    return dates[:, :, None] | _draw_share(of_bands, band_share)[:, None, :]


def hide(
    series: Tensor, hidden: Tensor, *, mask: Tensor | None, days: Tensor
) -> tuple[Tensor, Tensor | None]:
    """What a network may see: series without the values that are hidden.

    Parameters
    ----------
    series : Tensor
        (batch, time, band[, y, x]) scaled reflectance, 0 where missing.
    hidden : Tensor
        (batch, time, band) bool, True where hidden.
    mask : Tensor or None
        (batch, time[, y, x]) bool, True where observed; None for a network without gaps.
    days : Tensor
        (time,) or (batch, time) days since the first day of the mapped year.

    Returns
    -------
    series, mask : Tensor
        Of the same shapes. A hidden band is 0, its mean. A hidden date is 0 and unobserved; without
        a mask it is filled from the dates that are left, linearly in time as gaps of regular dates
        are. No hidden value has a part in it.
    """
    added = (1,) * (series.ndim - 3)
    whole = hidden.all(dim=2)
    # Without torch.where a hidden NaN or infinity would get through a product with 0.
    seen = torch.where(hidden.view(*hidden.shape, *added), 0.0, series)
    if mask is None:
        bands = hidden.all(dim=1)
        filled = fill_dates(seen, ~whole, days)
        return torch.where(bands.view(len(bands), 1, -1, *added), 0.0, filled), None
    return seen, mask & ~whole.view(*whole.shape, *added)


def fill_dates(series: Tensor, kept: Tensor, days: Tensor) -> Tensor:
    """Series whose lost dates are filled linearly in time; before and after all, by the nearest.

    Parameters
    ----------
    series : Tensor
        (batch, time, ...).
    kept : Tensor
        (batch, time) bool, True where a date is kept; at least one of each sample.
    days : Tensor
        (time,) or (batch, time) ascending.

    Examples
    --------
    >>> series = torch.tensor([[1.0, 9.0, 3.0, 9.0]])[..., None]
    >>> kept = torch.tensor([[True, False, True, False]])
    >>> fill_dates(series, kept, torch.tensor([0, 15, 30, 45])).flatten().tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    batch, time = kept.shape
    place = torch.arange(time, device=kept.device).expand(batch, time)
    before = torch.where(kept, place, -1).cummax(dim=1).values
    after = torch.where(kept, place, time).flip(1).cummin(dim=1).values.flip(1)
    first = torch.where(before < 0, after, before)
    last = torch.where(after >= time, first, after)
    when = days.to(series.dtype).expand(batch, time)
    start, end = when.gather(1, first), when.gather(1, last)
    share = ((when - start) / (end - start).clamp_min(1)).clamp(0, 1)
    rows = torch.arange(batch, device=kept.device)[:, None]
    share = share.view(batch, time, *(1,) * (series.ndim - 2))
    return torch.lerp(series[rows, first], series[rows, last], share)


def _draw_share(allowed: Tensor, share: float) -> Tensor:
    """A share of the allowed places of each row, (row, place) bool; one at least is left."""
    drawn = torch.rand(allowed.shape, device=allowed.device).masked_fill(~allowed, 2.0)
    rank = drawn.argsort(dim=1).argsort(dim=1)
    number = allowed.sum(dim=1)
    # A fraction of a place is one place, as often as the fraction says.
    wanted = (share * number + torch.rand(len(allowed), device=allowed.device)).floor()
    wanted = torch.minimum(wanted, (number - 1).clamp_min(0))
    return rank < wanted[:, None]
