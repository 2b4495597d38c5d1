"""Several tasks at once: how their losses are weighed, and heads that are only a pretext."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError, name_unknown

TaskRule = Mapping[str, float] | Literal["uncertainty"] | None


class TaskWeights(nn.Module):
    """The sum of the losses of several tasks.

    Parameters
    ----------
    tasks : sequence of str
        Names of all tasks, regressions too.
    rule : mapping of str to float, "uncertainty" or None
        Fixed weights (1 for a task that is not named), weights learned from the homoscedastic
        uncertainty of each task (Kendall et al. 2018), or 1 for all.
    regressions : sequence of str
        Those of the tasks whose loss is a squared error.

    Raises
    ------
    ModelError
        If a weight is negative or of an unknown task.

    Notes
    -----
    With uncertainty, ``s = log(sigma ** 2)`` of each task is learned beside the network, from 0:
    a classification counts as ``exp(-s) * loss + s / 2``, a regression as
    ``exp(-s) * loss / 2 + s / 2``. A task without a label in a batch counts nothing there.

    References
    ----------
    Kendall, A., Gal, Y., Cipolla, R. (2018). Multi-task learning using uncertainty to weigh losses
    for scene geometry and semantics. CVPR 2018.

    Examples
    --------
    >>> weights = TaskWeights(["land_cover", "land_use"], {"land_use": 0.5})
    >>> float(weights({"land_cover": torch.tensor(1.0), "land_use": torch.tensor(4.0)}))
    3.0
    """

    def __init__(
        self, tasks: Sequence[str], rule: TaskRule = None, *, regressions: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.tasks, self.regressions = tuple(tasks), frozenset(regressions)
        check_task_weights(rule)
        for name in rule if isinstance(rule, Mapping) else ():
            if name not in self.tasks:
                raise ModelError(name_unknown("task in task_weights", name, self.tasks))
        self.fixed = dict.fromkeys(self.tasks, 1.0) | dict(
            rule if isinstance(rule, Mapping) else {}
        )
        self.log_variance: nn.ParameterDict | None = None
        if rule == "uncertainty":
            self.log_variance = nn.ParameterDict({t: torch.zeros(()) for t in self.tasks})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the losses, scalars by task; of those tasks that are given."""
        total = torch.zeros(())
        for task, loss in losses.items():
            if self.log_variance is None:
                total = total + self.fixed[task] * loss
            else:
                s = self.log_variance[task]
                half = 0.5 if task in self.regressions else 1.0
                total = total + half * torch.exp(-s) * loss + s / 2
        return total

    def current(self) -> dict[str, float]:
        """What the loss of each task is multiplied by now."""
        if self.log_variance is None:
            return dict(self.fixed)
        return {
            task: float(torch.exp(-s.detach())) * (0.5 if task in self.regressions else 1.0)
            for task, s in self.log_variance.items()
        }


def check_task_weights(rule: TaskRule) -> None:
    """Raise ModelError unless this is a rule by which tasks can be weighed."""
    if isinstance(rule, Mapping):
        for name, value in rule.items():
            if not 0 <= value < float("inf"):
                raise ModelError(f"task weight {value!r} of {name!r}; expected a value >= 0.")
        if rule and not any(rule.values()):
            raise ModelError(f"task_weights {dict(rule)} are all 0: nothing would be learned.")
    elif rule not in (None, "uncertainty"):
        raise ModelError(
            f"task_weights {rule!r}; expected None, 'uncertainty', or weights by task such as "
            "{'land_cover': 1.0, 'land_use': 0.5}."
        )


def mean_over_labelled(loss: Tensor, labelled: Tensor, weight: Tensor) -> Tensor | None:
    """Mean loss of the samples that have a label, each times its weight; None if none has.

    Parameters
    ----------
    loss, weight : Tensor
        (batch,).
    labelled : Tensor
        (batch,) bool.
    """
    number = int(labelled.sum())
    if not number:
        return None
    return (loss * weight * labelled).sum() / number
