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

import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene

MEMBERS = 5
REPEATS = 9
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


def map_once(cube: xr.Dataset, model: Any) -> Callable[[], object]:
    """One classification in memory, on one thread: reading, filling gaps, network, entropy."""
    return lambda: lx.classify(cube, model).compute(scheduler="synchronous")


def predict_once(cube: xr.Dataset, model: Any) -> Callable[[], object]:
    """The network alone, of a block in memory."""
    block = np.ascontiguousarray(cube["reflectance"].values[:, :, :64, :64], np.float32)
    days = np.arange(0, 15 * scene.DATES, 15, dtype=np.int32)
    return lambda: model.predict_block(block, days, None)


def seconds(call: Callable[[], object]) -> float:
    """Seconds of the processor for one call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def passes(one: Callable[[], object], many: Callable[[], object], *, repeats: int) -> float:
    """How many calls with one model a call with many costs: median of pairs.

    One goes before and one after each of the many, so that a slow moment meets both.
    """
    seconds(many)  # forms are built once
    found, before = [], seconds(one)
    for _ in range(repeats):
        took, after = seconds(many), seconds(one)
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
        one, many = (map_once(self.cube, model) for model in (self.one, self.many))
        return passes(one, many, repeats=3) / MEMBERS


def main() -> None:
    """Print what members of each kind and network cost."""
    cube = scene.tile(scene.half_months(), scene.SIDE)
    cube = xr.decode_cf(cube, mask_and_scale=True, decode_times=False)
    print(f"calls of one model that {MEMBERS} members cost; {scene.DATES} dates, one thread")
    print(f"{'':26}" + "".join(f"{kind:>12}" for kind in KINDS))
    for network in NETWORKS:
        one = train(network)
        for what, call in (("map", map_once), ("network alone", predict_once)):
            costs = [
                passes(call(cube, one), call(cube, make(one, MEMBERS)), repeats=REPEATS)
                for make in KINDS.values()
            ]
            print(f"{network:10}{what:16}" + "".join(f"{cost:12.2f}" for cost in costs))


if __name__ == "__main__":
    main()
