"""Several tasks and class weights on the two chips of Flanders: what they gain, paired by seed.

``python -m benchmarks.evidence.tasks --out FOLDER`` writes ``tasks_*.md`` and ``weights_*.md``;
``--only tasks`` or ``--only weights`` does one of them. About ten minutes of one core.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import xarray as xr

import lulc_xr as lx

STORES = Path(__file__).parents[2] / "zarr_stores"
PLACES = ("flanders", "flanders_polder")
SEEDS = range(5)
BUDGETS = (5, 20, 60)
DATES = lx.RegularDates(start_month=11)
BLOCK = 80.0  # metres, side of the blocks that folds are made of
NETWORK = {"filters": 32, "dense": 64}
RULES: dict[str, dict[str, object]] = {
    "none": {},
    "balanced": {"class_weights": "balanced"},
    "effective 0.99": {"class_weights": "effective", "effective_beta": 0.99},
    "effective 0.999": {"class_weights": "effective", "effective_beta": 0.999},
    "focal 2": {"focal_gamma": 2.0},
    "balanced, focal 2": {"class_weights": "balanced", "focal_gamma": 2.0},
}
LABELS = 200  # of an area as it is, so that rare classes stay rare


def load_place(name: str) -> tuple[ModuleType, xr.Dataset]:
    """The recipe of a place, and every labelled pixel of it as a sample, in two folds."""
    spec = importlib.util.spec_from_file_location(name, STORES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    raw = STORES / "raw"
    cube = recipe.make_cube(raw)
    y, x = np.meshgrid(cube["y"].values, cube["x"].values, indexing="ij")
    points = pd.DataFrame(
        {
            "x": x.ravel(),
            "y": y.ravel(),
            "cover": recipe.make_reference(raw).values.ravel(),
            "crop": recipe.make_crop_type(raw).values.ravel(),
        }
    )
    points = points[points["cover"] != 255]
    labels = {"land_cover": ("cover", recipe.LEGEND), "crop_type": ("crop", recipe.CROPS)}
    samples = lx.extract_samples(cube, points, dates=DATES, labels=labels)
    return recipe, lx.make_folds(samples, block=BLOCK, folds=2, seed=0)


def compare_together(name: str, samples: xr.Dataset, out: Path) -> None:
    """Land cover and crop type together against alone, at several budgets, weights 1 or learned."""
    for rule, budget in [*((None, n) for n in BUDGETS), ("uncertainty", 20)]:
        config = lx.TrainConfig(sizes=NETWORK, task_weights=rule, allow_missing_classes=True)
        found = lx.compare_tasks(samples, config=config, seeds=SEEDS, per_class=budget)
        stem = f"tasks_{name}_{rule or 'equal'}_{budget}"
        found.save(out / f"{stem}.csv")
        print(f"{stem}\n{found.save(out / f'{stem}.md').read_text()}", flush=True)


def compare_weights(name: str, recipe: ModuleType, samples: xr.Dataset, out: Path) -> None:
    """Class weights and focal loss with labels that are as rare as their class."""
    samples = samples.assign_attrs(tasks="land_cover")
    results: dict[str, list[lx.Accuracy]] = {rule: [] for rule in RULES}
    folds = samples["fold"].values
    for seed in SEEDS:
        drawn = {
            fold: _draw(samples, folds, fold=fold, seed=seed)
            for fold in np.unique(folds[folds >= 0])
        }
        for rule, settings in RULES.items():
            parts = []
            for fold, training in drawn.items():
                config = lx.TrainConfig(
                    sizes=NETWORK, seed=seed, loss=lx.LossConfig(**settings),
                    allow_missing_classes=True,
                )  # fmt: skip
                test = samples.isel(sample=folds == fold)
                made = lx.fit(training, config=config).predict(test)["land_cover"]
                parts.append((made.values, test["land_cover"].values))
            predicted, reference = (
                xr.DataArray(np.concatenate(side), dims="sample")
                for side in zip(*parts, strict=True)
            )
            results[rule].append(lx.accuracy(predicted, reference, legend=recipe.LEGEND))
    table = lx.compare(results)
    rows = table.loc[["macro F1", "overall accuracy", "F1 built_up"]].T
    text = rows.to_string(float_format="{:.3f}".format)
    (out / f"weights_{name}.md").write_text(f"```\n{text}\n```\n", encoding="utf-8")
    print(f"weights_{name}\n{text}", flush=True)


def _draw(samples: xr.Dataset, folds: np.ndarray, *, fold: int, seed: int) -> xr.Dataset:
    known = np.flatnonzero((folds >= 0) & (folds != fold))
    chosen = np.random.default_rng((seed, int(fold))).permutation(known)[:LABELS]
    return samples.isel(sample=np.sort(chosen))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=("tasks", "weights"))
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.places:
        recipe, samples = load_place(name)
        if given.only != "weights":
            compare_together(name, samples, given.out)
        if given.only != "tasks":
            compare_weights(name, recipe, samples, given.out)


if __name__ == "__main__":
    main()
