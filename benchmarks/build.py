"""Does building a store from a recipe follow the shard, or the area? And how fast is it?"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import lulc_xr as lx
from benchmarks import scene

SHARD = 64
DATES = 12
RECIPE = scene.ROOT / "zarr_stores" / "landscape.toml"


def recipe(side: int) -> lx.Recipe:
    """The made-up landscape of `side` x `side` pixels in small shards."""
    given = lx.load_recipe(RECIPE)
    if given.landscape is None:
        raise ValueError(f"{RECIPE} has no table [landscape]")
    plan = lx.ChunkPlan(
        chunks={"time": DATES, "y": SHARD // 2, "x": SHARD // 2},
        shards={"time": DATES, "y": SHARD, "x": SHARD},
    )
    sizes = dataclasses.replace(given.landscape, y=side, x=side, time=DATES)
    return dataclasses.replace(given, landscape=sizes, plan=plan)


def build(side: int) -> None:
    """Build the landscape in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        lx.build(recipe(side), Path(folder) / "landscape.zarr", progress=False)


def peak_of(side: int) -> float:
    """Peak memory (MiB) of a process that builds the landscape."""
    code = f"from benchmarks import build, stages; build.build({side}); print(stages.peak_memory())"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=scene.ROOT, capture_output=True, text=True, check=True
    )
    return float(told.stdout)


class Memory:
    """The same shards, four times the area."""

    timeout = 600

    def track_peak_ratio(self) -> float:
        """Peak memory of a process at 4 times the area, over that at once the area."""
        return peak_of(2 * scene.SIDE) / peak_of(scene.SIDE)

    def track_peak_of_plan(self) -> float:
        """Peak memory over that which `lulc-xr plan` names for a worker of one thread."""
        plan = lx.plan_recipe(recipe(scene.SIDE))
        return peak_of(scene.SIDE) * 2**20 / plan.memory_per_worker


class Speed:
    """A landscape of `SIDE` pixels a side, twelve dates and ten bands, from nothing to a store."""

    timeout = 600

    def time_build(self) -> None:
        """Values are made, encoded, compressed and recorded."""
        build(scene.SIDE)
