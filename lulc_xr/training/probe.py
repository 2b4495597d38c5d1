"""Linear probe: how much of the classes is in the features of a network that saw no label."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError, SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import tasks_of
from lulc_xr.core.require import require
from lulc_xr.models.patch_autoencoder import PatchAutoencoder
from lulc_xr.models.pretrained import Pretrained
from lulc_xr.samples.loader import SampleBatches
from lulc_xr.training.pretext import network_features, network_series

Probe = Literal["logistic", "svm"]
_PROBES: tuple[Probe, ...] = ("logistic", "svm")
_BATCH = 256


def encode_samples(pretrained: Pretrained, samples: xr.Dataset) -> xr.DataArray:
    """Features of samples: what the heads of a network would see.

    Parameters
    ----------
    pretrained : Pretrained
        A network of pixels, of patches, or the autoencoder of patches.
    samples : xr.Dataset
        Samples with its bands and dates; labels are not read.

    Returns
    -------
    xr.DataArray
        (sample, feature) float32; of a network of patches those of the pixel in the middle, of the
        autoencoder the vector of the patch.

    Raises
    ------
    ModelError
        If samples have other bands.
    """
    bands = tuple(str(band) for band in samples["band"].values)
    if bands != pretrained.spec.bands:
        raise ModelError(
            f"samples with bands {', '.join(bands)} for a network that sees "
            f"{', '.join(pretrained.spec.bands)}. Draw them with these bands."
        )
    network = pretrained.network
    scaling = pretrained.spec.scaling
    mean, std = torch.tensor(scaling.mean), torch.tensor(scaling.std)
    batches = SampleBatches(
        samples.assign_attrs(tasks=""),
        batch_size=_BATCH,
        shuffle=False,
        context=pretrained.spec.context_scaling,
    )
    found = []
    with torch.inference_mode():
        for batch in batches:
            if isinstance(network, PatchAutoencoder):
                found.append(network.encode(batch["series"], batch["context"]))
                continue
            series, mask = network_series(network, batch, mean, std)
            features = network_features(network, series, mask, batch)
            if features.ndim == 4:
                features = features[..., features.shape[2] // 2, features.shape[3] // 2]
            found.append(features)
    return xr.DataArray(torch.cat(found).numpy(), dims=("sample", "feature"), name="features")


def linear_probe(
    pretrained: Pretrained,
    samples: xr.Dataset,
    *,
    task: str | None = None,
    probe: Probe = "logistic",
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of a simple classifier on features that stay as they are, fold by fold.

    Features are scaled to 0 to 1 over the training folds, as in the first paper, which then fits a
    support vector machine (``probe="svm"``).

    Parameters
    ----------
    pretrained : Pretrained
        The network. If it was trained on the very samples (without labels), say so with the scores.
    samples : xr.Dataset
        Samples with labels and `fold(sample)`, as :func:`lulc_xr.make_folds` draws them; fold -1
        is left out.
    task : str, optional
        Which task; by default the only one.
    probe : {"logistic", "svm"}
        Logistic regression, or a support vector machine with radial basis functions.
    seed : int
        Of the classifier.

    Returns
    -------
    pandas.DataFrame
        One row per fold: ``fold``, ``training`` and ``test`` (samples), ``overall_accuracy``,
        ``macro_f1`` (over the classes in the fold's test samples).

    Raises
    ------
    SampleError
        If there are no two folds, or the task is unknown.
    ModelError
        If the probe is unknown.

    References
    ----------
    Leonhardt, J., Drees, L., Gall, J., Roscher, R. (2023). Leveraging bioclimatic context for
    supervised and self-supervised land cover classification. DAGM GCPR 2023, LNCS 14264.
    https://doi.org/10.1007/978-3-031-54605-1_15
    """
    if probe not in _PROBES:
        raise ModelError(name_unknown("probe", probe, _PROBES))
    labels = _labels(samples, task)
    if "fold" not in samples or np.unique(samples["fold"].values[labels >= 0]).size < 2:
        raise SampleError(
            "a linear probe needs labelled samples in two folds or more. "
            "Draw folds first: samples = lulc_xr.make_folds(samples, ...)."
        )
    folds = samples["fold"].values
    features = encode_samples(pretrained, samples).values
    rows = []
    for fold in np.unique(folds[folds >= 0]):
        train = (folds >= 0) & (folds != fold) & (labels >= 0)
        test = (folds == fold) & (labels >= 0)
        if not train.any() or not test.any():
            continue
        told = _fit_probe(probe, features[train], labels[train], seed=seed).predict(features[test])
        metrics = require("sklearn.metrics", extra="experiments")
        true = labels[test]
        rows.append(
            {
                "fold": int(fold),
                "training": int(train.sum()),
                "test": int(test.sum()),
                "overall_accuracy": float((told == true).mean()),
                "macro_f1": float(
                    metrics.f1_score(
                        true, told, labels=np.unique(true), average="macro", zero_division=0
                    )
                ),
            }
        )
    return pd.DataFrame(rows)


def _labels(samples: xr.Dataset, task: str | None) -> NDArray[np.int16]:
    """Positions of the classes in the legend, (sample,), -1 without label."""
    tasks = tasks_of(samples)
    if task is None and len(tasks) == 1:
        task = tasks[0]
    if task not in tasks:
        raise SampleError(name_unknown("task", task, tasks) + " Name one: task=...")
    return Legend.from_flags(samples[task].attrs).index_of(samples[task].values)


def _fit_probe(
    probe: Probe, features: NDArray[np.float32], labels: NDArray[np.int16], *, seed: int
) -> Any:
    pipeline = require("sklearn.pipeline", extra="experiments")
    scaling = require("sklearn.preprocessing", extra="experiments").MinMaxScaler()
    if probe == "svm":
        model = require("sklearn.svm", extra="experiments").SVC(random_state=seed)
    else:
        linear = require("sklearn.linear_model", extra="experiments")
        model = linear.LogisticRegression(max_iter=2000, C=10.0, random_state=seed)
    return pipeline.make_pipeline(scaling, model).fit(features, labels)
