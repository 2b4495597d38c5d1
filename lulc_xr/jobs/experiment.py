"""What an experiment is: samples, folds, budgets of labels, seeds, and the methods to compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from lulc_xr.core.errors import ExperimentError, name_unknown
from lulc_xr.models.conditioning import CONDITIONINGS
from lulc_xr.samples.folds import METHODS
from lulc_xr.training.config import TrainConfig

ALL = "all"
"""The budget that takes every label."""

STORED = "stored"
"""Folds that the samples carry already, in their variable ``fold``."""

BASELINES = ("extra_trees", "lightgbm", "logistic", "random_forest")
"""Methods of scikit-learn and LightGBM, by the names of experiments."""

FEATURES = "features"
"""How a baseline takes context: as columns beside the series."""

SUPERVISED = "supervised"
LEARNING = (SUPERVISED, "mean_teacher", "fixmatch", "self_training")

_PLAIN = {"conditioning": "none", "learning": SUPERVISED}
_TOGETHER = "+"
_DEALT = ("seed", "validation_fold", "patience", "conditioning", "progress", "log_folder")


@dataclass(frozen=True, kw_only=True)
class FoldScheme:
    """How samples are dealt to folds; drawn once and kept in the folder of the experiment.

    Parameters
    ----------
    method : str
        A method of :func:`lulc_xr.make_folds`, or ``"stored"``: those the samples carry.
    name : str
        What the report calls it; by default the method.
    block, distance, buffer : float
        In metres, as :func:`lulc_xr.make_folds` takes them.
    folds, seed : int
        Number of folds; another seed deals others.
    group, region : str
        Variable that never parts; variable of regions.
    only : tuple of int
        Folds to test; empty: all.
    """

    method: str
    name: str = ""
    block: float | None = None
    folds: int = 5
    distance: float = 0.0
    buffer: float = 0.0
    seed: int = 0
    group: str = "point_id"
    region: str = "region"
    only: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in (*METHODS, STORED):
            raise ExperimentError(name_unknown("method of folds", self.method, (*METHODS, STORED)))
        object.__setattr__(self, "name", self.name or self.method)
        object.__setattr__(self, "only", tuple(sorted(set(self.only))))


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to learn that an experiment compares with others.

    Parameters
    ----------
    name : str
        What tables and report call it.
    network : str
        A network by its registered name, or a baseline: ``"random_forest"``,
        ``"extra_trees"``, ``"lightgbm"``, ``"logistic"``.
    samples : str
        Which samples of the experiment it sees.
    tasks : tuple of str
        Tasks that it learns together. A baseline fits one model for each.
    conditioning : str
        How it takes context: as :class:`lulc_xr.TrainConfig` says; ``"features"`` for a baseline.
    learning : str
        ``"supervised"``, ``"mean_teacher"``, ``"fixmatch"`` or ``"self_training"``.
    sizes : mapping
        Sizes of the network, or arguments of the baseline.
    train : mapping
        Settings of :class:`lulc_xr.TrainConfig`, such as ``context`` (by default all
        that the samples carry). A baseline takes the context alone.
    settings : mapping
        Settings of the learning method.
    """

    name: str
    network: str
    samples: str
    tasks: tuple[str, ...]
    conditioning: str = "none"
    learning: str = SUPERVISED
    sizes: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        baseline = self.network in BASELINES
        known: tuple[str, ...] = ("none", FEATURES) if baseline else CONDITIONINGS
        if self.conditioning not in known:
            raise ExperimentError(
                name_unknown(f"conditioning of {self.network}", self.conditioning, known)
            )
        learning = (SUPERVISED,) if baseline else LEARNING
        if self.learning not in learning:
            raise ExperimentError(
                name_unknown(f"learning of {self.network}", self.learning, learning)
            )
        for key in _DEALT:
            if key in self.train:
                raise ExperimentError(
                    f"method {self.name!r} sets {key!r} in its table 'train'. The experiment "
                    "deals seeds, folds and conditioning itself: leave it out there."
                )
        if self.settings and self.learning == SUPERVISED:
            raise ExperimentError(
                f"method {self.name!r} is supervised and has settings "
                f"{', '.join(self.settings)}; they belong to another learning method."
            )
        if not baseline:
            self.config(seed=0)

    def config(self, *, seed: int) -> TrainConfig:
        """Settings of its training.

        Classes that the labels of a run lack are allowed: where a region is left out or labels
        are few, there are some, and the scores say so.
        """
        given = {"allow_missing_classes": True, **self.train, "seed": seed}
        if self.sizes:
            given["sizes"] = {**given.get("sizes", {}), **self.sizes}
        if self.conditioning == "none":
            # What holds for all methods may name a context that this one does not take.
            for name in ("context", "pixel_context", "faithful"):
                given.pop(name, None)
        else:
            given["conditioning"] = self.conditioning
        return TrainConfig.from_dict(given)

    @property
    def is_baseline(self) -> bool:
        """True for trees and the like, which need no network."""
        return self.network in BASELINES


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A comparison of methods on the same folds, the same draws of labels, the same seeds.

    Parameters
    ----------
    title : str
        Heading of the report.
    folder : Path
        Where runs, table and report go.
    samples : mapping of str to Path
        Stores of samples by name. Several hold the same points (by ``point_id``), such as raw
        dates and composites; the first deals folds and labels.
    methods : tuple of Method
        What is compared.
    folds : tuple of FoldScheme
        How samples are dealt to folds.
    budgets : tuple of int or "all"
        Labels per class of `task` that a method may see; the other samples become unlabelled.
        A smaller budget is part of a larger one.
    seeds : tuple of int
        Every seed draws other labels, initial weights and orders of batches.
    reference : str
        Method that the others are compared with; by default the first.
    task : str
        Task whose classes a budget of labels is drawn from; by default the first of the first
        method.
    region : str, optional
        Variable of the samples over which scores are also told apart.

    Raises
    ------
    ExperimentError
        If a name is unknown or comes twice, or a list is empty.

    Examples
    --------
    >>> from pathlib import Path
    >>> forest = Method(name="forest", network="random_forest", samples="s", tasks=("land_cover",))
    >>> experiment = Experiment(
    ...     title="One method",
    ...     folder=Path("outputs/one"),
    ...     samples={"s": Path("samples.zarr")},
    ...     methods=(forest,),
    ...     folds=(FoldScheme(method="blocked", block=1000.0),),
    ...     budgets=(20, "all"),
    ...     seeds=(0, 1, 2),
    ... )
    >>> experiment.reference
    'forest'
    """

    title: str
    folder: Path
    samples: Mapping[str, Path]
    methods: tuple[Method, ...]
    folds: tuple[FoldScheme, ...]
    budgets: tuple[int | str, ...] = (ALL,)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    reference: str = ""
    task: str = ""
    region: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", dict(self.samples))
        for name in ("samples", "methods", "folds", "budgets", "seeds"):
            if not getattr(self, name):
                raise ExperimentError(f"the experiment has no {name}; give at least one.")
        _check_once("budget", self.budgets)
        _check_once("seed", self.seeds)
        _check_once("name of folds", [scheme.name for scheme in self.folds])
        _check_once("name of a method", [method.name for method in self.methods])
        for budget in self.budgets:
            if budget != ALL and not (isinstance(budget, int) and budget >= 1):
                raise ExperimentError(
                    f'budget {budget!r}; expected labels per class, >= 1, or "{ALL}".'
                )
        for seed in self.seeds:
            if not 0 <= seed < 2**20:
                raise ExperimentError(f"seed {seed}; expected a whole number from 0 to 2^20 - 1.")
        for method in self.methods:
            if method.samples not in self.samples:
                raise ExperimentError(name_unknown("samples", method.samples, self.samples))
        object.__setattr__(self, "task", self.task or self.methods[0].tasks[0])
        names = [method.name for method in self.methods]
        object.__setattr__(self, "reference", self.reference or names[0])
        if self.reference not in names:
            raise ExperimentError(name_unknown("method of reference", self.reference, names))


def expand_methods(tables: Iterable[Mapping[str, Any]]) -> tuple[Method, ...]:
    """All combinations of what tables of methods name.

    Parameters
    ----------
    tables : iterable of mapping
        Lists of `network`, `conditioning`, `learning`, `tasks` (joined by '+' where they are
        learned together) and `samples`; `name`, `sizes`, `train` and `settings` of all of them.

    Examples
    --------
    >>> common = {"samples": ("s2",), "tasks": ("land_cover",), "conditioning": ("none",)}
    >>> tables = [{"network": ("ltae", "tempcnn"), "learning": ("supervised",), **common}]
    >>> [method.name for method in expand_methods(tables)]
    ['ltae', 'tempcnn']
    """
    made = []
    for table in tables:
        axes = {key: table[key] for key in ("network", *_PLAIN, "tasks", "samples")}
        for values in product(*axes.values()):
            cell = dict(zip(axes, values, strict=True))
            supervised = cell["learning"] == SUPERVISED
            made.append(
                Method(
                    name=_name(table.get("name", ""), axes, cell),
                    **cell | {"tasks": tuple(t.strip() for t in cell["tasks"].split(_TOGETHER))},
                    sizes=table.get("sizes", {}),
                    train=table.get("train", {}),
                    settings={} if supervised else table.get("settings", {}),
                )
            )
    return tuple(made)


def _name(given: str, axes: Mapping[str, Sequence[str]], cell: Mapping[str, str]) -> str:
    """The name of a table, and what tells its methods apart; or the network and what it does."""
    several = {key for key, values in axes.items() if len(values) > 1}
    if given:
        said = several
    else:
        said = several | {"network"} | {key for key, plain in _PLAIN.items() if cell[key] != plain}
    parts = [cell[key] for key in axes if key in said and cell[key] != _PLAIN.get(key)]
    return ", ".join(filter(None, [given, *parts]))


def _check_once(what: str, values: Iterable[object]) -> None:
    twice = [value for value, number in Counter(values).items() if number > 1]
    if twice:
        raise ExperimentError(
            f"{what} {twice[0]!r} comes twice; each must be its own"
            + (": give the [[method]] tables names of their own." if "method" in what else ".")
        )
