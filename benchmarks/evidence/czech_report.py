"""A complete report of a map of Czechia at points of LUCAS 2018 that it was not made from.

No class raster of Czechia comes with the data, so the map is a crude one, and honest about it: at
every place of a grid of 2 km the labels of the nearest points of ELC10, weighed by their distance.
It is judged at the points of the survey in Czechia that are not among these. Apart from that, as
transfer, a forest that saw the spectra of ELC10 outside Czechia alone is judged inside::

    python -m benchmarks.evidence.czech_report --out outputs/czech
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import odc.geo.xr  # noqa: F401  (assigns reference systems)
import pandas as pd
import xarray as xr
from scipy.spatial import cKDTree
from sklearn.ensemble import RandomForestClassifier

import lulc_xr as lx

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("LULC_XR_SHARED", ROOT.parent / "shared")) / "data"
LEGEND = "lucas_lc1_level1"
STEP, NEIGHBOURS, SMOOTHING = 2000, 12, 0.02
BLOCK = 50_000.0
BORDER = 5_000.0
"""Points outside the generalised border of all regions take the nearest in so many metres."""
APART = 50_000.0
"""Metres between Czechia and the points that the forest learns from."""
LEARNT, TREES = 12_000, 100
HALF = ("50 - 75", "> 75")
"""Classes of the share that the first land cover takes of what was looked at."""


def main() -> None:
    """Write the report, and print what it says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    made = assess(SHARED, transfer=transfer(SHARED))
    print(made)
    print(f"report: {made.write(given.out) / 'report.html'}")


def assess(
    shared: Path, *, chunks: dict[str, int] | None = None, transfer: pd.DataFrame | None = None
) -> lx.Assessment:
    """The assessment of the map, whatever its chunks; lazily read if there are some."""
    maps = make_map(shared) if chunks is None else make_map(shared).chunk(chunks)
    points = read_points(shared, regions=True)
    judged = lx.judge_points(maps, points, block=BLOCK, tolerance=(0, 1))
    judged.attrs["filter"] = "half_of_the_view"
    facts = {
        "map": "nearest labels of ELC10 in Czechia (2 km)",
        "reference": "LUCAS 2018 in Czechia, less the points that the map is made of",
        "training samples": "the map is made of other points of the same survey",
        "transfer": "at points of ELC10, which its makers cleaned: easier than those of the survey",
        "command": "python -m benchmarks.evidence.czech_report --out outputs/czech",
    }
    return lx.assess(judged, block=BLOCK, transfer=transfer, facts=facts, picture=maps)


def make_map(shared: Path) -> xr.Dataset:
    """Class, entropy and probabilities (year, y, x) on a grid of 2 km in EPSG:3035."""
    legend = lx.legend(LEGEND)
    learnt = _elc10(shared)
    survey = read_points(shared, all_points=True)
    west, south, east, north = survey.total_bounds
    x = np.arange(west, east + STEP, STEP)
    y = np.arange(north, south - STEP, -STEP)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    tree = cKDTree(learnt[["e3035", "n3035"]].to_numpy())
    distance, near = tree.query(places, k=NEIGHBOURS)
    weight = 1 / np.maximum(distance, STEP)
    of_class = legend.index_of(learnt["class_id"].to_numpy(np.uint8))[near]
    shares = np.stack([(weight * (of_class == k)).sum(axis=1) for k in range(len(legend))])
    shares = (1 - SMOOTHING) * shares / shares.sum(axis=0) + SMOOTHING / len(legend)
    shares = shares.reshape(len(legend), y.size, x.size).astype(np.float32)
    entropy = -(shares * np.log(shares)).sum(axis=0)
    ids = np.array(legend.ids, np.uint8)[shares.argmax(axis=0)]
    made = xr.Dataset(
        {
            "land_cover": (("y", "x"), ids, legend.flags()),
            "land_cover_entropy": (("y", "x"), entropy),
            "land_cover_probability": (("class", "y", "x"), shares),
        },
        coords={"y": y, "x": x, "class": np.array(legend.names, object)},
    )
    return made.odc.assign_crs("EPSG:3035")


def read_points(
    shared: Path, *, all_points: bool = False, regions: bool = False
) -> geopandas.GeoDataFrame:
    """Labelled points of the survey in Czechia, but those of ELC10 unless all are asked for."""
    path = shared / "lucas" / "cz_2018" / "cz_lucas_points_l1_2018.shp"
    found = lx.lucas_labels(lx.read_lucas(path), lc1=LEGEND)
    if all_points:
        return found
    attrs = found.attrs
    known = set(_elc10(shared)["POINT_ID"])
    found = found[~found["point_id"].astype(int).isin(known)].reset_index(drop=True)
    found["passes_filter"] = found["lc1_percent_class"].isin(HALF)
    if regions:
        found = lx.assign_regions(
            found, _nuts2(shared), column="NAME_LATN", name="region", nearest=BORDER
        )
    found.attrs = attrs
    return found


def transfer(shared: Path, *, learnt: int = LEARNT, trees: int = TREES) -> pd.DataFrame:
    """Classes at Czech points of ELC10 by a forest that learnt at least 50 km away from Czechia."""
    table = _elc10(shared, everywhere=True)
    survey = read_points(shared, all_points=True)
    is_czech = table["POINT_ID"].isin(survey["point_id"].astype(int)).to_numpy()
    places = table[["e3035", "n3035"]].to_numpy()
    own = np.stack([survey.geometry.x, survey.geometry.y], axis=1)
    far = cKDTree(own).query(places)[0] >= APART
    features = [name for name in table if name.endswith(("_median", "_stDev", "_sd"))]
    features += [name for name in table if name.startswith(("ndvi_", "ndsi_"))]
    features = list(dict.fromkeys(name for name in features if name[:4] not in ("asc_", "desc")))
    rows = np.random.default_rng(0).choice(np.flatnonzero(far), learnt, replace=False)
    forest = RandomForestClassifier(trees, random_state=0, n_jobs=2)
    forest.fit(table[features].iloc[rows], table["class_id"].iloc[rows])
    inside = table[is_czech]
    placed = geopandas.GeoDataFrame(
        {"reference": inside["class_id"], "mapped": forest.predict(inside[features])},
        geometry=geopandas.points_from_xy(inside["e3035"], inside["n3035"], crs="EPSG:3035"),
    )
    named = lx.assign_regions(
        placed, _nuts2(shared), column="NAME_LATN", name="region", nearest=BORDER
    )
    return pd.DataFrame(named[["region", "mapped", "reference"]])


def _elc10(shared: Path, *, everywhere: bool = False) -> pd.DataFrame:
    """Points of ELC10 with class ids of the legend; by default those around Czechia."""
    table = pd.read_parquet(shared / "elc10" / "points.parquet").dropna(subset=["ndvi_p50"])
    names = {
        "Artificial land": "artificial_land", "Cropland": "cropland", "Woodland": "woodland",
        "Shrubland": "shrubland", "Grassland": "grassland", "Bare land": "bare_land",
        "Water": "water", "Wetland": "wetland",
    }  # fmt: skip
    ids = dict(zip(lx.legend(LEGEND).names, lx.legend(LEGEND).ids, strict=True))
    table["class_id"] = table["LC"].map(names).map(ids).astype(np.uint8)
    if everywhere:
        return table.reset_index(drop=True)
    near = table["e3035"].between(4.40e6, 5.03e6) & table["n3035"].between(2.77e6, 3.19e6)
    return table[near].reset_index(drop=True)


def _nuts2(shared: Path) -> Any:
    table = geopandas.read_file(shared / "nuts" / "nuts_2016.gpkg")
    return table[(table["LEVL_CODE"] == 2) & (table["CNTR_CODE"] == "CZ")]


if __name__ == "__main__":
    main()
