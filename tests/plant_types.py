"""Plant types on small grids, as lulc_xr.plant_functional_types gives them, made up from shares."""

import json

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from lulc_xr.core.clm import CROPS, LANDUNITS, NATURAL_PFTS

BONN = {
    "coldest_month": 2.5,
    "warmest_month": 18.5,
    "growing_degree_days": 2200.0,
    "annual_precipitation": 800.0,
    "winter_precipitation": 380.0,
    "driest_month_precipitation": 50.0,
}
"""Of Bonn, about: temperate, so that every plant type is known without a look at the rules."""

ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
    "north_pole_grid_longitude": 0.0,
    "earth_radius": 6371229.0,
}
_TO_DEGREES = Transformer.from_crs(
    CRS.from_proj4("+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229"),
    CRS.from_proj4("+proj=longlat +R=6371229"),
    always_xy=True,
)


def rotated_coordinates(shape=(4, 5), *, first=(0.495, -6.875), step=0.11):
    """Coordinates of a part of EUR-11 around Bonn: centres, vertices, the rotated pole."""
    rlat, rlon = (start + step * np.arange(n) for start, n in zip(first, shape, strict=True))
    degrees = {"units": "degrees"}

    def geographic(rlon, rlat):
        lon, lat = _TO_DEGREES.transform(*np.meshgrid(rlon, rlat))
        return lat, lon

    lat, lon = geographic(rlon, rlat)
    corners = [
        geographic(rlon + dx, rlat + dy)
        for dx, dy in step / 2 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    ]
    lat_vertices, lon_vertices = (np.stack([c[i] for c in corners], -1) for i in (0, 1))
    dims = ("rlat", "rlon")
    return xr.Dataset(
        coords={
            "rlat": ("rlat", rlat, {"standard_name": "grid_latitude", "axis": "Y", **degrees}),
            "rlon": ("rlon", rlon, {"standard_name": "grid_longitude", "axis": "X", **degrees}),
            "lat": (dims, lat, _named("latitude", "north", "lat_vertices")),
            "lon": (dims, lon, _named("longitude", "east", "lon_vertices")),
            "lat_vertices": ((*dims, "vertices"), lat_vertices),
            "lon_vertices": ((*dims, "vertices"), lon_vertices),
            "rotated_pole": ((), np.int32(0), ROTATED),
        },
        attrs={"grid_mapping": "rotated_pole"},
    )


def cell_coordinates(cells=7):
    """Coordinates of cells in no order, as of an icosahedral grid."""
    longitude, latitude = np.linspace(-3, 9, cells), np.linspace(47, 53, cells)
    return xr.Dataset(
        coords={
            "lon": ("cell", longitude, _named("longitude", "east")),
            "lat": ("cell", latitude, _named("latitude", "north")),
        }
    )


def _named(name, direction, bounds=None):
    attrs = {"standard_name": name, "long_name": name, "units": f"degrees_{direction}"}
    return attrs if bounds is None else {**attrs, "bounds": bounds}


def made_plant_types(
    coordinates=None, *, years=(2018,), cfts=(15, 16), outside=0.0, seed=0, lazy=False
):
    """Random plant types.

    Parameters
    ----------
    coordinates : xr.Dataset, optional
        Of the grid; by default `rotated_coordinates()`.
    cfts : sequence of int
        Numbers of crops.
    outside : float
        Share of each cell that is ocean, ignored or unmapped, a third each.
    """
    grid = rotated_coordinates() if coordinates is None else coordinates
    dims = tuple(dict.fromkeys((*grid["lat"].dims, *grid["lon"].dims)))
    cells = tuple(grid.sizes[d] for d in dims)
    types = len(NATURAL_PFTS) + len(cfts) + len(LANDUNITS) - 2
    rng = np.random.default_rng(seed)
    # A few types in each cell, zeros elsewhere, as real ones.
    drawn = rng.dirichlet(np.full(types, 0.3), (len(years), *cells)) * (1 - outside)
    drawn = np.moveaxis(np.where(drawn < 1e-9, 0, drawn), -1, 0)
    drawn /= drawn.sum(axis=0) / (1 - outside) if outside < 1 else 1
    natural, crops, others = np.split(drawn, [len(NATURAL_PFTS), len(NATURAL_PFTS) + len(cfts)])
    units = np.concatenate([natural.sum(axis=0)[None], crops.sum(axis=0)[None], others])
    mapping = {"units": "1"} | {k: v for k, v in grid.attrs.items() if k == "grid_mapping"}
    third = np.full(units.shape[1:], outside / 3)
    made = xr.Dataset(
        {
            "landunit_fraction": (("landunit", "year", *dims), units, mapping),
            "natural_pft_fraction": (("natpft", "year", *dims), natural, mapping),
            "cft_fraction": (("cft", "year", *dims), crops, mapping),
            **{
                f"{name}_fraction": (("year", *dims), third, mapping)
                for name in ("ocean", "ignored", "unmapped")
            },
        },
        coords={
            "landunit": np.array(LANDUNITS, np.dtypes.StringDType()),
            "natpft": np.array(NATURAL_PFTS, np.dtypes.StringDType()),
            "natpft_id": ("natpft", np.arange(len(NATURAL_PFTS), dtype=np.int32)),
            "cft": np.array([CROPS[i] for i in cfts], np.dtypes.StringDType()),
            "cft_id": ("cft", np.array(cfts, np.int32)),
            "year": np.array(years, np.int64),
            **grid.coords,
        },
        attrs={
            "Conventions": "CF-1.10",
            "legend": "s2glc",
            "history": "made up",
            "crosswalk": json.dumps({"name": "s2glc_clm5"}),
            "climate_rules": json.dumps({"source": "made up"}),
            "lulc_xr:sources": json.dumps(
                [{"store": "demo.zarr", "task": "land_cover", "model": "abc123", "years": [2018]}]
            ),
        },
    )
    return made.chunk({"year": 1}) if lazy else made


def set_cell(plant_types, cell, **shares):
    """The same with other shares in one cell (positions along the grid's dimensions).

    Names are those of land units, or ocean, ignored, unmapped; natural vegetation becomes bare
    and crop the first of the crops.
    """
    made = plant_types.copy(deep=True)
    dims = made["unmapped_fraction"].dims[1:]
    at = dict(zip(dims, cell, strict=True))
    for name in ("ocean", "ignored", "unmapped"):
        made[f"{name}_fraction"][at] = shares.get(name, 0.0)
    for name in ("landunit_fraction", "natural_pft_fraction", "cft_fraction"):
        made[name][at] = 0.0
    for name in LANDUNITS:
        made["landunit_fraction"][{**at, "landunit": LANDUNITS.index(name)}] = shares.get(name, 0)
    made["natural_pft_fraction"][{**at, "natpft": 0}] = shares.get("natural_vegetation", 0.0)
    made["cft_fraction"][{**at, "cft": 0}] = shares.get("crop", 0.0)
    return made
