"""What the engine of fractions asks of a grid of cells, whatever its cells look like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.overlap import Outlines

EARTH_RADIUS = 6_371_229.0
"""Radius in metres of the sphere of CORDEX's rotated grids (CORDEX-CMIP6 specifications)."""


class TargetGrid(ABC):
    """Cells that a map is summed up in: a model's grid, or regions.

    Cells are numbered from 0 in the order of the last dimension first (C order). Longitude and
    latitude are geodetic, on the ellipsoid WGS 84, as CORDEX and CF files mean them.
    """

    name: str

    @property
    @abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Dimensions of a variable on the grid, such as ("rlat", "rlon") or ("region",)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Cells along each of `dims`."""

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @abstractmethod
    def coordinates(self) -> xr.Dataset:
        """Coordinates, bounds and the CF grid mapping: a Dataset without data variables.

        Its attribute `grid_mapping` names the grid mapping's coordinate, if there is one.
        Bounds are coordinates too, named by the attribute `bounds` of what they bound.
        """

    @abstractmethod
    def areas(self) -> NDArray[np.float64]:
        """Area of each cell on the ellipsoid in square metres, shape (size,)."""

    @abstractmethod
    def width(self) -> float:
        """Typical side of a cell in metres, by which outlines are refined."""

    @abstractmethod
    def near(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cells that may meet a part of a map, ascending: none that meets it is missing.

        Parameters
        ----------
        longitude, latitude : ndarray of float64
            Places around the border of the part and inside it, in degrees, shape (place,).
        """

    @abstractmethod
    def locate(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cell that holds each place, -1 where none does; the first where cells overlap.

        Parameters
        ----------
        longitude, latitude : ndarray of float64
            In degrees, shape (place,); NaN lies in no cell.
        """

    @abstractmethod
    def part(self, cells: NDArray[np.int64]) -> GridPart:
        """What a task needs of some cells (ascending), small when pickled."""


class GridPart(ABC):
    """Some cells of a grid."""

    @abstractmethod
    def outlines(self, pieces: int) -> Outlines:
        """Outlines of the cells in degrees (longitude, latitude); `cells` are positions 0, 1, ...

        Parameters
        ----------
        pieces : int
            Straight pieces that each edge of a grid cell is cut into, so that it keeps its course
            in another reference system. Neighbours cut what they share at the same places.

        Raises
        ------
        CubeError
            If a cell holds a pole.
        """


def pieces_for(width: float, *, tolerance: float = 1e-6) -> int:
    """Pieces that an edge is cut into, so that it strays by less than a share of its length.

    An edge of length w bends away from its chord by about w² / (8 R) where its radius of
    curvature is the earth's, and by 1/n² of that when it is cut into n pieces. A power of two, so
    that grids that nest share places.
    """
    needed = np.sqrt(width / (8 * EARTH_RADIUS * tolerance))
    return int(2 ** max(0, np.ceil(np.log2(needed))))


def check_cells(cells: NDArray[np.int64], size: int) -> None:
    """Raise where cells are not ascending positions of a grid of `size` cells."""
    if cells.size and (cells[0] < 0 or cells[-1] >= size or (np.diff(cells) <= 0).any()):
        raise CubeError(f"cells must be ascending positions below {size}.")


def describe(dims: Sequence[str], shape: Sequence[int]) -> str:
    """A grid's form in words, for messages: ``412 x 424 (rlat, rlon)``."""
    return f"{' x '.join(map(str, shape))} ({', '.join(dims)})"
