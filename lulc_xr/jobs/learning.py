"""``lulc-xr train`` and ``networks``: samples to a model folder."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from lulc_xr.core.errors import ModelError
from lulc_xr.jobs.terminal import console
from lulc_xr.models.registry import list_networks, load_network
from lulc_xr.samples.loader_members import rank_of_many
from lulc_xr.samples.store import open_samples
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit


def train_samples(
    samples: Path,
    out: Path,
    *,
    network: str,
    overwrite: bool,
    settings: Mapping[str, Any],
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
        Settings of :class:`lulc_xr.TrainConfig` other than its defaults.
    checkpoint : Path, optional
        Folder for a checkpoint after every epoch.
    """
    if out.exists() and not overwrite:
        raise ModelError(f"{str(out)!r} exists already; pass --overwrite to replace it.")
    config = TrainConfig(progress=True, **settings)
    learnt = open_samples(samples)
    begun = time.perf_counter()
    classifier = fit(learnt, network, config=config, checkpoint=checkpoint)
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
