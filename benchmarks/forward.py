"""How fast is a network alone, in its fast form, beside the form it was trained in?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import lulc_xr as lx
from benchmarks import scene, stages

BANDS, CLASSES, CONTEXT = 10, 5, 20
PIXELS, SIDE = 8192, 128
NETWORKS = ("ltae", "resmlp", "tempcnn", "unet", "utae")


class Form:
    """A network of each kind on one thread: fast form over training form, ratio of speeds."""

    params = (NETWORKS, ("float32", "bfloat16"), ("none", "cbn"))
    param_names = ("network", "precision", "conditioning")

    def setup(self, network: str, precision: str, conditioning: str) -> None:
        torch.manual_seed(0)
        context: dict[str, Any] = {}
        if conditioning != "none":
            context = {"context": CONTEXT, "conditioning": conditioning, "faithful": True}
        classes = {"land_cover": CLASSES}
        self.network = lx.make_network(
            network, bands=BANDS, dates=scene.DATES, classes=classes, **context
        ).eval()
        self.form = self.network.inference_form(dtype=getattr(torch, precision))
        self.days = torch.arange(scene.DATES) * 15
        spatial = bool(getattr(self.network, "spatial", False))
        place = (SIDE, SIDE) if spatial else (PIXELS,)
        rng = np.random.default_rng(0)

        def draw(first: tuple[int, ...]) -> torch.Tensor:
            return torch.from_numpy(rng.normal(size=(*first, *place)).astype(np.float32))

        self.pixels, around = draw((scene.DATES, BANDS)), draw((CONTEXT,))
        self.around = around if context else None
        self.series = self.pixels[None] if spatial else self.pixels.permute(2, 0, 1).contiguous()
        beside = around[None] if spatial else around.T.contiguous()
        self.beside = beside if context else None

    def track_speed_over_training_form(
        self, network: str, precision: str, conditioning: str
    ) -> float:
        """Seconds of the training form in one batch, per second of the fast form."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                self.run_fast()
                fast = stages.seconds(self.run_fast)
                plain = stages.seconds(self.run_plain)
        finally:
            torch.set_num_threads(threads)
        return plain / fast

    def run_fast(self) -> None:
        self.form(self.pixels, self.days, None, self.around)

    def run_plain(self) -> None:
        self.network(self.series, self.days, None, self.beside)
