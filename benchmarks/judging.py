"""Judging: ten million pixels counted, 100 000 points judged, blocks drawn a thousand times.

`python -m benchmarks.judging` prints times, ratios within one run, and peak memory.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
import zarr
from sklearn.metrics import confusion_matrix

import lulc_xr as lx
from benchmarks import scene

POINTS = 100_000
SIDE = 3200
CHUNKS = {"y": 640, "x": 640}
ROUNDS = 3
LEGEND = lx.legend("lucas_lc1_level1")


class Judged:
    """100 000 points on a class map with entropy in Zarr, of ten million pixels."""

    timeout = 1200

    def setup_cache(self) -> str:
        return str(make_store(Path(tempfile.mkdtemp(prefix="lulc_xr_asv_")), side()))

    def setup(self, store: str) -> None:
        self.maps = open_maps(store)
        self.points = make_points(self.maps, POINTS)

    def time_judge(self, store: str) -> None:
        """Both variables at the points, with a tolerance of one pixel."""
        lx.judge_points(self.maps, self.points)

    def track_over_reading_the_map(self, store: str) -> float:
        """Time relative to reading both variables once: every chunk holds points."""
        return ratio(lambda: lx.judge_points(self.maps, self.points), lambda: read(store))


class Counted:
    """Confusion counts of ten million pixels in memory."""

    timeout = 1200

    def setup(self) -> None:
        self.predicted, self.reference = make_pair(side())

    def time_count(self) -> None:
        """Counts and scores."""
        lx.accuracy(self.predicted, self.reference)

    def track_speed_over_scikit_learn(self) -> float:
        """Time of scikit-learn's confusion_matrix relative to ours."""
        return ratio(
            lambda: theirs(self.predicted, self.reference),
            lambda: lx.accuracy(self.predicted, self.reference),
        )


class Blocks:
    """Scores of 100 000 points over 1000 resamples: of 1000 blocks, or of the points themselves."""

    timeout = 1200
    params = (1000, POINTS)
    param_names = ("blocks",)

    def setup(self, blocks: int) -> None:
        rng = np.random.default_rng(0)
        ids = np.array(LEGEND.ids, np.uint8)
        self.judged = pd.DataFrame(
            {"mapped": rng.choice(ids, POINTS), "reference": rng.choice(ids, POINTS)}
        )
        self.judged["block"] = rng.permutation(np.arange(POINTS) % blocks)
        self.judged.attrs["legend"] = LEGEND.to_dict()

    def time_bootstrap(self, blocks: int) -> None:
        """All scores with their intervals."""
        lx.bootstrap_accuracy(self.judged)


def side() -> int:
    """Side of the map in pixels; small where the scene is small, as in the tests."""
    return min(SIDE, 4 * scene.SIDE)


def make_store(folder: Path, pixels: int) -> Path:
    """A store with a class map and its entropy; patches of 8 x 8 pixels are of one class."""
    rng = np.random.default_rng(0)
    ids = rng.choice(np.array(LEGEND.ids, np.uint8), (pixels // 8 + 1,) * 2)
    maps = ids.repeat(8, axis=0).repeat(8, axis=1)[:pixels, :pixels]
    store = folder / f"{pixels}.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=3)
    for name, values in (
        ("land_cover", maps), ("land_cover_entropy", rng.random(maps.shape, np.float32)),
    ):  # fmt: skip
        chunks = tuple(min(CHUNKS[d], pixels) for d in ("y", "x"))
        array = group.create_array(name, shape=maps.shape, chunks=chunks, dtype=values.dtype)
        array[:] = values
    return store


def open_maps(store: str) -> xr.Dataset:
    """The store as a lazy map."""
    group = zarr.open_group(store, mode="r")
    made = {}
    for name in ("land_cover", "land_cover_entropy"):
        array: Any = group[name]
        axes = [10.0 * np.arange(n) for n in array.shape]
        lazy = xr.DataArray(
            da.from_array(array, chunks=array.chunks),
            dict(zip("yx", axes, strict=True)),
            ("y", "x"),
        )
        made[name] = lazy.assign_attrs(LEGEND.flags() if name == "land_cover" else {})
    return xr.Dataset(made)


def make_points(maps: xr.Dataset, number: int) -> pd.DataFrame:
    """Points all over a map."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({d: rng.uniform(0, float(maps[d][-1]), number) for d in ("x", "y")})
    table["land_cover"] = rng.choice(np.array(LEGEND.ids, np.uint8), number)
    table.attrs["legend"] = LEGEND.to_dict()
    return table


def make_pair(pixels: int) -> tuple[xr.DataArray, xr.DataArray]:
    """A class map and a reference that agree in three of four pixels."""
    rng = np.random.default_rng(2)
    ids = np.array(LEGEND.ids, np.uint8)
    reference = rng.choice(ids, (pixels, pixels))
    predicted = np.where(rng.random((pixels, pixels)) < 0.75, reference, rng.choice(ids))
    return (
        xr.DataArray(predicted, dims=("y", "x"), attrs=LEGEND.flags()),
        xr.DataArray(reference, dims=("y", "x"), attrs=LEGEND.flags()),
    )


def theirs(predicted: xr.DataArray, reference: xr.DataArray) -> Any:
    """The same counts by scikit-learn."""
    pair = (reference.values.ravel(), predicted.values.ravel())
    return confusion_matrix(*pair, labels=LEGEND.ids)


def read(store: str) -> None:
    """Both variables once, chunk by chunk, with zarr-python."""
    group = zarr.open_group(store, mode="r")
    for name in ("land_cover", "land_cover_entropy"):
        array: Any = group[name]
        for y in range(0, array.shape[0], array.chunks[0]):
            for x in range(0, array.shape[1], array.chunks[1]):
                array[y : y + array.chunks[0], x : x + array.chunks[1]]


def ratio(first: Callable[[], Any], second: Callable[[], Any]) -> float:
    """Time of the first relative to the second: median of paired rounds."""
    return statistics.median(seconds(first) / seconds(second) for _ in range(ROUNDS))


def seconds(run: Callable[[], Any]) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def peak(store: str) -> float:
    """Peak memory of a process that judges 100 000 points of a store, in MiB."""
    command = [sys.executable, "-m", "benchmarks.judging", "--peak", store]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(found.stdout)


def main() -> None:
    """Print the table of times, ratios and memory."""
    if sys.argv[1:2] == ["--peak"]:
        maps = open_maps(sys.argv[2])
        lx.judge_points(maps, make_points(maps, POINTS))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        stores = [str(make_store(Path(folder), n)) for n in (SIDE, 2 * SIDE)]
        judged = Judged()
        judged.setup(stores[0])
        taken = seconds(lambda: lx.judge_points(judged.maps, judged.points))
        print(f"100 000 points on {SIDE}x{SIDE} pixels: {taken:.2f} s")
        over = judged.track_over_reading_the_map(stores[0])
        print(f"relative to reading the map once: {over:.2f}")
        print("peak memory at 1 and 4 times the size, MiB:", *(f"{peak(s):.0f}" for s in stores))
    counted = Counted()
    counted.setup()
    print(f"counts of {SIDE * SIDE} pixels: {seconds(counted.time_count):.2f} s")
    print(f"scikit-learn relative to it: {counted.track_speed_over_scikit_learn():.1f}")
    for blocks in Blocks.params:
        bootstrap = Blocks()
        bootstrap.setup(blocks)
        taken = seconds(lambda b=bootstrap, n=blocks: b.time_bootstrap(n))
        print(f"1000 resamples of {blocks} blocks: {taken:.2f} s")


if __name__ == "__main__":
    main()
