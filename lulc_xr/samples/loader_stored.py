"""Batches of labelled samples that stay in their Zarr store: more than fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from torch.utils.data import IterableDataset

from lulc_xr.core.errors import SampleError
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.samples.loader import Batch, SampleBatches
from lulc_xr.samples.loader_members import member_of_many

_CHUNKS_BYTES = 32 * 2**20
_FLOAT32 = 4
_LARGE = {"reflectance", *PATCH_DIMS}


class StoredSampleBatches(IterableDataset[Batch]):
    """Batches of samples of a store, read chunk by chunk, shuffled within a window of chunks.

    An epoch reads every chunk once, in another order each time; the samples of a few chunks
    are in memory, and batches are drawn from them at random. Samples that
    :func:`lulc_xr.extract_samples` wrote lie in the order of the cube, so chunks hold
    neighbours: a window of several is what mixes classes and places.

    Worker processes of a DataLoader, and the processes of a distributed training, share the
    chunks; each sample comes once. `batch_size` is then that of each process.

    Parameters
    ----------
    samples : xr.Dataset
        Samples of ``lulc_xr.open_samples(store, lazy=True)``.
    batch_size : int
        Samples of a batch; the last batch of a worker may be short.
    window : int
        Chunks (of at least some MiB) that are mixed with each other.
    shuffle : bool
        Draw another order in every epoch; False keeps the order of the store.
    seed : int
        The order follows from the seed and the number of the epoch.
    **settings
        `context` and `regressions`, as :class:`SampleBatches` takes them.

    Raises
    ------
    SampleError
        If there is no sample, or a setting is out of range.
    LegendError
        If a label is not part of its legend, as soon as it is read.
    """

    def __init__(
        self,
        samples: xr.Dataset,
        *,
        batch_size: int = 256,
        window: int = 4,
        shuffle: bool = True,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.size = samples.sizes.get("sample", 0)
        if not self.size:
            raise SampleError("no sample to make batches of; check the points or the fold.")
        for name, value in (("batch_size", batch_size), ("window", window)):
            if value != int(value) or value < 1:
                raise SampleError(f"{name} {value!r}; give a whole number >= 1.")
        # One number or a few per sample: held, since their chunks are not those of the series.
        held = {n: v.load() for n, v in samples.data_vars.items() if not _LARGE & {n, *v.dims}}
        self._samples, self._settings = samples.assign(held), settings
        self.batch_size, self.window = batch_size, window
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0
        self.chunk = _samples_of_a_chunk(samples)

    @property
    def chunks(self) -> int:
        """Chunks of samples that an epoch reads, each once."""
        return -(-self.size // self.chunk)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration the epoch of this number (0-based)."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        key = (self.seed, self.epoch)
        self.epoch += 1
        member, members = member_of_many()
        order = np.arange(self.chunks)
        if self.shuffle:
            order = np.random.default_rng(key).permutation(order)
        order = order[member::members]
        rng = np.random.default_rng((*key, member))
        rest: xr.Dataset | None = None
        for first in range(0, order.size, self.window):
            parts = [self._read(int(chunk)) for chunk in order[first : first + self.window]]
            held = xr.concat(
                parts if rest is None else [rest, *parts], "sample",
                data_vars="minimal", coords="minimal", compat="override", join="override",
            )  # fmt: skip
            places = np.arange(held.sizes["sample"])
            if self.shuffle:
                places = rng.permutation(places)
            last = first + self.window >= order.size
            # What is left over joins the next window: all batches but the last are full.
            left = 0 if last else places.size % self.batch_size
            rest = held.isel(sample=places[places.size - left :]) if left else None
            yield from self._batches(held.isel(sample=places[: places.size - left]))

    def _read(self, chunk: int) -> xr.Dataset:
        """Samples of a chunk in memory, with their positions in the store."""
        positions = np.arange(chunk * self.chunk, min((chunk + 1) * self.chunk, self.size))
        part = self._samples.isel(sample=slice(int(positions[0]), int(positions[-1]) + 1)).load()
        return part.assign(_position=("sample", positions))

    def _batches(self, held: xr.Dataset) -> Iterator[Batch]:
        if not held.sizes["sample"]:
            return
        positions = held["_position"].to_numpy()
        batches = SampleBatches(
            held, batch_size=self.batch_size, shuffle=False, shared=False, **self._settings
        )
        for batch in batches.in_order():
            batch["index"] = batch["index"].new_tensor(positions[batch["index"].numpy()])
            yield batch


def _samples_of_a_chunk(samples: xr.Dataset) -> int:
    """Samples that are read at once: whole chunks of the store, some MiB of them."""
    reflectance = samples["reflectance"]
    stored = (reflectance.encoding.get("preferred_chunks") or {}).get("sample", 1)
    one = _FLOAT32 * int(np.prod([n for d, n in reflectance.sizes.items() if d != "sample"]))
    return int(stored) * max(1, _CHUNKS_BYTES // max(1, one * int(stored)))
