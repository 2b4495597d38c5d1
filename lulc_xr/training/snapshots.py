"""Snapshots: the weights at the end of every cycle of a training."""

from __future__ import annotations

from typing import Any, Protocol

from lightning import pytorch as lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn


class _Finished(Protocol):
    def finished(self) -> nn.Module: ...


class Snapshots(Callback):
    """Copies the network at the end of every cycle, where its learning rate has fallen to 0.

    Parameters
    ----------
    cycles : int
        Number of cycles; they have equally many epochs.

    Attributes
    ----------
    states : list of dict of str to Tensor
        State of the network at the end of each cycle so far.
    """

    def __init__(self, cycles: int) -> None:
        self.cycles = cycles
        self.states: list[dict[str, Tensor]] = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Copy the weights, if a cycle ends here."""
        length = (trainer.max_epochs or 0) // self.cycles
        done, rest = divmod(trainer.current_epoch + 1, length)
        if rest:
            return
        learner: _Finished = pl_module  # type: ignore[assignment]
        state = learner.finished().state_dict()
        copied = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        # A repeated last epoch takes the place of its first run.
        self.states[done - 1 :] = [copied]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this."""
        return {"states": self.states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.states = [dict(state) for state in state_dict["states"]]
