"""Write fractions that are laid out for a file: encoded, beside their place, then renamed."""

from __future__ import annotations

import gc
import os
import shutil
import traceback
import uuid
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from lulc_xr.analysis.fraction_layout import CELL_AREA
from lulc_xr.core.errors import StoreError
from lulc_xr.core.exchange import exchange, remove_beside
from lulc_xr.core.require import require

Precision = Literal["float64", "float32"]

# NaN is a number that not every Fortran reader expects; this is the missing value of CMIP.
_MISSING = 1e20
_CELLS = 512**2
_FULL = 2**16
_DEFLATE = {"zlib": True, "complevel": 4, "shuffle": True}


def write_whole(laid: xr.Dataset, target: Path, dtype: Precision) -> None:
    """Write what is laid out into a file that is there whole or not at all.

    Parameters
    ----------
    laid : xr.Dataset
        As :func:`lulc_xr.analysis.fraction_layout.to_layout` gives it.
    target : Path
        A .nc or .zarr file; it is replaced if it is there.
    dtype : {"float64", "float32"}
        Type of shares and other measures.

    Raises
    ------
    StoreError
        If it cannot be written; what was there before stays.
    """
    for name in _shares(laid):
        laid[name].attrs = _held_to(laid[name].attrs, dtype)
    laid = laid.assign({name: _layered(laid[name], grid_of(laid)) for name in _measures(laid)})
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        if target.suffix == ".zarr":
            _write_zarr(laid, partial, dtype)
            exchange(partial, target)
        else:
            _write_netcdf(laid, partial, dtype)
            partial.replace(target)
    except (OSError, RuntimeError) as error:
        # netCDF4 raises a bare RuntimeError where HDF5 couldn't write.
        if isinstance(error, RuntimeError) and not str(error).startswith("NetCDF:"):
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


def grid_of(laid: xr.Dataset) -> tuple[Hashable, ...]:
    """Dimensions of the grid."""
    return laid[CELL_AREA].dims


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
        encoding[name] = _encoding(name, laid, dtype)
        if var.ndim > 1 and name in _measures(laid):
            encoding[name] |= {"chunksizes": _chunks(var, grid_of(laid)), **_DEFLATE}
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
        encoding[name] = _encoding(name, laid, dtype)
        if name not in _measures(laid):
            laid = laid.assign({name: var.chunk(-1)}) if var.chunks else laid
        elif var.ndim:
            chunks = _chunks(var, grid_of(laid))
            encoding[name]["chunks"] = chunks
            # No two tasks write into one chunk.
            parts = zip(var.dims, chunks, var.chunks or (), strict=False)
            uneven = {d: n for d, n, own in parts if d in grid_of(laid) and len(own) > 1}
            laid = laid.assign({name: var.chunk(uneven)}) if uneven else laid
    laid.to_zarr(partial, mode="w", zarr_format=3, consolidated=False, encoding=encoding)


def _encoding(name: Hashable, laid: xr.Dataset, dtype: Precision) -> dict[str, Any]:
    if name in _shares(laid):
        return {"dtype": dtype, "_FillValue": np.dtype(dtype).type(_MISSING)}
    return {"_FillValue": None}


def _measures(laid: xr.Dataset) -> list[Hashable]:
    """Variables over the grid that are no coordinates."""
    return [n for n, v in laid.data_vars.items() if n == CELL_AREA or "cell_measures" in v.attrs]


def _shares(laid: xr.Dataset) -> list[Hashable]:
    """Those of them that are written in the type that was chosen."""
    return [n for n in _measures(laid) if n != CELL_AREA and laid[n].dtype.kind == "f"]


def _chunks(var: xr.Variable, grid: tuple[Hashable, ...]) -> tuple[int, ...]:
    """Chunks of a file: one year and class each; in space as it is computed, if in parts."""
    side = _CELLS if len(grid) == 1 else int(_CELLS**0.5)
    parts = var.chunks or tuple((size,) for size in var.shape)
    return tuple(
        1 if dim not in grid else max(own) if len(own) > 1 else min(own[0], side)
        for dim, own in zip(var.dims, parts, strict=True)
    )


def _layered(var: xr.DataArray, grid: tuple[Hashable, ...]) -> xr.DataArray:
    """The variable in layers, so that one class after the other is encoded and written."""
    return var.chunk({d: 1 for d in var.dims if d not in grid}) if var.chunks else var


def _held_to(attrs: dict[Any, Any], dtype: Precision) -> dict[Any, Any]:
    """Attributes whose numbers are of the type of the variable, as CF has them."""
    cast = np.dtype(dtype).type
    return {k: cast(v) if k in ("valid_min", "valid_max") else v for k, v in attrs.items()}
