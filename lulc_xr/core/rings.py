"""Rings of longitude and latitude that may cross the date line, and cells that hold a pole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.overlap import Outlines


def close_rings(
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    *,
    starts: NDArray[np.int64],
    names: NDArray[Any],
    grid: str,
    cells: NDArray[np.int64] | None = None,
) -> Outlines:
    """Outlines of which each ring goes on at the date line: beyond 180 or -180 degrees.

    Parameters
    ----------
    longitude, latitude : ndarray of float64
        Vertices of all rings in degrees, longitude in [-180, 180), shape (vertex,).
    starts : ndarray of int64
        Where each ring begins, and the number of vertices, shape (ring + 1,).
    names : ndarray
        Number of each cell in its grid, or its id, for messages, shape (cell,).
    grid : str
        Name of the grid, for messages.
    cells : ndarray of int64, optional
        Position of the cell of each ring, shape (ring,); ring i is of cell i without.

    Raises
    ------
    CubeError
        If a ring goes around a pole; the message names the cell.
    """
    cells = np.arange(starts.size - 1) if cells is None else np.asarray(cells, np.int64)
    if not longitude.size:
        return Outlines(x=longitude, y=latitude, starts=starts, cells=cells)
    before = np.arange(longitude.size) - 1
    before[starts[:-1]] = starts[1:] - 1
    # Whole turns between a vertex and the one before it.
    jumps = np.rint((longitude - longitude[before]) / 360).astype(np.int64)
    around = np.flatnonzero(np.add.reduceat(jumps, starts[:-1]))
    if around.size:
        raise CubeError(
            f"cell {names[cells[around[0]]]} of grid {grid!r} holds a pole ({around.size} "
            "such cells). Its outline can't be followed in longitude and latitude: leave the "
            "cell out, or end the map before the pole."
        )
    jumps[starts[:-1]] = 0
    turns = np.cumsum(jumps)
    turns -= np.repeat(turns[starts[:-1]], np.diff(starts))
    # No turn leaves a longitude as it is, bit for bit.
    return Outlines(
        x=np.where(turns == 0, longitude, longitude - 360 * turns),
        y=latitude,
        starts=starts,
        cells=cells,
    )
