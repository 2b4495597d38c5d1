"""What one step without labels is: a batch, hidden in part or not, and the loss of telling it."""

from __future__ import annotations

from typing import Any

import torch
from lightning import pytorch as lightning
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from lulc_xr.core.model import Scaling
from lulc_xr.models.patch_autoencoder import PatchAutoencoder
from lulc_xr.models.registry import is_spatial, needs_fixed_dates
from lulc_xr.samples.loader import Batch
from lulc_xr.training.hiding import draw_hidden, hide
from lulc_xr.training.inputs import scale_series
from lulc_xr.training.pretrain_config import Objective, PretrainConfig
from lulc_xr.training.reconstruct import SeriesDecoder, masked_loss
from lulc_xr.training.schedule import with_schedule
from lulc_xr.training.structural_similarity import reconstruction_loss

_RISE = 0.1  # part of the steps in which the learning rate rises


class PretextLearner(lightning.LightningModule):
    """A network while it learns from series without labels.

    Parameters
    ----------
    network : torch.nn.Module
        A network with ``features``, or a :class:`PatchAutoencoder`.
    scaling : Scaling
        Scaling of the bands.
    objective : {"autoencoder", "masked"}
        What is asked of it.
    config : PretrainConfig
        Settings.
    steps : int
        Number of steps of the whole training.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        scaling: Scaling,
        objective: Objective,
        config: PretrainConfig,
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(scaling.mean), persistent=False)
        self.register_buffer("std", torch.tensor(scaling.std), persistent=False)
        self.objective = objective
        self.config = config
        self.steps = steps
        self.decoder: SeriesDecoder | None = None
        if not isinstance(network, PatchAutoencoder):
            size: Any = network.feature_size
            self.decoder = SeriesDecoder(int(size), bands=len(scaling.mean), hidden=config.decoder)

    def training_step(self, batch: Batch, _: int) -> Tensor | None:
        """Loss of a batch; None (no step) for one sample, which batch norm refuses."""
        if len(batch["weight"]) == 1:
            return None
        loss = self.loss_of(batch)
        size = len(batch["weight"])
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size)
        return loss

    def loss_of(self, batch: Batch) -> Tensor:
        """Loss of telling a batch, over what was observed of it."""
        if self.objective == "autoencoder":
            made = self.reconstruct(batch)
            observed = batch["series"].isfinite()
            true = batch["series"].nan_to_num(0.0).clamp(0, 1)
            images = (x.flatten(1, 2) for x in (made, true, observed))
            return reconstruction_loss(*images, share=self.config.l1_share)
        observed = batch["mask"].flatten(2).any(2) if batch["mask"].ndim > 2 else batch["mask"]
        hidden = draw_hidden(
            observed,
            bands=batch["series"].shape[2],
            date_share=self.config.hidden_dates,
            band_share=self.config.hidden_bands,
        )
        made = self.predict_hidden(batch, hidden)
        true = scale_series(batch["series"], self.mean, self.std)
        around = (1,) * (true.ndim - 3)
        return masked_loss(made, true, hidden.view(*hidden.shape, *around) & true.isfinite())

    def predict_hidden(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Scaled reflectance (batch, time, band[, y, x]) told from what is not hidden."""
        assert self.decoder is not None
        series, mask = network_series(self.network, batch, self.mean, self.std)
        series, mask = hide(series, hidden, mask=mask, days=batch["days"])
        made: Tensor = self.decoder(self._features(series, mask, batch), batch["days"])
        return made

    def reconstruct(self, batch: Batch) -> Tensor:
        """Reflectance (batch, time, band, y, x) told from all that there is."""
        if self.decoder is None:
            made: Tensor = self.network(batch["series"], batch["context"])
            return made
        series, mask = network_series(self.network, batch, self.mean, self.std)
        scaled = self.decoder(self._features(series, mask, batch), batch["days"])
        around = (1,) * (scaled.ndim - 3)
        shown: Tensor = scaled * self.std.view(-1, *around) + self.mean.view(-1, *around)
        return shown

    def _features(self, series: Tensor, mask: Tensor | None, batch: Batch) -> Tensor:
        return network_features(self.network, series, mask, batch)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a learning rate that rises and falls over all steps."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        return with_schedule(optimizer, steps=self.steps, rise=_RISE)


def network_series(
    network: nn.Module, batch: Batch, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Scaled series of a batch without NaN, and the mask if the network knows gaps.

    As :meth:`lulc_xr.training.learner.Learner.inputs` has it for labelled batches.
    """
    gaps = not needs_fixed_dates(network)
    series = batch["series"]
    if is_spatial(network) and not gaps:
        series = series.nan_to_num(0.0)
    return scale_series(series, mean, std).nan_to_num(0.0), batch["mask"] if gaps else None


def network_features(
    network: nn.Module, series: Tensor, mask: Tensor | None, batch: Batch
) -> Tensor:
    """Features (batch, feature[, y, x]) of a network that is no autoencoder of patches."""
    context = () if batch["context"] is None else (batch["context"],)
    seen: Any = network  # a network of the contract, which torch.nn.Module does not know
    found: Tensor = seen.features(series, batch["days"], mask, *context)
    return found
