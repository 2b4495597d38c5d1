"""Trees on Europe: random forest and LightGBM, with and without climate and place.

``python -m benchmarks.evidence.europe_trees outputs/evidence/europe.zarr outputs/evidence/europe``
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import lightgbm
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from benchmarks.evidence import runs

BUDGETS = (20, 100, 500, runs.ALL)


def forest(budget: int, seed: int) -> Any:
    """A random forest of 100 trees."""
    return RandomForestClassifier(
        100, min_samples_leaf=2 if budget == runs.ALL else 1, n_jobs=1, random_state=seed
    )


def boosted(budget: int, seed: int) -> Any:
    """LightGBM; fewer and smaller trees where there are few labels."""
    few = {20: (100, 4, 3), 100: (150, 8, 5), 500: (200, 15, 10)}
    trees, leaves, least = few.get(budget, (250, 31, 20))
    return lightgbm.LGBMClassifier(
        n_estimators=trees,
        num_leaves=leaves,
        min_child_samples=least,
        learning_rate=0.08,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.4,
        n_jobs=1,
        random_state=seed,
        verbose=-1,
    )


Make = Callable[[int, int], Any]
METHODS: dict[str, tuple[Make, bool]] = {
    "lightgbm": (boosted, False),
    "lightgbm+context": (boosted, True),
    "forest": (forest, False),
    "forest+context": (forest, True),
}


def main() -> None:
    """All budgets; the rows go to the folder of the command line."""
    warnings.simplefilter("ignore")
    samples, table, chosen = runs.begin(methods=METHODS, budgets=BUDGETS)
    for budget, fold, seed, method in chosen.runs(samples):
        table.do(
            partial(_run, samples, method, fold, budget, seed, chosen.folds),
            experiment="europe",
            method=method,
            folds=chosen.folds,
            fold=fold,
            budget=budget,
            seed=seed,
        )
    table.table()


def _run(
    samples: xr.Dataset, method: str, fold: int, budget: int, seed: int, folds: str
) -> dict[str, Any]:
    make, context = METHODS[method]
    values: NDArray[np.float32] = samples["reflectance"].values[:, 0]
    if context:
        values = np.concatenate([values, samples["bioclim"].values], axis=1)
    labels = samples["land_cover"].values
    test = samples[folds].values == fold
    train = runs.draw(labels, np.flatnonzero(~test), budget=budget, seed=seed)
    model = make(budget, seed).fit(values[train], labels[train])
    return runs.scores(model.predict(values[test]), samples["land_cover"][test])


if __name__ == "__main__":
    main()
