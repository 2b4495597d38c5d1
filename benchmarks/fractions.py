"""Fractions: what do they cost beside merely reading the class map?

``python -m benchmarks.fractions`` prints the table; ``--side 40000`` takes the made-up landscape at
that size, which is written and read shard by shard and never held at once.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import flox
import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene

SHARD, CHUNK = 2048, 512
WORKERS = 2
ROUNDS = 5
EUROPE = 1e11
"""Pixels of 10 m of Europe's land, about 10 million km²."""


def make_store(
    folder: Path, side: int, *, name: str = "maps.zarr", shard: int | None = None
) -> Path:
    """The class map of the made-up landscape, one shard after the other."""
    shard = shard or min(SHARD, max(side // 4, 1))
    cube = lx.testing.landscape(
        y=side, x=side, time=1, bands=("red",), classes=5, chunks={"y": shard, "x": shard}
    )
    maps = cube["reference"].expand_dims(year=[2018]).to_dataset(name="land_cover")
    chunk = min(CHUNK, shard)
    maps["land_cover"].encoding = {
        "chunks": (1, chunk, chunk), "shards": (1, shard // chunk * chunk, shard // chunk * chunk),
        "dtype": "uint8", "_FillValue": np.uint8(255), "grid_mapping": "spatial_ref",
    }  # fmt: skip
    maps = maps.chunk(y=shard // chunk * chunk, x=shard // chunk * chunk)
    maps.to_zarr(folder / name, mode="w", zarr_format=3, consolidated=False)
    return folder / name


def read(store: Path) -> None:
    """Every shard of the class map, and nothing done with it."""
    classes = lx.open_cube(store)["land_cover"].data
    _compute(classes.map_blocks(_first, chunks=(1, 1, 1), dtype=np.uint8))


def count(store: Path, grid: Any) -> None:
    """Counted shares of the classes."""
    _compute(lx.fractions(lx.open_cube(store), grid)["fraction"])


def cover(store: Path, grid: Any) -> None:
    """Shares of the cells that the map covers, from geometry alone."""
    _compute(lx.fractions(lx.open_cube(store), grid)["covered_fraction"])


def make_labels(store: Path, grid: str) -> Path:
    """For flox: the cell that the middle of each pixel lies in, stored as the class map is."""
    maps = lx.open_cube(store)
    cells = lx.as_grid(grid)
    from pyproj import Transformer

    move = Transformer.from_crs(maps["spatial_ref"].attrs["crs_wkt"], "EPSG:4326", always_xy=True)
    labels = np.empty(maps["land_cover"].shape[1:], np.int32)
    for start in range(0, labels.shape[0], 256):
        x, y = np.meshgrid(maps["x"].values, maps["y"].values[start : start + 256])
        lon, lat = move.transform(x, y)
        labels[start : start + 256] = cells.locate(lon.ravel(), lat.ravel()).reshape(x.shape)
    made = xr.Dataset({"label": (("y", "x"), labels)}).chunk(
        dict(zip(("y", "x"), maps["land_cover"].data.chunksize[1:], strict=True))
    )
    path = store.with_name("labels.zarr")
    made.to_zarr(path, mode="w", zarr_format=3, consolidated=False)
    return path


def count_with_flox(store: Path, labels: Path) -> None:
    """Pixels of each class in each cell by flox: no parts of pixels, no areas."""
    classes = lx.open_cube(store)["land_cover"]
    near = xr.open_zarr(labels, consolidated=False)["label"].data
    known = np.unique(near[::64, ::64].compute())
    ids = lx.Legend.from_flags(classes.attrs).ids
    found, *_ = flox.groupby_reduce(
        classes.data[0],
        near,
        classes.data[0],
        func="count",
        expected_groups=(known[known >= 0], np.array(ids)),
        method="map-reduce",
    )
    _compute(found)


def rates(store: Path, grid: str, *, rounds: int = ROUNDS, others: bool = True) -> dict[str, float]:
    """Pixels per second in millions, the median of rounds in turn; what counting is of reading.

    Also of the processor's time, which others on the machine do not slow down.
    """
    pixels = lx.open_cube(store)["land_cover"].size
    calls: dict[str, Callable[[], None]] = {
        "read": lambda: read(store),
        "fractions": lambda: count(store, grid),
        "geometry alone": lambda: cover(store, grid),
    }
    if others:
        labels = make_labels(store, grid)
        calls["flox, labels ready"] = lambda: count_with_flox(store, labels)
    if rounds > 1:
        count(store, grid)
    found: dict[str, list[float]] = {name: [] for name in calls}
    worked: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begun, used = time.perf_counter(), time.process_time()
            call()
            found[name].append(pixels / (time.perf_counter() - begun) / 1e6)
            worked[name].append(1 / (time.process_time() - used))
    made = {name: statistics.median(values) for name, values in found.items()}
    for title, each in (("fractions / read", found), ("the same, processor", worked)):
        pairs = zip(each["fractions"], each["read"], strict=True)
        made[title] = statistics.median(a / b for a, b in pairs)
    return made


def peak(store: Path, grid: str) -> float:
    """Peak memory in MiB of a process that makes fractions."""
    command = [sys.executable, "-m", "benchmarks.fractions", "--only", str(store), "--grid", grid]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=scene.ROOT, env=dict(os.environ)
    )
    return float(done.stdout)


def graph(store: Path, grid: str) -> dict[str, float]:
    """Tasks that a scheduler gets, reading included, and pickled bytes of those that count."""
    maps = lx.open_cube(store)
    shares = lx.fractions(maps, grid)["fraction"].data
    own = [t for k, t in dict(shares.dask).items() if str(k).startswith("('sum-")]
    (optimized,) = dask.optimize(shares)
    tasks = dict(optimized.dask)
    return {
        "shards": maps["land_cover"].data.npartitions,
        "tasks": len(tasks),
        "bytes": sum(len(cloudpickle.dumps(t)) for t in own),
    }


def plan(figures: Mapping[str, float], *, side: float, cores: int = 64) -> str:
    """What a map of Europe at 10 m would take, from what was measured here."""
    shards = EUROPE / SHARD**2
    seconds = EUROPE / (figures["fractions"] * 1e6)
    return "\n".join(
        [
            f"plan for {EUROPE:.0e} pixels in shards of {SHARD} x {SHARD}, one year, counted:",
            (
                f"  to read           {EUROPE / 1e9:.0f} GB decoded; "
                f"{EUROPE * figures['stored bytes'] / 1e9:.1f} GB stored (as compressible as here)"
            ),
            f"  shards            {shards:,.0f}",
            (
                f"  tasks             {shards * figures['tasks per shard']:,.0f} "
                f"({figures['tasks per shard']:.2f} a shard)"
            ),
            f"  graph             {shards * figures['bytes per shard'] / 1e6:,.0f} MB pickled",
            (
                f"  this machine      {seconds / 60:.0f} min at {figures['fractions']:.0f} Mpx/s, "
                f"{WORKERS} threads"
            ),
            (
                f"  node hours        {seconds * WORKERS / 3600 / cores:.3f} "
                f"of {cores} cores, where reading keeps up"
            ),
            f"  (rates of a map of {side:.0f} x {side:.0f} pixels)",
        ]
    )


class Speed:
    """Counting beside reading, of the same store, with the same scheduler."""

    timeout = 600

    def track_share_of_reading(self) -> float:
        """Speed of `fractions` over that of merely reading (wanted: at least 0.5)."""
        with tempfile.TemporaryDirectory() as folder:
            store = make_store(Path(folder), 8 * scene.SIDE)
            return rates(store, "EUR-11", others=False)["fractions / read"]


class Memory:
    """The same shards, four times the area."""

    timeout = 600

    def track_peak_ratio(self) -> float:
        """Peak memory at 4 times the area, over that at once the area."""
        with tempfile.TemporaryDirectory() as folder:
            sides = (4 * scene.SIDE, 8 * scene.SIDE)
            stores = [
                make_store(Path(folder), s, name=f"{s}.zarr", shard=scene.SIDE) for s in sides
            ]
            small, large = (peak(store, "EUR-11") for store in stores)
            return large / small


class Graph:
    """Size of the graph for each shard."""

    timeout = 600

    def setup(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = make_store(Path(self.folder.name), 8 * scene.SIDE)

    def teardown(self) -> None:
        self.folder.cleanup()

    def track_tasks_per_shard(self) -> float:
        """Tasks, reading included."""
        found = graph(self.store, "EUR-11")
        return found["tasks"] / found["shards"]

    def track_bytes_per_shard(self) -> float:
        """Pickled bytes of the tasks that count."""
        found = graph(self.store, "EUR-11")
        return found["bytes"] / found["shards"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8192, help="pixels a side (default 8192)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--grid", default="EUR-11,EUR-0275", help="grids, with commas")
    parser.add_argument("--only", type=Path, help="print the peak memory for this store")
    given = parser.parse_args()
    if given.only:
        count(given.only, given.grid)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shard = min(SHARD, given.side // 4)
        store = make_store(folder, given.side, shard=shard)
        half = make_store(folder, given.side // 2, name="half.zarr", shard=shard)
        stored = sum(f.stat().st_size for f in store.rglob("*") if f.is_file())
        for grid in given.grid.split(","):
            figures = rates(store, grid, rounds=given.rounds, others=given.side <= 8192)
            print(f"{grid}, {given.side} x {given.side} pixels, {WORKERS} threads, Mpx/s:")
            for label, value in figures.items():
                print(f"  {label:22} {value:8.2f}")
            small, large = graph(half, grid), graph(store, grid)
            extra = large["shards"] - small["shards"]
            tasks = (large["tasks"] - small["tasks"]) / extra
            per_shard = (large["bytes"] - small["bytes"]) / extra
            print(f"  tasks, bytes a shard   {tasks:.2f}, {per_shard:,.0f}")
            peaks = [peak(s, grid) for s in (half, store)]
            print(f"  peak memory            {peaks[0]:.0f} and {peaks[1]:.0f} MiB at 4 x the area")
            measured = {
                "tasks per shard": tasks,
                "bytes per shard": per_shard,
                "stored bytes": stored / given.side**2,
            }
            print(plan({**figures, **measured}, side=given.side))


def _first(block: np.ndarray) -> np.ndarray:
    return block[:1, :1, :1]


def _compute(found: Any) -> None:
    with dask.config.set(scheduler="threads", num_workers=WORKERS):
        found.compute()


if __name__ == "__main__":
    main()
