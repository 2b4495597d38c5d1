"""How variables are stored: encodings, chunk and shard shapes, empty arrays with CF attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BloscShuffle

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.context import CONTEXT_DIMS, CONTEXT_GRID_MAPPING
from lulc_xr.core.cube import CLEAR_ENCODING, REFLECTANCE_ENCODING
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import GRID_MAPPING


def stored_encoding(name: str, var: xr.DataArray) -> Mapping[str, Any]:
    """How a variable is stored: what it says itself, else the convention of its name."""
    if name == "reflectance":
        return REFLECTANCE_ENCODING
    if name == "clear":
        return CLEAR_ENCODING
    keys = ("dtype", "scale_factor", "_FillValue")
    return {"dtype": str(var.dtype), **{k: var.encoding[k] for k in keys if k in var.encoding}}


def create_array(
    group: zarr.Group,
    name: str,
    var: xr.DataArray,
    *,
    encoding: Mapping[str, Any],
    plan: ChunkPlan,
) -> zarr.Array[Any]:
    """Create the empty array of a variable: type, chunks, shards, CF attributes."""
    dtype = np.dtype(encoding.get("dtype", var.dtype))
    fill = encoding.get("_FillValue")
    chunks, shards = array_layout(var, plan)
    cf = {k: encoding[k] for k in ("scale_factor", "_FillValue") if k in encoding}
    attrs = {k: _plain(v) for k, v in {**var.attrs, **cf}.items() if k not in ("coordinates",)}
    if {"y", "x"} <= set(var.dims):
        attrs["grid_mapping"] = GRID_MAPPING
    elif set(CONTEXT_DIMS) <= set(var.dims):
        attrs["grid_mapping"] = CONTEXT_GRID_MAPPING
    shuffle = BloscShuffle.bitshuffle if dtype.itemsize > 1 else BloscShuffle.noshuffle
    return group.create_array(
        name,
        shape=var.shape,
        chunks=chunks,
        shards=shards,
        dtype=dtype,
        fill_value=fill if fill is not None else (np.nan if dtype.kind == "f" else 0),
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle=shuffle),
        dimension_names=[str(d) for d in var.dims],
        attributes=attrs,
    )


def array_layout(var: xr.DataArray, plan: ChunkPlan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunk and shard shape of a variable's array under a plan."""
    chunks = tuple(
        min(plan.chunk(str(d), n), plan.shard(str(d), n))
        for d, n in zip(var.dims, var.shape, strict=True)
    )
    shards = tuple(plan.shard(str(d), n) for d, n in zip(var.dims, var.shape, strict=True))
    return chunks, tuple(-(-s // c) * c for s, c in zip(shards, chunks, strict=True))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def is_stored_already(var: xr.DataArray, encoding: Mapping[str, Any]) -> bool:
    """True if a variable holds stored integers, so that encoding would scale it twice."""
    if "scale_factor" not in encoding or var.dtype.kind == "f":
        return False
    if var.dtype != np.dtype(encoding["dtype"]):
        raise CubeError(
            f"{var.name!r} is {var.dtype}; expected float (physical values) or stored "
            f"{encoding['dtype']} with scale {encoding['scale_factor']}. Convert it first: "
            "divide digital numbers by 10000 as float32, NaN where missing."
        )
    for key in ("scale_factor", "_FillValue"):
        if key in encoding and var.attrs.get(key, encoding[key]) != encoding[key]:
            raise CubeError(
                f"stored integers of {var.name!r} have {key} {var.attrs[key]}; a cube is stored "
                f"with {encoding[key]}. Give physical values instead: float32, NaN where missing."
            )
    return True
