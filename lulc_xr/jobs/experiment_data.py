"""What an experiment rests on: its samples, checked and brought to one order, and its folds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.digest import content_digest
from lulc_xr.core.errors import ExperimentError, name_unknown
from lulc_xr.core.model import tasks_of
from lulc_xr.jobs.experiment import STORED, Experiment, FoldScheme
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.store import open_samples

_ID = "point_id"


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store of samples of an experiment.

    Parameters
    ----------
    path : str
        Where it lies.
    digest : str
        Identity of its content.
    like : str
        Store whose order of samples it is brought to; empty: its own.
    """

    path: str
    digest: str
    like: str = ""


def find_stores(experiment: Experiment) -> dict[str, Store]:
    """The stores of an experiment, each checked against what the methods ask of it.

    Raises
    ------
    StoreError
        If a store is not there.
    ExperimentError
        If a task or the region is missing, or stores do not hold the same labelled points.
    """
    first = next(iter(experiment.samples))
    made = {}
    for name, path in experiment.samples.items():
        samples = open_samples(path)
        wanted = {t for m in experiment.methods if m.samples == name for t in m.tasks}
        known = tasks_of(samples)
        for task in sorted(wanted | ({experiment.task} if name == first else set())):
            if task not in known:
                raise ExperimentError(name_unknown(f"task of samples {name!r}", task, known))
        if name == first and experiment.region and experiment.region not in samples:
            raise ExperimentError(
                name_unknown(
                    f"variable of samples {name!r}", experiment.region, map(str, samples.data_vars)
                )
            )
        like = "" if name == first else str(experiment.samples[first].resolve())
        made[name] = Store(path=str(path.resolve()), digest=samples_digest(samples), like=like)
    for name, store in made.items():
        _check_alike(made[first], store, name=name, tasks=[experiment.task])
    return made


@lru_cache(maxsize=4)
def load_store(store: Store) -> xr.Dataset:
    """Samples of a store, in the order of the first one of the experiment; kept in memory.

    Raises
    ------
    ExperimentError
        If its content changed since the experiment was planned.
    """
    samples = open_samples(store.path)
    if samples_digest(samples) != store.digest:
        raise ExperimentError(
            f"samples {store.path} changed while the experiment ran. Run it again with another "
            "folder, or with redo=True."
        )
    if not store.like:
        return samples
    order = {identity: n for n, identity in enumerate(_identities(samples))}
    wanted = _identities(open_samples(store.like))
    return samples.isel(sample=[order[identity] for identity in wanted])


def draw_folds(experiment: Experiment, samples: xr.Dataset) -> dict[str, NDArray[np.int16]]:
    """Fold of every sample, by the name of the scheme.

    Raises
    ------
    SampleError
        If folds cannot be made of these samples.
    ExperimentError
        If a fold to test is not there.
    """
    made = {}
    for scheme in experiment.folds:
        fold = _deal(scheme, samples)
        there = np.unique(fold[fold >= 0]).tolist()
        for number in scheme.only:
            if number not in there:
                raise ExperimentError(
                    name_unknown(f"fold of {scheme.name!r} in 'only'", number, map(str, there))
                )
        if len(there) < 2:
            raise ExperimentError(
                f"folds {scheme.name!r} has {len(there)} fold; expected at least 2, one to test "
                "and others to learn from."
            )
        made[scheme.name] = fold
    return made


def _deal(scheme: FoldScheme, samples: xr.Dataset) -> NDArray[np.int16]:
    if scheme.method == STORED:
        if "fold" not in samples:
            raise ExperimentError(
                "folds with method 'stored', but the samples carry no variable 'fold'. Draw it "
                "first (lulc_xr.make_folds), or name another method."
            )
        return np.asarray(samples["fold"].to_numpy(), np.int16)
    settings: dict[str, Any] = asdict(scheme)
    for name in ("name", "only"):
        del settings[name]
    return np.asarray(make_folds(samples, **settings)["fold"].to_numpy(), np.int16)


def samples_digest(samples: xr.Dataset) -> str:
    """Identity of the content of samples: values, names, attributes.

    Examples
    --------
    >>> samples = xr.Dataset({"land_cover": ("sample", [1, 2])})
    >>> samples_digest(samples) == samples_digest(samples.copy(deep=True))
    True
    >>> samples_digest(samples) == samples_digest(samples + 1)
    False
    """
    digest = hashlib.sha256(json.dumps(samples.attrs, sort_keys=True, default=str).encode())
    for name in sorted(map(str, samples.variables)):
        variable = samples.variables[name]
        values = variable.to_numpy()
        if values.dtype.kind in "mM":
            values = values.view(np.int64)
        elif values.dtype.kind not in "biuf":
            values = np.frombuffer("\0".join(map(str, values.ravel())).encode() or b"\0", np.uint8)
        attrs = json.dumps(variable.attrs, sort_keys=True, default=str)
        digest.update(f"{name} {variable.dims} {variable.shape} {values.dtype} {attrs}".encode())
        digest.update(content_digest(values).to_bytes(8, "little"))
    return digest.hexdigest()[:16]


def _identities(samples: xr.Dataset) -> list[tuple[Any, ...]]:
    """Point and year of every sample."""
    names = [name for name in (_ID, "year") if name in samples]
    return list(zip(*(samples[name].to_numpy().tolist() for name in names), strict=True))


def _check_alike(first: Store, store: Store, *, name: str, tasks: Iterable[str]) -> None:
    """Raise unless two stores hold the same points with the same labels."""
    if store == first:
        return
    ours, theirs = open_samples(first.path), open_samples(store.path)
    if _ID not in ours or _ID not in theirs:
        raise ExperimentError("several stores of samples are joined by 'point_id'; one has none.")
    known, other = _identities(ours), _identities(theirs)
    if len(set(known)) != len(known) or set(known) != set(other) or len(known) != len(other):
        raise ExperimentError(
            f"samples {name!r} hold {len(other)} samples of which {len(set(known) & set(other))} "
            f"are among the {len(known)} of the first; expected the same points and years, each "
            "once. Select the common ones first, so that all methods are judged on the same."
        )
    loaded = load_store(store)
    for task in tasks:
        if task in loaded and not np.array_equal(loaded[task].to_numpy(), ours[task].to_numpy()):
            raise ExperimentError(
                f"labels of {task!r} differ between samples {name!r} and the first; they are the "
                "same points. Draw them with the same labels."
            )
