"""Cubes in Zarr: open them lazily, create their metadata, write them whole."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Hashable
from os import PathLike
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask.base import tokenize
from numpy.typing import NDArray
from zarr.errors import GroupNotFoundError

from lulc_xr.core.blocks import ChunkPlan, plan_chunks
from lulc_xr.core.cube import (
    DecodedArray,
    check_cube,
    check_scale,
)
from lulc_xr.core.errors import IncompleteMapWarning, StoreError
from lulc_xr.core.exchange import exchange, remove_beside
from lulc_xr.core.georeference import GRID_MAPPING, grid_mapping_variable, zarr_conventions
from lulc_xr.cube.arrays import array_layout, create_array, is_stored_already, stored_encoding
from lulc_xr.cube.ledger import array_of, unfinished
from lulc_xr.cube.shards import write_shards

StorePath = str | PathLike[str]

CUBE_ID = "lulc_xr:cube_id"
"""Attribute of a store that changes whenever the cube's values or extent do."""

_CONVENTIONS = "CF-1.10"
_SAMPLE = 64


def open_cube(store: StorePath, *, raw: bool = False) -> xr.Dataset:
    """A cube and its maps, lazily: one Dask chunk per shard.

    Parameters
    ----------
    store : str or path
        The Zarr store (a folder, or a URL that fsspec knows).
    raw : bool
        True gives the stored integers; False physical values as float32 with NaN.
        Class variables (with ``flag_values``) are never decoded: they stay uint8 with 255.

    Returns
    -------
    xr.Dataset
        Variables as DESIGN of a cube: ``reflectance(time, band, y, x)``, ``clear``, and any
        maps over ``(year, y, x)``.

    Raises
    ------
    StoreError
        If there is no Zarr group, or its writing was interrupted.

    Warns
    -----
    IncompleteMapWarning
        If a map in the store was begun and not finished.
    """
    # The root's copy of all metadata, if it has one, changes in one step: a whole state.
    group = open_group(store, committed=True)
    if group.attrs.get("lulc_xr:state") == "writing":
        raise StoreError(
            f"writing of cube {str(store)!r} was interrupted, so it is not whole. "
            "Write it again with write_cube(..., overwrite=True)."
        )
    # Of this very group: a second look at the root might find the next state.
    coded = xr.open_dataset(
        xr.backends.ZarrStore(group, mode="r"), mask_and_scale=False, decode_coords="all"
    )
    cube_id = str(group.attrs.get(CUBE_ID, ""))
    data = {
        name: _lazy_variable(array_of(group, str(name)), coded[name], cube_id=cube_id, raw=raw)
        for name in sorted(coded.data_vars, key=_reading_order)
    }
    for name, (done, total) in unfinished(open_group(store)).items():
        if name in data:
            warnings.warn(
                f"{name!r} in {str(store)!r} is not finished: {done} of {total} shards. "
                "Run the same classification and write_variables again; it does what is missing.",
                IncompleteMapWarning,
                stacklevel=2,
            )
    cube: xr.Dataset = coded.drop_vars(list(coded.data_vars)).load().assign(data)
    cube.attrs = dict(coded.attrs)
    cube.encoding["source"] = str(store)
    return cube


def open_group(store: StorePath, *, mode: str = "r", committed: bool = False) -> zarr.Group:
    """The Zarr group of a store, or an error that says what is there instead.

    With `committed`, arrays are as the root's copy of all metadata says, if it has one.
    """
    path = os.fspath(store)
    if "://" not in path:
        # Workers may run in another folder.
        path = str(Path(path).resolve())
    try:
        use_copy = None if committed else False
        return zarr.open_group(path, mode=mode, use_consolidated=use_copy)  # type: ignore[arg-type]
    except (GroupNotFoundError, FileNotFoundError, NotADirectoryError) as error:
        local = Path(path)
        found = "nothing" if not local.exists() else "a folder without zarr.json"
        if local.is_file():
            found = "a file"
        raise StoreError(
            f"no Zarr group at {path!r}: {found} is there. Give the path of a store that "
            "write_cube made, such as 'zarr_stores/flanders.zarr'."
        ) from error


def _reading_order(name: Hashable) -> tuple[bool, bool, str]:
    return name != "reflectance", name != "clear", str(name)


def _lazy_variable(
    array: zarr.Array[Any], coded: xr.DataArray, *, cube_id: str, raw: bool
) -> xr.Variable:
    attrs = dict(coded.attrs)
    fill = attrs.pop("_FillValue", None)
    scale = attrs.pop("scale_factor", None)
    encoding: dict[str, Any] = {"dtype": array.dtype.name}
    if fill is not None:
        encoding["_FillValue"] = fill
    if scale is not None:
        encoding["scale_factor"] = scale
    if "grid_mapping" in coded.encoding:
        encoding["grid_mapping"] = coded.encoding["grid_mapping"]
    if "flag_values" in attrs:
        attrs["flag_values"] = np.asarray(attrs["flag_values"], array.dtype)
    decoded = DecodedArray(array, scale=None if raw else scale, fill=fill)
    if raw and scale is not None:
        attrs |= {"scale_factor": scale, "_FillValue": fill}
        encoding = {k: v for k, v in encoding.items() if k not in ("scale_factor", "_FillValue")}
    shards = array.shards or array.chunks
    if array.ndim < 2:
        return xr.Variable(coded.dims, decoded[...], attrs, encoding)
    # The store's identity and the array's metadata; not its pixels, which would be read.
    token = tokenize(str(array.store_path), cube_id, array.metadata.to_dict(), raw)
    lazy = da.from_array(
        decoded,
        chunks=shards,
        name=f"{coded.name}-{token}",
        asarray=True,
        meta=np.empty((0,) * array.ndim, decoded.dtype),
    )
    return xr.Variable(coded.dims, lazy, attrs, encoding)


def write_cube(
    ds: xr.Dataset,
    store: StorePath,
    *,
    plan: ChunkPlan | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Write a cube into a new Zarr v3 store, shard by shard.

    Parameters
    ----------
    ds : xr.Dataset
        A cube; other variables over (y, x) or (time, y, x) come along.
    store : str or path
        Folder of the new store.
    plan : ChunkPlan, optional
        Chunk and shard sizes; by default whole series per chunk
        (see :func:`lulc_xr.core.blocks.plan_chunks`).
    overwrite : bool
        Replace an existing store, once the new one is complete.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    CubeError
        If the dataset is no cube, or its values do not fit the encoding.
    StoreError
        If the store exists and `overwrite` is not set, or cannot be written. What was
        there before stays as it was.
    """
    target = Path(store).resolve()
    if target.exists() and not overwrite:
        raise StoreError(
            f"{str(target)!r} exists already. Choose another path, or pass overwrite=True "
            "to replace it once the new store is complete."
        )
    cube = check_cube(ds)
    sizes = {d: cube.sizes[d] for d in ("time", "band", "y", "x")}
    plan = plan or plan_chunks(**sizes)
    if not np.issubdtype(cube["reflectance"].dtype, np.integer):
        check_scale(_sample(cube["reflectance"]))
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        create_cube(cube, partial, plan=plan)
        write_shards(_encoded(cube, plan), partial, progress=progress, what="cube")
        group = zarr.open_group(partial, mode="a", use_consolidated=False)
        group.attrs.update({"lulc_xr:state": "complete"})
        exchange(partial, target)
    except OSError as error:
        cause = error.__cause__ if isinstance(error, StoreError) else error
        reason = getattr(cause, "strerror", None) or cause or error
        raise StoreError(
            f"could not write cube {str(target)!r}: {reason}. Nothing was left behind; "
            "what was there before is unchanged. Check space and permissions, then write it again."
        ) from error
    finally:
        if partial.exists():
            remove_beside(partial)
    return target


def _sample(reflectance: xr.DataArray) -> NDArray[Any]:
    """Values in the middle; of a lazy cube from one chunk, as writing reads it once more."""
    window: dict[str, slice] = {}
    for dim, chunks in zip(reflectance.dims, reflectance.chunks or reflectance.shape, strict=True):
        size = reflectance.sizes[dim]
        low, high = (0, size)
        if isinstance(chunks, tuple):
            ends = np.cumsum(chunks)
            place = int(np.searchsorted(ends, size // 2, side="right"))
            low, high = int(ends[place]) - chunks[place], int(ends[place])
        if dim in ("y", "x"):
            low, high = max(low, size // 2 - _SAMPLE), min(high, size // 2 + _SAMPLE)
        window[str(dim)] = slice(low, high)
    return np.asarray(reflectance.isel(window).values)


def create_cube(cube: xr.Dataset, store: Path, *, plan: ChunkPlan) -> None:
    """Metadata of the whole store: group, coordinates, empty arrays."""
    attrs = {
        "Conventions": _CONVENTIONS,
        "title": cube.attrs.get("title", "Land use and land cover data cube"),
        **{str(k): v for k, v in cube.attrs.items()},
        **zarr_conventions(cube),
        CUBE_ID: uuid.uuid4().hex,
        "lulc_xr:state": "writing",
    }
    coords = xr.Dataset(coords={name: _stored_coord(cube, name) for name in cube.coords})
    coords = coords.assign_coords({GRID_MAPPING: grid_mapping_variable(cube)})
    coords.attrs = attrs
    coords.to_zarr(store, mode="w", zarr_format=3, consolidated=False)
    group = zarr.open_group(store, mode="a", use_consolidated=False)
    for name, var in cube.data_vars.items():
        create_array(group, str(name), var, encoding=stored_encoding(str(name), var), plan=plan)


def _stored_coord(cube: xr.Dataset, name: Hashable) -> xr.Variable:
    coord = cube[name].variable.copy()
    coord.encoding = {}
    if coord.dtype.kind in "OUT":
        # Variable-length strings are Zarr v3's stable 'string' type; fixed-length ones are not.
        return xr.Variable(coord.dims, coord.values.astype(np.dtypes.StringDType()), coord.attrs)
    if name == "time":
        coord.encoding = {"units": "seconds since 1970-01-01", "dtype": "int64"}
    known = {
        "y": {"standard_name": "projection_y_coordinate", "units": "m", "axis": "Y"},
        "x": {"standard_name": "projection_x_coordinate", "units": "m", "axis": "X"},
        "time": {"standard_name": "time", "axis": "T"},
    }
    coord.attrs = {**known.get(str(name), {}), **coord.attrs}
    return coord


def _encoded(cube: xr.Dataset, plan: ChunkPlan) -> xr.Dataset:
    """The variables with one Dask chunk per shard, and their storage encoding."""
    made = {}
    for name, var in cube.data_vars.items():
        _, shards = array_layout(var, plan)
        sizes = {d: min(s, n) for d, s, n in zip(var.dims, shards, var.shape, strict=True)}
        chunked = var.variable.chunk(sizes)
        chunked.encoding = dict(stored_encoding(str(name), var))
        if is_stored_already(var, chunked.encoding):
            chunked.encoding = {"dtype": chunked.encoding["dtype"]}
        made[name] = chunked
    return xr.Dataset(made)
