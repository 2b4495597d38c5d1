"""Blocks of a small area: some to test on, those that do not touch them to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import FILL_CLASS, Legend

_RECTANGLES, _SHORTEST, _LONGEST = 3, 2, 3
_FEWEST_BLOCKS, _FEWEST_TO_LEARN, _FEWEST_TO_TEST = 20, 40, 20
_TRIES = 10_000


@dataclass(frozen=True, kw_only=True)
class BlockSplit:
    """Pixels to train on and pixels to test on, bool (y, x); a whole block lies between them."""

    training: xr.DataArray
    test: xr.DataArray


def split_blocks(reference: xr.DataArray, *, rng: np.random.Generator, side: int = 8) -> BlockSplit:
    """Test blocks, drawn as three rectangles, and the training blocks that do not touch them.

    There are at least 20 training blocks; every class has at least 40 pixels in them and 20 in
    the test blocks.

    Parameters
    ----------
    reference : xr.DataArray of uint8
        Class ids (y, x) with CF flags.
    rng : numpy.random.Generator
        Draws the blocks.
    side : int
        Side of a block in pixels.

    Returns
    -------
    BlockSplit
        Neighbours, also over a corner, of a test block are in neither part.

    Raises
    ------
    SampleError
        If the area is too small for such parts.
    """
    flat = reference.transpose("y", "x")
    ids = Legend.from_flags(reference.attrs).ids
    rows, columns = (-(-flat.sizes[d] // side) for d in ("y", "x"))
    if min(rows, columns) >= _LONGEST:
        for _ in range(_TRIES):
            tested = _draw(rng, rows, columns)
            learnt = ~binary_dilation(tested, np.ones((3, 3)))
            test, training = (_pixels(blocks, flat, side) for blocks in (tested, learnt))
            enough = [(test, _FEWEST_TO_TEST), (training, _FEWEST_TO_LEARN)]
            counted = all((flat.values[part] == i).sum() >= n for part, n in enough for i in ids)
            if counted and learnt.sum() >= _FEWEST_BLOCKS:
                made = [flat.copy(data=part).drop_attrs() for part in (training, test)]
                return BlockSplit(training=made[0], test=made[1])
    raise SampleError(
        f"{rows} × {columns} blocks of {side} pixels cannot be parted into {_FEWEST_BLOCKS} "
        f"training blocks and test blocks apart from them, with {_FEWEST_TO_LEARN} and "
        f"{_FEWEST_TO_TEST} pixels of every class. Take smaller blocks, or a larger area."
    )


def draw_points(
    reference: xr.DataArray, where: xr.DataArray, *, per_class: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Labelled points at pixel centres, at most `per_class` of each class, each pixel once.

    Parameters
    ----------
    reference : xr.DataArray of uint8
        Class ids (y, x) with CF flags.
    where : xr.DataArray of bool
        Where points may lie, (y, x).
    per_class : int
        Points of a class; all its pixels if there are fewer.
    rng : numpy.random.Generator
        Draws the points.

    Returns
    -------
    pandas.DataFrame
        Columns `x`, `y` and `land_cover`; ``.attrs["legend"]`` holds the legend.
    """
    legend = Legend.from_flags(reference.attrs)
    flat = reference.where(where, FILL_CLASS).transpose("y", "x")
    found = [np.flatnonzero(flat.values == class_id) for class_id in legend.ids]
    chosen = [rng.choice(places, min(per_class, places.size), replace=False) for places in found]
    row, column = np.divmod(np.concatenate(chosen), flat.sizes["x"])
    points = pd.DataFrame(
        {
            "x": flat["x"].values[column],
            "y": flat["y"].values[row],
            "land_cover": flat.values[row, column],
        }
    )
    points.attrs["legend"] = legend.to_dict()
    return points


def _draw(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.bool_]:
    """Three rectangles of 2 or 3 blocks a side, which may overlap."""
    blocks = np.zeros((rows, columns), np.bool_)
    for _ in range(_RECTANGLES):
        height, width = rng.integers(_SHORTEST, _LONGEST + 1, 2)
        top, left = rng.integers(0, rows - height + 1), rng.integers(0, columns - width + 1)
        blocks[top : top + height, left : left + width] = True
    return blocks


def _pixels(blocks: NDArray[np.bool_], like: xr.DataArray, side: int) -> NDArray[np.bool_]:
    whole = blocks.repeat(side, axis=0).repeat(side, axis=1)
    return whole[: like.sizes["y"], : like.sizes["x"]]
