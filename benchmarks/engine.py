"""Zarr to Zarr: how fast is a whole classification, beside the usual way and raw reading?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import dask
import numpy as np
import zarr

import lulc_xr as lx
from benchmarks import scene, stages


class _Scene:
    """A store and a classifier, made once for all benchmarks of a class."""

    timeout = 600

    def setup_cache(self) -> tuple[str, str]:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        return str(scene.make_store(folder, side=scene.SIDE)), str(scene.train(folder))

    def setup(self, made: tuple[str, str], *_: object) -> None:
        self.store, self.classifier = Path(made[0]), lx.load_classifier(made[1])
        stages.classify(self.store, self.classifier, precision="bfloat16")


class Precision(_Scene):
    """What does each precision gain over the usual way, on one thread?"""

    params = ("float32", "bfloat16")
    param_names = ("precision",)

    def track_speed_over_naive(self, made: tuple[str, str], precision: str) -> float:
        """Seconds of apply_ufunc around the plain network, per second of ours."""
        with dask.config.set(scheduler="synchronous"):
            ours = stages.seconds(
                lambda: stages.classify(self.store, self.classifier, precision=precision)
            )
            naive = stages.seconds(
                lambda: stages.classify_naively(
                    self.store, self.classifier, self.store.with_name("naive.zarr")
                )
            )
        return naive / ours


class FreeModel(_Scene):
    """What does the engine itself cost, with a model that costs nothing?"""

    def track_speed_over_raw_read(self, made: tuple[str, str]) -> float:
        """Seconds of reading the cube raw, per second of classifying it."""
        free = stages.Threshold(scene.DATES)
        with dask.config.set(scheduler="synchronous"):
            stages.classify(self.store, free)
            ours = stages.seconds(lambda: stages.classify(self.store, free))
        array = zarr.open_group(self.store, mode="r")["reflectance"]
        raw = stages.seconds(
            lambda: [np.asarray(array[:, :, r, c]) for r, c in stages.windows(self.store)]
        )
        return raw / ours


class Outputs(_Scene):
    """Does another output cost another pass of the network?"""

    params = (("land_cover",), ("land_cover", "entropy", "probability"))
    param_names = ("outputs",)

    def time_classify(self, made: tuple[str, str], outputs: tuple[str, ...]) -> None:
        """Classify and write in bfloat16."""
        with dask.config.set(scheduler="synchronous"):
            stages.classify(self.store, self.classifier, precision="bfloat16", outputs=outputs)
