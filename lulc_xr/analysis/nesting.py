"""Fractions on a fine lattice summed up to a coarse one that its cells nest in."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.fraction_variables import between_members, coverage_flags
from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.core.errors import CubeError, GridWarning, warn_caller
from lulc_xr.core.lattice import Lattice
from lulc_xr.core.lattice_grid import LatticeGrid
from lulc_xr.core.target_grid import TargetGrid, describe

# Share of a coarse cell that edges may be apart by, for coordinates stored as float32: ours.
NESTS = 1e-4

# Variables that are no shares, and what they are summed up with.
_NEEDS = {
    "mean_entropy": "unmapped_fraction",
    "cell_coverage": "covered_fraction",
    "fraction_standard_error": "unmapped_fraction",
}


def aggregate_fractions(
    fractions: xr.Dataset, grid: str | PathLike[str] | TargetGrid | xr.Dataset
) -> xr.Dataset:
    """Fractions on a coarse lattice from those on a finer one, weighted by area, lazily.

    Cells of the fine lattice must nest in those of the coarse one, as 4 x 4 cells of EUR-0275 do
    in EUR-11. Shares of what the fine lattice leaves out of a coarse cell are unmapped.

    Parameters
    ----------
    fractions : xr.Dataset
        As :func:`lulc_xr.fractions` or :func:`lulc_xr.plant_functional_types` makes them, on a
        lattice. Variables named `fraction` or `..._fraction` are shares of the cell's area.
    grid : str, TargetGrid, path or xr.Dataset
        The coarse lattice, as :func:`lulc_xr.as_grid` takes it.

    Returns
    -------
    xr.Dataset
        The same variables on `grid`; `mean_entropy` is weighted by the mapped area. The standard
        error is made again from `member_fraction`; without that it is left out, with a warning,
        since how errors of neighbours go together is not known.

    Raises
    ------
    CubeError
        If a grid is no lattice, the cells do not nest, or a variable is none of these.
    """
    coarse = _lattice(as_grid(grid), "the coarse grid")
    fine = _fine_lattice(fractions)
    rows, columns = nest(fine, coarse)
    kept = _check_variables(fractions, fine)
    sums = _Sums(fine=fine, coarse=coarse, rows=rows, columns=columns)
    covered = sums.of(xr.DataArray(np.ones(fine.shape), dims=fine.dims))
    made: dict[Hashable, xr.DataArray] = {}
    for name in kept:
        values = fractions[name]
        if str(name).endswith("fraction"):
            found = sums.of(values)
            if name == "unmapped_fraction":
                found = found + (1 - covered).clip(0)
        elif name == "mean_entropy":
            mapped = 1 - fractions["unmapped_fraction"]
            part = sums.of(mapped)
            found = sums.of((values * mapped).where(mapped > 0, 0)) / part.where(part > 0)
        elif name == "cell_coverage":
            found = coverage_flags(sums.of(fractions["covered_fraction"]))
        elif name == "fraction_standard_error":
            mapped = sums.of(1 - fractions["unmapped_fraction"])
            found = between_members(sums.of(fractions["member_fraction"]), mapped)
        else:
            found = xr.DataArray(coarse.areas().reshape(coarse.shape), dims=coarse.dims)
        made[name] = found.transpose(*_renamed(values.dims, fine, coarse)).astype(values.dtype)
    return _finished(fractions, made, fine=fine, coarse=coarse)


def nest(fine: Lattice, coarse: Lattice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the coarse lattice that each row and column of the fine one lies in.

    Returns
    -------
    tuple of ndarray of int64
        Shapes (ny,) and (nx,) of the fine lattice; -1 outside the coarse one.

    Raises
    ------
    CubeError
        If the poles differ, or an edge of a coarse cell cuts a fine one.
    """
    same = fine.pole == coarse.pole or (
        fine.pole is not None
        and coarse.pole is not None
        and np.allclose(fine.pole, coarse.pole, rtol=0, atol=1e-9)
    )
    if not same:
        raise CubeError(
            f"{fine.name!r} has its north pole at {fine.pole}, {coarse.name!r} at {coarse.pole}: "
            f"cells don't nest. Make fractions of the map on {coarse.name!r} itself."
        )
    found = []
    for what, edges, position, size in (
        ("latitude", fine.y_edges, coarse.rows_of, coarse.ny),
        ("longitude", fine.x_edges, coarse.columns_of, coarse.nx),
    ):
        # A little inside of both edges: in the same coarse cell, or outside both.
        inner = NESTS * np.diff(edges)
        wide = np.abs(np.diff(edges)).max()
        first, last = (position(each) for each in (edges[:-1] + inner, edges[1:] - inner))
        own = np.floor(position((edges[:-1] + edges[1:]) / 2))
        inside = (own >= 0) & (own < size)
        outside = [(each < 0) | (each >= size) for each in (first, last)]
        cut = np.where(
            inside, (np.floor(first) != own) | (np.floor(last) != own), ~(outside[0] & outside[1])
        )
        if cut.any():
            at = int(np.flatnonzero(cut)[0])
            raise CubeError(
                f"cells of {fine.name!r} ({wide:g} degrees) don't nest in {coarse.name!r}: that "
                f"from {edges[at]:g} to {edges[at + 1]:g} degrees of {what} is cut by an edge. "
                f"Make fractions of the map on {coarse.name!r} itself."
            )
        found.append(np.where(inside, own, -1).astype(np.int64))
    return found[0], found[1]


class _Sums:
    """Area-weighted sums of a fine lattice's cells in a coarse one's, as shares of these."""

    def __init__(
        self, *, fine: Lattice, coarse: Lattice, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> None:
        self.fine, self.coarse = fine, coarse
        self.rows, self.columns = rows, columns
        self.weights = fine.areas().reshape(fine.shape)
        self.areas = coarse.areas().reshape(coarse.shape)

    def of(self, values: xr.DataArray) -> xr.DataArray:
        """Shares of coarse cells from shares of fine ones (..., y, x)."""
        names = [f"coarse_{dim}" for dim in self.coarse.dims]
        found = xr.apply_ufunc(
            self._summed,
            values.drop_vars([name for name in values.coords if name in self.fine.dims])
            .reset_coords(drop=True),
            input_core_dims=[list(self.fine.dims)],
            output_core_dims=[names],
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={
                "allow_rechunk": True,
                "output_sizes": dict(zip(names, self.coarse.shape, strict=True)),
            },
        )  # fmt: skip
        renamed: xr.DataArray = found.rename(dict(zip(names, self.coarse.dims, strict=True)))
        return renamed

    def _summed(self, values: NDArray[Any]) -> NDArray[np.float64]:
        found = values * self.weights
        for axis, owners in ((-1, self.columns), (-2, self.rows)):
            found = _summed_along(found, owners, axis=axis, size=self.coarse.shape[axis])
        shares: NDArray[np.float64] = found / self.areas
        return shares


def _summed_along(
    values: NDArray[np.float64], owners: NDArray[np.int64], *, axis: int, size: int
) -> NDArray[np.float64]:
    """Sums of neighbours along an axis that have the same owner; 0 where an owner has none."""
    values = np.moveaxis(values, axis, 0)
    made = np.zeros((size, *values.shape[1:]))
    starts = np.flatnonzero(np.diff(owners, prepend=-2))
    inside = owners[starts] >= 0
    # An owner's cells follow each other, but for one that the lattice begins and ends in.
    np.add.at(made, owners[starts][inside], np.add.reduceat(values, starts, axis=0)[inside])
    return np.moveaxis(made, 0, axis)


def _lattice(grid: TargetGrid, what: str) -> Lattice:
    if not isinstance(grid, Lattice):
        raise CubeError(
            f"{what} {grid.name!r} is no lattice of longitude and latitude "
            f"({describe(grid.dims, grid.shape)}): cells nest in lattices only."
        )
    return grid


def _fine_lattice(fractions: xr.Dataset) -> Lattice:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fine = _lattice(as_grid(fractions, name="fractions"), "the fractions' grid")
    # Picking variables of a Dataset drops the bounds; an even lattice has no other edges.
    if said and not isinstance(fine, LatticeGrid):
        raise CubeError(
            f"the fractions' grid has uneven steps, and {said[0].message} Keep the bounds beside "
            "the variables: drop variables instead of picking some."
        )
    return fine


def _check_variables(fractions: xr.Dataset, fine: Lattice) -> list[Hashable]:
    """Variables to sum up."""
    kept: list[Hashable] = []
    for name, values in fractions.data_vars.items():
        if not set(fine.dims) <= set(values.dims):
            raise CubeError(f"{name!r} does not lie on {describe(fine.dims, fine.shape)} cells.")
        if name == "fraction_standard_error" and "member_fraction" not in fractions:
            warn_caller(
                f"{name!r} was left out: how errors of neighbouring cells go together is not "
                "known. Make the fractions with members='each', or on the coarse grid itself.",
                GridWarning,
            )
            continue
        if not (str(name).endswith("fraction") or name in ("cell_area", *_NEEDS)):
            raise CubeError(
                f"{name!r} is neither a share of the cell's area (its name would end with "
                f"'fraction') nor one of {', '.join(_NEEDS)}, cell_area. Drop it first."
            )
        if _NEEDS.get(str(name), name) not in fractions:
            raise CubeError(f"{name!r} can't be summed up without {_NEEDS[str(name)]!r}.")
        kept.append(name)
    return kept


def _renamed(dims: tuple[Hashable, ...], fine: Lattice, coarse: Lattice) -> list[Hashable]:
    other: dict[Hashable, str] = dict(zip(fine.dims, coarse.dims, strict=True))
    return [other.get(dim, dim) for dim in dims]


def _finished(
    fractions: xr.Dataset, made: dict[Hashable, xr.DataArray], *, fine: Lattice, coarse: Lattice
) -> xr.Dataset:
    """The Dataset with coordinates of the coarse lattice and what else the fine one had."""
    places = coarse.coordinates()
    mappings = {
        where.get("grid_mapping")
        for each in fractions.data_vars.values()
        for where in (each.attrs, each.encoding)
    }
    other = {
        name: each
        for name, each in fractions.coords.items()
        if not set(fine.dims) & set(each.dims)
        and name not in mappings
        and name not in places.variables
    }
    mapping = places.attrs["grid_mapping"]
    for name, values in made.items():
        attrs = fractions[name].attrs
        values.attrs = dict(attrs)
        # Where the fractions name it: as made (to be encoded), or as read without decoding it.
        (values.attrs if "grid_mapping" in attrs else values.encoding)["grid_mapping"] = mapping
    said = f"summed up to {coarse.name} by lulc_xr.aggregate_fractions"
    attrs = dict(fractions.attrs)
    attrs["history"] = "\n".join(filter(None, [str(attrs.get("history", "")), said]))
    if "grid" in attrs and "title" in attrs:
        attrs["title"] = str(attrs["title"]).replace(str(attrs["grid"]), coarse.name)
    if "grid" in attrs:
        attrs["grid"] = coarse.name
    return xr.Dataset(made, coords={**places.coords, **other}, attrs=attrs)
