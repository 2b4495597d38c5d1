"""Runs one writing job in a process of its own, so that tests can kill it.

``python -m tests.children write STORE LOG STOP_AFTER MODEL_HASH OVERWRITE``
``python -m tests.children promote STORE PARTS``
``python -m tests.children sample STORE OUT STOP_AFTER``
``python -m tests.children context STORE PARTS``
``python -m tests.children experiment FILE FOLDER STOP_AFTER``
"""

import ctypes
import os
import sys
import threading
from pathlib import Path

import dask
import numpy as np

from lulc_xr.cube import context, staging
from lulc_xr.cube.store import open_cube
from lulc_xr.cube.write import write_variables
from lulc_xr.jobs import experimenting
from lulc_xr.prediction.classify import classify
from lulc_xr.samples import resume
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import points
from tests.predictors import Logging


def make_model(log, model_hash, **settings):
    """Models of two names see the bands in another order, so their maps differ."""
    bands = ("nir", "red") if model_hash == "second" else ("red", "nir")
    return Logging(log, content_hash=model_hash, bands=bands, **settings)


def write(store, log, stop_after, model_hash, overwrite):
    """Classify a store; stop before block number `stop_after` (-1: never)."""
    stop = int(stop_after)
    model = make_model(log, model_hash, stop_after=stop if stop >= 0 else None, gate=f"{log}.gate")
    result = classify(open_cube(store), model)
    with dask.config.set(scheduler="threads", num_workers=2):
        report = write_variables(result, store, overwrite=overwrite == "1", progress=False)
    print(report.written, report.skipped)


def promote(store, parts):
    """Write the replacement of another model, and die once `parts` folders are exchanged."""
    done = 0
    exchange = staging.exchange

    def counted(new, old):
        nonlocal done
        if done == int(parts):
            os._exit(7)
        exchange(new, old)
        done += 1

    staging.exchange = counted
    result = classify(open_cube(store), make_model(f"{store}.log", "second"))
    write_variables(result, store, overwrite=True, progress=False)


def sample(store, out, stop_after):
    """Samples at points of a cube; stand still before batch number `stop_after` (-1: never)."""
    read, begun = resume.read_series, 0

    def counted(*arguments, **named):
        nonlocal begun
        if begun == int(stop_after):
            Path(f"{out}.waits").touch()
            threading.Event().wait()
        begun += 1
        return read(*arguments, **named)

    resume.read_series = counted
    # A few chunks a batch, so that a small cube has many of them.
    resume._BATCH_CHUNKS = 3
    cube = open_cube(store)
    made = extract_samples(cube, points(cube, per_class=30), patch=3, store=out)
    print(begun, made.sizes["sample"])


def put_context(store, parts):
    """Replace the context of a store by another, and die once `parts` folders are in place."""
    done = 0
    exchange = context.exchange

    def counted(new, old):
        nonlocal done
        if done == int(parts):
            os._exit(7)
        exchange(new, old)
        done += 1

    context.exchange = counted
    old = open_cube(store)["bioclim"].load()
    context.write_context(finer(old), store, overwrite=True)


def experiment(file, folder, stop_after):
    """An experiment; stand still before run number `stop_after` (-1: never)."""
    execute, begun = experimenting.execute, 0

    def counted(*arguments):
        nonlocal begun
        if begun == int(stop_after):
            Path(f"{folder}.waits").touch()
            threading.Event().wait()
        begun += 1
        return execute(*arguments)

    experimenting.execute = counted
    report = experimenting.run_experiment(file, folder=folder)
    print(report.done, report.skipped)


def finer(old):
    """The same context on a grid of half the step, plus 1."""
    places = {
        name: np.linspace(*old[name].values[[0, -1]], 2 * old.sizes[name] - 1)
        for name in ("y_bioclim", "x_bioclim")
    }
    return (old.interp(places) + 1).astype(np.float32)


if __name__ == "__main__":
    # A test that is killed itself must not leave this process behind (PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, 9)
    {
        "write": write,
        "promote": promote,
        "sample": sample,
        "context": put_context,
        "experiment": experiment,
    }[sys.argv[1]](*sys.argv[2:])
