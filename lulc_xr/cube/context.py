"""Context (bioclimate) in a cube's store: in the form of the contract, cropped, written whole."""

from __future__ import annotations

import hashlib
import shutil
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from pyproj import CRS

from lulc_xr.core.context import (
    BIOCLIM_UNITS,
    CONTEXT,
    CONTEXT_DIMS,
    CONTEXT_GRID_MAPPING,
    CoarseGrid,
    check_context,
    edge_of,
)
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, IncompleteMapWarning, StoreError
from lulc_xr.core.exchange import exchange, remove_beside
from lulc_xr.cube.commit import publish
from lulc_xr.cube.ledger import array_of
from lulc_xr.cube.locking import writing
from lulc_xr.cube.store import StorePath, open_cube, open_group

_Y = ("y_bioclim", "latitude", "lat", "y")
_X = ("x_bioclim", "longitude", "lon", "x")
_CHUNK = 128


def write_context(bioclim: xr.DataArray, store: StorePath, *, overwrite: bool = False) -> Path:
    """Write context into a cube's store, on its own grid, cropped to the cube and a margin.

    The context becomes ``bioclim(bioclim_variable, y_bioclim, x_bioclim)`` float32 with the
    grid mapping ``spatial_ref_bioclim``; :func:`lulc_xr.open_cube` gives it back. It is written
    beside the store and put in place when it is whole. While one is replaced by another, and
    if that is interrupted, the store is readable and has no context: run this again.

    Parameters
    ----------
    bioclim : xr.DataArray
        Over `bioclim_variable` and latitude and longitude, or y and x with a grid mapping; such
        as :func:`lulc_xr.bioclim`, :func:`lulc_xr.read_worldclim` or
        :func:`lulc_xr.read_chelsa` give. If it is lazy, only the cropped part is read.
    store : str or path
        Store of a cube on a local disk.
    overwrite : bool
        Replace a context that is there.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    CubeError
        If the context is malformed, or has no data at the cube.
    StoreError
        If there is context already and `overwrite` is not set, or it cannot be written.
    """
    path = Path(store).resolve()
    group = open_group(path, mode="r+")
    if CONTEXT in group and not overwrite:
        raise StoreError(
            f"{str(path)!r} has context already: {', '.join(_names_in(group))}. "
            "Pass overwrite=True to replace it; give all variables that models need at once."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteMapWarning)
        cube = open_cube(path)
    part = _crop(as_context(bioclim), cube)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.context")
    with writing(path, [CONTEXT]):
        for left in path.parent.glob(f".{path.name}.*.context"):
            # What a writer that was killed has left; nobody else writes now.
            shutil.rmtree(left, ignore_errors=True)
        try:
            _write(part, partial)
            _put_in_place(partial, path)
            publish(path)
        except OSError as error:
            raise StoreError(
                f"could not write context into {str(path)!r}: {error.strerror or error}. "
                "The cube is unchanged. Check space and permissions, then write it again."
            ) from error
        finally:
            remove_beside(partial)
    return path


def as_context(bioclim: xr.DataArray, *, crs: str | None = None) -> xr.DataArray:
    """The context in the form of the contract, with nothing else attached; reads no value.

    Parameters
    ----------
    bioclim : xr.DataArray
        Over `bioclim_variable` and two dimensions in space of any usual names.
    crs : str, optional
        Its reference system; by default that of its grid mapping, or EPSG:4326 where
        dimensions are called latitude and longitude.

    Raises
    ------
    CubeError
        If dimensions or the reference system cannot be told.
    """
    y, x = (next((n for n in names if n in bioclim.dims), None) for names in (_Y, _X))
    if set(map(str, bioclim.dims)) != {CONTEXT_DIMS[0], y, x}:
        raise CubeError(
            f"context has dimensions {tuple(map(str, bioclim.dims))}; expected "
            "'bioclim_variable', and latitude and longitude (or y and x). Rename them."
        )
    mapping = _mapping_of(bioclim)
    if crs is None and mapping is None and x not in ("longitude", "lon"):
        raise CubeError(
            f"context over {y!r} and {x!r} has no grid mapping, so its reference system cannot "
            "be told. Assign one, for instance bioclim.odc.assign_crs('EPSG:4326')."
        )
    system = CRS.from_user_input(crs or (mapping and mapping["crs_wkt"]) or "EPSG:4326")
    ordered = bioclim.transpose(CONTEXT_DIMS[0], y, x)
    names = np.array([str(n) for n in ordered[CONTEXT_DIMS[0]].values], np.dtypes.StringDType())
    axes = [np.asarray(ordered[name].values, np.float64) for name in (y, x)]
    attrs = {**system.to_cf()}
    for values, place in zip(axes, "yx", strict=True):
        if values.size < 2 and "GeoTransform" in (mapping or {}):
            attrs["GeoTransform"] = (mapping or {})["GeoTransform"]
        elif values.size < 2:
            raise CubeError(
                f"context has one cell along {place!r}, so its size cannot be told. Give its grid "
                "mapping an attribute 'GeoTransform', or two cells at least."
            )
    if "GeoTransform" not in attrs:
        attrs["GeoTransform"] = _geotransform(*axes)
    coords = dict(zip(CONTEXT_DIMS, (names, *axes), strict=True))
    made = xr.DataArray(
        ordered.variable.data,
        {**coords, CONTEXT_GRID_MAPPING: ((), np.int32(system.to_epsg() or 0), attrs)},
        CONTEXT_DIMS,
        CONTEXT,
        context_attrs([str(n) for n in names]) | {str(k): v for k, v in bioclim.attrs.items()},
    )
    made.attrs.pop("grid_mapping", None)
    made.encoding = {"grid_mapping": CONTEXT_GRID_MAPPING}
    kind = (("latitude", "degrees_north"), ("longitude", "degrees_east"))
    for name, (standard, units) in zip(CONTEXT_DIMS[1:], kind, strict=True):
        projected = {"standard_name": f"projection_{name[0]}_coordinate", "units": "m"}
        known = {"standard_name": standard, "units": units} if system.is_geographic else projected
        made[name].attrs = known
    check_context(made)
    return made


def context_attrs(names: Sequence[str]) -> dict[str, str]:
    """CF attributes of context variables, with the unit of each."""
    units = ", ".join(f"{name} {BIOCLIM_UNITS[name]}" for name in names if name in BIOCLIM_UNITS)
    return {"long_name": "bioclimatic variables", "comment": f"units: {units}"}


def _mapping_of(bioclim: xr.DataArray) -> dict[str, Any] | None:
    given = bioclim.encoding.get("grid_mapping") or bioclim.attrs.get("grid_mapping")
    for name in filter(None, (given, CONTEXT_GRID_MAPPING, "spatial_ref", "crs")):
        if name in bioclim.coords and bioclim[name].attrs.get("crs_wkt"):
            return dict(bioclim[name].attrs)
    return None


def _geotransform(y: Any, x: Any) -> str:
    (step_y, top), (step_x, left) = (
        ((v[-1] - v[0]) / (v.size - 1), v[0] - (v[-1] - v[0]) / (v.size - 1) / 2) for v in (y, x)
    )
    return f"{float(left)!r} {float(step_x)!r} 0.0 {float(top)!r} 0.0 {float(step_y)!r}"


def _crop(context: xr.DataArray, cube: xr.Dataset) -> xr.DataArray:
    """The cells around a cube, with two more on each side."""
    grid = CoarseGrid.of(context)
    sides = {n: (float(cube[n].values[0]), float(cube[n].values[-1])) for n in ("y", "x")}
    y, x = edge_of(sides["y"], sides["x"])
    rows, columns = grid.positions(x, y, crs=crs_of(cube))
    part = dict(zip(CONTEXT_DIMS[1:], grid.window(rows, columns), strict=True))
    cropped = context.isel(part).astype(np.float32)
    if not cropped.size or not bool(cropped.notnull().any()):
        spans = ", ".join(
            f"{n[0]} {float(context[n].min()):g} to {float(context[n].max()):g}"
            for n in CONTEXT_DIMS[1:]
        )
        raise CubeError(
            f"this context ({spans}) has no data at the cube (rows {rows.min():.1f} to "
            f"{rows.max():.1f} of {grid.shape[0]}, columns {columns.min():.1f} to "
            f"{columns.max():.1f} of {grid.shape[1]}). Give one that covers it."
        )
    mapping = cropped[CONTEXT_GRID_MAPPING]
    if min(cropped.shape[1:]) > 1:
        mapping.attrs["GeoTransform"] = _geotransform(
            *(cropped[n].values for n in CONTEXT_DIMS[1:])
        )
    return cropped


def _write(part: xr.DataArray, partial: Path) -> None:
    """The context as a group of its own, with a mark of its content."""
    chunks = (part.shape[0], *(min(_CHUNK, n) for n in part.shape[1:]))
    data = part.chunk(dict(zip(CONTEXT_DIMS, chunks, strict=True))).to_dataset()
    data[CONTEXT].encoding = {
        "chunks": chunks, "_FillValue": None, "grid_mapping": CONTEXT_GRID_MAPPING,
    }  # fmt: skip
    for name in CONTEXT_DIMS[1:]:
        data[name].encoding = {"_FillValue": None}
    data.to_zarr(partial, mode="w", zarr_format=3, consolidated=False)
    group = zarr.open_group(partial, mode="r+", use_consolidated=False)
    stored = array_of(group, CONTEXT)
    digest = hashlib.sha256(str(part[CONTEXT_GRID_MAPPING].attrs["crs_wkt"]).encode())
    digest.update(repr([part[n].values.tolist() for n in CONTEXT_DIMS]).encode())
    for start in range(0, stored.shape[1], _CHUNK):
        digest.update(np.ascontiguousarray(stored[:, start : start + _CHUNK]).tobytes())
    # Part of the array's metadata, and so of the identity of every map that uses the context.
    stored.attrs["lulc_xr:content_hash"] = digest.hexdigest()


def _put_in_place(partial: Path, path: Path) -> None:
    """The parts of the context into the store: the values last, after their places."""
    old = path / CONTEXT
    if old.exists():
        # Old values must never stand beside new places.
        old.rename(partial / f"{CONTEXT}.old")
    for name in (CONTEXT_GRID_MAPPING, *CONTEXT_DIMS, CONTEXT):
        exchange(partial / name, path / name)


def _names_in(group: zarr.Group) -> list[str]:
    return [str(name) for name in np.asarray(array_of(group, CONTEXT_DIMS[0])[...])]
