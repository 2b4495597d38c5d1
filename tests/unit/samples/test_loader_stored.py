"""Batches of samples that stay in their store: every sample once, every chunk once."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lulc_xr.core.errors import SampleError
from lulc_xr.samples import loader_stored
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.loader import SampleBatches
from lulc_xr.samples.loader_stored import StoredSampleBatches
from lulc_xr.samples.store import open_samples, write_samples
from lulc_xr.testing import landscape, points


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of 105 patches in chunks of 16."""
    cube = landscape(y=64, x=64, bands=("red", "nir"), time=12)
    path = tmp_path_factory.mktemp("samples") / "samples.zarr"
    drawn = extract_samples(cube, points(cube, per_class=21), tolerance=1)
    drawn = drawn.assign(ndvi=("sample", np.linspace(0, 1, 105)))
    write_samples(drawn.chunk({"sample": 16}), path)
    return path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """What is read at once is one chunk of the store."""
    monkeypatch.setattr(loader_stored, "_CHUNKS_BYTES", 1)


def indices(batches) -> list[int]:
    return torch.cat([batch["index"] for batch in batches]).tolist()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_sample_comes_once_with_all_that_it_has(store, workers: int) -> None:
    whole = next(iter(SampleBatches(open_samples(store), batch_size=105, shuffle=False)))
    batches = StoredSampleBatches(open_samples(store, lazy=True), batch_size=8, window=2)
    assert (batches.chunk, batches.chunks) == (16, 7)
    made = list(DataLoader(batches, batch_size=None, num_workers=workers))
    assert sorted(indices(made)) == list(range(105))
    for batch in made:
        for name in ("series", "mask", "days", "weight"):
            np.testing.assert_array_equal(batch[name], whole[name][batch["index"]])
        np.testing.assert_array_equal(
            batch["labels"]["land_cover"], whole["labels"]["land_cover"][batch["index"]]
        )
    sizes = [len(batch["index"]) for batch in made]
    assert sum(size < 8 for size in sizes) <= max(1, workers)


def test_a_chunk_is_read_once_and_mixed_with_others_of_the_window(store, monkeypatch) -> None:
    read = []
    once = StoredSampleBatches._read
    monkeypatch.setattr(
        StoredSampleBatches, "_read", lambda self, chunk: (read.append(chunk), once(self, chunk))[1]
    )
    batches = StoredSampleBatches(open_samples(store, lazy=True), batch_size=16, window=3)
    first = next(iter(batches))
    assert len(read) == 3
    assert len({int(i) // 16 for i in first["index"]}) == 3
    read.clear()
    orders = [indices(batches) for _ in range(2)]
    assert sorted(read[:7]) == sorted(read[7:]) == list(range(7))
    assert read[:7] != read[7:]
    assert orders[0] != orders[1]
    batches.set_epoch(1)
    assert indices(batches) == orders[0]


def test_order_of_the_store_and_regressions(store) -> None:
    samples = open_samples(store, lazy=True)
    batches = StoredSampleBatches(samples, batch_size=20, shuffle=False, regressions=("ndvi",))
    assert indices(batches) == list(range(105))
    found = torch.cat([batch["targets"]["ndvi"][:, 1, 1] for batch in batches])
    np.testing.assert_allclose(found, np.linspace(0, 1, 105), rtol=1e-6)


def test_what_cannot_be_batched_is_refused(store) -> None:
    samples = open_samples(store, lazy=True)
    with pytest.raises(SampleError, match="no sample to make batches of"):
        StoredSampleBatches(samples.isel(sample=slice(0)))
    with pytest.raises(SampleError, match="window 0; give a whole number >= 1"):
        StoredSampleBatches(samples, window=0)
    with pytest.raises(SampleError, match=r"batch_size 1\.5; give a whole number"):
        StoredSampleBatches(samples, batch_size=1.5)
