"""Georeference attributes both ways readers expect: CF grid mapping and Zarr conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.core.cube import crs_of

GRID_MAPPING = "spatial_ref"


def affine_of(ds: xr.Dataset) -> tuple[float, float, float, float, float, float]:
    """Affine coefficients (a, b, c, d, e, f) of a cube: x = a*col + b*row + c at pixel corners."""
    y, x = (np.asarray(ds[name].values, np.float64) for name in ("y", "x"))
    step_x = float(x[-1] - x[0]) / (x.size - 1) if x.size > 1 else _lone_step(y)
    step_y = float(y[-1] - y[0]) / (y.size - 1) if y.size > 1 else -_lone_step(x)
    return (step_x, 0.0, float(x[0]) - step_x / 2, 0.0, step_y, float(y[0]) - step_y / 2)


def pixels_at(
    ds: xr.Dataset, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Row and column of places, with the place inside the pixel; whether a pixel is there.

    Parameters
    ----------
    ds : xr.Dataset
        With pixel centres `y` and `x`.
    x, y : ndarray of float64
        Places in its reference system, shape (point,); NaN lies outside.

    Returns
    -------
    row, column : ndarray of float64
        Counted from the upper left corner of the first pixel; 0 outside.
    inside : ndarray of bool
        Whether the place lies in a pixel.
    """
    step_x, _, left, _, step_y, top = affine_of(ds)
    row, column = (y - top) / step_y, (x - left) / step_x
    # Comparisons are False for NaN: a point without position lies outside.
    inside = (row >= 0) & (row < ds.sizes["y"]) & (column >= 0) & (column < ds.sizes["x"])
    return np.where(inside, row, 0), np.where(inside, column, 0), inside


def _lone_step(other: np.ndarray[Any, Any]) -> float:
    # One pixel along an axis has no spacing of its own: pixels are square.
    return abs(float(other[-1] - other[0]) / (other.size - 1)) if other.size > 1 else 1.0


def grid_mapping_variable(ds: xr.Dataset) -> xr.Variable:
    """The CF grid mapping of a cube, with GDAL's GeoTransform."""
    crs = CRS.from_user_input(crs_of(ds))
    a, b, c, d, e, f = affine_of(ds)
    attrs = {**crs.to_cf(), "GeoTransform": f"{c!r} {a!r} {b!r} {f!r} {d!r} {e!r}"}
    attrs["spatial_ref"] = attrs["crs_wkt"]
    return xr.Variable((), np.int32(crs.to_epsg() or 0), attrs)


def zarr_conventions(ds: xr.Dataset) -> dict[str, Any]:
    """Attributes of the Zarr conventions ``proj:`` and ``spatial:`` for the group of a cube."""
    crs = CRS.from_user_input(crs_of(ds))
    a, b, c, d, e, f = affine_of(ds)
    rows, columns = ds.sizes["y"], ds.sizes["x"]
    corners = ((c, f), (c + a * columns, f + e * rows))
    (x0, y0), (x1, y1) = corners
    found = {
        "proj:wkt2": crs.to_wkt(),
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": [a, b, c, d, e, f],
        "spatial:shape": [rows, columns],
        "spatial:bbox": [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)],
    }
    authority = crs.to_authority()
    if authority:
        found["proj:code"] = ":".join(authority)
    return found
