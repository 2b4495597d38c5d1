"""The climate of grid cells, as plant rules ask for it: averaged or interpolated to the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.climate_carrying import Between, Carrier, Mean, Taken, carry, fill
from lulc_xr.analysis.climate_inputs import VARIABLE, places, stacked_climate
from lulc_xr.analysis.climate_places import ClimatePlaces
from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.plant_rules import PLANT_CLIMATE
from lulc_xr.core.target_grid import TargetGrid

Method = Literal["auto", "mean", "bilinear", "nearest"]
Missing = Literal["refuse", "nearest"]
Floats = NDArray[np.float64]

_METHODS = ("auto", "mean", "bilinear", "nearest")
_MISSING = ("refuse", "nearest")
_FINE = 0.5
"""Ours: climate is averaged where its cells are at most half as wide as those of the grid."""


def cell_climate(
    climate: xr.Dataset | xr.DataArray,
    grid: str | TargetGrid | xr.Dataset | Any,
    *,
    method: Method = "auto",
    on_missing: Missing = "refuse",
) -> xr.Dataset:
    """Climate of grid cells as the rules of plant types ask for it, lazily where climate is lazy.

    The six variables are worked out where the climate is given, and then brought to the cells.

    Parameters
    ----------
    climate : xr.Dataset or xr.DataArray
        Twelve months of ``tas`` (degC or K) and ``pr`` (mm of the month); or BIO variables, from
        which the six are approximated (see Notes); or the six variables. On the grid itself (its
        dimensions), on regular axes (longitude and latitude, or a context with its reference
        system), or with longitude and latitude of each place.
    grid : TargetGrid, or anything that :func:`lulc_xr.as_grid` takes
        The cells. Fractions will do, which have coordinates and bounds; but those of regions have
        no outlines: climate is taken at their centre unless the regions themselves are given.
    method : {"auto", "mean", "bilinear", "nearest"}
        "mean": the mean of the places of the climate that lie in a cell and have data. "bilinear":
        between the four places around the cell's centre, those without data left out. "nearest":
        the place next to the cell's centre. "auto": "mean" where climate is at least twice as
        fine as the grid (ours), else "bilinear", or "nearest" where it is not on axes.
    on_missing : {"refuse", "nearest"}
        Cells without climate stay NaN, and plant types refuse them; or they take that of the
        nearest cell that has it, which is right for cells at a coast and wrong far from any.

    Returns
    -------
    xr.Dataset
        ``coldest_month``, ``warmest_month`` (degC), ``growing_degree_days`` (degC day),
        ``annual_precipitation``, ``winter_precipitation``, ``driest_month_precipitation`` (mm)
        over the grid's dimensions. Attributes say how they were made.

    Raises
    ------
    CubeError
        If variables, units or coordinates are missing, or a method does not fit.

    Notes
    -----
    From months: degree days of daily values on straight lines between the middles of months.
    From BIO variables (ours): temperature as a cosine over the year through BIO1 and the quarters
    BIO10 and BIO11 (or BIO4); winter's precipitation as (BIO12 + BIO19 - BIO18) / 2. Monthly
    climate is better where it is at hand: BIO6 is the lowest temperature of the coldest month,
    not its mean, and is not used.

    Examples
    --------
    >>> lat, lon = [50.5, 51.5], [6.5, 7.5]
    >>> months = np.arange(1, 13)
    >>> warmth = 10 - 8 * np.cos(2 * np.pi * (months - 1) / 12)
    >>> space = xr.DataArray(np.zeros((2, 2)), {"lat": lat, "lon": lon}, ("lat", "lon"))
    >>> tas = xr.DataArray(warmth, {"month": months}, "month") + space
    >>> climate = xr.Dataset({"tas": tas, "pr": 0 * tas + 60})
    >>> climate["tas"].attrs["units"], climate["pr"].attrs["units"] = "degC", "mm/month"
    >>> from lulc_xr import lonlat_grid
    >>> cells = cell_climate(climate, lonlat_grid(6.0, 50.0, 8.0, 52.0, step=2.0))
    >>> cells["growing_degree_days"].values.round()
    array([[2025.]])
    """
    for given, known, what in ((method, _METHODS, "method"), (on_missing, _MISSING, "on_missing")):
        if given not in known:
            raise CubeError(name_unknown(what, given, known))
    stacked, how = stacked_climate(climate)
    target = _Cells.of(grid)
    if set(stacked.dims) == {VARIABLE, *target.dims} and _same_axes(stacked, target):
        made, way = stacked, "given on the cells"
    else:
        made, way = _brought(ClimatePlaces.of(climate, stacked), stacked, target, method)
    made = made.transpose(VARIABLE, *target.dims)
    if on_missing == "nearest":
        made = fill(made, *target.centres(), dims=target.dims)
    return _described(made, target, f"{how}; {way}", on_missing)


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """Cells that climate is brought to: their coordinates, and their grid if it was given."""

    coordinates: xr.Dataset
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    given: TargetGrid | None = None

    @classmethod
    def of(cls, grid: Any) -> _Cells:
        if isinstance(grid, xr.Dataset) and "fraction" in grid:
            # Fractions carry the coordinates of their cells, bounds or not.
            array = grid["fraction"]
            dims = tuple(str(d) for d in array.dims if d not in ("class", "year"))
            mapping = array.encoding.get("grid_mapping") or array.attrs.get("grid_mapping")
            kept = {n: v for n, v in grid.coords.items() if not {"class", "year"} & set(v.dims)}
            bare = xr.Dataset(coords=kept, attrs={"grid_mapping": mapping} if mapping else {})
            return cls(
                coordinates=bare,
                dims=dims,
                shape=tuple(array.sizes[d] for d in dims),
            )
        known = as_grid(grid)
        return cls(coordinates=known.coordinates(), dims=known.dims, shape=known.shape, given=known)

    def grid(self) -> TargetGrid | None:
        """The grid, or None where coordinates do not describe one (no bounds, regions)."""
        if self.given is not None:
            return self.given
        try:
            return as_grid(self.coordinates)
        except CubeError:
            return None

    def centres(self) -> tuple[Floats, Floats]:
        """Longitude and latitude of the centres in degrees, each of shape (cell,)."""
        found = places(self.coordinates, self.dims)
        whole = xr.DataArray(np.zeros(self.shape), dims=self.dims)
        lon, lat = (
            (whole + part.drop_vars(list(part.coords))).transpose(*self.dims) for part in found
        )
        return lon.to_numpy().ravel(), lat.to_numpy().ravel()


def _same_axes(stacked: xr.DataArray, target: _Cells) -> bool:
    """Whether climate lies on the cells: equal sizes and, where both have them, coordinates."""
    for dim, size in zip(target.dims, target.shape, strict=True):
        if stacked.sizes[dim] != size:
            return False
        if dim in stacked.coords and dim in target.coordinates.coords:
            ours, theirs = (v[dim].values for v in (target.coordinates, stacked))
            numbers = ours.dtype.kind in "fiu" and theirs.dtype.kind in "fiu"
            if not (np.allclose(ours, theirs) if numbers else (ours == theirs).all()):
                return False
    return True


def _brought(
    given: ClimatePlaces, stacked: xr.DataArray, target: _Cells, method: Method
) -> tuple[xr.DataArray, str]:
    """Climate on the cells, and a word on how it came there."""
    chosen = method
    grid = target.grid() if method in ("auto", "mean") else None
    if method == "auto":
        fine = grid is not None and given.width() <= _FINE * grid.width()
        chosen = "mean" if fine else "bilinear" if given.axes is not None else "nearest"
    carrier: Carrier
    if chosen == "mean":
        if grid is None:
            raise CubeError(
                "method='mean' needs cells with bounds to know which places lie in them. Give a "
                "grid (lulc_xr.as_grid), or choose 'bilinear' or 'nearest'."
            )
        carrier = Mean(cells=grid.locate(*given.degrees()), shape=target.shape)
        way = "mean of the places in each cell"
    elif chosen == "nearest":
        carrier = Taken.nearest(given.degrees(), target.centres(), shape=target.shape)
        way = "of the nearest place to each centre"
    else:
        rows, columns = given.positions(*target.centres())
        carrier = Between(rows=rows, columns=columns, shape=target.shape)
        way = "bilinear at the centre of each cell"
    return carry(stacked, given.dims, carrier, target.dims), way


def _described(made: xr.DataArray, target: _Cells, how: str, on_missing: Missing) -> xr.Dataset:
    """The six variables with attributes written anew and the coordinates of the cells."""
    bare = made.drop_vars(list(made.coords))
    mapping = target.coordinates.attrs.get("grid_mapping")
    variables = {
        name: bare.isel({VARIABLE: number}).assign_attrs(
            {"units": units, "long_name": words} | ({"grid_mapping": mapping} if mapping else {})
        )
        for number, (name, (units, words)) in enumerate(PLANT_CLIMATE.items())
    }
    filled = "; cells without climate take that of the nearest cell" * (on_missing == "nearest")
    attrs = {"Conventions": "CF-1.10", "source": f"{how}{filled}"}
    return xr.Dataset(variables, coords=target.coordinates.coords, attrs=attrs)
