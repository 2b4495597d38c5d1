"""Which arrays of a store grow with an extension, and what of it is no matter of shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.coders import CFDatetimeCoder

from lulc_xr.core.cube import encode
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.growth import Growth
from lulc_xr.cube.ledger import array_of, dims_of, find_ledger
from lulc_xr.cube.regions import Region, stored_as
from lulc_xr.cube.rewrite import grown, shard_sizes
from lulc_xr.cube.staging import JOB_ATTRIBUTE
from lulc_xr.cube.store import open_group

UNREAD = "unread"
"""Variable (time, y, x): 1 where a source could not be read."""

_SAMPLE = 32


def stored_axes(path: Path) -> xr.Dataset:
    """Coordinates time, band, y and x of a store, and its grid mapping."""
    coded = xr.open_zarr(path, consolidated=False, chunks=None, decode_coords="all")
    missing = [d for d in ("time", "band", "y", "x") if d not in coded.coords]
    if missing:
        raise StoreError(f"{str(path)!r} has no coordinates {missing}: it holds no cube to extend.")
    # The grid mapping is a variable of its own where no variable names it.
    names = [n for n in ("spatial_ref", "crs") if n in coded.variables]
    return xr.Dataset(coords={n: coded[n].variable for n in ("time", "band", "y", "x", *names)})


def plan_arrays(
    growth: Growth, group: zarr.Group
) -> tuple[dict[str, Region], dict[str, list[int]]]:
    """Where each variable's new values go, and the new shapes of all arrays that grow."""
    regions, shapes = {}, {}
    for name, array in sorted(group.arrays()):
        dims = dims_of(array)
        if not set(dims) & set(growth.grows):
            continue
        sizes = dict(zip(dims, array.shape, strict=True))
        shape = [growth.axes[d].size if d in growth.axes else sizes[d] for d in dims]
        shapes[name] = shape
        if name in growth.axes or _is_map(group, name):
            continue
        if name not in growth.new.variables:
            if name == UNREAD:
                continue
            raise CubeError(
                f"the store has {name!r} {dims}, which the cube lacks: it would have no values "
                f"in the new part. Add it to the cube, which has "
                f"{', '.join(sorted(map(str, growth.new.variables)))}."
            )
        var = growth.new[name]
        if set(var.dims) != set(dims):
            raise CubeError(f"{name!r} has dimensions {var.dims}; in the store they are {dims}.")
        if len(dims) == 1:
            continue
        start = tuple(growth.start.get(d, 0) for d in dims)
        stop = tuple(s + var.sizes[d] for s, d in zip(start, dims, strict=True))
        regions[name] = Region(start=start, stop=stop, shape=tuple(shape))
    for given, value in growth.new.variables.items():
        if str(given) not in group and given != UNREAD and set(value.dims) & set(growth.grows):
            raise CubeError(
                f"{given!r} {value.dims} of the cube is not in the store, which would hold it for "
                "the new part only. Leave it out (drop_vars), or build the store with it."
            )
    return regions, shapes


def _is_map(group: zarr.Group, name: str) -> bool:
    return find_ledger(group, name) is not None or JOB_ATTRIBUTE in array_of(group, name).attrs


def create_unread(growth: Growth, path: Path) -> bool:
    """Give a store in which all was read an array of marks, none set; True if it is new."""
    group = open_group(path, mode="r+")
    if UNREAD not in growth.new or UNREAD in group or growth.kind == "band":
        return False
    dims = ("time", "y", "x")
    like = array_of(group, "reflectance")
    axis = [dims_of(like).index(d) for d in dims]
    group.create_array(
        UNREAD,
        shape=[like.shape[i] for i in axis],
        chunks=tuple(like.chunks[i] for i in axis),
        shards=tuple(shard_sizes(like)[i] for i in axis),
        dtype=np.uint8,
        fill_value=0,
        dimension_names=list(dims),
        attributes={**growth.new[UNREAD].attrs, "grid_mapping": "spatial_ref"},
    )
    return True


def write_lines(growth: Growth, shapes: Mapping[str, list[int]], path: Path) -> None:
    """Values of the axes, and of other coordinates along them, beyond the visible extent."""
    group = open_group(path, mode="r+")
    for name in shapes:
        array = array_of(group, name)
        dims = dims_of(array)
        if len(dims) != 1:
            continue
        old, new = array.shape[0], shapes[name][0]
        if name in growth.axes:
            begin_at, values = old, growth.axes[name][old:]
        else:
            begin_at, values = growth.start[dims[0]], np.asarray(growth.new[name].values)
        if len(values):
            grown(array, (new,))[begin_at : begin_at + len(values)] = _encoded_line(array, values)


def _encoded_line(array: zarr.Array[Any], values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "M":
        encoding = {
            "units": array.attrs["units"],
            "calendar": array.attrs.get("calendar", "proleptic_gregorian"),
            "dtype": array.dtype,
        }
        var = xr.Variable(("time",), values, encoding=encoding)
        return np.asarray(CFDatetimeCoder().encode(var).values, array.dtype)
    if values.dtype.kind in "OUT":
        return values.astype(np.dtypes.StringDType())
    return values.astype(array.dtype)


def check_sample(old: xr.Dataset, path: Path, start: Mapping[str, int]) -> None:
    """Raise CubeError if a sample in the middle differs from what the store holds."""
    group = open_group(path)
    middle = {
        d: slice(max(0, (old.sizes[d] - _SAMPLE) // 2), (old.sizes[d] + _SAMPLE) // 2)
        for d in ("y", "x")
    }
    part = old.isel(middle)
    where: dict[str, Any] = {
        d: slice(s.start + start[d], s.start + start[d] + part.sizes[d]) for d, s in middle.items()
    }
    axes = stored_axes(path)
    where["time"] = np.searchsorted(axes["time"].values, part["time"].values)
    bands = [str(b) for b in axes["band"].values]
    where["band"] = np.array([bands.index(str(b)) for b in part["band"].values])
    for name in ("reflectance", "clear"):
        if name not in part or name not in group:
            continue
        array = array_of(group, name)
        dims = dims_of(array)
        given = part[name].transpose(*dims)
        stored = array.oindex[tuple(where[d] for d in dims)]
        differs = encode(given.values, stored_as(array, given)) != stored
        if differs.any():
            days = np.unique(np.argwhere(differs)[:, dims.index("time")])
            shown = ", ".join(str(part["time"].values[i])[:10] for i in days[:5])
            raise CubeError(
                f"{name!r} of {days.size} dates that {str(path)!r} has already ({shown}"
                f"{', ...' if days.size > 5 else ''}) differs from what it holds. An extension "
                "never changes what is there: leave these dates out (cube.sel(time=...)), or "
                "build the store anew."
            )
