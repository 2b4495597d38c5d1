"""Climate: what does context of a block cost, beside reading that block?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene, stages

VARIABLES = (*(f"bio{number:02d}" for number in range(1, 20)), "elevation")
_REPEATS = 3


def made_up_climate() -> xr.DataArray:
    """Twenty variables at 10 arc-minutes around the chip of Flanders."""
    lat, lon = np.arange(53, 48, -1 / 6), np.arange(0, 6, 1 / 6)
    values = np.random.default_rng(0).uniform(1, 20, (len(VARIABLES), lat.size, lon.size))
    coords = {"bioclim_variable": list(VARIABLES), "latitude": lat, "longitude": lon}
    return xr.DataArray(values, coords, tuple(coords))


class _OfClimate(stages.Threshold):
    """The model that costs nothing, asking for all variables and using none."""

    def __init__(self, dates: int) -> None:
        super().__init__(dates)
        self.spec = lx.ModelSpec(
            bands=self.spec.bands,
            legends=self.spec.legends,
            dates=self.spec.dates,
            context=VARIABLES,
        )


class _Store:
    timeout = 600

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        store = scene.make_store(folder, side=scene.SIDE)
        return str(lx.write_context(made_up_climate(), store))


class Interpolation(_Store):
    """Is interpolating twenty variables to a block a small share of reading it?"""

    def setup(self, store: str) -> None:
        self.cube = lx.open_cube(store)
        self.context = self.cube["bioclim"].load()

    def track_share_of_reading(self, store: str) -> float:
        """Seconds of interpolating, per second of reading and decoding one block."""
        cube = self.cube.isel(y=slice(0, 512), x=slice(0, 512))
        crs = cube["spatial_ref"].attrs["crs_wkt"]
        x, y = cube["x"].values, cube["y"].values[:, None]

        def interpolate() -> Any:
            return lx.context_at(self.context, x, y, crs=crs)

        def read() -> Any:
            with dask.config.set(scheduler="synchronous"):
                return cube["reflectance"].values, cube["clear"].values

        return _fastest(interpolate) / _fastest(read)


class WholeMap(_Store):
    """What does context cost in a whole map, with a model that costs nothing?"""

    def track_time_of_map_without(self, store: str) -> float:
        """Seconds of a map with context, per second of one without."""
        path = Path(store)
        with dask.config.set(scheduler="synchronous"):
            used = _fastest(lambda: stages.classify(path, _OfClimate(scene.DATES)))
            plain = _fastest(lambda: stages.classify(path, stages.Threshold(scene.DATES)))
        return used / plain


def _fastest(run: Any) -> float:
    run()
    return min(stages.seconds(run) for _ in range(_REPEATS))
