"""A raster of a map made small for a page, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import xarray as xr

from lulc_xr.analysis.findings import Picture

_MOST_PIXELS = 320
_BLOCK = 2048


def picture_of(maps: xr.Dataset | xr.DataArray, task: str) -> tuple[Picture, ...]:
    """The entropy of a map as a mean over cells, at most 320 by 320; none if the map has none.

    Parameters
    ----------
    maps : xr.Dataset or xr.DataArray
        With `<task>_entropy` over (y, x), and year; the last year is taken. Lazy maps are read
        chunk by chunk, others block by block, each once.
    task : str
        Name of the class map.

    Returns
    -------
    tuple of Picture
        One, or none.
    """
    name = f"{task}_entropy"
    if not isinstance(maps, xr.Dataset) or name not in maps:
        return ()
    entropy = maps[name]
    if "year" in entropy.dims:
        entropy = entropy.isel(year=-1)
    if set(entropy.dims) != {"y", "x"} or min(entropy.sizes.values()) < 2:
        return ()
    entropy = entropy.transpose("y", "x")
    number = len(str(maps[task].attrs.get("flag_meanings", "")).split())
    top = math.log(number) if number > 1 else 1.0
    values, bounds = _small(entropy)
    return (Picture(values=values, bounds=bounds, name="entropy of the map, nats", top=top),)


def _small(
    raster: xr.DataArray,
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], tuple[float, float, float, float]]:
    """Means over square cells, north up, and the bounds of the raster."""
    rows, columns = raster.sizes["y"], raster.sizes["x"]
    side = max(1, math.ceil(max(rows, columns) / _MOST_PIXELS))
    shape = (math.ceil(rows / side), math.ceil(columns / side))
    sums, counts = np.zeros(shape), np.zeros(shape)
    for part_y, part_x in _blocks(raster):
        block = np.asarray(raster.isel(y=part_y, x=part_x).values, np.float64)
        known = np.isfinite(block)
        down = np.arange(part_y.start, part_y.stop) // side
        right = np.arange(part_x.start, part_x.stop) // side
        cell = (down[:, None] * shape[1] + right)[known]
        sums += np.bincount(cell, block[known], minlength=sums.size).reshape(shape)
        counts += np.bincount(cell, minlength=sums.size).reshape(shape)
    means = np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)
    y, x = (np.asarray(raster[name].values, np.float64) for name in ("y", "x"))
    step_y, step_x = (float(a[-1] - a[0]) / (len(a) - 1) for a in (y, x))
    # The last cells may reach beyond the raster.
    top, left = y[0] - step_y / 2, x[0] - step_x / 2
    bottom, right_end = top + step_y * side * shape[0], left + step_x * side * shape[1]
    if step_y > 0:
        means, top, bottom = means[::-1], bottom, top
    return means.astype(np.float32), (left, bottom, right_end, top)


def _blocks(raster: xr.DataArray) -> Iterator[tuple[slice, slice]]:
    """The chunks of a raster, or blocks of 2048 pixels where it has none."""
    chunks = raster.chunks or tuple(
        tuple(min(_BLOCK, n - start) for start in range(0, n, _BLOCK)) for n in raster.shape
    )
    ends = [np.cumsum(sizes) for sizes in chunks]
    for stop_y, size_y in zip(ends[0], chunks[0], strict=True):
        for stop_x, size_x in zip(ends[1], chunks[1], strict=True):
            yield slice(int(stop_y - size_y), int(stop_y)), slice(int(stop_x - size_x), int(stop_x))
