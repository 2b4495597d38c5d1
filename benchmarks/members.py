"""Members: what do n of them cost beside one forward pass, with reading and all?

``python -m benchmarks.members`` prints the table; ``LULC_XR_BENCH_SIDE`` sets the side of the
scene.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene

MEMBERS = 5
REPEATS = 7
KINDS: dict[str, Callable[[lx.Classifier, int], Any]] = {
    "ensemble": lambda classifier, members: lx.Ensemble([classifier] * members),
    "dropout": lambda classifier, members: lx.MonteCarloDropout(classifier, members=members),
    "views": lambda classifier, members: lx.TestTimeAugmentation(classifier, members=members),
}
NETWORKS = ("tempcnn", "ltae", "resmlp")


def train(network: str) -> lx.Classifier:
    """A classifier of the scene, of one epoch: its speed does not depend on its weights."""
    cube = scene.half_months()
    points = lx.testing.points(cube, per_class=20, seed=scene.SEED)
    dates = lx.RawDates(maximum=scene.DATES, minimum=scene.DATES, fill="linear")
    samples = lx.extract_samples(cube, points, dates=dates)
    return lx.fit(samples, network, config=lx.TrainConfig(epochs=1))


def seconds(cube: xr.Dataset, model: Any) -> float:
    """Seconds of the processor for one classification in memory, on one thread."""
    begun = time.process_time()
    lx.classify(cube, model).compute(scheduler="synchronous")
    return time.process_time() - begun


def passes(cube: xr.Dataset, one: Any, many: Any, *, repeats: int = REPEATS) -> float:
    """How many classifications with one model that with many costs: median of pairs.

    One goes before and one after each of the many, so that a slow moment meets both.
    """
    seconds(cube, many)  # forms are built once
    found = []
    before = seconds(cube, one)
    for _ in range(repeats):
        took = seconds(cube, many)
        after = seconds(cube, one)
        found.append(2 * took / (before + after))
        before = after
    return statistics.median(found)


class Cost:
    """How many forward passes do the members of each kind cost?"""

    timeout = 600
    params = tuple(KINDS)
    param_names = ("kind",)

    def setup_cache(self) -> str:
        """A folder with the classifier."""
        return str(train("tempcnn").save(Path(tempfile.mkdtemp(prefix="lulc_xr_asv_")) / "model"))

    def setup(self, model: str, kind: str) -> None:
        """The scene in memory, and the model."""
        self.cube = scene.tile(scene.half_months(), scene.SIDE)
        self.cube = xr.decode_cf(self.cube, mask_and_scale=True, decode_times=False)
        self.one = lx.load_classifier(model)
        self.many = KINDS[kind](self.one, MEMBERS)

    def track_passes_per_member(self, model: str, kind: str) -> float:
        """Forward passes of one classifier, per member."""
        return passes(self.cube, self.one, self.many, repeats=3) / MEMBERS


def main() -> None:
    """Print what members of each kind and network cost."""
    cube = scene.tile(scene.half_months(), scene.SIDE)
    cube = xr.decode_cf(cube, mask_and_scale=True, decode_times=False)
    print(f"{MEMBERS} members, {scene.SIDE} x {scene.SIDE} pixels, {scene.DATES} dates, one thread")
    print(f"{'network':10}" + "".join(f"{kind:>12}" for kind in KINDS) + f"{'seconds of one':>18}")
    with dask.config.set(scheduler="synchronous"):
        for network in NETWORKS:
            one = train(network)
            found = [passes(cube, one, make(one, MEMBERS)) for make in KINDS.values()]
            alone = statistics.median(seconds(cube, one) for _ in range(3))
            print(f"{network:10}" + "".join(f"{n:12.2f}" for n in found) + f"{alone:18.2f}")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
