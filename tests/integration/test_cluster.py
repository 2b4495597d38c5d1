"""A Dask cluster of two processes over TCP: one load of a model each, no weights in the graph."""

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import cloudpickle
import distributed
import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.prediction.loading import loads_in_this_process
from tests.conftest import small_plan
from tests.predictors import CountingLoads, Giving, Ratio, make_spec, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def client():
    """Two worker processes with two threads each."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            protocol="tcp",
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert cluster.scheduler_address.startswith("tcp://")
        yield client


@pytest.fixture(scope="module")
def big_store(tmp_path_factory):
    """A cube of 6 x 7 shards."""
    cube = lx.testing.landscape(y=90, x=110, time=12, bands=("green", "red", "nir"), seed=5)
    return lx.write_cube(cube, tmp_path_factory.mktemp("big") / "cube.zarr", plan=small_plan(16, 8))


def without(store, *names):
    """The store without the maps of another test."""
    for name in ("land_cover", "land_cover_entropy", "ledger"):
        subprocess.run(["rm", "-rf", str(store / name)], check=True)
    return store


def test_an_object_is_loaded_once_per_process(client, big_store, tmp_path):
    store, log = without(big_store), tmp_path / "loads"
    model = CountingLoads(log, ballast=3_000_000)
    result = lx.classify(lx.open_cube(store), model)
    sent = cloudpickle.dumps(dict(result["land_cover"].data.__dask_graph__()))
    assert len(sent) < len(model.weights) / 50
    report = lx.write_variables(result, store, progress=False)
    assert (report.written, report.skipped) == (42, 0)
    assert lx.verify(store).ok
    loads = Counter(int(pid) for pid in log.read_text().split())
    workers = set(client.run(os.getpid).values())
    assert set(loads) <= workers
    assert set(loads.values()) == {1}
    assert len(loads) == 2
    expected = lx.classify(lx.open_cube(store), Ratio()).compute(scheduler="synchronous")
    for name in expected.data_vars:
        np.testing.assert_array_equal(lx.open_cube(store)[name].values, expected[name].values)


def test_a_classifier_is_loaded_once_per_process(client, big_store, tmp_path):
    import torch

    from lulc_xr.models.classifier import Classifier
    from lulc_xr.models.registry import make_network

    torch.manual_seed(0)
    network = make_network("tempcnn", bands=2, dates=12, classes={"land_cover": 3}, filters=32)
    model = Classifier(network, name="tempcnn", spec=make_spec())
    model.save(tmp_path / "model")
    store = without(big_store)
    before = client.run(loads_in_this_process)
    result = lx.classify(lx.open_cube(store), model)
    weights = (tmp_path / "model" / "model.safetensors").stat().st_size
    graph = cloudpickle.dumps(dict(result["land_cover"].data.__dask_graph__()))
    assert len(graph) < weights / 4
    assert lx.write_variables(result, store, progress=False).written == 42
    after = client.run(loads_in_this_process)
    assert {worker: after[worker] - before[worker] for worker in after} == dict.fromkeys(after, 1)
    assert lx.verify(store).ok


def test_two_stores_on_one_cluster_do_not_mix(client, tmp_path):
    """Both runs have tasks for the same places; none may be taken for one of the other."""
    stores = []
    for seed in range(2):
        cube = lx.testing.landscape(y=60, x=60, time=12, bands=("red", "nir"), seed=seed)
        path = tmp_path / f"{seed}.zarr"
        stores.append(lx.write_cube(cube, path, plan=small_plan(16, 8)))
    results = [lx.classify(lx.open_cube(store), Ratio()) for store in stores]
    failed = []

    def write(result, store):
        try:
            lx.write_variables(result, store, progress=False)
        except (OSError, ValueError) as error:
            failed.append(error)

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(results, stores, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for store in stores:
        assert lx.verify(store).ok
        assert lx.verify(store).variables["land_cover"].done == 16


def test_an_error_on_a_worker_names_the_place_and_keeps_what_is_done(client, big_store):
    store = without(big_store)
    model = Giving(lambda found: found * 2)
    with pytest.raises(lx.ModelError, match="a sum over classes of 2"):
        lx.write_variables(lx.classify(lx.open_cube(store), model), store, progress=False)
    # Nothing of it goes on in the background.
    wait_for(lambda: not any(client.processing().values()), "the end of all tasks")
    assert not lx.verify(store).ok
    assert not any(v.damaged for v in lx.verify(store).variables.values())


def test_a_cube_in_memory_is_classified_too(client, cube):
    maps = lx.classify(cube.chunk({"y": 20, "x": 20}), Ratio(), shard=16).compute()
    expected = lx.classify(cube, Ratio()).compute(scheduler="synchronous")
    assert maps.identical(expected)


PEAK = """
import sys
import dask
import lulc_xr as lx
from tests.predictors import Ratio

store = sys.argv[1]
with dask.config.set(scheduler="threads", num_workers=2):
    report = lx.write_variables(lx.classify(lx.open_cube(store), Ratio()), store, progress=False)
# Not getrusage: what it gives a new process begins with the memory of its parent.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(report.written, peak)
"""


@pytest.mark.slow
def test_four_times_the_area_needs_no_more_memory(tmp_path):
    peaks = {}
    for factor in (1, 2):
        cube = lx.testing.landscape(
            y=768 * factor,
            x=768 * factor,
            time=24,
            bands=("red", "nir"),
            chunks={"y": 256, "x": 256},
        )
        store = lx.write_cube(cube, tmp_path / f"{factor}.zarr", plan=small_plan(256, 128))
        command = [sys.executable, "-c", PEAK, str(store)]
        root = Path(__file__).parents[2]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout
        shards, peaks[factor] = map(int, said.split())
        assert shards == (3 * factor) ** 2
    # Kilobytes; 10 MiB for what differs from run to run.
    assert peaks[2] <= 1.15 * peaks[1] + 10 * 1024
