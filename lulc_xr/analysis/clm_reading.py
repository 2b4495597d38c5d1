"""The land cover of a surface file as plant types, to fill gaps with or to compare."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.clm_template import SurfaceTemplate, check_sums, read_template
from lulc_xr.core.clm import CROPS, LANDUNITS, NATURAL_PFTS

_DIMENSIONS = {
    "landunit_fraction": ("landunit",),
    "natural_pft_fraction": ("natpft",),
    "cft_fraction": ("cft",),
    "ocean_fraction": (),
    "ignored_fraction": (),
    "unmapped_fraction": (),
}
_SINGLE = ("natural_vegetation", "crop", "lake", "wetland", "glacier")


def read_clm_surface(
    path: str | os.PathLike[str],
    *,
    year: int,
    check: str = "error",
    sum_tolerance: float = 1e-3,
) -> xr.Dataset:
    """Plant types that a CLM5 surface file holds, as shares of the cells' area.

    What land models run on now: to fill what a map lacks (``unmapped=`` of the exports), or to
    compare a map with.

    Parameters
    ----------
    path : path
        A surface file with a land unit of crops.
    year : int
        Year that the file stands for; such files don't say it.
    check : {"error", "warn"}
        What is done where percentages of land cells don't sum to 100.
    sum_tolerance : float
        How far such sums may be off, in percent.

    Returns
    -------
    xr.Dataset
        As :func:`lulc_xr.plant_functional_types` gives them, over the dimensions of the file,
        with `lon` and `lat`. Cells outside PFTDATA_MASK, and what LANDFRAC_PFT leaves, are ocean.

    Raises
    ------
    SourceError
        If the file cannot be read.
    CubeError
        If it has another form, or sums are off.
    """
    base = read_template(path)
    check_sums(base, tolerance=sum_tolerance, check=check)
    shares = _shares(base)
    dims, whole = ("year", *base.dims), (1, *base.shape)
    made = xr.Dataset(
        {
            name: (
                (*types, *dims),
                shares[name].reshape(*shares[name].shape[: len(types)], *whole),
                {"units": "1"},
            )
            for name, types in _DIMENSIONS.items()
        },
        coords=_coordinates(base, year),
    )
    made.attrs = {
        "Conventions": "CF-1.10",
        "title": "land units, plant and crop functional types of a CLM5 surface file",
        "history": "lulc_xr.read_clm_surface",
        "lulc_xr:sources": json.dumps([{"store": base.path.name, "years": [int(year)]}]),
    }
    return made


def _shares(base: SurfaceTemplate) -> dict[str, NDArray[np.float64]]:
    """Shares of the cells' area by variable, (type, cell) or (cell,)."""
    land = base.land * (1.0 if base.land_fraction is None else base.land_fraction)
    parts = {}
    for group, values in base.groups.items():
        positive = np.where(land > 0, np.maximum(values, 0), 0)
        total = positive.sum(axis=0)
        parts[group] = positive / np.where(total > 0, total, 1)
    single, towns = np.split(parts["land units"] * land, [len(_SINGLE)])
    named = dict(zip(_SINGLE, single, strict=True)) | {"urban": towns.sum(axis=0)}
    units = np.stack([named[name] for name in LANDUNITS])
    ocean = 1 - units.sum(axis=0)
    return {
        "landunit_fraction": units,
        "natural_pft_fraction": parts["natural plant types"] * named["natural_vegetation"],
        "cft_fraction": parts["crops"] * named["crop"],
        "ocean_fraction": ocean,
        "ignored_fraction": np.zeros_like(ocean),
        "unmapped_fraction": np.zeros_like(ocean),
    }


def _coordinates(base: SurfaceTemplate, year: int) -> dict[str, Any]:
    east = {"standard_name": "longitude", "units": "degrees_east"}
    north = {"standard_name": "latitude", "units": "degrees_north"}
    return {
        "landunit": np.array(LANDUNITS, np.dtypes.StringDType()),
        "natpft": np.array(NATURAL_PFTS, np.dtypes.StringDType()),
        "natpft_id": ("natpft", np.arange(len(NATURAL_PFTS), dtype=np.int32)),
        "cft": np.array([CROPS[i] for i in base.crop_ids], np.dtypes.StringDType()),
        "cft_id": ("cft", np.array(base.crop_ids, np.int32)),
        "year": [int(year)],
        "lon": (base.dims, base.longitude.reshape(base.shape), east),
        "lat": (base.dims, base.latitude.reshape(base.shape), north),
    }
