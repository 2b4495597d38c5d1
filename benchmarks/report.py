"""The table of speeds and memory: ``make bench``. Ratios within this run are what counts."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console
from rich.progress import track
from rich.table import Table

import lulc_xr as lx
from benchmarks import scene, stages

SIDE = 1024
NAIVE_SIDE = 384
SMALL_SIDE = 384
SMALL_PLAN = lx.ChunkPlan(chunks={"y": 96, "x": 96}, shards={"y": 96, "x": 96})
FORWARD_PIXELS = 384 * 384
HUGE = 100_000


def main() -> None:
    """Measure all stages in turn, several rounds, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, interleaved (default 5)")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lulc_xr_bench_") as folder:
        rates = measure(Path(folder), rounds=given.rounds)
        single = {
            "graph": plan_huge_map(),
            "memory": memory_ratio(Path(folder)),
        }
    show(rates, single)
    if given.json:
        given.json.write_text(json.dumps({"rates": rates, **single}, indent=1))


def measure(folder: Path, *, rounds: int) -> dict[str, list[float]]:
    """Pixels per second of every stage, one value per round; all stages in every round."""
    store = scene.make_store(folder, side=SIDE)
    model = scene.train(folder)
    classifier = lx.load_classifier(model)
    threshold = stages.Threshold(scene.DATES)
    whole, small_area = SIDE**2, SMALL_SIDE**2
    small = scene.make_store(folder, side=SMALL_SIDE, plan=SMALL_PLAN)
    only, more = ("land_cover",), ("entropy", "probability")
    rates: dict[str, list[float]] = defaultdict(list)
    # The usual way has workers of its own: ours change how theirs keep freed memory.
    with stages.cluster() as usual, stages.cluster() as client:
        runs: Mapping[str, tuple[int, Callable[[], Any]]] = {
            "naive": (
                NAIVE_SIDE**2,
                lambda: stages.classify_naively(
                    store, classifier, folder / "naive.zarr", side=NAIVE_SIDE, client=usual
                ),
            ),
            "float32": (whole, lambda: stages.classify(store, classifier)),
            "bfloat16": (whole, lambda: stages.classify(store, classifier, precision="bfloat16")),
            "read": (whole, lambda: stages.read(client, store)),
            "forward float32": (FORWARD_PIXELS, _forward(client, model, store, "float32")),
            "forward bfloat16": (FORWARD_PIXELS, _forward(client, model, store, "bfloat16")),
            "write": (whole, lambda: stages.write(client, store, folder / "copy.zarr")),
            "threshold": (whole, lambda: stages.classify(store, threshold)),
            "class only": (small_area, lambda: stages.classify(small, classifier, outputs=only)),
            "class, entropy": (small_area, lambda: stages.classify(small, classifier)),
            "class, entropy, probability": (
                small_area,
                lambda: stages.classify(small, classifier, outputs=(*only, *more)),
            ),
        }
        stages.classify(store, classifier)
        stages.hold_maps(client, store)
        warm_up(runs)
        for _ in track(range(rounds), description="rounds"):
            for name, (pixels, run) in runs.items():
                rates[name].append(pixels / stages.seconds(run))
    return dict(rates)


def warm_up(runs: Mapping[str, tuple[int, Callable[[], Any]]]) -> None:
    """Each short stage once: imports, loaded models and caches are not what is measured."""
    for name in ("bfloat16", "read", "forward float32", "forward bfloat16", "threshold"):
        runs[name][1]()


def _forward(client: Any, model: Path, store: Path, precision: str) -> Callable[[], None]:
    return lambda: stages.forward(client, model, store, precision=precision, pixels=FORWARD_PIXELS)


def plan_huge_map() -> dict[str, float]:
    """Seconds until `classify` of 100 000 x 100 000 pixels returns, and tasks per shard."""
    times, tasks = [], 0.0
    cube = huge_cube()
    for _ in range(3):
        start = time.perf_counter()
        result = lx.classify(cube, stages.Threshold(scene.DATES))
        times.append(time.perf_counter() - start)
        shards = result["land_cover"].data.npartitions
        tasks = len(dict(result.__dask_graph__())) / shards
    return {"seconds": statistics.median(times), "tasks per shard": tasks}


def huge_cube() -> xr.Dataset:
    """A lazy cube of 100 000 x 100 000 pixels that holds nothing."""
    chip = scene.half_months()
    shape = (scene.DATES, chip.sizes["band"], HUGE, HUGE)
    zeros = da.zeros(shape, dtype=np.float32, chunks=(*shape[:2], 1024, 1024))
    return xr.Dataset(
        {"reflectance": (("time", "band", "y", "x"), zeros)},
        coords={
            "time": pd.date_range("2018-01-01", periods=scene.DATES, freq="15D"),
            "band": chip["band"],
            "y": -10.0 * np.arange(HUGE),
            "x": 10.0 * np.arange(HUGE),
            "spatial_ref": chip["spatial_ref"],
        },
    )


def memory_ratio(folder: Path, *, sides: tuple[int, int] = (512, 1024)) -> dict[str, float]:
    """Peak memory (MiB) of a worker that classifies two areas, in shards of 256 pixels."""
    plan = lx.ChunkPlan(chunks={"y": 128, "x": 128}, shards={"y": 256, "x": 256})
    classifier = lx.load_classifier(folder / f"tempcnn_{scene.SEED}")
    peaks = []
    for side in sides:
        store = scene.make_store(folder, side=side, plan=plan)
        with stages.cluster(workers=1) as client:
            stages.classify(store, classifier, precision="bfloat16")
            peaks += client.run(stages.peak_memory).values()
    small, large = peaks
    return {"small": small, "large": large, "ratio": large / small}


def limit(rates: Mapping[str, Sequence[float]], precision: str) -> list[float]:
    """The limit of one machine, round by round: 1 / (1/read + 1/forward + 1/write)."""
    parts = zip(rates["read"], rates[f"forward {precision}"], rates["write"], strict=True)
    return [1 / sum(1 / rate for rate in part) for part in parts]


def ratios(rates: Mapping[str, Sequence[float]]) -> list[tuple[str, list[float], str]]:
    """What is promised: name, ratio round by round, and the wanted value."""
    pairs = [
        ("bfloat16 / naive", rates["bfloat16"], rates["naive"], ">= 4"),
        ("bfloat16 / limit", rates["bfloat16"], limit(rates, "bfloat16"), ">= 0.85"),
        ("float32 / naive", rates["float32"], rates["naive"], ">= 1.6"),
        ("float32 / limit", rates["float32"], limit(rates, "float32"), ""),
        ("free model / raw read", rates["threshold"], rates["read"], ">= 0.7"),
        ("with entropy / class only", rates["class, entropy"], rates["class only"], "about 1"),
        (
            "with probability / class only",
            rates["class, entropy, probability"],
            rates["class only"],
            "about 1",
        ),
    ]
    return [(n, [x / y for x, y in zip(a, b, strict=True)], want) for n, a, b, want in pairs]


def show(rates: Mapping[str, Sequence[float]], single: Mapping[str, Mapping[str, float]]) -> None:
    """Print the figures as tables."""
    console = Console()
    speed = Table(
        title=f"{SIDE} x {SIDE} pixels x {scene.DATES} dates x 10 bands, TempCNN, 2 workers"
    )
    for column in ("stage", "kpx/s median", "min", "max"):
        speed.add_column(column, justify="left" if column == "stage" else "right")
    for name, values in rates.items():
        speed.add_row(name, *(f"{f(values) / 1e3:.1f}" for f in (statistics.median, min, max)))
    console.print(speed)
    table = Table(title="Ratios, round by round")
    for column in ("ratio", "median", "min", "max", "wanted"):
        table.add_column(column, justify="left" if column in ("ratio", "wanted") else "right")
    for name, values, want in ratios(rates):
        table.add_row(name, *(f"{f(values):.2f}" for f in (statistics.median, min, max)), want)
    memory, graph = single["memory"], single["graph"]
    table.add_row("peak memory, 4 x the area", f"{memory['ratio']:.2f}", "", "", "<= 1.15")
    table.add_row("graph of 100 000 x 100 000, s", f"{graph['seconds']:.2f}", "", "", "< 2")
    table.add_row("tasks per shard", f"{graph['tasks per shard']:.1f}", "", "", "a few")
    console.print(table)


if __name__ == "__main__":
    main()
