"""Pixels and area of every change from class to class: chunk by chunk, added up as a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.compiled import compiled
from lulc_xr.core.legend import FILL_CLASS, Legend

_BLOCK = 1024


def count_pairs(
    before: xr.DataArray,
    after: xr.DataArray,
    *,
    legend: Legend,
    weights: NDArray[np.float64],
    zones: xr.DataArray | None = None,
    ids: NDArray[np.int64] | None = None,
) -> Any:
    """How often each class was followed by each, lazily, in each zone.

    Parameters
    ----------
    before, after : xr.DataArray of uint8
        Class ids (period, y, x) at the begin and at the end of each period.
    legend : Legend
        The K classes of both.
    weights : ndarray of float64
        What a pixel of each row counts, shape (y,).
    zones : xr.DataArray of int, optional
        Ids (y, x); by default all pixels are of one zone.
    ids : ndarray of int64, optional
        The zones that are counted, ascending.

    Returns
    -------
    dask array of float64
        (period, zone, K * K + 1, 2): pairs of classes, the earlier one first, and last the pixels
        that lack a class in either year. Of each the number of pixels, and the sum of weights.

    Notes
    -----
    A task holds one block of two years, and numbers of zones times pairs of classes.
    """
    arrays = {
        "before": before.drop_attrs(),
        "after": after.drop_attrs(),
        "weights": xr.DataArray(weights[:, None], dims=("y", "row")),
    }
    if zones is not None:
        arrays["zones"] = zones.drop_attrs()
    bare = {n: v.drop_vars(list(v.coords)).variable for n, v in arrays.items()}
    blocks = xr.Dataset(bare)
    blocks = blocks.chunk({"period": 1} | ({} if before.chunks else {"y": _BLOCK, "x": _BLOCK}))
    blocks = blocks.unify_chunks()
    chosen = np.zeros(1, np.int64) if ids is None else ids
    bins = len(legend) ** 2 + 1
    data = blocks["before"].data
    # The method of the array, not a function of Dask: only the cube and jobs know Dask.
    parts = data.map_blocks(
        _count_block,
        blocks["after"].data,
        blocks["weights"].data,
        *((blocks["zones"].data,) if zones is not None else ()),
        ids=chosen,
        legend=legend,
        dtype=np.float64,
        chunks=(
            data.chunks[0],
            *((1,) * n for n in data.numblocks[1:]),
            (chosen.size,),
            (bins,),
            (2,),
        ),
        new_axis=[3, 4, 5],
        meta=np.empty((0,) * 6),
    )
    return parts.sum(axis=(1, 2), split_every=4)


def _count_block(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    weights: NDArray[np.float64],
    zones: NDArray[np.integer] | None = None,
    *,
    ids: NDArray[np.int64],
    legend: Legend,
) -> NDArray[np.float64]:
    made = np.zeros((len(before), 1, 1, ids.size, len(legend) ** 2 + 1, 2))
    known = np.array([*legend.ids, FILL_CLASS])
    of_row = weights[:, 0].copy()
    same = bool((of_row == 1).all())
    pairs = _pairs(legend)
    for own, first, second in zip(made[:, 0, 0], before, after, strict=True):
        one = np.ascontiguousarray(first), np.ascontiguousarray(second)
        if zones is None and same:
            good = _fold(_count_all(*one), known, own[0, :, 0])
        else:
            place = np.zeros((0, 0), np.int64) if zones is None else zones
            counts = np.zeros((2, ids.size, len(legend) ** 2 + 2), np.int64)
            sums = np.zeros((1 if same else ids.size, counts.shape[-1]))
            _count(*one, pairs, of_row, place, ids, same, counts, sums)
            own[..., 0] = counts.sum(axis=0)[:, :-1]
            own[..., 1] = sums[:, :-1]
            good = not counts[..., -1].any()
        if not good:
            # Raises, and says which labels these are.
            legend.index_of(first), legend.index_of(second)
        if same:
            own[..., 1] = own[..., 0]
    return made


def _pairs(legend: Legend) -> NDArray[np.int32]:
    """Number of each pair of bytes, (256, 256): K * K if one is not mapped, then for no class."""
    classes = len(legend)
    known = np.array([*legend.ids, FILL_CLASS])
    numbers = np.arange(classes)[:, None] * classes + np.arange(classes)
    made = np.full((256, 256), classes**2 + 1, np.int32)
    made[np.ix_(known, known)] = np.pad(numbers, (0, 1), constant_values=classes**2)
    return made


def _fold(counts: NDArray[np.int64], known: NDArray[np.int64], made: NDArray[np.float64]) -> bool:
    """Counts of pairs of bytes as counts of pairs of classes; False if a byte is no class."""
    matrix = counts.reshape(256, 256)[np.ix_(known, known)]
    made[:-1] = matrix[:-1, :-1].reshape(-1)
    made[-1] = matrix[-1].sum() + matrix[:-1, -1].sum()
    return int(matrix.sum()) == int(counts.sum())


@compiled
def _count_all(before: Any, after: Any) -> Any:
    """Number of each pair of bytes, the earlier one first: shape (65536,)."""
    rows, columns = before.shape
    # Two counts in turn: a count need not wait for the one before it.
    counts = np.zeros((2, 65536), np.int64)
    for row in range(rows):
        column = 0
        while column + 2 <= columns:
            counts[0, (before[row, column] << 8) | after[row, column]] += 1
            counts[1, (before[row, column + 1] << 8) | after[row, column + 1]] += 1
            column += 2
        if column < columns:
            counts[0, (before[row, column] << 8) | after[row, column]] += 1
    return counts[0] + counts[1]


@compiled
def _count(
    before: Any,
    after: Any,
    pairs: Any,
    weights: Any,
    zones: Any,
    ids: Any,
    same: bool,
    counts: Any,
    sums: Any,
) -> None:
    """Add to counts (2, zone, pair), and to sums (zone, pair) where rows have their own weights."""
    rows, columns = before.shape
    zoned = zones.size > 0
    last, place = ids[0], 0
    for row in range(rows):
        start = 0
        while start < columns:
            stop = columns
            if zoned:
                zone = zones[row, start]
                stop = start + 1
                while stop < columns and zones[row, stop] == zone:
                    stop += 1
                if zone != last:
                    last = zone
                    low, high = 0, ids.size
                    while low < high:
                        middle = (low + high) // 2
                        if ids[middle] < zone:
                            low = middle + 1
                        else:
                            high = middle
                    place = low if low < ids.size and ids[low] == zone else -1
            column, start = start, stop
            if place < 0:
                continue
            # Two counts in turn: a count need not wait for the one before it.
            even, odd = counts[0, place], counts[1, place]
            if not same:
                total = sums[place]
                while column < stop:
                    pair = pairs[before[row, column], after[row, column]]
                    even[pair] += 1
                    total[pair] += weights[row]
                    column += 1
            while column + 2 <= stop:
                even[pairs[before[row, column], after[row, column]]] += 1
                odd[pairs[before[row, column + 1], after[row, column + 1]]] += 1
                column += 2
            if column < stop:
                even[pairs[before[row, column], after[row, column]]] += 1
