"""Networks on Europe: conditioning, place, land use, label budgets, ensembles.

``python -m benchmarks.evidence.europe_networks outputs/evidence/europe.zarr FOLDER``
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
MEMBERS = 4
_SMALL = {"width": 128, "hidden": 128, "blocks": 2}
_WAVES = _SMALL | {"frequencies": 4}
_CBN = {"conditioning": "cbn", "sizes": _WAVES}
_TASKS = "land_cover land_use"

NOISE = lx.Augmentation(noise=0.3)

# A method: conditioning, which context, tasks, sizes of the network, members.
METHODS: dict[str, dict[str, Any]] = {
    "plain": {"sizes": _SMALL},
    "waves": {"sizes": _WAVES},
    "cbn": _CBN,
    "cbn climate": _CBN | {"context": CLIMATE},
    "embedding": _CBN | {"conditioning": "embedding"},
    "cbn land use": _CBN | {"tasks": _TASKS},
    "cbn a little land use": _CBN
    | {"tasks": _TASKS, "task_weights": {"land_cover": 1.0, "land_use": 0.2}},
    # Members that take the climate in two ways err in other places.
    "ensemble": _CBN | {"conditioning": ("cbn", "embedding"), "members": MEMBERS},
    # Values are logarithms and ratios: noise is what changes them without changing a class.
    "noise": {"conditioning": "embedding", "sizes": _SMALL, "augmentation": NOISE},
    "fixmatch": {
        "conditioning": "embedding",
        "sizes": _SMALL,
        "augmentation": NOISE,
        "method": lx.FixMatch(weak=lx.Augmentation(), strong=NOISE),
    },
    "large ensemble": {
        "conditioning": ("cbn", "embedding"),
        "sizes": {"frequencies": 4},
        "members": 3,
        "epochs": 12,
        "learning_rate": 2e-3,
    },
}


def config(budget: int, seed: int, **settings: Any) -> lx.TrainConfig:
    """Settings of a run, chosen on validation blocks inside the training folds of fold 0."""
    few = {20: (60, 64), 100: (60, 128), 500: (40, 256)}
    epochs, batch = few.get(budget, (8, 1024))
    chosen = {
        "epochs": epochs,
        "batch_size": batch,
        "learning_rate": 4e-3 if budget == runs.ALL else 2e-3,
        "label_smoothing": 0.0 if budget == runs.ALL else 0.1,
        "seed": seed,
        "allow_missing_classes": True,
    }
    return lx.TrainConfig(**chosen | settings)


def train(
    samples: xr.Dataset, method: str, *, budget: int, seed: int, unlabelled: xr.Dataset
) -> lx.Classifier | lx.Ensemble:
    """The classifier of a method, or the ensemble; the members of one differ by their seeds."""
    settings = dict(METHODS[method])
    tasks, members = settings.pop("tasks", "land_cover"), settings.pop("members", 1)
    given, learning = samples.assign_attrs(tasks=tasks), settings.pop("method", None)
    more = unlabelled.assign_attrs(tasks=tasks) if learning else None
    made = []
    for member in range(members):
        own = dict(settings)
        if isinstance(own.get("conditioning"), tuple):
            own["conditioning"] = own["conditioning"][member % len(own["conditioning"])]
        chosen = config(budget, 1000 * member + seed, **own)
        made.append(lx.fit(given, "resmlp", config=chosen, method=learning, unlabelled=more))
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
    # Among few points the radar may have seen all of them: a flag without a meaning.
    values = samples["reflectance"].values[train_at, 0]
    samples = samples.isel(band=np.flatnonzero(np.ptp(values, axis=0) > 0))
    others = np.setdiff1d(np.flatnonzero(~test), train_at)
    model = train(
        samples.isel(sample=train_at),
        method,
        budget=budget,
        seed=seed,
        unlabelled=samples.isel(sample=others),
    )
    judged, reference = samples.isel(sample=np.flatnonzero(test)), samples["land_cover"][test]
    made = runs.scores(model.predict(judged)["land_cover"].values, reference)
    if isinstance(model, lx.Ensemble):
        each = model.predict_members(judged)["land_cover"].values
        made["member_f1"] = [runs.scores(own, reference)["macro_f1"] for own in each]
    return made


if __name__ == "__main__":
    main()
