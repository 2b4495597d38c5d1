"""L-TAE: attention over the days on which a pixel was seen (Garnot and Landrieu 2020)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning, apply_norm
from lulc_xr.models.fixed_dropout import mask_inputs
from lulc_xr.models.folded_layer import FoldedLayer
from lulc_xr.models.folding import InferenceForm, mark_missing, stack_heads

# Bound of the day encoding, in days: the tau of the paper.
PERIOD = 1000.0
# Taken from the scores of dates that were not observed: their weight becomes exactly zero.
UNSEEN = 1e30


class LTAE(nn.Module):
    """Classes of single pixels, from attention over any number of irregular dates.

    Every date of a pixel goes through a small encoder and gets its day added as sines. Each head
    looks at its own group of channels and weighs the dates by one learnt query; the weighted sums
    of all heads go through a decoder.

    Parameters
    ----------
    bands : int
        Number of bands.
    dates : int or None
        Not used, as any number of dates fits; taken so that all networks are built alike.
    classes : mapping of str to int
        Task to its number of classes; each task gets one linear head.
    encoder : sequence of int
        Units of the pixel encoder; the last is the number of channels under attention.
    heads : int
        Number of attention heads; divides the number of channels.
    key : int
        Length of a key.
    decoder : sequence of int
        Units of the decoder, the first after the heads are put together.
    dropout : float
        Part of the channels dropped after the heads are put together, while training.
    context, conditioning, pixel_context, faithful
        Climate and place, see :class:`lulc_xr.models.conditioning.Conditioning`. An embedding is
        added to what the attention gives.

    Raises
    ------
    ModelError
        If a size cannot be built.

    References
    ----------
    Garnot, V. S. F., Landrieu, L. (2020). Lightweight temporal self-attention for classifying
    satellite images time series. AALTD 2020, https://doi.org/10.1007/978-3-030-65742-0_12

    Examples
    --------
    >>> network = LTAE(bands=10, classes={"land_cover": 7}).eval()
    >>> days = torch.tensor([3, 40, 41, 200])
    >>> logits = network(torch.rand(5, 4, 10), days, torch.rand(5, 4) > 0.3)
    >>> logits["land_cover"].shape
    torch.Size([5, 7])
    """

    receptive_field: ClassVar[int] = 0
    needs_fixed_dates: ClassVar[bool] = False

    def __init__(
        self,
        *,
        bands: int,
        dates: int | None = None,
        classes: Mapping[str, int],
        encoder: Sequence[int] = (64, 128),
        heads: int = 16,
        key: int = 8,
        decoder: Sequence[int] = (128, 64, 32),
        dropout: float = 0.2,
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
            "heads": heads,
            "key": key,
            "decoder": list(decoder),
            "dropout": dropout,
            **self.conditioning.sizes,
        }
        _check_sizes(self.sizes)
        channels = encoder[-1]
        group = channels // heads
        self.encoder = nn.ModuleList(
            _Layer(*pair, self.conditioning) for pair in pairwise([bands, *encoder])
        )
        self.query = nn.Parameter(torch.empty(heads, key))
        self.key = nn.Parameter(torch.empty(heads, group, key))
        # Scores of unit variance at the start, whatever the sizes.
        nn.init.normal_(self.query)
        nn.init.normal_(self.key, std=group**-0.5)
        self.embedding = self.conditioning.make_embedding(channels)
        self.decoder = nn.ModuleList(
            _Layer(*pair, self.conditioning) for pair in pairwise([channels, *decoder])
        )
        self.dropout = nn.Dropout(dropout)
        self.feature_size = decoder[-1]
        self.heads = nn.ModuleDict({task: nn.Linear(decoder[-1], n) for task, n in classes.items()})

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
            (batch, time, band) scaled reflectance; values at masked dates are never read.
        days : Tensor
            (batch, time) or (time,) days since the first day of the mapped year.
        mask : Tensor or None
            (batch, time) bool, True where observed; None: every date is. A pixel without any date
            gets the same finite logits as every other such pixel of its context.
        context : Tensor or None
            (batch, context) scaled context, read if the network is conditioned.

        Returns
        -------
        dict of str to Tensor
            Task to (batch, class) logits.

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
        """What the heads see, (batch, feature); parameters as in :meth:`forward`."""
        if days is None:
            raise ModelError("L-TAE needs the day of each date. Pass days, such as (time,).")
        _check_inputs(tuple(series.shape), tuple(days.shape), bands=self.sizes["bands"])
        if mask is None:
            mask = torch.ones(series.shape[:2], dtype=torch.bool, device=series.device)
        context = self.conditioning.read(context, series)
        # Only observed dates are encoded, so that gaps do not enter the statistics of batch norm.
        encoded, rows = series[mask], mask.nonzero()[:, 0]
        for layer in self.encoder:
            encoded = layer(encoded, context, rows)
        heads, key = self.query.shape
        features = encoded.new_zeros((*mask.shape, encoded.shape[-1]))
        features[mask] = encoded
        values = features.unflatten(-1, (heads, -1))
        values = values + encode_days(days, self.key.shape[1])[..., None, :]
        scores = torch.einsum("bthg,hgk,hk->bth", values, self.key, self.query) / math.sqrt(key)
        weights = attend(scores, mask[..., None], dim=1)[..., None]
        hidden: Tensor = (weights * values).sum(1).flatten(1)
        if self.embedding is not None:
            hidden = self.embedding(hidden, context)
        for index, layer in enumerate(self.decoder):
            hidden = layer(hidden, context)
            hidden = self.dropout(hidden) if index == 0 else hidden
        return hidden

    def inference_form(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int | None = None,
    ) -> LTAEForm:
        """This network, as trained by now, in the form that runs fastest over maps.

        Parameters
        ----------
        mean, std : sequence of float, optional
            Scaling of each band, if `pixels` come unscaled.
        dtype : torch.dtype
            ``torch.float32`` (exact) or ``torch.bfloat16`` (faster).
        batch : int, optional
            Pixels per pass; by default what is fastest on a processor.

        Returns
        -------
        LTAEForm
            ``form(pixels, days, mask, context)`` gives probabilities; see
            :class:`lulc_xr.models.folding.InferenceForm`.
        """
        return LTAEForm(self, mean=mean, std=std, dtype=dtype, batch=batch).to(self.query.device)


class LTAEForm(InferenceForm):
    """L-TAE with batch norm folded and keys and queries multiplied out, on (time, pixel, channel).

    A query never changes after training, so query times key is one linear map from channels to
    scores, and keys are never made.
    """

    keeps_dropout: ClassVar[bool] = True

    def __init__(self, network: LTAE, *, dtype: torch.dtype, **scaling: Any) -> None:
        sizes = network.sizes
        super().__init__(
            classes=sizes["classes"],
            bands=sizes["bands"],
            dtype=dtype,
            context=network.conditioning.read_size,
            **scaling,
        )
        self.encoder = nn.ModuleList(_folded(layer, dtype) for layer in network.encoder)
        self.embedding = copy.deepcopy(network.embedding)
        # Dropout stands behind the first layer of the decoder.
        drops = [network.dropout if index == 1 else None for index in range(len(network.decoder))]
        self.decoder = nn.ModuleList(
            _folded(layer, dtype, dropout)
            for layer, dropout in zip(network.decoder, drops, strict=True)
        )
        query = torch.einsum("hgk,hk->hg", network.key.detach(), network.query.detach())
        query = query / math.sqrt(sizes["key"])
        self.group = query.shape[1]
        self.query: Tensor
        self.register_buffer("query", torch.block_diag(*query).to(dtype))
        last = network.dropout if len(network.decoder) == 1 else None
        self.head = _linear(*stack_heads(network.heads, last), torch.float32)

    def logits(
        self,
        pixels: Tensor,
        days: Tensor | None,
        mask: Tensor | None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Logits (pixel, class) from scaled pixels (time, band, pixel)."""
        if days is None:
            raise ModelError("L-TAE needs the day of each date. Pass days (time,).")
        if days.shape != pixels.shape[:1]:
            raise ModelError(
                f"days of shape {tuple(days.shape)} do not fit {pixels.shape[0]} dates. "
                f"Pass ({pixels.shape[0]},)."
            )
        if mask is not None:
            # Not a product: a missing value is NaN.
            pixels = pixels.masked_fill(~mask[:, None], 0.0)
        rows = pixels.to(self.dtype).flatten(0, 1).t().contiguous()
        hidden = rows.view(-1, *pixels.shape[:2])
        for layer in self.encoder:
            hidden = layer(hidden, context)
        weights = self.weigh_dates(hidden, encode_days(days, self.group), mask)
        # All heads times all channels, of which each head keeps its own: many times the products,
        # yet faster than a sum over small groups, as it is one matrix product per pixel.
        products = torch.bmm(weights.to(self.dtype).transpose(1, 2), hidden)
        own = products.unflatten(2, (-1, self.group)).diagonal(0, 1, 2).transpose(1, 2)
        position = torch.einsum("pth,tg->phg", weights, encode_days(days, self.group))
        hidden = (own + position).flatten(1)
        if self.embedding is not None:
            hidden = self.embedding(hidden, context)
        hidden = hidden.to(self.dtype)
        for layer in self.decoder:
            hidden = layer(hidden, context)
        return mark_missing(self.head(hidden.float()), pixels)

    def weigh_dates(self, hidden: Tensor, position: Tensor, mask: Tensor | None) -> Tensor:
        """Attention (pixel, time, head) float32 from encoded dates (pixel, time, channel)."""
        heads = self.query.shape[0]
        scores = functional.linear(hidden, self.query).float()
        scores += position.repeat(1, heads) @ self.query.float().T
        if mask is None:
            return scores.softmax(1)
        seen = mask.T[..., None].float()
        return scores.add_((seen - 1.0) * UNSEEN).softmax(1).mul_(seen)


def encode_days(days: Tensor, size: int) -> Tensor:
    """Days as pairs of a sine and a cosine, of periods from six days to years.

    Parameters
    ----------
    days : Tensor
        (...,) days since the first day of the mapped year.
    size : int
        Length of the encoding.

    Returns
    -------
    Tensor
        (..., size) float32: ``sin(day / 1000**(2 (i // 2) / size) + pi / 2 * (i mod 2))``
        for channel i.

    References
    ----------
    Garnot and Landrieu (2020), as in :class:`LTAE`.
    """
    index = torch.arange(size, device=days.device)
    angle = days.float()[..., None] / PERIOD ** (2 * (index // 2) / size)
    return torch.sin(angle + math.pi / 2 * (index % 2))


class _Layer(nn.Module):
    """Linear layer, norm, ReLU."""

    def __init__(self, before: int, after: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.linear = nn.Linear(before, after)
        self.norm = conditioning.make_norm(after)

    def forward(self, values: Tensor, context: Tensor | None, rows: Tensor | None = None) -> Tensor:
        return functional.relu(apply_norm(self.norm, self.linear(values), context, rows))


def attend(scores: Tensor, mask: Tensor | None, *, dim: int) -> Tensor:
    """Softmax over the observed dates; all zero where there is none."""
    if mask is None:
        return scores.softmax(dim)
    low = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, low).softmax(dim).masked_fill(~mask, 0.0)


def _folded(layer: nn.Module, dtype: torch.dtype, dropout: nn.Module | None = None) -> FoldedLayer:
    linear = mask_inputs(layer.get_submodule("linear"), dropout)
    return FoldedLayer(linear, layer.get_submodule("norm"), dtype=dtype)


def _linear(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=dtype)
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    return linear.requires_grad_(False)


def _check_inputs(series: tuple[int, ...], days: tuple[int, ...], *, bands: int) -> None:
    if len(series) != 3 or series[2] != bands:
        raise ModelError(
            f"series of shape {series} does not fit an L-TAE of {bands} bands. "
            f"Pass (batch, time, {bands})."
        )
    if days not in (series[:2], series[1:2]):
        raise ModelError(
            f"days of shape {days} do not fit a series of {series[1]} dates. "
            f"Pass ({series[1]},) or {series[:2]}."
        )


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    for name in ("bands", "heads", "key"):
        if sizes[name] < 1:
            raise ModelError(f"L-TAE with {name}={sizes[name]}. Choose {name} >= 1.")
    for name in ("encoder", "decoder"):
        if not sizes[name] or min(sizes[name]) < 1:
            raise ModelError(
                f"L-TAE with {name}={sizes[name]}. Give one or more layers of 1 or more units."
            )
    channels, heads = sizes["encoder"][-1], sizes["heads"]
    if channels % heads:
        raise ModelError(
            f"L-TAE with {channels} channels cannot be split among {heads} heads. "
            "Choose heads that divide the last size of encoder."
        )
    if not sizes["classes"]:
        raise ModelError("L-TAE without a task. Pass classes={'land_cover': number of classes}.")
