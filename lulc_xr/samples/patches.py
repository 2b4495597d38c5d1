"""Parts of a block in memory through xbatcher, the ragged ends included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
import xbatcher
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError

_NOTHING = -1


def iterate_positions(
    sizes: Mapping[str, int], *, steps: Mapping[str, int], overlap: Mapping[str, int] | None = None
) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Positions of windows that hold every position exactly once, or more often if they overlap.

    xbatcher leaves out a last window that is not full. Here it walks over positions that
    are filled up to whole windows, and the filling is taken off again: it moves no data.

    Parameters
    ----------
    sizes : mapping of dimension to int
        Sizes to cover.
    steps : mapping of dimension to int
        Size of a window along the same dimensions.
    overlap : mapping of dimension to int, optional
        Positions that neighbouring windows share. Default: none.

    Yields
    ------
    dict of dimension to ndarray of int
        Ascending positions, shape (up to the step,).

    Raises
    ------
    SampleError
        If a step is not a whole number >= 1, a dimension is unknown, or windows overlap whole.

    Examples
    --------
    >>> [w["sample"].tolist() for w in iterate_positions({"sample": 5}, steps={"sample": 2})]
    [[0, 1], [2, 3], [4]]
    >>> windows = iterate_positions({"y": 6}, steps={"y": 4}, overlap={"y": 2})
    >>> [w["y"].tolist() for w in windows]
    [[0, 1, 2, 3], [2, 3, 4, 5]]
    """
    shared = {dim: (overlap or {}).get(dim, 0) for dim in steps}
    columns = {}
    for dim, step in steps.items():
        if dim not in sizes:
            raise SampleError(f"no dimension {dim!r} to cut; there are {sorted(sizes)}.")
        if step < 1:
            raise SampleError(f"windows of {step} along {dim!r}; give a whole number >= 1.")
        if not 0 <= shared[dim] < step:
            raise SampleError(
                f"windows of {step} that share {shared[dim]} along {dim!r}; expected 0 to "
                f"{step - 1}, so that they move on."
            )
        stride = step - shared[dim]
        windows = max(1, -(-(sizes[dim] - shared[dim]) // stride))
        filled = np.full(shared[dim] + windows * stride, _NOTHING)
        filled[: sizes[dim]] = np.arange(sizes[dim])
        columns[f"{dim}_position"] = (dim, filled)
    if 0 in (sizes[dim] for dim in steps):
        return
    made = xbatcher.BatchGenerator(
        xr.Dataset(columns),
        input_dims=dict(steps),
        input_overlap={dim: n for dim, n in shared.items() if n},
    )
    for window in made:
        found = {dim: window[f"{dim}_position"].to_numpy() for dim in steps}
        yield {dim: place[place != _NOTHING] for dim, place in found.items()}


def iterate_patches(block: xr.Dataset, *, patch: Mapping[str, int]) -> Iterator[xr.Dataset]:
    """Patches of a block that hold every pixel exactly once; those at the end may be smaller.

    Parameters
    ----------
    block : xr.Dataset
        Data in memory: load a chunk first, since one patch at a time of a lazy array is slow.
    patch : mapping of dimension to int
        Size of a patch, such as ``{"y": 64, "x": 64}``.

    Yields
    ------
    xr.Dataset
        The variables of `block`, cut.

    Raises
    ------
    SampleError
        If `block` is lazy, or the size is not one of its dimensions.

    Examples
    --------
    >>> block = xr.Dataset({"a": (("y", "x"), np.zeros((5, 4)))})
    >>> [dict(p.sizes) for p in iterate_patches(block, patch={"y": 3, "x": 4})]
    [{'y': 3, 'x': 4}, {'y': 2, 'x': 4}]
    """
    if block.chunks:
        raise SampleError("this block is lazy; read it first with block.load().")
    sizes = {str(dim): size for dim, size in block.sizes.items()}
    for window in iterate_positions(sizes, steps=patch):
        # Positions of a window are consecutive, and a slice copies nothing.
        yield block.isel({d: slice(int(p[0]), int(p[-1]) + 1) for d, p in window.items()})
