"""Convolutional autoencoder of patches: a ResNet18 and its mirror image (Leonhardt et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import Conditioning, apply_norm

_STEM = 2


class PatchAutoencoder(nn.Module):
    """One vector for a patch, and the patch again from the vector, with or without climate.

    The encoder is a ResNet18 whose stem is a convolution of 2 x 2 pixels with stride 2, without
    max pooling: four stages of two blocks, then the mean over the patch. The decoder mirrors it:
    a linear layer gives the coarsest map, four stages of two blocks follow, each after an
    upsampling, and a transposed stem. (The paper says that the decoder is a ResNet18 as well; this
    mirror is our reading.) It is no classifier of pixels: the vectors are for a linear probe or
    another classifier of whole patches.

    Parameters
    ----------
    bands : int
        Number of bands.
    dates : int
        Number of dates; dates times bands are the channels.
    patch : int
        Side of the patches in pixels.
    context : int
        Number of context variables, scaled.
    conditioning : {"none", "embedding", "cbn"}
        ``"embedding"``: a linear map of the context is added to the vector. ``"cbn"``: every
        batch norm of encoder and decoder is conditional.
    faithful : bool
        Linear layers of the context start at random, as in the paper; else neutral.
    widths : sequence of int
        Channels of the stages; the last is the length of the vector.
    blocks : int
        Blocks of a stage.

    Raises
    ------
    ModelError
        If a size cannot be built.

    References
    ----------
    Leonhardt, J., Drees, L., Gall, J., Roscher, R. (2023). Leveraging bioclimatic context for
    supervised and self-supervised land cover classification. DAGM GCPR 2023, LNCS 14264.
    https://doi.org/10.1007/978-3-031-54605-1_15

    Examples
    --------
    >>> network = PatchAutoencoder(bands=4, patch=20, widths=(8, 8, 16, 16))
    >>> patches = torch.rand(2, 1, 4, 20, 20)
    >>> network.encode(patches).shape, network(patches).shape
    (torch.Size([2, 16]), torch.Size([2, 1, 4, 20, 20]))
    """

    def __init__(
        self,
        *,
        bands: int,
        dates: int = 1,
        patch: int,
        context: int = 0,
        conditioning: str = "none",
        faithful: bool = False,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.sizes: dict[str, Any] = {
            "bands": bands,
            "dates": dates,
            "patch": patch,
            "context": context,
            "conditioning": conditioning,
            "faithful": faithful,
            "widths": list(widths),
            "blocks": blocks,
        }
        _check_sizes(self.sizes)
        self.conditioning = Conditioning(kind=conditioning, context=context, faithful=faithful)
        self.coarsening = _STEM * 2 ** (len(widths) - 1)
        self.coarse = -(-patch // self.coarsening)
        channels = dates * bands
        self.stem = nn.Conv2d(channels, widths[0], _STEM, stride=_STEM, bias=False)
        self.stem_norm = self.conditioning.make_norm(widths[0], spatial=True)
        down = [_Stage(widths[0], widths[0], blocks, self.conditioning)]
        down += [
            _Stage(before, after, blocks, self.conditioning, stride=2)
            for before, after in pairwise(widths)
        ]
        self.down = nn.ModuleList(down)
        self.embedding = self.conditioning.make_embedding(widths[-1])
        self.seed = nn.Linear(widths[-1], widths[-1] * self.coarse**2)
        narrowing = [*reversed(widths), widths[0]]
        self.up = nn.ModuleList(
            _Stage(before, after, blocks, self.conditioning)
            for before, after in pairwise(narrowing)
        )
        self.out = nn.Conv2d(widths[0], channels, 3, padding=1)

    def encode(self, series: Tensor, context: Tensor | None = None) -> Tensor:
        """The vector of every patch.

        Parameters
        ----------
        series : Tensor
            (batch, time, band, y, x) reflectance, NaN where missing; values are cut to 0 to 1, and
            what is missing counts as 0, as in the paper.
        context : Tensor or None
            (batch, context) scaled.

        Returns
        -------
        Tensor
            (batch, feature).

        Raises
        ------
        ModelError
            If patches or context have other sizes than the network.
        """
        self._check(series)
        context = self.conditioning.read(context, series)
        image = torch.nan_to_num(series, nan=0.0).clamp(0, 1).flatten(1, 2)
        # Patches need not be multiples of 16 pixels: the last row and column are repeated.
        more = self.coarse * self.coarsening - self.sizes["patch"]
        image = functional.pad(image, (0, more, 0, more), mode="replicate")
        hidden = functional.relu(apply_norm(self.stem_norm, self.stem(image), context))
        for stage in self.down:
            hidden = stage(hidden, context)
        features = hidden.mean(dim=(2, 3))
        if self.embedding is not None:
            features = self.embedding(features, context)
        return features

    def decode(self, features: Tensor, context: Tensor | None = None) -> Tensor:
        """Reflectance (batch, time, band, y, x) of the patches that vectors stand for."""
        hidden = self.seed(features).view(len(features), -1, self.coarse, self.coarse)
        context = context if self.conditioning.kind == "cbn" else None
        for stage in self.up:
            hidden = stage(functional.interpolate(hidden, scale_factor=2.0), context)
        side = self.sizes["patch"]
        image = self.out(hidden)[..., :side, :side]
        made: Tensor = image.unflatten(1, (self.sizes["dates"], self.sizes["bands"]))
        return made

    def forward(self, series: Tensor, context: Tensor | None = None) -> Tensor:
        """The patches, encoded and decoded; shapes as :meth:`encode` and :meth:`decode` say."""
        return self.decode(self.encode(series, context), context)

    def _check(self, series: Tensor) -> None:
        side = self.sizes["patch"]
        expected = (self.sizes["dates"], self.sizes["bands"], side, side)
        if series.ndim != 5 or tuple(series.shape[1:]) != expected:
            raise ModelError(
                f"patches of shape {tuple(series.shape)} do not fit this autoencoder. "
                f"Pass (batch, {', '.join(map(str, expected))})."
            )


class _Stage(nn.Module):
    """Residual blocks of one width; the first may coarsen."""

    def __init__(
        self, before: int, after: int, blocks: int, conditioning: Conditioning, stride: int = 1
    ) -> None:
        super().__init__()
        first = _Block(before, after, conditioning, stride=stride)
        rest = [_Block(after, after, conditioning) for _ in range(blocks - 1)]
        self.blocks = nn.ModuleList([first, *rest])

    def forward(self, values: Tensor, context: Tensor | None) -> Tensor:
        for block in self.blocks:
            values = block(values, context)
        return values


class _Block(nn.Module):
    """Two convolutions of 3 x 3 with norms beside a shortcut (He et al. 2016)."""

    def __init__(
        self, before: int, after: int, conditioning: Conditioning, stride: int = 1
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = conditioning.make_norm(after, spatial=True)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = conditioning.make_norm(after, spatial=True)
        self.shortcut: nn.Conv2d | None = None
        if stride != 1 or before != after:
            self.shortcut = nn.Conv2d(before, after, 1, stride=stride, bias=False)
            self.shortcut_norm = conditioning.make_norm(after, spatial=True)

    def forward(self, values: Tensor, context: Tensor | None) -> Tensor:
        hidden = functional.relu(apply_norm(self.first_norm, self.first(values), context))
        hidden = apply_norm(self.second_norm, self.second(hidden), context)
        if self.shortcut is not None:
            values = apply_norm(self.shortcut_norm, self.shortcut(values), context)
        return functional.relu(hidden + values)


def _check_sizes(sizes: dict[str, Any]) -> None:
    for name in ("bands", "dates", "patch", "blocks"):
        if sizes[name] < 1:
            raise ModelError(f"autoencoder with {name}={sizes[name]}. Choose {name} >= 1.")
    if not sizes["widths"] or min(sizes["widths"]) < 1:
        raise ModelError(
            f"autoencoder with widths={sizes['widths']}. Give one or more stages of 1 or more "
            "channels."
        )
    if sizes["conditioning"] == "mcbn":
        raise ModelError(
            "conditioning='mcbn' has no meaning for one vector of a whole patch. "
            "Choose conditioning='cbn'."
        )
