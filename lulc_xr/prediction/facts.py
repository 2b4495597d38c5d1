"""What the inputs of a block say of its pixels, whatever the model makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.model import ModelSpec
from lulc_xr.core.uncertainty import mark_applicable
from lulc_xr.prediction.context import mark_outside

Context = Mapping[str, NDArray[np.float32]]
"""Context variables of a block by name, each of shape (y, x)."""


@dataclass(frozen=True, kw_only=True)
class PlaceFacts:
    """What the inputs say of the pixels of a patch, whatever the model makes of them.

    Parameters
    ----------
    spec : ModelSpec
        The model's inputs.
    series : ndarray of float32
        Shape (time, band, y, x), without halo.
    seen : ndarray of bool
        Shape (y, x).
    context : mapping or None
        Context variables, raw, each of shape (y, x).
    attachments : Attachments
        Holds the area of applicability.
    """

    spec: ModelSpec
    series: NDArray[np.float32]
    seen: NDArray[np.bool_]
    context: Context | None
    attachments: Attachments

    @cached_property
    def outside(self) -> NDArray[np.uint8]:
        """1 where the context lies outside the range of the training samples, (y, x)."""
        assert self.context is not None, "plan_outputs asks for context"
        return mark_outside({n: self.context[n] for n in self.spec.context}, self.spec)

    @cached_property
    def dissimilarity(self) -> NDArray[np.float32]:
        """Dissimilarity index, (y, x); NaN where a pixel was never seen or a feature is missing."""
        rule = self.attachments.applicability
        assert rule is not None, "plan_outputs asks for an area of applicability"
        # Only pixels that were seen: a distance costs about as much as a small network.
        features = self.series[:, :, self.seen].reshape(-1, int(self.seen.sum()))
        if self.context and self.spec.context:
            around = np.stack([self.context[name][self.seen] for name in self.spec.context])
            features = np.concatenate([features, around])
        made = np.full(self.seen.shape, np.nan, np.float32)
        made[self.seen] = rule.dissimilarity(features)
        return made

    @cached_property
    def applicable(self) -> NDArray[np.uint8]:
        """1 inside the area of applicability, 0 outside, 255 where it is not known, (y, x)."""
        rule = self.attachments.applicability
        assert rule is not None, "plan_outputs asks for an area of applicability"
        return mark_applicable(self.dissimilarity, rule.threshold)
