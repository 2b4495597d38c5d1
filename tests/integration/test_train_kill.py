"""Killed training: a second run goes on from the last epoch and ends with the same classifier."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lulc_xr as lx
from tests.predictors import wait_for
from tests.train_children import STEPS_OF_AN_EPOCH, config, samples

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]


def child(folder, out, stop_at):
    command = [sys.executable, "-m", "tests.train_children", folder, out, stop_at, "tempcnn"]
    return subprocess.Popen([*map(str, command)], cwd=ROOT)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_killed_training_goes_on_with_the_same_result(tmp_path, epochs: int) -> None:
    undisturbed = lx.fit(samples(), config=config())
    folder, out = tmp_path / "checkpoints", tmp_path / "run"
    process = child(folder, out, epochs * STEPS_OF_AN_EPOCH + 2)
    wait_for(Path(f"{out}.waits").exists, "a step in the middle of an epoch", seconds=200)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    again = child(folder, out, -1)
    assert again.wait(timeout=200) == 0
    found = json.loads(Path(f"{out}.0.json").read_text())
    assert found["hash"] == undisturbed.content_hash
    assert found["scores"] == undisturbed.provenance["scores"]
    # It did not begin anew.
    assert found["steps"] == (6 - epochs) * STEPS_OF_AN_EPOCH
