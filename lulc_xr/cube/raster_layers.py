"""How a variable of a map becomes bands of a raster file: type, fill, names, colours, overviews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.cube import encode
from lulc_xr.core.errors import CubeError
from lulc_xr.core.legend import FILL_CLASS, Legend, LegendClass

_NO_COLOR, _YES_COLOR = "#d9d9d9", "#1a7a3e"
_TOLD = ("model_hash", "year_start", "legend", "history", "comment", "units", "long_name")


@dataclass(frozen=True, kw_only=True)
class RasterLayer:
    """One variable as bands of a file.

    Parameters
    ----------
    name : str
        The variable.
    bands : tuple of str
        What each band is, in order.
    axis : str
        Dimension of the bands; "" if there is one band.
    dtype : str
        Type in the file.
    nodata : float or None
        Value that means none.
    scale : float or None
        Physical value of one step of the stored numbers.
    legend : Legend or None
        Names and colours of the values.
    resampling : {"mode", "average", "nearest"}
        How overviews are made: never a mean of classes.
    known : str
        Variable that is False where the values of this one say nothing; "" if there is none.
    tags : mapping of str
        What else is said of it.
    """

    name: str
    bands: tuple[str, ...]
    axis: str
    dtype: str
    nodata: float | None
    scale: float | None = None
    legend: Legend | None = None
    resampling: str = "average"
    known: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def values(self, part: xr.Dataset) -> NDArray[Any]:
        """Numbers to store of a computed part, shape (band, y, x)."""
        array = part[self.name]
        order = (*((self.axis,) if self.axis else ()), "y", "x")
        found = np.asarray(array.transpose(*order).values)
        if self.known:
            sure = np.asarray(part[self.known].transpose("y", "x").values)
            found = np.where(sure, found, FILL_CLASS)
        elif self.scale is not None and found.dtype.kind == "f":
            settings = {"dtype": self.dtype, "scale_factor": self.scale, "_FillValue": self.nodata}
            found = encode(found, settings)
        elif self.legend is not None and found.dtype.kind == "f":
            # Xarray's own decoding of the fill value.
            found = np.where(np.isnan(found), FILL_CLASS, found)
        stored = found.astype(self.dtype, copy=False)
        return stored if self.axis else stored[None]


def describe_layer(maps: xr.Dataset, name: str) -> RasterLayer:
    """How a variable is stored in a raster file.

    Parameters
    ----------
    maps : xr.Dataset
        Maps of one year.
    name : str
        A variable over `y` and `x`, and at most one more dimension, which becomes bands.

    Raises
    ------
    CubeError
        If its dimensions or its type do not fit a raster file.
    """
    var = maps[name]
    extra = [str(d) for d in var.dims if d not in ("y", "x")]
    if not {"y", "x"} <= set(var.dims) or len(extra) > 1:
        raise CubeError(
            f"{name!r} is over {tuple(map(str, var.dims))}; a raster file takes y, x, and one more "
            "dimension as bands. Select the others first, for instance with .isel(...)."
        )
    axis = extra[0] if extra else ""
    title = str(var.attrs.get("long_name", name))
    labels = var[axis].values if axis in var.coords else range(var.sizes[axis]) if axis else ()
    bands = tuple(str(label) for label in labels) if axis else (title,)
    tags = {k: str(var.attrs[k]) for k in _TOLD if k in var.attrs}
    common: dict[str, Any] = {"name": name, "bands": bands, "axis": axis, "tags": tags}
    if var.dtype == bool:
        return _of_bool(maps, name, common)
    if "flag_values" in var.attrs:
        legend = Legend.from_flags(var.attrs)
        return RasterLayer(
            dtype="uint8", nodata=FILL_CLASS, legend=legend, resampling="mode", **common
        )
    return _of_numbers(var, common)


def _of_bool(maps: xr.Dataset, name: str, common: dict[str, Any]) -> RasterLayer:
    known = f"{name}_known"
    known = known if known in maps and maps[known].dims == maps[name].dims else ""
    names = ("no", "yes") if known else str(maps[name].attrs.get("flag_meanings", "no yes")).split()
    legend = Legend(
        name=name,
        classes=tuple(
            LegendClass(class_id=i, name=n, color=c)
            for i, n, c in zip((0, 1), names, (_NO_COLOR, _YES_COLOR), strict=True)
        ),
    )
    return RasterLayer(
        dtype="uint8", nodata=FILL_CLASS, legend=legend, resampling="mode", known=known, **common
    )


def _of_numbers(var: xr.DataArray, common: dict[str, Any]) -> RasterLayer:
    said = {**var.attrs, **var.encoding}
    scale, fill = said.get("scale_factor"), said.get("_FillValue")
    nodata = None if fill is None else float(fill)
    if scale is not None and fill is not None:
        stored = var.dtype if var.dtype.kind in "iu" else np.dtype(said["dtype"])
        return RasterLayer(dtype=stored.name, nodata=nodata, scale=float(scale), **common)
    if var.dtype.kind == "f":
        return RasterLayer(dtype=var.dtype.name, nodata=np.nan, **common)
    if var.dtype.kind not in "iu" or var.dtype.itemsize > 4:
        raise CubeError(
            f"{var.name!r} is {var.dtype}; GeoTIFF viewers take numbers up to 32 bits. Convert it "
            "first, for instance with .astype('int32')."
        )
    return RasterLayer(dtype=var.dtype.name, nodata=nodata, resampling="nearest", **common)
