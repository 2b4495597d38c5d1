"""How fractions lie in a file: CF dimensions, coordinates and attributes; and back again."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.dates import start_month_of, year_bounds, year_of
from lulc_xr.core.errors import CubeError

CELL_AREA = "cell_area"
"""Variable whose dimensions are those of the grid."""

TIME = "time"
TIME_BOUNDS = "time_bnds"
LABEL = "_name"
"""Ending of the variable that holds the names along a dimension."""

_EPOCH = np.datetime64("1850-01-01", "D")
_UNITS = "days since 1850-01-01"
_OURS = "lulc_xr:"
_OURS_IN_FILES = "lulc_xr_"
# What reading decodes, and what the layout adds: neither is part of the variables in memory.
_LAID_OUT = ("coordinates", "cell_measures", "CDI_grid_type")
_KNOWN_FRACTION = re.compile(r"(.*_)?fraction")


def to_layout(fractions: xr.Dataset) -> xr.Dataset:
    """Fractions as they lie in a file: variables over (time, name dimension, grid).

    Names along a dimension (``class``) become a label variable (``class_name``), since CF has
    numbers alone in coordinate variables. Mapped years become ``time`` with bounds. Everything
    is a data variable, whose attribute `coordinates` names what belongs to it. Lazy.

    Parameters
    ----------
    fractions : xr.Dataset
        As :func:`lulc_xr.fractions` or :func:`lulc_xr.plant_functional_types` gives them.

    Raises
    ------
    CubeError
        If there is no `cell_area`, or `year` is no dimension.
    """
    check_fractions(fractions)
    grid = tuple(map(str, fractions[CELL_AREA].dims))
    data = list(fractions.data_vars)
    laid = _with_time(fractions) if "year" in fractions.dims else fractions
    labels = {str(d): f"{d}{LABEL}" for d in laid.dims if _holds_names(laid, d)}
    laid = laid.drop_indexes([d for d in labels if d in laid.xindexes]).rename_vars(labels)
    mapping = _grid_mapping(fractions)
    axes = [str(name) for name in laid.coords if name not in laid.dims]
    bounds = {str(laid[n].attrs["bounds"]) for n in laid.variables if "bounds" in laid[n].attrs}
    aside = [n for n in axes if n not in bounds and n != mapping and laid[n].dims]
    # Labels first: cdo takes the first one as the names of the levels.
    aside.sort(key=lambda name: name not in labels.values())
    laid = laid.reset_coords(axes)
    for name in data:
        var = laid[name]
        others = [d for d in var.dims if d not in (TIME, *grid)]
        ordered = [d for d in (TIME, *others, *grid) if d in var.dims]
        laid[name] = var.transpose(*ordered)
        own = [n for n in aside if set(laid[n].dims) <= set(var.dims)]
        laid[name].attrs = _attributes(str(name), var, coordinates=own, mapping=mapping)
        if len(grid) == 1:
            # Not CF: cdo, which ICON's tools stand on, needs it to find the cells beside classes.
            laid[name].attrs["CDI_grid_type"] = "unstructured"
    for name in laid.variables:
        laid[name].encoding = {}
        if name not in bounds and not {"long_name", "standard_name"} & set(laid[name].attrs):
            laid[name].attrs["long_name"] = str(name).replace("_", " ")
    laid.attrs = {_file_key(key): value for key, value in fractions.attrs.items()}
    return laid


def from_layout(laid: xr.Dataset) -> xr.Dataset:
    """Fractions in memory from a file's variables, as :func:`to_layout` gave them. Lazy."""
    data = [n for n in laid.data_vars if n == CELL_AREA or "cell_measures" in laid[n].attrs]
    labels = {n: str(n).removesuffix(LABEL) for n in laid.variables if _is_label(laid, n)}
    made = laid.set_coords([n for n in laid.data_vars if n not in data])
    made = made.assign_coords(
        {n: (made[n].dims, made[n].values.astype(np.dtypes.StringDType())) for n in labels}
    )
    made = made.rename_vars(labels)
    for label, dim in labels.items():
        made = made.set_xindex(dim)
        made[dim].attrs = dict(laid[label].attrs)
    made = made.assign_coords({n: v.variable.load() for n, v in made.coords.items() if v.ndim < 2})
    if TIME in made.dims:
        made = _with_years(made)
    grid = made[CELL_AREA].dims
    for name in data:
        var = made[name]
        others = [d for d in var.dims if d not in ("year", *grid)]
        ordered = [d for d in (*others, "year", *grid) if d in var.dims]
        attrs = {k: v for k, v in var.attrs.items() if k not in _LAID_OUT}
        made[name] = var.transpose(*ordered)
        made[name].attrs = attrs
    made.attrs = {_memory_key(str(key)): value for key, value in laid.attrs.items()}
    return made


def check_fractions(fractions: xr.Dataset) -> None:
    """Raise where a dataset isn't one of fractions."""
    shares = [n for n in fractions.data_vars if _KNOWN_FRACTION.fullmatch(str(n))]
    if CELL_AREA not in fractions or not shares:
        raise CubeError(
            f"no fractions among the variables {sorted(map(str, fractions.data_vars))}: expected "
            f"shares such as 'fraction', and {CELL_AREA!r}. Give what lulc_xr.fractions or "
            "lulc_xr.plant_functional_types returns, with all its variables."
        )
    if "year" in fractions.coords and "year" not in fractions.dims:
        raise CubeError(
            "'year' is a single value, not a dimension, so the file could not take another year. "
            "Select with isel(year=[0]), or give fractions.expand_dims('year')."
        )


def _holds_names(fractions: xr.Dataset, dim: Hashable) -> bool:
    return dim in fractions.coords and fractions[dim].dtype.kind in "OUT"


def _is_label(laid: xr.Dataset, name: Hashable) -> bool:
    dim = str(name).removesuffix(LABEL)
    return dim != name and laid[name].dims == (dim,) and dim not in laid.variables


def _grid_mapping(fractions: xr.Dataset) -> str | None:
    for var in fractions.data_vars.values():
        named = var.attrs.get("grid_mapping") or var.encoding.get("grid_mapping")
        if named:
            return str(named)
    return None


def _attributes(
    name: str, var: xr.DataArray, *, coordinates: list[str], mapping: str | None
) -> dict[str, Any]:
    """Attributes of a variable in a file; those it has go first."""
    known: dict[str, Any] = {}
    if _KNOWN_FRACTION.fullmatch(name):
        known = {"standard_name": "area_fraction", "units": "1", "cell_methods": "area: mean"}
    elif name.endswith("fraction_standard_error"):
        known = {"standard_name": "area_fraction standard_error", "units": "1"}
    elif name == CELL_AREA:
        known = {"standard_name": "cell_area", "units": "m2", "cell_methods": "area: sum"}
    made = {"long_name": name.replace("_", " "), **known, **var.attrs}
    if name != CELL_AREA:
        made["cell_measures"] = f"area: {CELL_AREA}"
    if mapping:
        made["grid_mapping"] = mapping
    if coordinates:
        made["coordinates"] = " ".join(coordinates)
    return made


def _with_time(fractions: xr.Dataset) -> xr.Dataset:
    """Mapped years as time in the middle of the period, with its bounds."""
    years = [int(year) for year in fractions["year"].values]
    month = start_month_of(fractions["year"].attrs)
    edges = np.array([year_bounds(year, start_month=month) for year in years])
    days = (edges - _EPOCH).astype("timedelta64[D]").astype(np.float64)
    attrs = {
        "standard_name": "time",
        "long_name": "mapped year",
        "units": _UNITS,
        "calendar": "standard",
        "axis": "T",
        "bounds": TIME_BOUNDS,
    }
    renamed = fractions.drop_vars("year").rename_dims(year=TIME)
    return renamed.assign_coords(
        {TIME: (TIME, days.mean(axis=1), attrs), TIME_BOUNDS: ((TIME, "bnds"), days)}
    )


def _with_years(laid: xr.Dataset) -> xr.Dataset:
    days = laid[TIME_BOUNDS].values[:, 0].astype(np.int64)
    starts = (_EPOCH + days.astype("timedelta64[D]")).astype("datetime64[ns]")
    (month, *_) = {int(str(day)[5:7]) for day in starts} or {1}
    years = year_of(starts, start_month=month)
    bare = laid.drop_vars([TIME, TIME_BOUNDS]).rename_dims({TIME: "year"})
    attrs = {"long_name": "mapped year"}
    if month != 1:
        attrs["year_start"] = " ".join(str(day)[:10] for day in starts)
    return bare.assign_coords(year=("year", years, attrs))


def _file_key(key: Hashable) -> str:
    # A colon is no character of a CF name.
    return str(key).replace(_OURS, _OURS_IN_FILES)


def _memory_key(key: str) -> str:
    if key.startswith(_OURS_IN_FILES) and key != "lulc_xr_versions":
        return key.replace(_OURS_IN_FILES, _OURS, 1)
    return key
