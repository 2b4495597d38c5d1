"""Cells of any form, given by their vertices: curvilinear grids, and ICON's triangles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.great_circles import AT_POLE, contains, cut_arcs, polygon_areas, unit_vectors
from lulc_xr.core.lattice_coordinates import geographic_coordinates, grid_mapping
from lulc_xr.core.nearby import Circles
from lulc_xr.core.overlap import Outlines
from lulc_xr.core.rings import close_rings
from lulc_xr.core.rotated_pole import within_half_turn
from lulc_xr.core.target_grid import EARTH_RADIUS, GridPart, TargetGrid, check_cells

Array = NDArray[np.float64]
# Cells that are looked at together, so that memory stays small.
_TOGETHER = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class VertexGrid(TargetGrid):
    """Cells between great circles from vertex to vertex, as CDO takes them.

    Parameters
    ----------
    name : str
        What the grid is called.
    dim_names : tuple of str
        Dimensions of the cells, such as ("y", "x") or ("cell",).
    longitude, latitude : ndarray of float64
        Vertices in degrees, in order around the cell, one dimension more than the grid. Cells
        with fewer vertices repeat some, or end with NaN.
    centres : tuple of ndarray of float64, optional
        Longitude and latitude of the centres, shape of the grid; the middle of the vertices
        without.
    axes : mapping of str to xr.Variable, optional
        Coordinates of the dimensions, which results keep.
    """

    name: str
    dim_names: tuple[str, ...]
    longitude: Array
    latitude: Array
    centres: tuple[Array, Array] | None = None
    axes: Mapping[str, xr.Variable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = np.asarray(self.longitude, np.float64), np.asarray(self.latitude, np.float64)
        if given[0].shape != given[1].shape or given[0].ndim != len(self.dim_names) + 1:
            raise CubeError(
                f"vertices of grid {self.name!r} have the shapes {given[0].shape} (longitude) and "
                f"{given[1].shape} (latitude); expected one dimension more than "
                f"({', '.join(self.dim_names)}), the vertices last."
            )
        east, north = filled(*(each.reshape(-1, each.shape[-1]) for each in given))
        different = (east != np.roll(east, 1, axis=1)) | (north != np.roll(north, 1, axis=1))
        bad = np.flatnonzero((different.sum(axis=1) < 3) | ~np.isfinite(east + north).all(axis=1))
        if bad.size:
            raise CubeError(
                f"{bad.size} cells of grid {self.name!r} have fewer than three different vertices, "
                f"the first is cell {bad[0]}. Leave such cells out."
            )
        off = np.flatnonzero((np.abs(north) > 90 + AT_POLE).any(axis=1))
        if off.size:
            raise CubeError(
                f"cell {off[0]} of grid {self.name!r} has a vertex at latitude "
                f"{north[off[0]][np.abs(north[off[0]]).argmax()]:g}; expected degrees from -90 "
                "to 90."
            )
        object.__setattr__(self, "longitude", east.reshape(given[0].shape))
        object.__setattr__(self, "latitude", np.clip(north, -90, 90).reshape(given[0].shape))

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of the cells."""
        return self.dim_names

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each dimension."""
        return self.longitude.shape[:-1]

    def coordinates(self) -> xr.Dataset:
        """Longitude and latitude of the centres, and of the vertices."""
        if self.centres is None:
            x, y, z = np.moveaxis(self._circles.centres.reshape(*self.shape, 3), -1, 0)
            centres = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
        else:
            centres = self.centres
        found = geographic_coordinates(
            *centres, vertices=(self.longitude, self.latitude), dims=self.dims
        )
        mapping = {"crs": ((), np.int32(0), grid_mapping(None))}
        return xr.Dataset(coords={**self.axes, **found, **mapping}, attrs={"grid_mapping": "crs"})

    def areas(self) -> Array:
        """Area of each cell on the ellipsoid in square metres, shape (size,)."""
        return np.concatenate([polygon_areas(*self._vertices(at)) for at in self._groups()])

    def width(self) -> float:
        """Side in metres of a square as large as the median cell."""
        return float(np.sqrt(2) * np.median(self._circles.radii)) * EARTH_RADIUS

    def near(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cells that may meet a part of a map, ascending: none that meets it is missing."""
        return self._circles.near(longitude, latitude)

    def locate(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cell that holds each place, -1 where none does; the first where cells overlap."""
        places = unit_vectors(np.asarray(longitude, float), np.asarray(latitude, float))
        found = np.full(len(places), -1, np.int64)
        known = np.flatnonzero(np.isfinite(places).all(axis=1))
        for first in range(0, known.size, _TOGETHER):
            at = known[first : first + _TOGETHER]
            lists = self._circles.tree.query_ball_point(
                places[at], self._circles.widest, return_sorted=True
            )
            owner = np.repeat(at, [len(each) for each in lists])
            if not owner.size:
                continue
            cell = np.concatenate([np.asarray(each, np.int64) for each in lists])
            apart = ((self._circles.centres[cell] - places[owner]) ** 2).sum(axis=1)
            close = apart <= self._circles.radii[cell] ** 2
            owner, cell = owner[close], cell[close]
            inside = contains(unit_vectors(*self._vertices(cell)), places[owner])
            # Written last to first: the first cell stays.
            found[owner[inside][::-1]] = cell[inside][::-1]
        return found

    def part(self, cells: NDArray[np.int64]) -> VertexPart:
        """Some cells, ascending, with their vertices."""
        cells = np.asarray(cells, np.int64)
        check_cells(cells, self.size)
        east, north = self._vertices(cells)
        return VertexPart(name=self.name, cells=cells, longitude=east, latitude=north)

    @cached_property
    def _circles(self) -> Circles:
        parts = []
        for at in self._groups():
            corners = unit_vectors(*self._vertices(at))
            starts = np.arange(len(corners) + 1) * corners.shape[1]
            parts.append(Circles.around(corners.reshape(-1, 3), starts))
        return Circles(
            centres=np.concatenate([part.centres for part in parts]),
            radii=np.concatenate([part.radii for part in parts]),
        )

    def _vertices(self, cells: NDArray[np.int64] | slice) -> tuple[Array, Array]:
        number = self.longitude.shape[-1]
        return (
            self.longitude.reshape(-1, number)[cells],
            self.latitude.reshape(-1, number)[cells],
        )

    def _groups(self) -> Iterator[slice]:
        for first in range(0, self.size, _TOGETHER):
            yield slice(first, first + _TOGETHER)


@dataclass(frozen=True, kw_only=True, eq=False)
class VertexPart(GridPart):
    """Some cells of a grid of vertices.

    Parameters
    ----------
    name : str
        Name of the grid.
    cells : ndarray of int64
        Positions of the cells.
    longitude, latitude : ndarray of float64
        Their vertices in degrees, shape (cell, vertex).
    """

    name: str
    cells: NDArray[np.int64]
    longitude: Array
    latitude: Array

    def outlines(self, pieces: int) -> Outlines:
        """Rings of the cells in degrees, each edge cut into `pieces` along its great circle."""
        kept = (self.longitude != np.roll(self.longitude, 1, axis=1)) | (
            self.latitude != np.roll(self.latitude, 1, axis=1)
        )
        east, north = self.longitude[kept], self.latitude[kept]
        starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        east, north, starts = _split_poles(east, north, starts)
        after = np.arange(east.size) + 1
        after[starts[1:] - 1] = starts[:-1]
        x, y = cut_arcs(east, north, to=(east[after], north[after]), pieces=pieces)
        return close_rings(
            x.ravel(), y.ravel(), starts=starts * pieces, names=self.cells, grid=self.name
        )


def filled(longitude: Array, latitude: Array) -> tuple[Array, Array]:
    """Vertices with longitude in [-180, 180), 0 at poles; the first for each that is missing."""
    missing = ~np.isfinite(longitude + latitude)
    east = np.where(missing, longitude[:, :1], longitude)
    north = np.where(missing, latitude[:, :1], latitude)
    # A pole is one place, whatever longitude it is given.
    return np.where(np.abs(north) >= 90 - AT_POLE, 0.0, within_half_turn(east)), north


def _split_poles(
    east: Array, north: Array, starts: NDArray[np.int64]
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Two vertices for one at a pole: on the meridian that comes to it, and the one that goes."""
    polar = np.abs(north) >= 90 - AT_POLE
    if not polar.any():
        return east, north, starts
    rings = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    before, after = np.arange(east.size) - 1, np.arange(east.size) + 1
    before[starts[:-1]], after[starts[1:] - 1] = starts[1:] - 1, starts[:-1]
    copies = 1 + polar
    first = np.cumsum(copies) - copies
    found = np.repeat(east, copies)
    found[first[polar]] = east[before[polar]]
    found[first[polar] + 1] = east[after[polar]]
    lengths = np.bincount(rings, weights=copies).astype(np.int64)
    return found, np.repeat(north, copies), np.concatenate([[0], np.cumsum(lengths)])
