"""The cube contract: its dimensions, names, encodings and coordinate reference system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown

DIMS = ("time", "band", "y", "x")
"""Order of the dimensions of `reflectance`."""

BANDS = (
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3",
    "nir", "nir08", "nir09", "swir16", "swir22",
)  # fmt: skip
"""Band names of the STAC common vocabulary for Sentinel-2 and Landsat."""

SCALE = 1e-4
NODATA = -9999
"""Scale and fill of stored reflectance, the convention of NASA's HLS product."""

REFLECTANCE_ENCODING: Mapping[str, Any] = {
    "dtype": "int16",
    "scale_factor": SCALE,
    "_FillValue": NODATA,
}
CLEAR_ENCODING: Mapping[str, Any] = {"dtype": "uint8"}

# Reflectance of 1 scaled twice is 1e-4; dark water in the infrared stays above 2e-4.
_DOUBLE_SCALED = 2e-4
_NOT_SCALED = 20.0
# Values encoded at once: buffers of 256 kB, measured ten times faster than whole shards.
_PIECE = 1 << 16


def decode(raw: NDArray[Any], *, scale: float | None, fill: int | None, dtype: Any) -> NDArray[Any]:
    """Stored numbers as physical values: one float32 product, NaN for fill.

    Both ways to a block (through Dask and straight from the store) use this function,
    so that they agree in every bit.
    """
    if scale is None:
        return raw.astype(dtype, copy=False)
    values: NDArray[Any] = np.multiply(raw, np.float32(scale), dtype=np.float32)
    if fill is not None:
        np.copyto(values, np.float32(np.nan), where=raw == fill)
    return values


def encode(values: NDArray[Any], encoding: Mapping[str, Any]) -> NDArray[Any]:
    """Physical values as they are stored, following CF scale_factor and _FillValue.

    Raises
    ------
    CubeError
        If a value does not fit the stored type.
    """
    dtype = np.dtype(encoding.get("dtype", values.dtype))
    scale, fill = encoding.get("scale_factor"), encoding.get("_FillValue")
    whole = values.dtype.kind in "biu" and scale is None
    if np.issubdtype(dtype, np.floating) or (whole and np.can_cast(values.dtype, dtype)):
        return values.astype(dtype, copy=False)
    fast = _encode_pieces(values, scale or 1.0, dtype=dtype, fill=fill)
    if fast is not None:
        return fast
    missing = np.isnan(values)
    scaled = np.rint(values / (scale or 1.0))
    limits = np.iinfo(dtype)
    outside = ~missing & ((scaled < limits.min) | (scaled > limits.max))
    if outside.any():
        raise CubeError(
            f"value {values[outside][0]:g} (and {int(outside.sum()) - 1} more) does not fit "
            f"{dtype} with scale_factor {scale}. Expected {limits.min * (scale or 1):g} to "
            f"{limits.max * (scale or 1):g}: reflectance lies between 0 and 1; was it scaled?"
        )
    if missing.any() and fill is None:
        raise CubeError(f"NaN cannot be stored as {dtype} without a _FillValue; give one.")
    return np.where(missing, fill or 0, scaled).astype(dtype)


def _encode_pieces(
    values: NDArray[Any], scale: float, *, dtype: np.dtype[Any], fill: int | None
) -> NDArray[Any] | None:
    """Encoded values, made in pieces that stay in the cache; None if a value does not fit."""
    flat, limits = values.reshape(-1), np.iinfo(dtype)
    stored = np.empty(flat.shape, dtype)
    for start in range(0, flat.size, _PIECE):
        piece = slice(start, start + _PIECE)
        scaled = flat[piece] / scale
        np.rint(scaled, out=scaled)
        missing = np.isnan(scaled)
        if missing.any():
            if fill is None:
                return None
            scaled[missing] = fill
        if scaled.min() < limits.min or scaled.max() > limits.max:
            return None
        stored[piece] = scaled
    return stored.reshape(values.shape)


class DecodedArray:
    """A stored array that decodes what is read of it (sliceable, picklable, lazy).

    Parameters
    ----------
    source : array-like with shape, dtype, ``__getitem__``
        The stored array, such as a :class:`zarr.Array`.
    scale : float or None
        CF scale_factor; None to give the stored numbers.
    fill : int or None
        Stored value that means 'missing'; becomes NaN when there is a scale.
    """

    def __init__(self, source: Any, *, scale: float | None = None, fill: int | None = None) -> None:
        self.source = source
        self.scale = scale
        self.fill = fill
        self.shape: tuple[int, ...] = tuple(source.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.float32) if scale is not None else np.dtype(source.dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.decode(np.asarray(self.source[key]))

    def decode(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Stored numbers of this array as physical values."""
        return decode(raw, scale=self.scale, fill=self.fill, dtype=self.dtype)


def stored_array(data: Any) -> DecodedArray | None:
    """The stored array behind a Dask array that nothing was done to since open_cube."""
    layers = getattr(getattr(data, "dask", None), "layers", {})
    original = layers.get(f"original-{data.name}") if layers else None
    if original is None:
        return None
    for node in dict(original).values():
        value = getattr(node, "value", node)
        if isinstance(value, DecodedArray):
            return value
    return None


def check_cube(ds: xr.Dataset, *, bands: Sequence[str] | None = None) -> xr.Dataset:
    """The cube with its dimensions in order, after checks that read no pixel.

    Parameters
    ----------
    ds : xr.Dataset
        A cube; dimensions may come in any order.
    bands : sequence of str, optional
        Bands it must have.

    Returns
    -------
    xr.Dataset
        The same data with `reflectance` as (time, band, y, x) and `clear` as (time, y, x).

    Raises
    ------
    CubeError
        If a variable, dimension, band or the coordinate reference system is missing, if a
        type is wrong, or dates are not in ascending order.
    """
    if "reflectance" not in ds:
        raise CubeError(
            f"no variable 'reflectance' in this dataset; it has {sorted(map(str, ds.data_vars))}. "
            "A cube holds reflectance(time, band, y, x)."
        )
    reflectance = ds["reflectance"]
    missing = [d for d in DIMS if d not in reflectance.dims]
    extra = [str(d) for d in reflectance.dims if d not in DIMS]
    if missing or extra:
        raise CubeError(
            f"'reflectance' has dimensions {tuple(map(str, reflectance.dims))}; expected {DIMS} in "
            f"any order (missing: {missing or 'none'}, unknown: {extra or 'none'}). "
            "Rename or expand them first."
        )
    for name in DIMS:
        if name not in ds.coords:
            raise CubeError(f"dimension {name!r} has no coordinate; assign its values first.")
    _check_types(ds)
    _check_axes(ds)
    crs_of(ds)
    check_bands(ds, bands or ())
    # Maps and context keep the order of their own dimensions.
    ordered = {
        name: var.transpose(*[d for d in DIMS if d in var.dims])
        for name, var in ds.data_vars.items()
        if set(var.dims) <= set(DIMS)
    }
    return ds.assign(ordered)


def check_bands(ds: xr.Dataset, bands: Sequence[str]) -> None:
    """Raise CubeError unless the cube has these bands."""
    known = [str(b) for b in ds["band"].values]
    for band in bands:
        if band not in known:
            raise CubeError(
                name_unknown("band", band, known)
                + " The model needs "
                + ", ".join(bands)
                + ": rename the cube's bands to these names, or train on the bands it has."
            )


def _check_types(ds: xr.Dataset) -> None:
    dtype = ds["reflectance"].dtype
    if dtype.kind not in "fiu":
        raise CubeError(f"'reflectance' is {dtype}; expected float32 (0 to 1) or raw int16.")
    if "clear" in ds and ds["clear"].dtype.kind not in "bu":
        raise CubeError(
            f"'clear' is {ds['clear'].dtype}; expected bool or uint8 (1 where seen clearly). "
            "Convert it with .astype('uint8')."
        )
    if "clear" in ds and set(ds["clear"].dims) != {"time", "y", "x"}:
        raise CubeError(f"'clear' has dimensions {ds['clear'].dims}; expected (time, y, x).")


def _check_axes(ds: xr.Dataset) -> None:
    times = ds["time"].values
    if times.dtype.kind != "M":
        raise CubeError(f"'time' is {times.dtype}; expected datetime64. Use pandas.to_datetime.")
    steps = np.diff(times.astype("datetime64[ns]").astype(np.int64))
    if (steps <= 0).any():
        where = int(np.flatnonzero(steps <= 0)[0])
        raise CubeError(
            f"dates are not strictly ascending: {times[where + 1]} follows {times[where]}. "
            "Sort by time and merge dates of the same moment."
        )
    for name in ("y", "x"):
        values = np.asarray(ds[name].values, np.float64)
        steps_ = np.diff(values)
        if values.size > 2 and not np.allclose(steps_, steps_[0], rtol=1e-3):
            raise CubeError(f"{name!r} is not evenly spaced; a cube has one pixel size.")


def check_scale(values: NDArray[np.floating[Any]], *, what: str = "reflectance") -> None:
    """Raise CubeError if values read look unscaled or scaled twice.

    Parameters
    ----------
    values : ndarray of float
        Reflectance that was read, NaN allowed.
    what : str
        Name used in the message.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    high = float(np.quantile(finite, 0.99))
    if high > _NOT_SCALED:
        raise CubeError(
            f"{what} reaches {high:g} (99 % quantile); expected about 0 to 1. "
            f"It looks unscaled: multiply by {SCALE:g}, or open the cube with raw=False."
        )
    if 0 < high < _DOUBLE_SCALED:
        raise CubeError(
            f"{what} stays below {high:g} (99 % quantile); expected about 0 to 1. "
            f"It looks scaled twice: divide by {SCALE:g}, or give the stored integers."
        )


def crs_of(ds: xr.Dataset) -> str:
    """Well-known text of the cube's coordinate reference system.

    Raises
    ------
    CubeError
        If there is none.
    """
    mapping = ds["reflectance"].encoding.get("grid_mapping") if "reflectance" in ds else None
    mapping = mapping or (
        ds["reflectance"].attrs.get("grid_mapping") if "reflectance" in ds else None
    )
    for name in (mapping, "spatial_ref", "crs"):
        if name in ds.variables:
            attrs = ds[name].attrs
            text = attrs.get("crs_wkt") or attrs.get("spatial_ref")
            if text:
                return str(text)
    raise CubeError(
        "this cube has no coordinate reference system: no variable 'spatial_ref' with attribute "
        "'crs_wkt'. Assign one, for instance ds.odc.assign_crs('EPSG:32631')."
    )


def is_raw(da: xr.DataArray) -> bool:
    """True if reflectance holds stored integers rather than physical values."""
    return da.dtype.kind in "iu"
