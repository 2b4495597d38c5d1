"""The command line as real processes: on workers, on a scheduler, stopped by Ctrl-C, the demo."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.cube.ledger import entries, find_ledger
from lulc_xr.cube.store import open_cube, open_group, write_cube
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.store import open_samples
from lulc_xr.testing import landscape, points
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit

pytestmark = pytest.mark.integration

COMMAND = str(Path(sys.executable).with_name("lulc-xr"))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def area(tmp_path_factory):
    """Folder with cube.zarr (64 shards) and a model."""
    folder = tmp_path_factory.mktemp("area")
    cube = landscape(y=256, x=256, time=12, classes=4, seed=2)
    plan = ChunkPlan(chunks={"y": 32, "x": 32}, shards={"y": 32, "x": 32})
    write_cube(cube, folder / "cube.zarr", plan=plan)
    samples = extract_samples(cube, points(cube, per_class=20))
    fit(samples, config=TrainConfig(epochs=10)).save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def undisturbed(area, tmp_path_factory):
    """The maps of one run without workers."""
    store = shutil.copytree(area / "cube.zarr", tmp_path_factory.mktemp("one") / "cube.zarr")
    assert lulc_xr("classify", store, "--model", area / "model").returncode == 0
    return open_cube(store)[["land_cover", "land_cover_entropy"]].compute()


@pytest.fixture
def store(area, tmp_path):
    return Path(shutil.copytree(area / "cube.zarr", tmp_path / "cube.zarr"))


def lulc_xr(*arguments, **options):
    return subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def check_equal(store, undisturbed):
    made = open_cube(store)[["land_cover", "land_cover_entropy"]].compute()
    # Batches are the same, so even the last bit is.
    np.testing.assert_array_equal(made["land_cover"], undisturbed["land_cover"])
    np.testing.assert_array_equal(made["land_cover_entropy"], undisturbed["land_cover_entropy"])


def test_workers_make_the_same_map(area, store, undisturbed):
    done = lulc_xr("classify", store, "--model", area / "model", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "64 shards written" in done.stdout
    check_equal(store, undisturbed)
    assert lulc_xr("verify", store).returncode == 0


def test_running_scheduler_makes_the_same_map(area, store, undisturbed):
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        done = lulc_xr("classify", store, "--model", area / "model", "--scheduler", address)
    assert done.returncode == 0, done.stderr
    check_equal(store, undisturbed)


def test_no_scheduler_at_the_address(area, store):
    done = lulc_xr("classify", store, "--model", area / "model", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in done.stderr


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["threads", "workers"])
def test_stopped_by_ctrl_c_and_run_again(area, store, undisturbed, workers):
    command = [COMMAND, "classify", str(store), "--model", str(area / "model"), *workers]
    # A shell that started the tests in the background would have Ctrl-C ignored by all they start.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    # A group of its own gets the signal as a terminal would send it: workers too.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        signal.signal(signal.SIGINT, handler)
        while process.poll() is None and shards_done(store) < 3:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "stopped. What is written stays whole."
    done = shards_done(store)
    assert 3 <= done < 64
    assert lulc_xr("verify", store).returncode == 1
    again = lulc_xr("classify", store, "--model", area / "model")
    assert again.returncode == 0
    assert f"{64 - done} shards written" in again.stdout
    assert f"{done} were there before" in again.stdout
    check_equal(store, undisturbed)


def shards_done(store):
    """Shards recorded for both maps; one that was stopped between the two is done again."""
    group = open_group(store)
    ledgers = [find_ledger(group, name) for name in ("land_cover", "land_cover_entropy")]
    if None in ledgers:
        return 0
    first, second = (entries(ledger) != 0 for ledger in ledgers)
    return int((first & second).sum())


@pytest.mark.slow
def test_demo_makes_all_it_names(tmp_path):
    store, out = tmp_path / "flanders.zarr", tmp_path / "out"
    made = lulc_xr("demo", "--store", store, "--out", out, "--seeds", 2, cwd=ROOT)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    cube = open_cube(store)
    assert {"land_cover", "land_cover_entropy", "reference"} <= set(cube.data_vars)
    assert set(np.unique(cube["land_cover"])) <= {11, 13, 60, 99}
    samples = open_samples(tmp_path / "flanders_samples.zarr")
    counts = np.unique(samples["land_cover"], return_counts=True)[1]
    assert (counts[[0, 1, 3]] == 60).all()
    scores = json.loads((out / "scores.json").read_text())
    assert list(scores["each"]) == ["random forest", "TempCNN"]
    # Better than naming the most frequent class everywhere.
    for judged in scores["each"]["TempCNN"]:
        most = max(found["support"] for found in judged["classes"].values())
        assert judged["overall"] > most / judged["total"]
    assert (out / "flanders.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text(encoding="utf-8")
    # A narrow terminal folds long paths.
    assert str(out / "report.html") in "".join(made.stdout.split())
    overall = scores["each"]["TempCNN"][0]["overall"]
    # The report is of the first seed, whose share is rounded to 0.1 % on the page.
    shown = float(re.search(r"overall accuracy</span><b>([\d.]+)", page).group(1))
    assert abs(shown - 100 * overall) < 0.051
    assert "Do the probabilities mean what they say?" in page
    assert "data:image/png;base64," in page
    assert lulc_xr("verify", store).returncode == 0
    # In bfloat16 a model of 231 pixels agrees with itself at about 99.9 %: made, or refused.
    before = cube["land_cover"].values
    faster = ("--precision", "bfloat16", "--overwrite")
    done = lulc_xr("classify", store, "--model", out / "model", *faster)
    if done.returncode:
        assert "bfloat16 is refused for this model" in done.stderr
        assert "Use --precision float32" in done.stderr
    assert lulc_xr("verify", store).returncode == 0
    assert (open_cube(store)["land_cover"].values == before).mean() > 0.99
    # Run again it replaces its own store, and no other.
    shutil.rmtree(store)
    write_cube(landscape(), store)
    refused = lulc_xr("demo", "--store", store, "--out", out, cwd=ROOT)
    assert refused.returncode == 2
    assert "holds something else" in refused.stderr


def test_help_and_info_load_no_torch(area):
    for arguments in (["--help"], ["info", str(area / "cube.zarr")], ["verify", "--help"]):
        code = (
            "import sys; from lulc_xr.jobs.cli import app\n"
            f"app({arguments!r}, standalone_mode=False)\n"
            "assert 'torch' not in sys.modules, 'torch was loaded'"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
