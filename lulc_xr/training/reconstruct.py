"""Decoder from the features of a network back to the series they were made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.models.ltae import encode_days

_DAY_SIZE = 16


class SeriesDecoder(nn.Module):
    """Scaled reflectance of any day, from one vector of features of a pixel and the day.

    It knows every pixel alone, so the network must put into the features all that the series
    holds. Features and an encoding of the day are added and go through one hidden layer.

    Parameters
    ----------
    features : int
        Length of the vector of features.
    bands : int
        Number of bands.
    hidden : int
        Units of the hidden layer.

    Examples
    --------
    >>> decoder = SeriesDecoder(32, bands=10)
    >>> decoder(torch.rand(4, 32), torch.tensor([3, 40, 200])).shape
    torch.Size([4, 3, 10])
    >>> decoder(torch.rand(2, 32, 7, 5), torch.tensor([3, 40, 200])).shape
    torch.Size([2, 3, 10, 7, 5])
    """

    def __init__(self, features: int, *, bands: int, hidden: int = 128) -> None:
        super().__init__()
        self.of_features = nn.Linear(features, hidden)
        self.of_days = nn.Linear(_DAY_SIZE, hidden)
        self.to_bands = nn.Linear(hidden, bands)

    def forward(self, features: Tensor, days: Tensor) -> Tensor:
        """Scaled reflectance.

        Parameters
        ----------
        features : Tensor
            (batch, feature[, y, x]).
        days : Tensor
            (time,) or (batch, time) days since the first day of the mapped year.

        Returns
        -------
        Tensor
            (batch, time, band[, y, x]).
        """
        pixels = features.movedim(1, -1)  # (batch[, y, x], feature)
        spread = (1,) * (pixels.ndim - 2)
        when = self.of_days(encode_days(days, _DAY_SIZE).to(pixels.dtype))
        when = when.view(-1, *spread, *when.shape[-2:])
        hidden = functional.relu(self.of_features(pixels)[..., None, :] + when)
        made: Tensor = self.to_bands(hidden)
        return made.movedim((-2, -1), (1, 2))


def masked_loss(made: Tensor, true: Tensor, counted: Tensor) -> Tensor:
    """Smooth L1 loss over the values that count; 0 if none does.

    Parameters
    ----------
    made, true : Tensor
        (batch, time, band[, y, x]) scaled reflectance; `true` may be anything where it does not
        count.
    counted : Tensor
        Bool of the same shape.

    Examples
    --------
    >>> made, true = torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[1.0, float("nan")]]])
    >>> masked_loss(made, true, torch.tensor([[[True, False]]])).item()
    1.5
    """
    far = functional.smooth_l1_loss(made, torch.where(counted, true, made), reduction="none")
    return (far * counted).sum() / counted.sum().clamp_min(1)
