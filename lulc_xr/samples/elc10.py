"""The points of ELC10 as samples: metrics of Sentinel-2 and Sentinel-1 instead of series."""

from __future__ import annotations

import os
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyproj
import xarray as xr

from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.legends import legend
from lulc_xr.samples.lucas import LUCAS_CRS, theoretical_location

_REFLECTANCE = (
    "blue_median", "green_median", "red_median", "R1_median", "R2_median", "R3_median",
    "nir_median", "swir1_median", "swir2_median",
)  # fmt: skip
_INDICES = (
    "ndvi_winter", "ndvi_spring", "ndvi_summer", "ndvi_fall", "ndvi_p5", "ndvi_p25", "ndvi_p50",
    "ndvi_p75", "ndvi_p95", "ndvi_texture_sd", "ndsi_p5", "ndsi_p25", "ndsi_p50", "ndsi_p75",
    "ndsi_p95", "nbr_stdDev",
)  # fmt: skip
_RADAR = tuple(f"{orbit}_{kind}" for orbit in ("asc", "desc") for kind in (
    "vv_median", "vv_stDev", "vh_median", "vh_stDev", "dpol_median",
))  # fmt: skip


def _feature(name: str) -> tuple[float, str, str]:
    """Factor of the stored number, unit, and sensor."""
    if name in _REFLECTANCE:
        return 1e-7, "1", "sentinel-2"
    if name in _INDICES:
        return 1e-3, "1", "sentinel-2"
    # The cross ratio is VH over VV of values in decibels: a number without unit.
    return 1e-3, "1" if "dpol" in name else "dB", "sentinel-1"


def read_elc10(path: str | os.PathLike[str]) -> xr.Dataset:
    """Points of LUCAS 2018 with metrics of Sentinel-2 and Sentinel-1, ready to learn from.

    Parameters
    ----------
    path : path
        Parquet table of the training points of ELC10, one row per point.

    Returns
    -------
    xr.Dataset
        `features(sample, feature)` float32: reflectance and indices without unit, backscatter
        in dB, NaN where the radar saw nothing; coords `unit(feature)` and `sensor(feature)`.
        `land_cover(sample)` uint8 in the legend ``lucas_lc1_level1``; `point_id`; `x`, `y`,
        the theoretical location in metres of EPSG:3035; `source` of the label, and `year`.
        The agreement ``votes`` by which its authors cleaned points is left out: it would
        tell a model what it must not know.

    Raises
    ------
    SampleError
        If the table cannot be read or lacks a column.

    References
    ----------
    Venter, Z. S. and Sydenham, M. A. K. (2021). Continental-scale land cover mapping at 10 m
    resolution over Europe (ELC10). Remote Sensing 13, 2301.

    Examples
    --------
    With scikit-learn::

        samples = lx.read_elc10("points.parquet")
        optical = samples.sel(feature=samples.sensor == "sentinel-2")
        RandomForestClassifier().fit(optical.features.values, optical.land_cover.values)
    """
    try:
        table = pd.read_parquet(Path(path))
    except (OSError, ValueError) as error:
        raise SampleError(f"{str(path)!r} cannot be read as Parquet: {error}.") from error
    names = (*_REFLECTANCE, *_INDICES, *_RADAR)
    for name in ("POINT_ID", "LC_num", "source", *names):
        if name not in table:
            raise SampleError(f"{str(path)!r}: {name_unknown('column', name, table.columns)}")
    factors, units, sensors = zip(*map(_feature, names), strict=True)
    values = table[list(names)].to_numpy(np.float64) * np.array(factors)
    point_id = table["POINT_ID"].to_numpy(np.int64)
    x, y = theoretical_location(point_id)
    classes = legend("lucas_lc1_level1")
    labels = table["LC_num"].to_numpy(np.int64)
    classes.index_of(labels)
    text = np.dtypes.StringDType()
    return xr.Dataset(
        {
            "features": (("sample", "feature"), values.astype(np.float32)),
            "land_cover": ("sample", labels.astype(np.uint8), classes.flags()),
            "point_id": ("sample", point_id),
            "year": ("sample", np.full(len(table), 2018, np.int32)),
            "source": ("sample", table["source"].to_numpy().astype(text)),
            "weight": ("sample", np.ones(len(table), np.float32)),
            "y": ("sample", y, {"units": "m"}),
            "x": ("sample", x, {"units": "m"}),
        },
        {
            "feature": np.array(names, text),
            "unit": ("feature", np.array(units, text)),
            "sensor": ("feature", np.array(sensors, text)),
        },
        {"tasks": "land_cover", "crs_wkt": pyproj.CRS(LUCAS_CRS).to_wkt()},
    )


def join_lucas(samples: xr.Dataset, points: geopandas.GeoDataFrame) -> xr.Dataset:
    """The samples with what was surveyed at their points: codes, and labels of more tasks.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with `point_id` over `sample`, such as :func:`read_elc10` gives.
    points : GeoDataFrame
        What :func:`lulc_xr.read_lucas` gave, one visit per point; or the same after
        :func:`lulc_xr.lucas_labels`, to add its tasks.

    Returns
    -------
    xr.Dataset
        `samples` with `lc1` and `lu1` (text, empty where a point was not found), and each task
        of `points` that the samples have not yet, 255 where a point was not found.

    Raises
    ------
    SampleError
        If the samples have no `point_id`, a point has several visits, or no point is common.
    """
    if "point_id" not in samples:
        raise SampleError("these samples have no 'point_id' to join points of LUCAS by.")
    twice = points["point_id"][points["point_id"].duplicated()]
    if len(twice):
        raise SampleError(
            f"{twice.nunique()} points have several visits, such as {twice.iloc[0]}. Take those of "
            "one year first: points[points.year == 2018]."
        )
    row = pd.Index(points["point_id"]).get_indexer(samples["point_id"].to_numpy())
    if not (row >= 0).any():
        raise SampleError(
            f"none of {len(row)} samples is one of these {len(points)} points of LUCAS. Compare "
            "their numbers: both are EEEENNNN."
        )
    text = np.dtypes.StringDType()
    added: dict[str, tuple[object, ...]] = {}
    for name in ("lc1", "lu1"):
        codes = np.append(points[name].fillna("").to_numpy().astype(text), "")
        # The position of what was not found, -1, is the empty one at the end.
        added[name] = ("sample", codes[row].astype(text))
    tasks = samples.attrs.get("tasks", "").split()
    for task, classes in (points.attrs.get("legends") or {}).items():
        if task not in samples:
            ids = np.append(points[task].to_numpy(np.uint8), np.uint8(FILL_CLASS))
            added[task] = ("sample", ids[row], Legend.from_dict(classes).flags())
            tasks.append(task)
    return samples.assign(added).assign_attrs(tasks=" ".join(tasks))
