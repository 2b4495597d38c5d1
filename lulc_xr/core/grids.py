"""Grids by name: the domains of CORDEX over Europe, and those that TSMP and eCLM run on."""

from __future__ import annotations

import numpy as np

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.lattice_grid import LatticeGrid

EUROPEAN_POLE = (-162.0, 39.25)
"""Longitude and latitude of the rotated north pole of CORDEX's European domain."""

_CORDEX = "WCRP-CORDEX/domain-tables: CORDEX-CMIP5_grids.csv, rotated-latitude-longitude.csv"
_TSMP = "HPSCTerrSys/TSMP_WorkflowGettingStarted: masks.nc"
_FINE = "HPSCTerrSys/TSMP: bldsva/setups/cordex0275"
_ECLM = "HPSCTerrSys/eCLM_static-file-generator: docs/users_guide/1_create_grid_file.md"

# name, nx, ny, step, first longitude, first latitude, rotated or not, source
_TABLE: tuple[tuple[str, int, int, float, float, float, bool, str], ...] = (
    ("EUR-11", 424, 412, 0.11, -28.375, -23.375, True, _CORDEX),
    ("EUR-22", 212, 206, 0.22, -28.32, -23.32, True, _CORDEX),
    ("EUR-44", 106, 103, 0.44, -28.21, -23.21, True, _CORDEX),
    ("EUR-11i", 881, 408, 0.125, -44.8125, 21.8125, False, _CORDEX),
    (
        "EUR-11-relaxation", 450, 438, 0.11, -29.805, -24.805, True,
        f"{_ECLM} (EUR-11 with a relaxation zone of 13 cells); first cell derived",
    ),
    (
        "EUR-11-eCLM", 444, 432, 0.11, -29.475, -24.475, True,
        f"{_ECLM} (EUR-11-relaxation without 3 cells a side); first cell derived",
    ),
    (
        "EUR-11-TSMP", 436, 424, 0.11, -29.035, -24.035, True,
        f"{_TSMP} (EUR-11 widened by 6 cells a side); first cell derived",
    ),
    (
        "EUR-0275", 1600, 1552, 0.0275, -26.98625, -21.98625, True,
        f"{_FINE}/lmrun_uc5_1 (with the relaxation zone)",
    ),
    (
        "EUR-0275-eCLM", 1594, 1546, 0.0275, -26.90375, -21.90375, True,
        f"{_ECLM} (EUR-0275 without 3 cells a side); first cell derived",
    ),
    (
        "EUR-0275-TSMP", 1592, 1544, 0.0275, -26.87625, -21.87625, True,
        f"{_FINE} (cells of CLM and ParFlow: EUR-0275 without 4 a side); first cell derived",
    ),
)  # fmt: skip

# Names of CORDEX-CMIP6 for the same cells.
_OTHER_NAMES = {
    "EUR-12": "EUR-11",
    "EUR-25": "EUR-22",
    "EUR-50": "EUR-44",
    "EUR-12i": "EUR-11i",
}


def list_grids() -> list[str]:
    """Names of the grids that :func:`lulc_xr.as_grid` knows.

    Domains of CORDEX by their names in CMIP5, then in CMIP6, then the variants that eCLM,
    ParFlow and TSMP run on.

    Examples
    --------
    >>> list_grids()[:4]
    ['EUR-11', 'EUR-22', 'EUR-44', 'EUR-11i']
    """
    names = [row[0] for row in _TABLE]
    return [*names[:4], *_OTHER_NAMES, *names[4:]]


def named_grid(name: str) -> LatticeGrid:
    """The grid of a name, such as "EUR-11".

    Parameters
    ----------
    name : str
        One of :func:`list_grids`.

    Raises
    ------
    CubeError
        If there is none of that name.

    Examples
    --------
    >>> named_grid("EUR-11").shape
    (412, 424)
    """
    for own, nx, ny, step, first_x, first_y, rotated, source in _TABLE:
        if own == _OTHER_NAMES.get(name, name):
            return LatticeGrid(
                name=name,
                nx=nx,
                ny=ny,
                first_x=first_x,
                first_y=first_y,
                step_x=step,
                step_y=step,
                pole=EUROPEAN_POLE if rotated else None,
                source=source,
            )
    raise CubeError(
        f"{name_unknown('grid', name, list_grids())} For others give a CF file, a Dataset with "
        "bounds, a GeoDataFrame or lulc_xr.lonlat_grid."
    )


def lonlat_grid(
    west: float,
    south: float,
    east: float,
    north: float,
    *,
    step: float | tuple[float, float],
    name: str | None = None,
) -> LatticeGrid:
    """A regular grid of longitude and latitude, from the south-west.

    Parameters
    ----------
    west, south, east, north : float
        Outer edges of the cells in degrees; `east` may lie beyond 180.
    step : float or tuple of float
        Size of the cells in degrees, or one in longitude and one in latitude.
    name : str, optional
        What the grid is called; its step and corners without.

    Raises
    ------
    CubeError
        If the sides are no whole numbers of steps.

    Examples
    --------
    >>> lonlat_grid(5, 45, 15, 55, step=0.1).shape
    (100, 100)
    """
    step_x, step_y = step if isinstance(step, tuple) else (step, step)
    counts = []
    for low, high, size, what in ((west, east, step_x, "west to east"),
                                  (south, north, step_y, "south to north")):  # fmt: skip
        if not (size > 0 and np.isfinite([low, high]).all() and high > low):
            raise CubeError(
                f"{what}: {low:g} to {high:g} degrees in steps of {size:g}; expected rising "
                "numbers and a step above 0."
            )
        number = round((high - low) / size)
        if number < 1 or abs(number * size - (high - low)) > 1e-6 * size:
            raise CubeError(
                f"{what}: {high - low:g} degrees are {(high - low) / size:g} steps of {size:g}; "
                f"expected a whole number. End at {low + max(number, 1) * size:g}, for example."
            )
        counts.append(number)
    return LatticeGrid(
        name=name or f"{step_x:g} x {step_y:g} degrees from {west:g} E, {south:g} N",
        nx=counts[0],
        ny=counts[1],
        first_x=west + step_x / 2,
        first_y=south + step_y / 2,
        step_x=step_x,
        step_y=step_y,
        source="lulc_xr.lonlat_grid",
    )
