"""Fractions of maps that lie apart, added up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.analysis.extents import Extent
from lulc_xr.analysis.fraction_sources import pairs_that_meet, size_of_overlap
from lulc_xr.analysis.fraction_variables import between_members, coverage_flags
from lulc_xr.core.errors import CubeError
from lulc_xr.core.legend import Legend

SOURCES = "lulc_xr:sources"

_ADDED = ("fraction", "expected_fraction", "member_fraction")
_BOUND = (
    "standard deviation (n - 1) between members of the model; in cells that several of the added "
    "maps share, the sum of theirs, which it cannot exceed"
)


def add_fractions(first: xr.Dataset, *others: xr.Dataset) -> xr.Dataset:
    """Fractions of several results on one grid as one, lazily.

    What :func:`lulc_xr.fractions` makes of maps that lie apart adds up, since shares are of the
    whole cell: a continent in many stores gives one grid, and one more store is only added.

    Parameters
    ----------
    first, *others : xr.Dataset
        Results of :func:`lulc_xr.fractions`, or read back from files, on the same grid and with
        the same legend. A year that one of them lacks is unmapped there.

    Returns
    -------
    xr.Dataset
        As :func:`lulc_xr.fractions` of all maps gives it (within 1e-12). Only
        ``fraction_standard_error`` of cells that several results share is an upper bound, unless
        they have ``member_fraction`` (``members="each"``), which make it exact.

    Raises
    ------
    CubeError
        If grids, legends or variables differ, a store comes twice, or maps overlap.

    Examples
    --------
    >>> whole = add_fractions(west, east)  # doctest: +SKIP
    """
    every = [first, *others]
    for number, other in enumerate(every):
        _check_fractions(other, number)
    for number, other in enumerate(others, start=1):
        _check_same(first, other, number)
    records = _check_apart(every)
    years = sorted({int(y) for f in every for y in f["year"].values})
    aligned = [_with_years(f, years) for f in every]
    made = _added(aligned)
    result = aligned[0].assign({name: v.variable for name, v in made.items()})
    for name, variable in first.data_vars.items():
        result[name].attrs = dict(variable.attrs)
        result[name].encoding = {
            k: v for k, v in variable.encoding.items() if k in ("grid_mapping", "dtype")
        }
    if "fraction_standard_error" in result and "member_fraction" not in result:
        result["fraction_standard_error"].attrs["comment"] = _BOUND
    result.attrs = dict(first.attrs) | {
        SOURCES: json.dumps(records),
        "history": "lulc_xr.add_fractions",
    }
    return result


def _added(parts: Sequence[xr.Dataset]) -> dict[str, xr.DataArray]:
    made: dict[str, xr.DataArray] = {}
    for name in _ADDED:
        if name in parts[0]:
            made[name] = _sum([p[name] for p in parts])
    mapped = [p["fraction"].sum("class") for p in parts]
    total = _sum(mapped)
    made["unmapped_fraction"] = (1 - total).clip(min=0)
    if "mean_entropy" in parts[0]:
        weighted = [p["mean_entropy"].fillna(0) * m for p, m in zip(parts, mapped, strict=True)]
        made["mean_entropy"] = _sum(weighted) / total.where(total > 0)
    if "member_fraction" in made:
        made["fraction_standard_error"] = between_members(made["member_fraction"], total)
    elif "fraction_standard_error" in parts[0]:
        errors = _sum([p["fraction_standard_error"].fillna(0) for p in parts])
        made["fraction_standard_error"] = errors.where(total > 0)
    covered = _sum([p["covered_fraction"] for p in parts])
    made["covered_fraction"] = covered.clip(max=1)
    made["cell_coverage"] = coverage_flags(covered)
    return {name: v.transpose(*parts[0][name].dims) for name, v in made.items() if name in parts[0]}


def _sum(arrays: Sequence[xr.DataArray]) -> xr.DataArray:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total


def _with_years(fractions: xr.Dataset, years: Sequence[int]) -> xr.Dataset:
    if [int(y) for y in fractions["year"].values] == list(years):
        return fractions
    names = [str(n) for n, v in fractions.data_vars.items() if "year" in v.dims]
    fill = {n: 0.0 if n in _ADDED else 1.0 if n == "unmapped_fraction" else np.nan for n in names}
    moved = fractions[names].reindex(year=list(years), fill_value=fill)
    kept = fractions.drop_vars([*names, "year"])
    return kept.assign_coords(year=moved["year"]).assign({n: moved[n] for n in names})


def _check_fractions(given: xr.Dataset, number: int) -> None:
    needed = ("fraction", "unmapped_fraction", "covered_fraction", "cell_coverage")
    lacking = [n for n in needed if n not in given]
    if lacking or SOURCES not in given.attrs:
        raise CubeError(
            f"dataset {number + 1} is no result of lulc_xr.fractions: it lacks "
            f"{', '.join(lacking) or f'the attribute {SOURCES!r}'}. Add what fractions gave, with "
            "its attributes."
        )


def _check_same(first: xr.Dataset, other: xr.Dataset, number: int) -> None:
    legends = [Legend.from_flags(f["class_id"].attrs) for f in (first, other)]
    if legends[0] != legends[1]:
        raise CubeError(
            f"legends differ: {legends[0].name!r} with {', '.join(legends[0].names)}; "
            f"dataset {number + 1} has {legends[1].name!r} with {', '.join(legends[1].names)}. "
            "Bring the maps to one legend with a crosswalk."
        )
    names = [set(map(str, f.data_vars)) for f in (first, other)]
    if names[0] != names[1]:
        differ = ", ".join(sorted(names[0] ^ names[1]))
        raise CubeError(
            f"datasets 1 and {number + 1} do not both have {differ}. Make both with the same "
            "settings, or drop what one lacks with .drop_vars(...)."
        )
    same = first["cell_coverage"].dims == other["cell_coverage"].dims and all(
        _alike(first[name], other[name]) for name in _places(first)
    )
    if not same:
        raise CubeError(
            f"grids differ: {_grid(first)}; dataset {number + 1} is on {_grid(other)}. Make "
            "fractions of both maps on one grid."
        )


def _places(fractions: xr.Dataset) -> list[str]:
    """Coordinates of the grid, and the areas of its cells."""
    dims = set(fractions["cell_coverage"].dims)
    along = [str(n) for n, v in fractions.coords.items() if set(v.dims) & dims]
    return [*along, "cell_area"] if "cell_area" in fractions else along


def _alike(first: xr.DataArray, other: xr.DataArray) -> bool:
    if first.sizes != other.sizes:
        return False
    if first.chunks is not None or other.chunks is not None:
        # Nothing is read for this; coordinates of dimensions are always there.
        return True
    if first.dtype.kind != "f":
        return bool((first.values == other.values).all())
    return bool(np.allclose(first.values, other.values, rtol=1e-9, atol=1e-9, equal_nan=True))


def _grid(fractions: xr.Dataset) -> str:
    coverage = fractions["cell_coverage"]
    shape = " x ".join(f"{n} {d}" for d, n in coverage.sizes.items())
    return f"{fractions.attrs.get('grid', 'a grid')!r} of {shape}"


def _check_apart(every: Sequence[xr.Dataset]) -> list[dict[str, Any]]:
    """Records of all sources, after a check that none of them counts twice."""
    each = [json.loads(f.attrs[SOURCES]) for f in every]
    for (i, a), (j, b) in combinations(enumerate(each), 2):
        stores = {s["store"] for s in a if s["store"]} & {s["store"] for s in b}
        if stores:
            raise CubeError(
                f"datasets {i + 1} and {j + 1} both hold {sorted(stores)[0]!r}, which would count "
                "twice. Leave one of them out."
            )
    records = [s for own in each for s in own]
    owners = [n for n, own in enumerate(each) for _ in own]
    if any("crs" not in s for s in records):
        raise CubeError(
            f"a source in {SOURCES!r} does not say where it lies. Add what lulc_xr.fractions made "
            "of maps."
        )
    extents = [Extent.from_dict(s) for s in records]
    for i, j in pairs_that_meet(extents):
        if owners[i] != owners[j]:
            a, b = (records[n]["store"] or "a map without a path" for n in (i, j))
            raise CubeError(
                f"{a!r} of dataset {owners[i] + 1} and {b!r} of dataset {owners[j] + 1} overlap: "
                f"{size_of_overlap(extents[i], extents[j])}. Their sum would count these twice: "
                "make fractions of all maps in one call with overlap='first' or 'last'; results "
                "of other years go together with xr.concat([...], dim='year')."
            )
    return records
