"""Every benchmark runs once, on a small scene, and gives a number that can be one."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from benchmarks import scene, stages

MODULES = (
    "allocation",
    "applicability",
    "build",
    "change",
    "climate",
    "composite",
    "engine",
    "extend",
    "forward",
    "fractions",
    "graph",
    "judging",
    "members",
    "memory",
    "objects",
    "networks",
    "samples",
    "stac",
    "uncertainty",
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def questions() -> Iterator[Any]:
    for name in MODULES:
        module = importlib.import_module(f"benchmarks.{name}")
        for title, made in vars(module).items():
            own = inspect.isclass(made) and made.__module__ == module.__name__
            if own and not title.startswith("_"):
                yield pytest.param(made, id=f"{name}.{title}")


@pytest.mark.parametrize("question", list(questions()))
def test_benchmark_runs(question: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "SIDE", 64)
    benchmark = question()
    cache = (benchmark.setup_cache(),) if hasattr(benchmark, "setup_cache") else ()
    params = getattr(benchmark, "params", ())
    axes = params if params and isinstance(params[0], tuple) and question.__name__ == "Form" else ()
    choices = itertools.product(*axes) if axes else ([(p,) for p in params] or [()])
    choice = next(iter(choices))
    if hasattr(benchmark, "setup"):
        benchmark.setup(*cache, *choice)
    methods = [m for m in dir(benchmark) if m.startswith(("time_", "track_"))]
    assert methods
    for method in methods:
        value = getattr(benchmark, method)(*cache, *choice)
        if method.startswith("track_"):
            assert math.isfinite(value)
            assert value > 0


def test_the_usual_way_and_ours_give_the_same_map(tmp_path: Path) -> None:
    store = scene.make_store(tmp_path, side=96)
    classifier = lx.load_classifier(scene.train(tmp_path))
    naive = tmp_path / "naive.zarr"
    stages.classify_naively(store, classifier, naive)
    maps = (
        lx.open_cube(store).lulc.classify(classifier, outputs=("land_cover", "entropy")).compute()
    )
    theirs = xr.open_zarr(naive, consolidated=False).compute()
    entropy = maps["land_cover_entropy"].squeeze("year")
    # Probabilities within 1e-5 move the entropy of four classes by less than 1e-3.
    np.testing.assert_allclose(entropy, theirs["land_cover_entropy"], atol=1e-3)
    differ = (maps["land_cover"].squeeze("year") != theirs["land_cover"]).values
    probability = lx.open_cube(store).lulc.classify(classifier, outputs=("probability",))
    two = np.sort(probability["land_cover_probability"].values[0], axis=0)[-2:]
    # Only a tie, as close as rounding, may go either way.
    assert ((two[1] - two[0])[differ] < 1e-5).all()
    assert differ.mean() < 0.001
