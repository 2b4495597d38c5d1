"""Longitude and latitude in a CF file: which variables they are, in degrees, with their bounds."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError

# As CF lists them, and with a space, as CLM writes them.
_UNITS = {
    "longitude": re.compile(r"degrees?[ _]?e(ast)?", re.IGNORECASE),
    "latitude": re.compile(r"degrees?[ _]?n(orth)?", re.IGNORECASE),
}
_NAMES = {
    "longitude": {
        "lon",
        "longitude",
        "clon",
        "xc",
        "longxy",
        "nav_lon",
        "xlong",
        "grid_center_lon",
    },
    "latitude": {"lat", "latitude", "clat", "yc", "latixy", "nav_lat", "xlat", "grid_center_lat"},
}
_ROTATED_NAMES = {
    "longitude": {"rlon", "grid_longitude"},
    "latitude": {"rlat", "grid_latitude"},
}
_RADIANS = {"radian", "radians", "rad"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Coordinate:
    """One coordinate of the centres of cells in degrees, with bounds; read when asked for.

    Parameters
    ----------
    ds : xr.Dataset
        What it is in.
    name : str
        Its name.
    """

    ds: xr.Dataset
    name: str

    @property
    def dims(self) -> tuple[str, ...]:
        """Its dimensions."""
        return tuple(str(dim) for dim in self.ds.variables[self.name].dims)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """Centres in degrees."""
        variable = self.ds.variables[self.name]
        return np.asarray(variable.values, np.float64) * _degrees(self.name, variable)

    @property
    def has_bounds(self) -> bool:
        """Whether there are bounds or vertices."""
        return bounds_of(self.ds, self.name) is not None

    @cached_property
    def bounds(self) -> NDArray[np.float64] | None:
        """Bounds or vertices in degrees, one dimension more; None without."""
        name = bounds_of(self.ds, self.name)
        if name is None:
            return None
        variable = self.ds.variables[name]
        # Bounds have the units of what they bound, if they have none of their own.
        units = variable if variable.attrs.get("units") else self.ds.variables[self.name]
        return np.asarray(variable.values, np.float64) * _degrees(name, units)

    @property
    def rounding(self) -> float:
        """What values may be off by, in degrees, from the type they are stored in."""
        kind = self.ds.variables[self.name].dtype
        eps = np.finfo(kind if kind.kind == "f" else np.float64).eps
        return float(4 * eps * np.nanmax(np.abs(self.values), initial=1.0))


def find_coordinates(
    ds: xr.Dataset, *, rotated: bool = False, dims: Iterable[Hashable] | None = None
) -> list[tuple[Coordinate, Coordinate]]:
    """Pairs of longitude and latitude in a Dataset.

    Parameters
    ----------
    ds : xr.Dataset
        As CF describes it.
    rotated : bool
        Rotated longitude and latitude instead.
    dims : iterable of str, optional
        Dimensions that they may have; any without.

    Returns
    -------
    list of tuple of Coordinate
        Longitude and latitude of the same dimensions, or both of one of their own.
    """
    allowed = set(ds.dims if dims is None else dims)
    east, north = (
        [
            Coordinate(ds=ds, name=str(name))
            for name in ds.variables
            if _is(ds, str(name), what, rotated=rotated) and set(ds[name].dims) <= allowed
        ]
        for what in ("longitude", "latitude")
    )
    together = [(a, b) for a in east for b in north if a.dims == b.dims]
    paired = {each.name for pair in together for each in pair}
    return together + [
        (a, b)
        for a in east
        for b in north
        if len(a.dims) == len(b.dims) == 1 and not {a.name, b.name} & paired
    ]


def bounds_of(ds: xr.Dataset, name: str) -> str | None:
    """Name of the bounds of a coordinate: as its attribute says, or as files usually have it."""
    variable = ds.variables[name]
    said = variable.attrs.get("bounds") or variable.encoding.get("bounds")
    usual = (
        said,
        f"{name}_vertices",
        f"{name}_bnds",
        f"{name}_bounds",
        name.replace("_center_", "_corner_"),
    )
    for candidate in usual:
        if candidate in ds.variables and ds[candidate].dims[:-1] == variable.dims:
            return str(candidate)
    return None


def rotated_pole(ds: xr.Dataset) -> tuple[tuple[float, float], float] | None:
    """North pole (longitude, latitude) of a file's rotated grid, and its own rotated longitude."""
    for variable in ds.variables.values():
        if variable.attrs.get("grid_mapping_name") == "rotated_latitude_longitude":
            get = variable.attrs.get
            names = "grid_north_pole_longitude", "grid_north_pole_latitude"
            missing = [name for name in names if get(name) is None]
            if missing:
                raise CubeError(
                    f"the rotated grid mapping has no {' and no '.join(missing)}. Set the "
                    "attribute, or give the grid by its name."
                )
            turned: Any = get("north_pole_grid_longitude", 0.0)
            return (float(get(names[0])), float(get(names[1]))), float(turned)  # type: ignore[arg-type]
    return None


def _is(ds: xr.Dataset, name: str, what: str, *, rotated: bool) -> bool:
    """Whether a variable holds longitudes (latitudes) of places, not of vertices."""
    variable = ds.variables[name]
    bounds = {each.attrs.get("bounds") or each.encoding.get("bounds") for each in
              ds.variables.values()}  # fmt: skip
    ends = ("_vertices", "_bnds", "_bounds")
    if not 1 <= variable.ndim <= 2 or name in bounds or name.endswith(ends):
        return False
    if variable.dtype.kind not in "fiu":
        return False
    standard = variable.attrs.get("standard_name")
    kinds = {"longitude", "latitude"}
    if standard in kinds | {f"grid_{each}" for each in kinds}:
        # ICON calls longitudes of its grid files grid_longitude, without a rotated pole.
        plain = standard == what or (standard == f"grid_{what}" and rotated_pole(ds) is None)
        return standard == f"grid_{what}" if rotated else plain
    if rotated:
        return name.lower() in _ROTATED_NAMES[what]
    return bool(_UNITS[what].fullmatch(_unit(variable))) or name.lower() in _NAMES[what]


def _unit(variable: xr.Variable) -> str:
    return str(variable.attrs.get("units", "")).strip()


def _degrees(name: str, variable: xr.Variable) -> float:
    """What values are multiplied with to become degrees."""
    unit = _unit(variable)
    if unit.lower() in _RADIANS:
        return float(np.degrees(1.0))
    if re.fullmatch(r"|1|degrees?([ _]?(e(ast)?|n(orth)?))?", unit, re.IGNORECASE):
        return 1.0
    raise CubeError(f"{name!r} has the units {unit!r}; expected degrees or radians.")
