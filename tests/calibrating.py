"""A model that says what it is told, and samples whose labels are drawn from what is true."""

import numpy as np
import xarray as xr

from lulc_xr.core.dates import RegularDates
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec

LEGEND = Legend.from_names("four", ["cropland", "woodland", "water", "wetland"])
BANDS = ("blue", "green", "red", "nir")
DAYS = np.arange(0, 360, 30, dtype=np.int32)


def softmax(logits, axis=0):
    grown = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return grown / grown.sum(axis=axis, keepdims=True)


class Told:
    """Logits are the reflectance of the bands, `factor` times as large as is true."""

    def __init__(self, factor=1.0, *, legend=LEGEND, shift=None):
        self.spec = ModelSpec(bands=BANDS, legends={"land_cover": legend}, dates=RegularDates())
        self.factor = factor
        self.shift = np.zeros(len(BANDS)) if shift is None else np.asarray(shift, float)

    def predict_block(self, pixels, days, context):
        logits = pixels[0].astype(np.float64) * self.factor + self.shift[:, None, None]
        return softmax(logits).astype(np.float32)


class Several(Told):
    """Members that differ in a fixed way around the truth."""

    def __init__(self, factor=1.0, *, members=3, spread=0.7):
        super().__init__(factor)
        rng = np.random.default_rng(5)
        self.tilts = rng.normal(0, spread, (members, len(BANDS)))

    def each_member(self, pixels, days, context=None):
        for tilt in self.tilts:
            logits = (pixels[0] + tilt[:, None, None]) * self.factor
            yield {"land_cover": softmax(logits).astype(np.float32)}

    def predict_block(self, pixels, days, context=None):
        given = [member["land_cover"] for member in self.each_member(pixels, days, context)]
        return np.mean(given, axis=0, dtype=np.float32)


def make_samples(number=4000, *, seed=0, spread=1.5, regions=None, true=1.0, offset=0.0):
    """Samples 100 m apart, with labels drawn from softmax(true x reflectance)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (number, len(BANDS))).astype(np.float32)
    factor = np.full(number, float(true))
    variables = {}
    if regions:
        names = rng.choice(list(regions), number)
        factor = np.array([regions[name] for name in names])
        variables["region"] = ("sample", names.astype(object))
    p = softmax(logits * factor[:, None], axis=1)
    labels = (p.cumsum(axis=1) > rng.random((number, 1))).argmax(axis=1).astype(np.uint8)
    side = int(np.ceil(np.sqrt(number)))
    place = np.arange(number)
    return xr.Dataset(
        {
            "reflectance": (
                ("sample", "time", "band"), np.repeat(logits[:, None], 12, axis=1)
            ),
            "land_cover": ("sample", labels, LEGEND.flags()),
            "x": ("sample", 4e6 + offset + 100.0 * (place % side)),
            "y": ("sample", 3e6 + 100.0 * (place // side)),
            **variables,
        },
        coords={"band": list(BANDS), "day": ("time", DAYS)},
        attrs={"crs_wkt": "EPSG:3035", "tasks": "land_cover"},
    )  # fmt: skip
