"""Lattices of longitude and latitude at uneven distances, such as Gaussian latitudes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.lattice import Lattice

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class UnevenLattice(Lattice):
    """Cells between meridians and parallels that are given one by one.

    Parameters
    ----------
    name : str
        What the grid is called.
    centres_x, centres_y : ndarray of float64
        (Rotated) longitude and latitude of the centres in degrees, shapes (nx,) and (ny,).
    edges : tuple of ndarray of float64
        Those of the edges, rising or falling, shapes (nx + 1,) and (ny + 1,).
    pole : tuple of float, optional
        Longitude and latitude of the rotated north pole; not rotated without.
    dim_names : tuple of str, optional
        Other names than ("rlat", "rlon") and ("lat", "lon").
    """

    name: str
    centres_x: Array
    centres_y: Array
    edges: tuple[Array, Array]
    pole: tuple[float, float] | None = None
    dim_names: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        for what, centres, edges in (
            ("longitude", self.centres_x, self.edges[0]),
            ("latitude", self.centres_y, self.edges[1]),
        ):
            steps = np.diff(edges)
            if edges.size != centres.size + 1 or not ((steps > 0).all() or (steps < 0).all()):
                raise CubeError(
                    f"{edges.size} edges along {what} of grid {self.name!r} for {centres.size} "
                    "cells; expected one more than cells, rising or falling all along."
                )
        if abs(self.edges[0][-1] - self.edges[0][0]) > 360 + 1e-6:
            raise CubeError(
                f"grid {self.name!r} covers more than 360 degrees of longitude: cells would "
                "overlap. Leave out the columns that come twice."
            )
        object.__setattr__(self, "edges", (self.edges[0], np.clip(self.edges[1], -90, 90)))

    @property
    def nx(self) -> int:  # type: ignore[override]
        """Cells along longitude."""
        return self.centres_x.size

    @property
    def ny(self) -> int:  # type: ignore[override]
        """Cells along latitude."""
        return self.centres_y.size

    @property
    def x(self) -> Array:
        """(Rotated) longitude of the centres in degrees, shape (nx,)."""
        return self.centres_x

    @property
    def y(self) -> Array:
        """(Rotated) latitude of the centres in degrees, shape (ny,)."""
        return self.centres_y

    def x_at(self, column: Array) -> Array:
        """(Rotated) longitude in degrees at columns."""
        return np.interp(column, np.arange(self.nx + 1.0), self.edges[0])

    def y_at(self, row: Array) -> Array:
        """(Rotated) latitude in degrees at rows."""
        return np.interp(row, np.arange(self.ny + 1.0), self.edges[1])

    def columns_of(self, x: Array) -> Array:
        """Columns at (rotated) longitudes, of any turn; -1 or nx + 1 beside the lattice."""
        west, east = sorted((float(self.edges[0][0]), float(self.edges[0][-1])))
        inside = (x >= west) & (x < east)
        return _position(np.where(inside, x, (x - west) % 360 + west), self.edges[0])

    def rows_of(self, y: Array) -> Array:
        """Rows at (rotated) latitudes; -1 or ny + 1 beside the lattice."""
        return _position(y, self.edges[1])


def _position(value: Array, edges: Array) -> Array:
    """Positions among edges, counted from the first; beside them -1 or one more than the last."""
    number = edges.size - 1
    count = np.arange(edges.size, dtype=np.float64)
    if edges[-1] < edges[0]:
        return np.interp(value, edges[::-1], count[::-1], left=number + 1, right=-1)
    return np.interp(value, edges, count, left=-1, right=number + 1)
