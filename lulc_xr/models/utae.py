"""U-TAE: a U-Net over series of any dates, with attention over time (Garnot and Landrieu 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning
from lulc_xr.models.ltae import attend, encode_days
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

_SMALLEST_WEIGHT = 1e-6


class UTAE(nn.Module):
    """Classes of all pixels of a patch, from any number of irregular, partly clouded dates.

    One encoder sees every date alone, at several scales. At the coarsest, L-TAE weighs the dates;
    its attention, enlarged to the finer scales, weighs their dates too, and a decoder brings all
    scales together.

    Parameters
    ----------
    bands : int
        Number of bands.
    dates : int or None
        Not used, as any number of dates fits; taken so that all networks are built alike.
    classes : mapping of str to int
        Task to its number of classes; each task gets one 1x1 convolution.
    encoder : sequence of int
        Channels at each scale; between two scales the sides of a patch are halved.
    decoder : sequence of int
        Channels on the way back at each scale but the coarsest, finest first.
    heads : int
        Number of attention heads; divides every size of `encoder`.
    key : int
        Length of a key.
    dropout : float
        Part of the channels that come out of the attention dropped while training.
    context, conditioning, pixel_context, faithful
        Climate and place, see :class:`lulc_xr.models.conditioning.Conditioning`. An embedding is
        added to what the attention gives. A map of the context is averaged to each scale.

    Raises
    ------
    ModelError
        If a size cannot be built.

    References
    ----------
    Garnot, V. S. F., Landrieu, L. (2021). Panoptic segmentation of satellite image time series with
    convolutional temporal attention networks. ICCV 2021, https://arxiv.org/abs/2107.07933

    Notes
    -----
    Unlike the paper: batch norm where it has group norm, which looks at the whole patch, so that a
    pixel is mapped the same whatever block it is mapped in; a channel that says which pixels were
    seen, and attention at a pixel only to dates on which it was seen, as clouds here hide parts of
    a date; padding by zeros; smaller sizes (there: encoder 64, 64, 64, 128, decoder 32, 32, 64, 16
    heads).

    Examples
    --------
    >>> network = UTAE(bands=4, classes={"land_cover": 7}).eval()
    >>> network.receptive_field, network.stride
    (29, 4)
    >>> series, days = torch.rand(2, 5, 4, 13, 9), torch.tensor([3, 40, 41, 200, 300])
    >>> network(series, days, torch.rand(2, 5, 13, 9) > 0.4)["land_cover"].shape
    torch.Size([2, 7, 13, 9])
    """

    spatial: ClassVar[bool] = True
    needs_fixed_dates: ClassVar[bool] = False

    def __init__(
        self,
        *,
        bands: int,
        dates: int | None = None,
        classes: Mapping[str, int],
        encoder: Sequence[int] = (32, 32, 64),
        decoder: Sequence[int] = (32, 32),
        heads: int = 8,
        key: int = 4,
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
            "encoder": list(encoder),
            "decoder": list(decoder),
            "heads": heads,
            "key": key,
            "dropout": dropout,
            **self.conditioning.sizes,
        }
        _check_sizes(self.sizes)
        self.down = nn.ModuleList([_First(bands + 1, encoder[0], self.conditioning)])
        self.down.extend(_Down(*pair, self.conditioning) for pair in pairwise(encoder))
        group = encoder[-1] // heads
        self.query = nn.Parameter(torch.empty(heads, key))
        self.key = nn.Parameter(torch.empty(heads, group, key))
        # Scores of unit variance at the start, whatever the sizes.
        nn.init.normal_(self.query)
        nn.init.normal_(self.key, std=group**-0.5)
        self.embedding = self.conditioning.make_embedding(encoder[-1])
        self.attended = _normed(encoder[-1], encoder[-1], self.conditioning, side=1)
        self.dropout = nn.Dropout2d(dropout)
        self.up = nn.ModuleList(
            _Up(coarse, skipped, after, self.conditioning)
            for (after, coarse), skipped in zip(
                pairwise([*decoder, encoder[-1]]), encoder[:-1], strict=True
            )
        )
        self.feature_size = decoder[0] if decoder else encoder[-1]
        self.heads = nn.ModuleDict(
            {task: nn.Conv2d(self.feature_size, number, 1) for task, number in classes.items()}
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
            (batch, time, band, y, x) scaled reflectance; values that are masked are never read.
        days : Tensor
            (batch, time) or (time,) days since the first day of the mapped year.
        mask : Tensor or None
            (batch, time, y, x) bool, True where observed; None: every pixel of every date is.
        context : Tensor or None
            Scaled context (batch, context), or a map (batch, context, y, x), read if the network
            is conditioned.

        Returns
        -------
        dict of str to Tensor
            Task to (batch, class, y, x) logits, finite also where a pixel has no date.

        Raises
        ------
        ModelError
            If `series` has other bands than the network, `days` another number of dates, or
            context is missing.
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
        days = _check_inputs(series, days, bands=self.sizes["bands"])
        around = context_scales(self.conditioning.read(context, series), len(self.down))
        images, seen, dated = _see(series, mask, stride=self.stride)
        rows = dated.nonzero()[:, 0]
        # Dates on which nothing was seen are left out, so that batch norm does not count them.
        scales = [images[dated]]
        for level, block in enumerate(self.down):
            scales.append(block(scales[-1], around[level], rows))
        scales = scales[1:]
        hidden, attention = self._attend(scales[-1], days, seen, dated)
        if self.embedding is not None:
            hidden = self.embedding(hidden, around[-1])
        hidden = self.dropout(self.attended(hidden, around[-1]))
        for level in reversed(range(len(self.up))):
            weights = _weigh(attention, seen, dated, rows, level=level)
            skipped = _sum_dates(scales[level], weights, rows, batch=len(series))
            hidden = self.up[level](hidden, skipped, around[level])
        features: Tensor = hidden[:, :, : series.shape[3], : series.shape[4]]
        return features

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

    def _attend(
        self, coarse: Tensor, days: Tensor, seen: Tensor, dated: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Weighted sum (batch, channel, y, x), and weights (batch, time, head, y, x) of dates."""
        values = coarse.new_zeros((*dated.shape, *coarse.shape[1:]))
        values[dated] = coarse
        values = values.unflatten(2, (len(self.query), -1))
        position = encode_days(days, values.shape[3]).to(values.dtype)
        position = position if days.ndim == 2 else position[None]
        values = values + position[:, :, None, :, None, None]
        scores = torch.einsum("bthgyx,hgk,hk->bthyx", values, self.key, self.query)
        scores = scores.float() / math.sqrt(self.query.shape[1])
        attention = attend(scores, _coarsen(seen, self.stride) > 0, dim=1)
        hidden = (attention[:, :, :, None].to(values.dtype) * values).sum(1).flatten(1, 2)
        return hidden, attention

    def _reach(self, place: int) -> Reach:
        levels = len(self.down)
        reach, needed = (place, place), []
        for level in range(levels - 1):
            reach = widen(reach, 2)
            needed.append(reach)
            reach = -((2 - reach[0]) // 2), (reach[1] + 1) // 2
            cell = 2 ** (levels - 1 - level)
            # Bilinear enlargement sees the two cells whose centres are nearest.
            needed.append(((2 * needed[-1][0] + 1 - cell) // (2 * cell),
                           (2 * needed[-1][1] + 1 - cell) // (2 * cell) + 1))  # fmt: skip
        own, coarse = needed[::2], needed[1::2]
        reach = unite(reach, *coarse)
        for finer in reversed(own):
            reach = widen(reach, 2)
            reach = unite(finer, (2 * reach[0] - 1, 2 * reach[1] + 2))
        return widen(reach, 2)


class _First(nn.Module):
    """Two convolutions at the finest scale."""

    def __init__(self, before: int, after: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.one = _normed(before, after, conditioning)
        self.two = _normed(after, after, conditioning)

    def forward(self, values: Tensor, context: Tensor | None, rows: Tensor) -> Tensor:
        given: Tensor = self.two(self.one(values, context, rows), context, rows)
        return given


class _Down(nn.Module):
    """One scale coarser: a convolution of stride 2, one to more channels, and a residual one."""

    def __init__(self, before: int, after: int, conditioning: Conditioning) -> None:
        super().__init__()
        strided = nn.Conv2d(before, before, 4, stride=2, padding=1)
        self.strided = NormedLayer(strided, before, conditioning)
        self.one = _normed(before, after, conditioning)
        self.two = _normed(after, after, conditioning)

    def forward(self, values: Tensor, context: Tensor | None, rows: Tensor) -> Tensor:
        hidden = self.one(self.strided(values, context, rows), context, rows)
        given: Tensor = hidden + self.two(hidden, context, rows)
        return given


class _Up(nn.Module):
    """One scale finer: a transposed convolution beside what was seen at that scale."""

    def __init__(self, before: int, skipped: int, after: int, conditioning: Conditioning) -> None:
        super().__init__()
        enlarge = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
        self.enlarge = NormedLayer(enlarge, after, conditioning)
        self.beside = _normed(skipped, skipped, conditioning, side=1)
        self.one = _normed(after + skipped, after, conditioning)
        self.two = _normed(after, after, conditioning)

    def forward(self, values: Tensor, skipped: Tensor, context: Tensor | None) -> Tensor:
        parts = [self.enlarge(values, context), self.beside(skipped, context)]
        hidden = self.one(torch.cat(parts, dim=1), context)
        given: Tensor = hidden + self.two(hidden, context)
        return given


def _normed(before: int, after: int, conditioning: Conditioning, *, side: int = 3) -> NormedLayer:
    return NormedLayer(nn.Conv2d(before, after, side, padding=side // 2), after, conditioning)


def _see(series: Tensor, mask: Tensor | None, *, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images with a channel of what was seen, that channel, and dates (batch, time) with any.

    Images are (batch, time, band + 1, y, x), padded to cells.
    """
    if mask is None:
        mask = torch.ones_like(series[:, :, 0], dtype=torch.bool)
    else:
        series = series.masked_fill(~mask[:, :, None], 0.0)
    images = pad_end(torch.cat([series, mask[:, :, None].to(series.dtype)], dim=2), stride)
    return images, images[:, :, -1:], mask.flatten(2).any(2)


def _coarsen(seen: Tensor, factor: int) -> Tensor:
    """1 for each cell (batch, time, 1, y, x) of which any pixel was seen, else 0."""
    cells = functional.max_pool2d(seen.flatten(0, 1), factor)
    given: Tensor = cells.unflatten(0, seen.shape[:2])
    return given


def _weigh(attention: Tensor, seen: Tensor, dated: Tensor, rows: Tensor, *, level: int) -> Tensor:
    """Weights (row, head, y, x) of dates at a finer scale, of dates that were seen there."""
    cells = seen.shape[-1] // attention.shape[-1] // 2**level
    weights = functional.interpolate(
        attention[dated], scale_factor=float(cells), mode="bilinear", align_corners=False
    )
    weights = weights * _coarsen(seen, 2**level)[dated]
    total = _add_rows(weights, rows, batch=len(dated))
    return weights / total.clamp_min(_SMALLEST_WEIGHT)[rows]


def _sum_dates(values: Tensor, weights: Tensor, rows: Tensor, *, batch: int) -> Tensor:
    """Values (row, channel, y, x) summed to (batch, channel, y, x), by head under its weights."""
    heads = weights.shape[1]
    weighted = (values.unflatten(1, (heads, -1)) * weights[:, :, None].to(values.dtype)).flatten(
        1, 2
    )
    return _add_rows(weighted, rows, batch=batch)


def _add_rows(values: Tensor, rows: Tensor, *, batch: int) -> Tensor:
    """Sum of the rows of each sample, (batch, channel, y, x)."""
    if batch == 1:
        return values.sum(0, keepdim=True)  # many times faster, and all that maps need
    return values.new_zeros((batch, *values.shape[1:])).index_add(0, rows, values)


def _check_inputs(series: Tensor, days: Tensor | None, *, bands: int) -> Tensor:
    shape = tuple(series.shape)
    if len(shape) != 5 or shape[2] != bands:
        raise ModelError(
            f"series of shape {shape} does not fit a U-TAE of {bands} bands. "
            f"Pass (batch, time, {bands}, y, x)."
        )
    if days is None or tuple(days.shape) not in (shape[:2], shape[1:2]):
        raise ModelError(
            f"days {None if days is None else tuple(days.shape)} do not fit a series of "
            f"{shape[1]} dates. Pass ({shape[1]},) or {shape[:2]}."
        )
    return days


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    for name in ("bands", "heads", "key"):
        if sizes[name] < 1:
            raise ModelError(f"U-TAE with {name}={sizes[name]}. Choose {name} >= 1.")
    encoder, decoder = sizes["encoder"], sizes["decoder"]
    if not encoder or min([*encoder, *decoder]) < 1 or len(decoder) != len(encoder) - 1:
        raise ModelError(
            f"U-TAE with encoder={encoder} and decoder={decoder}. Give the channels of one or more "
            "scales, and of the decoder one less."
        )
    if any(channels % sizes["heads"] for channels in encoder):
        raise ModelError(
            f"U-TAE with encoder={encoder} cannot split its channels among {sizes['heads']} heads. "
            "Choose heads that divide each of them."
        )
    if not sizes["classes"]:
        raise ModelError("U-TAE without a task. Pass classes={'land_cover': number of classes}.")
