"""TempCNN: convolutions along the dates of one pixel (Pelletier et al. 2019)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning, apply_norm
from lulc_xr.models.fixed_dropout import FixedDropout
from lulc_xr.models.folded_layer import FoldedLayer
from lulc_xr.models.folding import InferenceForm, mark_missing, stack_heads


class TempCNN(nn.Module):
    """Classes of single pixels, from three convolutions along time and one dense layer.

    Parameters
    ----------
    bands : int
        Number of bands.
    dates : int
        Number of dates; fixed, as the dense layer sees each date at its own place.
    classes : mapping of str to int
        Task to its number of classes; each task gets one linear head.
    filters : int
        Filters of each convolution.
    kernel : int
        Dates under a filter, odd.
    layers : int
        Number of convolutions.
    dense : int
        Units of the dense layer.
    dropout : float
        Part of the units dropped after every layer while training. The paper drops 0.5; with
        some hundred samples and averaged weights 0.1 was better in validation.
    context, conditioning, pixel_context, faithful
        Climate and place, see :class:`lulc_xr.models.conditioning.Conditioning`. An embedding is
        added to what the last convolution gives, at every date alike.

    Raises
    ------
    ModelError
        If a size cannot be built.

    References
    ----------
    Pelletier, C., Webb, G. I., Petitjean, F. (2019). Temporal convolutional neural network for the
    classification of satellite image time series. Remote Sensing 11(5), 523.
    https://doi.org/10.3390/rs11050523

    Examples
    --------
    >>> network = TempCNN(bands=10, dates=12, classes={"land_cover": 7})
    >>> logits = network(torch.rand(4, 12, 10), torch.arange(0, 360, 30), None)
    >>> logits["land_cover"].shape
    torch.Size([4, 7])
    """

    receptive_field: ClassVar[int] = 0
    needs_fixed_dates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        bands: int,
        dates: int,
        classes: Mapping[str, int],
        filters: int = 64,
        kernel: int = 5,
        layers: int = 3,
        dense: int = 256,
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
            "filters": filters,
            "kernel": kernel,
            "layers": layers,
            "dense": dense,
            "dropout": dropout,
            **self.conditioning.sizes,
        }
        _check_sizes(self.sizes)
        widths = [bands, *[filters] * layers]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, padding=kernel // 2)
            for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(self.conditioning.make_norm(filters) for _ in range(layers))
        self.embedding = self.conditioning.make_embedding(filters)
        self.dense = nn.Linear(filters * dates, dense)
        self.dense_norm = self.conditioning.make_norm(dense)
        self.dropout = nn.Dropout(dropout)
        self.feature_size = dense
        self.heads = nn.ModuleDict({task: nn.Linear(dense, n) for task, n in classes.items()})

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
            (batch, time, band) scaled reflectance without gaps.
        days, mask : Tensor or None
            Not used: dates stand at fixed places and gaps are filled before.
        context : Tensor or None
            (batch, context) scaled context, read if the network is conditioned.

        Returns
        -------
        dict of str to Tensor
            Task to (batch, class) logits.

        Raises
        ------
        ModelError
            If `series` has other dates or bands than the network, or context is missing.
        """
        hidden = self.features(series, days, mask, context)
        return {task: head(hidden) for task, head in self.heads.items()}

    def features(
        self,
        series: Tensor,
        days: Tensor | None = None,
        mask: Tensor | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """What the heads see, (batch, feature); parameters as in :meth:`forward`."""
        expected = (self.sizes["dates"], self.sizes["bands"])
        if series.ndim != 3 or series.shape[1:] != expected:
            raise ModelError(
                f"series of shape {tuple(series.shape)} does not fit a TempCNN of {expected[0]} "
                f"dates and {expected[1]} bands. Pass (batch, {expected[0]}, {expected[1]})."
            )
        context = self.conditioning.read(context, series)
        hidden = series.transpose(1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            normalised = apply_norm(norm, convolution(hidden), context)
            hidden = self.dropout(functional.relu(normalised))
        if self.embedding is not None:
            hidden = self.embedding(hidden, context)
        hidden = apply_norm(self.dense_norm, self.dense(hidden.flatten(1)), context)
        features: Tensor = self.dropout(functional.relu(hidden))
        return features

    def inference_form(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int | None = None,
    ) -> TempCNNForm:
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
        TempCNNForm
            ``form(pixels, context=context)`` gives probabilities; see
            :class:`lulc_xr.models.folding.InferenceForm`.
        """
        return TempCNNForm(self, mean=mean, std=std, dtype=dtype, batch=batch).to(
            self.dense.weight.device
        )


class TempCNNForm(InferenceForm):
    """TempCNN with batch norm folded, on activations (pixel, time, filter).

    Channels last is what the processor's convolution kernels read and write without copies; with
    the pixels as image rows a whole batch is one image.
    """

    keeps_dropout: ClassVar[bool] = True

    def __init__(self, network: TempCNN, *, dtype: torch.dtype, **scaling: Any) -> None:
        sizes = network.sizes
        super().__init__(
            classes=sizes["classes"],
            bands=sizes["bands"],
            dtype=dtype,
            context=network.conditioning.read_size,
            **scaling,
        )
        self.dates: int = sizes["dates"]
        self.convolutions = nn.ModuleList(
            FoldedLayer(convolution, norm, dtype=dtype)
            for convolution, norm in zip(network.convolutions, network.norms, strict=True)
        )
        self.dense = FoldedLayer(network.dense, network.dense_norm, dtype=dtype)
        by_date = self.dense.weight.view(-1, sizes["filters"], self.dates)
        self.dense.weight = by_date.transpose(1, 2).flatten(1).contiguous()
        self.embedding = copy.deepcopy(network.embedding)
        drop, layers = network.dropout, len(network.convolutions)
        self.masks: list[Tensor] = []
        if isinstance(drop, FixedDropout):
            # Channels last, as the activations: else ten members cost eleven passes instead of ten.
            shape = (sizes["filters"], self.dates)
            drawn = [drop.mask(*shape, call=call).t().contiguous() for call in range(layers)]
            if self.embedding is None:
                self.dense.weight *= drawn.pop().flatten().to(dtype)
            self.masks = [mask.to(dtype) for mask in drawn]
        head, head_bias = stack_heads(network.heads, drop, call=layers)
        # Heads stay float32: they cost little, and rounded they double the classes that flip.
        self.register_buffer("head", head)
        self.register_buffer("head_bias", head_bias)

    def logits(
        self,
        pixels: Tensor,
        days: Tensor | None,
        mask: Tensor | None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Logits (pixel, class) from scaled pixels (time, band, pixel)."""
        if pixels.shape[0] != self.dates:
            raise ModelError(
                f"pixels have {pixels.shape[0]} dates, this TempCNN {self.dates}. "
                f"Composite the cube to {self.dates} dates."
            )
        # A transpose of two axes is five times faster than the same copy as a permutation of three.
        rows = pixels.to(self.dtype).flatten(0, 1).t().contiguous()
        hidden = rows.view(1, -1, *pixels.shape[:2]).permute(0, 3, 1, 2)
        # Pixels are rows of one image, so their context is a map of one column.
        column = None if context is None else context.T[None, :, :, None]
        for index, layer in enumerate(self.convolutions):
            hidden = layer(hidden, column)
            if index < len(self.masks):
                hidden.permute(0, 2, 3, 1).mul_(self.masks[index].to(hidden.device))
        if self.embedding is not None:
            hidden = self.embedding(hidden.float(), column).to(self.dtype)
        flat = hidden.permute(0, 2, 3, 1).flatten(2)[0]
        units = self.dense(flat, context).float()
        head, bias = self.get_buffer("head"), self.get_buffer("head_bias")
        return mark_missing(functional.linear(units, head, bias), pixels)


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    for name in ("bands", "dates", "filters", "kernel", "layers", "dense"):
        if sizes[name] < 1:
            raise ModelError(f"TempCNN with {name}={sizes[name]}. Choose {name} >= 1.")
    if sizes["kernel"] % 2 == 0:
        raise ModelError(
            f"TempCNN with kernel={sizes['kernel']}: an even kernel has no centre date. "
            f"Choose an odd kernel, such as {sizes['kernel'] + 1}."
        )
    if not sizes["classes"]:
        raise ModelError("TempCNN without a task. Pass classes={'land_cover': number of classes}.")
