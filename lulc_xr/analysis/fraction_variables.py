"""Fractions as CF variables on a grid: names, dimensions, attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.legend import Legend
from lulc_xr.core.target_grid import TargetGrid

COVERED = 1e-6
"""Share of a cell by which sums may be off: a cell that lacks no more is covered (DESIGN 3.9)."""

_SHARE = {"units": "1", "valid_min": 0.0, "valid_max": 1.0}
_COVERAGE = {
    "long_name": "whether maps cover the cell",
    "flag_values": np.array([0, 1, 2], np.uint8),
    "flag_meanings": "outside partly_covered covered",
}


def describe(
    sums: Mapping[str, Any],
    grid: TargetGrid,
    *,
    legend: Legend,
    years: Sequence[int],
    task: str,
) -> xr.Dataset:
    """The dataset of fractions.

    Parameters
    ----------
    sums : mapping of str
        In square metres: "extent" (1, cells); of each year "classes", and where there are
        "probability", "members" (class, cells), "entropy" (2, cells) and "each" (members times
        class, cells).
    grid : TargetGrid
        The cells.
    legend : Legend
        The classes.
    years : sequence of int
        The years.
    task : str
        The task, for words.
    """
    words = task.replace("_", " ")
    area = xr.DataArray(grid.areas().reshape(grid.shape), dims=grid.dims)
    lazy_area = area.chunk()
    by_class = ("class", "year", *grid.dims)
    made: dict[str, xr.DataArray] = {}
    made["fraction"] = _stack(sums["classes"], by_class) / lazy_area
    mapped = made["fraction"].sum("class")
    made["unmapped_fraction"] = (1 - mapped).clip(min=0)
    if "probability" in sums:
        made["expected_fraction"] = _stack(sums["probability"], by_class) / lazy_area
    if "entropy" in sums:
        both = _stack(sums["entropy"], ("part", "year", *grid.dims))
        weight = both.isel(part=1)
        made["mean_entropy"] = both.isel(part=0) / weight.where(weight > 0)
    if "members" in sums:
        error = _stack(sums["members"], by_class) / lazy_area
        made["fraction_standard_error"] = error.where(mapped > 0)
    if "each" in sums:
        shares = _stack(sums["each"], by_class) / lazy_area
        shares = shares.coarsen({"class": len(legend)}).construct({"class": ("member", "class")})
        made["member_fraction"] = shares
        made["fraction_standard_error"] = between_members(shares, mapped)
    covered = xr.DataArray(sums["extent"][0], dims=grid.dims) / lazy_area
    made["covered_fraction"] = covered.clip(max=1)
    made["cell_coverage"] = coverage_flags(covered)
    made["cell_area"] = area
    return _dataset(made, grid, legend=legend, years=years, words=words)


def coverage_flags(covered: xr.DataArray) -> xr.DataArray:
    """0 where maps do not meet the cell, 1 where they cover a part, 2 where all of it."""
    flags = (covered > 0).astype(np.uint8) + (covered >= 1 - COVERED).astype(np.uint8)
    return flags.astype(np.uint8)


def between_members(shares: xr.DataArray, mapped: xr.DataArray) -> xr.DataArray:
    """Standard deviation (n - 1) of shares between members; NaN where nothing is mapped."""
    return shares.std("member", ddof=1).where(mapped > 0)


def attributes(words: str, legend: Legend) -> dict[str, dict[str, Any]]:
    """Attributes of each variable of fractions, for the task in words."""
    return {
        "fraction": {
            **_SHARE,
            "long_name": f"share of the cell in each class of {words}",
            "comment": "counted: a pixel belongs to its class; shares of the whole cell, never "
            "scaled up to what is mapped",
            "ancillary_variables": "unmapped_fraction cell_coverage",
        },
        "unmapped_fraction": {
            **_SHARE,
            "long_name": f"share of the cell without {words}",
            "comment": "outside the maps, or not seen; with fraction it adds up to 1",
        },
        "expected_fraction": {
            **_SHARE,
            "long_name": f"expected share of the cell in each class of {words}",
            "comment": "sum of the probabilities of the pixels, over the area of the cell",
        },
        "mean_entropy": {
            "units": "1",
            "long_name": f"mean Shannon entropy of {words} probabilities",
            "comment": "natural logarithm (nats); over the mapped part of the cell",
            "valid_min": 0.0,
            "valid_max": float(np.log(len(legend))),
        },
        "fraction_standard_error": {
            "units": "1",
            "valid_min": 0.0,
            "long_name": f"standard error of the share in each class of {words}",
            "comment": "standard deviation (n - 1) between members of the model: what they "
            "disagree about; an error that all of them share does not show",
        },
        "member_fraction": {
            **_SHARE,
            "long_name": f"share of the cell in each class of {words}, by each member",
        },
        "covered_fraction": {
            **_SHARE,
            "long_name": "share of the cell inside the extents of the maps",
        },
        "cell_coverage": dict(_COVERAGE),
        "cell_area": {
            "units": "m2",
            "standard_name": "cell_area",
            "long_name": "area of the cell on the ellipsoid WGS 84",
        },
    }


def _dataset(
    made: Mapping[str, xr.DataArray],
    grid: TargetGrid,
    *,
    legend: Legend,
    years: Sequence[int],
    words: str,
) -> xr.Dataset:
    coordinates = grid.coordinates()
    mapping = coordinates.attrs.get("grid_mapping")
    attrs = attributes(words, legend)
    classes = ("class", np.array(legend.ids, np.uint8))
    result = xr.Dataset(
        {name: v.variable for name, v in made.items()},
        coords={
            **coordinates.coords,
            "class": np.array(legend.names, np.dtypes.StringDType()),
            "class_id": (*classes, {"long_name": f"class of {words}", **legend.flags()}),
            "year": ("year", np.array(years, np.int64), {"long_name": "mapped year"}),
        },
    )
    for name in made:
        result[name].attrs = dict(attrs[name])
        if mapping:
            result[name].encoding["grid_mapping"] = mapping
    result.attrs = {
        "Conventions": "CF-1.10",
        "title": f"fractions of {words} on {grid.name}",
        "grid": grid.name,
        "legend": legend.name,
        "history": "lulc_xr.fractions",
    }
    return result


def _stack(each: Sequence[Any], dims: tuple[str, ...]) -> xr.DataArray:
    """Arrays (class, cells) of years as (class, year, cells)."""
    arrays = [xr.DataArray(a, dims=(dims[0], *dims[2:])) for a in each]
    return xr.concat(arrays, "year").transpose(*dims)
