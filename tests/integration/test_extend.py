"""Extensions that are killed, run twice at once, or run by several worker processes."""

import random
import shutil
import signal
import time

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster

import lulc_xr as lx
from lulc_xr.core.errors import StoreError
from tests import extending
from tests.predictors import Ratio, wait_for

pytestmark = [
    pytest.mark.integration,
    # A store that was never extended has no copy of its metadata in the root.
    pytest.mark.filterwarnings("ignore:Failed to open Zarr store with consolidated"),
]
DIMS = ("time", "y", "x", "band")


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """For each dimension a store of the first part; and what readers see before and after."""
    folder = tmp_path_factory.mktemp("states")
    whole = lx.write_cube(extending.scene(), folder / "whole.zarr", plan=extending.PLAN)
    found = {}
    for dim in DIMS:
        first, _ = extending.halves(dim)
        store = lx.write_cube(first, folder / f"{dim}.zarr", plan=extending.PLAN)
        found[dim] = store, *(lx.open_cube(s, raw=True).load() for s in (store, whole))
    return found


def assert_same(found, expected):
    for name in expected.variables:
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=str(name))


def assert_one_of(store, states):
    """Every reader sees one of the states, whole; gives which (0: old, 1: new)."""
    found = []
    # Xarray looks second, so while a process extends the store it may see more.
    for seen in (lx.open_cube(store, raw=True), xr.open_zarr(store, mask_and_scale=False)):
        found.append(next(i for i, s in enumerate(states) if s.sizes == seen.sizes))
        assert_same(seen, states[found[-1]])
    assert found == sorted(found)
    return found[0]


def started(function, *arguments):
    process = extending.CONTEXT.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def killed_again_and_again(function, *arguments, check, seed):
    """Kill a function's process at random moments until it ends by itself; gives how often."""
    dice = random.Random(seed)
    kills = 0
    while True:
        process = started(function, *arguments)
        process.join(dice.uniform(0.1, 0.7) * (1 + kills / 10))
        process.kill()
        process.join()
        check()
        if process.exitcode == 0:
            return kills
        assert process.exitcode == -signal.SIGKILL
        kills += 1


@pytest.mark.parametrize("dim", DIMS)
def test_it_may_be_killed_at_any_moment(states, tmp_path, dim):
    made, *seen = states[dim]
    store = shutil.copytree(made, tmp_path / "cube.zarr")
    kills = killed_again_and_again(
        extending.extend, store, dim, 0.25, check=lambda: assert_one_of(store, seen), seed=dim
    )
    assert kills > 1
    assert assert_one_of(store, seen) == 1
    assert not (store / "extension").exists()


@pytest.mark.parametrize("dim", ["time", "y"])
def test_it_may_die_at_each_step_of_the_commit(states, tmp_path, dim):
    made, *seen = states[dim]
    reached, step = [], 0
    while True:
        store = shutil.copytree(made, tmp_path / f"{step}.zarr")
        process = started(extending.extend_and_die, store, dim, step)
        process.join()
        reached.append(assert_one_of(store, seen))
        # Whoever comes next ends it: the same call, or a reader's next writer.
        extending.extend(store, dim, 0)
        assert assert_one_of(store, seen) == 1
        if process.exitcode == 0:
            break
        assert process.exitcode == 7
        step += 1
    # The copy of the metadata, the journal, at least two arrays and the root: old until the end.
    assert step >= 4
    assert reached == [0] * step + [1]


def test_a_map_writer_ends_a_commit_that_was_killed(states, tmp_path):
    made, *seen = states["time"]
    store = shutil.copytree(made, tmp_path / "cube.zarr")
    process = started(extending.extend_and_die, store, "time", 3)
    process.join()
    assert process.exitcode == 7
    assert assert_one_of(store, seen) == 0
    slope = (seen[0]["clear"].isel(time=0, drop=True) * 2.5).astype("float32").rename("slope")
    lx.write_variables(slope.to_dataset(), store, progress=False)
    assert lx.open_cube(store).sizes["time"] == 12
    assert_same(lx.open_cube(store, raw=True), seen[1])


def test_a_first_build_may_be_killed_at_any_moment(states, tmp_path):
    store = tmp_path / "cube.zarr"
    whole = states["time"][2]

    def check():
        if store.exists():
            assert_same(lx.open_cube(store, raw=True), whole)

    kills = killed_again_and_again(until_there, store, 0.12, check=check, seed=3)
    assert kills > 1
    assert_same(lx.open_cube(store, raw=True), whole)
    assert {p.name for p in tmp_path.iterdir()} == {"cube.zarr", ".cube.zarr.lock"}


def until_there(store, seconds):
    if not store.exists():
        extending.build(store, seconds)


def test_filling_in_may_be_killed_at_any_moment(states, tmp_path):
    whole = states["time"][2]
    store = lx.write_cube(
        extending.with_marks(extending.scene()), tmp_path / "cube.zarr", plan=extending.PLAN
    )
    holed = lx.open_cube(store, raw=True).load()

    def check():
        found = lx.open_cube(store, raw=True).load()
        # Where a mark is left the pixel is the old or the new one; where none is, the new.
        for name in ("reflectance", "clear"):
            old, new = (found[name] == s[name] for s in (holed, whole))
            assert (new | (old & (found["unread"] == 1))).all()

    kills = killed_again_and_again(extending.fill, store, 0.2, check=check, seed=5)
    assert kills > 1
    assert_same(lx.open_cube(store, raw=True), whole)
    assert lx.unread_dates(store).empty


def test_readers_see_one_state_while_it_runs(states, tmp_path):
    made, *seen = states["time"]
    store = shutil.copytree(made, tmp_path / "cube.zarr")
    process = started(extending.extend, store, "time", 0.02)
    found = []
    while process.is_alive():
        found.append(assert_one_of(store, seen))
    process.join()
    assert process.exitcode == 0
    assert found == sorted(found)
    assert found[0] == 0
    assert assert_one_of(store, seen) == 1


@pytest.fixture
def extension(states, tmp_path):
    """A store, and a process that extends it and waits in its first block."""
    store = shutil.copytree(states["y"][0], tmp_path / "cube.zarr")
    gate = tmp_path / "gate"
    process = started(extending.extend, store, "y", 0.0, gate)
    wait_for((store / "extension" / "zarr.json").exists, "the extension's plan")
    yield store, process, gate
    process.kill()
    process.join()


def test_while_it_runs_nobody_else_writes(states, extension):
    store, process, gate = extension
    opened = lx.open_cube(store)
    with pytest.raises(StoreError, match=r"cannot be extended now.*by another process.*run this"):
        lx.extend_cube(extending.halves("y")[1], store, progress=False)
    with pytest.raises(StoreError, match=r"cannot be written now: it is being built or extended"):
        lx.write_variables(lx.classify(opened, Ratio()), store, progress=False)
    with pytest.raises(StoreError, match="cannot be extended now"):
        lx.fill_unread(opened, store, progress=False)
    gate.touch()
    process.join(60)
    assert process.exitcode == 0
    assert assert_one_of(store, states["y"][1:]) == 1


def test_while_maps_are_written_it_is_refused(states, tmp_path):
    store = shutil.copytree(states["y"][0], tmp_path / "cube.zarr")
    process = started(classify_until, store, tmp_path / "gate")
    wait_for((store / "ledger" / "land_cover" / "zarr.json").exists, "the map's ledger")
    with pytest.raises(StoreError, match=r"its variables are being written or extended"):
        lx.extend_cube(extending.halves("y")[1], store, progress=False)
    (tmp_path / "gate").touch()
    process.join(60)
    assert process.exitcode == 0
    lx.extend_cube(extending.halves("y")[1], store, progress=False)
    assert lx.verify(store).ok


def classify_until(store, gate):
    result = lx.classify(lx.open_cube(store), Ratio())
    there = result["land_cover"].data
    data = there.map_blocks(extending.slow, gate=gate, dtype=there.dtype, meta=there._meta)
    lx.write_variables(result.assign(land_cover=(("year", "y", "x"), data)), store, progress=False)


@pytest.mark.parametrize("dim", ["time", "x"])
def test_several_worker_processes_share_the_work(states, tmp_path, dim):
    made, *seen = states[dim]
    store = shutil.copytree(made, tmp_path / "cube.zarr")
    start = time.time()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster),
    ):
        report = lx.extend_cube(
            extending.slowly(extending.halves(dim)[1], 0.01), store, progress=False
        )
    assert report.written > 0
    assert assert_one_of(store, seen) == 1
    changed = [f for f in (store / "reflectance").rglob("c/**/*") if f.is_file()]
    assert any(f.stat().st_mtime >= start for f in changed)
