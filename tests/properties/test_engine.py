"""Laws of classification: any chunking, order and source gives the same map; each pixel once."""

import random
import threading

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
from dask._task_spec import convert_legacy_graph
from hypothesis import given, settings

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.dates import RawDates, RegularDates, plan_year
from lulc_xr.core.model import Scaling
from lulc_xr.core.probability import entropy
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.prediction.classify import classify
from lulc_xr.testing import landscape
from tests.predictors import LEGEND, CellMean, Giving, Ratio, WindowMean, make_spec

OUTPUTS = ("land_cover", "entropy", "probability")
NAMES = ("land_cover", "land_cover_entropy", "land_cover_probability")
DATES = st.sampled_from(
    [
        RegularDates(),
        RegularDates(freq="2MS", method="mean"),
        RegularDates(freq="QS", fill=None),
        RawDates(maximum=40),
        RawDates(maximum=40, fill="linear"),
    ]
)


def shuffled(seed):
    """A Dask scheduler that runs tasks one by one, in any order that their inputs allow."""

    def get(graph, keys, **_):
        tasks = convert_legacy_graph(dict(graph.__dask_graph__()))
        order, done = random.Random(seed), {}
        while len(done) < len(tasks):
            ready = [k for k, t in tasks.items() if k not in done and t.dependencies <= done.keys()]
            key = order.choice(sorted(ready, key=str))
            done[key] = tasks[key]({k: done[k] for k in tasks[key].dependencies})
        return deep(keys, done)

    def deep(keys, done):
        return [deep(k, done) for k in keys] if isinstance(keys, list) else done[keys]

    return get


def whole(cube, model, year=2018):
    """The maps as one call of the model for the whole cube gives them: no engine, no chunks."""
    spec = model.spec
    plan = plan_year(cube["time"].values, spec.dates, year=year)
    pixels = cube["reflectance"].sel(band=list(spec.bands)).isel(time=list(plan.positions))
    clear = cube["clear"].isel(time=list(plan.positions)).values
    series, seen = prepare_series(pixels.values.copy(), clear, dates=spec.dates, year=plan)
    if spec.dates.fill:
        series = np.nan_to_num(series)
    found = model.predict_block(series, np.asarray(plan.days, np.int32), None)
    classes = np.array(LEGEND.ids, np.uint8)[found.argmax(axis=0)]
    return {
        "land_cover": np.where(seen, classes, 255),
        "land_cover_entropy": np.where(seen, entropy(found), np.float32(np.nan)),
        "land_cover_probability": np.where(seen, found, np.float32(np.nan)),
    }


def assert_same(maps, expected):
    for name in NAMES:
        np.testing.assert_array_equal(maps[name].values[0], expected[name], err_msg=name)


@st.composite
def cases(draw):
    """A cube, its chunks, a model, a shard size and a scheduler."""
    size = st.integers(1, 70)
    y, x, time = draw(size), draw(size), draw(st.integers(12, 26))
    seed = draw(st.integers(0, 1000))
    cube = landscape(y=y, x=x, time=time, bands=("nir", "green", "red"), classes=3, seed=seed)
    holes = np.random.default_rng(seed).random((y, x)) < draw(st.sampled_from([0, 0.1, 1]))
    cube["clear"] = cube["clear"].where(~holes, 0).astype(np.uint8)
    chunks = {
        "time": draw(st.integers(1, time)),
        "band": draw(st.integers(1, 3)),
        "y": draw(st.integers(1, y)),
        "x": draw(st.integers(1, x)),
    }
    # Few large chunks or many small ones, but not thousands of tasks.
    chunks["y"], chunks["x"] = max(chunks["y"], y // 6), max(chunks["x"], x // 6)
    chunks["time"] = max(chunks["time"], time // 4)
    halo = draw(st.integers(0, 5))
    model = WindowMean(halo=halo, dates=draw(DATES), bands=draw(st.permutations(["red", "nir"])))
    shard = draw(st.none() | st.integers(max(1, max(y, x) // 6), 80))
    scheduler = draw(st.sampled_from(["synchronous", "threads"]) | st.integers(0, 99).map(shuffled))
    return cube, chunks, model, shard, scheduler


@given(cases(), st.permutations(["time", "band", "y", "x"]))
@settings(max_examples=25)
def test_any_chunking_order_and_scheduler_gives_the_same_map(case, dims):
    cube, chunks, model, shard, scheduler = case
    expected = whole(cube, model)
    lazy = cube.transpose(*dims).chunk(chunks)
    for given_cube in (cube, lazy):
        maps = classify(given_cube, model, outputs=OUTPUTS, shard=shard)
        assert_same(maps.compute(scheduler=scheduler), expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@given(cases(), st.integers(1, 3), st.integers(1, 24), st.booleans())
@settings(max_examples=6)
def test_a_stored_cube_gives_the_same_map(folder, case, chunks_a_shard, chunk, raw):
    cube, _, model, shard, scheduler = case
    side = max(chunk, max(cube.sizes["y"], cube.sizes["x"]) // 5)
    plan = ChunkPlan(
        chunks={"y": side, "x": side, "time": 5},
        shards={"y": side * chunks_a_shard, "x": side, "time": 15},
    )
    store = write_cube(cube, folder / "cube.zarr", plan=plan, overwrite=True)
    stored = open_cube(store, raw=raw)
    expected = whole(cube, model)
    for given_cube in (stored, stored.load()):
        maps = classify(given_cube, model, outputs=OUTPUTS, shard=shard)
        assert_same(maps.compute(scheduler=scheduler), expected)


@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40), st.booleans()
)
def test_every_pixel_is_predicted_exactly_once(y, x, shard, chunk, threads):
    # Each pixel carries its own row and column as reflectance, which the model counts.
    cube = landscape(y=y, x=x, time=12, bands=("red", "nir"), seed=1)
    rows = np.arange(y, dtype=np.float32)[:, None] * 1e-3 + 0.1
    columns = np.arange(x, dtype=np.float32)[None] * 1e-3 + 0.1
    cube["reflectance"][:, 0], cube["reflectance"][:, 1] = rows, columns
    cube["clear"][:] = np.uint8(1)
    counts = np.zeros((y, x), int)
    lock = threading.Lock()

    class Counting(Ratio):
        def predict_block(self, pixels, days, context):
            at = np.rint((pixels[0] - 0.1) * 1000).astype(int)
            with lock:
                np.add.at(counts, (at[0], at[1]), 1)
            return super().predict_block(pixels, days, context)

        def __reduce__(self):
            return Ratio, ()

    chunks = {"y": max(chunk, y // 8), "x": max(chunk, x // 8)}
    maps = classify(cube.chunk(chunks), Counting(), shard=max(shard, max(x, y) // 8))
    # Classes and entropy, computed together, share the pass of the model.
    dask.compute(maps, scheduler="threads" if threads else "synchronous")
    assert (counts == 1).all()


@given(cases(), st.integers(2, 9))
@settings(max_examples=15)
def test_cells_of_pooled_pixels_are_the_same_in_any_chunking(case, stride):
    cube, chunks, model, shard, scheduler = case
    # A cell reaches no farther than its side.
    model = CellMean(halo=stride, stride=stride, dates=model.spec.dates)
    expected = whole(cube, model)
    for given_cube in (cube, cube.chunk(chunks)):
        maps = classify(given_cube, model, outputs=OUTPUTS, shard=shard)
        assert_same(maps.compute(scheduler=scheduler), expected)


def test_blocks_that_begin_anywhere_would_show():
    # The law above can fail: cells of blocks that begin anywhere are other cells.
    cube = landscape(y=40, x=40, time=12, bands=("red", "nir"), classes=3, seed=2)
    honest, hiding = CellMean(halo=4, stride=4), CellMean(halo=5, stride=1)
    hiding.pool = honest.pool
    maps = classify(cube, hiding, outputs=OUTPUTS, shard=15).compute(scheduler="synchronous")
    assert (maps["land_cover_entropy"].values[0] != whole(cube, honest)["land_cover_entropy"]).any()


def test_patches_with_halo_inside_a_block_do_not_show():
    # Blocks larger than a patch (256 x 256) with halo are cut in memory.
    cube = landscape(y=301, x=263, time=12, bands=("red", "nir"), classes=3, seed=2)
    model = WindowMean(halo=3, dates=RegularDates(freq="QS"))
    maps = classify(cube, model, outputs=OUTPUTS, shard=512)
    assert_same(maps.compute(scheduler="synchronous"), whole(cube, model))


def test_a_halo_smaller_than_the_receptive_field_would_show():
    # The law above can fail: a model that hides two pixels of its field differs at the seams.
    cube = landscape(y=40, x=40, time=12, bands=("red", "nir"), classes=3, seed=2)
    honest = WindowMean(halo=3)
    hiding = WindowMean(halo=1)
    hiding.smooth = honest.smooth
    maps = classify(cube, hiding, outputs=OUTPUTS, shard=16).compute(scheduler="synchronous")
    assert (maps["land_cover_entropy"].values[0] != whole(cube, honest)["land_cover_entropy"]).any()


@given(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9))
def test_the_cube_given_is_not_changed(seed, y, x):
    cube = landscape(y=y, x=x, time=12, bands=("red", "nir"), classes=3, seed=seed)
    before = cube.copy(deep=True)

    def spoil(found):
        found[:] = np.float32(1 / 3)
        return found

    classify(cube, Giving(spoil)).compute(scheduler="synchronous")
    assert cube.identical(before)


@pytest.fixture(scope="module")
def network():
    """A classifier of random weights."""
    torch = pytest.importorskip("torch")
    from lulc_xr.models.classifier import Classifier
    from lulc_xr.models.registry import make_network

    torch.manual_seed(0)
    sizes = {"bands": 2, "dates": 12, "classes": {"land_cover": len(LEGEND)}, "filters": 16}
    scaling = Scaling(mean=(0.2, 0.3), std=(0.1, 0.1))
    return Classifier(
        make_network("tempcnn", **sizes), name="tempcnn", spec=make_spec(scaling=scaling)
    )


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 80), st.integers(1, 70))
@settings(max_examples=5)
def test_a_network_gives_the_same_map_but_for_the_last_bits(network, y, x, shard, chunk):
    cube = landscape(y=y, x=x, time=12, bands=("nir", "green", "red"), classes=3, seed=y)
    expected = whole(cube, network)
    lazy = cube.chunk({"y": max(chunk, y // 4), "x": max(chunk, x // 4)})
    maps = classify(lazy, network, outputs=OUTPUTS, shard=max(shard, max(x, y) // 4)).compute()
    found = maps["land_cover_probability"].values[0]
    np.testing.assert_allclose(found, expected["land_cover_probability"], rtol=0, atol=1e-6)
    best, second = np.sort(np.nan_to_num(found), axis=0)[[-1, -2]]
    clear_cut = best - second > 2e-6
    same = maps["land_cover"].values[0] == expected["land_cover"]
    assert same[clear_cut].all()
    unseen = np.isnan(expected["land_cover_entropy"])
    assert same[unseen].all()
