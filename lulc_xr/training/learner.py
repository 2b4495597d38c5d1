"""What one training step is: augmented batch to loss, over all tasks; Lightning runs the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from lightning import pytorch as lightning
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from lulc_xr.core.model import Scaling
from lulc_xr.models.registry import is_spatial, needs_fixed_dates
from lulc_xr.samples.loader import Batch
from lulc_xr.samples.loader_members import rank_of_many
from lulc_xr.training.augmentation import Augmentation
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.faults import explain_fault
from lulc_xr.training.inputs import (
    Inputs,
    call,
    change_inputs,
    mix_inputs,
    scale_series,
    turn_labels,
)
from lulc_xr.training.losses import regression_losses, sample_losses, total_variation
from lulc_xr.training.regressions import TargetScaling
from lulc_xr.training.schedule import with_schedule
from lulc_xr.training.tasks import TaskWeights, mean_over_labelled

_RISE = 0.2  # part of the steps in which the learning rate rises
_UNCERTAINTY_RATE = 10  # a few numbers beside thousands of weights: they have a longer way to go


class View(NamedTuple):
    """What the network sees of a batch, its labels, and with what each sample was mixed."""

    given: Inputs
    batch: Batch
    share: Tensor | None
    partner: Tensor | None


class Learner(lightning.LightningModule):
    """A network while it is trained.

    Parameters
    ----------
    network : torch.nn.Module
        Called as ``network(series, days, mask)``; gives task to (batch, class) logits.
    scaling : Scaling
        Scaling of the bands, applied to every batch.
    class_weights : mapping of str to Tensor
        Task to the weight of each class in the loss.
    config : TrainConfig
        Settings.
    steps : int
        Number of steps of the whole training.
    targets : mapping of str to TargetScaling, optional
        Scaling of what is regressed beside the classes.
    names : sequence of str, optional
        What each sample is called in messages.
    """

    averages_itself: ClassVar[bool] = False
    """Its classifier is an average that it takes by itself, whatever `average_weights` says."""

    def __init__(
        self,
        network: nn.Module,
        *,
        scaling: Scaling,
        class_weights: Mapping[str, Tensor],
        config: TrainConfig,
        steps: int,
        targets: Mapping[str, TargetScaling] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        # Buffers, so that they go where the network goes.
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(scaling.mean), persistent=False)
        self.register_buffer("std", torch.tensor(scaling.std), persistent=False)
        self.class_weights = dict(class_weights)
        self.config = config
        self.steps = steps
        self.targets = dict(targets or {})
        self.task_weights = TaskWeights(
            [*class_weights, *self.targets], config.task_weights, regressions=list(self.targets)
        )
        self._names = names
        self._judged: dict[str, list[tuple[Tensor, int]]] = {}
        self._gaps = not needs_fixed_dates(network)
        self._spatial = is_spatial(network)

    def training_step(self, batch: Batch, _: int) -> Tensor | None:
        """Loss of an augmented batch; None (no step) for one sample, which batch norm refuses."""
        if len(batch["weight"]) == 1:
            return None
        view = self.view(batch)
        logits = self(view.given)
        loss = self.finite(self.view_loss(logits, view), view, logits)
        if rank_of_many()[1] > 1:
            # Every process has to give a gradient of every weight, also without a label of a task.
            loss = loss + 0 * sum(own.sum() for own in logits.values())
            loss = loss + 0 * sum(s for s in self.task_weights.parameters())
        self.log("loss", loss, **per_epoch(batch))
        # A batch without any label teaches nothing.
        return loss if loss.requires_grad else None

    def validation_step(self, batch: Batch, _: int) -> None:
        """Losses of a batch as it is, without label smoothing."""
        logits = self.judged(self.inputs(batch))
        for task, (loss, number) in self.task_losses(logits, batch, smoothing=0.0).items():
            self._judged.setdefault(task, []).append((loss, number))

    def on_validation_epoch_end(self) -> None:
        """Log the validation loss of each task over its labels, and their sum.

        The sum is over tasks with classes, by their fixed weights: what is regressed is no part
        of the classifier, and learned weights would move the measure.
        """
        sums = torch.zeros(len(self.task_weights.tasks), 2, device=self.device)
        for row, task in zip(sums, self.task_weights.tasks, strict=True):
            for loss, number in self._judged.get(task, []):
                row += torch.stack([loss * number, torch.full_like(loss, number)])
        self._judged = {}
        if rank_of_many()[1] > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        total = torch.zeros((), device=self.device)
        for task, (loss, number) in zip(self.task_weights.tasks, sums, strict=True):
            if number:
                self.log(f"validation_loss/{task}", loss / number)
            if number and task in self.class_weights:
                total = total + self.task_weights.fixed[task] * loss / number
        self.log("validation_loss", total, prog_bar=True)

    def view(self, batch: Batch) -> View:
        """A batch as the network sees it this time: mixed, turned and changed at random."""
        given, settings = self.inputs(batch), self.config.augmentation
        share = partner = turns = None
        if settings.mixup:
            given, share, partner = mix_inputs(given, mixup=settings.mixup)
        given, turns = self.changed(given, settings)
        if turns is not None:
            batch = turn_labels(batch, turns)
        return View(given, batch, share, partner)

    def changed(self, given: Inputs, settings: Augmentation) -> tuple[Inputs, Tensor | None]:
        """Inputs changed at random, and how patches were turned, None if they were not."""
        return change_inputs(given, settings=settings, zero=-self.mean / self.std)

    def view_loss(self, logits: Mapping[str, Tensor], view: View) -> Tensor:
        """Loss of the labels of a view; of mixed samples by the share of each."""
        batch, share, partner = view.batch, view.share, view.partner
        loss = self.supervised_loss(logits, batch, share=share)
        if share is None or partner is None:
            return loss
        other = batch.copy()
        other["weight"] = batch["weight"][partner]
        other["labels"] = {task: own[partner] for task, own in batch["labels"].items()}
        other["targets"] = {name: own[partner] for name, own in batch["targets"].items()}
        return loss + self.supervised_loss(logits, other, share=1 - share)

    def finite(self, loss: Tensor, view: View, logits: Mapping[str, Tensor]) -> Tensor:
        """The loss, unless it is not finite; then the samples at fault are named."""
        if not torch.isfinite(loss):
            rate = self.config.learning_rate
            raise explain_fault(
                loss.item(), view.batch, logits, names=self._names, learning_rate=rate
            )
        return loss

    def judged(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of the network that becomes the classifier."""
        return call(self.network, given)

    def finished(self) -> nn.Module:
        """The network that becomes the classifier, after the training."""
        return self.network

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a learning rate that rises and falls in every cycle."""
        rate, decay = self.config.learning_rate, self.config.weight_decay
        groups: list[dict[str, Any]] = [{"params": list(self.network.parameters())}]
        if learned := list(self.task_weights.parameters()):
            groups.append({"params": learned, "lr": _UNCERTAINTY_RATE * rate, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
        return with_schedule(optimizer, steps=self.steps, rise=_RISE, cycles=self.config.cycles)

    def inputs(self, batch: Batch) -> Inputs:
        """What the network sees of a batch: scaled, 0 where missing, mask if it knows gaps."""
        series = batch["series"]
        if self._spatial and not self._gaps:
            # As in prediction, where the engine puts 0 for pixels that were never clear.
            series = series.nan_to_num(0.0)
        series = scale_series(series, self.mean, self.std)
        mask = batch["mask"] if self._gaps else None
        return Inputs(series.nan_to_num(0.0), batch["days"], mask, batch["context"])

    def forward(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of every task, (batch, class[, y, x])."""
        return call(self.network, given)

    def supervised_loss(
        self, logits: Mapping[str, Tensor], batch: Batch, *, share: Tensor | None = None
    ) -> Tensor:
        """Loss of a batch: all tasks by their weights, and the total variation of their maps.

        Parameters
        ----------
        logits : mapping of str to Tensor
            What the network gave for this batch.
        batch : Batch
            Labels, targets and weights of its samples.
        share : Tensor, optional
            (batch,) how much each sample counts, for mixed ones.

        Returns
        -------
        Tensor
            Scalar. Each task counts the mean over those samples that have a label of it, and
            nothing, without any gradient, where none has.
        """
        smoothing = self.config.label_smoothing
        found = self.task_losses(logits, batch, smoothing=smoothing, share=share)
        total: Tensor = self.task_weights({task: loss for task, (loss, _) in found.items()})
        if self.config.loss.total_variation and self._spatial:
            every = share if share is not None else torch.ones_like(batch["weight"])
            for task in self.class_weights:
                varied = (every * total_variation(logits[task])).mean()
                total = total + self.config.loss.total_variation * varied
        return total

    def task_losses(
        self,
        logits: Mapping[str, Tensor],
        batch: Batch,
        *,
        smoothing: float,
        share: Tensor | None = None,
    ) -> dict[str, tuple[Tensor, int]]:
        """Mean loss of each task with a label in this batch, and its number of samples."""
        weight = batch["weight"] if share is None else share * batch["weight"]
        found: dict[str, tuple[Tensor, int]] = {}
        for task, own in logits.items():
            if task in self.targets:
                mean, std = self.targets[task]
                loss, known = regression_losses(own, (batch["targets"][task] - mean) / std)
            else:
                loss, known = sample_losses(
                    own,
                    batch["labels"][task],
                    config=self.config.loss,
                    weight=self.class_weights[task].to(own.device),
                    smoothing=smoothing,
                )
            over = mean_over_labelled(loss, known, weight)
            if over is not None:
                found[task] = over, int(known.sum())
        return found


def per_epoch(batch: Batch) -> dict[str, Any]:
    """How a loss is logged: once an epoch, each sample counts the same."""
    return {
        "on_step": False,
        "on_epoch": True,
        "prog_bar": True,
        "batch_size": len(batch["weight"]),
        "sync_dist": True,
    }
