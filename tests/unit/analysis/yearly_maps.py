"""Maps of several years for tests of change: made of given classes, or drawn at random."""

import numpy as np
import xarray as xr
from pyproj import CRS

import lulc_xr as lx
from lulc_xr.core.georeference import GRID_MAPPING, grid_mapping_variable

LEGEND = lx.Legend(
    name="demo",
    classes=tuple(
        lx.LegendClass(class_id=n, name=name, color=color)
        for n, name, color in (
            (3, "crop", "#e8c34a"),
            (7, "grass", "#a3d36c"),
            (254, "water", "#3d7fd1"),
        )
    ),
)


def raising(*args, **kwargs):
    raise AssertionError("computed")


def as_maps(
    classes,
    *,
    years=None,
    legend=LEGEND,
    crs="EPSG:3035",
    step=10.0,
    corner=(4_000_000.0, 3_000_000.0),
):
    classes = np.asarray(classes, np.uint8)
    count, rows, columns = classes.shape
    made = xr.Dataset(
        {"land_cover": (("year", "y", "x"), classes, legend.flags())},
        coords={
            "year": list(years or range(2018, 2018 + count)),
            "y": corner[1] - step * (np.arange(rows) + 0.5),
            "x": corner[0] + step * (np.arange(columns) + 0.5),
            GRID_MAPPING: ((), np.int32(0), {"crs_wkt": CRS.from_user_input(crs).to_wkt()}),
        },
    )
    return made.assign_coords({GRID_MAPPING: grid_mapping_variable(made)})


def drawn(*, years=3, y=17, x=23, seed=0, legend=LEGEND, **place):
    rng = np.random.default_rng(seed)
    return as_maps(rng.choice([*legend.ids, 255], (years, y, x)), legend=legend, **place)
