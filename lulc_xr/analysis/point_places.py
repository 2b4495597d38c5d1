"""Where survey points lie, in longitude and latitude, however their users give the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from lulc_xr.core.errors import SampleError
from lulc_xr.core.points import Points, columns_of, positions_of

LONLAT = "EPSG:4326"
_PAIRS = (
    ("longitude", "latitude", LONLAT),
    ("lon", "lat", LONLAT),
    ("e3035", "n3035", "EPSG:3035"),
)
"""Columns whose names say which reference system they are in."""


def lonlat_of(points: Points, crs: str | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of points in degrees, shape (point,), NaN for no place.

    Parameters
    ----------
    points : GeoDataFrame, DataFrame or xr.Dataset
        With a geometry; or columns `x` and `y` in `crs`; or `longitude` and `latitude`, `lon` and
        `lat`, or `e3035` and `n3035`. A Dataset of samples says its system as `crs_wkt`.
    crs : str, optional
        System of `x` and `y`.

    Raises
    ------
    SampleError
        If the points say no place.
    """
    if hasattr(type(points), "to_crs"):
        return _finite(*positions_of(points, LONLAT))
    table, _ = columns_of(points)
    if crs is None and isinstance(points, xr.Dataset):
        crs = points.attrs.get("crs_wkt")
    if crs is not None:
        return _project(*positions_of(points, crs), crs)
    for east, north, system in _PAIRS:
        if east in table and north in table:
            return _project(_numbers(table[east]), _numbers(table[north]), system)
    raise SampleError(
        f"these points say no place: their columns are {', '.join(table) or 'none'}. Give a "
        "GeoDataFrame; or columns longitude and latitude, lon and lat, or e3035 and n3035; or "
        "x and y with crs=, such as crs='EPSG:3035'."
    )


def _numbers(column: Any) -> NDArray[np.float64]:
    return pd.to_numeric(pd.Series(np.asarray(column))).to_numpy(np.float64)


def _project(
    x: NDArray[np.float64], y: NDArray[np.float64], crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of places in a system."""
    if crs == LONLAT:
        return _finite(x, y)
    longitude, latitude = Transformer.from_crs(crs, LONLAT, always_xy=True).transform(x, y)
    return _finite(np.asarray(longitude), np.asarray(latitude))


def _finite(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same with NaN for what is no place."""
    there = np.isfinite(longitude) & np.isfinite(latitude)
    return np.where(there, longitude, np.nan), np.where(there, latitude, np.nan)
