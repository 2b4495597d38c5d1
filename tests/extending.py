"""Extends a store in a process of its own, which tests kill: at any moment, or at a given step.

Functions here are run by ``multiprocessing`` from a server that has imported the package
already, so that a test can afford dozens of processes.
"""

import multiprocessing
import os
import time
from pathlib import Path

import dask
import numpy as np

import lulc_xr as lx
from lulc_xr.cube import commit
from lulc_xr.testing import landscape
from tests.conftest import small_plan

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.extending"])

SIZES = {"y": 37, "x": 50, "time": 12}
SPLITS = {"time": 7, "y": 20, "x": 24, "band": 2}
PLAN = small_plan(16, 8)


def scene():
    """The whole cube; its first part is what the store holds before."""
    return landscape(**SIZES, bands=("green", "red", "nir"), seed=4)


def halves(dim):
    cube, at = scene(), SPLITS[dim]
    return cube.isel({dim: slice(at)}), cube.isel({dim: slice(at, None)})


def slow(block, seconds=0.0, gate=None):
    """A block that takes its time, or waits until a file is there."""
    time.sleep(seconds)
    while gate is not None and not Path(gate).exists():
        time.sleep(0.01)
    return block


def slowly(cube, seconds, gate=None):
    lazy = cube.chunk({"y": 16, "x": 16})
    data = lazy["reflectance"].data
    made = data.map_blocks(slow, seconds=seconds, gate=gate, dtype=data.dtype, meta=data._meta)
    lazy["reflectance"] = lazy["reflectance"].copy(data=made)
    lazy["reflectance"].encoding = cube["reflectance"].encoding
    return lazy


def extend(store, dim, seconds, gate=None):
    with dask.config.set(scheduler="threads", num_workers=2):
        cube = slowly(halves(dim)[1], seconds, gate)
        lx.extend_cube(cube, store, identity=dim, progress=False)


def build(store, seconds):
    with dask.config.set(scheduler="threads", num_workers=2):
        lx.build_cube(slowly(scene(), seconds), store, plan=PLAN, progress=False)


def fill(store, seconds):
    with dask.config.set(scheduler="threads", num_workers=2):
        lx.fill_unread(slowly(scene(), seconds), store, progress=False)


def extend_and_die(store, dim, step):
    """Extend, and die before the metadata of a node are replaced for the `step`th time."""
    replace, done = commit._replace, 0

    def counted(folder, document):
        nonlocal done
        if done == step:
            os._exit(7)
        done += 1
        replace(folder, document)

    commit._replace = counted
    extend(store, dim, 0)


def with_marks(cube):
    """The cube as if parts of two dates could not be read."""
    marks = np.zeros((12, 37, 50), np.uint8)
    marks[3, :20] = 1
    marks[8] = 1
    found = cube.copy(deep=True)
    reflectance = found["reflectance"]
    found["reflectance"] = reflectance.where(~marks.astype(bool)[:, None])
    found["reflectance"].encoding = reflectance.encoding
    found["clear"] = found["clear"] * (1 - marks)
    return found.assign(unread=(("time", "y", "x"), marks))
