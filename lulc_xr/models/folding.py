"""Inference forms: trained networks with batch norm folded away, run in cache-sized batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import ConditionalNorm
from lulc_xr.models.fixed_dropout import mask_inputs

FOLDABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


def fold_batch_norm(layer: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias that do in one step what a layer and its batch norm do in two.

    Parameters
    ----------
    layer : torch.nn.Module
        Convolution or linear layer, whose output goes straight into `norm`.
    norm : torch.nn.Module
        Batch norm with running statistics, used as in evaluation. Of a conditional norm the part
        that does not depend on the context.

    Returns
    -------
    weight : Tensor
        Shape of ``layer.weight``, float32.
    bias : Tensor
        (out,), float32.

    Raises
    ------
    ModelError
        If these are other layers, or `norm` keeps no running statistics.

    Examples
    --------
    >>> layer, norm = nn.Linear(3, 2), nn.BatchNorm1d(2).eval()
    >>> weight, bias = fold_batch_norm(layer, norm)
    >>> x = torch.rand(4, 3)
    >>> torch.allclose(nn.functional.linear(x, weight, bias), norm(layer(x)), atol=1e-6)
    True
    """
    norm = norm.norm if isinstance(norm, ConditionalNorm) else norm
    if not isinstance(layer, FOLDABLE) or not isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
        raise ModelError(
            f"{type(norm).__name__} cannot be folded into {type(layer).__name__}. "
            "Fold BatchNorm1d or BatchNorm2d into a convolution or a linear layer."
        )
    if norm.running_mean is None or norm.running_var is None:
        raise ModelError(
            "batch norm without running statistics cannot be folded. "
            "Build it with track_running_stats=True."
        )
    with torch.no_grad():
        # In float64, since the fold itself must not cost the accuracy that it promises to keep.
        scale = torch.rsqrt(norm.running_var.double() + norm.eps)
        if norm.weight is not None:
            scale = scale * norm.weight.double()
        shift = -norm.running_mean.double() * scale
        if norm.bias is not None:
            shift = shift + norm.bias.double()
        if layer.bias is not None:
            shift = shift + layer.bias.double() * scale
        # Transposed convolutions keep their output channels on the second axis.
        out = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        axes = [-1 if axis == out else 1 for axis in range(layer.weight.ndim)]
        weight = layer.weight.double() * scale.view(axes)
        return weight.float(), shift.float()


class InferenceForm(nn.Module, ABC):
    """A trained network as it runs over maps: same probabilities, no batch norm, no dropout.

    Takes pixels as they lie in the memory of the prediction engine and gives probabilities in the
    layout of a class map; nothing has to be transposed, scaled or batched by the caller.

    Parameters
    ----------
    classes : mapping of str to int
        Task to its number of classes.
    bands : int
        Number of bands.
    mean, std : sequence of float or None
        Scaling of each band, applied here once: ``(pixels - mean) / std``. None: already scaled.
    dtype : torch.dtype
        Precision of weights and activations, ``torch.float32`` or ``torch.bfloat16``. Scaling,
        heads, softmax and result stay float32.
    batch : int or None
        Pixels per pass. None: 512 in float32 and 1024 in bfloat16, where activations still fit the
        processor's cache; a GPU wants far more.
    context : int
        Number of context variables that the network reads; 0: it is not conditioned.

    Attributes
    ----------
    keeps_dropout : bool
        The form does the :class:`lulc_xr.models.fixed_dropout.FixedDropout` of its network.
    """

    keeps_dropout: ClassVar[bool] = False

    def __init__(
        self,
        *,
        classes: Mapping[str, int],
        bands: int,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        dtype: torch.dtype,
        batch: int | None,
        context: int = 0,
    ) -> None:
        super().__init__()
        if dtype not in (torch.float32, torch.bfloat16):
            raise ModelError(
                f"an inference form has no precision {dtype}. Use torch.float32 or torch.bfloat16."
            )
        if batch is None:
            batch = 1024 if dtype == torch.bfloat16 else 512
        if batch < 1:
            raise ModelError(f"batch of {batch} pixels. Choose batch >= 1.")
        self.classes = dict(classes)
        self.bands = bands
        self.context = context
        self.dtype = dtype
        self.batch = batch
        self.mean: Tensor
        self.rate: Tensor
        self.register_buffer("mean", per_band(mean, bands, default=0.0, name="mean"))
        self.register_buffer("rate", 1.0 / per_band(std, bands, default=1.0, name="std"))

    @abstractmethod
    def logits(
        self,
        pixels: Tensor,
        days: Tensor | None,
        mask: Tensor | None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Logits of one batch, all tasks side by side.

        Parameters
        ----------
        pixels : Tensor
            (time, band, pixel) float32, scaled.
        days : Tensor or None
            (time,) days since the first day of the mapped year.
        mask : Tensor or None
            (time, pixel) bool, True where observed.
        context : Tensor or None
            (pixel, context) float32, scaled; None where the network is not conditioned.

        Returns
        -------
        Tensor
            (pixel, class) float32; NaN where a value that the network reads is missing.
        """

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
            (time, band, pixel) float32 reflectance, contiguous for best speed.
        days : Tensor or None
            (time,) days since the first day of the mapped year; None where the network ignores
            days.
        mask : Tensor or None
            (time, pixel) bool, True where observed; None: every date is.
        context : Tensor or None
            (context, pixel) float32, scaled; needed if the network is conditioned on it.

        Returns
        -------
        dict of str to Tensor
            Task to (class, pixel) float32 probabilities; NaN for a pixel that misses a value which
            the network reads.

        Raises
        ------
        ModelError
            If `pixels` has another number of bands, or `context` is missing or of another shape.
        """
        if pixels.ndim != 3 or pixels.shape[1] != self.bands:
            raise ModelError(
                f"pixels of shape {tuple(pixels.shape)} do not fit a network of {self.bands} "
                f"bands. Pass (time, {self.bands}, pixel)."
            )
        context = self._read(context, pixels)
        count = pixels.shape[2]
        result = {
            task: pixels.new_empty((size, count), dtype=torch.float32)
            for task, size in self.classes.items()
        }
        for start in range(0, count, self.batch):
            part = slice(start, start + self.batch)
            seen = None if mask is None else mask[:, part]
            scaled = (pixels[:, :, part] - self.mean[:, None]).mul_(self.rate[:, None])
            # Forms of other packages that know no context take three arguments.
            extra = () if context is None else (context[:, part].T.contiguous(),)
            logits = self.logits(scaled, days, seen, *extra).float()
            for (task, size), own in zip(
                self.classes.items(), logits.split(list(self.classes.values()), dim=1), strict=True
            ):
                result[task][:size, part] = own.softmax(dim=1).T
        return result

    def _read(self, context: Tensor | None, pixels: Tensor) -> Tensor | None:
        if not self.context:
            return None
        if context is None or context.shape != (self.context, *pixels.shape[2:]):
            raise ModelError(
                f"context {None if context is None else tuple(context.shape)} for pixels of shape "
                f"{tuple(pixels.shape)}: this network is conditioned on {self.context} context "
                f"variables. Pass context of shape {(self.context, *pixels.shape[2:])}."
            )
        return context


def rectify(values: Tensor) -> Tensor:
    """ReLU in place, of values that are not part of a gradient.

    A bfloat16 number is negative where the same bits as int16 are. Clamping the bits takes a sixth
    of the time of PyTorch's ReLU, which goes through float32. A NaN may become zero, so forms end
    with :func:`mark_missing`.

    Parameters
    ----------
    values : Tensor
        Any shape; overwritten.

    Returns
    -------
    Tensor
        `values`.

    Examples
    --------
    >>> rectify(torch.tensor([-1.0, 0.0, 2.0], dtype=torch.bfloat16))
    tensor([0., 0., 2.], dtype=torch.bfloat16)
    """
    if values.dtype == torch.bfloat16:
        values.view(torch.int16).clamp_min_(0)
        return values
    return values.relu_()


def mark_missing(logits: Tensor, pixels: Tensor) -> Tensor:
    """Logits (pixel, class), overwritten by NaN where pixels (time, band, pixel) hold a NaN."""
    return logits.masked_fill_(pixels.sum((0, 1)).isnan()[:, None], torch.nan)


def stack_heads(
    heads: nn.ModuleDict, dropout: nn.Module | None = None, *, call: int = 0
) -> tuple[Tensor, Tensor]:
    """Weight (class, feature) and bias (class,) of all linear heads as one, in their order.

    A fixed `dropout` of what the heads see, at its call of this number, is done in the weights.
    """
    layers = [
        layer
        for head in heads.values()
        if isinstance(layer := mask_inputs(head, dropout, call=call), nn.Linear)
    ]
    weight = torch.cat([layer.weight.detach() for layer in layers])
    return weight, torch.cat([layer.bias.detach() for layer in layers])


def per_band(values: Sequence[float] | None, bands: int, *, default: float, name: str) -> Tensor:
    """Values as a tensor (band,), or `default` for each; ModelError if their number differs."""
    tensor = torch.full((bands,), default) if values is None else torch.as_tensor(values).float()
    if tensor.shape != (bands,):
        raise ModelError(
            f"{name} has shape {tuple(tensor.shape)}, the network {bands} bands. "
            f"Give one {name} per band."
        )
    return tensor
