"""Plant types on a grid, read for the writers of land-model files and held to what they must be."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.clm import CROPS, LANDUNITS, NATURAL_PFTS
from lulc_xr.core.errors import CubeError, name_unknown

_NAMES = ("landunit_fraction", "natural_pft_fraction", "cft_fraction")
_OUTSIDE = ("ocean_fraction", "ignored_fraction", "unmapped_fraction")
_LEADING = ("landunit", "natpft", "cft", "year")
_SUMS = 1e-5
_MADE_BY = "Give what lulc_xr.plant_functional_types made."


@dataclass(frozen=True, kw_only=True)
class PlantShares:
    """Shares of the cells' area of one year: (type, cell) and (cell,), cells flat in C order."""

    natural: NDArray[np.float64]
    crops: NDArray[np.float64]
    crop_ids: tuple[int, ...]
    units: NDArray[np.float64]
    ocean: NDArray[np.float64]
    ignored: NDArray[np.float64]
    unmapped: NDArray[np.float64]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    year: int
    coordinates: xr.Dataset


def check_plant_types(plant_types: xr.Dataset) -> None:
    """Raise unless the data set has the variables and coordinates of plant types."""
    lacking = [n for n in (*_NAMES, *_OUTSIDE) if n not in plant_types.data_vars]
    if lacking:
        raise CubeError(f"the data set lacks {', '.join(lacking)}. {_MADE_BY}")
    for dim, known in (("landunit", LANDUNITS), ("natpft", NATURAL_PFTS)):
        names = [str(n) for n in plant_types[dim].values]
        if sorted(names) != sorted(known):
            raise CubeError(f"{dim!r} is {names}; expected {list(known)}. {_MADE_BY}")
    unknown = [i for i in crop_ids(plant_types) if i not in CROPS]
    if unknown:
        raise CubeError(f"'cft_id' holds {unknown}; CLM5 numbers crops 15 to 78. {_MADE_BY}")


def crop_ids(plant_types: xr.Dataset) -> tuple[int, ...]:
    """Numbers of the crops in the order of `cft`."""
    return tuple(int(i) for i in np.atleast_1d(plant_types["cft_id"].values))


def grid_dims(plant_types: xr.Dataset) -> tuple[str, ...]:
    """Dimensions of the grid of cells."""
    dims: tuple[Hashable, ...] = plant_types["landunit_fraction"].dims
    return tuple(str(d) for d in dims if d not in _LEADING)


def grid_coordinates(plant_types: xr.Dataset) -> xr.Dataset:
    """Coordinates of the grid alone: with bounds and grid mapping, without types and years."""
    cells = set(grid_dims(plant_types))
    bounds = {str(c.attrs.get("bounds", c.encoding.get("bounds"))) for c in _coords(plant_types)}
    mapping = _grid_mapping(plant_types)
    kept = [
        name
        for name, found in plant_types.coords.items()
        if name == mapping or name in bounds or (found.dims and set(found.dims) <= cells)
    ]
    made = xr.Dataset(coords={name: _bare(plant_types[name].variable) for name in kept})
    made.attrs = {"grid_mapping": mapping} if mapping in made.coords else {}
    return made


def _bare(variable: xr.Variable) -> xr.Variable:
    """A coordinate without what a file that it was read from has in its encoding."""
    bounds = {k: v for k, v in variable.encoding.items() if k == "bounds"}
    return xr.Variable(variable.dims, variable.values, {**variable.attrs, **bounds})


def _coords(plant_types: xr.Dataset) -> list[xr.DataArray]:
    return list(plant_types.coords.values())


def _grid_mapping(plant_types: xr.Dataset) -> str:
    for name in _NAMES:
        found = plant_types[name]
        if "grid_mapping" in found.attrs or "grid_mapping" in found.encoding:
            return str(found.attrs.get("grid_mapping", found.encoding.get("grid_mapping")))
    # Arithmetic drops what variables say of it.
    scalars = (n for n, c in plant_types.coords.items() if "grid_mapping_name" in c.attrs)
    return str(plant_types.attrs.get("grid_mapping", next(scalars, "")))


def years_of(plant_types: xr.Dataset) -> tuple[int, ...]:
    """Years of the plant types."""
    if "year" not in plant_types.coords:
        raise CubeError(f"the plant types have no coordinate 'year'. {_MADE_BY}")
    return tuple(int(y) for y in np.atleast_1d(plant_types["year"].values))


def choose_year(plant_types: xr.Dataset, year: int | None) -> int:
    """The year to write: the one there is, or the one asked for.

    Raises
    ------
    CubeError
        If there are several and none is asked for, or not the one asked for.
    """
    years = years_of(plant_types)
    if year is None:
        if len(years) == 1:
            return years[0]
        raise CubeError(
            f"the plant types have years {', '.join(map(str, years))} and a file holds one: choose "
            "it with year=. lulc_xr.export_clm_landuse writes a series."
        )
    if int(year) not in years:
        raise CubeError(name_unknown("year", year, map(str, years)))
    return int(year)


def plant_shares(plant_types: xr.Dataset, year: int | None) -> PlantShares:
    """Shares of one year in memory, after checks of their sums.

    Raises
    ------
    CubeError
        If the form, the year or the sums aren't right.
    """
    check_plant_types(plant_types)
    chosen = choose_year(plant_types, year)
    dims = grid_dims(plant_types)
    one = plant_types[[*_NAMES, *_OUTSIDE]]
    if "year" in one.dims:
        one = one.sel(year=chosen)
    one = one.compute()

    def cells(name: str, leading: str | None, order: tuple[str, ...] = ()) -> NDArray[np.float64]:
        array = one[name]
        if leading is not None and order:
            names = [str(n) for n in one[leading].values]
            array = array.isel({leading: [names.index(n) for n in order]})
        array = array.transpose(*([leading] if leading else []), *dims)
        values = np.array(array.values, np.float64)
        return values.reshape(*values.shape[: 1 if leading else 0], -1)

    found = PlantShares(
        natural=cells("natural_pft_fraction", "natpft", NATURAL_PFTS),
        crops=cells("cft_fraction", "cft"),
        crop_ids=crop_ids(plant_types),
        units=cells("landunit_fraction", "landunit", LANDUNITS),
        ocean=cells("ocean_fraction", None),
        ignored=cells("ignored_fraction", None),
        unmapped=cells("unmapped_fraction", None),
        dims=dims,
        shape=tuple(one.sizes[d] for d in dims),
        year=chosen,
        coordinates=grid_coordinates(plant_types),
    )
    _check_sums(found)
    return found


def _check_sums(found: PlantShares) -> None:
    """Raise where shares are no shares; what rounding left below 0 becomes 0."""
    outside = found.ocean + found.ignored + found.unmapped
    for what, one, other in (
        ("land units, ocean, ignored and unmapped shares", found.units.sum(axis=0) + outside, 1.0),
        ("natural plant types", found.natural.sum(axis=0), found.units[0]),
        ("crops", found.crops.sum(axis=0), found.units[1]),
    ):
        apart = np.abs(one - other)
        # Not "any above": NaN is no share either.
        wrong = ~(apart <= _SUMS)
        if wrong.any():
            largest = "NaN" if np.isnan(apart).any() else f"{apart.max():g}"
            raise CubeError(
                f"{what} are {largest} away from their sum in {int(wrong.sum())} cells (the first "
                f"are {np.flatnonzero(wrong)[:5].tolist()}). {_MADE_BY}"
            )
    for shares in (found.natural, found.crops, found.units, found.ocean, found.ignored):
        if shares.min(initial=0) < -_SUMS:
            raise CubeError(f"a share is {shares.min():g}, below 0. {_MADE_BY}")
        np.maximum(shares, 0, out=shares)
    np.maximum(found.unmapped, 0, out=found.unmapped)
    # The two sums differ by rounding; types decide, so that files agree with themselves.
    found.units[0], found.units[1] = found.natural.sum(axis=0), found.crops.sum(axis=0)
