"""Classifier: a trained network with all it needs to predict, in memory and as a folder."""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import LulcError, ModelError
from lulc_xr.core.model import (
    ModelSpec,
    Precision,
    PredictorReference,
    check_precision,
    fixed_number_of_dates,
)
from lulc_xr.models.attached import Attached, calibrate_tasks
from lulc_xr.models.card import draw_card
from lulc_xr.models.execution import GPU_BATCH, choose_device, one_thread, run_form
from lulc_xr.models.folder import (
    FORMAT_VERSION,
    cache_folder,
    hash_content,
    read_arrays,
    read_folder,
    write_folder,
)
from lulc_xr.models.mlm import SCHEMA, describe_model
from lulc_xr.models.plain_form import make_form
from lulc_xr.models.registry import is_spatial, make_network, needs_fixed_dates
from lulc_xr.models.sample_predictions import predict_samples
from lulc_xr.models.spatial import Form
from lulc_xr.models.weights import check_network, count_weights, put_weights, sizes_of


class Classifier(Attached):
    """A trained network, ready to use; it does not change any more.

    Parameters
    ----------
    network : torch.nn.Module
        The trained network; it is copied.
    name : str
        Its name among :func:`lulc_xr.models.registry.list_networks`.
    spec : ModelSpec
        What it needs and gives, with the scaling of its bands.
    provenance : mapping, optional
        How it was trained, JSON-able.
    precision : {"float32", "bfloat16"}
        Arithmetic of :meth:`predict_block`.
    device : str, optional
        ``"cpu"`` or ``"cuda"``. By default the environment variable ``LULC_XR_DEVICE``, else
        ``"cpu"``.
    attachments : Attachments, optional
        Calibration, conformal sets, area of applicability.

    Raises
    ------
    ModelError
        If network and specification do not fit, or the device is not there.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        spec: ModelSpec,
        provenance: Mapping[str, Any] | None = None,
        precision: Precision = "float32",
        device: str | None = None,
        attachments: Attachments | None = None,
    ) -> None:
        check_network(network, name=name, spec=spec)
        self.spec = spec
        self.network_name = name
        self.precision = check_precision(precision)
        self.device = choose_device(device)
        self._network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
        self._provenance = copy.deepcopy(dict(provenance or {}))
        self._forms: dict[Precision, Form] = {}
        self._building = threading.Lock()
        self._folder: Path | None = None
        self._changed = ""
        self.attachments = attachments or Attachments()
        self.content_hash: str = hash_content(self._identity(), self._network.state_dict())

    @property
    def sizes(self) -> dict[str, Any]:
        """Keyword arguments that build its network."""
        return sizes_of(self._network)

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was trained: settings, versions, seed, numbers of samples, scores, date."""
        return copy.deepcopy(self._provenance)

    @property
    def weights(self) -> dict[str, Tensor]:
        """A copy of the state of its network."""
        return {name: tensor.clone() for name, tensor in self._network.state_dict().items()}

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Class probabilities of a block, computed on the calling thread alone.

        Parameters
        ----------
        pixels : ndarray of float32
            Reflectance, shape (time, band, y, x), NaN where missing.
        days : ndarray of int32
            Day of the mapped year (0-based) of each date, shape (time,).
        context : mapping or None
            Context variables of the specification by name, raw, each of shape (y, x); and, for a
            calibration by region, the positions of the regions under the name of their variable.

        Returns
        -------
        ndarray of float32, or dict of task to such
            Probabilities, shape (class, y, x); a dict if the model has several tasks.

        Raises
        ------
        ModelError
            If the block has other bands or dates than the model, or context is missing.
        """
        series, when, seen = self._tensors(pixels, days)
        around = self._context(context, shape=tuple(pixels.shape[2:]))
        with one_thread(), torch.inference_mode():
            given = run_form(self._form(), series, when, seen, around)
        shape = pixels.shape[2:]
        plain = {t: p.cpu().numpy().reshape(len(p), *shape) for t, p in given.items()}
        found = calibrate_tasks(plain, self.calibration, context=context)
        return found if len(found) > 1 else next(iter(found.values()))

    def predict(self, samples: xr.Dataset) -> xr.Dataset:
        """Classes, entropy and probabilities of samples.

        Parameters
        ----------
        samples : xr.Dataset
            Samples with `reflectance` (sample, time, band), as
            :func:`lulc_xr.extract_samples` gives them.

        Returns
        -------
        xr.Dataset
            For each task: ``<task>`` (sample) uint8 class ids, ``<task>_entropy`` (sample)
            float32 in nats, ``<task>_probability`` (sample, class) float32.
        """
        return predict_samples(self, samples)

    def with_precision(self, precision: str) -> Classifier:
        """The same model in another arithmetic; the weights are shared, not copied."""
        # Not copy.copy: that would go through __reduce__, which saves and loads the model.
        other = Classifier.__new__(Classifier)
        other.__dict__.update(self.__dict__)
        other.precision = check_precision(precision)
        return other

    def with_network(self, change: Callable[[nn.Module], nn.Module], *, name: str) -> Classifier:
        """This model with another network of the same weights: a member that is made of it.

        Parameters
        ----------
        change : callable
            Gets its network, which it must not change; gives the other one.
        name : str
            What was changed, in words; with the identity of this model that of the other one,
            which cannot be saved alone.
        """
        other = self.with_precision(self.precision)
        other._network = change(self._network).eval()
        other._forms, other._building = {}, threading.Lock()
        other._folder, other._changed = None, name
        other.content_hash = hashlib.sha256(f"{self.content_hash} {name}".encode()).hexdigest()
        return other

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the model as a folder that appears whole or not at all.

        Parameters
        ----------
        path : path-like
            The folder to be. If this very model is there already, nothing is written.
        overwrite : bool
            Replace another model at `path`.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ModelError
            If another model, or something that is no model, is at `path`.
        """
        if self._changed:
            raise ModelError(
                f"this is {self._changed} of a classifier and cannot be saved alone. Save the "
                "model of all members."
            )
        folder = Path(path).expanduser().absolute()
        write_folder(
            folder,
            self._document(),
            self._network.state_dict(),
            arrays=self.attachments.arrays(),
            overwrite=overwrite,
        )
        self._folder = folder
        return folder

    def reference(self) -> PredictorReference:
        """Where a worker finds this model; it is saved to the user's cache if it has no folder."""
        if self._folder is None or not self._folder.is_dir():
            # The name is the hash of the content: what is there and differs can only be damaged
            # or carry another provenance.
            self.save(cache_folder(self.content_hash), overwrite=True)
        return PredictorReference(
            loader=load_classifier,
            path=str(self._folder),
            content_hash=self.content_hash,
            precision=self.precision,
        )

    def __reduce__(self) -> tuple[Callable[..., Classifier], tuple[str, str, Precision]]:
        reference = self.reference()
        return _load_once, (reference.path, reference.content_hash, reference.precision)

    def __repr__(self) -> str:
        return f"<Classifier {self._title()}, {self.precision}, {self.content_hash[:12]}>"

    def _repr_html_(self) -> str:
        return draw_card(self._title(), self.spec, self._provenance, content_hash=self.content_hash)

    def _title(self) -> str:
        tasks = ", ".join(f"{t} ({len(g)} classes)" for t, g in self.spec.legends.items())
        return f"{self.network_name} for {tasks}"

    def _identity(self) -> dict[str, Any]:
        return {
            "spec": self.spec.to_dict(),
            "network": {"name": self.network_name, "sizes": self.sizes},
            **self.attachments.to_dict(),
        }

    def _with_attachments(self, attachments: Attachments) -> Classifier:
        # Weights are shared, and so are the forms that were built of them.
        other = self.with_precision(self.precision)
        other.attachments, other._folder = attachments, None
        other.content_hash = hash_content(other._identity(), other._network.state_dict())
        return other

    def _document(self) -> dict[str, Any]:
        properties = describe_model(
            self.spec,
            network=self.network_name,
            parameters=count_weights(self._network),
            sizes=self.sizes,
        )
        return {
            "format": "lulc_xr classifier",
            "format_version": FORMAT_VERSION,
            "content_hash": self.content_hash,
            **self._identity(),
            "provenance": self._provenance,
            "stac_extensions": [SCHEMA],
            "properties": properties,
        }

    def _form(self) -> Form:
        with self._building:
            if self.precision not in self._forms:
                form = make_form(self._network, spec=self.spec, precision=self.precision)
                if self.device != "cpu":
                    form = form.to(self.device)
                    form.batch = GPU_BATCH
                self._forms[self.precision] = form
            return self._forms[self.precision]

    def _tensors(
        self, pixels: NDArray[np.float32], days: NDArray[np.int32]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Series (time, band, pixel), days (time,) and what was seen (time, pixel) as tensors.

        A spatial network gets series (time, band, y, x) and what was seen (time, y, x).
        """
        dates = fixed_number_of_dates(self.spec.dates)
        expected = (dates or len(days), len(self.spec.bands))
        if pixels.ndim != 4 or pixels.shape[:2] != expected or len(days) != pixels.shape[0]:
            raise ModelError(
                f"block of shape {pixels.shape} with {len(days)} days; this model expects "
                f"(time, band, y, x) with {dates or 'any number of'} dates and "
                f"{len(self.spec.bands)} bands ({', '.join(self.spec.bands)}). "
                "Composite and select before, or let lulc_xr.classify do it."
            )
        given = np.ascontiguousarray(pixels, np.float32)
        if not is_spatial(self._network):
            given = given.reshape(*pixels.shape[:2], -1)
        if not given.flags.writeable:
            given = given.copy()  # PyTorch warns of read-only memory, though nothing is written
        series = torch.from_numpy(given).to(self.device)
        when = torch.from_numpy(np.array(days, np.int64)).to(self.device)
        if needs_fixed_dates(self._network):
            # A missing pixel must not spread to its neighbours; alone, it is marked as missing.
            return series.nan_to_num(0.0) if is_spatial(self._network) else series, when, None
        seen = ~torch.isnan(series[:, 0])
        return series, when, None if bool(seen.all()) else seen

    def _context(
        self, context: Mapping[str, NDArray[np.float32]] | None, *, shape: tuple[int, ...]
    ) -> Tensor | None:
        """Scaled context (context, pixel), or (context, y, x) for a spatial network."""
        names = self.spec.context
        if not names:
            return None
        missing = [name for name in names if context is None or name not in context]
        if context is None or missing:
            raise ModelError(
                f"this model needs context {', '.join(missing)} of each pixel. Pass context="
                "{name: array (y, x)} in raw units, or let lulc_xr.classify read it from the cube."
            )
        values = np.stack([np.broadcast_to(context[name], shape) for name in names])
        if self.spec.context_scaling is not None:
            values = self.spec.context_scaling.scale(values)
        # The engine maps pixels without context to fill; they must not spread to neighbours.
        scaled = np.nan_to_num(np.ascontiguousarray(values, np.float32))
        if not is_spatial(self._network):
            scaled = scaled.reshape(len(names), -1)
        return torch.from_numpy(scaled).to(self.device)


def load_classifier(path: str | os.PathLike[str], *, device: str | None = None) -> Classifier:
    """The classifier in a folder that :meth:`Classifier.save` wrote; no code of it is run.

    Parameters
    ----------
    path : path-like
        The folder, with ``model.safetensors`` and ``model.json``.
    device : str, optional
        ``"cpu"`` or ``"cuda"``. By default the environment variable ``LULC_XR_DEVICE``, else
        ``"cpu"``.

    Returns
    -------
    Classifier

    Raises
    ------
    ModelError
        If there is no such folder, it is damaged or was changed, it is of another format version,
        holds a pickle, or its network is not installed or no longer takes these weights.
    """
    folder = Path(path).expanduser().absolute()
    document, weights = read_folder(folder)
    if (form := document.get("format")) == "lulc_xr pretrained network":
        raise ModelError(
            f"{folder} holds {form!r}, which knows no classes yet. Load it with "
            "lulc_xr.load_pretrained, and train with fit(..., init=)."
        )
    try:
        spec = ModelSpec.from_dict(document["spec"])
        name, sizes = document["network"]["name"], dict(document["network"]["sizes"])
        built = {key: sizes.pop(key) for key in ("bands", "dates", "classes")}
    except LulcError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{folder} is damaged: spec or network in model.json cannot be read ({error!r}). "
            "Copy the model folder again."
        ) from error
    # Weights are replaced at once: the random ones must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        network = make_network(name, **built, **sizes)
    put_weights(network, weights, origin=str(folder))
    loaded = Classifier(
        network,
        name=name,
        spec=spec,
        provenance=document["provenance"],
        device=device,
        attachments=Attachments.from_dict(document, read_arrays(folder)),
    )
    loaded._folder = folder
    return loaded


@lru_cache(maxsize=8)
def _load_once(path: str, content_hash: str, precision: Precision) -> Classifier:
    loaded = load_classifier(path)
    if loaded.content_hash != content_hash:
        raise ModelError(
            f"model in {path} is {loaded.content_hash[:12]}, but {content_hash[:12]} was meant: "
            "the folder was replaced in the meantime. Save models to folders of their own."
        )
    return loaded.with_precision(precision)
