"""A made-up landscape where climate decides, and one where it does not: what conditioning gains.

``python -m benchmarks.evidence.landscape FOLDER``

Trained in four regions, judged in the fifth. The score that nobody can beat is known, with
the climate and without: :func:`lulc_xr.testing.best_accuracy`.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import torch
import xarray as xr

import lulc_xr as lx
from benchmarks.evidence import runs

WORLDS = {"climate decides": -10.0, "climate does not matter": 0.0}
CONDITIONINGS = ("none", "embedding", "cbn")
FIELD = 4
FEW = 600
"""Fields that are learnt from."""


def samples_of(cube: xr.Dataset) -> xr.Dataset:
    """One sample for each field, with the region it lies in."""
    middle = cube[["reference", "region"]].isel(
        y=slice(FIELD // 2, None, FIELD), x=slice(FIELD // 2, None, FIELD)
    )
    flat = middle.stack(place=("y", "x"))
    points = geopandas.GeoDataFrame(
        {"land_cover": flat["reference"].values, "point_id": np.arange(flat.sizes["place"])},
        geometry=geopandas.points_from_xy(flat["x"].values, flat["y"].values),
        crs=cube["spatial_ref"].attrs["crs_wkt"],
    )
    legend = lx.Legend.from_flags(cube["reference"].attrs)
    samples: xr.Dataset = lx.extract_samples(cube, points, legend=legend)
    regions = flat["region"].values[samples["point_id"].values]
    return samples.assign(region=("sample", regions))


def run(world: str, conditioning: str, *, region: int, seed: int) -> dict[str, Any]:
    """Scores of one network in the region that it has not seen."""
    cube = lx.testing.climate_landscape(y=200, x=160, days_per_degree=WORLDS[world], seed=seed)
    samples = samples_of(cube)
    inside = samples["region"].values == region
    rng = np.random.default_rng(seed)
    learnt = samples.isel(sample=rng.permutation(np.flatnonzero(~inside))[:FEW])
    judged = samples.isel(sample=np.flatnonzero(inside))
    config = lx.TrainConfig(conditioning=conditioning, seed=seed, sizes={"filters": 16})
    found = lx.fit(learnt, "tempcnn", config=config).predict(judged)
    made = runs.scores(found["land_cover"].values, judged["land_cover"])
    for name, context in (("best_with", True), ("best_without", False)):
        made[name] = lx.testing.best_accuracy(
            region, days_per_degree=WORLDS[world], context=context
        )
    return made


def main() -> None:
    """Five seeds, each with another region held back."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    given = parser.parse_args()
    table = runs.Runs(given.folder)
    for seed in given.seeds:
        for world in WORLDS:
            for conditioning in CONDITIONINGS:
                table.do(
                    partial(run, world, conditioning, region=seed % 5, seed=seed),
                    experiment=world,
                    method=conditioning,
                    folds="region",
                    fold=seed % 5,
                    budget=FEW,
                    seed=seed,
                )
    made = table.table()
    for world, rows in made.groupby("experiment"):
        print(f"\n{world}: best with climate {rows['best_with'].mean():.3f}, without "
              f"{rows['best_without'].mean():.3f}")  # fmt: skip
        print(runs.compared(rows, CONDITIONINGS, against="none", score="overall").round(3))


if __name__ == "__main__":
    main()
