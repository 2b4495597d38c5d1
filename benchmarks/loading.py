"""Loaders: does a network wait for its batches?"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

import lulc_xr as lx
from benchmarks import scene

SIDE = 512
PLAN = lx.ChunkPlan(chunks={"y": 64, "x": 64}, shards={"y": 256, "x": 256})
BATCHES = 40
ROUNDS = 5
WAYS = ("worker", "thread", "same thread")


class Unlabelled:
    """Training fed from a store, relative to the same batches held in memory.

    Ways: one worker process of a DataLoader, a thread that prefetches, or nothing ahead. The
    first batches are left out on both sides: an epoch begins by filling its window of shards.
    """

    timeout = 1800
    params = (("tempcnn", "unet"), WAYS)
    param_names = ("network", "way")

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        chunks = {"y": 256, "x": 256}
        cube = lx.testing.landscape(y=SIDE, x=SIDE, time=scene.DATES, chunks=chunks)
        return str(lx.write_cube(cube, folder / "landscape.zarr", plan=PLAN))

    def setup(self, store: str, network: str, way: str) -> None:
        self.cube = lx.open_cube(store, raw=True)

    def track_share_of_memory_rate(self, store: str, network: str, way: str) -> float:
        """Samples per second, from the store over from memory: median of paired rounds."""
        return statistics.median(shares(self.cube, network, way))


def shares(cube: Any, network: str, way: str, *, rounds: int = ROUNDS) -> list[float]:
    """Rate of training from the store relative to from memory, one value per round."""
    patch, batch_size = (32, 8) if network == "unet" else (1, 256)
    batches = lx.UnlabelledBatches(cube, patch=patch, batch_size=batch_size, window=2, endless=True)
    torch.set_num_threads(1)
    step = make_step(network, cube.sizes["band"])
    stream = open_stream(batches, way)
    kept = [next(stream) for _ in range(BATCHES)]
    step(kept[0])
    found = []
    for _ in range(rounds):
        held = seconds(lambda: (step(batch) for batch in kept))
        fed = seconds(lambda: (step(next(stream)) for _ in range(BATCHES)))
        found.append(held / fed)
    return found


def seconds(steps: Callable[[], Iterable[Any]]) -> float:
    """How long some steps take."""
    begun = time.perf_counter()
    for _ in steps():
        pass
    return time.perf_counter() - begun


def open_stream(batches: lx.UnlabelledBatches, way: str) -> Iterator[Any]:
    """Batches of a loader."""
    if way == "worker":
        return iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=16))
    return iter(lx.Prefetched(batches, depth=16) if way == "thread" else batches)


def make_step(network: str, bands: int) -> Callable[[Any], None]:
    """One step of training: to predict class 0 everywhere costs as much as anything else."""
    torch.manual_seed(0)
    module = lx.make_network(network, bands=bands, dates=12, classes={"land_cover": 5})
    optimizer = torch.optim.AdamW(module.parameters())

    def step(batch: Any) -> None:
        series = torch.nan_to_num(batch["series"])
        logits = module(series, batch["days"], batch["mask"])["land_cover"]
        loss = -logits.log_softmax(dim=1)[:, 0].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
