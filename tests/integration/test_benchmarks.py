"""Every benchmark runs once, on a small scene, and gives a number that can be one."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import scene

MODULES = ("allocation", "engine", "forward", "graph", "memory", "samples")

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
