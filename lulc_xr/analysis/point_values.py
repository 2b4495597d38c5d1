"""Values of maps at single pixels: every chunk that holds one is read once, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

_SIDE = 512
_DIMS = ("point", "pixel")


def values_at(
    fields: xr.Dataset,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    year: NDArray[np.int64] | None = None,
    *,
    reach: Mapping[str, int] | None = None,
) -> dict[str, NDArray[Any]]:
    """Values of every variable at pixels.

    Dask arrays are computed together, so that what they share is computed once; the workers
    hand over only what was asked for. Other arrays, which may lie in a file, are read square by
    square.

    Parameters
    ----------
    fields : xr.Dataset
        Variables over (y, x), and if they like `year` and others.
    row, column : ndarray of int
        The pixels, shape (point,).
    year : ndarray of int, optional
        Position along `year` of each point.
    reach : mapping of str to int, optional
        For these variables all pixels so many rows and columns around, (2 reach + 1) squared of
        them; pixels beyond the edge repeat the one on it.

    Returns
    -------
    dict of str to ndarray
        Shape (point, ...), the other dimensions in the variable's order; with a reach (point,
        pixel), row by row.
    """
    picks = {
        str(name): _places(var, row, column, year, reach=(reach or {}).get(str(name)))
        for name, var in fields.data_vars.items()
    }
    lazy = [name for name in picks if fields[name].chunks is not None]
    chosen = xr.Dataset({name: _pick(fields[name], picks[name]) for name in lazy}).compute()
    found = {name: chosen[name] for name in lazy}
    found |= {n: _read_squares(fields[n], picks[n]) for n in picks if n not in found}
    return {
        name: found[name].transpose(*_DIMS[: picks[name]["y"].ndim], ...).to_numpy()
        for name in picks
    }


def _places(
    var: xr.DataArray,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    year: NDArray[np.int64] | None,
    *,
    reach: int | None,
) -> dict[str, NDArray[np.int64]]:
    """Positions along each dimension, shape (point,), with a reach (point, pixel)."""
    own = np.zeros(row.size, np.int64) if year is None else year
    if reach is None:
        made = {"year": own, "y": row, "x": column}
    else:
        offset = np.arange(-reach, reach + 1)
        down, across = (part.ravel() for part in np.meshgrid(offset, offset, indexing="ij"))
        made = {
            "year": np.broadcast_to(own[:, None], (row.size, down.size)),
            "y": np.clip(row[:, None] + down, 0, var.sizes["y"] - 1),
            "x": np.clip(column[:, None] + across, 0, var.sizes["x"] - 1),
        }
    return {dim: places for dim, places in made.items() if dim in var.dims}


def _pick(var: xr.DataArray, where: Mapping[str, NDArray[np.int64]]) -> xr.DataArray:
    """A variable at pixels, without its coordinates."""
    at = {d: xr.Variable(_DIMS[: places.ndim], places) for d, places in where.items()}
    return xr.DataArray(var.variable.isel(at))


def _read_squares(var: xr.DataArray, where: Mapping[str, NDArray[np.int64]]) -> xr.DataArray:
    """The same of an array without chunks: squares that hold pixels, each read once."""
    shape = where["y"].shape
    flat = {dim: places.ravel() for dim, places in where.items()}
    preferred = var.encoding.get("preferred_chunks") or {}
    sides = {dim: int(preferred.get(dim, _SIDE)) for dim in ("y", "x")}
    across = -(-var.sizes["x"] // sides["x"])
    square = flat["y"] // sides["y"] * across + flat["x"] // sides["x"]
    order = np.argsort(square, kind="stable")
    cuts = np.flatnonzero(np.diff(square[order])) + 1
    rest = tuple(d for d in var.dims if d not in where)
    values = np.empty((square.size, *(var.sizes[d] for d in rest)), var.dtype)
    for part in np.split(order, cuts) if order.size else []:
        # Only the rectangle that the pixels span: a square on a map's edge may hold few.
        corner = {dim: int(places[part].min()) for dim, places in flat.items()}
        span = {dim: slice(corner[dim], int(flat[dim][part].max()) + 1) for dim in flat}
        held = var.isel(span).transpose(*where, *rest).to_numpy()
        values[part] = held[tuple(flat[dim][part] - corner[dim] for dim in where)]
    return xr.DataArray(
        values.reshape(*shape, *values.shape[1:]), dims=(*_DIMS[: len(shape)], *rest)
    )
