"""Trust across Europe: calibration, conformal sets and area of applicability, in unseen countries.

Each run leaves out one group of countries, and of the others one fold of blocks of 100 km to
test inside the training area and one to calibrate on; what a model says of all these points is
kept, and then judged (`trust_tables`)::

    python -m benchmarks.evidence.trust outputs/evidence/europe.zarr outputs/evidence/trust
"""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

import lulc_xr as lx
from benchmarks.evidence import runs, trust_tables
from benchmarks.evidence.europe import CLIMATE, FOLDS
from benchmarks.evidence.europe_networks import train
from benchmarks.evidence.europe_trees import forest

GROUPS = {
    "Atlantic": ("BE", "FR", "IE", "LU", "NL", "UK"),
    "Iberia": ("ES", "PT"),
    "centre": ("AT", "CH", "CZ", "DE", "PL", "SK"),
    "north": ("DK", "EE", "FI", "LT", "LV", "NO", "SE"),
    "south-east": ("AL", "BG", "EL", "HR", "HU", "IT", "MK", "MT", "RO", "RS", "SI", "TR"),
}
"""Countries that are left out together (codes of NUTS), each group once."""

METHODS = ("network", "forest", "ensemble")
MEMBERS = 3
CALIBRATION, INSIDE, OUTSIDE = 1, 2, 3
"""Parts of the points of a run; 0 is the training."""

COAST = 100_000.0
"""Points in no country of the map, whose coast is coarse, take the nearest in so many metres."""


def with_groups(samples: xr.Dataset, shared: Path) -> xr.Dataset:
    """Samples with `country` (code of NUTS) and `group`; the few in no country are left out."""
    table = geopandas.read_file(shared / "data" / "nuts" / "nuts_2016.gpkg")
    countries = table[table["LEVL_CODE"] == 0].clip((-12, 33, 36, 72))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = lx.assign_regions(
            samples, countries, column="CNTR_CODE", name="country", nearest=COAST
        )
    group_of = {code: group for group, codes in GROUPS.items() for code in codes}
    groups = np.array([group_of.get(str(code), "") for code in found["country"].values])
    found = found.assign(group=("sample", groups.astype(np.dtypes.StringDType())))
    return found.isel(sample=np.flatnonzero(groups != ""))


def groups_of(samples: xr.Dataset) -> list[str]:
    """Names of the groups of countries, sorted."""
    return sorted(set(map(str, samples["group"].values)))


def parts(samples: xr.Dataset, group: int, seed: int) -> NDArray[np.int8]:
    """Part of each sample: left-out countries, then folds of blocks in all others."""
    fold = samples["fold"].values
    made = np.zeros(fold.size, np.int8)
    made[fold == (group + seed) % FOLDS] = INSIDE
    made[fold == (group + seed + 1) % FOLDS] = CALIBRATION
    made[samples["group"].values == groups_of(samples)[group]] = OUTSIDE
    return made


def fitted(samples: xr.Dataset, method: str, *, seed: int) -> Any:
    """A model of metrics and climate, trained on these samples, with its area of applicability."""
    context = CLIMATE if "bioclim" in samples else ()
    if method == "forest":
        features, labels = lx.features_of(samples, context=context)
        own = samples.assign_attrs(tasks="land_cover")
        spec = lx.ModelSpec.from_samples(own, context=context)
        model = lx.EstimatorPredictor(forest(runs.ALL, seed).fit(features, labels), spec=spec)
    else:
        network = "cbn climate" if context else "waves"
        members = [
            train(samples, network, budget=runs.ALL, seed=1000 * m + seed, unlabelled=samples)
            for m in range(MEMBERS if method == "ensemble" else 1)
        ]
        model = lx.Ensemble(members) if method == "ensemble" else members[0]
    return lx.fit_applicability(model, samples, seed=seed)


def main() -> None:
    """All runs that are missing, then the tables."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("samples", help="store that europe or trust_woodland wrote")
    parser.add_argument("folder", type=Path, help="folder of the rows")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = parser.parse_args()
    samples = lx.open_samples(given.samples)
    if "group" not in samples:
        samples = with_groups(samples, Path(os.environ["LULC_XR_SHARED"]))
    table = runs.Runs(given.folder)
    for seed in given.seeds:
        for method in given.methods:
            for group in range(len(groups_of(samples))):
                table.do(
                    partial(_run, samples, method, group, seed, given.folder),
                    experiment="trust",
                    method=method,
                    folds="countries",
                    fold=group,
                    budget=runs.ALL,
                    seed=seed,
                )
    trust_tables.show(samples, table.table(), given.folder)


def _run(samples: xr.Dataset, method: str, group: int, seed: int, folder: Path) -> dict[str, Any]:
    part = parts(samples, group, seed)
    model = fitted(samples.isel(sample=np.flatnonzero(part == 0)), method, seed=seed)
    at = np.flatnonzero(part != 0)
    judged = samples.isel(sample=at)
    said = model.predict(judged)
    kept: dict[str, NDArray[Any]] = {
        "sample": at,
        "part": part[at],
        "probability": said["land_cover_probability"].values,
        "dissimilarity": lx.applicability_of(model, judged)["dissimilarity"].to_numpy(),
    }
    if "land_cover_aleatoric" in said:
        kept["aleatoric"] = said["land_cover_aleatoric"].values
    np.savez(folder / f"{method}-{group}-{seed}.npz", **kept)
    row: dict[str, Any] = {"group": groups_of(samples)[group], "training": int((part == 0).sum())}
    row["threshold"] = model.attachments.applicability.threshold
    row["importance"] = model.attachments.applicability.provenance["importance"]
    for name, number in (("inside", INSIDE), ("outside", OUTSIDE)):
        chosen = np.flatnonzero(part[at] == number)
        scored = runs.scores(
            said["land_cover"].values[chosen], judged["land_cover"].isel(sample=chosen)
        )
        row |= {f"{name}_{key}": value for key, value in scored.items()}
    return row | {"macro_f1": row["outside_macro_f1"]}


if __name__ == "__main__":
    main()
