"""Training of several members in one call: deep ensembles, and snapshots of one training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import tasks_of
from lulc_xr.models.ensemble import Ensemble
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit, learn
from lulc_xr.training.methods import Method
from lulc_xr.training.snapshots import Snapshots
from lulc_xr.training.warm_start import Init

_CYCLES = 5
_TRIES = 100


def fit_ensemble(
    samples: xr.Dataset,
    network: str = "tempcnn",
    *,
    members: int = 5,
    config: TrainConfig | None = None,
    bootstrap: bool = False,
    method: Method | None = None,
    unlabelled: xr.Dataset | None = None,
    init: Init | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Ensemble:
    """A deep ensemble: the same training so many times, each from other random weights.

    Parameters
    ----------
    samples : xr.Dataset
        As for :func:`lulc_xr.fit`.
    network : str
        Name of the network.
    members : int
        Number of trainings; member i has the seed ``config.seed + i``.
    config : TrainConfig, optional
        Settings of all members, but for the seed.
    bootstrap : bool
        Each member learns from samples that were drawn with replacement: whole blocks, if the
        samples have a variable `block`, else whole points (`point_id`), else samples. Samples of
        the validation fold stay as they are. Without it (the default, as in the paper) members
        differ in their random numbers only, which is better for networks in most studies.
    method, unlabelled, init
        As for :func:`lulc_xr.fit`.
    checkpoint : path, optional
        Folder that holds a folder ``member_00``, ... for the checkpoints of each member. The same
        call continues an ensemble that was interrupted; of members that were finished it does
        the last epoch again.

    Returns
    -------
    Ensemble
        Its `provenance` says what it is; that of each member how it was trained.

    Raises
    ------
    SampleError, ModelError
        As :func:`lulc_xr.fit`; if there are fewer than two members; or if a class has so few
        samples that the bootstrap keeps losing it.

    References
    ----------
    Lakshminarayanan, B., Pritzel, A., Blundell, C. (2017). Simple and scalable predictive
    uncertainty estimation using deep ensembles. NeurIPS 2017, https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.samples.extract import extract_samples
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> ensemble = fit_ensemble(samples, members=2, config=TrainConfig(epochs=2, seed=7))
    >>> ensemble.provenance["seeds"]
    [7, 8]
    """
    config = config or TrainConfig()
    if members < 2:
        raise ModelError(f"members {members!r}; an ensemble is trained with 2 or more.")
    seeds = [config.seed + number for number in range(members)]
    drawn = _bootstrap(samples, config, seeds) if bootstrap else (samples for _ in seeds)
    trained = []
    for number, (own, seed) in enumerate(zip(drawn, seeds, strict=True)):
        folder = None if checkpoint is None else Path(checkpoint) / f"member_{number:02d}"
        trained.append(
            fit(
                own,
                network,
                config=replace(config, seed=seed),
                method=method,
                unlabelled=unlabelled,
                init=init,
                checkpoint=folder,
            )
        )
    said: dict[str, Any] = {"kind": "deep ensemble", "members": members, "seeds": seeds}
    said["bootstrap"] = _unit(samples) if bootstrap else None
    return Ensemble(trained, provenance=said)


def fit_snapshots(
    samples: xr.Dataset,
    network: str = "tempcnn",
    *,
    members: int | None = None,
    config: TrainConfig | None = None,
    init: Init | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Ensemble:
    """Snapshots of one training: a member at the end of every cycle of the learning rate.

    It costs one training. Members that were taken one after the other resemble each other more
    than those of :func:`lulc_xr.fit_ensemble`, and each had a part of the steps only.

    Parameters
    ----------
    samples : xr.Dataset
        As for :func:`lulc_xr.fit`.
    network : str
        Name of the network.
    members : int, optional
        Number of cycles, and so of members. Default: ``config.cycles`` if that is more than 1,
        else 5.
    config : TrainConfig, optional
        Settings; `epochs` is that of all cycles together, and a multiple of them. Without it, the
        default is rounded up to one. Weights are not averaged, `patience` is refused.
    init : Classifier or Pretrained, optional
        As for :func:`lulc_xr.fit`.
    checkpoint : path, optional
        As for :func:`lulc_xr.fit`.

    Returns
    -------
    Ensemble
        Its `provenance` says what it is.

    Raises
    ------
    SampleError, ModelError
        As :func:`lulc_xr.fit`; or if there are fewer than two members.

    Notes
    -----
    In each cycle the learning rate rises over a fifth of the steps, and falls to 0 along half a
    cosine; in the paper it begins each cycle at its largest.

    References
    ----------
    Huang, G., Li, Y., Pleiss, G., Liu, Z., Hopcroft, J. E., Weinberger, K. Q. (2017). Snapshot
    ensembles: train 1, get M for free. ICLR 2017, https://arxiv.org/abs/1704.00109

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.samples.extract import extract_samples
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> fit_snapshots(samples, members=2, config=TrainConfig(epochs=4)).provenance["epochs"]
    [2, 4]
    """
    config = config or TrainConfig()
    if members is None:
        members = config.cycles if config.cycles > 1 else _CYCLES
    if members < 2:
        raise ModelError(
            f"members {members!r}; snapshots are taken at the end of 2 or more cycles."
        )
    snapshots = Snapshots(members)
    trained = learn(
        samples,
        network,
        config=replace(config, cycles=members),
        init=init,
        checkpoint=checkpoint,
        snapshots=snapshots,
    )
    length = int(trained[0].provenance["scores"]["epochs"]) // members
    said: dict[str, Any] = {"kind": "snapshots of one training", "members": members}
    said |= {"seed": config.seed, "epochs": [length * (i + 1) for i in range(members)]}
    return Ensemble(trained, provenance=said)


def _unit(samples: xr.Dataset) -> str:
    """What is drawn together: the variable that names it."""
    return next((name for name in ("block", "point_id") if name in samples.variables), "sample")


def _bootstrap(samples: xr.Dataset, config: TrainConfig, seeds: list[int]) -> Iterator[xr.Dataset]:
    """Samples of each member, drawn by whole units; those of the validation fold as they are."""
    judged = np.zeros(samples.sizes["sample"], np.bool_)
    if config.validation_fold is not None and "fold" in samples:
        judged = samples["fold"].values == config.validation_fold
    unit = _unit(samples)
    values = np.arange(judged.size) if unit == "sample" else samples[unit].values
    rows = np.flatnonzero(~judged)
    units, of_unit = np.unique(values[rows], return_inverse=True)
    members = np.split(rows[np.argsort(of_unit, kind="stable")], np.cumsum(np.bincount(of_unit)))
    there = _classes(samples.isel(sample=rows))
    for seed in seeds:
        rng = np.random.default_rng((seed, units.size))
        for _ in range(_TRIES):
            chosen = rng.integers(0, units.size, units.size)
            taken = np.concatenate([members[number] for number in chosen])
            drawn = samples.isel(sample=np.concatenate([taken, np.flatnonzero(judged)]))
            if _classes(drawn.isel(sample=slice(0, taken.size))) == there:
                break
        else:
            raise SampleError(
                f"in {_TRIES} draws of {units.size} of {unit!r} some class always lost all its "
                "samples. Pass bootstrap=False, or take more samples of the rare classes."
            )
        yield drawn


def _classes(samples: xr.Dataset) -> set[tuple[str, int]]:
    """Tasks and class ids that samples have labels of."""
    return {
        (task, int(found))
        for task in tasks_of(samples)
        for found in np.unique(samples[task].values)
        if found != FILL_CLASS
    }
