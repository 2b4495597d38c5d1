"""Unlabelled batches from a cube: everything once, every shard once, as the engine would see it."""

import pickle

import numpy as np
import pytest
import torch
import xarray as xr
from pyproj import CRS
from torch.utils.data import DataLoader

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.context import context_at
from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.cube import crs_of
from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import CubeError, SampleError
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.inner_chunks import InnerChunks
from lulc_xr.samples.loader_unlabelled import UnlabelledBatches
from lulc_xr.samples.pieces import PieceReader
from lulc_xr.testing import landscape

Y, X = 72, 56
SHARDS = 3 * 2
PLAN = ChunkPlan(
    chunks={"time": 5, "band": 2, "y": 16, "x": 16},
    shards={"time": 10, "band": 2, "y": 32, "x": 32},
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cube of 3 x 2 shards of which the last ones are not full; a square was never clear."""
    cube = landscape(y=Y, x=X, time=12, bands=("red", "nir", "swir16"))
    clear = cube["clear"].copy()
    clear[:, 40:48, 8:24] = 0
    path = tmp_path_factory.mktemp("cubes") / "cube.zarr"
    write_cube(cube.assign(clear=clear), path, plan=PLAN)
    return path


@pytest.fixture
def climate():
    """A coarse grid that covers the north of the cube only."""
    wgs84 = {"crs_wkt": CRS("EPSG:4326").to_wkt()}
    values = np.full((2, 2, 2), np.nan, np.float32)
    values[:, 0] = [[4.0, 8.0], [600.0, 900.0]]
    return xr.DataArray(
        values,
        {
            "bioclim_variable": ["bio01", "bio12"],
            "y_bioclim": [50.553, 50.548],
            "x_bioclim": [3.0, 3.01],
            "spatial_ref_bioclim": ((), 0, wgs84),
        },
        ("bioclim_variable", "y_bioclim", "x_bioclim"),
    )


def indices(batches) -> list[int]:
    return torch.cat([batch["index"] for batch in batches]).tolist()


def reads(batches) -> list:
    """Pieces that an epoch reads, in order."""
    found = []
    read = PieceReader.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PieceReader, "read", lambda self, p: (found.append(p), read(self, p))[1])
        for _ in batches:
            pass
    return found


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("raw", [True, False])
def test_every_clear_pixel_comes_once_whatever_the_workers(store, workers: int, raw: bool) -> None:
    cube = open_cube(store, raw=raw)
    batches = UnlabelledBatches(cube, batch_size=100, window=2)
    found = indices(DataLoader(batches, batch_size=None, num_workers=workers))
    seen = open_cube(store)["clear"].any("time").values
    assert sorted(found) == np.flatnonzero(seen.ravel()).tolist()


@pytest.mark.slow
def test_workers_that_are_started_anew_give_the_same_as_forked_ones(store) -> None:
    batches = UnlabelledBatches(open_cube(store), patch=16, batch_size=4)
    loaders = [
        DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context=way)
        for way in ("fork", "spawn")
    ]
    first, second = (indices(loader) for loader in loaders)
    assert first == second
    assert len(set(first)) == len(first)


def test_every_stored_chunk_is_fetched_once_an_epoch(store, monkeypatch) -> None:
    fetched = []
    fetch = InnerChunks.fetch

    def counted(self, chunks):
        fetched.extend((self.array.name, chunk) for chunk in chunks)
        return fetch(self, chunks)

    monkeypatch.setattr(InnerChunks, "fetch", counted)
    batches = UnlabelledBatches(open_cube(store, raw=True), patch=8, batch_size=8)
    assert sum(len(batch["index"]) for batch in batches)
    assert len(fetched) == len(set(fetched))
    # 3 x 2 chunks in time and band, 5 x 4 in space; clear has no bands.
    assert sum(name == "/reflectance" for name, _ in fetched) == 3 * 2 * 5 * 4
    assert sum(name == "/clear" for name, _ in fetched) == 3 * 5 * 4


@pytest.mark.parametrize("dates", [RegularDates(freq="2MS"), RawDates(maximum=12)])
def test_values_are_those_of_extracted_samples(store, dates) -> None:
    """Any pixel as `extract_samples` gives it: the same dates, the same gaps, the same bits."""
    cube = open_cube(store)
    batches = list(UnlabelledBatches(cube, dates=dates, bands=("nir", "red"), batch_size=200))
    index = np.array(indices(batches))
    rows, columns = np.divmod(index, X)
    labels = np.zeros(index.size, np.uint8)
    table = xr.Dataset(
        {
            "x": ("point", cube.x.values[columns]),
            "y": ("point", cube.y.values[rows]),
            "land_cover": ("point", labels, landscape(y=8, x=8, classes=1).reference.attrs),
        }
    )
    samples = extract_samples(cube, table, dates=dates, bands=("nir", "red"))
    series = torch.cat([batch["series"] for batch in batches])
    np.testing.assert_array_equal(series, samples.reflectance)
    np.testing.assert_array_equal(batches[0]["days"][0], samples.day)
    mask = torch.cat([batch["mask"] for batch in batches])
    np.testing.assert_array_equal(mask, ~np.isnan(samples.reflectance).any("band"))


@pytest.mark.parametrize(("patch", "stride"), [(8, None), (12, 12), (12, 5), (32, 32)])
def test_patches_hold_every_pixel(store, patch: int, stride: int | None) -> None:
    cube = open_cube(store)
    dates = RawDates(maximum=12)
    batches = UnlabelledBatches(cube, dates=dates, patch=patch, stride=stride, batch_size=7)
    clear = cube["clear"].values.astype(bool)
    values = cube["reflectance"].values
    times = np.zeros((Y, X), int)
    for batch in batches:
        assert batch["series"].shape[1:] == (12, 3, patch, patch)
        assert batch["mask"].shape[1:] == (12, patch, patch)
        for series, mask, index in zip(batch["series"], batch["mask"], batch["index"], strict=True):
            row, column = divmod(int(index), X)
            inside = ~np.isnan(series.numpy()).all(axis=(0, 1))
            height, width = (
                int(inside.any(axis=1 - axis).nonzero()[0].max()) + 1 for axis in (0, 1)
            )
            part = (slice(row, row + height), slice(column, column + width))
            expected = np.where(clear[:, None, *part], values[:, :, *part], np.nan)
            np.testing.assert_array_equal(series[..., :height, :width], expected)
            np.testing.assert_array_equal(mask[:, :height, :width], clear[:, *part])
            assert not mask[:, height:].any()
            assert not mask[..., width:].any()
            times[part] += 1
    seen = clear.any(axis=0)
    assert (times[seen] >= 1).all()
    if stride is None or stride == patch:
        assert times.max() == 1


def test_a_patch_that_was_never_clear_is_left_out(store) -> None:
    batches = UnlabelledBatches(open_cube(store), patch=8)
    assert batches.patches == 9 * 7
    # Of the square of 8 x 16 pixels both patches.
    assert sorted(indices(batches)) == sorted(
        row * X + column
        for row in range(0, Y, 8)
        for column in range(0, X, 8)
        if (row, column) not in ((40, 8), (40, 16))
    )


def test_the_order_follows_from_seed_and_epoch(store) -> None:
    cube = open_cube(store)
    first, again, other = (UnlabelledBatches(cube, patch=8, seed=s) for s in (1, 1, 2))
    orders = [indices(first), indices(first)]
    assert orders == [indices(again), indices(again)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert indices(other) not in orders
    first.set_epoch(0)
    assert indices(first) == orders[0]
    assert reads(first) != reads(first)


def test_shards_are_mixed_within_the_window(store) -> None:
    """With a window of all shards a batch holds patches of several, with one of one only."""

    def shards_of(batch) -> set[tuple[int, int]]:
        return {(i // X // 32, i % X // 32) for i in batch["index"].tolist()}

    cube = open_cube(store)
    wide = UnlabelledBatches(cube, patch=8, batch_size=8, window=SHARDS)
    assert len(shards_of(next(iter(wide)))) > 2
    narrow = UnlabelledBatches(cube, patch=8, batch_size=2, window=1)
    spread = [len(shards_of(batch)) for batch in narrow]
    assert np.mean(spread) < 1.9
    assert narrow.window_bytes < wide.window_bytes < 2**20 * 4
    assert narrow.window_bytes == 4 * 12 * 3 * 64 * (16 + 2)


def test_a_share_and_a_number_of_patches(store) -> None:
    cube = open_cube(store)
    half = UnlabelledBatches(cube, patch=4, share=0.5)
    taken = [indices(half), indices(half)]
    assert all(abs(len(own) - 126) < 20 for own in taken)
    assert all(len(own) == len(set(own)) for own in taken)
    assert set(taken[0]) != set(taken[1])
    few = UnlabelledBatches(cube, patch=4, number=30, batch_size=8)
    assert len(indices(few)) == 30
    assert len(reads(few)) < SHARDS
    assert len(indices(DataLoader(few, batch_size=None, num_workers=2))) == 30


def test_an_endless_stream_starts_anew_in_another_order(store) -> None:
    batches = UnlabelledBatches(open_cube(store), patch=8, batch_size=61, endless=True)
    stream = iter(batches)
    first, second = (next(stream)["index"].tolist() for _ in range(2))
    assert sorted(first) == sorted(second)
    assert first != second


def test_context_is_that_of_the_middle_and_without_it_there_is_no_patch(store, climate) -> None:
    cube = open_cube(store).assign(bioclim=climate)
    scaling = ContextScaling(variables=("bio12", "bio01"), mean=(6.0, 5.0), std=(0.5, 2.0))
    batches = list(UnlabelledBatches(cube, patch=8, context=scaling))
    rows, columns = np.divmod(np.array(indices(batches)), X)
    raw = context_at(
        climate, cube.x.values[columns + 4], cube.y.values[rows + 4], crs=crs_of(cube),
        variables=scaling.variables,
    )  # fmt: skip
    np.testing.assert_allclose(
        torch.cat([batch["context"] for batch in batches]), scaling.scale(raw).T, rtol=1e-6
    )
    assert np.isfinite(raw).all()
    without = [row for row in range(0, Y, 8) if row not in rows]
    assert without
    assert min(without) > max(rows)
    with pytest.raises(CubeError, match="no context, and bio12, bio01 is asked for"):
        UnlabelledBatches(open_cube(store), patch=8, context=scaling)


def test_a_cube_of_any_chunks_gives_the_same_pixels(store) -> None:
    stored = open_cube(store)
    made = stored * 1
    made = made.assign({name: made[name].chunk({"y": 40, "x": 56}) for name in made})
    assert isinstance(made.reflectance.chunks, tuple)
    made.reflectance.attrs = stored.reflectance.attrs
    batches = UnlabelledBatches(made, batch_size=100)
    assert len(batches.shards) == 2
    found = indices(DataLoader(batches, batch_size=None, num_workers=2))
    assert sorted(found) == sorted(indices(UnlabelledBatches(stored)))
    assert len(indices(UnlabelledBatches(stored.load()))) == len(found)


def test_pickled_batches_are_the_same(store) -> None:
    batches = UnlabelledBatches(open_cube(store), patch=16)
    assert indices(pickle.loads(pickle.dumps(batches))) == indices(batches)


def test_what_cannot_be_drawn_is_refused(store) -> None:
    cube = open_cube(store)
    for settings, message in (
        ({"patch": 0}, "patch=0; give a whole number >= 1"),
        ({"window": 1.5}, "window=1.5; give a whole number"),
        ({"patch": 8, "stride": 9}, "stride=9 of patches of 8 pixels; expected 1 to 8"),
        ({"share": 0.0}, "share=0.0; expected a part above 0"),
        ({"number": 0}, "number=0 of patches; give >= 1"),
        ({"patch": 33}, "patches of 33 pixels .* have 32 pixels along 'y'.*Choose patch <= 32"),
    ):
        with pytest.raises(SampleError, match=message):
            UnlabelledBatches(cube, **settings)
    with pytest.raises(SampleError, match="covers 0 whole mapped years"):
        UnlabelledBatches(cube.isel(time=slice(3, 6)))
    with pytest.raises(CubeError, match="no date of this cube lies in mapped year 1999"):
        UnlabelledBatches(cube, year=1999)
    dark = cube.assign(clear=cube.clear * np.uint8(0))
    with pytest.raises(SampleError, match="found no pixel that was clear in 2018"):
        list(UnlabelledBatches(dark))
    with pytest.raises(CubeError, match="looks unscaled"):
        list(UnlabelledBatches(cube.assign(reflectance=cube.reflectance * 1e4)))
