"""Uncertainty beside a class map: what do measures, members, sets and dissimilarity cost?

``python -m benchmarks.uncertainty`` prints all ratios. Times are seconds of the processor, of one
thread, so that others on the machine do not count.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask
import numpy as np

import lulc_xr as lx
from benchmarks import scene, stages

_ROUNDS = 5
_MEMBERS = 5
_REFERENCES = 1000


def cost(run: Callable[[], Any], beside: Callable[[], Any], *, rounds: int = _ROUNDS) -> float:
    """Seconds of `run` per second of `beside`, each the best of some rounds in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    run(), beside()
    for _ in range(rounds):
        for call, own in zip((run, beside), times, strict=True):
            start = time.process_time()
            call()
            own.append(time.process_time() - start)
    return min(times[0]) / min(times[1])


class _Scene:
    """A cube in memory and a classifier, made once for all benchmarks of a class."""

    params = ("float32", "bfloat16")
    param_names = ("precision",)
    timeout = 600

    def setup_cache(self) -> tuple[str, str]:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        side = min(scene.SIDE, 256)
        return str(scene.make_store(folder, side=side)), str(scene.train(folder))

    def setup(self, made: tuple[str, str], precision: str) -> None:
        self.cube = lx.open_cube(made[0]).load()
        self.model = lx.load_classifier(made[1])
        self.legend = self.model.spec.legends["land_cover"]

    def classify(self, precision: str, *outputs: str, model: Any = None) -> Callable[[], Any]:
        """A call that makes these outputs of the whole cube on one thread."""

        def run() -> Any:
            with dask.config.set(scheduler="synchronous"):
                return lx.classify(
                    self.cube, model or self.model, outputs=outputs, precision=precision
                ).compute()

        return run

    def forward(self, precision: str) -> Callable[[], Any]:
        """A call that only runs the network, on as many pixels in memory."""
        model = self.model.with_precision(precision)
        series = self.cube["reflectance"].sel(band=list(model.spec.bands)).values
        days = (15 * np.arange(len(series))).astype(np.int32)
        height, width = series.shape[2:]
        rows = max(1, stages.PATCH[0] * stages.PATCH[1] // width)
        strips = [series[:, :, y : y + rows].copy() for y in range(0, height, rows)]

        def run() -> None:
            for strip in strips:
                model.predict_block(strip, days, None)

        return run


class Measures(_Scene):
    """What do entropy, margin and least confidence cost over the class map?"""

    def track_cost_of_measures(self, made: tuple[str, str], precision: str) -> float:
        """Class map, entropy, margin, least confidence over class map alone; wanted <= 1.05."""
        measures = ("land_cover", "entropy", "margin", "least_confidence")
        return cost(self.classify(precision, *measures), self.classify(precision, "land_cover"))


class Members(_Scene):
    """What do the parts of uncertainty of five members cost, in passes of one?"""

    def track_passes(self, made: tuple[str, str], precision: str) -> float:
        """Classification with both parts over one pass in memory; wanted <= 5.2."""
        parts = ("land_cover", "entropy", "aleatoric", "epistemic")
        members = lx.Ensemble([self.model] * _MEMBERS)
        return cost(
            self.classify(precision, *parts, model=members), self.forward(precision), rounds=3
        )

    def track_maps(self, made: tuple[str, str], precision: str) -> float:
        """The same over the class map of one, reading included."""
        parts = ("land_cover", "entropy", "aleatoric", "epistemic")
        members = lx.Ensemble([self.model] * _MEMBERS)
        return cost(
            self.classify(precision, *parts, model=members),
            self.classify(precision, "land_cover"),
            rounds=3,
        )


class Sets(_Scene):
    """What do conformal sets cost over the class map?"""

    params: Sequence[Any] = ("lac", "aps", "raps")
    param_names = ("method",)

    def track_cost_of_sets(self, made: tuple[str, str], method: str) -> float:
        """Class map and size of the sets over class map alone, in float32."""
        rule = lx.Conformal(
            method=method,
            coverage=0.9,
            thresholds={"land_cover": ((0.8,) * len(self.legend),)},
            penalty=0.01 if method == "raps" else 0.0,
        )
        model = self.model.attach(conformal=rule)
        return cost(
            self.classify("float32", "land_cover", "set_size", model=model),
            self.classify("float32", "land_cover"),
        )


class Dissimilarity(_Scene):
    """What does the dissimilarity to a thousand training samples cost over the class map?"""

    params: Sequence[Any] = (_REFERENCES,)
    param_names = ("references",)

    def track_cost_of_dissimilarity(self, made: tuple[str, str], references: int) -> float:
        """Class map and dissimilarity over class map alone, in float32."""
        features = scene.DATES * len(self.model.spec.bands)
        rng = np.random.default_rng(0)
        rule = lx.Applicability(
            mean=np.full(features, 0.2, np.float32),
            scale=np.full(features, 0.1, np.float32),
            weight=np.ones(features, np.float32),
            reference=rng.normal(size=(references, features)).astype(np.float32),
            mean_distance=float(np.sqrt(2 * features)),
            threshold=1.0,
        )
        model = self.model.attach(applicability=rule)
        return cost(
            self.classify("float32", "land_cover", "dissimilarity", model=model),
            self.classify("float32", "land_cover"),
        )


def main() -> None:
    """Print every ratio."""
    made = _Scene().setup_cache()
    for question in (Measures, Members, Sets, Dissimilarity):
        for choice in question.params:
            asked = question()
            asked.setup(made, choice)
            for name in (n for n in dir(asked) if n.startswith("track_")):
                value = getattr(asked, name)(made, choice)
                print(f"{question.__name__}.{name} ({choice}): {value:.3f}")


if __name__ == "__main__":
    main()
