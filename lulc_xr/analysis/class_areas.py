"""Area of each class of a map: pixels counted chunk by chunk, times their size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.legend import FILL_CLASS, Legend

_ROWS_AT_ONCE = 1 << 24


def class_areas(
    class_map: xr.DataArray, *, legend: Legend | None = None, mask: xr.DataArray | None = None
) -> pd.DataFrame:
    """Pixels and area of each class of a map.

    Parameters
    ----------
    class_map : xr.DataArray of int
        Class ids over (y, x), 255 where not mapped; a `year` of size 1 is dropped. Dask arrays
        are counted chunk by chunk.
    legend : Legend, optional
        The classes; by default the CF flags of the map.
    mask : xr.DataArray of bool, optional
        True where pixels count, on the same grid.

    Returns
    -------
    pandas.DataFrame
        One row per class name, with the columns `pixels`, `area_m2`, `area_ha`, `area_km2` and
        `share` of the mapped area. In degrees the area of a pixel depends on its latitude, and
        is that on the ellipsoid. Attributes: `unmapped_pixels`.

    Raises
    ------
    CubeError
        If the map is not over (y, x), or has no coordinate reference system.
    LegendError
        If a class id is outside the legend.

    Examples
    --------
    >>> from lulc_xr.testing import landscape
    >>> reference = landscape(y=20, x=30, classes=3)["reference"]
    >>> areas = class_areas(reference)
    >>> int(areas["pixels"].sum()), float(areas["area_ha"].sum())
    (600, 6.0)
    """
    given = class_map.squeeze("year") if class_map.sizes.get("year") == 1 else class_map
    if set(given.dims) != {"y", "x"} or given.dtype.kind not in "iu":
        raise CubeError(
            f"a map of {given.dtype} over {tuple(map(str, given.dims))}; expected class ids over "
            "(y, x). Choose a year, for instance class_map.sel(year=2021)."
        )
    legend = legend or Legend.from_flags(given.attrs)
    given = given.transpose("y", "x")
    if mask is not None:
        given = given.where(mask, FILL_CLASS).astype(given.dtype)
    of_row = row_areas(given)
    counts = _row_counts(given, legend)
    pixels = counts.sum(axis=0)
    area = of_row @ counts
    mapped = area[:-1].sum()
    table = pd.DataFrame(
        {
            "pixels": pixels[:-1],
            "area_m2": area[:-1],
            "area_ha": area[:-1] / 1e4,
            "area_km2": area[:-1] / 1e6,
            "share": area[:-1] / mapped if mapped else np.full(len(legend), np.nan),
        },
        index=pd.Index(legend.names, name="class"),
    )
    table.attrs = {"unmapped_pixels": int(pixels[-1])}
    return table


def row_areas(class_map: xr.DataArray) -> NDArray[np.float64]:
    """Area of one pixel of each row in square metres, shape (y,)."""
    grid = class_map.coords.to_dataset()
    crs = CRS.from_user_input(crs_of(grid))
    a, _, _, _, e, f = affine_of(grid)
    rows = class_map.sizes["y"]
    if not crs.is_geographic:
        metres = crs.axis_info[0].unit_conversion_factor
        return np.full(rows, abs(a * e) * metres**2)
    ellipsoid = crs.ellipsoid
    assert ellipsoid is not None
    edges = np.deg2rad(f + e * np.arange(rows + 1))
    axis, flattening = ellipsoid.semi_major_metre, 1 / ellipsoid.inverse_flattening
    zones: NDArray[np.float64] = np.abs(np.diff(_zone(edges, axis, flattening)))
    found: NDArray[np.float64] = zones * abs(np.deg2rad(a))
    return found


def _zone(latitude: NDArray[np.float64], axis: float, flattening: float) -> NDArray[np.float64]:
    """Area from the equator to a latitude, per radian of longitude (Snyder 1987, 3-12)."""
    square = flattening * (2 - flattening)
    e = np.sqrt(square)
    sine = np.sin(latitude)
    q = (1 - square) * (sine / (1 - square * sine**2) + np.arctanh(e * sine) / e)
    found: NDArray[np.float64] = axis**2 * q / 2
    return found


def _row_counts(given: xr.DataArray, legend: Legend) -> NDArray[np.int64]:
    """Pixels of each class in each row, shape (y, class + 1); the last column is not mapped."""
    width = len(legend) + 1
    if given.chunks is None:
        step = max(1, _ROWS_AT_ONCE // max(given.sizes["x"], 1))
        parts = [
            _count_rows(given.isel(y=slice(start, start + step)).values, legend=legend)
            for start in range(0, given.sizes["y"], step)
        ]
        return np.concatenate(parts)[:, 0] if parts else np.zeros((0, width), np.int64)
    rows, columns = given.data.chunks
    counts = given.data.map_blocks(
        _count_rows,
        legend=legend,
        dtype=np.int64,
        chunks=(rows, (1,) * len(columns), (width,)),
        new_axis=2,
        meta=np.empty((0, 0, 0), np.int64),
    )
    found: NDArray[np.int64] = counts.sum(axis=1).compute()
    return found


def _count_rows(block: NDArray[Any], *, legend: Legend) -> NDArray[np.int64]:
    width = len(legend) + 1
    index = legend.index_of(block).astype(np.int64)
    index[index < 0] = width - 1
    index += np.arange(block.shape[0])[:, None] * width
    counts = np.bincount(index.reshape(-1), minlength=block.shape[0] * width)
    return counts.reshape(block.shape[0], 1, width)
