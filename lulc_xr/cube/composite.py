"""Composites of a cube over regular periods, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.compositing import composite_pixels, fill_gaps, mask_unclear
from lulc_xr.core.cube import CLEAR_ENCODING, REFLECTANCE_ENCODING, check_cube, is_raw
from lulc_xr.core.dates import Fill, RegularDates
from lulc_xr.core.errors import CubeError


def composite(
    ds: xr.Dataset, freq: str = "MS", method: str = "median", *, fill: Fill = "linear"
) -> xr.Dataset:
    """Cube of composites on a regular time axis, lazily.

    The clear dates of each period become one value per band and pixel; empty periods are
    interpolated linearly in time, and take the nearest value before the first and after the
    last clear one. The same arithmetic serves models with
    :class:`lulc_xr.RegularDates` while they predict.

    Parameters
    ----------
    ds : xr.Dataset
        A cube (time, band, y, x); pixels that are not `clear` are ignored.
    freq : str
        Pandas offset of the periods, such as ``"MS"`` (months).
    method : {"median", "mean"}
        How the dates of a period become one value.
    fill : {"linear", None}
        How empty periods are filled; None leaves NaN.

    Returns
    -------
    xr.Dataset
        ``reflectance(time, band, y, x)`` float32 and ``clear(time, y, x)`` uint8, 1 where a
        clear date fell into the period; `time` is the first day of each period.

    Raises
    ------
    CubeError
        If the dataset is no cube, or holds stored integers.
    ModelError
        If `freq` or `method` is unknown.

    Examples
    --------
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=8, x=8, time=24)
    >>> lx.composite(cube, freq="MS").sizes["time"]
    12
    """
    cube = check_cube(ds)
    if is_raw(cube["reflectance"]):
        raise CubeError(
            "composites of stored integers would not be reflectance: open the cube with raw=False."
        )
    starts = _starts(cube["time"].values, freq=freq, method=method)
    day = cube["time"].values.astype("datetime64[D]")
    group = np.searchsorted(starts, day, side="right") - 1
    days = (starts - starts[0]).astype(np.int64)
    settings = {"group": group, "days": days, "method": method, "fill": fill}
    reflectance = _one_time_chunk(cube["reflectance"])
    clear = _one_time_chunk(cube["clear"]) if "clear" in cube else None
    spatial = reflectance.chunks[2:]
    if clear is not None:
        clear = clear.rechunk((clear.chunks[0], *spatial))
    number = (len(starts),)
    bands = reflectance.shape[1]
    # One task per block gives both variables; each array then picks its bands of it.
    both = da.map_blocks(
        _composite_block,
        reflectance,
        None if clear is None else clear[:, None],
        dtype=np.float32,
        chunks=(number, (bands + 1,), *spatial),
        meta=np.empty((0, 0, 0, 0), np.float32),
        **settings,
    )
    made = xr.Dataset(
        {
            "reflectance": (cube["reflectance"].dims, both[:, :bands]),
            "clear": (("time", "y", "x"), both[:, bands].astype(np.uint8)),
        },
        coords={"time": starts.astype("datetime64[ns]")}
        | {n: cube[n].variable for n in ("band", "y", "x", "spatial_ref") if n in cube.variables},
    )
    made["reflectance"].attrs = {"long_name": f"surface reflectance, {method} of {freq}"}
    made["reflectance"].encoding = {**REFLECTANCE_ENCODING, "grid_mapping": "spatial_ref"}
    made["clear"].attrs = {"long_name": "a clear date fell into the period"}
    made["clear"].encoding = {**CLEAR_ENCODING, "grid_mapping": "spatial_ref"}
    return made


def _starts(times: NDArray[Any], *, freq: str, method: str) -> NDArray[np.datetime64]:
    """First days of all periods from the first to the last date."""
    axis = RegularDates(freq=freq, method=method)
    years = np.unique(np.asarray(times).astype("datetime64[Y]").astype(int) + 1970)
    starts = np.concatenate([axis.starts(int(year)) for year in years])
    day = np.asarray(times).astype("datetime64[D]")
    first = max(int(np.searchsorted(starts, day[0], side="right")) - 1, 0)
    last = int(np.searchsorted(starts, day[-1], side="right"))
    return np.asarray(starts[first:last])


def _one_time_chunk(var: xr.DataArray) -> da.Array:
    whole: Sequence[str] = [d for d in ("time", "band") if d in var.dims]
    chunked: da.Array = var.variable.chunk(dict.fromkeys(whole, -1)).data
    return chunked


def _composite_block(
    pixels: NDArray[np.float32],
    clear: NDArray[np.uint8] | None,
    *,
    group: NDArray[np.int64],
    days: NDArray[np.int64],
    method: str,
    fill: Fill,
) -> NDArray[np.float32]:
    values = np.array(pixels, np.float32)
    series = mask_unclear(values, None if clear is None else clear[:, 0])
    made = composite_pixels(series, group, number=len(days), method=method)
    observed = ~np.isnan(made[:, :1])
    if fill == "linear":
        made = fill_gaps(made, days.astype(np.int32))
    return np.concatenate([made, observed.astype(np.float32)], axis=1)
