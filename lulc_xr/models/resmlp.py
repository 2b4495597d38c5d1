"""ResMLP: a residual multilayer perceptron over all values of one pixel, for tables of metrics."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning, apply_norm
from lulc_xr.models.fixed_dropout import mask_inputs
from lulc_xr.models.folded_layer import FoldedLayer
from lulc_xr.models.folding import InferenceForm, mark_missing, stack_heads


class ResMLP(nn.Module):
    """Classes of single pixels, from dense layers over all dates and bands at once.

    The order of the values means nothing to it: the network for annual metrics, where there is
    one date and many bands, and a strong plain one for composites.

    Parameters
    ----------
    bands : int
        Number of bands, or of metrics.
    dates : int
        Number of dates; fixed, as each value has weights of its own. 1 for a table of metrics.
    classes : mapping of str to int
        Task to its number of classes; each task gets one linear head.
    width : int
        Units of the residual stream.
    hidden : int
        Units inside a block.
    blocks : int
        Number of blocks, each of which adds to the stream what two layers make of it.
    frequencies : int
        Learnt sines and cosines by which every value enters beside itself; 0: only itself. They
        let the first layer bend, which trees do by thresholds.
    spread : float
        Standard deviation of the frequencies at the start, in cycles per standard deviation.
    dropout : float
        Part of the units dropped in every block and before the heads while training.
    context, conditioning, pixel_context, faithful
        Climate and place, see :class:`lulc_xr.models.conditioning.Conditioning`. An embedding is
        added to the first layer's units.

    Raises
    ------
    ModelError
        If a size cannot be built.

    References
    ----------
    Gorishniy, Y., Rubachev, I., Khrulkov, V., Babenko, A. (2021). Revisiting deep learning models
    for tabular data. NeurIPS 2021, https://arxiv.org/abs/2106.11959 (residual blocks); and
    Gorishniy, Y., Rubachev, I., Babenko, A. (2022). On embeddings for numerical features in tabular
    deep learning. NeurIPS 2022, https://arxiv.org/abs/2203.05556 (periodic embeddings).

    Examples
    --------
    >>> network = ResMLP(bands=35, dates=1, classes={"land_cover": 8})
    >>> network(torch.rand(4, 1, 35))["land_cover"].shape
    torch.Size([4, 8])
    """

    receptive_field: ClassVar[int] = 0
    needs_fixed_dates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        bands: int,
        dates: int,
        classes: Mapping[str, int],
        width: int = 256,
        hidden: int = 256,
        blocks: int = 3,
        frequencies: int = 0,
        spread: float = 0.1,
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
            "width": width,
            "hidden": hidden,
            "blocks": blocks,
            "frequencies": frequencies,
            "spread": spread,
            "dropout": dropout,
            **self.conditioning.sizes,
        }
        _check_sizes(self.sizes)
        self.waves = _Waves(bands * dates, frequencies, spread) if frequencies else None
        self.first = nn.Linear(bands * dates * (1 + 2 * frequencies), width)
        self.first_norm = self.conditioning.make_norm(width)
        self.embedding = self.conditioning.make_embedding(width)
        self.blocks = nn.ModuleList(
            _Block(width, hidden, dropout, self.conditioning) for _ in range(blocks)
        )
        self.dropout = nn.Dropout(dropout)
        self.feature_size = width
        self.heads = nn.ModuleDict({task: nn.Linear(width, n) for task, n in classes.items()})

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
            (batch, time, band) scaled values without gaps.
        days, mask : Tensor or None
            Not used: values stand at fixed places and gaps are filled before.
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
        expected = (self.sizes["dates"], self.sizes["bands"])
        if series.ndim != 3 or series.shape[1:] != expected:
            raise ModelError(
                f"series of shape {tuple(series.shape)} does not fit a ResMLP of {expected[0]} "
                f"dates and {expected[1]} bands. Pass (batch, {expected[0]}, {expected[1]})."
            )
        context = self.conditioning.read(context, series)
        values = series.flatten(1)
        if self.waves is not None:
            values = self.waves(values)
        stream = functional.relu(apply_norm(self.first_norm, self.first(values), context))
        if self.embedding is not None:
            stream = self.embedding(stream, context)
        for block in self.blocks:
            stream = block(stream, context)
        features: Tensor = self.dropout(functional.relu(stream))
        return features

    def inference_form(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int | None = None,
    ) -> ResMLPForm:
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
        ResMLPForm
            ``form(pixels, context=context)`` gives probabilities; see
            :class:`lulc_xr.models.folding.InferenceForm`.
        """
        return ResMLPForm(self, mean=mean, std=std, dtype=dtype, batch=batch).to(
            self.first.weight.device
        )


class ResMLPForm(InferenceForm):
    """ResMLP with batch norm folded, on values (pixel, feature)."""

    keeps_dropout: ClassVar[bool] = True

    def __init__(self, network: ResMLP, *, dtype: torch.dtype, **scaling: Any) -> None:
        sizes = network.sizes
        super().__init__(
            classes=sizes["classes"],
            bands=sizes["bands"],
            dtype=dtype,
            context=network.conditioning.read_size,
            **scaling,
        )
        self.dates: int = sizes["dates"]
        self.waves = copy.deepcopy(network.waves)
        self.first = FoldedLayer(network.first, network.first_norm, dtype=dtype)
        self.embedding = copy.deepcopy(network.embedding)
        self.inner = nn.ModuleList(
            FoldedLayer(block.get_submodule("inner"), block.get_submodule("norm"), dtype=dtype)
            for block in network.blocks
        )
        self.outer = nn.ModuleList(
            FoldedLayer(
                mask_inputs(block.get_submodule("outer"), block.get_submodule("dropout")),
                dtype=dtype,
            )
            for block in network.blocks
        )
        head, head_bias = stack_heads(network.heads, network.dropout)
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
                f"pixels have {pixels.shape[0]} dates, this ResMLP {self.dates}. "
                f"Composite the cube to {self.dates} dates."
            )
        values = pixels.flatten(0, 1).t().contiguous()
        if self.waves is not None:
            values = self.waves(values)
        # The stream stays float32: rounded after each block, its errors would add up.
        stream = self.first(values.to(self.dtype), context).float()
        if self.embedding is not None:
            stream = self.embedding(stream, context)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            stream += outer(inner(stream.to(self.dtype), context), rectified=False)
        head, bias = self.get_buffer("head"), self.get_buffer("head_bias")
        return mark_missing(functional.linear(stream.relu_(), head, bias), pixels)


class _Block(nn.Module):
    """What two dense layers make of the stream, added to it."""

    def __init__(self, width: int, hidden: int, dropout: float, conditioning: Conditioning) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.norm = conditioning.make_norm(hidden)
        self.outer = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Tensor, context: Tensor | None) -> Tensor:
        inner = functional.relu(apply_norm(self.norm, self.inner(stream), context))
        added: Tensor = self.outer(self.dropout(inner))
        return stream + added


class _Waves(nn.Module):
    """Every value, and sines and cosines of it at learnt frequencies of its own."""

    def __init__(self, values: int, frequencies: int, spread: float) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(values, frequencies) * spread)

    def forward(self, values: Tensor) -> Tensor:
        angle = 2 * math.pi * values[..., None] * self.frequencies
        return torch.cat([values, angle.sin().flatten(1), angle.cos().flatten(1)], dim=1)


def _check_sizes(sizes: Mapping[str, Any]) -> None:
    for name in ("bands", "dates", "width", "hidden", "blocks"):
        if sizes[name] < 1:
            raise ModelError(f"ResMLP with {name}={sizes[name]}. Choose {name} >= 1.")
    if sizes["frequencies"] < 0 or not sizes["spread"] > 0:
        raise ModelError(
            f"ResMLP with frequencies={sizes['frequencies']} and spread={sizes['spread']}. "
            "Choose frequencies >= 0 and spread > 0."
        )
    if not sizes["classes"]:
        raise ModelError("ResMLP without a task. Pass classes={'land_cover': number of classes}.")
