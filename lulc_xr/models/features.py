"""Features of samples: what a model sees of a place, as one row of numbers, and their names."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, fixed_number_of_dates
from lulc_xr.models.sample_predictions import select_bands


def model_features(spec: ModelSpec, samples: xr.Dataset) -> NDArray[np.float32]:
    """Features (sample, feature) of a model: series as (time, band), then its context, raw.

    Of patches it is the pixel in the middle.

    Raises
    ------
    ModelError
        If the model takes varying numbers of dates.
    """
    if fixed_number_of_dates(spec.dates) is None:
        raise ModelError(
            f"this model takes any number of dates ({spec.dates}); distances need the same "
            "features everywhere. Use a model of regular dates."
        )
    sides = {d: n // 2 for d, n in samples.sizes.items() if str(d).startswith("patch_")}
    series = select_bands(samples.isel(sides), spec)
    table = series.transpose("sample", "time", "band").values
    features = table.reshape(len(table), math.prod(table.shape[1:])).astype(np.float32)
    if spec.context:
        around, _ = context_of_samples(samples, spec.context)
        features = np.concatenate([features, around.T], axis=1)
    return features


def feature_names(spec: ModelSpec, number: int) -> list[str]:
    """Name of each of so many features: band and date (its number, from 0), or context."""
    dates = (number - len(spec.context)) // len(spec.bands)
    series = [f"{band} at date {t}" for t in range(dates) for band in spec.bands]
    return [*series, *spec.context]


def feature_groups(spec: ModelSpec) -> tuple[str, ...]:
    """What a model sees, by name: each band, all its dates together, and each context variable."""
    return (*spec.bands, *spec.context)
