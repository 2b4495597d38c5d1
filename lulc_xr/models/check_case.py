"""A network with inputs, as the conformance check calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.registry import is_spatial

CLASSES: Mapping[str, int] = {"land_cover": 5, "land_use": 3}
"""Tasks of a checked network and their numbers of classes."""

TOLERANCE = 1e-5
"""Largest difference in probability that counts as the same result."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, and a batch that fits it.

    Parameters
    ----------
    name : str
        Name of the network, for messages.
    network : torch.nn.Module
        The network.
    series : Tensor
        (batch, time, band[, y, x]).
    days : Tensor
        (time,).
    context : Tensor or None
        (batch, context).
    """

    name: str
    network: nn.Module
    series: Tensor
    days: Tensor
    context: Tensor | None = None

    @property
    def spatial(self) -> bool:
        """True if the network sees patches."""
        return is_spatial(self.network)

    def inputs(self, *, mask: Tensor | None = None) -> tuple[Tensor | None, ...]:
        """What the network is called with; no fourth argument if there is no context."""
        given = (self.series, self.days, mask)
        return given if self.context is None else (*given, self.context)

    def logits(self, *, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Logits by task."""
        found: dict[str, Tensor] = self.network(*self.inputs(mask=mask))
        return found

    def probabilities(
        self, *, only: int | None = None, mask: Tensor | None = None, **other: Any
    ) -> Tensor:
        """Probabilities (batch, class of all tasks[, y, x]), of other inputs or only one sample."""
        case = replace(self, **other) if other else self
        if only is not None:
            part = slice(only, only + 1)
            mask = None if mask is None else mask[part]
            context = None if case.context is None else case.context[part]
            case = replace(case, series=case.series[part], context=context)
        logits = case.logits(mask=mask)
        return torch.cat([logits[task].softmax(dim=1) for task in CLASSES], dim=1)

    def without_context(self) -> Case:
        """The same without context."""
        return replace(self, context=None)

    def block(self) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """A block (time, band, y, x), and a context (context, y, x) that differs by pixel."""
        if self.spatial:
            block = self.series[0]
            size = 0 if self.context is None else self.context.shape[1]
            context = torch.randn(size, *block.shape[2:])
        else:
            block = self.series.permute(1, 2, 0)[..., None]
            context = torch.zeros(0) if self.context is None else self.context.T[..., None]
        maps = None if self.context is None else np.ascontiguousarray(context.numpy())
        return np.ascontiguousarray(block.numpy()), maps

    def block_probabilities(self, context: NDArray[np.float32] | None) -> Tensor:
        """Probabilities (class of all tasks, y, x) of :meth:`block`, by the network itself."""
        self.network.eval()
        if not self.spatial:
            return self.probabilities().T[..., None]
        maps = None if context is None else torch.from_numpy(context)[None]
        return self.probabilities(series=self.series[:1], context=maps)[0]


def require_close(name: str, first: Tensor, second: Tensor, otherwise: str) -> None:
    """Raise ModelError unless two results are the same."""
    # Not "difference > tolerance": that is False for NaN.
    difference = float((first - second).abs().max())
    require(
        name,
        difference <= TOLERANCE,
        f"{otherwise} (by {difference:.2g}; at most {TOLERANCE:g} is expected)",
    )


def require(name: str, kept: bool, otherwise: str) -> None:
    """Raise ModelError unless a promise is kept."""
    if not kept:
        raise ModelError(f"network {name!r} breaks the contract: {otherwise}.")
