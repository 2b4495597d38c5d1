"""A made-up CLM5 surface file from its documented variables, for tests: none is public."""

import netCDF4
import numpy as np
import xarray as xr
from pyproj import Geod

from lulc_xr.core.clm import CROPS, NATURAL_PFTS

UNITS = ("PCT_NATVEG", "PCT_CROP", "PCT_LAKE", "PCT_WETLAND", "PCT_GLACIER")
COVER = (*UNITS, "PCT_URBAN", "PCT_NAT_PFT", "PCT_CFT")


def make_template(
    path,
    coordinates,
    *,
    cfts=2,
    dtype="f8",
    file_format="NETCDF4",
    sea=(),
    seed=1,
    west=False,
    mask=True,
    off=None,
):
    """Write a surface file on the grid of coordinates (lon, lat of one or two dimensions).

    Parameters
    ----------
    sea : sequence of tuple
        Cells that are sea: wetland alone, as mksurfdata writes them.
    west : bool
        Whether longitudes are -180 to 180, which CLM refuses.
    off : tuple, optional
        Cell whose land units don't sum to 100.
    """
    # On a regular grid each lies along its own dimension.
    places = xr.broadcast(*(coordinates[n].reset_coords(drop=True) for n in ("lat", "lon")))
    latitude, longitude = places
    structured = longitude.ndim == 2
    dims = ("lsmlat", "lsmlon") if structured else ("gridcell",)
    shape, rng = longitude.shape, np.random.default_rng(seed)
    with netCDF4.Dataset(path, "w", format=file_format) as file:
        file.Conventions = "NCAR-CSM"
        file.History_Log = "made up for tests"
        file.history = "made up"
        sizes = {**dict(zip(dims, shape, strict=True)), "natpft": len(NATURAL_PFTS), "cft": cfts}
        for name, size in {**sizes, "numurbl": 3, "nlevsoi": 10, "lsmpft": 17, "nchar": 8}.items():
            file.createDimension(name, size)
        file.createDimension("time", None)

        def add(name, leading, values, kind=dtype, fill=None, **attrs):
            over = (*leading, *dims)
            options = {}
            if file_format == "NETCDF4" and kind == dtype:
                options = {"zlib": True, "complevel": 3, "shuffle": True}
                options["chunksizes"] = tuple(1 if d == "time" else len(file.dimensions[d])
                                              for d in over)  # fmt: skip
            variable = file.createVariable(name, kind, over, fill_value=fill, **options)
            variable.setncatts({"long_name": name.lower(), "units": "unitless", **attrs})
            variable[:] = values

        file.createVariable("mxsoil_color", "i4")[...] = 20
        file.createVariable("natpft", "i4", ("natpft",))[:] = np.arange(len(NATURAL_PFTS))
        file.createVariable("cft", "i4", ("cft",))[:] = sorted(CROPS)[:cfts]
        file.createVariable("time", "i4", ("time",))[:] = np.arange(1, 13)
        file.createVariable("label", "S1", ("nchar",))[:] = np.array(list("surfdata"), "S1")
        add("SOIL_COLOR", (), rng.integers(1, 21, shape), "i4")
        add("PCT_SAND", ("nlevsoi",), rng.uniform(0, 100, (10, *shape)), fill=1e36)
        add("LONGXY", (), longitude.values if west else longitude.values % 360)
        add("LATIXY", (), latitude.values, units="degrees north")
        add("AREA", (), np.full(shape, 149.0), units="km^2")
        lake, land = np.zeros((8, *shape)), np.ones(shape, bool)
        for cell in sea:
            land[cell] = False
        add("LANDFRAC_PFT", (), land.astype(float))
        if mask:
            add("PFTDATA_MASK", (), land.astype("i4"), "i4")
        units = np.moveaxis(rng.dirichlet(np.ones(8), shape), -1, 0) * 100
        lake[3] = 100
        units = np.where(land, units, lake)
        if off is not None:
            units[(0, *off)] += 2.5
        for name, values in zip(UNITS, units, strict=False):
            add(name, (), values)
        add("PCT_URBAN", ("numurbl",), units[5:])
        add("PCT_NAT_PFT", ("natpft",), _percent(rng, len(NATURAL_PFTS), shape))
        add("PCT_CFT", ("cft",), _percent(rng, cfts, shape))
        add("URBAN_REGION_ID", (), np.ones(shape, "i4"), "i4")
        add("MONTHLY_LAI", ("time", "lsmpft"), rng.uniform(0, 6, (12, 17, *shape)))
    return path


def _percent(rng, types, shape):
    return np.moveaxis(rng.dirichlet(np.ones(types), shape), -1, 0) * 100


def read_raw(path):
    """Each variable's values as stored, with attributes, type, dimensions, filters and chunks."""
    found = {}
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        for name, variable in file.variables.items():
            found[name] = {
                "values": np.ma.getdata(variable[...]).tobytes(),
                "dtype": str(variable.dtype),
                "dimensions": variable.dimensions,
                "attributes": {k: str(variable.getncattr(k)) for k in variable.ncattrs()},
                "filters": variable.filters(),
                "chunks": variable.chunking(),
                "endian": variable.endian(),
            }
        dimensions = {n: (len(d), d.isunlimited()) for n, d in file.dimensions.items()}
        return {
            "variables": found,
            "order": list(found),
            "dimensions": dimensions,
            "format": file.data_model,
        }


def read_cover(path):
    """Land cover as stored: land units (8, cell...), natural types, crops, in the file's order."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        units = [file.variables[n][:][None] for n in UNITS] + [file.variables["PCT_URBAN"][:]]
        return {
            "land units": np.concatenate(units),
            "natural": file.variables["PCT_NAT_PFT"][:],
            "crops": file.variables["PCT_CFT"][:],
        }


def sums_of(values, seed=0):
    """Sums over types in the file's precision in several orders, and in float64: (order, cell)."""
    flat = values.reshape(len(values), -1)
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(flat)), np.arange(len(flat))[::-1], rng.permutation(len(flat))]
    one_by_one = [np.add.accumulate(flat[o], axis=0, dtype=flat.dtype)[-1] for o in orders]
    return np.stack([*one_by_one, flat.sum(axis=0), flat.sum(axis=0, dtype="f8")])


def distance(a, b):
    """Metres between places on the ellipsoid."""
    return Geod(ellps="WGS84").inv(*a, *b)[2]
