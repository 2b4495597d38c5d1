"""Whether plant types lie on the grid of a surface file."""

from __future__ import annotations

import itertools
import os

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.cell_centres import Places, cell_centres, distances
from lulc_xr.analysis.clm_template import (
    SurfaceTemplate,
    check_sums,
    mended_longitudes,
    read_template,
)
from lulc_xr.analysis.plant_schema import grid_coordinates, grid_dims
from lulc_xr.core.errors import CubeError
from lulc_xr.core.grids import list_grids, named_grid
from lulc_xr.core.target_grid import describe


def read_matching(
    path: str | os.PathLike[str],
    plant_types: xr.Dataset,
    *,
    grid_tolerance: float,
    sum_tolerance: float,
    check: str,
    longitudes: str,
) -> tuple[SurfaceTemplate, NDArray[np.float64] | None]:
    """A surface file that plant types can be laid over, and its longitudes if they are mended.

    Parameters are those of :func:`lulc_xr.export_clm_surface`.

    Raises
    ------
    CubeError
        If the file has another form or grid, its sums are off, or longitudes are negative.
    SourceError
        If it cannot be read.
    """
    template = read_template(path)
    check_grid(template, plant_types, tolerance=grid_tolerance)
    check_sums(template, tolerance=sum_tolerance, check=check)
    return template, mended_longitudes(template, longitudes)


def check_grid(template: SurfaceTemplate, plant_types: xr.Dataset, *, tolerance: float) -> None:
    """Raise unless each cell of the template has its centre where that of the plant types is.

    Parameters
    ----------
    template : SurfaceTemplate
        The surface file.
    plant_types : xr.Dataset
        With longitude and latitude of cells.
    tolerance : float
        Largest distance of two centres in metres.

    Raises
    ------
    CubeError
        If shapes or centres differ; says how far, and what would fit.
    """
    dims = grid_dims(plant_types)
    shape = tuple(plant_types.sizes[d] for d in dims)
    if shape != template.shape:
        raise CubeError(
            f"the template has {describe(template.dims, template.shape)} cells, the plant types "
            f"have {describe(dims, shape)}.{_hint(template, tolerance)} Make the plant "
            "types on the grid of the template: a name, or a file with its cells' vertices."
        )
    mine = cell_centres(grid_coordinates(plant_types), dims)
    apart = distances(template.places, mine)
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    if apart[worst] <= tolerance:
        return
    ways = _turned(template, mine, shape, tolerance) + _hint(template, tolerance)
    raise CubeError(
        f"the template's cells are up to {apart[worst] / 1000:.3g} km from those of the plant "
        f"types (tolerance {tolerance / 1000:g} km; at cell {template.place(worst)}): another "
        f"grid of the same size.{ways} Make the plant types on the grid of the template, or raise "
        "grid_tolerance if the difference is meant."
    )


def _turned(
    template: SurfaceTemplate,
    centres: Places,
    shape: tuple[int, ...],
    tolerance: float,
) -> str:
    """Whether the grid fits when it is turned around."""
    axes = range(len(shape))
    for turned in itertools.chain(*(itertools.combinations(axes, n + 1) for n in axes)):
        longitude, latitude = (np.flip(c.reshape(shape), turned).ravel() for c in centres)
        if distances(template.places, (longitude, latitude)).max() <= tolerance:
            names = " and ".join(template.dims[a] for a in turned)
            return f" It runs the other way along {names}: turn the plant types around with isel."
    return ""


def _hint(template: SurfaceTemplate, tolerance: float) -> str:
    """Which named grid the template lies on, or which have its size."""
    grids = {(grid := named_grid(name)).name: grid for name in list_grids()}
    alike = {name: grid for name, grid in grids.items() if grid.shape == template.shape}
    for name, grid in alike.items():
        there = cell_centres(grid.coordinates(), grid.dims)
        if distances(template.places, there).max() <= tolerance:
            return f" The template lies on the grid {name!r}."
    if not alike:
        return ""
    return f" Grids of the template's size, but elsewhere: {', '.join(map(repr, alike))}."
