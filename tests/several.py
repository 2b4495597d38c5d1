"""A model of several members for tests, with rules attached: plain arithmetic, the same bits."""

import hashlib
import json

import numpy as np

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.attachments import Attachments
from lulc_xr.core.calibration import Calibration
from lulc_xr.core.conformal import Conformal
from lulc_xr.core.regions import RegionKey
from lulc_xr.models.attached import calibrate_block
from tests.predictors import LEGEND, WindowMean, shares

ZONES = RegionKey(variable="zone", names=("north", "south"))

EVERY = (
    "land_cover", "entropy", "probability", "aleatoric", "epistemic", "margin",
    "least_confidence", "max_probability", "set_size", "set", "members",
    "dissimilarity", "applicable",
)  # fmt: skip
"""Every output of a model without context."""


class Several(WindowMean):
    """Members that weigh the classes differently; each counts how often it was run."""

    def __init__(self, members=3, *, attachments=None, **changes):
        super().__init__(**{"halo": 0, **changes})
        self.weights = [np.float32(0.3 + 0.4 * number) for number in range(members)]
        self.attachments = attachments or Attachments()
        described = [members, str(self.spec.to_dict()), self.attachments.to_dict()]
        self.content_hash = hashlib.sha256(json.dumps(described).encode()).hexdigest()
        self.runs = [0] * members

    def __len__(self):
        return len(self.weights)

    def each_member(self, pixels, days, context):
        for number, weight in enumerate(self.weights):
            self.runs[number] += 1
            first, second = self.sums(pixels, days)
            third = np.full(first.shape, 0.05, np.float32) * weight
            found = shares(first + np.float32(1e-6), second * weight, third)
            yield {
                "land_cover": calibrate_block(
                    found, self.attachments.calibration, task="land_cover", context=context
                )
            }

    def predict_block(self, pixels, days, context):
        total = None
        for given in self.each_member(pixels, days, context):
            found = given["land_cover"]
            total = found if total is None else total + found
        return total / np.float32(len(self))


def make_conformal(*, method="aps", regions=None, thresholds=(0.7,), **changes):
    """One threshold of all classes for each region and, last, for all other places."""
    rows = tuple((value,) * len(LEGEND) for value in thresholds)
    settings = {"coverage": 0.9, "thresholds": {"land_cover": rows}, "regions": regions}
    return Conformal(method=method, **(settings | changes))


def make_calibration(*, regions=None, temperatures=(2.0,)):
    """One temperature for each region and, last, for all other places."""
    rows = tuple((1 / t,) * len(LEGEND) for t in temperatures)
    shift = tuple((0.0,) * len(LEGEND) for _ in temperatures)
    return Calibration(
        method="temperature",
        scale={"land_cover": rows},
        shift={"land_cover": shift},
        regions=regions,
    )


def make_applicability(features, *, threshold=0.5, seed=0):
    """Made-up training samples between 0 and 0.5."""
    rng = np.random.default_rng(seed)
    return Applicability(
        mean=np.full(features, 0.2, np.float32),
        scale=np.full(features, 0.1, np.float32),
        weight=rng.uniform(0, 1, features).astype(np.float32),
        reference=rng.normal(0, 1, (40, features)).astype(np.float32),
        mean_distance=float(np.sqrt(features)),
        threshold=threshold,
    )


def with_zones(cube):
    """The cube with its northern third and southern half as regions, some rows in none."""
    rows = cube.sizes["y"]
    zone = np.full((rows, cube.sizes["x"]), 255, np.uint8)
    zone[: rows // 3], zone[rows // 2 :] = 4, 9
    attrs = {"flag_values": np.array([4, 9, 11], np.uint8), "flag_meanings": "north south east"}
    return cube.assign(zone=(("y", "x"), zone, attrs))
