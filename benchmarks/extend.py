"""What does it cost to extend a store by a year, beside writing the same values plainly?"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr
import zarr

import lulc_xr as lx
from benchmarks import scene


def _median_of(function: Any, prepare: Any, repeats: int = 3) -> float:
    found = []
    for _ in range(repeats):
        prepare()
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


class ByAYear:
    """The tiled chip as a store, and the same dates a year later, in memory by Dask chunks."""

    def setup(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        cube = scene.tile(scene.half_months(), scene.SIDE)
        self.made = lx.write_cube(cube, self.folder / "made.zarr")
        self.store = self.folder / "cube.zarr"
        later = scene.tile(scene.half_months(), scene.SIDE, seed=1)
        later = later.assign_coords(time=later["time"] + np.timedelta64(365, "D"))
        shards = {"time": -1, "band": -1, "y": 512, "x": 512}
        self.later = later.chunk(shards)
        self.fresh()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def fresh(self) -> None:
        """The store as it was before."""
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.made, self.store)

    def extend(self) -> None:
        """Dates behind the last, into the store."""
        lx.extend_cube(self.later, self.store, progress=False)

    def write_plainly(self) -> None:
        """The same values with the same chunks, shards and codec, by Xarray alone."""
        path = self.folder / "plain.zarr"
        shutil.rmtree(path, ignore_errors=True)
        encoding = {}
        group = zarr.open_group(self.made, mode="r")
        for name in ("reflectance", "clear"):
            array: Any = group[name]
            encoding[name] = {
                "chunks": array.chunks, "shards": array.shards, "compressors": array.compressors,
            }  # fmt: skip
        plain = xr.Dataset({n: self.later[n] for n in encoding}).drop_vars("spatial_ref")
        with dask.config.set(scheduler="threads"):
            plain.to_zarr(path, mode="w", encoding=encoding, consolidated=False)

    def time_extend(self) -> None:
        """By asv, each time into the store as it was before (the copy counts too)."""
        self.fresh()
        self.extend()

    def track_extend_per_plain_write(self) -> float:
        """Time of extending by that of plain writing; 1: no more expensive."""
        plain = _median_of(self.write_plainly, lambda: None)
        return _median_of(self.extend, self.fresh) / plain
