"""Fractions and plant types in files: CF NetCDF-4 or Zarr, written whole, read lazily, added to."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import gc
import json
import os
import shutil
import traceback
import uuid
from collections.abc import Hashable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from lulc_xr.analysis.fraction_layout import CELL_AREA, from_layout, to_layout
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.exchange import exchange, remove_beside
from lulc_xr.core.require import require

Precision = Literal["float64", "float32"]
FilePath = str | PathLike[str]

VERSIONS = "lulc_xr_versions"
"""Global attribute of a file: JSON, versions of the libraries that wrote it."""

# NaN is a number that not every Fortran reader expects; this is the missing value of CMIP.
_MISSING = 1e20
_LIBRARIES = ("lulc_xr", "xarray", "numpy", "dask", "zarr", "netCDF4")
_SIDE = 512
_FULL = 2**16
_DEFLATE = {"zlib": True, "complevel": 4, "shuffle": True}


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
    if target.exists() and not overwrite:
        raise StoreError(
            f"{str(target)!r} exists already. Choose another path, or pass overwrite=True to "
            "replace it once the new file is complete."
        )
    laid = to_layout(fractions)
    laid.attrs = _provenance(laid.attrs, attrs or {}, command)
    with _alone(target):
        _write(laid, target, dtype)
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
    for name, var in found.data_vars.items():
        if var.dtype == np.float32:
            found[name] = var.astype(np.float64)
    found.set_close(laid.close)
    return found


def _chunked(laid: xr.Dataset) -> dict[Hashable, xr.Variable]:
    """What lies over the grid, in the chunks of the file; the rest is small."""
    return {
        name: var.chunk(var.encoding.get("preferred_chunks", {}))
        for name, var in laid.variables.items()
        if var.ndim > 1 and set(_grid(laid)) <= set(var.dims)
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


def _write(laid: xr.Dataset, target: Path, dtype: Precision) -> None:
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        if target.suffix == ".zarr":
            _write_zarr(laid, partial, dtype)
            exchange(partial, target)
        else:
            _write_netcdf(laid, partial, dtype)
            partial.replace(target)
    except (OSError, RuntimeError) as error:
        # netCDF4 raises RuntimeError where HDF5 couldn't write.
        if isinstance(error, RuntimeError) and "HDF" not in str(error):
            raise
        # What the error holds open tries to write again when it goes: that has to be over before
        # the space is given back.
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        full = shutil.disk_usage(target.parent).free < _FULL
        reason = "disk full" if full else getattr(error, "strerror", None) or error
        raise StoreError(
            f"could not write {str(target)!r}: {reason}. Nothing was left behind; what was there "
            "before is unchanged. Check space and permissions, then write it again."
        ) from error
    finally:
        if partial.is_file():
            # HDF5 keeps a file open that it could not close, and with it the space.
            os.truncate(partial, 0)
            partial.unlink()
        elif partial.exists():
            remove_beside(partial)


def _write_netcdf(laid: xr.Dataset, partial: Path, dtype: Precision) -> None:
    require("netCDF4", extra="landmodels")
    encoding: dict[Hashable, dict[str, Any]] = {}
    for name, var in laid.variables.items():
        if var.dtype.kind in "OUT":
            # cdo reads labels as characters only.
            names = np.array(var.values.tolist(), dtype=str)
            laid = laid.assign({name: (var.dims, names, var.attrs)})
            encoding[name] = {"dtype": "S1"}
            continue
        encoding[name] = _encoding(name, var, laid, dtype)
        if var.ndim > 1 and name in _measures(laid):
            encoding[name] |= {"chunksizes": _chunks(var), **_DEFLATE}
    # Unlimited: CF's order of dimensions then is the one that cdo wants, with time first.
    unlimited = [d for d in ("time",) if d in laid.dims]
    laid.to_netcdf(
        partial, engine="netcdf4", format="NETCDF4", encoding=encoding, unlimited_dims=unlimited
    )
    with partial.open("rb+") as written:
        os.fsync(written.fileno())


def _write_zarr(laid: xr.Dataset, partial: Path, dtype: Precision) -> None:
    encoding: dict[Hashable, dict[str, Any]] = {}
    for name, var in laid.variables.items():
        if var.dtype.kind in "OUT":
            laid = laid.assign({name: var.astype(np.dtypes.StringDType())})
            continue
        encoding[name] = _encoding(name, var, laid, dtype)
        if var.ndim and name in _measures(laid):
            sizes = dict(zip(var.dims, _chunks(var), strict=True))
            encoding[name]["chunks"] = tuple(sizes.values())
            whole = {d: n if d in _grid(laid) else laid.sizes[d] for d, n in sizes.items()}
            laid = laid.assign({name: var.chunk(whole)}) if var.chunks else laid
    laid.to_zarr(partial, mode="w", zarr_format=3, consolidated=False, encoding=encoding)


def _encoding(
    name: Hashable, var: xr.Variable, laid: xr.Dataset, dtype: Precision
) -> dict[str, Any]:
    if name in _measures(laid) and var.dtype.kind == "f" and name != CELL_AREA:
        return {"dtype": dtype, "_FillValue": np.dtype(dtype).type(_MISSING)}
    return {"_FillValue": None}


def _measures(laid: xr.Dataset) -> list[Hashable]:
    """Variables over the grid that are no coordinates."""
    return [n for n, v in laid.data_vars.items() if n == CELL_AREA or "cell_measures" in v.attrs]


def _grid(laid: xr.Dataset) -> tuple[Hashable, ...]:
    return laid[CELL_AREA].dims


def _chunks(var: xr.Variable) -> tuple[int, ...]:
    """Chunks of a file: one year and class each, in space as the variable is computed."""
    sizes = []
    for position, (dim, size) in enumerate(zip(var.dims, var.shape, strict=True)):
        inner = var.ndim - position <= 2 and dim not in ("time",)
        computed = max(var.chunks[position]) if var.chunks else size
        sizes.append(min(computed, _SIDE, size) if inner else 1)
    return tuple(sizes)


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the right to write a file, or refuse; a lock dies with its process."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"cannot write beside {str(target)!r}: {error.strerror}. Check the permissions of "
            f"{str(target.parent)!r}."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StoreError(
            f"{str(target)!r} is being written by another process. Wait until that run ends; then "
            "run this again."
        ) from error
    finally:
        os.close(descriptor)
