"""What one training step is: augmented batch to loss, over all tasks; Lightning runs the loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from lightning import pytorch as lightning
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional

from lulc_xr.core.model import Scaling
from lulc_xr.models.registry import is_spatial, needs_fixed_dates
from lulc_xr.samples.loader import Batch
from lulc_xr.training.augment import augment_series, mix_samples
from lulc_xr.training.config import TrainConfig

_RISE = 0.2  # part of the steps in which the learning rate rises


class Inputs(NamedTuple):
    """What a network is called with: series, days, mask and context of a batch."""

    series: Tensor
    days: Tensor
    mask: Tensor | None
    context: Tensor | None


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
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        scaling: Scaling,
        class_weights: Mapping[str, Tensor],
        config: TrainConfig,
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.mean = torch.tensor(scaling.mean)
        self.std = torch.tensor(scaling.std)
        self.class_weights = dict(class_weights)
        self.config = config
        self.steps = steps
        self._gaps = not needs_fixed_dates(network)
        self._spatial = is_spatial(network)

    def training_step(self, batch: Batch, _: int) -> Tensor | None:
        """Loss of an augmented batch; None (no step) for one sample, which batch norm refuses."""
        if len(batch["weight"]) == 1:
            return None
        settings = self.config.augmentation
        given = self.inputs(batch)
        series, mask = given.series, given.mask
        share, partner = torch.ones(len(series)), torch.arange(len(series))
        if not self._spatial:
            zero = -self.mean / self.std
            series, mask = augment_series(series, mask, settings=settings, zero=zero)
        if settings.mixup:
            series, mask, share, partner = mix_samples(series, mask, mixup=settings.mixup)
        logits = self(given._replace(series=series, mask=mask))
        smoothing = self.config.label_smoothing
        loss = (share * self._loss(logits, batch["labels"], batch["weight"], smoothing)).mean()
        if settings.mixup:
            labels = {task: own[partner] for task, own in batch["labels"].items()}
            other = self._loss(logits, labels, batch["weight"][partner], smoothing)
            loss = loss + ((1 - share) * other).mean()
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(series))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss of a batch as it is, without label smoothing."""
        logits = self(self.inputs(batch))
        loss = self._loss(logits, batch["labels"], batch["weight"], smoothing=0.0).mean()
        self.log("validation_loss", loss, prog_bar=True, batch_size=len(batch["weight"]))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a learning rate that rises and falls over all steps."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _rate(self, step: int) -> float:
        """Share of the learning rate at a step: a linear rise, then half a cosine down to 0."""
        rise = max(1.0, _RISE * self.steps)
        if step < rise:
            return (step + 1) / (rise + 1)
        progress = (step - rise) / max(1.0, self.steps - rise)
        return (1 + math.cos(math.pi * min(progress, 1.0))) / 2

    def inputs(self, batch: Batch) -> Inputs:
        """What the network sees of a batch: scaled, 0 where missing, mask if it knows gaps."""
        series = batch["series"]
        around = [1] * (series.ndim - 3)
        if self._spatial and not self._gaps:
            # As in prediction, where the engine puts 0 for pixels that were never clear.
            series = series.nan_to_num(0.0)
        series = (series - self.mean.view(-1, *around)) / self.std.view(-1, *around)
        mask = batch["mask"] if self._gaps else None
        return Inputs(series.nan_to_num(0.0), batch["days"], mask, batch["context"])

    def forward(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of every task, (batch, class[, y, x])."""
        context = () if given.context is None else (given.context,)
        logits: dict[str, Tensor] = self.network(given.series, given.days, given.mask, *context)
        return logits

    def _loss(
        self,
        logits: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        weight: Tensor,
        smoothing: float,
    ) -> Tensor:
        """Loss of each sample, shape (batch,): the sum over tasks, 0 where a label is missing.

        The loss of a patch is the mean over its labelled pixels.
        """
        total = torch.zeros_like(weight)
        for task, own in logits.items():
            known = labels[task] >= 0
            loss = functional.cross_entropy(
                own.float(),
                labels[task].clamp_min(0),
                weight=self.class_weights[task],
                label_smoothing=smoothing,
                reduction="none",
            )
            if loss.ndim > 1:
                loss = (loss * known).sum((1, 2)) / known.sum((1, 2)).clamp_min(1)
                known = known.any(2).any(1)
            total = total + loss * known * weight
        return total
