"""Killed writers: a second run does only what is missing; the old map stays to the end."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import lulc_xr as lx
from lulc_xr.cube.ledger import entries, find_ledger
from lulc_xr.cube.staging import STAGING
from tests.conftest import small_plan
from tests.predictors import Ratio, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning"),
]
SHARDS, HALF = 30, 14


@pytest.fixture
def store(tmp_path):
    """A cube of 5 x 6 shards in which every pixel was seen."""
    cube = lx.testing.landscape(y=75, x=90, time=12, bands=("red", "nir"), seed=6)
    cube["clear"][:] = np.uint8(1)
    return lx.write_cube(cube, tmp_path / "cube.zarr", plan=small_plan(16, 8))


def child(*arguments):
    command = [sys.executable, "-m", "tests.children", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def run(*arguments):
    """Shards written and skipped by a child that ends by itself."""
    process = child(*arguments)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return tuple(map(int, said.split()))


def lines(log):
    return log.read_text().splitlines() if log.exists() else []


def done(store, name="land_cover"):
    ledger = find_ledger(zarr.open_group(store, mode="r"), name)
    return 0 if ledger is None else int((entries(ledger) != 0).sum())


def kill_half_way(store, log, model_hash, *, overwrite=0, place=None):
    """Kill -9 once half of the blocks are recorded and two workers sit in the next ones."""
    process = child("write", store, log, HALF, model_hash, overwrite)
    wait_for(lambda: len(lines(log)) == HALF + 2, "two blocks more than half")
    # Two threads wait in the model, so the blocks before are through: all of them are recorded.
    wait_for(lambda: done(place or store) == HALF, "their record")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return HALF


def values_of(store):
    opened = lx.open_cube(store)
    return {n: opened[n].values for n in ("land_cover", "land_cover_entropy")}


def values_of_second(store):
    """What the second model of the children gives."""
    maps = lx.classify(lx.open_cube(store), Ratio(bands=("nir", "red"))).compute()
    return {n: v.values for n, v in maps.data_vars.items()}


def assert_equal(found, expected):
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def files_of(store, names=("land_cover", "land_cover_entropy", "ledger")):
    """Content of all files of the maps; a killed write may leave a file of its own beside."""
    return {
        str(file.relative_to(store)): file.read_bytes()
        for name in names
        for file in sorted((store / name).rglob("*"))
        if file.is_file() and not file.name.endswith(".partial")
    }


def test_a_killed_run_is_continued_and_ends_bit_equal(store, tmp_path):
    undisturbed = tmp_path / "log0"
    assert run("write", store, undisturbed, -1, "model", 0) == (SHARDS, 0)
    assert len(lines(undisturbed)) == SHARDS
    expected, values = files_of(store), values_of(store)
    assert len(expected) > 3 * SHARDS
    # The very same store again, as it was before: the job has the same name there.
    for name in ("land_cover", "land_cover_entropy", "ledger", "year"):
        subprocess.run(["rm", "-r", str(store / name)], check=True)

    log = tmp_path / "log1"
    recorded = kill_half_way(store, log, "model")
    killed = lines(log)
    with pytest.warns(lx.IncompleteMapWarning, match=f"not finished: {recorded} of {SHARDS}"):
        lx.open_cube(store)
    assert lx.verify(store).variables["land_cover"].missing == SHARDS - recorded
    assert not any(v.damaged for v in lx.verify(store).variables.values())

    again = tmp_path / "log2"
    assert run("write", store, again, -1, "model", 0) == (SHARDS - recorded, recorded)
    blocks = [{line.split()[2] for line in found} for found in (killed[:recorded], lines(again))]
    assert len(lines(again)) == SHARDS - recorded
    assert blocks[0].isdisjoint(blocks[1])
    assert blocks[0] | blocks[1] == {line.split()[2] for line in lines(undisturbed)}
    assert lx.verify(store).ok
    assert_equal(values_of(store), values)
    found = files_of(store)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def test_a_killed_replacement_leaves_the_old_map_and_is_continued(store, tmp_path):
    run("write", store, tmp_path / "log0", -1, "first", 0)
    before, files = values_of(store), files_of(store)
    log = tmp_path / "log1"
    recorded = kill_half_way(store, log, "second", overwrite=1, place=store / STAGING)
    assert_equal(values_of(store), before)
    assert files_of(store) == files
    assert lx.verify(store).ok

    # Without overwrite, the unfinished replacement is no reason to touch the old map.
    refused = child("write", store, tmp_path / "log2", -1, "second", 0)
    refused.communicate(timeout=100)
    assert refused.returncode == 1
    assert files_of(store) == files

    assert run("write", store, tmp_path / "log3", -1, "second", 1) == (SHARDS - recorded, recorded)
    assert lx.verify(store).ok
    assert lx.open_cube(store)["land_cover"].attrs["model_hash"] == "second"
    assert not (store / STAGING).exists()
    assert_equal(values_of(store), values_of_second(store))


@pytest.mark.parametrize("parts", range(5))
def test_a_replacement_that_dies_in_the_exchange_is_ended_by_the_next_run(store, tmp_path, parts):
    """Two maps and their ledgers are four folders; it dies after each number of them."""
    run("write", store, tmp_path / "log0", -1, "first", 0)
    before = values_of(store)
    process = child("promote", store, parts)
    process.communicate(timeout=100)
    assert process.returncode == (7 if parts < 4 else 0)

    # A reader finds every variable whole: that of the old model, or that of the new one.
    now, after = values_of(store), values_of_second(store)
    exchanged = (parts + 1) // 2
    for number, name in enumerate(before):
        of_the_new = number < exchanged
        model = lx.open_cube(store)[name].attrs["model_hash"]
        assert model == ("second" if of_the_new else "first")
        np.testing.assert_array_equal(now[name], (after if of_the_new else before)[name])
        assert (after[name] != before[name]).any()

    rest = child("promote", store, 99)
    rest.communicate(timeout=100)
    assert rest.returncode == 0
    assert lx.verify(store).ok
    assert not (store / STAGING).exists()
    assert_equal(values_of(store), after)


def test_samples_of_a_killed_extraction_are_those_of_an_undisturbed_one(store, tmp_path):
    whole, out = tmp_path / "whole.zarr", tmp_path / "samples.zarr"
    batches, number = run("sample", store, whole, -1)
    assert batches > 8
    process = child("sample", store, out, 6)
    wait_for(Path(f"{out}.waits").exists, "the sixth batch")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    # Six batches were recorded: the second run reads the others only.
    assert run("sample", store, out, -1) == (batches - 6, number)
    assert bytes_of(out) == bytes_of(whole)
    assert not (tmp_path / ".samples.zarr.partial").exists()


def bytes_of(folder):
    """Every file of a store, byte by byte."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
