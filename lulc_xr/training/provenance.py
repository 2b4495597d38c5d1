"""How a classifier was trained, as it is written into its folder."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import xarray as xr

from lulc_xr.core.model import ModelSpec
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.prepare import count_classes

_PACKAGES = ("lulc_xr", "torch", "lightning", "numpy", "xarray")


def describe_training(
    config: TrainConfig,
    training: xr.Dataset,
    validation: xr.Dataset | None,
    spec: ModelSpec,
    scores: dict[str, float],
) -> dict[str, Any]:
    """How a classifier was trained: settings, samples, scores and versions, JSON-able."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": config.seed,
        "settings": config.to_dict(),
        "samples": {
            "training": training.sizes["sample"],
            "validation": validation.sizes["sample"] if validation is not None else 0,
            "classes": {
                task: count_classes(training[task], legend) for task, legend in spec.legends.items()
            },
        },
        "scores": scores,
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
