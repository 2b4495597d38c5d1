"""Change between years, and maps made consistent: at which share of the speed of reading them?

``python -m benchmarks.change`` prints the ratios. Times are seconds of the processor, of one
thread, so that others on the machine do not count.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array
import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene
from benchmarks.uncertainty import cost

_YEARS, _CLASSES, _FIELD, _TIMES = 6, 8, 8, 8
_CHANGED, _WRONG = 0.02, 0.1


def make_maps(folder: Path, *, side: int) -> Path:
    """A store of yearly maps with probabilities: fields that change, pixels that are wrong.

    A scene of `side` pixels is repeated 8 times each way, in chunks of two scenes.
    """
    rng = np.random.default_rng(0)
    fields = rng.integers(0, _CLASSES, (side // _FIELD, side // _FIELD))
    years = []
    for _ in range(_YEARS):
        fields = np.where(rng.random(fields.shape) < _CHANGED, rng.permuted(fields), fields)
        truth = fields.repeat(_FIELD, axis=0).repeat(_FIELD, axis=1)
        wrong = rng.integers(0, _CLASSES, truth.shape)
        years.append(np.where(rng.random(truth.shape) < _WRONG, wrong, truth).astype(np.uint8))
    classes = np.stack(years)
    rest = 0.3 / (_CLASSES - 1)
    sure = classes[:, None] == np.arange(_CLASSES)[:, None, None]
    probability = np.where(sure, 0.7, rest).astype(np.float32)
    legend = lx.Legend.from_names("fields", [f"class_{n}" for n in range(_CLASSES)])
    whole = side * _TIMES
    grid = lx.testing.landscape(y=whole, x=whole, time=1, bands=("red",), chunks={})
    lazy = [dask.array.from_array(a, chunks=-1) for a in (classes, probability)]
    lazy = [dask.array.tile(a, (*(1,) * (a.ndim - 2), _TIMES, _TIMES)) for a in lazy]
    maps = xr.Dataset(
        {
            "land_cover": (("year", "y", "x"), lazy[0], legend.flags()),
            "land_cover_probability": (
                ("year", "class", "y", "x"),
                lazy[1],
                {},
                {"dtype": "uint8", "scale_factor": 1 / 250, "_FillValue": 255},
            ),
        },
        coords={
            "year": np.arange(2015, 2015 + _YEARS),
            **{name: grid[name].variable for name in ("y", "x", "spatial_ref")},
        },
    )
    store = folder / "maps.zarr"
    maps.chunk({"year": 1, "y": 2 * side, "x": 2 * side}).to_zarr(store, consolidated=False)
    return store


class _Maps:
    """A store of maps, made once for all benchmarks of a class."""

    timeout = 600

    def setup_cache(self) -> str:
        return str(make_maps(Path(tempfile.mkdtemp(prefix="lulc_xr_asv_")), side=scene.SIDE))

    def setup(self, store: str) -> None:
        self.maps = xr.open_zarr(store, consolidated=False, mask_and_scale=True)
        # Class ids stay whole numbers.
        raw = xr.open_zarr(store, consolidated=False, mask_and_scale=False)
        self.maps["land_cover"] = raw["land_cover"]

    def computed(self, lazy: Callable[[], Any]) -> Callable[[], Any]:
        """A call that computes on one thread."""

        def run() -> Any:
            with dask.config.set(scheduler="synchronous"):
                return dask.compute(lazy())

        return run

    def read(self, name: str) -> Callable[[], Any]:
        """A call that reads a variable and keeps a pixel of each chunk."""
        data = self.maps[name].data
        chunks = tuple((1,) * n for n in data.numblocks)
        corner = (slice(0, 1),) * data.ndim
        kept = data.map_blocks(lambda block: block[corner], chunks=chunks, dtype=data.dtype)
        return self.computed(lambda: kept)


class Transitions(_Maps):
    """What do areas of change cost over reading the class maps?"""

    def track_cost_of_whole_map(self, store: str) -> float:
        """Five periods of the whole map over reading six years."""
        return cost(self.computed(lambda: lx.transitions(self.maps)), self.read("land_cover"))

    def track_cost_of_zones(self, store: str) -> float:
        """The same in about a thousand zones of pixels."""
        side = self.maps.sizes["y"]
        row = np.arange(side) * 32 // side
        zones = xr.DataArray(1 + row[:, None] * 32 + row, dims=("y", "x"))
        return cost(
            self.computed(lambda: lx.transitions(self.maps, zones)), self.read("land_cover")
        )


class Consistency(_Maps):
    """What do rules of consistency cost over reading what they need?"""

    def track_cost_of_minimum_duration(self, store: str) -> float:
        """The rule over reading the class maps."""
        found = lx.consistent(self.maps, method="minimum_duration")["land_cover"]
        return cost(self.computed(found.data.max), self.read("land_cover"))

    def track_cost_of_hmm(self, store: str) -> float:
        """The most probable paths over reading the probabilities, in a quarter of the map."""
        half = self.maps.sizes["y"] // 2
        self.maps = self.maps.isel(y=slice(half), x=slice(half))
        found = lx.consistent(self.maps)["land_cover"]
        read = self.read("land_cover_probability")
        return cost(self.computed(found.data.max), read, rounds=2)


def main() -> None:
    """Print every ratio."""
    store = _Maps().setup_cache()
    for question in (Transitions, Consistency):
        asked = question()
        asked.setup(store)
        for name in (n for n in dir(asked) if n.startswith("track_")):
            print(f"{question.__name__}.{name}: {getattr(asked, name)(store):.3f}")


if __name__ == "__main__":
    main()
