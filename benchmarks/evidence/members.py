"""What members gain over one network on the chip of Flanders: accuracy, and what it says of errors.

``python -m benchmarks.evidence.members`` trains and prints the table, in minutes on one core.

A seed decides blocks, labels and weights. All models of a seed learn from the same 60 labels of
each class, and are judged on all pixels of the same other blocks. The single network is the first
member of the ensemble; Monte Carlo dropout and test-time augmentation are made of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import lulc_xr as lx
from benchmarks.evidence import few_labels

BUDGET, MEMBERS, DROPOUT = 60, 5, 0.3
SCORES = {
    "accuracy": "accuracy",
    "NLL": "negative log-likelihood",
    "Brier": "Brier score",
    "AUROC": "AUROC of entropy for errors",
}
SINGLE = "single network"


def models(labelled: xr.Dataset, seed: int) -> Iterator[tuple[str, Any]]:
    """Each model by its name; seeds of different runs share no weights."""
    config = lx.TrainConfig(seed=100 * seed, sizes=few_labels.SIZES)
    ensemble = lx.fit_ensemble(labelled, members=MEMBERS, config=config)
    single = ensemble.members[0]
    yield SINGLE, single
    yield f"ensemble of {MEMBERS}", ensemble
    yield f"{MEMBERS} snapshots", lx.fit_snapshots(labelled, members=MEMBERS, config=config)
    yield "MC dropout, 10 draws", lx.MonteCarloDropout(single, members=10, seed=seed)
    yield "test-time augmentation, 8 views", lx.TestTimeAugmentation(single, members=8, seed=seed)
    sizes = few_labels.SIZES | {"dropout": DROPOUT}
    dropped = lx.fit(labelled, config=lx.TrainConfig(seed=100 * seed, sizes=sizes))
    yield f"single network, dropout {DROPOUT}", dropped
    yield f"MC dropout {DROPOUT}, 10 draws", lx.MonteCarloDropout(dropped, members=10, seed=seed)


def judge(model: Any, test: xr.Dataset) -> dict[str, float]:
    """Scores of the probabilities that a model gives the test pixels."""
    found = model.predict(test)["land_cover_probability"]
    scores = lx.calibration_scores(found, test["land_cover"], repeats=0)
    return {short: scores[name] for short, name in SCORES.items()}


def run(seeds: range) -> pd.DataFrame:
    """One row per seed and model."""
    pixels = few_labels.load_pixels("flanders", None)
    rows = []
    for seed in seeds:
        training, test = few_labels.split(pixels, place="flanders", seed=seed, develop=False)
        rng = np.random.default_rng((seed, BUDGET))
        labelled = training.isel(sample=few_labels.draw_labels(training, budget=BUDGET, rng=rng))
        for name, model in models(labelled, seed):
            rows.append({"seed": seed, "model": name, **judge(model, test)})
    return pd.DataFrame(rows)


def show(table: pd.DataFrame) -> None:
    """Print means over the seeds, and the paired difference to the single network."""
    print(f"{table['seed'].nunique()} seeds, {BUDGET} labels per class; mean, and in brackets the")
    print("difference to the single network with its 95 % interval")
    print(f"{'':32}" + "".join(f"{score:>28}" for score in SCORES))
    for name in table["model"].unique():
        cells = []
        for score in SCORES:
            wide = table.pivot(index="seed", columns="model", values=score)
            mean = wide[name].mean()
            gain, half = lx.mean_and_interval((wide[name] - wide[SINGLE]).tolist())
            said = f"{mean:.3f}" + (f" ({gain:+.3f} ± {half:.3f})" if name != SINGLE else "")
            cells.append(f"{said:>28}")
        print(f"{name:32}" + "".join(cells))


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    begun = time.perf_counter()
    show(run(range(given.seeds)))
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
