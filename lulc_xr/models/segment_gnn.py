"""SegmentGNN: classes of segments, from a graph of neighbours (LC-SLab, Leonhardt et al. 2026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import CubeError, ModelError
from lulc_xr.core.require import require
from lulc_xr.core.segmentation import Segmentation
from lulc_xr.models.conditioning import Conditioning, apply_norm
from lulc_xr.models.regions import SHAPES, RegionGraph, make_graph
from lulc_xr.models.spatial import SpatialForm

# A band's deviations from its mean, -8 to 8, fill the image's range in so many steps: bright
# outliers count less, as in the paper's image, and the last bit of a value decides nothing.
_RANGE, _STEPS = 16.0, 1023.0
_SMALLEST_VARIANCE = 1e-4


class SegmentGNN(nn.Module):
    """Classes of segments: attention over a region adjacency graph, painted back on the pixels.

    Each tile is cut into segments; a segment is described by mean and standard deviation of each
    band at each date and by its shape; three graph transformer layers let neighbours attend to
    each other. All pixels of a segment get its class.

    Parameters
    ----------
    bands : int
        Number of bands.
    dates : int
        Number of dates; fixed.
    classes : mapping of str to int
        Task to its number of classes; each task gets one linear head.
    context, conditioning, faithful, pixel_context
        How it takes climate and place: see :class:`lulc_xr.models.conditioning.Conditioning`. A
        map is averaged over each segment.
    hidden : int
        Features of a segment, a multiple of `heads`.
    heads : int
        Attention heads of each layer.
    layers : int
        Number of layers.
    dropout : float
        Part of the features dropped after every layer while training.
    method : {"felzenszwalb", "slic"}
        How to segment the mean over the dates of all bands.
    size : int
        Pixels of a segment; see :class:`lulc_xr.core.segmentation.Segmentation`.
    tile : int
        Side in pixels of the tiles, counted from the first pixel of what the network is given.

    Raises
    ------
    ModelError
        If a size cannot be built.
    ImportError
        If torch-geometric is not installed.

    Notes
    -----
    Tiles know nothing of each other, so a pixel may depend on all pixels of its tile and no others:
    ``stride`` is the side of a tile, and ``receptive_field`` one less. Unlike in the paper there
    may be several dates, and the image to segment is made of standardised bands.

    References
    ----------
    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab: an object-based deep learning framework
    for large-scale land cover classification from satellite imagery and sparse in-situ labels.
    JAG 152, 105476. https://doi.org/10.1016/j.jag.2026.105476

    Shi, Y., Huang, Z., Feng, S., et al. (2021). Masked label prediction: unified message passing
    model for semi-supervised classification. IJCAI 2021. https://doi.org/10.24963/ijcai.2021/214

    Examples
    --------
    >>> network = SegmentGNN(bands=4, dates=1, classes={"land_cover": 8}, hidden=32, tile=16)
    >>> network(torch.randn(2, 1, 4, 20, 20))["land_cover"].shape
    torch.Size([2, 8, 20, 20])
    """

    spatial: ClassVar[bool] = True
    needs_fixed_dates: ClassVar[bool] = True

    def __init__(
        self,
        *,
        bands: int,
        dates: int,
        classes: Mapping[str, int],
        context: int = 0,
        conditioning: str = "none",
        faithful: bool = False,
        pixel_context: int = 0,
        hidden: int = 256,
        heads: int = 4,
        layers: int = 3,
        dropout: float = 0.1,
        method: str = "felzenszwalb",
        size: int = 20,
        tile: int = 64,
    ) -> None:
        super().__init__()
        own = {"hidden": hidden, "heads": heads, "layers": layers}
        _check_sizes({"bands": bands, "dates": dates, **own}, classes)
        self.conditioning = Conditioning(
            kind=conditioning, context=context, faithful=faithful, pixel_context=pixel_context
        )
        try:
            self.segmentation = Segmentation(method=cast(Any, method), size=size, tile=tile)
        except CubeError as error:
            raise ModelError(f"SegmentGNN cannot segment so: {error}") from error
        self.sizes: dict[str, Any] = {
            "bands": bands, "dates": dates, "classes": dict(classes), **own, "dropout": dropout,
            "method": method, "size": size, "tile": tile, **self.conditioning.sizes,
        }  # fmt: skip
        self.stride, self.feature_size = tile, hidden
        layer = require("torch_geometric.nn", extra="objects").TransformerConv
        widths = [2 * bands * dates + SHAPES, *[hidden] * layers]
        self.layers = nn.ModuleList(
            layer(before, after // heads, heads=heads) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(self.conditioning.make_norm(hidden) for _ in range(layers))
        self.embedding = self.conditioning.make_embedding(hidden)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({task: nn.Conv2d(hidden, n, 1) for task, n in classes.items()})

    @property
    def receptive_field(self) -> int:
        """Pixels on each side that the class of a pixel depends on: up to its whole tile."""
        return self.stride - 1

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
            (batch, context) or (batch, context, y, x), scaled.

        Returns
        -------
        dict of str to Tensor
            Task to (batch, class, y, x) logits.

        Raises
        ------
        ModelError
            If `series` has other dates or bands than the network, or context is missing.
        """
        nodes, features = self._regions(series, mask, context)
        # A head of each segment, then painted: the same as heads of features, and much less work.
        heads = {t: head for t, head in self.heads.items() if isinstance(head, nn.Conv2d)}
        return {
            task: paint(functional.linear(features, head.weight.flatten(1), head.bias), nodes)
            for task, head in heads.items()
        }

    def features(
        self,
        series: Tensor,
        days: Tensor | None = None,
        mask: Tensor | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Features (batch, feature, y, x) that the heads see, the same over a segment."""
        nodes, features = self._regions(series, mask, context)
        return paint(features, nodes)

    def inference_form(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int | None = None,
    ) -> SegmentGNNForm:
        """This network, as trained by now, with batch norm folded into the graph layers.

        Parameters
        ----------
        mean, std : sequence of float, optional
            Scaling of each band, if `pixels` come unscaled.
        dtype : torch.dtype
            ``torch.float32`` (exact) or ``torch.bfloat16``, of the graph layers. Segments and
            what describes them are always float32.
        batch : int, optional
            Not used: patches are passed whole.
        """
        return SegmentGNNForm(
            self, mean=mean, std=std, dtype=dtype, context=self.conditioning.read_size
        )

    def _regions(
        self, series: Tensor, mask: Tensor | None, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Segment of each pixel (batch, y, x), and features of each segment (node, feature)."""
        expected = (self.sizes["dates"], self.sizes["bands"])
        if series.ndim != 5 or series.shape[1:3] != expected:
            raise ModelError(
                f"series of shape {tuple(series.shape)} does not fit a SegmentGNN of "
                f"{expected[0]} dates and {expected[1]} bands. Pass (batch, {expected[0]}, "
                f"{expected[1]}, y, x)."
            )
        around = self.conditioning.read(context, series)
        values = series.float()
        if mask is not None:
            values = values.masked_fill(~mask[:, :, None], 0.0)
        graph = make_graph(draw_image(values), self.segmentation)
        nodes = torch.from_numpy(graph.nodes).to(series.device)
        hidden = describe(values, nodes, graph)
        if around is not None:
            around = _of_nodes(around, nodes, len(hidden))
        edges = torch.from_numpy(graph.edges).to(series.device)
        return nodes, self.attend(hidden, edges, around)

    def attend(self, hidden: Tensor, edges: Tensor, context: Tensor | None) -> Tensor:
        """Features (node, feature) of segments, from what describes them and their neighbours."""
        dtype = next(self.layers.parameters()).dtype
        hidden, around = hidden.to(dtype), None if context is None else context.to(dtype)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = self.dropout(functional.relu(apply_norm(norm, layer(hidden, edges), around)))
        if self.embedding is not None and around is not None:
            hidden = self.embedding(hidden, around)
        return hidden.float()


class SegmentGNNForm(SpatialForm):
    """SegmentGNN with batch norm folded into values and skips of its graph layers."""

    def __init__(self, network: SegmentGNN, *, dtype: torch.dtype, **settings: Any) -> None:
        super().__init__(network, dtype=torch.float32, **settings)
        own = cast(SegmentGNN, self.network)
        for index, (layer, norm) in enumerate(zip(own.layers, own.norms, strict=True)):
            own.norms[index] = _fold(layer, norm)
        for part in (own.layers, own.norms, own.embedding):
            if part is not None:
                part.to(dtype)

    def _logits(self, *inputs: Tensor | None) -> dict[str, Tensor]:
        given: dict[str, Tensor] = self.network(*inputs)
        return given


def draw_image(series: Tensor) -> NDArray[np.float32]:
    """The image that is segmented: means over the dates of (batch, time, band, y, x), 0 to 1."""
    values = series.detach().cpu().numpy()
    # One date after the other, so that the order of the sum does not depend on the shape.
    total = values[:, 0].astype(np.float64)
    for date in values.transpose(1, 0, 2, 3, 4)[1:]:
        total += date
    shifted = np.clip(total / values.shape[1] / _RANGE + 0.5, 0, 1)
    return np.asarray(np.rint(shifted * _STEPS) / _STEPS, np.float32)


def describe(series: Tensor, nodes: Tensor, graph: RegionGraph) -> Tensor:
    """What is known of each segment: means, deviations, shape.

    Parameters
    ----------
    series : Tensor
        (batch, time, band, y, x).
    nodes : Tensor
        (batch, y, x) segment of each pixel.
    graph : RegionGraph
        Gives the shapes.

    Returns
    -------
    Tensor
        (node, 2 * time * band + 4).
    """
    number = len(graph.shapes)
    pixels = series.flatten(1, 2).movedim(1, -1).flatten(0, 2)
    mean = _mean(pixels, nodes, number)
    # From the mean, not from the mean of squares: flat segments would be all rounding.
    spread = _mean((pixels - mean[nodes.flatten()]).square(), nodes, number)
    shapes = torch.from_numpy(graph.shapes).to(series.device)
    return torch.cat([mean, (spread + _SMALLEST_VARIANCE).sqrt(), shapes], dim=1)


def paint(values: Tensor, nodes: Tensor) -> Tensor:
    """Values (node, channel) on the pixels of their segments: (batch, channel, y, x).

    Examples
    --------
    >>> paint(torch.tensor([[1.0], [2.0]]), torch.tensor([[[0, 1, 1]]]))
    tensor([[[[1., 2., 2.]]]])
    """
    return values[nodes].movedim(-1, 1)


def _mean(pixels: Tensor, nodes: Tensor, number: int) -> Tensor:
    """Means (node, channel) of pixels (pixel, channel)."""
    flat = nodes.flatten()
    total = pixels.new_zeros(number, pixels.shape[1]).index_add_(0, flat, pixels)
    return total / torch.bincount(flat, minlength=number)[:, None]


def _of_nodes(context: Tensor, nodes: Tensor, number: int) -> Tensor:
    """Context (node, context) of each segment, from (batch, context[, y, x])."""
    if context.ndim == 4:
        return _mean(context.movedim(1, -1).flatten(0, 2), nodes, number)
    sample = nodes.new_zeros(number)
    sample[nodes.flatten()] = torch.arange(len(nodes), device=nodes.device).repeat_interleave(
        nodes[0].numel()
    )
    return context[sample]


def _fold(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """Put a batch norm into a graph layer; what is left of it."""
    if not isinstance(norm, nn.BatchNorm1d):
        return norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    rate = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * rate
    # Attention weighs the values, and the skip is added: both scale as their sum does.
    for part, extra in ((layer.lin_value, 0.0), (layer.lin_skip, shift)):
        linear = cast(nn.Linear, part)
        linear.weight.data = (linear.weight.double() * rate[:, None]).float()
        linear.bias.data = (linear.bias.double() * rate + extra).float()
    return nn.Identity()


def _check_sizes(sizes: Mapping[str, Any], classes: Mapping[str, int]) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ModelError(f"SegmentGNN with {name}={value}. Choose {name} >= 1.")
    if sizes["hidden"] % sizes["heads"]:
        raise ModelError(
            f"SegmentGNN with hidden={sizes['hidden']} and heads={sizes['heads']}: heads share "
            f"the features. Choose for instance hidden={sizes['heads'] * 16}."
        )
    if not classes:
        raise ModelError(
            "SegmentGNN without a task. Pass classes={'land_cover': number of classes}."
        )
