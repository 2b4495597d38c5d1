"""Builds that are killed end as if undisturbed; memory follows the shard and not the area."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import lulc_xr as lx
from tests.predictors import wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
RECIPE = """
kind = "landscape"
title = "Fields"
years = {years}
[landscape]
y = {side}
x = 256
time = 12
bands = ["blue", "red", "nir"]
[plan]
chunks = {{ time = 12, y = 32, x = 32 }}
shards = {{ time = 12, y = 64, x = 64 }}
"""
MEASURE = """
import sys
from pathlib import Path
import dask
import lulc_xr as lx

with dask.config.set(scheduler="synchronous"):
    lx.build(lx.load_recipe(sys.argv[1]), progress=False)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.fixture
def write(tmp_path):
    def written(name="fields", *, years=(2018,), side=256):
        path = tmp_path / f"{name}.toml"
        path.write_text(RECIPE.format(years=list(years), side=side))
        return path

    return written


def build(recipe):
    command = [sys.executable, "-m", "lulc_xr.jobs.cli", "build", str(recipe)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(recipe):
    process = build(recipe)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return " ".join(said.split())


def shards(folder, part="**"):
    return [p for p in folder.glob(f"reflectance/c/{part}/*") if p.is_file()]


def kill_when(recipe, ready):
    """Kill -9 a build once a condition holds and it has not ended."""
    process = build(recipe)
    wait_for(ready, "shards of an unfinished build")
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def content(store):
    group = zarr.open_group(store, mode="r", use_consolidated=False)
    return {name: np.asarray(group[name][...]) for name in ("reflectance", "clear", "time")}


def check_same(store, other):
    first, second = content(store), content(other)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_killed_build_goes_on_and_ends_bit_equal(write, tmp_path):
    recipe = write(side=1024)
    hidden = tmp_path / ".fields.zarr.building"
    kill_when(recipe, lambda: len(shards(hidden)) >= 8)
    assert not (tmp_path / "fields.zarr").exists()
    said = finish(recipe)
    done = int(said.split(" shards written; ")[1].split()[0])
    assert done >= 4
    undisturbed = write("undisturbed", side=1024)
    finish(undisturbed)
    check_same(tmp_path / "fields.zarr", tmp_path / "undisturbed.zarr")
    assert "nothing new" in finish(recipe)


def test_killed_extension_leaves_the_old_state_readable(write, tmp_path):
    store = tmp_path / "fields.zarr"
    finish(write(side=1024))
    before = lx.open_cube(store).load()
    recipe = write(years=(2018, 2019), side=1024)
    kill_when(recipe, lambda: len(shards(store, "1/**")) >= 8)
    readable = lx.open_cube(store).load()
    assert readable.sizes["time"] == 12
    assert readable["reflectance"].equals(before["reflectance"])
    said = finish(recipe)
    assert int(said.split(" shards written; ")[1].split()[0]) >= 4
    assert lx.open_cube(store).sizes["time"] == 24
    finish(write("undisturbed", years=(2018, 2019), side=1024))
    check_same(store, tmp_path / "undisturbed.zarr")


def test_memory_follows_the_shard_and_the_plan(write):
    peaks = {}
    for side in (256, 1024):
        recipe = write(f"side{side}", side=side)
        command = [sys.executable, "-c", MEASURE, str(recipe)]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks[side] = int(told.stdout) * 1024
        plan = lx.plan_recipe(lx.load_recipe(recipe))
        assert peaks[side] < 1.3 * plan.memory_per_worker
        assert peaks[side] > plan.memory_per_worker / 1.6
    assert peaks[1024] <= 1.15 * peaks[256]
