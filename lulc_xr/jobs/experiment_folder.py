"""The folder of an experiment: what it was begun with, its folds, and a record of every run."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.core.errors import ExperimentError
from lulc_xr.jobs.experiment import Experiment
from lulc_xr.jobs.experiment_data import Store
from lulc_xr.jobs.experiment_runs import Run

TABLE, REPORT = "results.parquet", "report.html"
_DOCUMENT, _FOLDS, _RUNS = "experiment.json", "folds.parquet", "runs"
_PARTIAL = ".partial-"
_DIFFERENCES_SHOWN = 6

Record = dict[str, Any]


def read_records(folder: Path) -> dict[str, Record]:
    """Records of runs by their key; what cannot be read counts as not there."""
    found = {}
    for file in sorted((folder / _RUNS).glob("*.json")):
        try:
            found[file.stem] = json.loads(file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue
    return found


def write_record(folder: Path, key: str, record: Record) -> None:
    """Write the record of one run; it is there whole or not at all."""
    write_file(folder / _RUNS / f"{key}.json", json.dumps(record).encode())


def begin(
    folder: Path,
    experiment: Experiment,
    runs: Sequence[Run],
    stores: Mapping[str, Store],
    *,
    redo: bool,
) -> dict[str, Record]:
    """Make the folder ready for these runs; the records of those that are finished.

    Raises
    ------
    ExperimentError
        If the folder holds finished runs that the experiment does not have, or something else.
    """
    document = _describe(experiment, stores)
    place = folder / _DOCUMENT
    if folder.exists() and any(folder.iterdir()) and not place.exists():
        raise ExperimentError(
            f"{str(folder)!r} holds files and no experiment. Name an empty folder."
        )
    records = read_records(folder)
    wanted = {run.key for run in runs}
    stale = [key for key, record in records.items() if key not in wanted]
    finished = [key for key in stale if not records[key].get("error")]
    if finished and not redo:
        before = json.loads(place.read_text(encoding="utf-8"))
        raise ExperimentError(
            f"{len(finished)} finished runs in {str(folder)!r} are no longer part of this "
            f"experiment: it was begun with other settings ({_differences(before, document)}). "
            "Name another folder, go back to the old file, or pass redo=True, which discards "
            "those runs."
        )
    (folder / _RUNS).mkdir(parents=True, exist_ok=True)
    for left in (*folder.glob(f"{_PARTIAL}*"), *(folder / _RUNS).glob(f"{_PARTIAL}*")):
        left.unlink()
    for key in stale:
        (folder / _RUNS / f"{key}.json").unlink()
    write_file(place, json.dumps(document, indent=1).encode())
    return {k: r for k, r in records.items() if k in wanted and not r.get("error")}


def keep_folds(
    folder: Path, experiment: Experiment, first: Store, folds: Mapping[str, NDArray[np.int16]]
) -> None:
    """Write the folds that were drawn."""
    frame = pd.DataFrame(dict(folds))
    frame.attrs = {"identity": _identity(experiment, first)}
    with _replaced(folder / _FOLDS) as made:
        frame.to_parquet(made)


def kept_folds(
    folder: Path, experiment: Experiment, first: Store
) -> dict[str, NDArray[np.int16]] | None:
    """The folds that were drawn for these samples and schemes before, if they were."""
    place = folder / _FOLDS
    if not place.is_file():
        return None
    frame = pd.read_parquet(place)
    if frame.attrs.get("identity") != _identity(experiment, first):
        return None
    return {str(name): frame[name].to_numpy(np.int16) for name in frame}


def write_table(folder: Path, table: pd.DataFrame) -> Path:
    """Write the table of results; it is replaced whole."""
    with _replaced(folder / TABLE) as made:
        table.to_parquet(made, index=False)
    return folder / TABLE


def write_file(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after a loss of power."""
    with _replaced(path) as made, made.open("wb") as file:
        file.write(content)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file beside another that takes its name once it is complete."""
    handle, name = tempfile.mkstemp(prefix=f"{_PARTIAL}{path.name}-", dir=path.parent)
    os.close(handle)
    made = Path(name)
    try:
        yield made
        with made.open("rb+") as file:
            os.fsync(file.fileno())
        made.chmod(0o644)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _identity(experiment: Experiment, first: Store) -> str:
    """What folds follow from."""
    schemes = {s.name: {**asdict(s), "only": None} for s in experiment.folds}
    return json.dumps({"samples": first.digest, "schemes": schemes}, sort_keys=True)


def _describe(experiment: Experiment, stores: Mapping[str, Store]) -> dict[str, Any]:
    """The experiment as JSON-able values that differences are named by."""
    plain = json.loads(json.dumps(asdict(experiment), default=str))
    for name in ("methods", "folds"):
        plain[name] = {entry.pop("name"): entry for entry in plain[name]}
    del plain["folder"]
    plain["samples"] = {name: store.digest for name, store in stores.items()}
    return dict(plain)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What changed from one description to another, setting by setting."""
    old, new = dict(_flat(before)), dict(_flat(now))
    found = [
        f"{name}: {old.get(name, 'not there')} -> {new.get(name, 'not there')}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    more = len(found) - _DIFFERENCES_SHOWN
    shown = "; ".join(found[:_DIFFERENCES_SHOWN])
    return (shown or "records of another version") + (f"; and {more} more" if more > 0 else "")


def _flat(values: Any, name: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _flat(value, f"{name}.{key}" if name else key)
    else:
        yield name, json.dumps(values)
