"""Inference forms: trained networks with batch norm folded away, run in cache-sized batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError


def fold_batch_norm(layer: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias that do in one step what a layer and its batch norm do in two.

    Parameters
    ----------
    layer : torch.nn.Module
        Convolution along time or linear layer, whose output goes straight into `norm`.
    norm : torch.nn.Module
        Batch norm with running statistics, used as in evaluation.

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
    if not isinstance(layer, (nn.Conv1d, nn.Linear)) or not isinstance(norm, nn.BatchNorm1d):
        raise ModelError(
            f"{type(norm).__name__} cannot be folded into {type(layer).__name__}. "
            "Fold BatchNorm1d into Conv1d or Linear."
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
        weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
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
    """

    def __init__(
        self,
        *,
        classes: Mapping[str, int],
        bands: int,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        dtype: torch.dtype,
        batch: int | None,
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
        self.dtype = dtype
        self.batch = batch
        self.mean: Tensor
        self.rate: Tensor
        self.register_buffer("mean", _per_band(mean, bands, default=0.0, name="mean"))
        self.register_buffer("rate", 1.0 / _per_band(std, bands, default=1.0, name="std"))

    @abstractmethod
    def logits(self, pixels: Tensor, days: Tensor | None, mask: Tensor | None) -> Tensor:
        """Logits of one batch, all tasks side by side.

        Parameters
        ----------
        pixels : Tensor
            (time, band, pixel) float32, scaled.
        days : Tensor or None
            (time,) days since the first day of the mapped year.
        mask : Tensor or None
            (time, pixel) bool, True where observed.

        Returns
        -------
        Tensor
            (pixel, class) float32; NaN where a value that the network reads is missing.
        """

    @torch.inference_mode()
    def forward(
        self, pixels: Tensor, days: Tensor | None = None, mask: Tensor | None = None
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

        Returns
        -------
        dict of str to Tensor
            Task to (class, pixel) float32 probabilities; NaN for a pixel that misses a value which
            the network reads.

        Raises
        ------
        ModelError
            If `pixels` has another number of bands.
        """
        if pixels.ndim != 3 or pixels.shape[1] != self.bands:
            raise ModelError(
                f"pixels of shape {tuple(pixels.shape)} do not fit a network of {self.bands} "
                f"bands. Pass (time, {self.bands}, pixel)."
            )
        count = pixels.shape[2]
        result = {
            task: pixels.new_empty((size, count), dtype=torch.float32)
            for task, size in self.classes.items()
        }
        for start in range(0, count, self.batch):
            part = slice(start, start + self.batch)
            seen = None if mask is None else mask[:, part]
            scaled = (pixels[:, :, part] - self.mean[:, None]).mul_(self.rate[:, None])
            logits = self.logits(scaled, days, seen).float()
            for (task, size), own in zip(
                self.classes.items(), logits.split(list(self.classes.values()), dim=1), strict=True
            ):
                result[task][:size, part] = own.softmax(dim=1).T
        return result


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


def stack_heads(heads: nn.ModuleDict) -> tuple[Tensor, Tensor]:
    """Weight (class, feature) and bias (class,) of all linear heads as one, in their order."""
    layers = [head for head in heads.values() if isinstance(head, nn.Linear)]
    weight = torch.cat([layer.weight.detach() for layer in layers])
    return weight, torch.cat([layer.bias.detach() for layer in layers])


def _per_band(values: Sequence[float] | None, bands: int, *, default: float, name: str) -> Tensor:
    tensor = torch.full((bands,), default) if values is None else torch.as_tensor(values).float()
    if tensor.shape != (bands,):
        raise ModelError(
            f"{name} has shape {tuple(tensor.shape)}, the network {bands} bands. "
            f"Give one {name} per band."
        )
    return tensor
