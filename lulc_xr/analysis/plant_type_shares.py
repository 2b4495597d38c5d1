"""Shares of classes to shares of land units, natural plant types and crops, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.clm import CROPS, LANDUNITS, NATURAL_PFTS
from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.errors import CubeError, LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.core.plant_groups import GRASS, LANDUNIT_GROUPS, NATURAL_GROUPS, OCEAN, WETLAND
from lulc_xr.core.plant_rules import PLANT_CLIMATE, PlantClimateRules, split_groups

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClassShares:
    """Shares of classes (class, year, cells) without coordinates, and what is not mapped."""

    legend: Legend
    shares: xr.DataArray
    unmapped: xr.DataArray
    dims: tuple[str, ...]

    @classmethod
    def of(cls, fractions: xr.Dataset, name: str) -> ClassShares:
        """Shares by the name of their variable, after checks that read nothing."""
        if name not in fractions or "class_id" not in fractions.coords:
            raise CubeError(
                f"no {name if name not in fractions else 'class_id'} in this dataset, which has "
                f"{sorted(map(str, fractions.variables))}. Expected what lulc_xr.fractions gives"
                + (", with of='probability'." if name == "expected_fraction" else ".")
            )
        legend = Legend.from_flags(fractions["class_id"].attrs)
        named = tuple(str(n) for n in fractions["class"].values) if "class" in fractions else ()
        if named != legend.names:
            raise LegendError(
                f"classes of the fractions are {named}, their legend {legend.names}. Select no "
                "classes before: each needs its share."
            )
        shares = fractions[name]
        if not {"class", "year"} <= set(shares.dims):
            raise CubeError(
                f"{name} has dimensions {shares.dims}; expected class, year and those of the "
                "cells. Say the year: fractions.expand_dims(year=[2018])."
            )
        dims = tuple(str(d) for d in shares.dims if d not in ("class", "year"))
        shares = _bare(shares.transpose("class", "year", *dims))
        if name == "fraction" and "unmapped_fraction" in fractions:
            unmapped = _bare(fractions["unmapped_fraction"].transpose("year", *dims))
        else:
            # Stored probabilities are rounded, so that their sum may be off by a little; cells
            # without points have no fractions.
            shares = shares.fillna(0.0)
            total = shares.sum("class")
            shares, unmapped = shares / total.clip(min=1), (1 - total).clip(min=0)
        return cls(legend=legend, shares=shares, unmapped=unmapped, dims=dims)

    def into(self, matrix: Floats, dim: str | None = None) -> xr.DataArray:
        """Shares of what classes become by a matrix (class, dim), or (class,): `dim` last."""
        weights = xr.DataArray(matrix, dims=("class",) if dim is None else ("class", dim))
        made: xr.DataArray = xr.dot(self.shares, weights, dim="class")
        return made.transpose("year", *self.dims, *(() if dim is None else (dim,)))


def _bare(array: xr.DataArray) -> xr.DataArray:
    return array.drop_vars(list(array.coords)).drop_attrs().astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class GroupColumns:
    """The crosswalk's matrix (class, plant group), by the numbers of the groups.

    Parameters
    ----------
    ids : tuple of int
        Numbers of the groups.
    matrix : ndarray of float64
        Shares, shape (class, group); rows of ignored classes are 0.
    """

    ids: tuple[int, ...]
    matrix: Floats

    @classmethod
    def of(cls, walk: Crosswalk, *, wetland_as_grass: bool) -> GroupColumns:
        """Columns of a crosswalk to plant groups."""
        matrix, ids = walk.matrix().copy(), walk.target.ids
        if wetland_as_grass:
            wet, grass = ids.index(WETLAND), ids.index(GRASS)
            matrix[:, grass] += matrix[:, wet]
            matrix[:, wet] = 0
        return cls(ids=ids, matrix=matrix)

    def these(self, groups: Sequence[int]) -> Floats:
        """Columns of some groups, shape (class, group)."""
        found: Floats = self.matrix[:, [self.ids.index(group) for group in groups]]
        return found

    def ignored(self) -> Floats:
        """1 for classes that are ignored, else 0, shape (class,)."""
        found: Floats = (self.matrix.sum(axis=1) == 0).astype(np.float64)
        return found


def per_cell(value: Any, name: str, fractions: xr.Dataset) -> xr.DataArray:
    """A share for all cells, or one for each, as an array that fits the cells of fractions.

    Raises
    ------
    CubeError
        If it lies on other dimensions or coordinates; if it is in memory and not within 0 to 1.
    """
    array = value if isinstance(value, xr.DataArray) else xr.DataArray(float(value))
    dims = [str(d) for d in fractions["fraction"].dims if d != "class"]
    if not set(array.dims) <= set(dims):
        raise CubeError(
            f"{name} has dimensions {array.dims}; expected some of {tuple(dims)}, one value per "
            "cell."
        )
    for dim in map(str, array.dims):
        ours = fractions[dim].values if dim in fractions.coords else None
        theirs = array[dim].values if dim in array.coords else ours
        fits = array.sizes[dim] == fractions.sizes[dim]
        if fits and ours is not None and theirs is not None:
            numbers = ours.dtype.kind in "fiu" and theirs.dtype.kind in "fiu"
            fits = bool(np.allclose(ours, theirs) if numbers else (ours == theirs).all())
        if not fits:
            raise CubeError(
                f"{name} has other cells along {dim!r} than the fractions. Bring it to their grid "
                "first, in their order."
            )
    if array.chunks is None and bool(((array < 0) | (array > 1)).any()):
        raise CubeError(
            f"{name} lies between {float(array.min()):g} and {float(array.max()):g}; expected "
            "shares from 0 to 1 (percent divided by 100)."
        )
    return _bare(array)


def landunit_shares(
    classes: ClassShares, groups: GroupColumns, land: xr.DataArray | None
) -> tuple[xr.DataArray, xr.DataArray]:
    """Land units (year, cells, landunit), and the ocean (year, cells).

    `land` is the share of each cell that the land model takes for land.
    """
    columns = {
        "natural_vegetation": groups.these(NATURAL_GROUPS).sum(axis=1),
        "crop": groups.these(tuple(CROPS)).sum(axis=1),
        **{name: groups.these([g])[:, 0] for name, g in LANDUNIT_GROUPS.items()},
    }
    units = classes.into(np.stack([columns[name] for name in LANDUNITS], axis=1), "landunit")
    ocean = classes.into(groups.these([OCEAN])[:, 0])
    if land is not None:
        sea = (1 - land - ocean).clip(min=0)
        place = LANDUNITS.index("lake")
        lakes = units.isel(landunit=place)
        moved = xr.where(sea < lakes, sea, lakes).where(sea.notnull(), 0.0)
        lake = xr.DataArray(np.arange(len(LANDUNITS)) == place, dims="landunit")
        units, ocean = units - moved * lake, ocean + moved
    return units, ocean


def natural_shares(
    classes: ClassShares,
    groups: GroupColumns,
    cells: xr.Dataset,
    *,
    rules: PlantClimateRules,
    needleleaf: xr.DataArray,
    evergreen: xr.DataArray,
) -> xr.DataArray:
    """Natural plant types (year, cells, natpft), split by the climate of the cells."""
    made: xr.DataArray = xr.apply_ufunc(
        _split, classes.into(groups.these(NATURAL_GROUPS), "group"), needleleaf, evergreen,
        *(_bare(cells[name]) for name in PLANT_CLIMATE), kwargs={"rules": rules},
        input_core_dims=[["group"], *[[]] * (2 + len(PLANT_CLIMATE))],
        output_core_dims=[["natpft"]], dask="parallelized", output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {"natpft": len(NATURAL_PFTS)}, "allow_rechunk": True
        },
    )  # fmt: skip
    return made


def _split(
    groups: Floats, needleleaf: Floats, evergreen: Floats, *climate: Floats,
    rules: PlantClimateRules,
) -> Floats:  # fmt: skip
    return split_groups(
        groups, climate, rules=rules, needleleaf_share=needleleaf, evergreen_share=evergreen
    )


def crop_shares(
    classes: ClassShares, groups: GroupColumns, irrigated: xr.DataArray, *, types: bool
) -> xr.DataArray:
    """Crops (year, cells, cft), rainfed and irrigated in turns; two without `types`."""
    weights = groups.these(tuple(CROPS))
    if not types:
        weights = np.stack([weights[:, 0::2].sum(axis=1), weights[:, 1::2].sum(axis=1)], axis=1)
    made: xr.DataArray = xr.apply_ufunc(
        _irrigate, classes.into(weights, "cft"), irrigated,
        input_core_dims=[["cft"], []], output_core_dims=[["cft"]],
        dask="parallelized", output_dtypes=[np.float64],
    )  # fmt: skip
    return made


def _irrigate(crops: Floats, share: Floats) -> Floats:
    """Move a share of each rainfed crop (even places) to the irrigated one after it."""
    part = np.where(np.isnan(share), 0.0, share)[..., None]
    moved = crops[..., 0::2] * part
    made = crops.copy()
    made[..., 0::2] -= moved
    made[..., 1::2] += moved
    return made
