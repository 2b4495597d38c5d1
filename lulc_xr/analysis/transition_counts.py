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
    index = np.full(256, -2, np.int64)
    index[known] = legend.index_of(known)
    of_row = weights[:, 0].copy()
    same = bool((of_row == 1).all())
    for own, first, second in zip(made[:, 0, 0], before, after, strict=True):
        pair = np.ascontiguousarray(first), np.ascontiguousarray(second)
        if zones is None and same:
            good = _fold(_count_all(*pair), known, own[0, :, 0])
        else:
            place = np.zeros((0, 0), np.int64) if zones is None else zones
            good = _count(*pair, index, of_row, place, ids, len(legend), same, own)
        if not good:
            # Raises, and says which labels these are.
            legend.index_of(first), legend.index_of(second)
        if same:
            own[..., 1] = own[..., 0]
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
    index: Any,
    weights: Any,
    zones: Any,
    ids: Any,
    classes: int,
    same: bool,
    made: Any,
) -> bool:
    """Add to (zone, pair, 2), weights only where they differ; False if a byte is no class."""
    known = True
    rows, columns = before.shape
    zoned = zones.size > 0
    last, place = ids[0], 0
    for row in range(rows):
        weight = weights[row]
        for column in range(columns):
            first, second = index[before[row, column]], index[after[row, column]]
            if first == -2 or second == -2:
                known = False
                continue
            if zoned:
                zone = zones[row, column]
                if zone != last:
                    last = zone
                    place = np.searchsorted(ids, zone)
                    if place == ids.size or ids[place] != zone:
                        place = -1
                if place < 0:
                    continue
            pair = classes * classes
            if first >= 0 and second >= 0:
                pair = first * classes + second
            made[place, pair, 0] += 1.0
            if not same:
                made[place, pair, 1] += weight
    return known
