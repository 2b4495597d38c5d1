"""What unlabelled pixels add at 5 to 60 labels per class: Flanders, the polder, Slovenia.

``python -m benchmarks.evidence.few_labels --raw FOLDER`` takes the raw folder of Slovenia
(see ``zarr_stores/slovenia.py``; left out without it), writes ``outputs/few_labels.csv`` row by
row, and goes on where it was stopped; ``--show`` prints the tables.

A seed decides blocks, labels and weights; all models of a seed learn from the same labels and
are judged on the same blocks. A quarter of the blocks of each place is left out of all
this: on it the settings of the methods were chosen (``--develop`` judges there, with other seeds).
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import xarray as xr
from sklearn.ensemble import RandomForestClassifier

import lulc_xr as lx

ROOT = Path(__file__).parents[2]
OUT = ROOT / "outputs" / "few_labels.csv"
BUDGETS, SEEDS = (5, 10, 20, 60), range(5)
BLOCK = {"flanders": 80, "polder": 80, "slovenia": 100}  # metres
STEPS = 200
SIZES = {"filters": 32, "dense": 64}
GENTLE = lx.Augmentation(band_gain=0.05, noise=0.1)
DEVELOPMENT = 3
FOREST, PLAIN = "random forest", "supervised"
METHODS: dict[str, Any] = {
    "augmented": None,
    "mean teacher": lx.MeanTeacher(),
    "FixMatch, fixed": lx.FixMatch(threshold="fixed"),
    "FixMatch, adaptive": lx.FixMatch(),
    "self-training": lx.SelfTraining(),
}


def load_recipe(name: str) -> Any:
    """The module of a recipe in ``zarr_stores``."""
    path = ROOT / "zarr_stores" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_pixels(place: str, raw: Path | None) -> xr.Dataset:
    """Every labelled pixel of a place as a sample.

    In the polder built-up land (13 pixels) is left out, in Slovenia cultivated land (11); of
    Slovenia the three clear scenes are taken.
    """
    chips = ROOT / "zarr_stores" / "raw"
    dates: lx.RegularDates | lx.RawDates = lx.RegularDates(start_month=11)
    if place == "flanders":
        return sample_all(load_recipe("flanders").make_cube(chips), dates, without=())
    if place == "polder":
        return sample_all(load_recipe("flanders_polder").make_cube(chips), dates, without=(60,))
    assert raw is not None
    cube = load_recipe("slovenia").make_cube(raw)
    cube = cube.isel(time=(cube["clear"].mean(("y", "x")) > 0.99).values)
    dates = lx.RawDates(minimum=cube.sizes["time"], maximum=cube.sizes["time"])
    return sample_all(cube, dates, without=(1,), year=2015)


def sample_all(cube: xr.Dataset, dates: Any, *, without: tuple[int, ...], **settings: Any) -> Any:
    """Samples of all pixels of a reference, some classes left out."""
    reference = cube["reference"].transpose("y", "x")
    known = lx.Legend.from_flags(reference.attrs)
    legend = lx.Legend(
        name=known.name, classes=tuple(c for c in known.classes if c.class_id not in without)
    )
    ids = reference.values
    row, column = np.nonzero((ids != 255) & ~np.isin(ids, without))
    places = geopandas.points_from_xy(reference["x"].values[column], reference["y"].values[row])
    crs = cube["spatial_ref"].attrs["crs_wkt"]
    table = {"point_id": np.arange(row.size), "land_cover": ids[row, column]}
    points = geopandas.GeoDataFrame(table, geometry=places, crs=crs)
    return lx.extract_samples(cube, points, dates=dates, legend=legend, **settings)


def draw_labels(pixels: xr.Dataset, *, budget: int, rng: np.random.Generator) -> Any:
    """Positions of so many pixels of each class, or of all that there are."""
    found = [np.flatnonzero(pixels["land_cover"].values == i) for i in legend_of(pixels).ids]
    return np.concatenate([rng.choice(f, min(budget, f.size), replace=False) for f in found])


def legend_of(pixels: xr.Dataset) -> lx.Legend:
    """Legend of the labels."""
    return lx.Legend.from_flags(pixels["land_cover"].attrs)


def split(pixels: xr.Dataset, *, place: str, seed: int, develop: bool) -> tuple[Any, Any]:
    """Pixels to learn from, and to judge on, in blocks of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may lack in a fold of few blocks
        fixed = lx.make_folds(pixels, block=BLOCK[place], folds=4, seed=0)["fold"].values
        rest = pixels.isel(sample=fixed != DEVELOPMENT)
        if develop:
            return rest, pixels.isel(sample=fixed == DEVELOPMENT)
        fold = lx.make_folds(rest, block=BLOCK[place], folds=2, seed=seed + 1)["fold"].values
    return rest.isel(sample=fold == 0), rest.isel(sample=fold == 1)


def models(
    labelled: xr.Dataset, unlabelled: xr.Dataset, *, seed: int
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each model by its name, and how to learn it."""

    def grow() -> lx.EstimatorPredictor:
        features, labels = lx.features_of(labelled)
        forest = RandomForestClassifier(500, random_state=seed).fit(features, labels)
        return lx.EstimatorPredictor(forest, spec=lx.ModelSpec.from_samples(labelled))

    def learn(method: Any, changes: lx.Augmentation) -> lx.Classifier:
        size = 32
        config = lx.TrainConfig(
            seed=seed,
            sizes=SIZES,
            epochs=-(-STEPS // -(-labelled.sizes["sample"] // size)),
            batch_size=size,
            augmentation=changes,
            allow_missing_classes=True,
        )
        others = None if method is None else unlabelled
        return lx.fit(labelled, "tempcnn", config=config, method=method, unlabelled=others)

    yield FOREST, grow
    yield PLAIN, lambda: learn(None, lx.Augmentation())
    for name, method in METHODS.items():
        yield name, lambda method=method: learn(method, GENTLE)


def judge(model: Any, test: xr.Dataset) -> lx.Accuracy:
    """Agreement on the test blocks."""
    if isinstance(model, lx.EstimatorPredictor):
        features, _ = lx.features_of(test)
        found = test["land_cover"].copy(data=model.estimator.predict(features).astype(np.uint8))
    else:
        found = model.predict(test)["land_cover"]
    return lx.accuracy(found, test["land_cover"])


def run(places: list[str], *, raw: Path | None, out: Path, budgets: Any, develop: bool) -> None:
    """Train and judge what is not yet in the table."""
    out.parent.mkdir(parents=True, exist_ok=True)
    done = set(map(tuple, read(out)[["place", "budget", "seed", "model"]].values))
    for place in places:
        pixels = load_pixels(place, raw)
        seeds = range(100, 104) if develop else SEEDS
        for budget, seed in itertools.product(budgets, seeds):
            training, test = split(pixels, place=place, seed=seed, develop=develop)
            rng = np.random.default_rng((seed, budget))
            labelled = training.isel(sample=draw_labels(training, budget=budget, rng=rng))
            for name, learn in models(labelled, training, seed=seed):
                if (place, budget, seed, name) not in done:
                    scores = judge(learn(), test)
                    append(out, (place, budget, seed, name, scores.macro_f1, scores.overall))


COLUMNS = ("place", "budget", "seed", "model", "macro_f1", "overall")


def read(path: Path) -> pd.DataFrame:
    """The table so far."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)


def append(path: Path, row: tuple[Any, ...]) -> None:
    """One more row."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row)


def show(path: Path) -> None:
    """Print macro F1 of each model, and its paired difference to the plain network."""
    table = read(path)
    for (place, budget), own in table.groupby(["place", "budget"]):
        wide = own.pivot(index="seed", columns="model", values="macro_f1").dropna()
        print(f"\n{place}, {budget} labels per class, {len(wide)} seeds")
        for name in [FOREST, PLAIN, *METHODS]:
            if name in wide:
                mean, half = lx.mean_and_interval(wide[name].tolist())
                gain, spread = lx.mean_and_interval((wide[name] - wide[PLAIN]).tolist())
                print(f"  {name:20} {mean:.3f} ± {half:.3f}   {gain:+.3f} ± {spread:.3f}")


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, help="raw folder of Slovenia")
    parser.add_argument("--places", nargs="+", choices=BLOCK, default=list(BLOCK))
    parser.add_argument("--budgets", nargs="+", type=int, default=BUDGETS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--develop", action="store_true", help="judge on the development blocks")
    parser.add_argument("--show", action="store_true", help="print the table, run nothing")
    given = parser.parse_args()
    places = [p for p in given.places if p != "slovenia" or given.raw is not None]
    if not given.show:
        run(places, raw=given.raw, out=given.out, budgets=given.budgets, develop=given.develop)
    show(given.out)


if __name__ == "__main__":
    main()
