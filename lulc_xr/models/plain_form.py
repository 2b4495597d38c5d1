"""Inference form of any network: the network itself, run over pixels in batches."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from lulc_xr.core.model import ModelSpec, Precision
from lulc_xr.models.fixed_dropout import fixed_dropouts
from lulc_xr.models.folding import InferenceForm
from lulc_xr.models.registry import is_spatial
from lulc_xr.models.spatial import Form, SpatialForm

DTYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class PlainForm(InferenceForm):
    """A network that offers no faster form, as it was trained.

    Parameters
    ----------
    network : torch.nn.Module
        Called as ``network(series, days, mask)``; gives a dict of task to (batch, class) logits.
    classes, bands, mean, std, dtype, batch
        As in :class:`lulc_xr.models.folding.InferenceForm`.
    """

    keeps_dropout = True

    def __init__(self, network: nn.Module, **settings: Any) -> None:
        super().__init__(**settings)
        self.network = copy.deepcopy(network).to(self.dtype).eval().requires_grad_(False)
        self._fixed = tuple(fixed_dropouts(self.network))

    def logits(
        self,
        pixels: Tensor,
        days: Tensor | None,
        mask: Tensor | None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Logits (pixel, class) from scaled pixels (time, band, pixel)."""
        for dropout in self._fixed:
            dropout.restart()
        series = pixels.to(self.dtype).permute(2, 0, 1).contiguous()
        seen = None if mask is None else mask.T.contiguous()
        # Networks of other packages that know no context take three arguments.
        extra = () if context is None else (context.to(self.dtype),)
        by_task = self.network(series, days, seen, *extra)
        return torch.cat([by_task[task] for task in self.classes], dim=1)


def make_form(network: nn.Module, *, spec: ModelSpec, precision: Precision) -> Form:
    """The form in which a network predicts: its own fast one if it has one, else as it is.

    A network with fixed dropout predicts as it is if its fast form knows nothing of that.
    """
    settings: dict[str, Any] = {
        "mean": spec.scaling.mean if spec.scaling else None,
        "std": spec.scaling.std if spec.scaling else None,
        "dtype": DTYPES[precision],
    }
    build = getattr(network, "inference_form", None)
    if build is not None:
        form: Form = build(**settings).eval()
        if getattr(form, "keeps_dropout", False) or not fixed_dropouts(network):
            return form
    if is_spatial(network):
        return SpatialForm(network, context=context_size(network), **settings).eval()
    classes = {task: len(legend) for task, legend in spec.legends.items()}
    return PlainForm(
        network,
        classes=classes,
        bands=len(spec.bands),
        batch=2048,
        context=context_size(network),
        **settings,
    )


def context_size(network: nn.Module) -> int:
    """Number of context variables that a network reads; 0 if it is not conditioned."""
    sizes = getattr(network, "sizes", {})
    return 0 if sizes.get("conditioning", "none") == "none" else int(sizes.get("context", 0))
