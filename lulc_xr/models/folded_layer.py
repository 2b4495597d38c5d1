"""A layer, its norm and ReLU as one step of an inference form, whether conditioned or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import ConditionalNorm
from lulc_xr.models.folding import FOLDABLE, fold_batch_norm, rectify


class FoldedLayer(nn.Module):
    """A convolution or linear layer, its norm and ReLU as they run over maps.

    A plain batch norm is folded into the weights and costs nothing. Of a conditional norm
    ``gamma * (w x + bias) + beta = gamma * (w x) + (gamma * bias + beta)`` is left, which is one
    multiplication and one addition per value, whatever the context is.

    Parameters
    ----------
    layer : torch.nn.Module
        Linear layer on (batch, ..., channel), or convolution on channels-last images (batch,
        channel, y, x). A convolution along time runs on images (1, channel, pixel, time).
    norm : torch.nn.Module or None
        Batch norm or conditional norm behind it.
    dtype : torch.dtype
        Precision of weights and activations; scale and shift are computed in float32.
    """

    def __init__(
        self, layer: nn.Module, norm: nn.Module | None = None, *, dtype: torch.dtype
    ) -> None:
        super().__init__()
        weight, bias = _as_it_is(layer) if norm is None else fold_batch_norm(layer, norm)
        self.norm: ConditionalNorm | None = None
        if isinstance(norm, ConditionalNorm):
            self.norm = copy.deepcopy(norm).requires_grad_(False)
        self.operation: Callable[..., Tensor] = functional.linear
        self.settings: dict[str, Any] = {}
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)):
            transposed = isinstance(layer, nn.ConvTranspose2d)
            self.operation = functional.conv_transpose2d if transposed else functional.conv2d
            padding, stride = tuple(layer.padding), tuple(layer.stride)
            if isinstance(layer, nn.Conv1d):
                weight, padding, stride = weight[:, :, None], (0, *padding), (1, *stride)
            self.settings = {"padding": padding, "stride": stride}
            weight = weight.contiguous(memory_format=torch.channels_last)
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
                self.operation, self.settings = _apply_pointwise, {}
                weight = weight.flatten(1)
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", weight.to(dtype))
        self.register_buffer("bias", bias.to(dtype) if self.norm is None else bias)

    def forward(
        self,
        values: Tensor,
        context: Tensor | None = None,
        rows: Tensor | None = None,
        *,
        rectified: bool = True,
    ) -> Tensor:
        """Values through layer, norm and, unless `rectified` is False, ReLU.

        Parameters
        ----------
        values : Tensor
            (batch, ..., channel) for a linear layer, (batch, channel, y, x) for a convolution.
        context : Tensor or None
            (batch, context), or a map (batch, context, y, x) of which y and x may be 1.
        rows : Tensor or None
            (row,) the sample of `context` that each row of `values` belongs to.
        """
        if self.norm is None:
            hidden = self.operation(values, self.weight, self.bias, **self.settings)
        else:
            assert context is not None
            gamma, beta = self.norm.scale_and_shift(context)
            beta = torch.addcmul(beta, gamma, self.bias.view(-1, *(1,) * (gamma.ndim - 2)))
            if rows is not None:
                gamma, beta = gamma[rows], beta[rows]
            hidden = self.operation(values, self.weight, **self.settings)
            gamma, beta = (self._beside(v.to(hidden.dtype), hidden) for v in (gamma, beta))
            torch.addcmul(beta, hidden, gamma, out=hidden)
        return rectify(hidden) if rectified else hidden

    def _beside(self, values: Tensor, hidden: Tensor) -> Tensor:
        """Values (batch, channel[, y, x]) with axes of length 1 where `hidden` has more."""
        ones = (1,) * (hidden.ndim - values.ndim)
        if self.operation is functional.linear:
            return values.view(values.shape[0], *ones, values.shape[1])
        return values.view(*values.shape, *ones)


def _apply_pointwise(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1x1 convolution of channels-last images, as one matrix product."""
    return functional.linear(values.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def _as_it_is(layer: nn.Module) -> tuple[Tensor, Tensor]:
    if not isinstance(layer, FOLDABLE):
        raise ModelError(
            f"{type(layer).__name__} has no folded form. Use a convolution or a linear layer."
        )
    weight = layer.weight.detach().float()
    features = weight.shape[1] if isinstance(layer, nn.ConvTranspose2d) else weight.shape[0]
    return weight, weight.new_zeros(features) if layer.bias is None else layer.bias.detach().float()
