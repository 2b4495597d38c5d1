"""How fast is a network alone, in its fast form, beside the form it was trained in?"""

from __future__ import annotations

import numpy as np
import torch

import lulc_xr as lx
from benchmarks import scene, stages

BANDS, CLASSES = 10, 5
PIXELS = 8192


class Form:
    """A network of each kind on one thread: fast form over training form, ratio of speeds."""

    params = (("tempcnn", "ltae"), ("float32", "bfloat16"))
    param_names = ("network", "precision")

    def setup(self, network: str, precision: str) -> None:
        torch.manual_seed(0)
        self.network = lx.make_network(
            network, bands=BANDS, dates=scene.DATES, classes={"land_cover": CLASSES}
        ).eval()
        dtype = getattr(torch, precision)
        self.form = self.network.inference_form(dtype=dtype)
        rng = np.random.default_rng(0)
        pixels = rng.normal(size=(scene.DATES, BANDS, PIXELS)).astype(np.float32)
        self.pixels = torch.from_numpy(pixels)
        self.days = torch.arange(scene.DATES) * 15

    def track_speed_over_training_form(self, network: str, precision: str) -> float:
        """Seconds of the training form in one batch, per second of the fast form."""
        series = self.pixels.permute(2, 0, 1).contiguous()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                self.form(self.pixels, self.days)
                fast = stages.seconds(lambda: self.form(self.pixels, self.days))
                plain = stages.seconds(lambda: self.network(series, self.days, None))
        finally:
            torch.set_num_threads(threads)
        return plain / fast
