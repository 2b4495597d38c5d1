"""Small lattices of cells, on a rotated pole or not, and made-up class maps."""

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

import lulc_xr as lx
from lulc_xr.core.lattice_grid import LatticeGrid

POLE = (-162.0, 39.25)
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


def random_classes(shape, seed=0, unmapped=0.1):
    """Class ids, a share of them 255."""
    draw = np.random.default_rng(seed)
    values = draw.integers(0, len(LEGEND), shape).astype(np.uint8)
    values[draw.random(shape) < unmapped] = 255
    return values


def rotated(step=0.11, rows=6, columns=7):
    """Cells around 18 degrees east, 50.75 degrees north, where the rotated origin lies."""
    return lattice(
        west=-columns / 2 * step, south=-rows / 2 * step, step=step, rows=rows, columns=columns,
        pole=POLE,
    )  # fmt: skip


def at_origin(crs, shape, step, place=(18.0, 50.75)):
    """Corner of a raster whose middle is that place, or another one."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*place)
    return float(round(x)) - shape[1] * step / 2 + 3.7, float(round(y)) + shape[0] * step / 2 + 1.3


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
