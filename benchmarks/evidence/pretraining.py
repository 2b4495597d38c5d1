"""Does pre-training on all pixels of a small area help where labels are few?

``python benchmarks/evidence/pretraining.py OUT.csv [--shared FOLDER] [--seeds 5]``

Places: Flanders (640 m, 12 months of 10 bands) and Slovenia (1 km, 12 months of NDVI of 2017). For
each seed: test blocks and training blocks apart from them (8 x 8 pixels, a block between), a number
of labels per class in the training blocks, and for each network trainings from the same labels:
random weights; weights pre-trained by the masked-series objective on all pixels of the place, test
pixels included but without labels ("all"); with ``--apart`` also on the training blocks alone.
Beside them the linear probe, and a random forest. Scores: macro F1 and overall accuracy on all
pixels of the test blocks. Paired over seeds; summary.py of this folder is not needed, the script
prints means, 95 % t intervals and paired differences at the end.
"""

import argparse
import csv
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.stats import t as student
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import lulc_xr as lx
from lulc_xr.jobs.blocks import split_blocks
from lulc_xr.jobs.recipe_files import load_script

BUDGETS = (5, 10, 20, 60)
NETWORKS = ("tempcnn", "ltae")
STORES = Path(__file__).parents[2] / "zarr_stores"
STEPS, BATCH = 600, 128


def flanders(shared: Path) -> tuple[xr.Dataset, lx.RegularDates]:
    """The cube of the demo."""
    cube = load_script(STORES / "flanders.py").make_cube(STORES / "raw")
    return cube, lx.RegularDates(start_month=11)


def slovenia(shared: Path) -> tuple[xr.Dataset, lx.RegularDates]:
    """NDVI of 36 dates of 2017 as the only band; cultivated land (11 pixels) is left out."""
    made = load_script(STORES / "slovenia.py").make_cube(shared / "data" / "slovenia_eopatch")
    year = made["ndvi_time"].dt.year.values == 2017
    cube = xr.Dataset(
        {
            "reflectance": (
                ("time", "band", "y", "x"),
                made["ndvi"].values[year][:, None].astype(np.float32),
            ),
            "clear": (("time", "y", "x"), made["ndvi_clear"].values[year]),
        },
        coords={
            "time": made["ndvi_time"].values[year],
            "band": ["nir"],
            "y": made["y"],
            "x": made["x"],
            "spatial_ref": made["spatial_ref"],
        },
    )
    legend = lx.Legend.from_flags(made["reference"].attrs)
    kept = lx.Legend(name=legend.name, classes=legend.classes[1:])
    labels = made["reference"].where(made["reference"] != 1, 255).astype(np.uint8)
    cube["reference"] = labels.assign_attrs(kept.flags())
    return cube, lx.RegularDates()


def all_pixels(cube: xr.Dataset, dates: lx.RegularDates) -> xr.Dataset:
    """Every labelled pixel of a place as a sample, with its row and column."""
    row, column = np.nonzero(cube["reference"].values != 255)
    points = pd.DataFrame(
        {
            "x": cube["x"].values[column],
            "y": cube["y"].values[row],
            "row": row,
            "column": column,
            "land_cover": cube["reference"].values[row, column],
        }
    )
    legend = lx.Legend.from_flags(cube["reference"].attrs)
    return lx.extract_samples(cube, points, legend=legend, dates=dates, keep=("row", "column"))


def draw(samples: xr.Dataset, where: np.ndarray, budget: int, seed: int) -> np.ndarray:
    """Positions of `budget` samples of each class; smaller budgets are part of larger ones."""
    rng = np.random.default_rng(seed)
    labels = samples["land_cover"].values
    chosen = []
    for class_id in np.unique(labels):
        order = rng.permutation(np.flatnonzero(where & (labels == class_id)))
        chosen.append(order[:budget])
    return np.concatenate(chosen)


def score(true: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """Macro F1 over the classes of the test pixels, and overall accuracy."""
    f1 = f1_score(true, told, labels=np.unique(true), average="macro", zero_division=0)
    return {"macro_f1": float(f1), "overall_accuracy": float((true == told).mean())}


def trial(place, samples, cube, seed, reaches, write):
    """All trainings of one place and seed."""
    split = split_blocks(cube["reference"], rng=np.random.default_rng(seed))
    inside = {
        name: mask.values[samples["row"].values, samples["column"].values]
        for name, mask in (("training", split.training), ("test", split.test))
    }
    test = samples.isel(sample=inside["test"])
    true = test["land_cover"].values
    flat = samples["reflectance"].values.reshape(samples.sizes["sample"], -1)
    seen = {"all": samples, "apart": samples.isel(sample=inside["training"])}
    pretrained = {}
    for network in NETWORKS:
        for reach in reaches:
            epochs = max(1, round(STEPS * BATCH / seen[reach].sizes["sample"]))
            config = lx.PretrainConfig(seed=seed, epochs=epochs, batch_size=BATCH)
            pretrained[network, reach] = lx.pretrain(seen[reach], network, config=config)
    features = {k: lx.encode_samples(p, samples).values for k, p in pretrained.items()}
    for budget in BUDGETS:
        chosen = draw(samples, inside["training"], budget, seed)
        few = samples.isel(sample=chosen)
        labels = few["land_cover"].values
        forest = RandomForestClassifier(200, random_state=seed, n_jobs=1).fit(flat[chosen], labels)
        told = forest.predict(flat[inside["test"]])
        write(place, seed, budget, "random forest", score(true, told))
        for network in NETWORKS:
            for reach in ("random", *reaches):
                init = pretrained.get((network, reach))
                model = lx.fit(few, network, config=lx.TrainConfig(seed=seed), init=init)
                told = model.predict(test)["land_cover"].values
                write(place, seed, budget, f"{network}, {reach}", score(true, told))
            for reach in reaches:
                found = features[network, reach]
                linear = make_pipeline(MinMaxScaler(), LogisticRegression(C=10, max_iter=2000))
                told = linear.fit(found[chosen], labels).predict(found[inside["test"]])
                write(place, seed, budget, f"probe of {network}, {reach}", score(true, told))


def interval(values: np.ndarray) -> str:
    """Mean and half width of the 95 % t interval."""
    half = student.ppf(0.975, values.size - 1) * values.std(ddof=1) / values.size**0.5
    return f"{values.mean():+.3f} ± {half:.3f}"


def summarise(table: pd.DataFrame) -> None:
    """Print macro F1 of every method, and what pre-training adds, seed by seed."""
    for place, own in table.groupby("place"):
        wide = own.pivot_table(index=["budget", "seed"], columns="method", values="macro_f1")
        print(f"\n{place}: macro F1, mean ± 95 % over {own['seed'].nunique()} seeds")
        print(wide.groupby("budget").agg(lambda v: interval(v.values)).T.to_string())
        for network in NETWORKS:
            for reach in ("apart", "all"):
                if f"{network}, {reach}" not in wide:
                    continue
                gain = wide[f"{network}, {reach}"] - wide[f"{network}, random"]
                told = gain.groupby("budget").agg(lambda v: interval(v.values))
                print(f"gain of pre-training {network} ({reach}): {told.to_dict()}")


def main() -> None:
    """Run what is not in the table yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--places", nargs="*", default=["flanders", "slovenia"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="classes without any sample")
    done = set()
    if given.out.exists():
        held = pd.read_csv(given.out)
        counted = held.groupby(["place", "seed"]).size()
        done = {key for key, n in counted.items() if n == counted.max()}
    else:
        given.out.write_text("place,seed,budget,method,macro_f1,overall_accuracy\n")

    def write(place, seed, budget, method, scores):
        with given.out.open("a", newline="") as file:
            row = [place, seed, budget, method, *(f"{v:.5f}" for v in scores.values())]
            csv.writer(file).writerow(row)

    reaches = ("apart", "all") if given.apart else ("all",)
    makers = {"flanders": flanders, "slovenia": slovenia}
    cubes = {place: makers[place](given.shared) for place in given.places}
    pixels = {place: all_pixels(*made) for place, made in cubes.items()}
    for seed in range(given.seeds):
        for place in given.places:
            if (place, seed) in done:
                continue
            begun = time.perf_counter()
            trial(place, pixels[place], cubes[place][0], seed, reaches, write)
            print(place, seed, f"{time.perf_counter() - begun:.0f} s", flush=True)
    summarise(pd.read_csv(given.out).drop_duplicates(["place", "seed", "budget", "method"]))


if __name__ == "__main__":
    main()
