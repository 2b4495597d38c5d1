"""Builds that are killed end as if undisturbed; memory follows the shard and not the area."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import zarr
from shapely.geometry import box

import lulc_xr as lx
from tests import scenes
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


def build(recipe, *options):
    command = [sys.executable, "-m", "lulc_xr.jobs.cli", "build", str(recipe), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(recipe, *options):
    process = build(recipe, *options)
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
    recipe = write(side=512)
    hidden = tmp_path / ".fields.zarr.building"
    kill_when(recipe, lambda: len(shards(hidden)) >= 6)
    assert not (tmp_path / "fields.zarr").exists()
    said = finish(recipe)
    done = int(said.split(" shards written; ")[1].split()[0])
    assert done >= 2
    undisturbed = write("undisturbed", side=512)
    finish(undisturbed)
    check_same(tmp_path / "fields.zarr", tmp_path / "undisturbed.zarr")
    assert "nothing new" in finish(recipe)


def test_killed_extension_leaves_the_old_state_readable(write, tmp_path):
    store = tmp_path / "fields.zarr"
    finish(write(side=512))
    before = lx.open_cube(store).load()
    recipe = write(years=(2018, 2019), side=512)
    kill_when(recipe, lambda: len(shards(store, "1/**")) >= 6)
    readable = lx.open_cube(store).load()
    assert readable.sizes["time"] == 12
    assert readable["reflectance"].equals(before["reflectance"])
    said = finish(recipe)
    assert int(said.split(" shards written; ")[1].split()[0]) >= 2
    assert lx.open_cube(store).sizes["time"] == 24
    finish(write("undisturbed", years=(2018, 2019), side=512))
    check_same(store, tmp_path / "undisturbed.zarr")


CATALOGUE = """
title = "A corner of Belgium"
years = [2021]
[area]
file = "area.gpkg"
[grid]
crs = "EPSG:32631"
[source]
catalogue = "catalogue"
bands = ["blue", "nir08"]
[plan]
chunks = { time = 2, y = 16, x = 16 }
shards = { time = 2, y = 32, x = 32 }
"""


@pytest.fixture
def catalogue(tmp_path):
    """Four dates over 256 x 256 pixels as GeoTIFFs with their items, and a recipe of them."""
    where = scenes.grid(256)
    rng = np.random.default_rng(3)
    (tmp_path / "catalogue").mkdir()
    for month in range(1, 5):
        numbers = rng.integers(200, 4000, where.shape.yx).astype(np.uint16)
        item = scenes.sentinel2(
            tmp_path / "rasters", when=f"2021-{month:02d}-11T10:50:31", numbers=numbers,
            geobox=where,
        )  # fmt: skip
        text = json.dumps(item.to_dict())
        (tmp_path / "catalogue" / f"{item.id}.json").write_text(text)
    square = box(*where.boundingbox.bbox)
    geopandas.GeoDataFrame(geometry=[square], crs="EPSG:32631").to_file(tmp_path / "area.gpkg")
    (tmp_path / "corner.toml").write_text(CATALOGUE)
    return tmp_path / "corner.toml"


def test_killed_build_of_a_catalogue_is_ended_by_two_workers(catalogue, tmp_path):
    hidden = tmp_path / ".corner.zarr.building"
    kill_when(catalogue, lambda: len(shards(hidden)) >= 12)
    said = finish(catalogue, "--workers", "2")
    # Another process takes the shards that the killed one has recorded as done.
    before = int(said.split(" shards written; ")[1].split()[0])
    assert before >= 6
    cube = lx.load_stac(tmp_path / "catalogue", geobox=scenes.grid(256), bands=["blue", "nir08"])
    stored = lx.open_cube(tmp_path / "corner.zarr")
    assert dict(stored.sizes) == dict(cube.sizes)
    np.testing.assert_allclose(stored["reflectance"], cube["reflectance"], atol=5.01e-5)
    np.testing.assert_array_equal(stored["clear"], cube["clear"])
    assert not stored["unread"].any()


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
