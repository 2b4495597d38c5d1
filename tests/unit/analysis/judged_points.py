"""Judged points for tests of assessments: drawn at random, with everything that a map can tell."""

import numpy as np
import pandas as pd
from pyproj import CRS

from lulc_xr.core.legend import Legend

NAMES = ["artificial_land", "cropland", "woodland", "shrubland", "bare_land"]
LEGEND = Legend.from_names("demo", NAMES)
EVERYTHING = ("near", "region", "filter", "probability", "set", "applicable", "entropy")


def judged_points(number=400, *, right=0.85, seed=0, extra=()):
    """Points of which about a share is right; `extra` names the columns beside the classes."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.1, 0.4, 0.35, 0.12, 0.03])
    true = rng.choice(5, number, p=shares)
    mapped = np.where(rng.random(number) < right, true, rng.choice(5, number, p=shares))
    table = pd.DataFrame({"mapped": mapped.astype(np.uint8), "reference": true.astype(np.uint8)})
    table["x"], table["y"] = rng.uniform(4.0e6, 4.1e6, number), rng.uniform(2.9e6, 3.0e6, number)
    if "near" in extra:
        near = np.where(rng.random(number) < 0.3, true, mapped)
        table["mapped_near"] = near.astype(np.uint8)
    if "region" in extra:
        table["region"] = np.where(table["x"] < 4.05e6, "west", "east_side")
    if "filter" in extra:
        table["passes_filter"] = rng.random(number) < 0.6
    if "probability" in extra or "set" in extra:
        logits = rng.normal(size=(number, 5)) * 0.3
        logits[np.arange(number), mapped] += 2 + rng.exponential(1, number)
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        for k, name in enumerate(NAMES):
            if "probability" in extra:
                table[f"probability_{name}"] = shares[:, k]
            if "set" in extra:
                table[f"set_{name}"] = (shares[:, k] > 0.05).astype(np.uint8)
    if "applicable" in extra:
        table["applicable"] = (rng.random(number) < 0.8).astype(np.uint8)
    if "entropy" in extra:
        table["entropy"] = rng.uniform(0, 1.5, number).astype(np.float32)
    table.attrs = {
        "legend": LEGEND.to_dict(),
        "crs": CRS.from_epsg(3035).to_wkt(),
        "counts": {"given": number + 7, "judged": number, "outside": 4, "unlabelled": 3},
        "filter": "in_situ",
        "years": [2018],
    }
    return table
