"""Experiments from TOML files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lulc_xr.core.errors import ExperimentError, StoreError, name_unknown
from lulc_xr.jobs.experiment import (
    ALL,
    SUPERVISED,
    Experiment,
    FoldScheme,
    expand_methods,
)
from lulc_xr.jobs.toml_tables import converted, read_table, read_tables

_HINT = "In the experiment {path!r}; its keys are listed in examples/methods/experiments.md"
_TOP = {
    "title": "str", "folder": "str", "reference": "str", "region": "str",
    "tasks": "tuple[str, ...]", "seeds": "tuple[int, ...]",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _MethodTable:
    """Keys of a table [[method]]; lists are combined."""

    network: tuple[str, ...]
    name: str = ""
    conditioning: tuple[str, ...] = ("none",)
    learning: tuple[str, ...] = (SUPERVISED,)
    tasks: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def load_experiment(path: str | Path) -> Experiment:
    """An experiment from a TOML file, checked; nothing is read but the file itself.

    Parameters
    ----------
    path : str or Path
        A ``.toml`` file with `samples`, tables ``[[method]]`` and ``[[folds]]``, and what
        ``examples/methods/experiments.md`` lists.

    Returns
    -------
    Experiment
        Relative paths in it are taken from the folder of the file.

    Raises
    ------
    StoreError
        If the file is not there.
    ExperimentError, ModelError
        If a key is unknown, a value out of range or a table is missing; the message names
        the table and the key.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise StoreError(
            f"no experiment {str(path)!r} here ({Path.cwd()}). Give the path of a .toml file; "
            "examples/methods/experiments.md shows one."
        )
    told = read_tables(place, error=ExperimentError)
    try:
        return _of_tables(place.resolve(), told)
    except ValueError as error:
        error.add_note(_HINT.format(path=str(path)))
        raise


def _of_tables(path: Path, told: Mapping[str, Any]) -> Experiment:
    known = [*_TOP, "samples", "budgets", "train", "method", "folds"]
    for key in told:
        if key not in known:
            raise ExperimentError(name_unknown("key", key, known))
    given = {**told, "seeds": _seeds(told.get("seeds", 5))}
    top = {
        key: converted(key, given[key], kind, error=ExperimentError, alone=True)
        for key, kind in _TOP.items()
        if key in given
    }
    samples = _samples(told.get("samples"), folder=path.parent)
    tasks, folder = top.pop("tasks", ("land_cover",)), top.pop("folder", f"{path.stem}_runs")
    common = converted("[train]", told.get("train", {}), "Mapping", error=ExperimentError)
    methods = [
        _method(table, common=common, tasks=tasks, samples=tuple(samples))
        for table in _several("method", told)
    ]
    budgets = told.get("budgets", [ALL])
    return Experiment(
        **{"title": path.stem, **top},
        folder=path.parent / Path(folder).expanduser(),
        samples=samples,
        task=tasks[0].split("+")[0].strip(),
        methods=expand_methods(methods),
        folds=tuple(
            FoldScheme(**read_table(FoldScheme, "folds", table, error=ExperimentError, alone=True))
            for table in _several("folds", told)
        ),
        budgets=tuple(budgets) if isinstance(budgets, list) else (budgets,),
    )


def _seeds(told: Any) -> Any:
    """A number of seeds as the seeds from 0; a list as it is."""
    number = isinstance(told, int) and not isinstance(told, bool)
    return list(range(told)) if number else told


def _samples(told: Any, *, folder: Path) -> dict[str, Path]:
    """Stores by name: one path, or a table of several."""
    if isinstance(told, str):
        told = {Path(told).stem: told}
    if not isinstance(told, Mapping) or not all(isinstance(v, str) for v in told.values()):
        raise ExperimentError(
            f"samples is {told!r}; expected a path in quotes, or a table [samples] with a path "
            "for each name."
        )
    return {name: folder / Path(value).expanduser() for name, value in told.items()}


def _several(name: str, told: Mapping[str, Any]) -> list[Any]:
    tables = told.get(name, [])
    return tables if isinstance(tables, list) else [tables]


def _method(
    told: Any, *, common: Mapping[str, Any], tasks: tuple[str, ...], samples: tuple[str, ...]
) -> dict[str, Any]:
    """The keys of one table, with what holds for all methods."""
    given = read_table(_MethodTable, "method", told, error=ExperimentError, alone=True)
    given = {"conditioning": ("none",), "learning": (SUPERVISED,), **given}
    given.setdefault("tasks", ("+".join(tasks),))
    given.setdefault("samples", samples[:1])
    given["train"] = {**common, **given.get("train", {})}
    return given
