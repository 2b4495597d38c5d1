"""What does it gain that memory freed between layers stays with the process?"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

import dask
import distributed  # noqa: F401  (brings its settings)
import numpy as np
import torch

import lulc_xr as lx
from benchmarks import scene, stages

BANDS = tuple(f"band{i}" for i in range(10))
PIXELS = 4096
_WORKER_ENVIRONMENT = "distributed.nanny.pre-spawn-environ"


class KeptMemory:
    """A network's speed after the first prediction of a process, over that before it."""

    params = ("float32", "bfloat16")
    param_names = ("precision",)

    def track_speed_over_default(self, precision: str) -> float:
        """In a fresh process with the environment of a Dask worker; the setting stays for good."""
        command = [sys.executable, "-m", "benchmarks.allocation", precision]
        worker = {k: str(v) for k, v in dask.config.get(_WORKER_ENVIRONMENT).items()}
        done = subprocess.run(
            command, check=True, capture_output=True, cwd=scene.ROOT, env=os.environ | worker
        )
        return float(done.stdout)


def measure(precision: str) -> float:
    """Seconds of a form before a classifier has predicted, per second of it afterwards."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    legend = lx.Legend.from_names("five", list("abcde"))
    network = lx.make_network(
        "tempcnn", bands=len(BANDS), dates=scene.DATES, classes={"land_cover": len(legend)}
    ).eval()
    form = network.inference_form(dtype=getattr(torch, precision))
    days = np.arange(scene.DATES, dtype=np.int32) * 15
    pixels = np.random.default_rng(0).random((scene.DATES, len(BANDS), 8, PIXELS // 8), np.float32)
    tensor = torch.from_numpy(pixels.reshape(scene.DATES, len(BANDS), PIXELS))

    def run() -> float:
        form(tensor)
        return median(stages.seconds(lambda: form(tensor)) for _ in range(9))

    before = run()
    dates = lx.RawDates(maximum=scene.DATES, minimum=scene.DATES)
    spec = lx.ModelSpec(bands=BANDS, legends={"land_cover": legend}, dates=dates)
    lx.Classifier(network, name="tempcnn", spec=spec).predict_block(pixels, days)
    return before / run()


if __name__ == "__main__":
    sys.stdout.write(f"{measure(sys.argv[1])}\n")
