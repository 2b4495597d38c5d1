"""Networks on Europe: conditioning, place, land use, label budgets, ensembles.

``python -m benchmarks.evidence.europe_networks outputs/evidence/europe.zarr outputs/evidence/europe``
"""

from __future__ import annotations

import logging
import warnings
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

import lulc_xr as lx
from benchmarks.evidence import runs
from benchmarks.evidence.europe import CLIMATE

BUDGETS = (20, 100, 500, runs.ALL)
MEMBERS = 5
_SIZES = {"frequencies": 4}

# A method: conditioning, which context, tasks, sizes of the network.
METHODS: dict[str, dict[str, Any]] = {
    "plain": {},
    "waves": {"sizes": _SIZES},
    "embedding": {"conditioning": "embedding", "sizes": _SIZES},
    "cbn": {"conditioning": "cbn", "sizes": _SIZES},
    "cbn climate": {"conditioning": "cbn", "context": CLIMATE, "sizes": _SIZES},
    "cbn land use": {"conditioning": "cbn", "sizes": _SIZES, "tasks": "land_cover land_use"},
    "ensemble": {"conditioning": "cbn", "sizes": _SIZES, "members": MEMBERS},
    "ensemble waves": {"sizes": _SIZES, "members": MEMBERS},
    "ensemble land use": {
        "conditioning": "cbn", "sizes": _SIZES, "tasks": "land_cover land_use", "members": MEMBERS,
    },
}  # fmt: skip


def config(budget: int, seed: int, **settings: Any) -> lx.TrainConfig:
    """Settings of a run, chosen on validation blocks inside the training folds of fold 0."""
    few = {20: (60, 64), 100: (60, 128), 500: (40, 256)}
    epochs, batch = few.get(budget, (12, 1024))
    return lx.TrainConfig(
        epochs=epochs,
        batch_size=batch,
        label_smoothing=0.0 if budget == runs.ALL else 0.1,
        seed=seed,
        allow_missing_classes=True,
        **settings,
    )


def train(
    samples: xr.Dataset, method: str, *, budget: int, seed: int
) -> lx.Classifier | lx.Ensemble:
    """The classifier of a method, or the ensemble; the members of one differ by their seeds."""
    settings = dict(METHODS[method])
    tasks, members = settings.pop("tasks", "land_cover"), settings.pop("members", 1)
    given = samples.assign_attrs(tasks=tasks)
    made = [
        lx.fit(given, "resmlp", config=config(budget, 1000 * member + seed, **settings))
        for member in range(members)
    ]
    return lx.Ensemble(made) if members > 1 else made[0]


def main() -> None:
    """All methods and budgets; the rows go to the folder of the command line."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
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
    test = samples[folds].values == fold
    train_at = runs.draw(
        samples["land_cover"].values, np.flatnonzero(~test), budget=budget, seed=seed
    )
    model = train(samples.isel(sample=train_at), method, budget=budget, seed=seed)
    found = model.predict(samples.isel(sample=np.flatnonzero(test)))
    return runs.scores(found["land_cover"].values, samples["land_cover"][test])


if __name__ == "__main__":
    main()
