"""The land mask of a TSMP run, from the masks of its coupler."""

from __future__ import annotations

import os

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, SourceError, name_unknown
from lulc_xr.core.require import require

_FIRST = {"rlat": -23.375, "rlon": -28.375}
_SPACING = 0.11
_EUR_11 = {"rlat": 412, "rlon": 424}
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
        (rlat, rlon) with their coordinates in degrees, 412 x 424 for a margin of 6.

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
    whole = tuple(size + 2 * _MARGIN for size in _EUR_11.values())
    if values.size != int(np.prod(whole)):
        raise CubeError(
            f"{variable!r} has {values.size} cells {values.shape}; expected {whole[0]} x {whole[1]}"
            ", EUR-11 widened by 6 a side. Make the mask of another run's grid by hand: bool, True "
            "on land."
        )
    if not np.isin(values, (0, 1)).all():
        raise CubeError(
            f"{variable!r} holds values besides 0 (land) and 1 (sea): {np.unique(values)[:5]}."
        )
    land = (values == 0).reshape(whole)
    inner = tuple(slice(margin, size - margin) for size in whole)
    coords = {
        dim: (
            dim,
            # From whole steps, so that no error adds up and values are those of the tables.
            np.round(_FIRST[dim] + _SPACING * (np.arange(size) - _MARGIN)[part], 10),
            {"standard_name": name, "units": "degrees", "axis": axis},
        )
        for dim, size, part, name, axis in (
            ("rlat", whole[0], inner[0], "grid_latitude", "Y"),
            ("rlon", whole[1], inner[1], "grid_longitude", "X"),
        )
    }
    attrs = {"long_name": "land of the TSMP run", "source_variable": variable}
    return xr.DataArray(
        land[inner], dims=("rlat", "rlon"), coords=coords, name="land_mask", attrs=attrs
    )
