"""Several processes that train together: batches are shared, results are the same."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def train(out, *, processes, network, folder="", stop_at=-1):
    """What each process says of the classifier that it was given."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*start, "-m", "tests.train_children", folder, out, stop_at, network]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, timeout=300)
    return [json.loads(Path(f"{out}.{rank}.json").read_text()) for rank in range(processes)]


def test_two_processes_give_what_one_gives(tmp_path) -> None:
    """A network without batch norm: sums in another order are all that differs."""
    (alone,) = train(tmp_path / "alone", processes=1, network="plain")
    first, second = train(tmp_path / "both", processes=2, network="plain")
    assert first["steps"] == second["steps"] == alone["steps"]
    assert first["hash"] == second["hash"]
    assert first["scores"] == second["scores"]
    for name, weights in alone["weights"].items():
        np.testing.assert_allclose(first["weights"][name], weights, atol=1e-5, err_msg=name)
    assert first["scores"]["validation_loss"] == pytest.approx(
        alone["scores"]["validation_loss"], abs=1e-5
    )
    assert first["scores"]["training_loss"] == pytest.approx(
        alone["scores"]["training_loss"], abs=1e-5
    )


def test_with_batch_norm_all_processes_give_the_same_again_and_again(tmp_path) -> None:
    """Batch norm sees the part of each process: close to one process, and the same every time."""
    first, second = train(tmp_path / "one", processes=2, network="tempcnn")
    again, _ = train(tmp_path / "two", processes=2, network="tempcnn")
    assert first["hash"] == second["hash"] == again["hash"]
    assert first["scores"] == again["scores"]
    assert first["steps"] == 6 * 5
