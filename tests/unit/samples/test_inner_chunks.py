"""Chunks of a store are read once, whole, and only where they are needed: counted by the store."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.codecs import BloscCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.storage import LocalStore, WrapperStore

from lulc_xr.core.dates import RawDates
from lulc_xr.core.errors import StoreError
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.inner_chunks import InnerChunks, can_read
from lulc_xr.samples.plan import plan_samples
from lulc_xr.testing import landscape
from tests.conftest import small_plan

LEGEND = Legend.from_names("t", ["a"])
SIDE, SHARD, CHUNK = 96, 32, 8


class CountingStore(WrapperStore):
    """A store of Zarr's own that notes which bytes of which key were asked for."""

    def __init__(self, store):
        super().__init__(store)
        self.asked = []

    async def get(self, key, prototype, byte_range=None):
        self.asked.append((key, byte_range))
        return await super().get(key, prototype, byte_range)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    cube = landscape(y=SIDE, x=SIDE, time=12, bands=("red", "nir"))
    place = tmp_path_factory.mktemp("cube") / "cube.zarr"
    return write_cube(cube, place, plan=small_plan(SHARD, CHUNK))


@pytest.fixture
def watched(path):
    """The cube, and the store that counts."""
    store = CountingStore(LocalStore(path, read_only=True))
    cube = open_cube(path)
    for name in ("reflectance", "clear"):
        # The same arrays, opened through the counting store.
        array = zarr.open_array(store, path=name, mode="r")
        for node in dict(cube[name].data.dask.layers[f"original-{cube[name].data.name}"]).values():
            getattr(node, "value", node).source = array
    store.asked.clear()
    return cube, store


def scattered(number, *, seed=0, rows=SIDE, columns=SIDE):
    rng = np.random.default_rng(seed)
    row, column = rng.integers(0, rows, number), rng.integers(0, columns, number)
    return pd.DataFrame(
        {"x": 500_005.0 + 10 * column, "y": 5_599_995.0 - 10 * row, "land_cover": 0}
    )


def shard_spans(path, name):
    """Offset and size of every inner chunk, by shard key: what the index of each says."""
    spans = {}
    per = SHARD // CHUNK
    leading = "c/0/0" if name == "reflectance" else "c/0"
    for i in range(SIDE // SHARD):
        for j in range(SIDE // SHARD):
            key = f"{name}/{leading}/{i}/{j}"
            stored = (path / key).read_bytes()[-(16 * per * per + 4) : -4]
            spans[key] = np.frombuffer(stored, "<u8").reshape(per, per, 2)
    return spans


def bytes_read(asked, spans):
    """How often every inner chunk was read, by (key, row, column)."""
    counts = Counter()
    for key, wanted in asked:
        if isinstance(wanted, RangeByteRequest):
            for (row, column), _ in np.ndenumerate(spans[key][..., 0]):
                start, size = spans[key][row, column]
                if wanted.start < start + size and start < wanted.end:
                    assert wanted.start <= start
                    assert start + size <= wanted.end
                    counts[key, row, column] += 1
    return counts


@pytest.mark.parametrize("patch", [1, 5])
def test_each_inner_chunk_is_read_once(path, watched, patch) -> None:
    cube, store = watched
    frame = scattered(40)
    extract_samples(cube, frame, legend=LEGEND, patch=patch)
    row, column = (5_599_995 - frame.y) // 10, (frame.x - 500_005) // 10
    half = patch // 2
    needed = {
        (int(y) // CHUNK, int(x) // CHUNK)
        for r, c in zip(row, column, strict=True)
        for y in np.clip(np.arange(r - half, r + half + 1), 0, SIDE - 1)
        for x in np.clip(np.arange(c - half, c + half + 1), 0, SIDE - 1)
    }
    for name in ("reflectance", "clear"):
        spans = shard_spans(path, name)
        own = [(key, wanted) for key, wanted in store.asked if key.startswith(f"{name}/c/")]
        read = bytes_read(own, spans)
        assert set(read.values()) == {1}
        per = SHARD // CHUNK
        found = {
            (int(key.split("/")[-2]) * per + y, int(key.split("/")[-1]) * per + x)
            for key, y, x in read
        }
        assert found == needed
        indices = Counter(key for key, wanted in own if isinstance(wanted, SuffixByteRequest))
        assert set(indices.values()) == {1}


def test_planning_reads_no_pixel(watched) -> None:
    cube, store = watched
    plan = plan_samples(cube, scattered(40), legend=LEGEND, patch=3)
    assert plan.chunks > 9
    assert plan.samples == 40
    assert plan.bytes == 40 * 12 * 2 * 9 * 4
    assert str(plan).startswith("40 samples of 40 points in years 2018: ")
    assert not [key for key, _ in store.asked if "/c/" in key]


def test_a_store_gives_the_samples_of_the_cube_in_memory(path) -> None:
    frame = scattered(60, seed=3)
    for how in ({}, {"patch": 5}, {"dates": RawDates(maximum=12)}, {"bands": ("nir",)}):
        expected = extract_samples(open_cube(path).load(), frame, legend=LEGEND, **how)
        for cube in (open_cube(path), open_cube(path, raw=True), open_cube(path).chunk(y=20)):
            found = extract_samples(cube, frame, legend=LEGEND, **how)
            xr.testing.assert_identical(found, expected)


@pytest.mark.parametrize("sharded", [True, False])
@pytest.mark.parametrize(
    "compressors", [BloscCodec(cname="lz4"), ZstdCodec(), GzipCodec(), None], ids=str
)
def test_chunks_are_what_zarr_reads(sharded, compressors) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-9999, 9999, (3, 13, 21)).astype(np.int16)
    group = zarr.group()
    array = group.create_array(
        "a", shape=values.shape, chunks=(2, 4, 4), shards=(4, 8, 8) if sharded else None,
        dtype="int16", fill_value=-9999, compressors=compressors,
    )  # fmt: skip
    array[:, :, :12] = values[:, :, :12]
    assert can_read(array)
    reader = InnerChunks(array)
    every = [(t, y, x) for t in range(2) for y in range(4) for x in range(6)]
    stored = reader.fetch(every)
    # Never written: beyond column 12, and not even a shard beyond column 16.
    assert [stored[0, 0, x] is None for x in range(6)] == [False] * 3 + [True] * 3
    for t, y, x in every:
        chunk = reader.decode((t, y, x), stored[t, y, x])
        expected = array[2 * t : 2 * t + 2, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        part = tuple(slice(n) for n in expected.shape)
        np.testing.assert_array_equal(chunk[part], expected)


def test_unknown_codecs_are_read_through_slices() -> None:
    array = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(4, 4), chunks=(2, 2), dtype="int16",
        filters=[TransposeCodec(order=(1, 0))],
    )  # fmt: skip
    assert not can_read(array)
    assert not can_read(np.zeros(3))
    with pytest.raises(StoreError, match="stored with codecs that are not known here"):
        InnerChunks(array)


def test_a_damaged_shard_is_named(path, tmp_path) -> None:
    cube = landscape(y=32, x=32, time=12, bands=("red", "nir"))
    place = write_cube(cube, tmp_path / "c.zarr", plan=small_plan(16, 8))
    shard = place / "reflectance" / "c" / "0" / "0" / "1" / "0"
    whole = shard.read_bytes()
    frame = scattered(30, rows=32, columns=32)
    shard.write_bytes(whole[:-8] + b"\0" * 8)
    with pytest.raises(
        StoreError, match=r"shard \(0, 0, 1, 0\) of '/reflectance' in .* is damaged"
    ):
        extract_samples(open_cube(place), frame, legend=LEGEND)
    shard.write_bytes(b"\0" * 200 + whole[200:])
    with pytest.raises(
        StoreError, match=r"chunk \(0, 0, [23], [01]\) of '/reflectance' in .* damaged"
    ):
        extract_samples(open_cube(place), frame, legend=LEGEND)
