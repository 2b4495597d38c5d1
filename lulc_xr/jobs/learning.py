"""``lulc-xr train`` and ``networks``: samples to a model folder."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
from rich.table import Table

from lulc_xr.core.errors import ModelError
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.terminal import console
from lulc_xr.jobs.toml_tables import read_tables
from lulc_xr.models.classifier import load_classifier
from lulc_xr.models.folder import read_folder
from lulc_xr.models.pretrained import FORMAT, load_pretrained
from lulc_xr.models.registry import list_networks, load_network
from lulc_xr.samples.loader_members import rank_of_many
from lulc_xr.samples.store import open_samples
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit
from lulc_xr.training.methods import Method, method_from_dict
from lulc_xr.training.warm_start import Init


def train_samples(
    samples: Path,
    out: Path,
    *,
    network: str,
    overwrite: bool,
    settings: Mapping[str, Any],
    file: Path | None = None,
    unlabelled: Path | None = None,
    init: Path | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Train a network on a store of samples and save the classifier.

    Parameters
    ----------
    samples, out : Path
        Store of samples, folder of the model to be.
    network : str
        Name of the network.
    overwrite : bool
        Replace a model that is there.
    settings : mapping
        Settings of :class:`lulc_xr.TrainConfig` other than its defaults and those of `file`.
    file : Path, optional
        TOML file of such settings, with a table `method` if it is not supervised.
    unlabelled : Path, optional
        Store of a cube or of samples, for the method.
    init : Path, optional
        Folder of a classifier or of a pre-trained network to begin with.
    checkpoint : Path, optional
        Folder for a checkpoint after every epoch.
    """
    if out.exists() and not overwrite:
        raise ModelError(f"{str(out)!r} exists already; pass --overwrite to replace it.")
    config, method = read_settings(file, settings)
    learnt = open_samples(samples)
    begun = time.perf_counter()
    classifier = fit(
        learnt,
        network,
        config=config,
        method=method,
        unlabelled=None if unlabelled is None else _open_unlabelled(unlabelled),
        init=None if init is None else _load_init(init),
        checkpoint=checkpoint,
    )
    rank, _ = rank_of_many()
    if rank:
        # All have the same classifier; the first one saves it.
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    classifier.save(out, overwrite=overwrite)
    scores = classifier.provenance["scores"].items()
    said = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in scores)
    console().print(
        f"{network} trained on {learnt.sizes['sample']} samples in "
        f"{time.perf_counter() - begun:.0f} s ({said})\n"
        f"model {classifier.content_hash[:12]} in [bold]{out}[/]"
    )


def read_settings(
    file: Path | None, settings: Mapping[str, Any]
) -> tuple[TrainConfig, Method | None]:
    """Settings of a training and its method, from a TOML file and what is given beside it.

    Raises
    ------
    ModelError
        If the file cannot be read, or a setting is unknown or out of range.
    """
    table = {} if file is None else read_tables(file, error=ModelError)
    method = table.pop("method", None)
    config = TrainConfig.from_dict({"progress": True, **table, **settings})
    return config, None if method is None else method_from_dict(method)


def _open_unlabelled(path: Path) -> xr.Dataset:
    """A cube, or samples: which of the two the store holds shows in its dimensions."""
    found = xr.open_zarr(path, consolidated=False)
    return open_samples(path) if "sample" in found.sizes else open_cube(path)


def _load_init(path: Path) -> Init:
    """A classifier, or a pre-trained network, as its folder says."""
    document, _ = read_folder(path)
    if document.get("format") == FORMAT:
        return load_pretrained(path)
    return load_classifier(path)


def show_networks() -> None:
    """Print the networks that installed packages offer."""
    table = Table("name", "what it is", "dates", "receptive field")
    for name in list_networks():
        network = load_network(name)
        said = (inspect.getdoc(network) or "").partition("\n")[0]
        fixed = getattr(network, "needs_fixed_dates", False)
        field = getattr(network, "receptive_field", 0)
        table.add_row(
            f"[bold]{name}[/]",
            said,
            "regular" if fixed else "any",
            f"{field} pixels" if field else "the pixel",
        )
    console().print(table)
