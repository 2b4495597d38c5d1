"""Cells from CF coordinates: lattices, curvilinear and unstructured; bounds derived and said."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.cf_coordinates import Coordinate
from lulc_xr.core.errors import CubeError, GridWarning, warn_caller
from lulc_xr.core.great_circles import unit_vectors
from lulc_xr.core.lattice import Lattice
from lulc_xr.core.lattice_grid import LatticeGrid
from lulc_xr.core.rotated_pole import unrotate
from lulc_xr.core.uneven_lattice import UnevenLattice
from lulc_xr.core.vertex_grid import VertexGrid

Array = NDArray[np.float64]
# Share of a step that coordinates of a regular lattice may be off by: ours.
UNEVEN = 0.01


def lattice_of(
    east: Coordinate,
    north: Coordinate,
    *,
    name: str,
    pole: tuple[float, float] | None = None,
    turned: float = 0.0,
) -> Lattice:
    """A lattice from coordinates of one dimension each.

    Parameters
    ----------
    east, north : Coordinate
        (Rotated) longitude and latitude.
    name : str
        What the grid is called.
    pole : tuple of float, optional
        Longitude and latitude of the rotated north pole.
    turned : float
        Rotated longitude of the true north pole (CF's `north_pole_grid_longitude`), degrees.

    Raises
    ------
    CubeError
        If a coordinate neither rises nor falls, or has one value and no bounds.
    """
    axes = []
    for coordinate in (east, north):
        values = coordinate.values
        if coordinate is east:
            values = np.unwrap(values, period=360) - turned
        axes.append((values, _edges(coordinate, values, turned=turned * (coordinate is east))))
    dims = (north.dims[0], east.dims[0])
    even = [_even(*axis, rounding=each.rounding) for axis, each in
            zip(axes, (east, north), strict=True)]  # fmt: skip
    if even[0] is not None and even[1] is not None:
        (first_x, step_x), (first_y, step_y) = even[0], even[1]
        return LatticeGrid(
            name=name,
            nx=east.values.size,
            ny=north.values.size,
            first_x=first_x,
            first_y=first_y,
            step_x=step_x,
            step_y=step_y,
            pole=pole,
            source=name,
            dim_names=dims,
        )
    (x, x_edges), (y, y_edges) = axes
    return UnevenLattice(
        name=name, centres_x=x, centres_y=y, edges=(x_edges, y_edges), pole=pole, dim_names=dims
    )


def vertex_grid_of(ds: xr.Dataset, east: Coordinate, north: Coordinate, *, name: str) -> VertexGrid:
    """Cells by their vertices; of a curvilinear grid without any they are derived from centres.

    Raises
    ------
    CubeError
        If an unstructured grid has no vertices.
    """
    if east.bounds is None or north.bounds is None:
        if len(east.dims) == 1:
            raise CubeError(
                f"the cells of {name!r} along {east.dims[0]!r} have no vertices ({east.name!r} and "
                f"{north.name!r} name no bounds). Add them, for an ICON grid from its grid file "
                "(clon_vertices, clat_vertices)."
            )
        corners = corners_between(east.values, north.values, name=name)
        said = f"{name!r} has no vertices: they were put in the middle of four centres each."
        warn_caller(said, GridWarning)
    else:
        corners = (east.bounds, north.bounds)
        if corners[0].shape[-1] < 3 or corners[0].shape != corners[1].shape:
            raise CubeError(
                f"bounds of {name!r} have the shapes {corners[0].shape} and {corners[1].shape}; "
                "expected three or more vertices per cell, as many in both."
            )
    axes = {dim: ds.variables[dim] for dim in east.dims if dim in ds.variables}
    return VertexGrid(
        name=name,
        dim_names=east.dims,
        longitude=corners[0],
        latitude=corners[1],
        centres=(east.values, north.values),
        axes={dim: each for dim, each in axes.items() if each.ndim == 1},
    )


def corners_between(longitude: Array, latitude: Array, *, name: str) -> tuple[Array, Array]:
    """Vertices of curvilinear cells in the middle of four centres, and as far outside at the rim.

    Parameters
    ----------
    longitude, latitude : ndarray of float64
        Centres in degrees, shape (y, x).
    name : str
        What the grid is called, for messages.

    Returns
    -------
    tuple of ndarray of float64
        Longitude and latitude, shape (y, x, 4), once around each cell.
    """
    if min(longitude.shape) < 2:
        raise CubeError(
            f"{name!r} has {longitude.shape[0]} x {longitude.shape[1]} cells without vertices; "
            "expected two or more each way to derive them from. Add bounds."
        )
    centres = unit_vectors(longitude, latitude)
    for axis in (0, 1):
        centres = np.moveaxis(centres, axis, 0)
        first, last = 2 * centres[:1] - centres[1:2], 2 * centres[-1:] - centres[-2:-1]
        padded = np.concatenate([first, centres, last])
        centres = np.moveaxis((padded[1:] + padded[:-1]) / 2, 0, axis)
    x, y, z = np.moveaxis(centres, -1, 0)
    east, north = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    a, b = slice(None, -1), slice(1, None)
    ring = ((a, a), (a, b), (b, b), (b, a))
    return np.stack([east[at] for at in ring], -1), np.stack([north[at] for at in ring], -1)


def compare_centres(lattice: Lattice, pairs: list[tuple[Coordinate, Coordinate]]) -> None:
    """Say where a file's own longitude and latitude are not those of its rotated lattice."""
    for east, north in pairs:
        if east.dims != lattice.dims or lattice.pole is None:
            continue
        expected = unit_vectors(*unrotate(*np.meshgrid(lattice.x, lattice.y), pole=lattice.pole))
        apart = np.sqrt(((unit_vectors(east.values, north.values) - expected) ** 2).sum(axis=-1))
        steps = np.radians([np.abs(np.diff(e)).max() for e in (lattice.x_edges, lattice.y_edges)])
        share = float(np.nanmedian(apart) / steps.min())
        if share > 0.05:
            warn_caller(
                f"{lattice.name!r}: {east.name!r} and {north.name!r} lie {share:.2f} cells away "
                f"from where its rotated coordinates {' and '.join(lattice.dims)} put the cells. "
                "The rotated ones were taken; read_grid(..., cells='vertices') takes the others.",
                GridWarning,
            )


def _edges(coordinate: Coordinate, values: Array, *, turned: float) -> Array:
    """Edges of cells along one dimension: as the bounds say, or half-way between the centres."""
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()) or not np.isfinite(values).all():
        raise CubeError(
            f"{coordinate.name!r} neither rises nor falls all along (its values begin with "
            f"{', '.join(f'{v:g}' for v in values[:4])}). Sort the grid along it."
        )
    bounds = coordinate.bounds
    if bounds is not None and bounds.shape[-1] == 2:
        low, high = np.sort(bounds - turned, axis=-1).T
        # On the turn of their centres.
        shift = 360 * np.rint((values - (low + high) / 2) / 360)
        low, high = low + shift, high + shift
        first, last = (low, high) if steps.sum() >= 0 else (high, low)
        gap = np.abs(first[1:] - last[:-1]).max(initial=0.0)
        if gap > 1e-3 * (high - low).min() + coordinate.rounding:
            raise CubeError(
                f"bounds of {coordinate.name!r} leave gaps of up to {gap:g} degrees, or overlap; "
                "expected each cell to end where the next begins."
            )
        return np.append(first, last[-1:])
    if values.size < 2:
        raise CubeError(
            f"{coordinate.name!r} has one value and no bounds: its cell has no size. Add bounds."
        )
    said = f"{coordinate.name!r} has no bounds: edges were put half-way between the centres."
    warn_caller(said, GridWarning)
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def _even(values: Array, edges: Array, *, rounding: float) -> tuple[float, float] | None:
    """First centre and step of an even axis, in as few decimals as the values allow."""
    number = edges.size - 1
    step = float(edges[-1] - edges[0]) / number
    count = np.arange(number)
    first = float(np.median(values - count * step))
    limit = UNEVEN * abs(step)
    off = max(
        float(np.abs(first + count * step - values).max()),
        float(np.abs(first + (np.arange(number + 1) - 0.5) * step - edges).max()),
    )
    if off > limit:
        return None
    near = max(off, rounding, 1e-10)
    for decimals in range(13):
        a, b = round(first, decimals), round(step, decimals)
        if b and np.abs(a + count * b - values).max() <= near:
            return a, b
    return first, step
