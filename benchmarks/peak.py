"""Print the peak memory (MiB) of a process that classifies a store with a model in bfloat16."""

from __future__ import annotations

import resource
import sys

import dask

import lulc_xr as lx
from benchmarks import stages

store, model = sys.argv[1:]
with dask.config.set(scheduler="synchronous"):
    stages.classify(store, lx.load_classifier(model), precision="bfloat16")
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
