"""``python -m benchmarks.database``: the table of ratios of building stores and drawing samples."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dask
import xarray as xr
from rich.console import Console
from rich.table import Table

import lulc_xr as lx
from benchmarks import build, climate, composite, extend, samples, scene, stac, stages

Row = tuple[str, Sequence[float], str]
_SIDE = 2048
"""Pixels a side of the cube that points are drawn from."""


def main() -> None:
    """Measure every ratio in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each pair (default: 5)")
    rounds = parser.parse_args().rounds
    table = Table(title=f"Ratios, {rounds} rounds in turn")
    for column in ("ratio", "median", "min", "max", "wanted"):
        table.add_column(column, justify="left" if column in ("ratio", "wanted") else "right")
    for name, values, wanted in rows(rounds):
        table.add_row(name, *(f"{f(values):.2f}" for f in (statistics.median, min, max)), wanted)
        print(name, *(f"{v:.2f}" for v in values), flush=True)
    Console(width=110).print(table)


def rows(rounds: int) -> Iterator[Row]:
    """Every question: its name, ratio round by round, and the wanted value."""
    yield from _of_build(rounds)
    yield from _of_composites(rounds)
    yield from _of_points(rounds)
    yield from _of_extension(rounds)
    share = climate.Interpolation()
    place = share.setup_cache()
    share.setup(place)
    values = [share.track_share_of_reading(place) for _ in range(rounds)]
    yield "climate of a block / reading it", values, "small"
    yield "peak memory of a build, 4 x the area", [build.Memory().track_peak_ratio()], "<= 1.15"
    yield (
        "peak memory of composites, 4 x the area",
        [composite.Area().track_peak_ratio()],
        "<= 1.15",
    )


def _in_turn(
    rounds: int, ours: Callable[[], Any], theirs: Callable[[], Any]
) -> list[tuple[float, float]]:
    """Seconds of both, round by round, after one of each that is not counted."""
    ours()
    theirs()
    return [(stages.seconds(ours), stages.seconds(theirs)) for _ in range(rounds)]


def _of_build(rounds: int) -> Iterator[Row]:
    question = stac.Build()
    items = question.setup_cache()
    question.setup(items)
    runs = _in_turn(rounds, question.build, question.plain)
    question.teardown(items)
    speed = [theirs / ours for ours, theirs in runs]
    yield "build from STAC / odc.stac.load + to_zarr, speed", speed, ">= 0.85"


def _of_composites(rounds: int) -> Iterator[Row]:
    for dates in composite.Year.params:
        store = composite.make_store(dates, scene.SIDE)
        cube = lx.open_cube(store)
        read = partial(composite.compute, cube[["reflectance", "clear"]])
        for method in ("median", "mean", "medoid"):
            make = partial(composite.compute, lx.composite(cube, "month", method))
            times = [ours / theirs for ours, theirs in _in_turn(rounds, make, read)]
            wanted = "<= 1.5" if method == "median" else ""
            yield f"monthly {method} of {dates} dates / reading, time", times, wanted
        shutil.rmtree(store)


def _of_points(rounds: int) -> Iterator[Row]:
    question = samples.Scattered()
    folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
    cube = lx.testing.landscape(y=_SIDE, x=_SIDE, time=scene.DATES, chunks={"y": 512, "x": 512})
    store = str(lx.write_cube(cube, folder / "landscape.zarr", plan=question.plan))
    question.setup(store)
    plain = xr.open_zarr(store, consolidated=False, chunks={})[["reflectance", "clear"]]
    pairs = {"open_cube": question.cube, "xarray.open_zarr": plain}
    with dask.config.set(scheduler="threads", num_workers=stac.THREADS):
        for name, lazy in pairs.items():
            pick = partial(_pick, lazy, question.places)
            runs = _in_turn(rounds, question.series, pick)
            speed = [theirs / ours for ours, theirs in runs]
            yield f"10 000 points / vectorised isel on {name}, speed", speed, ">= 5"
    yield "bytes read / distinct bytes, 10 000 points", [question.track_reads_per_byte(store)], "1"
    shutil.rmtree(folder)


def _pick(lazy: xr.Dataset, places: dict[str, xr.DataArray]) -> None:
    lazy.isel(places).compute()


def _of_extension(rounds: int) -> Iterator[Row]:
    question = extend.ByAYear()
    question.setup()
    found = []
    for _ in range(rounds + 1):
        question.fresh()
        found.append(stages.seconds(question.extend) / stages.seconds(question.write_plainly))
    question.teardown()
    yield "append a year / plain to_zarr of it, time", found[1:], ""


if __name__ == "__main__":
    main()
