"""Small lattices of cells, on a rotated pole or not, and made-up class maps."""

import numpy as np
import xarray as xr
from pyproj import CRS

import lulc_xr as lx
from lulc_xr.core.lattice_grid import LatticeGrid

LEGEND = lx.Legend.from_names("demo", ["crop", "wood", "water"])


def lattice(*, west, south, step, rows, columns, pole=None):
    """Cells from a south-western corner on."""
    return LatticeGrid(
        name="small",
        nx=columns,
        ny=rows,
        first_x=west + step / 2,
        first_y=south + step / 2,
        step_x=step,
        step_y=step,
        pole=pole,
    )


def class_map(values, crs, corner, step, *, years=(2018,), chunk=None, legend=LEGEND):
    """A class map (year, y, x) whose first pixel's outer corner is `corner`."""
    values = np.asarray(values, np.uint8)
    values = values if values.ndim == 3 else np.stack([values] * len(years))
    steps = step if isinstance(step, tuple) else (step, -step)
    rows, columns = values.shape[1:]
    system = CRS.from_user_input(crs)
    a, e = steps
    affine = f"{corner[0]!r} {a!r} 0.0 {corner[1]!r} 0.0 {e!r}"
    found = xr.DataArray(
        values,
        dims=("year", "y", "x"),
        coords={
            "year": np.array(years),
            "y": corner[1] + e * (np.arange(rows) + 0.5),
            "x": corner[0] + a * (np.arange(columns) + 0.5),
            "spatial_ref": ((), 0, {"crs_wkt": system.to_wkt(), "GeoTransform": affine}),
        },
        name="land_cover",
        attrs=legend.flags(),
    )
    return found if chunk is None else found.chunk(y=chunk, x=chunk)
