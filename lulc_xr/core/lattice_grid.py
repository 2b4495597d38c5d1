"""Regular lattices of longitude and latitude, with the pole moved or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.ellipsoid import area_density, area_up_to
from lulc_xr.core.errors import CubeError
from lulc_xr.core.lattice_coordinates import lattice_coordinates
from lulc_xr.core.overlap import Outlines
from lulc_xr.core.rings import close_rings
from lulc_xr.core.rotated_pole import Pair, rotate, unrotate, within_half_turn
from lulc_xr.core.target_grid import EARTH_RADIUS, GridPart, TargetGrid, check_cells

# Places are rounded to this many decimals of a degree (1e-7 m), so that lattices that nest have
# the same corners, whichever cell they are counted from.
DECIMALS = 12


@dataclass(frozen=True, kw_only=True)
class LatticeGrid(TargetGrid):
    """Cells between meridians and parallels at equal distances, rotated or not.

    Parameters
    ----------
    name : str
        What the grid is called, such as "EUR-11".
    nx, ny : int
        Cells along longitude and along latitude.
    first_x, first_y : float
        (Rotated) longitude and latitude of the centre of the first cell, in degrees.
    step_x, step_y : float
        Distance of the centres in degrees; negative where coordinates decrease.
    pole : tuple of float, optional
        Longitude and latitude of the rotated north pole; not rotated without.
    source : str
        Where the numbers come from.
    dim_names : tuple of str, optional
        Other names than ("rlat", "rlon") and ("lat", "lon").
    """

    name: str
    nx: int
    ny: int
    first_x: float
    first_y: float
    step_x: float
    step_y: float
    pole: tuple[float, float] | None = None
    source: str = ""
    dim_names: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.nx < 1 or self.ny < 1:
            raise CubeError(f"grid {self.name!r} has {self.ny} x {self.nx} cells; give at least 1.")
        if not (abs(self.step_x) > 0 and abs(self.step_y) > 0):
            raise CubeError(
                f"grid {self.name!r} has steps of {self.step_x} and {self.step_y} degrees; "
                "expected steps other than 0."
            )
        if self.nx * abs(self.step_x) > 360 + 1e-6:
            raise CubeError(
                f"grid {self.name!r} has {self.nx} cells of {abs(self.step_x)} degrees, more than "
                "360 in all: cells would overlap. Leave out the columns that come twice."
            )
        centres = self.first_y, self.first_y + (self.ny - 1) * self.step_y
        if not max(map(abs, centres)) < 90 + abs(self.step_y) / 2:
            raise CubeError(
                f"grid {self.name!r} has latitudes from {centres[0]:g} to {centres[1]:g} degrees; "
                "expected -90 to 90."
            )

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

    def x_at(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Rotated) longitude in degrees at columns counted from the first cell's first edge."""
        return np.round(self.first_x + (column - 0.5) * self.step_x, DECIMALS)

    def y_at(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Rotated) latitude at rows counted from the first cell's first edge, -90 to 90."""
        return np.clip(np.round(self.first_y + (row - 0.5) * self.step_y, DECIMALS), -90, 90)

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
            edges=(self.x_at(np.arange(self.nx + 1.0)), self.y_at(np.arange(self.ny + 1.0))),
            pole=self.pole,
            dims=self.dims,
        )

    def areas(self) -> NDArray[np.float64]:
        """Area of each cell on the ellipsoid in square metres, shape (size,)."""
        rows = self.y_at(np.arange(self.ny + 1.0))
        if self.pole is None:
            strips = np.abs(np.diff(area_up_to(np.sin(np.radians(rows)))))
            return np.repeat(strips * np.radians(abs(self.step_x)), self.nx)
        # The sine of the latitude is a + b cos(rlon) at a rotated latitude. Three points of Gauss
        # and Legendre a side are exact to 1e-13 for cells of 5 degrees.
        nodes, weights = np.polynomial.legendre.leggauss(3)
        columns = self.x_at(np.add.outer(np.arange(self.nx) + 0.5, nodes / 2))
        cosines = np.cos(np.radians(columns))
        middles, halves = np.radians(rows[1:] + rows[:-1]) / 2, np.radians(np.diff(rows)) / 2
        latitudes = np.add.outer(middles, 0 * nodes) + np.multiply.outer(halves, nodes)
        tilt = np.radians(self.pole[1])
        found = np.empty((self.ny, self.nx))
        for row in range(self.ny):
            total: NDArray[np.float64] = np.zeros(cosines.shape)
            for latitude, weight in zip(latitudes[row], weights, strict=True):
                sine = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * cosines
                total += weight * np.cos(latitude) * area_density(sine**2)
            found[row] = (total @ weights) * abs(halves[row])
        found *= np.radians(abs(self.step_x)) / 2
        return found.ravel()

    def width(self) -> float:
        """Longer side of a cell in metres, where meridians are widest apart."""
        return float(EARTH_RADIUS * np.radians(max(abs(self.step_x), abs(self.step_y))))

    def near(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cells that may meet a part of a map, ascending: none that meets it is missing."""
        x, y = self._on_lattice(longitude, latitude)
        rows, columns = self._rows_and_columns_near(x, y)
        return (rows[:, None] * self.nx + columns).ravel()

    def locate(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cell that holds each place, -1 where none does; its first edges are a cell's own."""
        x, y = self._on_lattice(longitude, latitude)
        column = np.floor(self._columns_east(x))
        row = np.floor((y - self.first_y) / self.step_y + 0.5)
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

    def _columns_east(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns from the first edge, turned to where the grid is, or just before it."""
        turn = 360 / abs(self.step_x)
        column = (x - self.first_x) / self.step_x + 0.5
        # Half of what the grid leaves of a turn lies before it.
        spare = (turn - self.nx) / 2
        return np.where((column >= 0) & (column < self.nx), column, (column + spare) % turn - spare)

    def _rows_and_columns_near(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the box around places, with a margin for what bulges between them.

        A border curves no more than a great circle or a parallel does, so between two places at
        an angle d it strays by less than d² / 8 times 1 + the tangent of the latitude.
        """
        known = np.isfinite(x) & np.isfinite(y)
        if not known.any():
            return np.empty(0, np.int64), np.empty(0, np.int64)
        west, span = _arc_around(x[known])
        low, high = float(y[known].min()), float(y[known].max())
        highest = np.radians(min(max(abs(low), abs(high)), 89.9))
        extent = np.radians(max(high - low, min(span, 360) * np.cos(highest)))
        margin = np.degrees(extent**2 / 8 * (1 + np.tan(highest)))
        low, high = low - margin - abs(self.step_y), high + margin + abs(self.step_y)
        if span >= 180:
            # Places all around a pole, or half the earth: up to the pole on their side.
            low, high = (low, 90.0) if low + high > 0 else (-90.0, high)
            low, high = (-90.0, 90.0) if span >= 180 and low < 0 < high else (low, high)
        wide = margin / np.cos(highest) + abs(self.step_x)
        all_around = span >= 180 or max(-low, high) >= 90
        edges = self.y_at(np.arange(self.ny + 1.0))
        first, last = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
        rows = np.flatnonzero((last >= low) & (first <= high))
        centres = (self.x - (west - wide) + abs(self.step_x) / 2) % 360
        columns = np.flatnonzero((centres <= span + 2 * wide + abs(self.step_x)) | all_around)
        return rows.astype(np.int64), columns.astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class LatticePart(GridPart):
    """Some cells of a lattice.

    Parameters
    ----------
    grid : LatticeGrid
        The lattice.
    cells : ndarray of int64
        Positions of the cells.
    """

    grid: LatticeGrid
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
