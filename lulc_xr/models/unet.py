"""U-Net on composites: classes of pixels from what lies around them (Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning
from lulc_xr.models.spatial import (
    NormedLayer,
    Reach,
    SpatialForm,
    context_scales,
    pad_end,
    receptive_field,
    unite,
    widen,
)


class UNet(nn.Module):
    """Classes of all pixels of a patch, from convolutions at several scales.

    Dates are folded into channels. A dense layer on each pixel puts them together, two
    convolutions per scale look around, and the way back up sees the finer scales again. All is
    local, with batch norm: a pixel is mapped the same whatever block it is mapped in.

    Parameters
    ----------
    bands : int
        Number of bands.
    dates : int
        Number of dates; fixed, as each date has channels of its own.
    classes : mapping of str to int
        Task to its number of classes; each task gets one 1x1 convolution.
    stem : int
        Units of the dense layer on each pixel; 0: none, as in the paper.
    filters : sequence of int
        Filters at each scale; between two scales the sides of a patch are halved.
    dropout : float
        Part of the channels that the heads see dropped while training.
    context, conditioning, pixel_context, faithful
        Climate and place, see :class:`lulc_xr.models.conditioning.Conditioning`. An embedding is
        added at the coarsest scale. A map of the context is averaged to each scale.

    Raises
    ------
    ModelError
        If a size cannot be built.

    References
    ----------
    Ronneberger, O., Fischer, P., Brox, T. (2015). U-Net: convolutional networks for biomedical
    image segmentation. MICCAI 2015, https://doi.org/10.1007/978-3-319-24574-4_28. Unlike there,
    patches are padded by zeros so that the map has their size, and batch norm is used.

    Examples
    --------
    >>> network = UNet(bands=4, dates=3, classes={"land_cover": 7})
    >>> network.receptive_field, network.stride
    (23, 4)
    >>> network(torch.rand(2, 3, 4, 13, 9))["land_cover"].shape
    torch.Size([2, 7, 13, 9])
    """

    spatial: ClassVar[bool] = True
    needs_fixed_dates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        bands: int,
        dates: int,
        classes: Mapping[str, int],
        stem: int = 64,
        filters: Sequence[int] = (32, 64, 128),
        dropout: float = 0.1,
        context: int = 0,
        conditioning: str = "none",
        faithful: bool = False,
        pixel_context: int = 0,
    ) -> None:
        super().__init__()
        self.conditioning = Conditioning(
            kind=conditioning, context=context, faithful=faithful, pixel_context=pixel_context
        )
        self.sizes: dict[str, Any] = {
            "bands": bands,
            "dates": dates,
            "classes": dict(classes),
            "stem": stem,
            "filters": list(filters),
            "dropout": dropout,
            **self.conditioning.sizes,
        }
        _check_sizes(self.sizes)
        first = stem or bands * dates
        self.stem = self._layer(bands * dates, stem, side=1) if stem else None
        self.down = nn.ModuleList(self._pair(*pair) for pair in pairwise([first, *filters]))
        self.embedding = self.conditioning.make_embedding(filters[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(filters)
        )
        self.merge = nn.ModuleList(self._pair(2 * fine, fine) for fine in filters[:-1])
        self.dropout = nn.Dropout2d(dropout)
        self.feature_size = filters[0]
        self.heads = nn.ModuleDict(
            {task: nn.Conv2d(filters[0], n, 1) for task, n in classes.items()}
        )

    @property
    def stride(self) -> int:
        """Side in pixels of the cells of the coarsest scale."""
        return int(2 ** (len(self.down) - 1))

    @property
    def receptive_field(self) -> int:
        """Pixels on each side that the class of a pixel depends on."""
        return receptive_field(self.stride, self._reach)

    def forward(
        self,
        series: Tensor,
        days: Tensor | None = None,
        mask: Tensor | None = None,
        context: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Logits of every task.

        Parameters
        ----------
        series : Tensor
            (batch, time, band, y, x) scaled reflectance without gaps.
        days : Tensor or None
            Not used: dates stand at fixed places.
        mask : Tensor or None
            (batch, time, y, x) bool; values where it is False count as 0, the mean of a band.
        context : Tensor or None
            Scaled context (batch, context), or a map (batch, context, y, x), read if the network
            is conditioned.

        Returns
        -------
        dict of str to Tensor
            Task to (batch, class, y, x) logits.

        Raises
        ------
        ModelError
            If `series` has other dates or bands than the network, or context is missing.
        """
        features = self.features(series, days, mask, context)
        return {task: head(features) for task, head in self.heads.items()}

    def features(
        self,
        series: Tensor,
        days: Tensor | None = None,
        mask: Tensor | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """What the heads see, (batch, feature, y, x); parameters as in :meth:`forward`."""
        expected = (self.sizes["dates"], self.sizes["bands"])
        if series.ndim != 5 or series.shape[1:3] != expected:
            raise ModelError(
                f"series of shape {tuple(series.shape)} does not fit a U-Net of {expected[0]} "
                f"dates and {expected[1]} bands. Pass (batch, {expected[0]}, {expected[1]}, y, x)."
            )
        around = context_scales(self.conditioning.read(context, series), len(self.down))
        if mask is not None:
            series = series.masked_fill(~mask[:, :, None], 0.0)
        hidden = pad_end(series.flatten(1, 2), self.stride)
        if self.stem is not None:
            hidden = self.stem(hidden, around[0])
        scales = []
        for level, pair in enumerate(self.down):
            hidden = functional.max_pool2d(hidden, 2) if level else hidden
            hidden = _apply(pair, hidden, around[level])
            scales.append(hidden)
        if self.embedding is not None:
            hidden = self.embedding(hidden, around[-1])
        for level in reversed(range(len(self.merge))):
            hidden = torch.cat([scales[level], self.up[level](hidden)], dim=1)
            hidden = _apply(self.merge[level], hidden, around[level])
        features: Tensor = self.dropout(hidden)
        return features[:, :, : series.shape[3], : series.shape[4]]

    def inference_form(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int | None = None,
    ) -> SpatialForm:
        """This network, as trained by now, in the form that runs fastest over maps.

        Parameters
        ----------
        mean, std : sequence of float, optional
            Scaling of each band, if `pixels` come unscaled.
        dtype : torch.dtype
            ``torch.float32`` (exact) or ``torch.bfloat16`` (faster).
        batch : int, optional
            Not used.

        Returns
        -------
        SpatialForm
            ``form(pixels, days, mask, context)`` gives probabilities; see
            :class:`lulc_xr.models.spatial.SpatialForm`.
        """
        return SpatialForm(
            self, mean=mean, std=std, dtype=dtype, batch=batch, context=self.conditioning.read_size
        )

    def _layer(self, before: int, after: int, *, side: int) -> NormedLayer:
        layer = nn.Conv2d(before, after, side, padding=side // 2)
        return NormedLayer(layer, after, self.conditioning)

    def _pair(self, before: int, after: int) -> nn.ModuleList:
        return nn.ModuleList(
            [self._layer(before, after, side=3), self._layer(after, after, side=3)]
        )

    def _reach(self, place: int) -> Reach:
        levels = len(self.down)
        reach, skipped = (place, place), []
        for _ in range(levels - 1):
            reach = widen(reach, 2)
            skipped.append(reach)
            reach = reach[0] // 2, reach[1] // 2
        reach = widen(reach, 2)
        for own in reversed(skipped):
            reach = widen(unite(own, (2 * reach[0], 2 * reach[1] + 1)), 2)
        return reach


def _apply(layers: nn.Module, values: Tensor, context: Tensor | None) -> Tensor:
    assert isinstance(layers, nn.ModuleList)
    for layer in layers:
        values = layer(values, context)
    return values


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    for name in ("bands", "dates"):
        if sizes[name] < 1:
            raise ModelError(f"U-Net with {name}={sizes[name]}. Choose {name} >= 1.")
    if not sizes["filters"] or min(sizes["filters"]) < 1 or sizes["stem"] < 0:
        raise ModelError(
            f"U-Net with filters={sizes['filters']} and stem={sizes['stem']}. Give the filters of "
            "one or more scales, each 1 or more, and stem >= 0."
        )
    if not sizes["classes"]:
        raise ModelError("U-Net without a task. Pass classes={'land_cover': number of classes}.")
