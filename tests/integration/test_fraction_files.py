"""Files of fractions on a full disk, with a killed writer, and from a cluster of processes."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cloudpickle
import dask
import distributed
import numpy as np
import pytest
import xarray as xr
from pyproj import Transformer

import lulc_xr as lx
from lulc_xr.analysis.fractions import fractions
from tests.conftest import small_plan
from tests.european import cells_of
from tests.fractions import made_fractions
from tests.predictors import Ratio, wait_for

pytestmark = pytest.mark.integration

LEGEND = lx.Legend.from_names("demo", ["cropland", "woodland", "water"])
FORMATS = ("f.nc", "f.zarr")


def drawn(size, seed=0):
    """Lazy fractions on size x (size + 10) cells, in two blocks of rows a year."""
    return made_fractions(
        LEGEND, shape=(size, size + 10), years=(2018, 2019), expected=True, lazy=True, seed=seed,
        step=0.05,
    )  # fmt: skip


def write_on_a_full_disk(path, _):
    """The child: what the error says, and the space that is left after it."""
    with pytest.raises(lx.StoreError) as caught:
        lx.write_fractions(drawn(150), path, overwrite=True)
    assert lx.open_fractions(path).equals(drawn(6))
    found = os.statvfs(path)
    print(found.f_bavail * found.f_frsize, caught.value)


@pytest.mark.parametrize("leave", [0, 40, 300, 1200])
@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_leaves_the_former_file_and_gives_its_space_back(disk, name, leave):
    path = lx.write_fractions(drawn(6), disk.path / name)
    disk.fill(leave * 1024)
    # HDF5 does not let go of a file that it could not close, as long as the process lives.
    child = start("full", path, "", stdout=subprocess.PIPE, text=True)
    free, said = child.communicate()[0].split(" ", maxsplit=1)
    assert "could not write" in said
    assert "disk full" in said or "No space left" in said
    assert "before is unchanged" in said
    assert int(free) == disk.free()
    (disk.path / "ballast").unlink()
    assert sorted(p.name for p in disk.path.iterdir()) == [f".{name}.lock", name]
    lx.write_fractions(drawn(150), path, overwrite=True)
    assert lx.open_fractions(path).equals(drawn(150))


def start(*arguments, **options):
    command = [sys.executable, "-m", "tests.integration.test_fraction_files", *arguments]
    return subprocess.Popen([*map(str, command)], cwd=Path(__file__).parents[2], **options)


def stand_still(path, log):
    """The child: write, but never come to an end with the second block."""
    made = drawn(40, seed=1)

    def wait(values, block_info=None):
        with Path(log).open("a") as file:
            file.write("block\n")
        if block_info[0]["chunk-location"][2] == 1:
            threading.Event().wait()
        return values

    slow = made["fraction"].data.map_blocks(wait, meta=np.zeros((0,) * 4))
    made["fraction"] = made["fraction"].copy(data=slow)
    with dask.config.set(scheduler="threads", num_workers=4):
        lx.write_fractions(made, path, overwrite=True)


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_a_killed_writer_leaves_the_former_file_or_none(tmp_path, name, is_there):
    path, log, before = tmp_path / name, tmp_path / "log", drawn(6)
    if is_there:
        lx.write_fractions(before, path)
    child = start("wait", path, log)
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) == 4, "all blocks begun")
    wait_for(lambda: list(tmp_path.glob(".*.partial")), "what is written beside")
    with pytest.raises(lx.StoreError, match=r"being written to .* by another process"):
        lx.write_fractions(before, path, overwrite=True)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.returncode == -signal.SIGKILL
    assert path.exists() == is_there
    if is_there:
        assert lx.open_fractions(path).equals(before)
    after = drawn(40, seed=1)
    lx.write_fractions(after, path, overwrite=is_there)
    assert lx.open_fractions(path).equals(after)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Class map, entropy and probabilities of two years in 6 x 7 shards."""
    cube = lx.testing.landscape(
        y=90, x=110, time=12, bands=("green", "red", "nir"), seed=5, years=(2018, 2019)
    )
    path = lx.write_cube(cube, tmp_path_factory.mktemp("far") / "a.zarr", plan=small_plan(16, 8))
    outputs = ("land_cover", "entropy", "probability")
    lx.write_variables(
        lx.classify(lx.open_cube(path), Ratio(), outputs=outputs), path, progress=False
    )
    return path


@pytest.fixture(scope="module")
def client():
    """Two worker processes with one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def around(maps):
    """Cells of about 200 m around the map, which it covers in part."""
    lon, lat = corners(maps)
    step = 0.002
    west, south = np.floor(lon.min() / step) * step, np.floor(lat.min() / step) * step
    return lx.lonlat_grid(west, south, west + 12 * step, south + 9 * step, step=step)


def corners(maps):
    """Longitude and latitude of its four corners."""
    crs = lx.core.cube.crs_of(maps)
    x, y = np.meshgrid(maps["x"].values[[0, -1]], maps["y"].values[[0, -1]])
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    return np.asarray(lon), np.asarray(lat)


def test_processes_give_what_threads_give(client, store):
    maps = lx.open_cube(store)
    lazy = fractions(maps, around(maps), of=["land_cover", "probability"])
    graph = dict(lazy.__dask_graph__())
    expected = lazy.compute(scheduler="threads", num_workers=2)
    assert float((expected["fraction"].sum("class") > 0).mean()) > 0.2
    with client.as_current():
        found = lazy.compute()
        assert set(client.run(os.getpid).values()) != {os.getpid()}
        pids = client.run(os.getpid)
    assert len(pids) == 2
    for name, values in expected.data_vars.items():
        np.testing.assert_allclose(found[name].values, values.values, rtol=0, atol=1e-12)
    # No map and no grid travels in the tasks.
    print(f"{len(graph)} tasks of {len(cloudpickle.dumps(graph)) / len(graph):.0f} bytes")
    assert len(cloudpickle.dumps(graph)) / len(graph) < 4096


@pytest.mark.parametrize("name", FORMATS)
def test_a_cluster_writes_the_file_that_threads_write(client, store, tmp_path, name):
    maps = lx.open_cube(store)
    lazy = fractions(maps, around(maps))
    here = lx.write_fractions(lazy, tmp_path / f"here-{name}")
    with client.as_current():
        there = lx.write_fractions(lazy, tmp_path / name)
    xr.testing.assert_allclose(
        lx.open_fractions(there).compute(), lx.open_fractions(here).compute(), rtol=0, atol=1e-12
    )


def test_cells_of_eur_11_hold_a_small_map(store):
    """The only cell that meets it has the area of the map in its classes and what is not seen."""
    maps = lx.open_cube(store)
    lon, lat = corners(maps)
    whole = lx.as_grid("EUR-11")
    cell = int(whole.locate(lon.mean(keepdims=True).ravel(), lat.mean(keepdims=True).ravel())[0])
    row, column = divmod(cell, whole.shape[1])
    grid = cells_of("EUR-11", range(row - 1, row + 2), range(column - 1, column + 2))
    found = fractions(maps, grid).compute()
    area = float((found["covered_fraction"] * found["cell_area"]).sum())
    # Pixels of 10 m of UTM, whose scale is within 0.1 % (areas 0.2 %).
    assert area == pytest.approx(90 * 110 * 100, rel=2e-3)


if __name__ == "__main__":
    # A test that is killed itself must not leave this process behind (PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, 9)
    {"wait": stand_still, "full": write_on_a_full_disk}[sys.argv[1]](*sys.argv[2:])
