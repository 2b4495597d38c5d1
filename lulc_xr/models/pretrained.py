"""Pretrained: a network that has seen no label yet, with the scaling it learnt in, as a folder."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.dates import Dates, dates_from_dict, dates_to_dict
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import Scaling, fixed_number_of_dates
from lulc_xr.models.folder import FORMAT_VERSION, hash_content, read_folder, write_folder
from lulc_xr.models.patch_autoencoder import PatchAutoencoder
from lulc_xr.models.registry import make_network
from lulc_xr.models.weights import put_weights, sizes_of

AUTOENCODER = "patch_autoencoder"
"""Name of :class:`lulc_xr.models.patch_autoencoder.PatchAutoencoder`, which is no classifier."""

PRETEXT = {"pretext": 1}
"""Classes of a network while it is pre-trained: a head that nothing asks."""

FORMAT = "lulc_xr pretrained network"


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What a pre-trained network sees.

    Parameters
    ----------
    bands : tuple of str
        Names of the bands, in its order.
    dates : RegularDates or RawDates
        Its time axis.
    scaling : Scaling
        Scaling of its bands.
    context_scaling : ContextScaling or None
        Context variables that it sees, and their scaling.
    """

    bands: tuple[str, ...]
    dates: Dates
    scaling: Scaling
    context_scaling: ContextScaling | None = None

    @property
    def context(self) -> tuple[str, ...]:
        """Names of the context variables."""
        return self.context_scaling.variables if self.context_scaling else ()

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON-able values."""
        context = self.context_scaling
        return {
            "bands": list(self.bands),
            "dates": dates_to_dict(self.dates),
            "scaling": {"mean": list(self.scaling.mean), "std": list(self.scaling.std)},
            "context": list(self.context),
            "context_scaling": context and {"mean": list(context.mean), "std": list(context.std)},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InputSpec:
        """The specification from what :meth:`to_dict` gave."""
        context = values["context_scaling"]
        scaling = values["scaling"]
        return cls(
            bands=tuple(values["bands"]),
            dates=dates_from_dict(values["dates"]),
            scaling=Scaling(mean=tuple(scaling["mean"]), std=tuple(scaling["std"])),
            context_scaling=context
            and ContextScaling(
                variables=tuple(values["context"]),
                mean=tuple(context["mean"]),
                std=tuple(context["std"]),
            ),
        )


class Pretrained:
    """A network trained without labels, to begin a training with or to take features from.

    Parameters
    ----------
    network : torch.nn.Module
        The network; it is copied.
    name : str
        Its name among the networks, or ``"patch_autoencoder"``.
    spec : InputSpec
        What it sees.
    provenance : mapping, optional
        How it was trained, JSON-able.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        spec: InputSpec,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.network_name = name
        self.spec = spec
        self._network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
        self._provenance = copy.deepcopy(dict(provenance or {}))
        self.content_hash: str = hash_content(self._identity(), self.weights)

    @property
    def sizes(self) -> dict[str, Any]:
        """Keyword arguments that build its network."""
        return sizes_of(self._network)

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was trained: settings, seed, losses, versions."""
        return copy.deepcopy(self._provenance)

    @property
    def weights(self) -> dict[str, Tensor]:
        """A copy of the state of its network, without heads."""
        state = self._network.state_dict()
        return {k: v.clone() for k, v in state.items() if not k.startswith("heads.")}

    @property
    def network(self) -> nn.Module:
        """A copy of the network, for evaluation."""
        return copy.deepcopy(self._network)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write it as a folder that appears whole or not at all.

        Parameters
        ----------
        path : path-like
            The folder to be.
        overwrite : bool
            Replace another model at `path`.

        Raises
        ------
        ModelError
            If another model, or something that is no model, is at `path`.
        """
        folder = Path(path).expanduser().absolute()
        write_folder(folder, self._document(), self.weights, overwrite=overwrite)
        return folder

    def __repr__(self) -> str:
        objective = self._provenance.get("settings", {}).get("objective", "unknown objective")
        return f"<Pretrained {self.network_name}, {objective}, {self.content_hash[:12]}>"

    def _identity(self) -> dict[str, Any]:
        return {
            "spec": self.spec.to_dict(),
            "network": {"name": self.network_name, "sizes": self.sizes},
            "calibration": None,
        }

    def _document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "content_hash": self.content_hash,
            **self._identity(),
            "provenance": self._provenance,
        }


def load_pretrained(path: str | os.PathLike[str]) -> Pretrained:
    """The pre-trained network in a folder that :meth:`Pretrained.save` wrote; no code is run.

    Raises
    ------
    ModelError
        If there is no such folder, it is damaged or was changed, holds a pickle or a classifier,
        or its network is not installed or no longer takes these weights.
    """
    folder = Path(path).expanduser().absolute()
    document, weights = read_folder(folder)
    if document.get("format") != FORMAT:
        raise ModelError(
            f"{folder} holds {document.get('format')!r}; expected {FORMAT!r}. "
            "A classifier is loaded with lulc_xr.load_classifier; fit(..., init=) takes both."
        )
    try:
        spec = InputSpec.from_dict(document["spec"])
        name, sizes = str(document["network"]["name"]), dict(document["network"]["sizes"])
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} is damaged: spec or network in model.json cannot be read ({error!r}). "
            "Copy the model folder again."
        ) from error
    with torch.random.fork_rng(devices=[]):
        network = rebuild(name, sizes)
    heads = {k: v for k, v in network.state_dict().items() if k.startswith("heads.")}
    put_weights(network, {**weights, **heads}, origin=str(folder))
    return Pretrained(network, name=name, spec=spec, provenance=document["provenance"])


def rebuild(name: str, sizes: Mapping[str, Any]) -> nn.Module:
    """A network of random weights from its name and what :func:`sizes_of` gave."""
    if name == AUTOENCODER:
        return PatchAutoencoder(**sizes)
    return make_network(name, **{**sizes, "classes": dict(sizes["classes"])})


def build_for_pretext(
    name: str,
    spec: InputSpec,
    *,
    patch: int | None,
    conditioning: str,
    faithful: bool,
    sizes: Mapping[str, Any],
) -> nn.Module:
    """A network of random weights that fits what it will see.

    Parameters
    ----------
    name : str
        A network's name, or ``"patch_autoencoder"``.
    spec : InputSpec
        What it will see.
    patch : int or None
        Side of the patches in pixels.
    conditioning : str
        How it takes context.
    faithful : bool
        Whether context starts at random, as in the paper.
    sizes : mapping
        Sizes other than its defaults.
    """
    given: dict[str, Any] = dict(sizes)
    if spec.context:
        given |= {"context": len(spec.context), "conditioning": conditioning}
        given |= {"faithful": True} if faithful else {}
    dates = fixed_number_of_dates(spec.dates)
    if name != AUTOENCODER:
        return make_network(name, bands=len(spec.bands), dates=dates, classes=PRETEXT, **given)
    if dates is None or patch is None:
        raise ModelError(
            "the autoencoder of patches needs patches of a fixed number of dates. Draw samples "
            "with patch=33 or so, and RegularDates."
        )
    return PatchAutoencoder(bands=len(spec.bands), dates=dates, patch=patch, **given)
