"""Fractions and plant types in files: CF NetCDF-4 or Zarr, written whole, read lazily, added to."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Hashable, Mapping
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import numpy as np
import xarray as xr

from lulc_xr.analysis.adding import add_fractions
from lulc_xr.analysis.fraction_layout import CELL_AREA, from_layout, to_layout
from lulc_xr.analysis.fraction_writing import Precision, grid_of, write_whole
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.exchange import alone
from lulc_xr.core.require import require

FilePath = str | PathLike[str]

VERSIONS = "lulc_xr_versions"
"""Global attribute of a file: JSON, versions of the libraries that wrote it."""

_LIBRARIES = ("lulc_xr", "xarray", "numpy", "dask", "zarr", "netCDF4")


def write_fractions(
    fractions: xr.Dataset,
    path: FilePath,
    *,
    dtype: Precision = "float64",
    overwrite: bool = False,
    attrs: Mapping[str, str] | None = None,
    command: str = "lulc_xr.write_fractions",
) -> Path:
    """Write fractions or plant types as a CF-1.10 file that land models and cdo read.

    Lazy fractions are computed here, block by block, all variables at once. The file is written
    beside its place and renamed at the end, so that it is there whole or not at all.

    Parameters
    ----------
    fractions : xr.Dataset
        As :func:`lulc_xr.fractions` or :func:`lulc_xr.plant_functional_types` gives them.
    path : str or path
        File to write: ``.nc`` for NetCDF-4, ``.zarr`` for a Zarr v3 store.
    dtype : {"float64", "float32"}
        Type of shares and other measures in the file. In float32 each share is rounded by less
        than 2^-24 of itself, so the shares of a cell, added up in float64, sum to 1 within 1e-7;
        added up in float32 they need not do so within 1e-6.
    overwrite : bool
        Replace a file that is there, once the new one is complete.
    attrs : mapping of str to str, optional
        More global attributes, such as institution, contact, license.
    command : str
        What the line that this run adds to `history` says.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CubeError
        If these are no fractions, or `path` or `dtype` is of another kind.
    StoreError
        If the file exists and `overwrite` isn't set, another process adds to it, or it cannot
        be written. What was there before stays as it was.
    """
    target = _checked(path, dtype)
    laid = to_layout(fractions)
    laid.attrs = _provenance(laid.attrs, attrs or {}, command)
    with alone(target, what="fractions"):
        if target.exists() and not overwrite:
            raise StoreError(
                f"{str(target)!r} exists already. Choose another path, or pass overwrite=True to "
                "replace it once the new file is complete."
            )
        write_whole(laid, target, dtype)
    return target


def add_to_fractions(
    path: FilePath, fractions: xr.Dataset, *, command: str = "lulc_xr.add_to_fractions"
) -> Path:
    """Add the fractions of more stores to those of a file: what a whole continent is made by.

    Both are added up by :func:`lulc_xr.add_fractions` into a new file of the same type, which
    takes the place of the old one when it is complete.

    Parameters
    ----------
    path : str or path
        A file of :func:`lulc_xr.write_fractions`.
    fractions : xr.Dataset
        Fractions of other stores on the same grid.
    command : str
        What the line that this run adds to `history` says.

    Raises
    ------
    StoreError
        If there is no such file, another process writes to it, or it cannot be written. What was
        there before stays as it was.
    CubeError
        If the two don't belong together: other grids or legends, or a store that is in the file
        already, so that running the same command twice changes nothing.
    """
    target = _checked(path, "float64")
    with alone(target, what="fractions"):
        before = open_fractions(target)
        laid = to_layout(add_fractions(before, fractions))
        # add_fractions tells its own step; the steps before it are the file's.
        laid.attrs |= {"history": before.attrs.get("history", "")}
        laid.attrs = _provenance(laid.attrs, {}, command)
        write_whole(laid, target, before.encoding["dtype"])
        before.close()
    return target


def open_fractions(path: FilePath) -> xr.Dataset:
    """Fractions or plant types of a file, lazily: one Dask chunk for each chunk of the file.

    Parameters
    ----------
    path : str or path
        What :func:`lulc_xr.write_fractions` wrote.

    Returns
    -------
    xr.Dataset
        With the names, dimensions and attributes it had; shares are float64 also where the file
        has float32. Attributes about the file (`source`, `history`, versions) are kept.

    Raises
    ------
    StoreError
        If there is no such file, or it cannot be read.
    CubeError
        If the file holds no fractions.
    """
    place = Path(path)
    if not place.exists():
        raise StoreError(f"no file {str(place)!r}; lulc_xr.write_fractions makes it.")
    options: dict[str, Any] = {"decode_times": False, "decode_coords": False}
    try:
        if place.is_dir():
            laid = xr.open_dataset(place, engine="zarr", consolidated=False, **options)
        else:
            require("netCDF4", extra="landmodels")
            laid = xr.open_dataset(place, engine="netcdf4", **options)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{str(place)!r} can't be read as NetCDF-4 or Zarr: {error}. Give a file that "
            "lulc_xr.write_fractions wrote."
        ) from error
    if CELL_AREA not in laid:
        laid.close()
        raise CubeError(
            f"{str(place)!r} holds {sorted(map(str, laid.data_vars))}, without {CELL_AREA!r}: "
            "these are no fractions. Give a file that lulc_xr.write_fractions wrote."
        )
    found = from_layout(laid.assign(_chunked(laid)))
    halves = [name for name, var in found.data_vars.items() if var.dtype == np.float32]
    found = found.assign({name: found[name].astype(np.float64) for name in halves})
    found.encoding = {"source": str(place), "dtype": "float32" if halves else "float64"}
    found.set_close(laid.close)
    return found


def _chunked(laid: xr.Dataset) -> dict[Hashable, xr.Variable]:
    """What lies over the grid, in the chunks of the file; the rest is small."""
    return {
        name: var.chunk(var.encoding.get("preferred_chunks", {}))
        for name, var in laid.variables.items()
        if var.ndim > 1 and set(grid_of(laid)) <= set(var.dims)
    }


def _checked(path: FilePath, dtype: str) -> Path:
    target = Path(path).resolve()
    if target.suffix not in (".nc", ".zarr"):
        raise CubeError(
            f"{target.name!r} is neither a .nc nor a .zarr file; name it by its format."
        )
    if dtype not in get_args(Precision):
        raise CubeError(f"dtype {dtype!r}; expected {' or '.join(get_args(Precision))}.")
    if not target.parent.is_dir():
        raise StoreError(f"there is no folder {str(target.parent)!r} to write {target.name!r} to.")
    return target


def _provenance(given: Mapping[str, Any], own: Mapping[str, str], command: str) -> dict[str, Any]:
    """Global attributes: what made the file from what, with which versions."""
    sources = json.loads(given.get("lulc_xr_sources", "[]"))
    models = sorted({str(one["model"]) for one in sources if one.get("model")})
    stores = sorted({Path(str(one["store"])).name for one in sources if one.get("store")})
    made_of = f"; maps of {', '.join(stores)}" if stores else ""
    made_by = f"; model {', '.join(models)}" if models else ""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "title": "Land cover as shares of the cells of a model grid",
        **given,
        "Conventions": "CF-1.10",
        "source": f"lulc_xr {_version('lulc_xr')}{made_of}{made_by}",
        "history": "\n".join(filter(None, (f"{now} {command}", str(given.get("history", ""))))),
        VERSIONS: json.dumps({name: _version(name) for name in _LIBRARIES}),
        **own,
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
