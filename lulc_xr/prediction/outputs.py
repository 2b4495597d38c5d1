"""Which outputs a classification makes, and whether the model has what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from lulc_xr.core.attachments import attachments_of
from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.model import Predictor, fixed_number_of_dates
from lulc_xr.prediction.context import OUTSIDE, check_range
from lulc_xr.prediction.kinds import CLASS_MAP, PLACE_KINDS, TASK_KINDS, Kind, Need


@dataclass(frozen=True, kw_only=True)
class Output:
    """One variable of the result.

    Parameters
    ----------
    kind : str
        What it is, by name: among ``TASK_KINDS``, or ``PLACE_KINDS`` where there is no task.
    task : str
        The task, or "".
    """

    kind: str
    task: str = ""

    @property
    def name(self) -> str:
        """Name of the variable."""
        if not self.task:
            return self.kind
        return self.task if self.kind == CLASS_MAP else f"{self.task}_{self.kind}"

    @property
    def described(self) -> Kind[Any]:
        """How it is made and described."""
        return TASK_KINDS[self.kind] if self.task else PLACE_KINDS[self.kind]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """All variables of the result, task by task; those of no task last.

    Parameters
    ----------
    each : tuple of Output
        The variables.
    members : int
        Number of the model's members, where an output needs it; else 0.
    """

    each: tuple[Output, ...]
    members: int = 0

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of which anything is asked; none: the model itself need not run."""
        return tuple(dict.fromkeys(output.task for output in self.each if output.task))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(output.name for output in self.each)

    def of(self, task: str) -> tuple[Output, ...]:
        """Variables of one task, or of none ("")."""
        return tuple(output for output in self.each if output.task == task)

    def need(self, what: Need) -> bool:
        """True if any of them needs this of the model."""
        return any(output.described.needs == what for output in self.each)

    def ask(self, *kinds: str) -> bool:
        """True if any of them is of one of these kinds."""
        return any(output.kind in kinds for output in self.each)


def plan_outputs(outputs: Sequence[str] | None, predictor: Predictor) -> Outputs:
    """The variables that are asked for.

    Parameters
    ----------
    outputs : sequence of str or None
        Names of tasks, and of kinds for all of these tasks; without a task, for all of the
        model. None: the class map of every task and its entropy.
    predictor : Predictor
        The model.

    Raises
    ------
    ModelError
        If a name is unknown, or the model lacks what an output needs.
    """
    legends = predictor.spec.legends
    kinds = [kind for kind in (*TASK_KINDS, *PLACE_KINDS) if kind != CLASS_MAP]
    asked = [*legends, "entropy"] if outputs is None else list(outputs)
    known = [*legends, *(k for k in kinds if k != OUTSIDE or predictor.spec.context)]
    for name in asked:
        if name not in (*known, OUTSIDE):
            raise ModelError(name_unknown("output", name, known))
    if not asked:
        raise ModelError(f"no outputs asked for; choose among {known}.")
    tasks = [t for t in legends if t in asked] or list(legends)
    each = [
        Output(kind=kind, task=task)
        for task in tasks
        for kind in TASK_KINDS
        if kind in asked or (kind == CLASS_MAP and task in asked)
    ]
    each += [Output(kind=kind) for kind in PLACE_KINDS if kind in asked]
    made = Outputs(each=tuple(each))
    for output in made.each:
        _CHECKS[output.described.needs](output, predictor)
    number = number_of_members(predictor) if made.need("members") else 0
    return Outputs(each=made.each, members=number)


def number_of_members(predictor: Predictor) -> int:
    """Number of members of a model, ``len(model)``; 0 if it is a single one."""
    if not hasattr(predictor, "each_member"):
        return 0
    if not isinstance(predictor, Sized):
        raise ModelError(
            f"{type(predictor).__name__} has each_member and does not say how many members it "
            "has. Give it a method __len__."
        )
    return len(predictor)


def _check_members(output: Output, predictor: Predictor) -> None:
    if number_of_members(predictor) < 1:
        raise ModelError(
            f"output {output.kind!r} needs a model with several members, and "
            f"{type(predictor).__name__} is a single one. Train several, lulc_xr.fit_ensemble, or "
            "make members of this one, lulc_xr.MonteCarloDropout or lulc_xr.TestTimeAugmentation; "
            f"or leave {output.kind!r} out of outputs."
        )


def _check_conformal(output: Output, predictor: Predictor) -> None:
    rule = attachments_of(predictor).conformal
    if rule is None:
        raise ModelError(
            f"output {output.kind!r} needs conformal sets, and none are attached to this model. "
            "Fit them on samples that it was not trained on, lulc_xr.conformalize(model, samples); "
            f"or leave {output.kind!r} out of outputs."
        )
    if output.task not in rule.thresholds:
        raise ModelError(
            f"output {output.kind!r} of task {output.task!r}: the conformal sets attached to this "
            f"model are of {', '.join(rule.thresholds) or 'no task'}. Name these tasks in outputs, "
            "or fit the sets of all tasks."
        )
    classes = len(predictor.spec.legends[output.task])
    if len(rule.thresholds[output.task][0]) != classes:
        raise ModelError(
            f"conformal sets of {len(rule.thresholds[output.task][0])} classes for task "
            f"{output.task!r} of {classes}. Fit them for this model."
        )


def _check_applicability(output: Output, predictor: Predictor) -> None:
    rule, spec = attachments_of(predictor).applicability, predictor.spec
    if rule is None:
        raise ModelError(
            f"output {output.kind!r} needs an area of applicability, and none is attached to this "
            "model. Derive it from its training samples, lulc_xr.fit_applicability(model, samples);"
            f" or leave {output.kind!r} out of outputs."
        )
    dates = fixed_number_of_dates(spec.dates)
    if dates is None:
        raise ModelError(
            f"output {output.kind!r} of a model whose number of dates varies ({spec.dates}): a "
            "pixel then has no fixed number of features. Train it on RegularDates, or on RawDates "
            f"with minimum equal to maximum; or leave {output.kind!r} out of outputs."
        )
    features = dates * len(spec.bands) + len(spec.context)
    if len(rule.mean) != features:
        raise ModelError(
            f"the area of applicability attached to this model is of {len(rule.mean)} features; "
            f"its pixels have {features} ({dates} dates of {len(spec.bands)} bands, "
            f"{len(spec.context)} context variables). Derive it from the samples of this model."
        )


_CHECKS: Mapping[Need, Callable[[Output, Predictor], None]] = {
    "": lambda _, __: None,
    "members": _check_members,
    "conformal": _check_conformal,
    "applicability": _check_applicability,
    "range": lambda _, predictor: check_range(predictor.spec),
}
