"""Samples: how fast are points read, composites made, and batches served?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import dask
import flox
import numpy as np

import lulc_xr as lx
from benchmarks import scene, stages

CHUNKS = {"y": 256, "x": 256}


class Points:
    """Labelled points of a store, grouped by chunk."""

    timeout = 600
    params = (100, 1000)
    param_names = ("points",)

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        cube = lx.testing.landscape(y=scene.SIDE, x=scene.SIDE, time=scene.DATES, chunks=CHUNKS)
        return str(lx.write_cube(cube, folder / "landscape.zarr"))

    def setup(self, store: str, points: int) -> None:
        self.cube = lx.open_cube(store)
        classes = len(lx.Legend.from_flags(self.cube["reference"].attrs))
        self.points = lx.testing.points(self.cube, per_class=points // classes)

    def time_extract(self, store: str, points: int) -> None:
        """Monthly composites at the points."""
        lx.extract_samples(self.cube, self.points)


class Composite:
    """Monthly medians of a block in memory: how much faster than flox's nanmedian?"""

    def setup(self) -> None:
        side = min(scene.SIDE, 64)
        self.cube = lx.testing.landscape(y=side, x=side, time=120, seed=0)
        clear = self.cube["clear"].values[:, None].astype(bool)
        self.pixels = np.where(clear, self.cube["reflectance"].values, np.float32(np.nan))
        self.month = self.cube["time"].dt.month.values - 1

    def flox_median(self) -> np.ndarray:
        """What flox gives: (month, band, y, x)."""
        moved = np.moveaxis(self.pixels, 0, -1)
        found, *_ = flox.groupby_reduce(moved, self.month, func="nanmedian")
        return np.moveaxis(found, -1, 0)

    def track_speed_over_flox(self) -> float:
        """Seconds of flox, per second of the whole `composite`, gaps filled, on one thread."""
        with dask.config.set(scheduler="synchronous"):
            ours = stages.seconds(lambda: lx.composite(self.cube).compute())
        return stages.seconds(self.flox_median) / ours
