"""Points of LUCAS all over Europe as samples to learn from: features, labels, climate, folds.

The samples of every run of `benchmarks/evidence`: metrics of Sentinel-2 and Sentinel-1 at
55 662 points, land cover, land use where it was surveyed, climate and place as context, and
folds that were fixed before anything was trained::

    python -m benchmarks.evidence.europe outputs/evidence/europe.zarr
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.ndimage import distance_transform_edt, map_coordinates

import lulc_xr as lx

SEED = 0
FOLDS = 5
BLOCK = 100_000.0
"""Side of a block of the folds, in metres."""

# Climate and relief only. `hmi` (human modification) and the CORINE fractions beside them are
# made from land cover maps, CORINE partly from the same fields: they would tell the answer.
HALF_DEGREE = {
    "bio01": ("bio01", 0.1),
    "elevation": ("elevation", 1.0),
    "slope": ("slope", 1.0),
    "bio19": ("bio19", 1.0),
}
ONE_DEGREE = {"bio02": (0, 0.1), "bio10": (1, 0.1), "bio13": (2, 1.0)}
OLD_GRIDS = {"bio03": ("bio3", 1.0), "bio07": ("bio7", 0.1), "bio11": ("bio11", 0.1)} | {
    "bio12": ("bio12", 1.0)
}
CLIMATE = tuple(sorted({*HALF_DEGREE, *ONE_DEGREE, *OLD_GRIDS}))
ZONES = {
    "mediterranean": ("BSh", "BSk", "BWh", "BWk", "Csa", "Csb", "Csc"),
    "atlantic": ("Cfb", "Cfc"),
    "subtropical": ("Cfa", "Dfa"),
    "continental": ("Dfb",),
    "boreal": ("Dfc", "Dfd", "ET", "EF"),
}
"""Groups of zones of Köppen and Geiger: each is one fold of leave-region-out."""


def europe(shared: Path) -> xr.Dataset:
    """Samples of Europe, one date with as many bands as there are metrics.

    Parameters
    ----------
    shared : Path
        The folder that holds ``data/elc10``, ``data/lucas`` and the rest.

    Returns
    -------
    xr.Dataset
        `reflectance(sample, time, band)` metrics, without NaN; `land_cover`, `land_use` (255
        where it was not surveyed), `lc1`; `bioclim(sample, bioclim_variable)` climate, relief
        and place, raw; `fold` (blocks of 100 km), `zone_fold` (leave-region-out); `koeppen`.
    """
    data = shared / "data"
    samples = lx.read_elc10(data / "elc10" / "points.parquet")
    surveyed = lx.read_lucas(data / "lucas" / "lucas_2018_lc1_lu1_19k.csv")
    points = lx.lucas_labels(surveyed, lu1="lucas_lu1_level2")
    samples = lx.join_lucas(samples, points)
    samples = samples.assign_coords(point_id=samples["point_id"])
    samples = _with_zones(samples, data)
    blocks = lx.make_folds(samples, method="blocked", block=BLOCK, folds=FOLDS, seed=SEED)
    zones = lx.make_folds(samples, method="leave_one_region_out", region="zone")
    samples = samples.assign(fold=blocks["fold"], zone_fold=zones["fold"])
    values, names = metrics(samples)
    context = _context(samples, data)
    made = samples.drop_vars(["features", "feature", "unit", "sensor"]).assign(
        reflectance=(("sample", "time", "band"), values[:, None, :]),
        bioclim=(("sample", "bioclim_variable"), context),
        day=("time", np.zeros(1, np.int32)),
    )
    dates = {"kind": "regular", "freq": "year"}
    made = made.assign_coords(band=names, bioclim_variable=list(CLIMATE), time=[0])
    tasks = {"dates": json.dumps(dates), "tasks": "land_cover land_use"}
    placed: xr.Dataset = lx.place_context(made.assign_attrs(tasks))
    return placed


def metrics(samples: xr.Dataset) -> tuple[NDArray[np.float32], list[str]]:
    """Metrics on scales that a network likes, by rules that look at no other sample.

    Logarithms of reflectance, because what differs in nature differs by factors; ratios of
    bands; decibels; where the radar saw nothing its metrics are 0 and a flag of its own is 1.
    """
    given = {str(n): samples["features"].sel(feature=n).values for n in samples["feature"].values}
    made: dict[str, NDArray[np.floating]] = {}
    logarithms = {n for n in given if n.lower().endswith(("stdev", "stddev", "_sd"))}
    logarithms |= {n for n in given if n.endswith("_median") and not n.startswith(("asc", "desc"))}
    for name, value in given.items():
        if "dpol" in name:
            # A ratio of decibels that explodes where VV is near 0 dB.
            made[name] = np.clip(value, 0.0, 4.0)
        else:
            made[name] = np.log(np.maximum(value, 1e-3)) if name in logarithms else value
    light = {n.removesuffix("_median"): given[n] for n in given if n.endswith("_median")}
    for first, second in (
        ("nir", "red"), ("nir", "swir1"), ("nir", "swir2"), ("swir1", "swir2"), ("green", "swir1"),
        ("R3", "R1"), ("green", "red"), ("blue", "red"), ("green", "nir"), ("R1", "red"),
    ):  # fmt: skip
        a, b = light[first], light[second]
        made[f"{first}_{second}"] = (a - b) / (a + b)
    made["ndvi_range"] = given["ndvi_p95"] - given["ndvi_p5"]
    made["ndvi_spring_summer"] = given["ndvi_spring"] - given["ndvi_summer"]
    made["ndvi_summer_fall"] = given["ndvi_summer"] - given["ndvi_fall"]
    made["ndvi_winter_summer"] = given["ndvi_winter"] - given["ndvi_summer"]
    for orbit in ("asc", "desc"):
        made[f"{orbit}_vh_vv"] = given[f"{orbit}_vh_median"] - given[f"{orbit}_vv_median"]
    unseen = np.isnan(given["asc_vv_median"])
    table = np.stack([np.nan_to_num(v) for v in made.values()], axis=1)
    radar = np.array([n.startswith(("asc_", "desc_")) for n in made])
    # The middle of what the radar saw, so that a flag is all that says it saw nothing.
    table[np.ix_(unseen, radar)] = np.median(table[~unseen][:, radar], axis=0)
    table = np.column_stack([table, unseen])
    return table.astype(np.float32), [*made, "radar_unseen"]


def _with_zones(samples: xr.Dataset, data: Path) -> xr.Dataset:
    """Samples with `koeppen`, and `zone`, the group of zones; coasts take the nearest point's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = lx.assign_raster_regions(samples, data / "europe_halfdegree" / "koeppen_50km.tif")
    zone_of = {code: group for group, codes in ZONES.items() for code in codes}
    zones = np.array([zone_of.get(str(code), "") for code in found["koeppen"].values])
    known = zones != ""
    places = np.stack([found["x"].values, found["y"].values], axis=1)
    for sample in np.flatnonzero(~known):
        away = ((places[known] - places[sample]) ** 2).sum(axis=1)
        zones[sample] = zones[known][away.argmin()]
    return found.assign(zone=("sample", zones.astype(np.dtypes.StringDType())))


def _context(samples: xr.Dataset, data: Path) -> NDArray[np.float32]:
    """Climate, relief and place of samples, (sample, variable), in the order of the names."""
    to_degrees = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(samples["x"].values, samples["y"].values)
    columns: dict[str, NDArray[np.floating]] = {}
    for name, (file, factor) in HALF_DEGREE.items():
        path = data / "europe_halfdegree" / f"{file}_mean_50km.tif"
        columns[name] = _at(*_raster(path, 1), lon, lat) * factor
    for name, (band, factor) in ONE_DEGREE.items():
        path = data / "bioclim_coarse" / "bioclim_global.tif"
        columns[name] = _at(*_raster(path, band + 1), lon, lat) * factor
    for name, (file, factor) in OLD_GRIDS.items():
        grid = np.fromfile(data / "bioclim_coarse" / f"{file}.gri", "<f4").reshape(94, 240)
        grid = np.where(grid < -1e30, np.nan, grid)
        columns[name] = _at(grid, (-180.0, 83.5, 1.5, -1.5), lon, lat) * factor
    return np.stack([columns[n] for n in CLIMATE], axis=1).astype(np.float32)


Origin = tuple[float, float, float, float]


def _raster(path: Path, band: int) -> tuple[NDArray[np.floating], Origin]:
    with rasterio.open(path) as source:
        grid = source.read(band, masked=True).astype(np.float64).filled(np.nan)
        t = source.transform
    return grid, (t.c, t.f, t.a, t.e)


def _at(
    grid: NDArray[np.floating],
    origin: Origin,
    lon: NDArray[np.floating],
    lat: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Values between the centres of cells; sea takes its nearest land."""
    west, north, width, height = origin
    nearest = distance_transform_edt(
        ~np.isfinite(grid), return_distances=False, return_indices=True
    )
    filled = grid[tuple(nearest)]
    place = [(lat - north) / height - 0.5, (lon - west) / width - 0.5]
    return np.asarray(map_coordinates(filled, place, order=1, mode="nearest"))


def main() -> None:
    """Write the store that the command line names."""
    shared = Path(os.environ["LULC_XR_SHARED"])
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    made = europe(shared)
    lx.write_samples(made, target, overwrite=True)
    print(made)


if __name__ == "__main__":
    main()
