"""Climate and place inside a network: additive embedding, (multi-)conditional batch norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.errors import ModelError, name_unknown

CONDITIONINGS = ("none", "embedding", "cbn", "mcbn")
"""Ways in which a network takes context: not at all, added to its features, or in its norms."""


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """How a network takes context, and the layers for it.

    Parameters
    ----------
    kind : {"none", "embedding", "cbn", "mcbn"}
        ``"embedding"`` adds a linear map of the context to the extracted features. ``"cbn"``
        replaces every batch norm by a conditional one (:class:`ConditionalNorm`). ``"mcbn"`` does
        so with two branches: the context, and a map per pixel.
    context : int
        Number of context variables, scaled. With ``"none"`` they are not read.
    pixel_context : int
        How many of them, the last ones, are the map per pixel of ``"mcbn"``.
    faithful : bool
        Start as in the papers, from PyTorch's random weights. By default the start is neutral:
        gamma 1, beta 0, nothing added, so that at first every place is treated alike.

    Raises
    ------
    ModelError
        If these settings contradict each other.

    References
    ----------
    Leonhardt, J., Drees, L., Gall, J., Roscher, R. (2023). Leveraging bioclimatic context for
    supervised and self-supervised land cover classification. DAGM GCPR 2023,
    https://doi.org/10.1007/978-3-031-54605-1_15

    Leonhardt, J., Gall, J., Roscher, R. (2025). ClimSat. Science of Remote Sensing, 100235,
    https://doi.org/10.1016/j.srs.2025.100235

    Examples
    --------
    >>> conditioning = Conditioning(kind="cbn", context=3)
    >>> norm = conditioning.make_norm(8)
    >>> apply_norm(norm, torch.rand(5, 8, 12), torch.rand(5, 3)).shape
    torch.Size([5, 8, 12])
    """

    kind: str = "none"
    context: int = 0
    pixel_context: int = 0
    faithful: bool = False

    def __post_init__(self) -> None:
        if self.kind not in CONDITIONINGS:
            raise ModelError(name_unknown("conditioning", self.kind, CONDITIONINGS))
        if self.context < 0 or not 0 <= self.pixel_context <= self.context:
            raise ModelError(
                f"context={self.context} with pixel_context={self.pixel_context}: the map per "
                "pixel is the last part of the context. Choose 0 <= pixel_context <= context."
            )
        if self.kind != "none" and self.context == 0:
            raise ModelError(
                f"conditioning={self.kind!r} without context. Name context variables, such as "
                "context=('bio01', 'bio12'), or choose conditioning='none'."
            )
        if self.kind == "mcbn" and not 0 < self.pixel_context < self.context:
            raise ModelError(
                f"conditioning='mcbn' with {self.pixel_context} of {self.context} context "
                "variables per pixel: it needs both branches. Choose 0 < pixel_context < context, "
                "or conditioning='cbn'."
            )

    @property
    def sizes(self) -> dict[str, Any]:
        """Keyword arguments that say this; none without context, as networks without it have."""
        if not self.context:
            return {}
        return {
            "context": self.context,
            "conditioning": self.kind,
            "faithful": self.faithful,
            "pixel_context": self.pixel_context,
        }

    @property
    def read_size(self) -> int:
        """Number of context variables that the network reads."""
        return 0 if self.kind == "none" else self.context

    def make_norm(self, features: int, *, spatial: bool = False) -> nn.Module:
        """Norm of `features` channels: a plain batch norm, or one whose scale and shift depend.

        Parameters
        ----------
        features : int
            Number of channels.
        spatial : bool
            True for values (batch, channel, y, x), else (batch, channel[, time]).

        Returns
        -------
        torch.nn.Module
            To be called by :func:`apply_norm`.
        """
        if self.kind not in ("cbn", "mcbn"):
            return nn.BatchNorm2d(features) if spatial else nn.BatchNorm1d(features)
        return ConditionalNorm(
            features,
            context=self.context,
            pixel_context=self.pixel_context if self.kind == "mcbn" else 0,
            faithful=self.faithful,
            spatial=spatial,
        )

    def make_embedding(self, features: int) -> Embedding | None:
        """Additive embedding of `features` channels; None unless that is the kind."""
        if self.kind != "embedding":
            return None
        return Embedding(features, context=self.context, faithful=self.faithful)

    def read(self, context: Tensor | None, series: Tensor) -> Tensor | None:
        """The context if this conditioning uses it, checked against a batch; else None.

        Parameters
        ----------
        context : Tensor or None
            (batch, context), or a map (batch, context, y, x) for a spatial network.
        series : Tensor
            (batch, time, band[, y, x]).

        Raises
        ------
        ModelError
            If it is missing, or of another shape.
        """
        if self.kind == "none":
            return None
        if context is None:
            raise ModelError(
                f"this network is conditioned on {self.context} context variables, and got none. "
                f"Pass context of shape (batch, {self.context})."
            )
        expected = (series.shape[0], self.context)
        maps = (*expected, *series.shape[3:])
        if tuple(context.shape) not in (expected, maps):
            raise ModelError(
                f"context of shape {tuple(context.shape)} does not fit a series of shape "
                f"{tuple(series.shape)} and {self.context} context variables. "
                f"Pass {expected}{f' or {maps}' if maps != expected else ''}."
            )
        return context


class ConditionalNorm(nn.Module):
    """Batch norm without weights of its own, scaled and shifted by linear maps of the context.

    ``y = gamma(context) * normalised(x) + beta(context)``, one linear layer per norm. With a map
    per pixel, ``gamma = gamma_global * gamma_pixel`` and ``beta = beta_global + beta_pixel``.

    Parameters
    ----------
    features : int
        Number of channels.
    context : int
        Number of context variables, the map included.
    pixel_context : int
        How many of them, the last ones, go through the branch per pixel; 0: no such branch.
    faithful : bool
        Leave the linear layers at PyTorch's random start, as the papers do; else gamma 1, beta 0.
    spatial : bool
        True for values (batch, channel, y, x).

    References
    ----------
    As in :class:`Conditioning`.
    """

    def __init__(
        self,
        features: int,
        *,
        context: int,
        pixel_context: int = 0,
        faithful: bool = False,
        spatial: bool = False,
    ) -> None:
        super().__init__()
        self.pixel_context = pixel_context
        self.norm = (nn.BatchNorm2d if spatial else nn.BatchNorm1d)(features, affine=False)
        self.affine = nn.Linear(context - pixel_context, 2 * features)
        self.pixel_affine = nn.Linear(pixel_context, 2 * features) if pixel_context else None
        if not faithful:
            for branch in (self.affine, self.pixel_affine):
                _start_neutral(branch)

    def scale_and_shift(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Gamma and beta, each (batch, channel[, y, x]), of context (batch, context[, y, x])."""
        if self.pixel_affine is None:
            gamma, beta = apply_linear(self.affine, context).chunk(2, dim=1)
            return gamma, beta
        own = context.shape[1] - self.pixel_context
        gamma, beta = apply_linear(self.affine, context[:, :own]).chunk(2, dim=1)
        pixel_gamma, pixel_beta = apply_linear(self.pixel_affine, context[:, own:]).chunk(2, dim=1)
        return gamma * pixel_gamma, beta + pixel_beta

    def forward(self, values: Tensor, context: Tensor, rows: Tensor | None = None) -> Tensor:
        """Normalised values.

        Parameters
        ----------
        values : Tensor
            (batch, channel), (batch, channel, time) or (batch, channel, y, x).
        context : Tensor
            (batch, context), or a map (batch, context, y, x) at the scale of `values`.
        rows : Tensor or None
            (row,) the sample that each row of `values` belongs to, where these are no samples but,
            say, observed dates.

        Returns
        -------
        Tensor
            Shape of `values`.
        """
        gamma, beta = self.scale_and_shift(context)
        if rows is not None:
            gamma, beta = gamma[rows], beta[rows]
        ones = (1,) * (values.ndim - gamma.ndim)
        return torch.addcmul(
            beta.reshape(*beta.shape, *ones),
            self.norm(values),
            gamma.reshape(*gamma.shape, *ones),
        )


class Embedding(nn.Module):
    """Linear map of the context, added to features.

    Parameters
    ----------
    features : int
        Number of channels.
    context : int
        Number of context variables.
    faithful : bool
        Leave the linear layer at PyTorch's random start, as the paper does; else all zero.

    References
    ----------
    Leonhardt et al. (2023), as in :class:`Conditioning`.
    """

    def __init__(self, features: int, *, context: int, faithful: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(context, features)
        if not faithful:
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def forward(self, values: Tensor, context: Tensor) -> Tensor:
        """Values (batch, channel[, time | y, x]) plus what the context says of each channel."""
        added = apply_linear(self.linear, context.to(self.linear.weight.dtype))
        return values + added.reshape(*added.shape, *(1,) * (values.ndim - added.ndim))


def apply_norm(
    norm: nn.Module, values: Tensor, context: Tensor | None, rows: Tensor | None = None
) -> Tensor:
    """Values through a norm of :meth:`Conditioning.make_norm`, which may need the context.

    Parameters
    ----------
    norm : torch.nn.Module
        A batch norm or a :class:`ConditionalNorm`.
    values, context, rows
        As :meth:`ConditionalNorm.forward` takes them; a plain batch norm reads only `values`.
    """
    arguments = (values, context, rows) if isinstance(norm, ConditionalNorm) else (values,)
    given: Tensor = norm(*arguments)
    return given


def apply_linear(layer: nn.Linear, context: Tensor) -> Tensor:
    """A linear layer along axis 1 of (batch, context) or of a map (batch, context, y, x)."""
    # Channels last, as the values beside it are in inference.
    rows: Tensor = layer(context if context.ndim == 2 else context.permute(0, 2, 3, 1))
    return rows if context.ndim == 2 else rows.permute(0, 3, 1, 2)


def pool_context(context: Tensor | None, factor: int) -> Tensor | None:
    """Context at a coarser scale: a map (batch, context, y, x) averaged, all else as it is.

    Parameters
    ----------
    context : Tensor or None
        A map whose y and x are multiples of `factor`, or (batch, context), or None.
    factor : int
        Pixels per coarse pixel, on each side.

    Examples
    --------
    >>> pool_context(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), 2)
    tensor([[[[4.]]]])
    """
    if context is None or context.ndim == 2 or factor == 1:
        return context
    return functional.avg_pool2d(context, factor)


def _start_neutral(branch: nn.Linear | None) -> None:
    if branch is None:
        return
    features = branch.out_features // 2
    nn.init.zeros_(branch.weight)
    nn.init.zeros_(branch.bias)
    nn.init.ones_(branch.bias[:features])
