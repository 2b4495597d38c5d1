"""Cells between meridians and parallels, of a sphere turned or not, at any distances."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.ellipsoid import area_density, area_up_to
from lulc_xr.core.lattice_coordinates import lattice_coordinates
from lulc_xr.core.overlap import Outlines
from lulc_xr.core.rings import close_rings
from lulc_xr.core.rotated_pole import Pair, rotate, unrotate, within_half_turn
from lulc_xr.core.target_grid import EARTH_RADIUS, GridPart, TargetGrid, check_cells


class Lattice(TargetGrid):
    """Cells between meridians and parallels, rotated or not.

    Positions on the lattice are columns and rows, counted from the first edge of the first cell:
    cell j lies between the columns j and j + 1.
    """

    nx: int
    ny: int
    pole: tuple[float, float] | None
    dim_names: tuple[str, str] | None

    @abstractmethod
    def x_at(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Rotated) longitude in degrees at columns."""

    @abstractmethod
    def y_at(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Rotated) latitude in degrees at rows, -90 to 90."""

    @abstractmethod
    def columns_of(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns at (rotated) longitudes, of any turn; outside 0 to nx beside the lattice."""

    @abstractmethod
    def rows_of(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows at (rotated) latitudes; outside 0 to ny beside the lattice."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of latitude and longitude."""
        return self.dim_names or (("lat", "lon") if self.pole is None else ("rlat", "rlon"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along latitude and along longitude."""
        return (self.ny, self.nx)

    @property
    def x(self) -> NDArray[np.float64]:
        """(Rotated) longitude of the centres in degrees, shape (nx,)."""
        return self.x_at(np.arange(self.nx, dtype=np.float64) + 0.5)

    @property
    def y(self) -> NDArray[np.float64]:
        """(Rotated) latitude of the centres in degrees, shape (ny,)."""
        return self.y_at(np.arange(self.ny, dtype=np.float64) + 0.5)

    @property
    def x_edges(self) -> NDArray[np.float64]:
        """(Rotated) longitude of the edges in degrees, shape (nx + 1,)."""
        return self.x_at(np.arange(self.nx + 1, dtype=np.float64))

    @property
    def y_edges(self) -> NDArray[np.float64]:
        """(Rotated) latitude of the edges in degrees, shape (ny + 1,)."""
        return self.y_at(np.arange(self.ny + 1, dtype=np.float64))

    def places(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Pair:
        """Longitude in [-180, 180) and latitude of places on the lattice, in degrees."""
        if self.pole is not None:
            return unrotate(x, y, pole=self.pole)
        return within_half_turn(x), y

    def coordinates(self) -> xr.Dataset:
        """CF coordinates; those of a rotated grid have longitude and latitude beside them."""
        return lattice_coordinates(
            self.x,
            self.y,
            edges=(self.x_edges, self.y_edges),
            pole=self.pole,
            dims=self.dims,
        )

    def areas(self) -> NDArray[np.float64]:
        """Area of each cell on the ellipsoid in square metres, shape (size,)."""
        x, y = np.radians(self.x_edges), np.radians(self.y_edges)
        if self.pole is None:
            return np.outer(np.abs(np.diff(area_up_to(np.sin(y)))), np.abs(np.diff(x))).ravel()
        # The sine of the latitude is a + b cos(rlon) at a rotated latitude. Three points of Gauss
        # and Legendre a side are exact to 1e-13 for cells of 5 degrees.
        nodes, weights = np.polynomial.legendre.leggauss(3)
        cosines = np.cos((x[1:] + x[:-1]) / 2 + np.multiply.outer(nodes, np.diff(x) / 2))
        latitudes = (y[1:] + y[:-1]) / 2 + np.multiply.outer(nodes, np.diff(y) / 2)
        tilt = np.radians(self.pole[1])
        found = np.empty((self.ny, self.nx))
        for row in range(self.ny):
            total: NDArray[np.float64] = np.zeros(cosines.shape)
            for latitude, weight in zip(latitudes[:, row], weights, strict=True):
                sine = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * cosines
                total += weight * np.cos(latitude) * area_density(sine**2)
            found[row] = weights @ total
        found *= np.abs(np.multiply.outer(np.diff(y) / 2, np.diff(x) / 2))
        return found.ravel()

    def width(self) -> float:
        """Longer side in metres of the largest cell, where meridians are widest apart."""
        widest = max(np.abs(np.diff(edges)).max() for edges in (self.x_edges, self.y_edges))
        return float(EARTH_RADIUS * np.radians(widest))

    def near(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cells that may meet a part of a map, ascending: none that meets it is missing."""
        known = np.isfinite(longitude) & np.isfinite(latitude)
        if not known.any():
            return np.empty(0, np.int64)
        x, y = self._on_lattice(longitude[known], latitude[known])
        west, span = _arc_around(x)
        low, high = float(y.min()), float(y.max())
        # A border curves no more than a great circle or a parallel does: between two places at
        # an angle d it strays by less than d² / 8 times 1 + the tangent of the latitude.
        highest, northern = (
            np.radians(min(float(np.abs(each).max()), 89.9)) for each in (y, latitude[known])
        )
        extent = np.radians(max(high - low, span * np.cos(highest)))
        margin = np.degrees(extent**2 / 8 * (1 + np.tan(highest) + np.tan(northern))) + 1e-9
        low, high = low - margin, high + margin
        if span >= 180:
            # Places all around a pole, or half the earth: up to the pole on their side.
            low, high = (low, 90.0) if low + high > 0 else (-90.0, high)
            low, high = (-90.0, 90.0) if low < 0 < high else (low, high)
        wide = margin / np.cos(highest)
        if span >= 180 or max(-low, high) >= 90:
            west, span, wide = 0.0, 360.0, 0.0
        rows, columns = self._meeting(low, high, west=west - wide, span=span + 2 * wide)
        return (rows[:, None] * self.nx + columns).ravel()

    def locate(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cell that holds each place, -1 where none does; its first edges are a cell's own."""
        x, y = self._on_lattice(longitude, latitude)
        column, row = np.floor(self.columns_of(x)), np.floor(self.rows_of(y))
        # The last row's far edge is its own where it is a pole.
        row = np.where((np.abs(y) == 90) & (row == self.ny), self.ny - 1, row)
        # Comparisons are False for NaN: a place without position lies in no cell.
        inside = (row >= 0) & (row < self.ny) & (column >= 0) & (column < self.nx)
        return np.where(inside, row * self.nx + column, -1).astype(np.int64)

    def part(self, cells: NDArray[np.int64]) -> LatticePart:
        """Some cells, ascending."""
        cells = np.asarray(cells, np.int64)
        check_cells(cells, self.size)
        return LatticePart(grid=self, cells=cells)

    def _on_lattice(self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> Pair:
        longitude, latitude = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
        if self.pole is None:
            return longitude, latitude
        return rotate(longitude, latitude, pole=self.pole)

    def _meeting(
        self, low: float, high: float, *, west: float, span: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows between two latitudes, and columns that meet an arc of longitude."""
        edges = self.y_edges
        first, last = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
        rows = np.flatnonzero((last >= low) & (first <= high)).astype(np.int64)
        edges = self.x_edges
        first, widths = np.minimum(edges[:-1], edges[1:]), np.abs(np.diff(edges))
        meets = ((first - west) % 360 <= span) | ((west - first) % 360 <= widths)
        return rows, np.flatnonzero(meets).astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class LatticePart(GridPart):
    """Some cells of a lattice.

    Parameters
    ----------
    grid : Lattice
        The lattice.
    cells : ndarray of int64
        Positions of the cells.
    """

    grid: Lattice
    cells: NDArray[np.int64]

    def outlines(self, pieces: int) -> Outlines:
        """Rings of the cells in degrees, each edge cut into `pieces` in equal steps of degrees."""
        rows, columns = np.divmod(self.cells, self.grid.nx)
        way = np.arange(pieces) / pieces
        still: NDArray[np.float64] = np.zeros(pieces)
        # Once around: both coordinates come from the position on the lattice alone, so that
        # neighbours have the very same places.
        across = np.concatenate([way, still + 1, 1 - way, still])
        along = np.concatenate([still, way, still + 1, 1 - way])
        x, y = self.grid.places(
            self.grid.x_at(columns[:, None] + across), self.grid.y_at(rows[:, None] + along)
        )
        starts = np.arange(self.cells.size + 1, dtype=np.int64) * across.size
        return close_rings(
            x.ravel(), y.ravel(), starts=starts, names=self.cells, grid=self.grid.name
        )


def _arc_around(longitude: NDArray[np.float64]) -> tuple[float, float]:
    """Western end and length of the shortest arc that holds all longitudes, in degrees."""
    ordered = np.sort(longitude % 360)
    gaps = np.diff(ordered, append=ordered[0] + 360)
    widest = int(np.argmax(gaps))
    return float(ordered[(widest + 1) % ordered.size]), float(360 - gaps[widest])
