"""Samples: how fast are points read?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import lulc_xr as lx
from benchmarks import scene

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
