"""``lulc-xr train`` and ``networks``: samples to the folder of a model or an ensemble."""

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
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.ensemble import Ensemble
from lulc_xr.models.folder import read_folder
from lulc_xr.models.pretrained import FORMAT, load_pretrained
from lulc_xr.models.registry import list_networks, load_network
from lulc_xr.samples.loader_members import rank_of_many
from lulc_xr.samples.store import open_samples
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit
from lulc_xr.training.members import fit_ensemble, fit_snapshots
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
    members: int | None = None,
    snapshots: int | None = None,
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
    members : int, optional
        Train a deep ensemble of so many members.
    snapshots : int, optional
        Take so many snapshots of one training.
    """
    if members is not None and snapshots is not None:
        raise ModelError(
            f"members {members} and snapshots {snapshots}: give one of them. Members are trainings "
            "of their own, snapshots are taken of one."
        )
    if out.exists() and not overwrite:
        raise ModelError(f"{str(out)!r} exists already; pass --overwrite to replace it.")
    config, method = read_settings(file, settings)
    learnt = open_samples(samples)
    begun = time.perf_counter()
    shared: dict[str, Any] = {
        "config": config,
        "init": None if init is None else _load_init(init),
        "checkpoint": checkpoint,
    }
    taught: dict[str, Any] = {"method": method}
    taught["unlabelled"] = None if unlabelled is None else _open_unlabelled(unlabelled)
    trained: Classifier | Ensemble
    if snapshots is not None:
        if method is not None or unlabelled is not None:
            raise ModelError(
                "snapshots are taken of a supervised training. Leave out the method and the "
                "unlabelled samples, or train members."
            )
        trained = fit_snapshots(learnt, network, members=snapshots, **shared)
    elif members is not None:
        trained = fit_ensemble(learnt, network, members=members, **shared, **taught)
    else:
        trained = fit(learnt, network, **shared, **taught)
    rank, _ = rank_of_many()
    if rank:
        # All have the same classifier; the first one saves it.
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    trained.save(out, overwrite=overwrite)
    console().print(
        f"{trained.network_name} trained on {learnt.sizes['sample']} samples in "
        f"{time.perf_counter() - begun:.0f} s ({_say_scores(trained)})\n"
        f"model {trained.content_hash[:12]} in [bold]{out}[/]"
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


def _say_scores(trained: Classifier | Ensemble) -> str:
    """What a training ended with; of an ensemble what its first member ended with."""
    one = trained if isinstance(trained, Classifier) else trained.members[0]
    scores = one.provenance["scores"].items()
    said = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in scores)
    return said if one is trained else f"the first: {said}"


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
