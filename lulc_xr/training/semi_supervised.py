"""What the methods with unlabelled samples share: two views of them, and one joint pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from torch import Tensor

from lulc_xr.samples.loader import Batch
from lulc_xr.training.augment import turn_back
from lulc_xr.training.inputs import Inputs, join_inputs
from lulc_xr.training.learner import Learner, per_epoch
from lulc_xr.training.methods import Method
from lulc_xr.training.pseudo_labels import pixels_of, ramp_up


class Pair(TypedDict):
    """A batch with labels and one without."""

    labelled: Batch
    unlabelled: Batch


class SemiSupervisedLearner(Learner):
    """A network that learns from labels, and from what a teacher says of unlabelled samples.

    Labelled samples and the strongly changed unlabelled ones go through the network as one
    batch, so that batch norm sees, and its running statistics describe, both; the few labelled
    samples alone would be a poor picture of the land. The weakly changed ones go to the teacher,
    which stays in the mode of prediction. Of patches every pixel counts that was ever observed;
    turns are undone before two views are compared. Labels of unlabelled samples are not read.

    Parameters
    ----------
    *args, **settings
        As :class:`lulc_xr.training.learner.Learner`.
    method : Method
        Settings.
    """

    def __init__(self, *args: Any, method: Method, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.method = method

    def training_step(self, batch: Pair, _: int) -> Tensor | None:  # type: ignore[override]
        """Loss of the labels and, by its weight, of the unlabelled samples."""
        view = self.view(batch["labelled"])
        own = self.inputs(batch["unlabelled"])
        strong, turns = self.changed(own, self.method.strong)
        logits = self(join_inputs(view.given, strong))
        number = len(view.given.series)
        labelled = {task: values[:number] for task, values in logits.items()}
        loss = self.finite(self.view_loss(labelled, view), view, labelled)
        student = {t: _laid_back(logits[t][number:], turns) for t in self.class_weights}
        extra = self.unlabelled_loss(student, self._taught(own), _seen(batch["unlabelled"]))
        self.log("loss", loss, **per_epoch(batch["labelled"]))
        self.log("unlabelled_loss", extra, **per_epoch(batch["unlabelled"]))
        return loss + self.weight_now() * extra

    def teach(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of the teacher for weakly changed samples, without gradient."""
        raise NotImplementedError

    def consistency(self, task: str, student: Tensor, taught: Tensor) -> Tensor:
        """Loss (pixel,) of logits (pixel, class) against the teacher's probabilities."""
        raise NotImplementedError

    def unlabelled_loss(
        self, student: Mapping[str, Tensor], taught: Mapping[str, Tensor], seen: Tensor
    ) -> Tensor:
        """Mean consistency over pixels, summed over tasks by their weights.

        Parameters
        ----------
        student : mapping of str to Tensor
            Task to logits (batch, class[, y, x]).
        taught : mapping of str to Tensor
            Task to the teacher's probabilities of the same shape.
        seen : Tensor
            (batch[, y, x]) bool, pixels that count.

        Returns
        -------
        Tensor
            Scalar.
        """
        counted = seen.flatten()
        total = torch.zeros((), device=counted.device)
        for task, logits in student.items():
            own, target = pixels_of(logits)[counted], pixels_of(taught[task])[counted]
            if len(own):
                weight = self.task_weights.fixed[task]
                total = total + weight * self.consistency(task, own.float(), target).mean()
        return total

    def weight_now(self) -> float:
        """Weight of the unlabelled loss at this step."""
        ramp = getattr(self.method, "ramp", 0.0) * self.steps
        return self.method.weight * ramp_up(self.global_step, steps=ramp)

    @torch.no_grad()
    def _taught(self, own: Inputs) -> dict[str, Tensor]:
        """What the teacher says of a weak view, laid as the samples lie."""
        weak, turns = self.changed(own, self.method.weak)
        logits = self.teach(weak)
        return {t: _laid_back(logits[t].float().softmax(1), turns) for t in self.class_weights}


def _laid_back(values: Tensor, turns: Tensor | None) -> Tensor:
    return values if turns is None else turn_back(values, turns)


def _seen(batch: Batch) -> Tensor:
    """Pixels (batch[, y, x]) that were observed at any date."""
    return batch["mask"].any(dim=1)
