"""Pixels against objects: accuracy and fragmentation on real chips, paired over seeds.

``python -m benchmarks.evidence.objects --out FILE.csv`` trains on few points in one half of each
chip and judges every labelled pixel of the other half, eight pixels away. All methods of a seed
have the same points and the same half. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import lulc_xr as lx

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("LULC_XR_SHARED", ROOT.parent / "shared")) / "data"
STRIP, PATCH, WINDOW = 8, 25, 64
SIZES = (5, 20)
"""Pixels of a segment, at least; the first for segment_gnn: of 20, a chip has some 50 segments."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A place: its recipe, its raw files, the time axis and the mapped year."""

    recipe: str
    raw: Path
    dates: Any
    year: int


CHIPS = {
    "flanders A": Chip(
        recipe="flanders.py", raw=ROOT / "zarr_stores" / "raw",
        dates=lx.RegularDates(start_month=11), year=2018,
    ),
    "flanders B": Chip(
        recipe="flanders_polder.py", raw=ROOT / "zarr_stores" / "raw",
        dates=lx.RegularDates(start_month=11), year=2019,
    ),
    "slovenia": Chip(
        recipe="slovenia.py", raw=SHARED / "slovenia_eopatch",
        dates=lx.RawDates(minimum=5, maximum=5, fill="linear"), year=2015,
    ),
}  # fmt: skip


def main() -> None:
    """Run what is missing of the table, then print it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--chips", nargs="+", default=list(CHIPS))
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--per-class", type=int, default=20)
    options.add_argument("--networks", nargs="*", default=["segment_gnn"], help="beside tempcnn")
    given = options.parse_args()
    done = pd.read_csv(given.out).to_dict("records") if given.out.exists() else []
    for seed in range(given.seeds):
        for name in given.chips:
            known = {r["method"] for r in done if (r["chip"], r["seed"]) == (name, seed)}
            for row in trial(name, seed, known, per_class=given.per_class, networks=given.networks):
                done.append({"chip": name, "seed": seed, **row})
                pd.DataFrame(done).to_csv(given.out, index=False)
                print(f"{name} seed {seed} {row['method']}: {row['macro_f1']:.3f}", flush=True)
    print(summarise(pd.DataFrame(done)).to_string())


def trial(
    name: str, seed: int, known: set[str], *, per_class: int, networks: list[str]
) -> Iterator[dict[str, Any]]:
    """Scores of each method that is not known yet."""
    chip = CHIPS[name]
    cube = load(chip)
    training, test = halves(cube, seed)
    labels = cube["reference"].where(training, np.uint8(255)).astype(np.uint8)
    labels.attrs = cube["reference"].attrs
    cube, labels, test = enough(cube, labels, test, per_class)
    points = lx.testing.points(cube.assign(reference=labels), per_class=per_class, seed=seed)
    derived = {"tempcnn, smoothed"} | {
        f"tempcnn, {how} of {s}" for how in ("vote", "mean") for s in SIZES
    }
    if not derived | {"tempcnn"} <= known:
        maps, seconds = learn(cube, chip, points, "tempcnn", seed)
        yield score("tempcnn", maps, cube, test, seconds)
        for method, made in after(maps, cube, chip):
            begun = time.perf_counter()
            made = made.compute()
            yield score(method, made, cube, test, time.perf_counter() - begun)
    for network in networks:
        if network not in known:
            maps, seconds = learn(cube, chip, points, network, seed)
            yield score(network, maps, cube, test, seconds)


def load(chip: Chip) -> xr.Dataset:
    """The cube of a chip, in memory."""
    path = ROOT / "zarr_stores" / chip.recipe
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cube = module.make_cube(chip.raw).compute()
    if isinstance(chip.dates, lx.RawDates):
        # Only the scenes with all bands; of what is never clear nothing is asked.
        cube = cube.isel(time=slice(0, chip.dates.maximum))
    return cube


def halves(cube: xr.Dataset, seed: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Where to train and where to test: north, south, west, east in turn."""
    dim = ("y", "x")[seed % 2]
    place = xr.DataArray(np.arange(cube.sizes[dim]), dims=dim)
    half = cube.sizes[dim] // 2
    first, last = place < half - STRIP // 2, place >= half + STRIP // 2
    everywhere = xr.ones_like(cube["reference"], dtype=bool)
    sides = (first & everywhere, last & everywhere)
    known = cube["reference"] != 255
    training, test = sides if seed % 4 < 2 else sides[::-1]
    return training.transpose("y", "x"), (test & known).transpose("y", "x")


def enough(
    cube: xr.Dataset, labels: xr.DataArray, test: xr.DataArray, per_class: int
) -> tuple[xr.Dataset, xr.DataArray, xr.DataArray]:
    """All without the classes that have too few pixels to learn from in this half."""
    legend = lx.Legend.from_flags(cube["reference"].attrs)
    counts = {c: int((labels == c.class_id).sum()) for c in legend.classes}
    kept = lx.Legend(
        name=legend.name, classes=tuple(c for c in legend.classes if counts[c] >= per_class)
    )

    def only(ids: xr.DataArray) -> xr.DataArray:
        made = ids.where(ids.isin(kept.ids), np.uint8(255)).astype(np.uint8)
        return made.assign_attrs({**ids.attrs, **kept.flags()})

    reference = only(cube["reference"])
    return cube.assign(reference=reference), only(labels), test & (reference != 255)


def learn(
    cube: xr.Dataset, chip: Chip, points: Any, network: str, seed: int
) -> tuple[xr.Dataset, float]:
    """Maps of a network that learnt from points."""
    begun = time.perf_counter()
    patch = None if network == "tempcnn" else PATCH
    samples = lx.extract_samples(cube, points, dates=chip.dates, year=chip.year, patch=patch)
    sizes = {"hidden": 64, "tile": WINDOW, "size": SIZES[0]} if network == "segment_gnn" else {}
    config = lx.TrainConfig(seed=seed, sizes=sizes)
    classifier = lx.fit(samples, network, config=config)
    outputs = ("land_cover", "entropy", "probability")
    maps = lx.classify(cube, classifier, years=[chip.year], outputs=outputs).compute()
    return maps, time.perf_counter() - begun


def after(maps: xr.Dataset, cube: xr.Dataset, chip: Chip) -> Iterator[tuple[str, xr.Dataset]]:
    """What can be made of the maps of pixels."""
    start = chip.dates.start_month
    yearly = lx.RegularDates(freq="year", fill=None, start_month=start)
    for size in SIZES:
        segments = lx.segment(cube, size=size, tile=WINDOW, dates=yearly, years=[chip.year])
        for how in ("vote", "mean"):
            yield f"tempcnn, {how} of {size}", lx.aggregate(maps, segments, how=how)
    yield "tempcnn, smoothed", lx.smooth(maps)


def score(
    method: str, maps: xr.Dataset, cube: xr.Dataset, test: xr.DataArray, seconds: float
) -> dict[str, Any]:
    """Accuracy in the test half at both tolerances, fragmentation of the whole map."""
    classes, reference = maps["land_cover"].isel(year=0, drop=True), cube["reference"]
    exact = lx.accuracy(classes, reference, mask=test)
    near = lx.accuracy(tolerate(classes, reference), reference, mask=test)
    broken = lx.fragmentation(classes, window=WINDOW).compute()
    weight = broken["mapped_area"]
    return {
        "method": method,
        "overall": exact.overall,
        "macro_f1": exact.macro_f1,
        "overall_t1": near.overall,
        "macro_f1_t1": near.macro_f1,
        **{
            m: float(broken[m].weighted(weight).mean())
            for m in ("class_entropy", "edge_density", "patch_density")
        },
        "seconds": seconds,
    }


def tolerate(classes: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """The map with the class of the reference wherever a pixel within 1 has it (LC-SLab's t=1)."""
    padded = np.pad(classes.values, 1, constant_values=255)
    height, width = classes.shape
    shifts = [(y, x) for y in range(3) for x in range(3)]
    hit = np.any(
        [padded[y : y + height, x : x + width] == reference.values for y, x in shifts], axis=0
    )
    return classes.copy(data=np.where(hit, reference.values, classes.values))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, and what each method gains over tempcnn, with 95 % intervals."""
    rows = []
    base = table[table["method"] == "tempcnn"].set_index(["chip", "seed"])
    measures = [c for c in table.columns if c not in ("chip", "seed", "method")]
    for (chip, method), own in table.groupby(["chip", "method"], sort=False):
        row: dict[str, Any] = {"chip": chip, "method": method, "seeds": len(own)}
        row |= {m: round(own[m].mean(), 3) for m in measures}
        for m in ("macro_f1", "macro_f1_t1"):
            pairs = own.set_index(["chip", "seed"])[m] - base[m].reindex(
                own.set_index(["chip", "seed"]).index
            )
            mean, half = lx.mean_and_interval(pairs.tolist())
            row[f"gain in {m}"] = f"{mean:+.3f} ± {half:.3f}"
        rows.append(row)
    return pd.DataFrame(rows).set_index(["chip", "method"])


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="lightning")
    main()
