"""CF coordinates of a lattice: centres, bounds, places of the cells, the grid mapping."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.ellipsoid import INVERSE_FLATTENING, SEMI_MAJOR_AXIS
from lulc_xr.core.rotated_pole import unrotate
from lulc_xr.core.target_grid import EARTH_RADIUS

Axis = NDArray[np.float64]


def lattice_coordinates(
    x: Axis,
    y: Axis,
    *,
    edges: tuple[Axis, Axis],
    pole: tuple[float, float] | None,
    dims: tuple[str, ...],
) -> xr.Dataset:
    """Coordinates of a lattice as CF asks for them, of a rotated one in both ways.

    Parameters
    ----------
    x, y : ndarray of float64
        (Rotated) longitude and latitude of the centres in degrees, shapes (nx,) and (ny,).
    edges : tuple of ndarray of float64
        Those of the edges, one more than centres.
    pole : tuple of float, optional
        Longitude and latitude of the rotated north pole.
    dims : tuple of str
        Names of the dimensions of y and x, which the coordinates are called by.

    Returns
    -------
    xr.Dataset
        No data variables; the attribute `grid_mapping` names the grid mapping.
    """
    name_y, name_x = dims
    kinds = (
        {name_x: ("longitude", "degrees_east"), name_y: ("latitude", "degrees_north")}
        if pole is None
        else {name_x: ("grid_longitude", "degrees"), name_y: ("grid_latitude", "degrees")}
    )
    found: dict[str, Any] = {}
    for name, axis, centres, ends in ((name_y, "Y", y, edges[1]), (name_x, "X", x, edges[0])):
        standard, units = kinds[name]
        words = standard if pole is None else f"{standard[5:]} in rotated pole grid"
        found[name] = (
            name,
            centres,
            {
                "standard_name": standard,
                "long_name": words,
                "units": units,
                "axis": axis,
                "bounds": f"{name}_bnds",
            },
        )
        found[f"{name}_bnds"] = ((name, "bnds"), np.stack([ends[:-1], ends[1:]], axis=1))
    mapping = "crs" if pole is None else "rotated_pole"
    found[mapping] = ((), np.int32(0), grid_mapping(pole))
    if pole is not None:
        found |= _places(x, y, edges=edges, pole=pole, dims=dims)
    return xr.Dataset(coords=found, attrs={"grid_mapping": mapping})


def grid_mapping(pole: tuple[float, float] | None) -> dict[str, Any]:
    """Attributes of the grid mapping of a lattice."""
    if pole is None:
        return {
            "grid_mapping_name": "latitude_longitude",
            "semi_major_axis": SEMI_MAJOR_AXIS,
            "inverse_flattening": INVERSE_FLATTENING,
            "longitude_of_prime_meridian": 0.0,
        }
    return {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_longitude": pole[0],
        "grid_north_pole_latitude": pole[1],
        "north_pole_grid_longitude": 0.0,
        "earth_radius": EARTH_RADIUS,
    }


def geographic_coordinates(
    longitude: NDArray[np.float64],
    latitude: NDArray[np.float64],
    *,
    vertices: tuple[NDArray[np.float64], NDArray[np.float64]],
    dims: tuple[str, ...],
) -> dict[str, Any]:
    """Auxiliary coordinates `lon` and `lat` of cells of any form, with their vertices.

    Parameters
    ----------
    longitude, latitude : ndarray of float64
        Centres in degrees, shape of the grid.
    vertices : tuple of ndarray of float64
        Longitude and latitude of the vertices, one dimension more.
    dims : tuple of str
        Dimensions of the grid.
    """
    # Vertices lie on their centre's side of the date line.
    east = vertices[0] - 360 * np.rint((vertices[0] - longitude[..., None]) / 360)
    places = {"lon": (longitude, east), "lat": (latitude, vertices[1])}
    words = {"lon": ("longitude", "degrees_east"), "lat": ("latitude", "degrees_north")}
    found: dict[str, Any] = {}
    for name, (centres, corners) in places.items():
        standard, units = words[name]
        found[name] = (
            dims,
            centres,
            {
                "standard_name": standard,
                "long_name": standard,
                "units": units,
                "bounds": f"{name}_vertices",
            },
        )
        found[f"{name}_vertices"] = ((*dims, "vertices"), corners)
    return found


def _places(
    x: Axis,
    y: Axis,
    *,
    edges: tuple[Axis, Axis],
    pole: tuple[float, float],
    dims: tuple[str, ...],
) -> dict[str, Any]:
    # As axes, not as a mesh: their sines and cosines are made once.
    longitude, latitude = unrotate(x[None, :], y[:, None], pole=pole)
    corners = unrotate(edges[0][None, :], edges[1][:, None], pole=pole)
    # Counterclockwise seen from above, from the south-west, whichever way coordinates run.
    a, b = (slice(None, -1), slice(1, None))
    west, east = (a, b) if edges[0][-1] > edges[0][0] else (b, a)
    south, north = (a, b) if edges[1][-1] > edges[1][0] else (b, a)
    ring = ((south, west), (south, east), (north, east), (north, west))
    vertices = (
        np.stack([corners[0][at] for at in ring], axis=-1),
        np.stack([corners[1][at] for at in ring], axis=-1),
    )
    return geographic_coordinates(longitude, latitude, vertices=vertices, dims=dims)
