"""Samples: how fast are points read?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import xarray as xr
import zarr

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


class Scattered:
    """10 000 points of a sharded cube: how much faster than vectorised selection of the pixels?

    Every chunk holds points, which is the hard case: all of the cube is read and decoded.
    """

    timeout = 1200
    number = 10_000
    plan = lx.ChunkPlan(chunks={"y": 64, "x": 64}, shards={"y": 512, "x": 512})
    dates = lx.RawDates(maximum=scene.DATES)

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        chunks = {"y": 512, "x": 512}
        cube = lx.testing.landscape(y=scene.SIDE, x=scene.SIDE, time=scene.DATES, chunks=chunks)
        return str(lx.write_cube(cube, folder / "landscape.zarr", plan=self.plan))

    def setup(self, store: str) -> None:
        self.cube = lx.open_cube(store)[["reflectance", "clear"]]
        rng = np.random.default_rng(0)
        row, column = rng.integers(0, self.cube.sizes["y"], (2, self.number))
        self.places = {
            "y": xr.DataArray(row, dims="sample"),
            "x": xr.DataArray(column, dims="sample"),
        }
        y, x = self.cube["y"].values[row], self.cube["x"].values[column]
        self.points = pd.DataFrame({"y": y, "x": x, "land_cover": 0})
        self.legend = lx.Legend.from_names("one", ["land"])

    def series(self) -> xr.Dataset:
        """The cube's own dates at the points."""
        return lx.extract_samples(self.cube, self.points, dates=self.dates, legend=self.legend)

    def time_series(self, store: str) -> None:
        """The cube's own dates at the points."""
        self.series()

    def track_speed_over_isel(self, store: str) -> float:
        """Seconds of ``isel`` on `open_cube`, per second of `extract_samples`: the same series."""
        theirs = stages.seconds(lambda: self.cube.isel(self.places).compute())
        return theirs / stages.seconds(self.series)

    def track_speed_over_open_zarr(self, store: str) -> float:
        """Seconds of ``isel`` on ``xarray.open_zarr``, per second of `extract_samples`."""
        plain = xr.open_zarr(store, consolidated=False, chunks={})[["reflectance", "clear"]]
        theirs = stages.seconds(lambda: plain.isel(self.places).compute())
        return theirs / stages.seconds(self.series)

    def track_composites_over_isel(self, store: str) -> float:
        """Seconds of ``isel`` for the series alone, per second of monthly composites of ours."""
        theirs = stages.seconds(lambda: self.cube.isel(self.places).compute())
        return theirs / stages.seconds(
            lambda: lx.extract_samples(self.cube, self.points, legend=self.legend)
        )

    def track_reads_per_byte(self, store: str) -> float:
        """Bytes of chunks that are read, per byte that is read at all: 1, each chunk once."""
        asked: dict[str, list[tuple[int, int]]] = {}
        get = zarr.storage.LocalStore.get

        async def noted(self: Any, key: str, *arguments: Any, **named: Any) -> Any:
            wanted = named.get("byte_range")
            if hasattr(wanted, "start"):
                asked.setdefault(key, []).append((wanted.start, wanted.end))
            return await get(self, key, *arguments, **named)

        with mock.patch.object(zarr.storage.LocalStore, "get", noted):
            self.series()
        total = sum(end - start for spans in asked.values() for start, end in spans)
        union = 0
        for spans in asked.values():
            reached = 0
            for start, end in sorted(spans):
                union += max(0, end - max(start, reached))
                reached = max(reached, end)
        return total / union
