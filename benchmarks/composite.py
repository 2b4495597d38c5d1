"""Composites: how long does a year take, against reading it, and how much memory?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import flox
import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene, stages

CHUNKS = {"y": 256, "x": 256}
THREADS = 2
ROUNDS = 5


class _Nothing:
    """Takes what is computed and keeps none of it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def compute(ds: xr.Dataset) -> None:
    """All variables over time, on two threads, block by block, kept nowhere."""
    arrays = [var.data for var in ds.data_vars.values() if "time" in var.dims]
    nothing = [_Nothing() for _ in arrays]
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        da.store(arrays, nothing, lock=False)


def make_store(dates: int, side: int) -> str:
    """A landscape of ten bands as a sharded store, with at least 2 x 2 shards."""
    folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
    cube = lx.testing.landscape(y=side, x=side, time=dates, chunks=CHUNKS)
    shard = min(256, side // 2)
    plan = lx.ChunkPlan(chunks={"y": shard // 2, "x": shard // 2}, shards={"y": shard, "x": shard})
    return str(lx.write_cube(cube, folder / "landscape.zarr", plan=plan))


class Year:
    """A year of dates from a sharded store to monthly composites, gaps filled."""

    timeout = 600
    params = (24, 73)
    param_names = ("dates",)

    def setup_cache(self) -> dict[int, str]:
        return {dates: make_store(dates, scene.SIDE) for dates in self.params}

    def setup(self, stores: dict[int, str], dates: int) -> None:
        self.cube = lx.open_cube(stores[dates])

    def _ratio(self, method: str, **settings: Any) -> float:
        """Median over rounds of the time of composites over that of reading, in turn."""
        made = lx.composite(self.cube, "month", method, **settings)
        found = []
        for _ in range(ROUNDS):
            read = stages.seconds(lambda: compute(self.cube))
            found.append(stages.seconds(lambda: compute(made)) / read)
        return float(np.median(found))

    def track_median_over_read(self, stores: dict[int, str], dates: int) -> float:
        """Wanted: at most 1.5."""
        return self._ratio("median")

    def track_mean_over_read(self, stores: dict[int, str], dates: int) -> float:
        return self._ratio("mean")

    def track_medoid_over_read(self, stores: dict[int, str], dates: int) -> float:
        return self._ratio("medoid")

    def track_weighted_over_read(self, stores: dict[int, str], dates: int) -> float:
        return self._ratio("median", weights="clear")


class Area:
    """The same shards, four times the area: does memory follow the block?"""

    timeout = 600

    def track_peak_ratio(self) -> float:
        """Peak memory of a process at 4 times the area, over that at once the area."""
        peaks = []
        # From 4 x 4 shards on: with fewer, two threads do not hold all that they may.
        for side in (2 * scene.SIDE, 4 * scene.SIDE):
            code = (
                "from benchmarks import composite, stages; import lulc_xr as lx; "
                f"cube = lx.open_cube({make_store(24, side)!r}); "
                "composite.compute(lx.composite(cube, 'month')); print(stages.peak_memory())"
            )
            child = subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                cwd=scene.ROOT,
            )
            peaks.append(float(child.stdout.split()[-1]))
        return peaks[1] / peaks[0]


class Composite:
    """Monthly medians of a block in memory: how much faster than flox's nanmedian?"""

    def setup(self) -> None:
        side = min(scene.SIDE, 64)
        self.cube = lx.testing.landscape(y=side, x=side, time=120, seed=0)
        clear = self.cube["clear"].values[:, None].astype(bool)
        self.pixels = np.where(clear, self.cube["reflectance"].values, np.float32(np.nan))
        self.month = self.cube["time"].dt.month.values - 1

    def flox_median(self, func: str = "nanmedian") -> np.ndarray:
        """What flox gives: (month, band, y, x)."""
        moved = np.moveaxis(self.pixels, 0, -1)
        found, *_ = flox.groupby_reduce(moved, self.month, func=func, engine="flox")
        return np.moveaxis(found, -1, 0)

    def _lead(self, method: str) -> float:
        with dask.config.set(scheduler="synchronous"):
            ours = stages.seconds(lambda: lx.composite(self.cube, method=method).compute())
        return stages.seconds(lambda: self.flox_median(f"nan{method}")) / ours

    def track_speed_over_flox(self) -> float:
        """Seconds of flox, per second of the whole `composite`, gaps filled, on one thread."""
        return self._lead("median")

    def track_mean_over_flox(self) -> float:
        """The same for means."""
        return self._lead("mean")
