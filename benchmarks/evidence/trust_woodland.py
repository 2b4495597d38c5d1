"""Forest or not in 21 countries, from Landsat: a second case of trust in unseen countries.

The samples for `trust`, in the place of those of `europe`::

    python -m benchmarks.evidence.trust_woodland outputs/evidence/woodland.zarr
    python -m benchmarks.evidence.trust outputs/evidence/woodland.zarr outputs/evidence/woodland
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import xarray as xr

import lulc_xr as lx
from benchmarks.evidence.europe import BLOCK, FOLDS, SEED

GROUPS = {
    "Atlantic": ("belgium", "ireland", "netherlands"),
    "Balkans": (
        "albania", "bosniaherzegovina", "croatia", "macedonia", "montenegro", "serbia",
    ),
    "Baltic": ("denmark", "estonia", "latvia", "lithuania"),
    "Black Sea": ("bulgaria", "moldova"),
    "centre": ("austria", "czechia", "hungary", "slovakia", "slovenia", "switzerland"),
}  # fmt: skip
"""Countries whose points of both classes have a place, by the group in which they are left out."""

METRICS = [f"{band}_{year}" for year in (1985, 2017) for band in ("TCB", "TCG", "TCW")]


def woodland(shared: Path) -> xr.Dataset:
    """Samples of one date: tasseled cap of two years, `land_cover`, `country`, `group`, `fold`."""
    table = pd.read_parquet(shared / "data" / "eu_forest_landsat" / "plots.parquet")
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    table["group"] = table["country"].map(group_of)
    table = table[table["tc_valid"] & (table["coords"] != "none")].dropna(subset=["group"])
    legend = lx.Legend.from_names("forest", ["no_forest", "forest"])
    forest = (table["landcover"] == "Forest").to_numpy()
    labels = np.where(forest, legend.ids[1], legend.ids[0]).astype(np.uint8)
    text = np.dtypes.StringDType()
    values = table[METRICS].to_numpy(np.float32) / 1e4
    samples = xr.Dataset(
        {
            "reflectance": (("sample", "time", "band"), values[:, None]),
            "land_cover": ("sample", labels, legend.flags()),
            "x": ("sample", table["e3035"].to_numpy()),
            "y": ("sample", table["n3035"].to_numpy()),
            "country": ("sample", table["country"].to_numpy(str).astype(text)),
            "group": ("sample", table["group"].to_numpy(str).astype(text)),
            "day": ("time", np.zeros(1, np.int32)),
        },
        coords={
            "band": METRICS,
            "time": [0],
            "point_id": ("sample", np.arange(len(table))),
        },
        attrs={
            "dates": json.dumps({"kind": "regular", "freq": "year"}),
            "tasks": "land_cover",
            "crs_wkt": pyproj.CRS.from_epsg(3035).to_wkt(),
        },
    )
    made: xr.Dataset = lx.make_folds(samples, method="blocked", block=BLOCK, folds=FOLDS, seed=SEED)
    return made


def main() -> None:
    """Write the store that the command line names."""
    made = woodland(Path(os.environ["LULC_XR_SHARED"]))
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    lx.write_samples(made, target, overwrite=True)
    print(made)


if __name__ == "__main__":
    main()
