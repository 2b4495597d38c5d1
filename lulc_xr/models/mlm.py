"""A model in the terms of the STAC MLM extension, so that catalogues can list it."""

from __future__ import annotations

from typing import Any

import torch

from lulc_xr.core.model import ModelSpec, fixed_number_of_dates

SCHEMA = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
_ANY = -1  # how the extension writes a size that varies


def describe_model(
    spec: ModelSpec, *, network: str, parameters: int, sizes: dict[str, Any]
) -> dict[str, Any]:
    """Properties of a STAC item of this model.

    Parameters
    ----------
    spec : ModelSpec
        What the model needs and gives.
    network : str
        Name of its network.
    parameters : int
        Number of its weights.
    sizes : dict
        Sizes of its network.

    Returns
    -------
    dict
        JSON-able ``mlm:`` fields.

    References
    ----------
    STAC Machine Learning Model extension 1.4, https://github.com/stac-extensions/mlm
    """
    dates = fixed_number_of_dates(spec.dates) or _ANY
    scaling = spec.scaling and [
        {"type": "z-score", "mean": mean, "stddev": std}
        for mean, std in zip(spec.scaling.mean, spec.scaling.std, strict=True)
    ]
    return {
        "mlm:name": f"{network} for {', '.join(spec.legends)}",
        "mlm:architecture": network,
        "mlm:tasks": ["classification"],
        "mlm:framework": "PyTorch",
        "mlm:framework_version": torch.__version__,
        "mlm:total_parameters": parameters,
        "mlm:hyperparameters": sizes,
        "mlm:input": [
            {
                "name": "series of reflectance of one pixel and year",
                "bands": list(spec.bands),
                "input": {
                    "shape": [_ANY, dates, len(spec.bands)],
                    "dim_order": ["batch", "time", "bands"],
                    "data_type": "float32",
                },
                "value_scaling": scaling,
            }
        ],
        "mlm:output": [
            {
                "name": task,
                "tasks": ["classification"],
                "result": {
                    "shape": [_ANY, len(legend)],
                    "dim_order": ["batch", "class"],
                    "data_type": "float32",
                },
                "classification:classes": [
                    {
                        "value": entry.class_id,
                        "name": entry.name,
                        "color_hint": entry.color.lstrip("#").upper(),
                    }
                    for entry in legend.classes
                ],
            }
            for task, legend in spec.legends.items()
        ],
    }
