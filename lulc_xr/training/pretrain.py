"""Training without labels: from samples or a cube to a network that a training can begin with."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from lightning import pytorch as lightning
from torch.utils.data import DataLoader

from lulc_xr.core.context_scaling import context_of_samples, fit_context_scaling
from lulc_xr.core.dates import Dates, RegularDates, dates_from_dict
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.model import Scaling
from lulc_xr.models.pretrained import AUTOENCODER, InputSpec, Pretrained, build_for_pretext
from lulc_xr.models.registry import is_spatial, load_network, needs_fixed_dates
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.samples.loader import Batch, SampleBatches
from lulc_xr.samples.loader_unlabelled import UnlabelledBatches
from lulc_xr.training.fit import _quiet, _seeded
from lulc_xr.training.prepare import check_gaps
from lulc_xr.training.pretext import PretextLearner
from lulc_xr.training.pretrain_config import PretrainConfig, check_objective

_SCALING_PIXELS = 4096


def pretrain(
    data: xr.Dataset,
    network: str = "tempcnn",
    *,
    objective: str = "masked",
    config: PretrainConfig | None = None,
    dates: Dates | None = None,
) -> Pretrained:
    """A network that has learnt from imagery without labels.

    ``"masked"``: dates and bands of each series are hidden, and the network tells them from the
    rest. ``"autoencoder"``: a patch is told from its features with the loss 0.9 L1 +
    0.1 (1 - SSIM) on reflectance cut to 0 to 1 (Leonhardt et al. 2023); with the network
    ``"patch_autoencoder"`` it is the convolutional autoencoder of that paper, with a vector per
    patch between. A network that hands pixels through, such as a U-Net, can copy them and learns
    more from ``"masked"``.

    Parameters
    ----------
    data : xr.Dataset
        Samples, whose labels are not read, or a cube, as :func:`lulc_xr.open_cube` gives it, of
        which each epoch reads every shard once. Leave out the samples to be judged on.
    network : str
        Name of a network, or ``"patch_autoencoder"``.
    objective : {"masked", "autoencoder"}
        What the network is asked.
    config : PretrainConfig, optional
        Settings.
    dates : RegularDates or RawDates, optional
        Time axis of the model, for a cube. Default: monthly medians. Samples bring their own.

    Returns
    -------
    Pretrained
        For ``fit(..., init=...)`` and :func:`lulc_xr.linear_probe`. The network's decoder is thrown
        away, but for that of the autoencoder of patches.

    Raises
    ------
    SampleError
        If the data have gaps that the network cannot see, are pixels where patches are needed or
        the other way round, or lack context.
    ModelError
        If the network is unknown or cannot be pre-trained, or the loss is not finite.

    References
    ----------
    Leonhardt, J., Drees, L., Gall, J., Roscher, R. (2023). Leveraging bioclimatic context for
    supervised and self-supervised land cover classification. DAGM GCPR 2023, LNCS 14264.
    https://doi.org/10.1007/978-3-031-54605-1_15

    Tseng, G., Cartuyvels, R., Zvonkov, I., Purohit, M., Rolnick, D., Kerner, H. (2023).
    Lightweight, pre-trained transformers for remote sensing timeseries. https://arxiv.org/abs/2304.14065

    Examples
    --------
    >>> from lulc_xr.testing import landscape
    >>> cube = landscape(y=16, x=16)
    >>> made = pretrain(cube, config=PretrainConfig(epochs=1, sizes={"filters": 4}))
    >>> made.network_name, len(made.spec.bands)
    ('tempcnn', 10)
    """
    config = config or PretrainConfig()
    chosen = check_objective(objective, config)
    spatial = network == AUTOENCODER or is_spatial(load_network(network))
    _check_pair(network, chosen, spatial=spatial)
    if "sample" in data.dims:
        patch = _check_samples(data, network, spatial=spatial)
        spec = _spec_of_samples(data, config)
    else:
        patch = config.patch if spatial else 1
        spec = _spec_of_cube(data, config, dates=dates or RegularDates())
    with _seeded(config.seed), _quiet():
        module = build_for_pretext(
            network,
            spec,
            patch=patch,
            conditioning=config.conditioning,
            faithful=config.faithful,
            sizes=config.sizes,
        )
        if network != AUTOENCODER and not hasattr(module, "features"):
            raise ModelError(
                f"network {network!r} has no features() and no feature_size, so it cannot be "
                "pre-trained. Add them: what its heads see, and how many there are."
            )
        batches = _batches(data, spec, config, patch=patch)
        learner = PretextLearner(
            module,
            scaling=spec.scaling,
            objective=chosen,
            config=config,
            steps=config.epochs * _count(batches),
        )
        losses = _run(learner, batches, config)
    return Pretrained(
        module,
        name=network,
        spec=spec,
        provenance={
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": config.seed,
            "settings": {"objective": chosen, **config.to_dict()},
            "data": {str(dim): int(size) for dim, size in data.sizes.items()},
            "losses": losses,
            "versions": {name: version(name) for name in ("torch", "lightning", "numpy")},
        },
    )


def _run(
    learner: PretextLearner, batches: SampleBatches | UnlabelledBatches, config: PretrainConfig
) -> list[float]:
    """Train in place; the loss of every epoch."""
    kept = _Losses()
    trainer = lightning.Trainer(
        max_epochs=config.epochs,
        accelerator="cpu",
        devices=1,
        callbacks=[kept],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=config.progress,
    )
    loader: DataLoader[Batch] = DataLoader(batches, batch_size=None)
    trainer.fit(learner, loader)
    if not kept.losses or not math.isfinite(kept.losses[-1]):
        raise ModelError(
            f"the loss is {kept.losses[-1:] or 'unknown'} after pre-training. Give more than one "
            f"sample per batch, and a learning_rate below {config.learning_rate:g}."
        )
    return kept.losses


class _Losses(lightning.Callback):
    """The loss of every epoch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        found = trainer.callback_metrics.get("loss")
        if found is not None:
            self.losses.append(float(found))


def _batches(
    data: xr.Dataset, spec: InputSpec, config: PretrainConfig, *, patch: int | None
) -> SampleBatches | UnlabelledBatches:
    if "sample" in data.dims:
        return SampleBatches(
            data.assign_attrs(tasks=""),
            batch_size=config.batch_size,
            seed=config.seed,
            context=spec.context_scaling,
        )
    return UnlabelledBatches(
        data,
        dates=spec.dates,
        bands=spec.bands,
        year=config.year,
        patch=patch or 1,
        batch_size=config.batch_size,
        number=config.number,
        context=spec.context_scaling,
        seed=config.seed,
    )


def _count(batches: SampleBatches | UnlabelledBatches) -> int:
    """Batches of an epoch; of a cube at most so many."""
    if isinstance(batches, SampleBatches):
        return len(batches)
    number = min(batches.number or batches.patches, batches.patches)
    return math.ceil(number / batches.batch_size)


def _check_pair(network: str, objective: str, *, spatial: bool) -> None:
    if network == AUTOENCODER and objective != "autoencoder":
        raise ModelError(
            f"{AUTOENCODER!r} learns by objective='autoencoder'. Choose it, or another network."
        )
    if objective == "autoencoder" and not spatial:
        raise ModelError(
            f"objective='autoencoder' compares patches, but network {network!r} sees single "
            f"pixels. Choose objective='masked', or a network of patches or {AUTOENCODER!r}."
        )


def _check_samples(samples: xr.Dataset, network: str, *, spatial: bool) -> int | None:
    """Raise SampleError if samples do not suit a network; side of their patches if they are."""
    sides = [samples.sizes[dim] for dim in PATCH_DIMS if dim in samples["reflectance"].dims]
    if bool(sides) != spatial:
        seen, given = ("patches", "single pixels") if spatial else ("single pixels", "patches")
        raise SampleError(
            f"network {network!r} learns from {seen}, but these samples are {given}. Draw them "
            f"with lulc_xr.extract_samples(..., patch={33 if spatial else 1})."
        )
    if not spatial and needs_fixed_dates(load_network(network)):
        check_gaps(samples, network=network)
    return sides[0] if sides else None


def _spec_of_samples(samples: xr.Dataset, config: PretrainConfig) -> InputSpec:
    context = None
    if config.conditioning != "none":
        names = tuple(config.context) or tuple(context_of_samples(samples)[1])
        context = fit_context_scaling(samples, names)
    values = samples["reflectance"].transpose("band", ...).to_numpy()
    bands = tuple(str(band) for band in samples["band"].values)
    return InputSpec(
        bands=bands,
        dates=dates_from_dict(json.loads(samples.attrs["dates"])),
        scaling=_scaling(values, bands),
        context_scaling=context,
    )


def _spec_of_cube(cube: xr.Dataset, config: PretrainConfig, *, dates: Dates) -> InputSpec:
    if config.conditioning != "none":
        raise SampleError(
            "conditioning over a cube: its context is scaled over samples. Draw samples first "
            "(lulc_xr.extract_samples) and pre-train on them."
        )
    batches = UnlabelledBatches(
        cube,
        dates=dates,
        year=config.year,
        batch_size=_SCALING_PIXELS,
        number=_SCALING_PIXELS,
        seed=config.seed,
    )
    first: dict[str, Any] = dict(next(iter(batches)))
    values = first["series"].transpose(0, 2).numpy()
    return InputSpec(bands=batches.bands, dates=dates, scaling=_scaling(values, batches.bands))


def _scaling(values: np.ndarray[Any, Any], bands: tuple[str, ...]) -> Scaling:
    """Mean and deviation of each band from values (band, ...)."""
    flat = values.reshape(len(bands), -1).astype(np.float64)
    mean, std = np.nanmean(flat, axis=1), np.nanstd(flat, axis=1)
    constant = [band for band, s in zip(bands, std, strict=True) if not s > 0]
    if constant:
        raise SampleError(
            f"band {', '.join(constant)} is the same in all data. Leave it out of them."
        )
    rounded = (np.asarray(v).astype(np.float32).tolist() for v in (mean, std))
    return Scaling(mean=tuple(next(rounded)), std=tuple(next(rounded)))
