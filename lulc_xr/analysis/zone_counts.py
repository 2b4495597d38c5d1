"""Counts of classes in zones: chunk by chunk, added up as a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.legend import Legend

_BLOCK = 512


def in_chunks(array: xr.DataArray) -> xr.DataArray:
    """An array without coordinates, in chunks: its own, or of 512 pixels a side."""
    bare = array.drop_vars(list(array.coords))
    return bare if bare.chunks else bare.chunk({"y": _BLOCK, "x": _BLOCK})


def find_ids(zones: xr.DataArray) -> NDArray[np.integer]:
    """Ids of all zones, ascending.

    Parameters
    ----------
    zones : xr.DataArray of int
        (y, x), in chunks. ``_FillValue``, or 0 where there is no such attribute, is no zone.

    Raises
    ------
    CubeError
        If there is none.
    """
    none = zones.encoding.get("_FillValue", zones.attrs.get("_FillValue", 0))
    # An array of arrays: what each chunk holds is not known before it is read.
    each = zones.data.map_blocks(
        _ids_of_block,
        dtype=object,
        chunks=tuple((1,) * len(c) for c in zones.data.chunks),
        meta=np.empty((0, 0), object),
    ).compute()
    ids: NDArray[np.integer] = np.unique(np.concatenate(list(each.ravel())))
    ids = ids[ids != none]
    if not ids.size:
        raise CubeError(
            f"no zone: every pixel of the zones is {none}, which means none. Check that they "
            "overlap the maps."
        )
    return ids


def count(
    classes: xr.DataArray, zones: xr.DataArray, ids: NDArray[np.integer], legend: Legend
) -> Any:
    """Number of pixels of each class in each zone, lazily: counts of chunks, summed as a tree.

    Parameters
    ----------
    classes : xr.DataArray of uint8
        (year, member, y, x), in chunks.
    zones : xr.DataArray of int
        (y, x), in the same chunks.
    ids : ndarray of int
        Zones, ascending.
    legend : Legend
        The classes.

    Returns
    -------
    dask array of int64
        (year, member, zone, class), and a last class for pixels that are not mapped.
    """
    chunks = classes.data.chunks
    # The method of the array, not a function of Dask: only the cube and jobs know Dask.
    parts = classes.data.map_blocks(
        _count_block,
        zones.data,
        ids=ids,
        legend=legend,
        dtype=np.int64,
        chunks=(*chunks[:2], *((1,) * len(c) for c in chunks[2:]), (ids.size,), (len(legend) + 1,)),
        new_axis=[4, 5],
        meta=np.empty((0,) * 6, np.int64),
    )
    return parts.sum(axis=(2, 3), split_every=4)


def add_areas(
    classes: xr.DataArray,
    zones: xr.DataArray,
    rows: NDArray[np.float64],
    *,
    ids: NDArray[np.integer],
    legend: Legend,
) -> Any:
    """Area of each class in each zone, lazily: sums of chunks, added as a tree.

    Parameters
    ----------
    classes : xr.DataArray of uint8
        (year, y, x).
    zones : xr.DataArray of int
        (y, x).
    rows : ndarray of float64
        Area of one pixel of each row, shape (y,).
    ids : ndarray of int
        Zones, ascending.
    legend : Legend
        The classes.

    Returns
    -------
    dask array of float64
        (year, zone, class), and a last class for pixels that are not mapped.
    """
    blocks = xr.Dataset({"classes": in_chunks(classes), "zones": in_chunks(zones)}).unify_chunks()
    first = blocks["classes"].transpose("year", "y", "x").data
    chunks = first.chunks
    # A column, so that each block of pixels meets its own rows.
    column = xr.DataArray(rows[:, None], dims=("y", "x")).chunk({"y": chunks[1]})
    parts = first.map_blocks(
        _area_block,
        blocks["zones"].data,
        column.data,
        ids=ids,
        legend=legend,
        dtype=np.float64,
        chunks=(chunks[0], *((1,) * len(c) for c in chunks[1:]), (ids.size,), (len(legend) + 1,)),
        new_axis=[3, 4],
        meta=np.empty((0,) * 5, np.float64),
    )
    return parts.sum(axis=(1, 2), split_every=4)


def add_variances(probability: xr.DataArray, zones: xr.DataArray, ids: NDArray[np.integer]) -> Any:
    """Sums of p (1 - p) over the pixels of each zone, lazily.

    Parameters
    ----------
    probability : xr.DataArray of float
        (year, class, y, x), in chunks; NaN does not count.
    zones : xr.DataArray of int
        (y, x), in the same chunks.
    ids : ndarray of int
        Zones, ascending.

    Returns
    -------
    dask array of float64
        (year, class, zone).
    """
    chunks = probability.data.chunks
    parts = probability.data.map_blocks(
        _variance_block,
        zones.data,
        ids=ids,
        dtype=np.float64,
        chunks=(*chunks[:2], *((1,) * len(c) for c in chunks[2:]), (ids.size,)),
        new_axis=[4],
        meta=np.empty((0,) * 5, np.float64),
    )
    return parts.sum(axis=(2, 3), split_every=4)


def _ids_of_block(block: NDArray[np.integer]) -> NDArray[Any]:
    made = np.empty((1, 1), object)
    made[0, 0] = np.unique(block)
    return made


def _count_block(
    classes: NDArray[np.uint8],
    zones: NDArray[np.integer],
    *,
    ids: NDArray[np.integer],
    legend: Legend,
) -> NDArray[np.int64]:
    inside, place = _places(zones, ids)
    made = np.zeros((*classes.shape[:2], 1, 1, ids.size, len(legend) + 1), np.int64)
    for year, member in np.ndindex(classes.shape[:2]):
        labels = classes[year, member][inside]
        made[year, member, 0, 0] = _by_class(labels, place, ids.size, legend=legend)
    return made


def _area_block(
    classes: NDArray[np.uint8],
    zones: NDArray[np.integer],
    rows: NDArray[np.float64],
    *,
    ids: NDArray[np.integer],
    legend: Legend,
) -> NDArray[np.float64]:
    inside, place = _places(zones, ids)
    area = np.broadcast_to(rows, zones.shape)[inside]
    made = np.zeros((classes.shape[0], 1, 1, ids.size, len(legend) + 1))
    for year in range(classes.shape[0]):
        labels = classes[year][inside]
        made[year, 0, 0] = _by_class(labels, place, ids.size, legend=legend, weights=area)
    return made


def _by_class(
    labels: NDArray[np.uint8],
    place: NDArray[np.int64],
    zones: int,
    *,
    legend: Legend,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[Any]:
    """Pixels, or their weights, by zone and class (zone, class); the last class is not mapped."""
    width = len(legend) + 1
    index = legend.index_of(labels).astype(np.int64)
    index[index < 0] = width - 1
    sums = np.bincount(place * width + index, weights=weights, minlength=zones * width)
    found: NDArray[Any] = sums.reshape(zones, width)
    return found


def _places(
    zones: NDArray[np.integer], ids: NDArray[np.integer]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which pixels lie in a zone, and the number of the zone of each of these."""
    found = np.minimum(np.searchsorted(ids, zones), ids.size - 1)
    inside: NDArray[np.bool_] = ids[found] == zones
    return inside, found[inside].astype(np.int64)


def _variance_block(
    probability: NDArray[np.floating], zones: NDArray[np.integer], *, ids: NDArray[np.integer]
) -> NDArray[np.float64]:
    inside, place = _places(zones, ids)
    made = np.zeros((*probability.shape[:2], 1, 1, ids.size), np.float64)
    for year, number in np.ndindex(probability.shape[:2]):
        p = np.nan_to_num(probability[year, number][inside].astype(np.float64))
        made[year, number, 0, 0] = np.bincount(place, weights=p * (1 - p), minlength=ids.size)
    return made
