"""Whether plant types lie on the grid of a surface file."""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.clm_template import SurfaceTemplate
from lulc_xr.analysis.plant_schema import grid_coordinates, grid_dims
from lulc_xr.core.errors import CubeError
from lulc_xr.core.target_grid import EARTH_RADIUS, describe

_KNOWN: dict[tuple[int, ...], str] = {
    (412, 424): "EUR-11 (424 x 412)",
    (432, 444): "EUR-11 of eCLM and ParFlow (444 x 432)",
    (424, 436): "EUR-11 of TSMP's CLM and ParFlow (436 x 424)",
    (438, 450): "EUR-11 with its relaxation zone (450 x 438)",
    (1552, 1600): "EUR-0275 (1600 x 1552)",
    (1546, 1594): "EUR-0275 of eCLM (1594 x 1546)",
    (1544, 1592): "EUR-0275 of TSMP's CLM and ParFlow (1592 x 1544)",
    (206, 212): "EUR-22 (212 x 206)",
    (103, 106): "EUR-44 (106 x 103)",
}


def check_grid(template: SurfaceTemplate, plant_types: xr.Dataset, *, tolerance: float) -> None:
    """Raise unless each cell of the template has its centre where that of the plant types is.

    Parameters
    ----------
    template : SurfaceTemplate
        The surface file.
    plant_types : xr.Dataset
        With longitude and latitude of cells.
    tolerance : float
        Largest distance of two centres in metres.

    Raises
    ------
    CubeError
        If shapes or centres differ; says how far, and what would fit.
    """
    dims = grid_dims(plant_types)
    shape = tuple(plant_types.sizes[d] for d in dims)
    if shape != template.shape:
        raise CubeError(
            f"the template has {describe(template.dims, template.shape)} cells, the plant types "
            f"have {describe(dims, shape)}.{_hint(template)} Make the plant types on the grid of "
            "the template: a name, or a file with its cells' vertices."
        )
    mine = cell_centres(plant_types)
    apart = _distance(template, *mine)
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    if apart[worst] <= tolerance:
        return
    raise CubeError(
        f"the template's cells are up to {apart[worst] / 1000:.3g} km from those of the plant "
        f"types (tolerance {tolerance / 1000:g} km; at cell {template.place(worst)}): another "
        f"grid of the same size.{_turned(template, mine, shape, tolerance)}{_hint(template)} Make "
        "the plant types on the grid of the template, or raise grid_tolerance if the difference "
        "is meant."
    )


def cell_centres(plant_types: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of each cell in degrees, (cell,), by their CF standard names.

    Raises
    ------
    CubeError
        If the plant types have none.
    """
    coordinates, dims = grid_coordinates(plant_types), grid_dims(plant_types)
    found = []
    for name, short in (("longitude", "lon"), ("latitude", "lat")):
        for key, variable in coordinates.coords.items():
            named = variable.attrs.get("standard_name") == name or key in (short, name)
            if named and set(variable.dims) <= set(dims):
                sizes = {d: plant_types.sizes[d] for d in dims if d not in variable.dims}
                whole = variable.variable.set_dims({**sizes, **variable.sizes}).transpose(*dims)
                found.append(np.asarray(whole.values, np.float64).ravel())
                break
        else:
            raise CubeError(
                f"the plant types have no coordinate of standard name {name!r} over {dims}; the "
                "grid of the template cannot be compared. Make them on a grid with coordinates."
            )
    return found[0], found[1]


def _distance(
    template: SurfaceTemplate, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Metres between centres on the sphere (haversine)."""
    east = np.radians(longitude - template.longitude)
    low, high = np.radians(template.latitude), np.radians(latitude)
    half = np.sin((high - low) / 2) ** 2 + np.cos(low) * np.cos(high) * np.sin(east / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _turned(
    template: SurfaceTemplate,
    centres: tuple[NDArray[np.float64], NDArray[np.float64]],
    shape: tuple[int, ...],
    tolerance: float,
) -> str:
    """Whether the grid fits when it is turned around."""
    axes = range(len(shape))
    for turned in itertools.chain(*(itertools.combinations(axes, n + 1) for n in axes)):
        longitude, latitude = (np.flip(c.reshape(shape), turned).ravel() for c in centres)
        if _distance(template, longitude, latitude).max() <= tolerance:
            names = " and ".join(template.dims[a] for a in turned)
            return f" It runs the other way along {names}: turn the plant types around with isel."
    return ""


def _hint(template: SurfaceTemplate) -> str:
    known = _KNOWN.get(template.shape)
    return f" The template has the size of {known}." if known else ""
