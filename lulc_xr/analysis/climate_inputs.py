"""Climate as users have it, monthly or as BIO variables, to what the plant rules ask for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import BIOCLIM_UNITS, CONTEXT
from lulc_xr.core.errors import CubeError
from lulc_xr.core.plant_climate import climate_of_bio, climate_of_months, missing_bio
from lulc_xr.core.plant_rules import PLANT_CLIMATE

VARIABLE = "climate_variable"
"""Dimension of the six variables where they are stacked."""

_BIO_DIM = "bioclim_variable"
_MONTHS = 12
_CELSIUS = ("degC", "degree_Celsius", "degrees_Celsius", "Celsius", "celsius", "C")
_KELVIN = ("K", "kelvin", "Kelvin")
_SUM_OF_MONTH = ("mm", "mm/month", "mm month-1", "kg m-2", "kg m-2 month-1")
_ZERO = 273.15
_NAMES = {
    "latitude": ("lat", "latitude", "clat"),
    "longitude": ("lon", "longitude", "clon"),
}


def stacked_climate(climate: xr.Dataset | xr.DataArray) -> tuple[xr.DataArray, str]:
    """The six variables of the plant rules, on the climate's own places, and how they were made.

    Parameters
    ----------
    climate : xr.Dataset or xr.DataArray
        One of: the six variables of ``PLANT_CLIMATE``; ``tas`` and ``pr`` over twelve months
        (dimension `month`, or `time` of length 12); BIO variables, as
        ``bioclim(bioclim_variable, ...)`` or as variables ``bio01``, ....

    Returns
    -------
    stacked : xr.DataArray of float64
        (climate_variable, ...), lazy where `climate` is.
    how : str
        A sentence.

    Raises
    ------
    CubeError
        If variables or units are missing or unknown.
    """
    if isinstance(climate, xr.DataArray):
        if _BIO_DIM not in climate.dims:
            raise CubeError(
                f"climate is an array over {climate.dims}; expected a dimension {_BIO_DIM!r} with "
                "BIO1 to BIO19, or a Dataset. " + _EXPECTED
            )
        return _of_bio(_split_bio(climate))
    names = {str(name) for name in climate.data_vars}
    if set(PLANT_CLIMATE) <= names:
        ready = [climate[name].astype(np.float64) for name in PLANT_CLIMATE]
        return _stack(ready), "given ready"
    if {"tas", "pr"} <= names:
        return _of_months(climate)
    if CONTEXT in names and _BIO_DIM in climate[CONTEXT].dims:
        return _of_bio(_split_bio(climate[CONTEXT]))
    if names & set(BIOCLIM_UNITS) - {"elevation"}:
        return _of_bio({str(n): climate[n] for n in names & set(BIOCLIM_UNITS) - {"elevation"}})
    raise CubeError(f"climate has the variables {sorted(names)}. " + _EXPECTED)


_EXPECTED = (
    "Give monthly 'tas' (degC or K) and 'pr' (mm of a month) over twelve months, BIO variables "
    "(lulc_xr.read_worldclim, read_chelsa, bioclim), or the six variables "
    f"{', '.join(PLANT_CLIMATE)}."
)


def _stack(arrays: Sequence[xr.DataArray]) -> xr.DataArray:
    stacked = xr.concat(arrays, dim=VARIABLE, coords="minimal", compat="override", join="exact")
    made = stacked.drop_attrs(deep=False).rename(None)
    return made.assign_coords({VARIABLE: list(PLANT_CLIMATE)}).transpose(VARIABLE, ...)


def _of_months(climate: xr.Dataset) -> tuple[xr.DataArray, str]:
    dim = next((d for d in ("month", "time") if climate["tas"].sizes.get(d) == _MONTHS), None)
    if dim is None or climate["pr"].sizes.get(dim) != _MONTHS:
        raise CubeError(
            f"'tas' has dimensions {dict(climate['tas'].sizes)}, 'pr' {dict(climate['pr'].sizes)}; "
            "expected twelve months along 'month' or 'time' in both. Average years first: "
            ".groupby('time.month').mean()."
        )
    tas, pr = _from_january(climate["tas"], dim), _from_january(climate["pr"], dim)
    units = str(tas.attrs.get("units", "none")), str(pr.attrs.get("units", "none"))
    if units[0] not in _CELSIUS + _KELVIN or units[1] not in _SUM_OF_MONTH:
        raise CubeError(
            f"'tas' has units {units[0]!r}, 'pr' {units[1]!r}; expected 'degC' or 'K', and 'mm' or "
            "'mm/month', the sum of a month. Convert rates and set the attribute units."
        )
    latitude = places(climate, tuple(d for d in tas.dims if d != dim))[1]
    shift = _ZERO if units[0] in _KELVIN else 0.0
    made: xr.DataArray = xr.apply_ufunc(
        _months, tas - shift, pr, latitude,
        input_core_dims=[[dim], [dim], []], output_core_dims=[[VARIABLE]],
        join="exact", dask="parallelized", output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {VARIABLE: len(PLANT_CLIMATE)}, "allow_rechunk": True
        },
    )  # fmt: skip
    how = (
        "from monthly means and sums; degree days of daily values on straight lines between the "
        "middles of months; winter is November to April north of the equator"
    )
    return made.assign_coords({VARIABLE: list(PLANT_CLIMATE)}).transpose(VARIABLE, ...), how


def _from_january(values: xr.DataArray, dim: str) -> xr.DataArray:
    """Months in the order of the calendar, so that winter's months are known."""
    if dim not in values.coords:
        return values
    given = values[dim]
    months = given.dt.month.values if given.dtype.kind == "M" else np.asarray(given.values)
    if sorted(months.tolist()) != list(range(1, _MONTHS + 1)):
        raise CubeError(
            f"{dim!r} of the climate holds the months {months.tolist()}; expected 1 to 12, each "
            "once: a year of means and sums. Average years with .groupby('time.month').mean()."
        )
    return values.isel({dim: np.argsort(months)}).drop_vars(dim)


def _months(tas: NDArray[Any], pr: NDArray[Any], latitude: NDArray[Any]) -> NDArray[np.float64]:
    made = climate_of_months(np.moveaxis(tas, -1, 0), np.moveaxis(pr, -1, 0), latitude)
    return np.stack(np.broadcast_arrays(*made.values()), axis=-1)


def _split_bio(bioclim: xr.DataArray) -> dict[str, xr.DataArray]:
    names = [str(name) for name in bioclim[_BIO_DIM].values]
    return {
        name: bioclim.isel({_BIO_DIM: number}, drop=True)
        for number, name in enumerate(names)
        if name in BIOCLIM_UNITS
    }


def _of_bio(bio: Mapping[str, xr.DataArray]) -> tuple[xr.DataArray, str]:
    wanting = missing_bio(set(bio))
    if wanting:
        raise CubeError(
            f"climate lacks {', '.join(wanting)}; it has {', '.join(sorted(bio))}. " + _EXPECTED
        )
    spare = {"bio04"} if {"bio10", "bio11"} <= set(bio) else set()
    spare |= {"bio17"} if "bio14" in bio else set()
    used = [n for n in sorted(bio) if n in _USED and n not in spare]
    made: xr.DataArray = xr.apply_ufunc(
        _bio, *(bio[name] for name in used), kwargs={"names": used},
        output_core_dims=[[VARIABLE]], join="exact", dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {VARIABLE: len(PLANT_CLIMATE)}},
    )  # fmt: skip
    how = (
        f"approximated from {', '.join(used)} (ours): temperature as a cosine over the year, "
        "winter's precipitation as (BIO12 + BIO19 - BIO18) / 2"
    )
    return made.assign_coords({VARIABLE: list(PLANT_CLIMATE)}).transpose(VARIABLE, ...), how


_USED = ("bio01", "bio04", "bio10", "bio11", "bio12", "bio14", "bio17", "bio18", "bio19")


def _bio(*values: NDArray[Any], names: Sequence[str]) -> NDArray[np.float64]:
    made = climate_of_bio(dict(zip(names, values, strict=True)))
    return np.stack(list(made.values()), axis=-1)


def places(
    data: xr.Dataset | xr.DataArray, dims: Sequence[Hashable]
) -> tuple[xr.DataArray, xr.DataArray]:
    """Longitude and latitude in degrees of what lies on some dimensions.

    Raises
    ------
    CubeError
        If there is no such coordinate.
    """
    return _place(data, dims, "longitude"), _place(data, dims, "latitude")


def _place(data: xr.Dataset | xr.DataArray, dims: Sequence[Hashable], what: str) -> xr.DataArray:
    fitting = {
        str(n): v for n, v in data.coords.items() if v.dims and set(v.dims) <= set(dims)
    }  # fmt: skip
    named = [v for v in fitting.values() if v.attrs.get("standard_name") == what]
    named += [v for n, v in fitting.items() if n in _NAMES[what]]
    if not named:
        raise CubeError(
            f"no {what} on {tuple(map(str, dims))}: no coordinate with standard_name {what!r} nor "
            f"one of the names {_NAMES[what]}. Assign it in degrees."
        )
    found = named[0]
    if str(found.attrs.get("units", "")).startswith("radian"):
        return xr.DataArray(np.rad2deg(found.values), found.coords, found.dims)
    bare: xr.DataArray = found.reset_coords(drop=True)
    return bare
