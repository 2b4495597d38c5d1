"""Distances to the training samples: what do they cost beside nothing but arithmetic?"""

from __future__ import annotations

import json
import time

import numpy as np
import xarray as xr

import lulc_xr as lx

_PIXELS = 8192
_REFERENCES = 4000
_FOLDS = 5
_SIZES = (8, 60, 120, 240)


def _samples(features: int) -> xr.Dataset:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(_REFERENCES, 1, features)).astype(np.float32)
    legend = lx.Legend.from_names("demo", ["cropland", "woodland"])
    labels = np.where(values[:, 0, 0] > 0, legend.ids[0], legend.ids[1]).astype(np.uint8)
    dates = json.dumps({"kind": "regular", "freq": "year"})
    return xr.Dataset(
        {
            "reflectance": (("sample", "time", "band"), values),
            "land_cover": ("sample", labels, legend.flags()),
            "fold": ("sample", np.arange(_REFERENCES) % _FOLDS),
            "day": ("time", np.zeros(1, np.int32)),
        },
        coords={"band": [f"b{n}" for n in range(features)], "time": [0]},
        attrs={"dates": dates, "tasks": "land_cover"},
    )


class Dissimilarity:
    """How many pixels a second, one thread, 4000 references, so many features?"""

    params = _SIZES
    param_names = ("features",)

    def setup(self, features: int) -> None:
        samples = _samples(features)
        config = lx.TrainConfig(epochs=1, sizes={"width": 8, "hidden": 8, "blocks": 1})
        model = lx.fit(samples, "resmlp", config=config)
        model = lx.fit_applicability(model, samples, weights=None)
        self.rule = model.applicability
        shape = (features, _PIXELS)
        self.pixels = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        self.rule.dissimilarity(self.pixels[:, :300])

    def time_dissimilarity(self, features: int) -> None:
        """8192 pixels, exact to the last bits, the same in any batch."""
        self.rule.dissimilarity(self.pixels)

    def track_of_the_product(self, features: int) -> float:
        """Part of the time that the product of matrices alone would take."""
        table = np.ascontiguousarray(self.rule.reference)
        begun = time.perf_counter()
        for start in range(0, _PIXELS, 256):
            np.matmul(table, self.pixels[:, start : start + 256])
        product = time.perf_counter() - begun
        begun = time.perf_counter()
        self.rule.dissimilarity(self.pixels)
        return product / (time.perf_counter() - begun)
