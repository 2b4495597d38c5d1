"""Areas of change in the cells of a grid or in polygons, by the engine of fractions."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.extents import extent_of
from lulc_xr.analysis.fraction_graph import Part, grid_sums
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.target_grid import TargetGrid

_BLOCK = 1024


def pair_areas(
    before: xr.DataArray, after: xr.DataArray, grid: TargetGrid, *, legend: Legend
) -> tuple[xr.Variable, xr.Variable]:
    """Area of each pair of classes in each cell, and that without a class in either year, lazily.

    Parameters
    ----------
    before, after : xr.DataArray of uint8
        Class ids (period, y, x) at the begin and at the end of each period.
    grid : TargetGrid
        The cells.
    legend : Legend
        The classes of both.

    Returns
    -------
    pairs : xr.Variable
        (period, from_class, to_class, cells), in square metres on the ellipsoid.
    lacking : xr.Variable
        (period, cells): inside the extent of the map, and without a class in one year or both.

    Notes
    -----
    The two maps of a period become one of pairs of classes, which is counted as any class map is.
    A map has 255 classes at most: where there are more pairs, the earlier classes take turns.
    """
    extent = extent_of(before, "the map")
    covered = grid_sums([Part(extent=extent)], grid, what="extent", columns=1)[0]
    blocks = xr.Dataset(
        {n: v.drop_vars(list(v.coords)).variable for n, v in (("a", before), ("b", after))}
    )
    pixels = {} if before.chunks else {"y": _BLOCK, "x": _BLOCK}
    blocks = blocks.chunk({"period": 1} | pixels).unify_chunks()
    classes = len(legend)
    together = FILL_CLASS // classes or 1
    periods = []
    for n in range(before.sizes["period"]):
        own = blocks.isel(period=slice(n, n + 1))
        found = []
        for first in range(0, classes, together):
            number = min(together, classes - first)
            pairs = own["a"].data.map_blocks(
                _pair,
                own["b"].data,
                legend=legend,
                first=first,
                number=number,
                dtype=np.uint8,
                meta=np.empty((0,) * 3, np.uint8),
            )
            values = xr.DataArray(pairs, dims=("layer", "y", "x"))
            names = Legend.from_names("pairs", [f"pair_{k}" for k in range(number * classes)])
            part = Part(extent=extent, values=values, legend=names)
            sums = grid_sums([part], grid, what="classes", columns=number * classes)
            found.append(xr.Variable(("pair", *grid.dims), sums))
        periods.append(xr.Variable.concat(found, "pair"))
    pairs = xr.Variable.concat(periods, "period")
    lacking = (xr.Variable(grid.dims, covered) - pairs.sum("pair")).clip(min=0)
    matrix = pairs.unstack(pair={"from_class": classes, "to_class": classes})
    return (
        matrix.transpose("period", "from_class", "to_class", *grid.dims),
        lacking.transpose("period", *grid.dims),
    )


def cell_coords(grid: TargetGrid) -> tuple[dict[str, Any], str | None]:
    """Coordinates of the cells, and the name of their grid mapping."""
    found = grid.coordinates()
    mapping = found.attrs.get("grid_mapping")
    coords: dict[str, Any] = {str(n): v.variable for n, v in found.coords.items()}
    return coords, None if mapping is None else str(mapping)


def _pair(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    *,
    legend: Legend,
    first: int,
    number: int,
) -> NDArray[np.uint8]:
    """Numbers of pairs whose earlier class is one of `number` from `first` on; 255 elsewhere."""
    a = legend.index_of(before).astype(np.int32) - first
    b = legend.index_of(after)
    counted = (a >= 0) & (a < number) & (b >= 0)
    found: NDArray[np.uint8] = np.where(counted, a * len(legend) + b, FILL_CLASS).astype(np.uint8)
    return found
