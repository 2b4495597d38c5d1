"""Keeps, in memory, the weights of the epoch that did best on the validation fold."""

from __future__ import annotations

import copy
from typing import Any

from lightning import pytorch as lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor


class BestWeights(Callback):
    """Remembers the state of lowest validation loss; stands before the callback that averages.

    Attributes
    ----------
    loss : float
        The lowest validation loss so far.
    epoch : int
        Its epoch, 0-based; -1 before the first.
    losses : dict of str to float
        The losses of each task then, as ``validation_loss/<task>``.
    state : dict of str to Tensor
        State of the module then.
    """

    def __init__(self) -> None:
        self.loss = float("inf")
        self.epoch = -1
        self.losses: dict[str, float] = {}
        self.state: dict[str, Tensor] = {}
        self._candidate: dict[str, Tensor] = {}

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Copy the weights that were just judged; averaged ones are swapped out after this."""
        self._candidate = copy.deepcopy(pl_module.state_dict())

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the copy if it did better than all before; the loss is known only now."""
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self.loss:
            metrics = trainer.callback_metrics.items()
            self.losses = {n: float(v) for n, v in metrics if n.startswith("validation_loss/")}
            self.loss, self.epoch, self.state = loss, trainer.current_epoch, self._candidate

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this."""
        return {"loss": self.loss, "epoch": self.epoch, "losses": self.losses, "state": self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.loss, self.epoch = float(state_dict["loss"]), int(state_dict["epoch"])
        self.losses, self.state = dict(state_dict["losses"]), dict(state_dict["state"])
