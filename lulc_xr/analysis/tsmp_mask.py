"""The land mask of a TSMP run, from the masks of its coupler."""

from __future__ import annotations

import os

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, SourceError, name_unknown
from lulc_xr.core.grids import named_grid
from lulc_xr.core.require import require
from lulc_xr.core.target_grid import describe

_GRID = "EUR-11-TSMP"
_MARGIN = 6


def tsmp_land_mask(
    path: str | os.PathLike[str],
    *,
    variable: str = "gclm.msk",
    margin: int = _MARGIN,
) -> xr.DataArray:
    """Land of a TSMP run on EUR-11, True on land.

    TSMP's land model and ParFlow run on EUR-11 widened by 6 cells a side, 436 x 424. Its coupler
    OASIS writes 0 for cells that take part (land) and 1 for masked ones (sea).

    Parameters
    ----------
    path : path
        OASIS's ``masks.nc`` of the run.
    variable : str
        Mask of a component: "gclm.msk" (CLM), "gpfl.msk" (ParFlow) or "gcos.msk" (COSMO).
    margin : int
        Cells that are cropped on each side: 6 gives EUR-11, 0 the whole grid of the run.

    Returns
    -------
    xr.DataArray of bool
        (rlat, rlon) with their coordinates, lon and lat of cells; 412 x 424 for a margin of 6.

    Raises
    ------
    SourceError
        If the file cannot be read.
    CubeError
        If there is no such mask, it has another number of cells, or values besides 0 and 1.

    References
    ----------
    OASIS3-MCT user guide: 0 marks active cells. Sizes and offset: HPSCTerrSys/TSMP, set-up cordex.
    """
    netcdf = require("netCDF4", extra="landmodels")
    try:
        with netcdf.Dataset(path) as file:
            if variable not in file.variables:
                known = [n for n in file.variables if n.endswith(".msk")]
                raise CubeError(name_unknown("mask", variable, known))
            values = np.asarray(file.variables[variable][:])
    except OSError as error:
        raise SourceError(f"the masks {str(path)!r} cannot be read: {error}") from error
    return _on_grid(values, variable, margin)


def _on_grid(values: NDArray[np.integer], variable: str, margin: int) -> xr.DataArray:
    if not 0 <= margin <= _MARGIN:
        raise CubeError(f"margin={margin} lies outside 0 to {_MARGIN}, the cells around EUR-11.")
    grid = named_grid(_GRID)
    if values.size != grid.size:
        raise CubeError(
            f"{variable!r} has {values.size} cells {values.shape}; expected "
            f"{describe(grid.dims, grid.shape)}, EUR-11 widened by {_MARGIN} a side. For a run on "
            "another grid make the mask by hand: bool, True on land."
        )
    if not np.isin(values, (0, 1)).all():
        raise CubeError(
            f"{variable!r} holds values besides 0 (land) and 1 (sea): {np.unique(values)[:5]}."
        )
    land = xr.DataArray((values == 0).reshape(grid.shape), dims=grid.dims, name="land_mask")
    coordinates = grid.coordinates()
    land.attrs = {
        "long_name": "land of the TSMP run",
        "source_variable": variable,
        **coordinates.attrs,
    }
    inner = {dim: slice(margin, size - margin) for dim, size in land.sizes.items()}
    # Bounds have a dimension that the mask hasn't.
    kept = [name for name, c in coordinates.coords.items() if set(c.dims) <= set(grid.dims)]
    land = land.assign_coords({name: coordinates[name] for name in kept})
    for name in kept:
        land[name].attrs.pop("bounds", None)
    return land.isel(inner)
