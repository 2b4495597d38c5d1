"""Zones as ids on the pixels of a map: checks, and which zones there are, reading none if lazy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError


def check_zones(zones: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Zones (y, x), after checks that read no pixel.

    Parameters
    ----------
    zones : xr.DataArray of int
        Ids (y, x).
    like : xr.DataArray
        A map whose grid they must have.

    Raises
    ------
    CubeError
        If they are no whole numbers over (y, x), or lie on another grid.
    """
    if zones.dtype.kind not in "iu" or set(zones.dims) != {"y", "x"}:
        raise CubeError(
            f"zones of type {zones.dtype} over {tuple(map(str, zones.dims))}; expected whole ids "
            "over (y, x). Select a year, or bring them to integers with 0 for no zone."
        )
    for dim in ("y", "x"):
        same = zones.sizes[dim] == like.sizes[dim] and (
            dim not in zones.coords
            or dim not in like.coords
            or np.array_equal(zones[dim].values, like[dim].values)
        )
        if not same:
            raise CubeError(
                f"{dim!r} of the zones ({zones.sizes[dim]} values) is not that of the maps "
                f"({like.sizes[dim]} values). Bring the zones onto the grid of the maps."
            )
    return zones.transpose("y", "x")


def known_ids(zones: xr.DataArray, chosen: Sequence[int] | None = None) -> NDArray[np.int64]:
    """The zones that count, ascending, without computing anything.

    Parameters
    ----------
    zones : xr.DataArray of int
        Ids (y, x). In memory they are looked through; the value ``_FillValue``, or 0 where there
        is no such attribute, is no zone. Lazy ones need ``flag_values``, or `chosen`.
    chosen : sequence of int, optional
        The ids that count.

    Raises
    ------
    CubeError
        If nothing says which zones there are, or there is none.
    """
    none = zones.encoding.get("_FillValue", zones.attrs.get("_FillValue", 0))
    if chosen is not None:
        found = np.array(sorted(set(chosen)), np.int64)
    elif "flag_values" in zones.attrs:
        found = np.unique(np.asarray(zones.attrs["flag_values"], np.int64))
    elif zones.chunks is not None:
        raise CubeError(
            "the zones are lazy, and nothing says which ids they hold. Pass zone_ids=[...], load "
            "them with .compute(), or give them CF flag_values."
        )
    else:
        # By hashing: sorting all pixels takes longer than counting them.
        found = np.sort(pd.unique(zones.values.reshape(-1))).astype(np.int64)
        found = found[found != none]
    if not found.size:
        raise CubeError(
            f"no zone: every pixel of the zones is {none}, which means none. Check that they "
            "overlap the maps."
        )
    return found


def zone_coords(zones: xr.DataArray, ids: NDArray[np.int64]) -> dict[str, Any]:
    """Coordinates along `zone`: ids, and names where the flags of the zones tell them."""
    coords: dict[str, Any] = {"zone": ("zone", ids, {"long_name": "id of the zone"})}
    names = str(zones.attrs.get("flag_meanings", "")).split()
    values = [int(v) for v in np.atleast_1d(zones.attrs.get("flag_values", ()))]
    if names and len(names) == len(values):
        known = dict(zip(values, names, strict=True))
        told = np.array([known.get(int(one), str(one)) for one in ids], np.dtypes.StringDType())
        coords["zone_name"] = ("zone", told, {"long_name": "name of the zone"})
    return coords
