"""Experiments in processes of their own: killed and continued, and on Dask workers."""

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ExperimentError, StoreError
from tests.predictors import wait_for

pytestmark = pytest.mark.integration

TEXT = """
samples = "samples.zarr"
budgets = [4, "all"]
seeds = 2

[[folds]]
method = "blocked"
block = 160
folds = 2

[train]
epochs = 2

[[method]]
network = "random_forest"
sizes = {n_estimators = 5}

[[method]]
network = "tempcnn"
sizes = {filters = 8}
"""
RUNS, DONE = 16, 7


@pytest.fixture
def file(tmp_path):
    """An experiment of 16 runs."""
    cube = lx.testing.landscape(y=48, x=48, time=12, bands=("red", "nir"), classes=3, seed=2)
    lx.write_samples(
        lx.extract_samples(cube, lx.testing.points(cube, per_class=12)), tmp_path / "samples.zarr"
    )
    path = tmp_path / "few.toml"
    path.write_text(TEXT)
    return path


def child(*arguments):
    command = [sys.executable, "-m", "tests.children", "experiment", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def scores(report_or_folder):
    """The table of results without what differs from time to time."""
    folder = getattr(report_or_folder, "folder", report_or_folder)
    return pd.read_parquet(Path(folder) / "results.parquet").drop(columns="seconds")


def test_a_killed_experiment_does_only_what_is_missing_and_ends_alike(file, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "runs"
    lx.run_experiment(file, folder=whole)
    process = child(file, folder, DONE)
    wait_for(Path(f"{folder}.waits").exists, "the eighth run")
    with pytest.raises(StoreError, match="being written by another process"):
        lx.run_experiment(file, folder=folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(list((folder / "runs").glob("*.json"))) == DONE
    records = {p.name: p.read_bytes() for p in (folder / "runs").iterdir()}

    changed = file.with_name("other.toml")
    changed.write_text(TEXT.replace("epochs = 2", "epochs = 3"))
    with pytest.raises(ExperimentError, match=f"{DONE} finished runs.*epochs: 2 -> 3"):
        lx.run_experiment(changed, folder=folder)
    assert {p.name: p.read_bytes() for p in (folder / "runs").iterdir()} == records

    process = child(file, folder, -1)
    said, _ = process.communicate(timeout=100)
    assert said.split() == [str(RUNS - DONE), str(DONE)]
    assert {n: b for n, b in records.items() if (folder / "runs" / n).read_bytes() != b} == {}
    pd.testing.assert_frame_equal(scores(folder), scores(whole))


def test_workers_give_what_one_process_gives(file, tmp_path):
    alone = lx.run_experiment(file, folder=tmp_path / "alone")
    together = lx.run_experiment(file, folder=tmp_path / "together", workers=2)
    assert (together.done, together.failed) == (RUNS, {})
    pd.testing.assert_frame_equal(scores(together), scores(alone))
