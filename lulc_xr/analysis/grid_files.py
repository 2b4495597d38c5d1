"""A grid of cells from what users have: a name, a CF file, a Dataset, a GeoDataFrame."""

from __future__ import annotations

from os import PathLike
from typing import Any

from lulc_xr.core.errors import CubeError
from lulc_xr.core.grids import named_grid
from lulc_xr.core.target_grid import TargetGrid


def as_grid(grid: str | PathLike[str] | TargetGrid | Any) -> TargetGrid:
    """Cells to sum a map up in, from whatever describes them.

    Parameters
    ----------
    grid : str, path, TargetGrid, xr.Dataset or GeoDataFrame
        A name of :func:`lulc_xr.list_grids`, a grid, a CF file, a Dataset with CF cells, polygons.

    Raises
    ------
    CubeError
        If it is none of these.
    """
    if isinstance(grid, TargetGrid):
        return grid
    if isinstance(grid, str):
        return named_grid(grid)
    raise CubeError(f"{type(grid).__name__} is no grid.")
