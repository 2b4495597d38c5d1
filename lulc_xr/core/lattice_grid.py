"""Regular lattices of longitude and latitude, with the pole moved or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.lattice import Lattice

# Places are rounded to this many decimals of a degree (1e-7 m), so that lattices that nest have
# the same corners, whichever cell they are counted from.
DECIMALS = 12


@dataclass(frozen=True, kw_only=True)
class LatticeGrid(Lattice):
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

    def x_at(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Rotated) longitude in degrees at columns counted from the first cell's first edge."""
        return np.round(self.first_x + (column - 0.5) * self.step_x, DECIMALS)

    def y_at(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Rotated) latitude at rows counted from the first cell's first edge, -90 to 90."""
        return np.clip(np.round(self.first_y + (row - 0.5) * self.step_y, DECIMALS), -90, 90)

    def columns_of(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns at (rotated) longitudes, of any turn; outside 0 to nx beside the lattice."""
        column = (x - self.first_x) / self.step_x + 0.5
        turn = 360 / abs(self.step_x)
        # Half of what the lattice leaves of a turn lies before it.
        spare = (turn - self.nx) / 2
        inside = (column >= 0) & (column < self.nx)
        return np.where(inside, column, (column + spare) % turn - spare)

    def rows_of(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows at (rotated) latitudes; outside 0 to ny beside the lattice."""
        return (y - self.first_y) / self.step_y + 0.5
