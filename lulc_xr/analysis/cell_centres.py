"""Where the cells of a grid lie, and how far two grids are apart."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.target_grid import EARTH_RADIUS

Places = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Longitude and latitude in degrees, (cell,) each."""


def cell_centres(coordinates: xr.Dataset, dims: tuple[str, ...]) -> Places:
    """Longitude and latitude of each cell, found by their CF standard names.

    Parameters
    ----------
    coordinates : xr.Dataset
        Of the grid; longitude and latitude over all of `dims`, or one of them each.
    dims : tuple of str
        Dimensions of the grid; cells are flat in their order.

    Raises
    ------
    CubeError
        If there is no longitude or latitude.
    """
    found = []
    for name, short in (("longitude", "lon"), ("latitude", "lat")):
        for key, variable in coordinates.coords.items():
            named = variable.attrs.get("standard_name") == name or key in (short, name)
            if named and set(variable.dims) <= set(dims):
                sizes = {d: coordinates.sizes[d] for d in dims if d not in variable.dims}
                whole = variable.variable.set_dims({**sizes, **variable.sizes}).transpose(*dims)
                found.append(np.asarray(whole.values, np.float64).ravel())
                break
        else:
            raise CubeError(
                f"there is no coordinate of standard name {name!r} over {dims}, so that grids "
                "cannot be compared. Make the plant types on a grid with coordinates."
            )
    return found[0], found[1]


def distances(one: Places, other: Places) -> NDArray[np.float64]:
    """Metres between the places of each cell on the sphere (haversine), (cell,)."""
    east = np.radians(other[0] - one[0])
    low, high = np.radians(one[1]), np.radians(other[1])
    half = np.sin((high - low) / 2) ** 2 + np.cos(low) * np.cos(high) * np.sin(east / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
