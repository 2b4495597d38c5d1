"""What networks of patches share: layers, borders, reach, and their form for maps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning, apply_norm, pool_context
from lulc_xr.models.fixed_dropout import fixed_dropouts
from lulc_xr.models.folded_layer import FoldedLayer
from lulc_xr.models.folding import InferenceForm, per_band

Reach = tuple[int, int]
"""First and last pixel, at one scale, that a value depends on."""


class NormedLayer(nn.Module):
    """A convolution, its norm and ReLU: one step of a network of patches.

    Parameters
    ----------
    layer : torch.nn.Module
        Convolution on images (batch, channel, y, x).
    features : int
        Channels that it gives.
    conditioning : Conditioning
        Says which norm follows.
    """

    def __init__(self, layer: nn.Module, features: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.layer = layer
        self.norm = conditioning.make_norm(features, spatial=True)

    def forward(
        self, values: Tensor, context: Tensor | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """Values (row, channel, y, x) of which `rows` says the sample of `context`, if any."""
        return functional.relu(apply_norm(self.norm, self.layer(values), context, rows))


class SpatialForm(nn.Module):
    """A trained network of patches as it runs over maps: batch norm folded, channels last.

    The network itself runs, with each :class:`NormedLayer` replaced by one folded layer.

    Parameters
    ----------
    network : torch.nn.Module
        With `sizes`; where it has ``features`` and ``heads``, the heads run in float32.
    mean, std : sequence of float or None
        Scaling of each band, applied here once: ``(pixels - mean) / std``. None: already scaled.
    dtype : torch.dtype
        Precision of weights and activations, ``torch.float32`` or ``torch.bfloat16``. Scaling,
        heads, softmax and result stay float32.
    batch : int or None
        Not used: the engine's patches are passed whole.
    context : int
        Number of context variables that the network reads; 0: it is not conditioned.
    """

    keeps_dropout: ClassVar[bool] = True

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int | None = None,
        context: int = 0,
    ) -> None:
        super().__init__()
        if dtype not in (torch.float32, torch.bfloat16):
            raise ModelError(
                f"an inference form has no precision {dtype}. Use torch.float32 or torch.bfloat16."
            )
        sizes: Mapping[str, Any] = network.sizes  # type: ignore[assignment]
        self.classes: dict[str, int] = dict(sizes["classes"])
        self.bands: int = sizes["bands"]
        self.batch, self.context, self.dtype = batch or 1, context, dtype
        self.network = fold_layers(network, dtype=dtype)
        self._fixed = tuple(fixed_dropouts(self.network))
        heads = getattr(network, "heads", None) if hasattr(network, "features") else None
        self.heads: nn.ModuleDict | None = None
        if isinstance(heads, nn.ModuleDict):
            self.heads = copy.deepcopy(heads).float().requires_grad_(False)
        self.mean: Tensor
        self.rate: Tensor
        self.register_buffer("mean", per_band(mean, self.bands, default=0.0, name="mean"))
        self.register_buffer("rate", 1.0 / per_band(std, self.bands, default=1.0, name="std"))

    @torch.inference_mode()
    def forward(
        self,
        pixels: Tensor,
        days: Tensor | None = None,
        mask: Tensor | None = None,
        context: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Probabilities of every task.

        Parameters
        ----------
        pixels : Tensor
            (time, band, y, x) float32 reflectance.
        days : Tensor or None
            (time,) days since the first day of the mapped year; None where the network ignores
            days.
        mask : Tensor or None
            (time, y, x) bool, True where observed; None: every date is.
        context : Tensor or None
            (context, y, x) float32, scaled; needed if the network is conditioned on it.

        Returns
        -------
        dict of str to Tensor
            Task to (class, y, x) float32 probabilities; NaN for a pixel of which a value is
            missing that no mask hides. Its neighbours see the mean of the band there.

        Raises
        ------
        ModelError
            If `pixels` or `context` has another shape.
        """
        if pixels.ndim != 4 or pixels.shape[1] != self.bands:
            raise ModelError(
                f"pixels of shape {tuple(pixels.shape)} do not fit a network of {self.bands} "
                f"bands. Pass (time, {self.bands}, y, x)."
            )
        around = self._read(context, pixels)
        for dropout in self._fixed:
            dropout.restart()
        scaled = (pixels - self.mean[:, None, None]).mul_(self.rate[:, None, None])
        if mask is not None:
            scaled.masked_fill_(~mask[:, None], 0.0)
        # Channels last. A transpose of two axes is much faster than the same copy of four.
        rows = scaled.flatten(2).flatten(0, 1).t().contiguous()
        missing = rows.sum(1).isnan().view(pixels.shape[2:])
        if missing.any():
            rows = rows.nan_to_num_(0.0)
        last = rows.to(self.dtype).view(*pixels.shape[2:], *pixels.shape[:2])
        series = last.permute(2, 3, 0, 1)[None]
        logits = self._logits(series, days, None if mask is None else mask[None], around)
        return {
            task: logits[task][0].float().softmax(0).masked_fill_(missing, torch.nan)
            for task in self.classes
        }

    def _logits(self, *inputs: Tensor | None) -> dict[str, Tensor]:
        if self.heads is None:
            given: dict[str, Tensor] = self.network(*inputs)
            return given
        features = self.network.features(*inputs).float()  # type: ignore[operator]
        return {task: head(features) for task, head in self.heads.items()}

    def _read(self, context: Tensor | None, pixels: Tensor) -> Tensor | None:
        if not self.context:
            return None
        expected = (self.context, *pixels.shape[2:])
        if context is None or tuple(context.shape) != expected:
            raise ModelError(
                f"context {None if context is None else tuple(context.shape)} for pixels of shape "
                f"{tuple(pixels.shape)}: this network is conditioned on {self.context} context "
                f"variables. Pass context of shape {expected}."
            )
        return context[None]


Form = InferenceForm | SpatialForm
"""A trained network as it runs over maps, of single pixels or of patches."""


def fold_layers(network: nn.Module, *, dtype: torch.dtype) -> nn.Module:
    """A copy of a trained network with every :class:`NormedLayer` as one folded layer.

    Parameters
    ----------
    network : torch.nn.Module
        Left as it is.
    dtype : torch.dtype
        Precision of the copy.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False).to(dtype)
    for name, module in network.named_modules():
        if isinstance(module, NormedLayer):
            copied.set_submodule(name, FoldedLayer(module.layer, module.norm, dtype=dtype))
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def pad_end(values: Tensor, stride: int, *, repeat: bool = False) -> Tensor:
    """Values (..., y, x) with rows and columns at the end, up to multiples of `stride`.

    Parameters
    ----------
    values : Tensor
        Any number of axes; four if `repeat`.
    stride : int
        Side of a cell.
    repeat : bool
        Repeat the last row and column, so that means over cells keep their level; else zeros.

    Examples
    --------
    >>> pad_end(torch.ones(1, 5, 8), 4).shape
    torch.Size([1, 8, 8])
    """
    margins = (0, -values.shape[-1] % stride, 0, -values.shape[-2] % stride)
    if not any(margins):
        return values
    return functional.pad(values, margins, mode="replicate" if repeat else "constant")


def context_scales(context: Tensor | None, levels: int) -> list[Tensor | None]:
    """Context at the scales 1, 2, 4, ... of a network that halves its images level by level."""
    if context is not None and context.ndim == 4:
        context = pad_end(context, 2 ** (levels - 1), repeat=True)
        context = context.contiguous(memory_format=torch.channels_last)
    return [pool_context(context, 2**level) for level in range(levels)]


def receptive_field(stride: int, reach: Callable[[int], Reach]) -> int:
    """Pixels that a network sees on each side, the most over all places within a cell.

    Parameters
    ----------
    stride : int
        Side of a cell.
    reach : callable
        First and last pixel of the input that the output at a pixel depends on.
    """
    spans = ((place, reach(place)) for place in range(stride))
    return max(max(place - first, last - place) for place, (first, last) in spans)


def unite(*reaches: Reach) -> Reach:
    """The reach of a value that depends on several."""
    return min(first for first, _ in reaches), max(last for _, last in reaches)


def widen(reach: Reach, pixels: int) -> Reach:
    """Reach before a convolution that sees `pixels` on each side."""
    return reach[0] - pixels, reach[1] + pixels
