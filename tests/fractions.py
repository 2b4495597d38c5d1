"""Fractions of classes on a small grid, as lulc_xr.fractions gives them, made up from shares."""

import json

import numpy as np
import xarray as xr
from pyproj import CRS, Geod

from lulc_xr.core.legend import Legend
from lulc_xr.core.target_grid import TargetGrid

CRS_NAME = "crs"


def lonlat_coordinates(shape=(3, 4), *, west=-8.0, south=40.0, step=0.5):
    """Coordinates of a regular grid of longitude and latitude, with bounds and grid mapping."""
    edges = [start + step * np.arange(n + 1) for start, n in zip((south, west), shape, strict=True)]
    made = xr.Dataset(attrs={"grid_mapping": CRS_NAME})
    for dim, edge, name, units in zip(
        ("lat", "lon"), edges, ("latitude", "longitude"), ("degrees_north", "degrees_east"),
        strict=True,
    ):  # fmt: skip
        attrs = {"standard_name": name, "units": units, "bounds": f"{dim}_bnds"}
        made = made.assign_coords({dim: (dim, (edge[:-1] + edge[1:]) / 2, attrs)})
        made = made.assign_coords(
            {f"{dim}_bnds": ((dim, "bnds"), np.stack([edge[:-1], edge[1:]], 1))}
        )
    return made.assign_coords({CRS_NAME: ((), np.int32(0), CRS("EPSG:4326").to_cf())})


def coordinate_areas(coordinates):
    """Area of each cell of such a grid on the ellipsoid in square metres (lat, lon)."""
    geod, width = Geod(ellps="WGS84"), np.diff(coordinates["lon_bnds"].values, axis=1)[:, 0]
    along = np.linspace(0, 1, 33)
    areas = []
    for low, high in coordinates["lat_bnds"].values:
        lon = np.concatenate([along, along[::-1]])
        lat = np.concatenate([np.full(33, low), np.full(33, high)])
        areas.append(abs(geod.polygon_area_perimeter(lon, lat)[0]) * width)
    return np.stack(areas)


def made_fractions(
    legend: Legend,
    shares=None,
    *,
    unmapped=None,
    grid: TargetGrid | None = None,
    shape=(3, 4),
    years=(2018,),
    seed=0,
    lazy=False,
    expected=False,
    **where,
):
    """Fractions of the schema of lulc_xr.fractions.

    Parameters
    ----------
    legend : Legend
        Its classes, in order, are the classes.
    shares : array-like, optional
        Shares of the cell's area of shape (class, year, *dims), or what broadcasts to it; by
        default drawn at random. With `unmapped` they sum to 1.
    unmapped : array-like, optional
        Share without a class; by default what is left to 1.
    grid : TargetGrid, optional
        Gives the coordinates; by default a regular grid of longitude and latitude of `shape`,
        with `where` (west, south, step).
    """
    coordinates = lonlat_coordinates(shape, **where) if grid is None else grid.coordinates()
    dims = ("lat", "lon") if grid is None else grid.dims
    cells = shape if grid is None else grid.shape
    whole = (len(legend), len(years), *cells)
    if shares is None:
        drawn = np.random.default_rng(seed).dirichlet(np.ones(len(legend) + 1), whole[1:])
        shares = np.moveaxis(drawn, -1, 0)[:-1]
    shares = np.broadcast_to(np.asarray(shares, np.float64), whole)
    left = 1 - shares.sum(axis=0) if unmapped is None else np.broadcast_to(unmapped, whole[1:])
    mapping = {"grid_mapping": str(coordinates.attrs["grid_mapping"])}
    variables = {
        "fraction": (("class", "year", *dims), shares, {"units": "1", **mapping}),
        "unmapped_fraction": (("year", *dims), left, {"units": "1", **mapping}),
        "covered_fraction": (dims, np.ones(cells), {"units": "1", **mapping}),
        "cell_coverage": (
            dims,
            np.full(cells, 2, np.uint8),
            {
                "flag_values": np.arange(3, dtype=np.uint8),
                "flag_meanings": "outside partly_covered covered",
                **mapping,
            },
        ),
        "cell_area": (
            dims,
            coordinate_areas(coordinates) if grid is None else grid.areas().reshape(cells),
            {"units": "m2", "standard_name": "cell_area", **mapping},
        ),
    }
    if expected:
        variables["expected_fraction"] = (("class", "year", *dims), shares[:, :, ...], mapping)
        variables["mean_entropy"] = (("year", *dims), np.full(whole[1:], 0.5), mapping)
    made = xr.Dataset(
        variables,
        coords={
            "class": ("class", np.array(legend.names, np.dtypes.StringDType())),
            "class_id": ("class", np.array(legend.ids, np.uint8), legend.flags()),
            "year": ("year", np.array(years, np.int64)),
            **coordinates.coords,
        },
        attrs={
            "Conventions": "CF-1.10",
            "legend": legend.name,
            "history": "made up",
            "lulc_xr:sources": json.dumps([
                {
                    "store": "",
                    "task": "land_cover",
                    "model": "",
                    "footprint": "POLYGON ((-8 40, -6 40, -6 42, -8 42, -8 40))",
                    "years": [int(year) for year in years],
                }
            ]),
        },
    )  # fmt: skip
    if lazy:
        sizes = {"year": 1, dims[0]: max(1, cells[0] // 2)}
        for name, value in made.data_vars.items():
            made[name] = value.chunk({d: n for d, n in sizes.items() if d in value.dims})
    return made
