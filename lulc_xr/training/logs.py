"""Where the losses of a training are written."""

from __future__ import annotations

from typing import Literal

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from lulc_xr.core.require import require
from lulc_xr.training.config import TrainConfig


def make_logger(config: TrainConfig) -> Logger | Literal[False]:
    """The logger that the settings ask for; False for none."""
    if config.log_folder is None:
        return False
    if config.logger == "csv":
        return CSVLogger(config.log_folder, name="")
    require("tensorboard", extra="tensorboard")
    return TensorBoardLogger(config.log_folder, name="")
