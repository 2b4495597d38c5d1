"""Each network from Zarr to Zarr: beside the usual way, and beside what the machine allows."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import torch
import xarray as xr
import zarr
from rich.console import Console
from rich.table import Table

import lulc_xr as lx
from benchmarks import scene, stages

NETWORKS = ("tempcnn", "ltae", "resmlp", "unet", "utae", "segment_gnn")
SIDE = 256
"""Pixels a side of the scene of the table."""

CLASSES = ("cropland", "woodland", "grassland", "water")


def offered() -> tuple[str, ...]:
    """The networks of this table that are installed."""
    return tuple(name for name in NETWORKS if name in lx.list_networks())


def make_classifier(name: str) -> lx.Classifier:
    """A classifier of random weights, with norms that are no identity."""
    torch.manual_seed(0)
    legend = lx.Legend.from_names("benchmark", CLASSES)
    network = lx.make_network(
        name, bands=10, dates=scene.DATES, classes={"land_cover": len(CLASSES)}
    ).eval()
    for module in network.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    spec = lx.ModelSpec(
        bands=tuple(str(band) for band in scene.half_months()["band"].values),
        legends={"land_cover": legend},
        dates=lx.RawDates(maximum=scene.DATES, minimum=scene.DATES, fill="linear"),
        scaling=lx.Scaling(mean=(0.2,) * 10, std=(0.1,) * 10),
        halo=getattr(network, "receptive_field", 0),
        stride=getattr(network, "stride", 1),
    )
    return lx.Classifier(network, name=name, spec=spec)


def classify_plainly(store: Path, classifier: lx.Classifier, out: Path) -> None:
    """The usual way: `dask.array.map_overlap` around the plain network, chunk by chunk."""
    network = lx.make_network(classifier.network_name, **classifier.sizes)
    network.load_state_dict(classifier.weights)
    network.eval()
    spatial, halo = bool(getattr(network, "spatial", False)), classifier.spec.halo
    days = torch.arange(scene.DATES) * 15

    def predict(block: np.ndarray) -> np.ndarray:
        scaled = torch.from_numpy((block.astype(np.float32) - np.float32(0.2)) / np.float32(0.1))
        shape = block.shape[2:]
        with torch.inference_mode():
            if spatial:
                logits = network(scaled[None], days, None)["land_cover"][0]
            else:
                flat = scaled.flatten(2).permute(2, 0, 1)
                logits = network(flat, days, None)["land_cover"].T.reshape(-1, *shape)
            p = logits.softmax(0).numpy()
        entropy = -(p * np.log(np.maximum(p, 1e-38))).sum(0)
        return np.stack([p.argmax(0).astype(np.float32), entropy])

    cube = xr.open_zarr(store, consolidated=False)["reflectance"].chunk(time=-1, band=-1)
    depth = {2: halo, 3: halo}
    pixels = da.overlap.overlap(cube.data, depth=depth, boundary="none") if halo else cube.data
    made = pixels.map_blocks(predict, chunks=((2,), *pixels.chunks[2:]), drop_axis=1, dtype="f4")
    if halo:
        made = da.overlap.trim_overlap(made, depth={1: halo, 2: halo}, boundary="none")
    both = xr.Dataset(
        {
            "land_cover": (("y", "x"), made[0].astype(np.uint8)),
            "land_cover_entropy": (("y", "x"), made[1]),
        }
    )
    both.to_zarr(out, mode="w", zarr_format=3, consolidated=False)


def read_raw(store: Path) -> None:
    """The reflectance of a store with zarr-python."""
    array = zarr.open_group(store, mode="r")["reflectance"]
    for rows, columns in stages.windows(store):
        np.asarray(array[:, :, rows, columns])


def forward_alone(store: Path, classifier: lx.Classifier) -> Callable[[], None]:
    """`predict_block` on all pixels of the store, held in memory; halo counted once."""
    pixels = lx.open_cube(store)["reflectance"].values
    days = (15 * np.arange(scene.DATES)).astype(np.int32)
    height = pixels.shape[2] if classifier.spec.halo or classifier.spec.stride > 1 else 16

    def run() -> None:
        for row in range(0, pixels.shape[2], height):
            classifier.predict_block(pixels[:, :, row : row + height], days, None)

    return run


def measure(store: Path, name: str, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of the usual way, ours, forward and reading, on one thread, round by round."""
    classifier, out = make_classifier(name), store.with_name("plain.zarr")
    runs: dict[str, Callable[[], Any]] = {
        "usual": lambda: classify_plainly(store, classifier, out),
        "ours": lambda: stages.classify(store, classifier),
        "forward": forward_alone(store, classifier),
        "read": lambda: read_raw(store),
    }
    seconds: dict[str, list[float]] = {key: [] for key in runs}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with dask.config.set(scheduler="synchronous"):
            stages.classify(store, classifier)
            for _ in range(rounds):
                for key, run in runs.items():
                    seconds[key].append(stages.seconds(run))
    finally:
        torch.set_num_threads(threads)
    return seconds


class Engine:
    """How fast is each network from Zarr to Zarr, in float32 on one thread?"""

    params = offered()
    param_names = ("network",)
    timeout = 600

    def setup(self, network: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="lulc_xr_asv_")
        self.store = scene.make_store(Path(self.folder.name), side=min(SIDE, scene.SIDE))

    def teardown(self, network: str) -> None:
        self.folder.cleanup()

    def track_speed_over_usual(self, network: str) -> float:
        """Seconds of map_overlap around the plain network, per second of ours."""
        took = measure(self.store, network, rounds=1)
        return took["usual"][0] / took["ours"][0]


def main() -> None:
    """Print a row per network: ratios, round by round, as median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds, interleaved (default 3)")
    given = parser.parse_args()
    table = Table(title=f"{SIDE} x {SIDE} pixels x {scene.DATES} dates x 10 bands, one thread")
    for column in ("network", "halo", "kpx/s", "ours / usual way", "ours / limit"):
        table.add_column(column, justify="left" if column == "network" else "right")
    with tempfile.TemporaryDirectory(prefix="lulc_xr_bench_") as folder:
        store = scene.make_store(Path(folder), side=SIDE)
        for name in offered():
            took = measure(store, name, rounds=given.rounds)
            usual = [u / o for u, o in zip(took["usual"], took["ours"], strict=True)]
            parts = zip(took["forward"], took["read"], took["ours"], strict=True)
            bound = [(forward + read) / ours for forward, read, ours in parts]
            rate = SIDE**2 / statistics.median(took["ours"]) / 1e3
            halo = make_classifier(name).spec.halo
            table.add_row(name, str(halo), f"{rate:.1f}", _span(usual), _span(bound))
    Console().print(table)


def _span(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    main()
