"""The stages that are timed: naive, engine, and read, forward and write alone, on one cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from distributed import Client, LocalCluster, wait

import lulc_xr as lx
from benchmarks.scene import forget_maps

PATCH = (8, 512)
"""Shape of the patches that `forward` computes: 4096 pixels, as the engine's."""


@contextmanager
def cluster(workers: int = 2) -> Iterator[Client]:
    """Dask worker processes of one thread each, with Dask's own settings."""
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as local,
        Client(local) as client,
    ):
        yield client


def seconds(run: Callable[[], Any]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_memory() -> float:
    """Largest memory (MiB) that this process has held; Linux."""
    # Not getrusage: what it gives a new process begins with the memory of its parent.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 1024


class Threshold:
    """A model that costs nothing: one band of one date against a threshold."""

    def __init__(self, dates: int) -> None:
        self.spec = lx.ModelSpec(
            bands=("nir",),
            legends={"land_cover": lx.Legend.from_names("threshold", ["dark", "bright"])},
            dates=lx.RawDates(maximum=dates),
        )

    def predict_block(self, pixels: np.ndarray, days: np.ndarray, context: Any) -> np.ndarray:
        """1 where the first date is brighter than 0.3 in the near infrared."""
        bright = (pixels[0, 0] > 0.3).astype(np.float32)
        return np.stack([1 - bright, bright])


def classify(
    store: Path, model: Any, *, precision: str = "float32", outputs: Sequence[str] | None = None
) -> None:
    """Our way, Zarr to Zarr: classify and write the class map and its entropy."""
    forget_maps(store)
    result = lx.open_cube(store).lulc.classify(model, precision=precision, outputs=outputs)
    lx.write_variables(result, store, progress=False)


def classify_naively(
    store: Path,
    classifier: Any,
    out: Path,
    *,
    side: int | None = None,
    client: Client | None = None,
) -> None:
    """The usual way: apply_ufunc around the plain network, writing the same two variables."""
    network = lx.make_network("tempcnn", **classifier.sizes)
    network.load_state_dict(classifier.weights)
    network.eval()
    mean = np.array(classifier.spec.scaling.mean, np.float32)
    std = np.array(classifier.spec.scaling.std, np.float32)
    ids = np.array(next(iter(classifier.spec.legends.values())).ids, np.uint8)

    def predict(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = series.reshape(-1, *series.shape[-2:])
        scaled = torch.from_numpy((flat - mean) / std)
        with torch.inference_mode():
            p = network(scaled, None, None)["land_cover"].softmax(1).numpy()
        h = -(p * np.log(np.maximum(p, 1e-38))).sum(1)
        shape = series.shape[:-2]
        return ids[p.argmax(1)].reshape(shape), h.astype(np.float32).reshape(shape)

    cube = xr.open_zarr(store, consolidated=False, decode_coords="all")
    area = {"y": slice(0, side), "x": slice(0, side)}
    reflectance = cube["reflectance"].isel(area).astype(np.float32)
    land_cover, entropy = xr.apply_ufunc(
        predict,
        reflectance,
        input_core_dims=[["time", "band"]],
        output_core_dims=[[], []],
        dask="parallelized",
        output_dtypes=[np.uint8, np.float32],
    )
    both = xr.Dataset({"land_cover": land_cover, "land_cover_entropy": entropy})
    both = both.drop_attrs().drop_encoding()
    with client.as_current() if client else nullcontext():
        both.to_zarr(out, mode="w", zarr_format=3, consolidated=False)


def windows(store: Path, name: str = "reflectance") -> list[tuple[slice, slice]]:
    """Rows and columns of every shard of a variable."""
    array = zarr.open_group(store, mode="r")[name]
    height, width = (array.shards or array.chunks)[-2:]
    return [
        (slice(y, min(y + height, array.shape[-2])), slice(x, min(x + width, array.shape[-1])))
        for y in range(0, array.shape[-2], height)
        for x in range(0, array.shape[-1], width)
    ]


def read(client: Client, store: Path) -> None:
    """The reflectance of the store, raw, with zarr-python, shard by shard."""
    wait_for(client, [client.submit(_read, str(store), *w, pure=False) for w in windows(store)])


def _read(store: str, rows: slice, columns: slice) -> int:
    array = zarr.open_group(store, mode="r")["reflectance"]
    return int(np.asarray(array[:, :, rows, columns]).nbytes)


def forward(client: Client, model: Path, store: Path, *, precision: str, pixels: int) -> None:
    """The network alone on patches in memory, as many pixels as asked over all workers."""
    workers = list(client.scheduler_info()["workers"])
    share = pixels // len(workers)
    wait_for(
        client,
        [
            client.submit(
                _forward, str(model), str(store), precision, share, workers=[w], pure=False
            )
            for w in workers
        ],
    )


def _forward(model: str, store: str, precision: str, pixels: int) -> int:
    classifier, patch, days = _held(model, store, precision)
    done = 0
    while done < pixels:
        classifier.predict_block(patch, days, None)
        done += patch.shape[-1] * patch.shape[-2]
    return done


_memory: dict[Any, Any] = {}


def _held(model: str, store: str, precision: str) -> tuple[Any, np.ndarray, np.ndarray]:
    key = (model, store, precision)
    if key not in _memory:
        cube = lx.open_cube(store)
        patch = cube["reflectance"][:, :, : PATCH[0], : PATCH[1]].values
        days = (15 * np.arange(cube.sizes["time"])).astype(np.int32)
        classifier = lx.load_classifier(model).with_precision(precision)
        classifier.predict_block(patch, days, None)
        _memory[key] = classifier, patch, days
    held: tuple[Any, np.ndarray, np.ndarray] = _memory[key]
    return held


def write(client: Client, store: Path, out: Path) -> None:
    """The finished maps of `store` into empty arrays of the same layout, with zarr-python."""
    names = ("land_cover", "land_cover_entropy")
    source, target = zarr.open_group(store, mode="r"), zarr.open_group(out, mode="w")
    for name in names:
        array = source[name]
        target.create_array(
            name,
            shape=array.shape,
            chunks=array.chunks,
            shards=array.shards,
            dtype=array.dtype,
            compressors=array.compressors,
            fill_value=array.fill_value,
        )
    wait_for(
        client,
        [
            client.submit(_write, str(store), str(out), names, *w, pure=False)
            for w in windows(store, names[0])
        ],
    )


def _write(store: str, out: str, names: Sequence[str], rows: slice, columns: slice) -> None:
    target = zarr.open_group(out, mode="r+")
    for name, values in _maps(store, names, rows, columns).items():
        target[name][:, rows, columns] = values


def hold_maps(client: Client, store: Path) -> None:
    """Read the finished maps into every worker's memory, so that `write` only writes."""
    names = ("land_cover", "land_cover_entropy")
    client.run(lambda: [_maps(str(store), names, *w) for w in windows(store, names[0])])


def _maps(
    store: str, names: Sequence[str], rows: slice, columns: slice
) -> Mapping[str, np.ndarray]:
    key = (store, rows.start, columns.start)
    if key not in _memory:
        group = zarr.open_group(store, mode="r")
        _memory[key] = {name: np.asarray(group[name][:, rows, columns]) for name in names}
    held: Mapping[str, np.ndarray] = _memory[key]
    return held


def wait_for(client: Client, futures: list[Any]) -> None:
    """Wait for all and raise the first error."""
    wait(futures)
    client.gather(futures)
