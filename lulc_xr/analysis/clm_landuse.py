"""A series of years of plant types and crops as CLM5 reads them: a land-use time series."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.clm_cover import CoverRules, made_cover
from lulc_xr.analysis.clm_grid import read_matching
from lulc_xr.analysis.clm_surface import add_attributes, template_mask
from lulc_xr.analysis.clm_template import SurfaceTemplate
from lulc_xr.analysis.export_report import ExportReport, in_words, provenance
from lulc_xr.analysis.land_shares import LandRules, LandShares, land_shares
from lulc_xr.analysis.plant_schema import check_plant_types, choose_year, years_of
from lulc_xr.analysis.whole_file import whole_file
from lulc_xr.core.errors import CubeError
from lulc_xr.core.exact_percent import exact_percent
from lulc_xr.core.require import require

_COPIED = ("natpft", "cft", "LONGXY", "LATIXY", "LANDFRAC_PFT", "PFTDATA_MASK", "AREA")
_NAME_LENGTH = 256
_SERIES = {
    "PCT_NAT_PFT": ("natpft", "percent plant functional type on the natural veg landunit"),
    "PCT_CROP": ("", "total percent crop landunit"),
    "PCT_CFT": ("cft", "percent crop functional type on the crop landunit"),
}


def export_clm_landuse(
    plant_types: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    template: str | os.PathLike[str],
    years: Sequence[int] | None = None,
    land_mask: xr.DataArray | None = None,
    unmapped: Literal["error", "template"] | xr.Dataset = "error",
    min_mapped: float = 1.0,
    ignored: Literal["unmapped", "scale"] = "unmapped",
    ocean: Literal["leave_out", "lake"] = "leave_out",
    wetland: Literal["wetland", "grass", "lake"] | int = "wetland",
    crop_types: Literal["map", "merge", "template"] = "map",
    absent: Literal["first", "template"] = "first",
    longitudes: Literal["refuse", "mend"] = "refuse",
    check: Literal["error", "warn"] = "error",
    sum_tolerance: float = 1e-3,
    grid_tolerance: float = 100.0,
    overwrite: bool = False,
) -> ExportReport:
    """Write a land-use time series for CLM5/eCLM (``flanduse_timeseries``).

    Over (time, natpft or cft, cells): PCT_NAT_PFT, PCT_CROP and PCT_CFT of each year, YEAR, and
    the largest values of all years, PCT_NAT_PFT_MAX, PCT_CROP_MAX and PCT_CFT_MAX. PCT_NAT_PFT and
    PCT_CFT sum to exactly 100 in each year.

    CLM changes crops and natural vegetation with this file alone; lake, wetland, glacier and town
    stay as the surface file has them. So natural vegetation and crop of the map are brought to
    the room that these leave, in the proportion of each year, as mksurfdata does: PCT_CROP and
    what remains for natural vegetation sum to that room exactly. Give as template the surface
    file of the run, written by :func:`lulc_xr.export_clm_surface` from the first year: then the
    first year equals it, which CLM checks. Harvest and grazing aren't written.

    Parameters
    ----------
    plant_types : xr.Dataset
        As :func:`lulc_xr.plant_functional_types` gives them; computed year by year.
    path : path
        The file to write, in the format of the template.
    template : path
        The surface file of the run.
    years : sequence of int, optional
        Years to write, ascending; by default all of the plant types.
    unmapped : {"error", "template"} or xr.Dataset
        As for a surface file. With "template", a cell that lacks a map in one of the years keeps
        the template's values in all of them, so that no change is made up. Years are then
        computed twice; so are they where neither `land_mask` nor PFTDATA_MASK says what is land.
    land_mask, min_mapped, ignored, ocean, wetland, crop_types, absent, longitudes, check, \
sum_tolerance, grid_tolerance, overwrite
        See :func:`lulc_xr.export_clm_surface`.

    Returns
    -------
    ExportReport
        Path, years, what became of the cells in the first year, and how far the land units that
        stay differ from the map.

    Raises
    ------
    CubeError
        If years are not ascending or missing, or as for a surface file.
    SourceError
        If the template cannot be read.
    StoreError
        If the file is there already.

    References
    ----------
    HPSCTerrSys/eCLM_static-file-generator, mksurfdata/src/mkpftMod.F90, mkfileMod.F90.
    """
    cover = CoverRules(crop_types=crop_types, absent=absent, tolerance=sum_tolerance)
    check_plant_types(plant_types)
    chosen = _chosen_years(plant_types, years)
    with whole_file(path, overwrite=overwrite) as partial:
        base, east = read_matching(
            template, plant_types, grid_tolerance=grid_tolerance, sum_tolerance=sum_tolerance,
            check=check, longitudes=longitudes,
        )  # fmt: skip
        rules = LandRules(
            land_mask=land_mask if land_mask is not None else template_mask(base, plant_types),
            unmapped=unmapped,
            left="template",
            min_mapped=min_mapped,
            ignored=ignored,
            ocean=ocean,
            wetland=wetland,
        )
        series = _Series(base, plant_types, rules, cover)
        step = f"lulc_xr.export_clm_landuse: years {chosen}, {rules.in_words()}, {cover}"
        _write(partial, series, chosen, longitude=east, attributes=provenance(plant_types, step))
    return ExportReport(
        path=Path(path), years=chosen, cells=series.counts, notes=(series.difference(),)
    )


def _chosen_years(plant_types: xr.Dataset, years: Sequence[int] | None) -> tuple[int, ...]:
    chosen = tuple(int(y) for y in (years_of(plant_types) if years is None else years))
    for year in chosen:
        choose_year(plant_types, year)
    if not chosen or any(b <= a for a, b in itertools.pairwise(chosen)):
        raise CubeError(f"years {chosen} are not ascending. Give each year once, in order.")
    return chosen


class _Series:
    """Percentages of one year after the other."""

    def __init__(
        self,
        base: SurfaceTemplate,
        plant_types: xr.Dataset,
        rules: LandRules,
        cover: CoverRules,
    ) -> None:
        self.base, self._plants, self._rules, self._cover = base, plant_types, rules, cover
        self.counts: dict[str, int] = {}
        self._apart: list[float] = []
        kind = base.precision("land units")
        # Bare where the template is off: such cells are refused, or nobody's.
        whole = np.nan_to_num(np.maximum(base.groups["land units"], 0))
        self._fixed = exact_percent(whole, dtype=kind, absent=0).astype(np.float64)
        self._common: NDArray[np.bool_] | None = None

    def prepare(self, years: Sequence[int]) -> None:
        """Find the cells that have shares in all years; the others keep the template's values.

        Where a mask says what is land, and no cell may be left, they are the same in all years.
        """
        if self._rules.land_mask is None or self._rules.unmapped_left:
            each = [land_shares(self._plants, y, self._rules).written for y in years]
            self._common = np.logical_and.reduce(each)

    def year(self, year: int) -> dict[str, NDArray[np.floating]]:
        """Variables of a year, (type, cell) or (cell,)."""
        shares = land_shares(self._plants, year, self._rules)
        if self._common is not None:
            shares = shares.only(self._common)
        self.counts = self.counts or shares.counts()
        made = made_cover(shares, self.base, self._cover)
        return {
            "PCT_NAT_PFT": made["natural plant types"],
            "PCT_CROP": self._crop(shares),
            "PCT_CFT": made["crops"],
        }

    def _crop(self, shares: LandShares) -> NDArray[np.floating]:
        """Percentage of crop in the room that the other land units leave."""
        pair, before = shares.units[:2].copy(), self._fixed[:2]
        nothing = ~shares.written | (pair.sum(axis=0) == 0)
        pair[:, nothing] = before[:, nothing]
        written = shares.written
        apart = np.abs(100 * shares.units[2:].sum(axis=0) - self._fixed[2:].sum(axis=0))[written]
        self._apart.append(float(apart.mean()) if apart.size else 0.0)
        kind = self.base.precision("land units")
        crop: NDArray[np.floating] = exact_percent(
            pair, dtype=kind, total=before.sum(axis=0), absent=0
        )[1]
        return crop

    def difference(self) -> str:
        """How far the land units that stay are from the map's, in words."""
        apart = ", ".join(f"{value:.2f}" for value in self._apart)
        return (
            "Lake, wetland, glacier and town are the template's in all years; the map's sum of "
            f"them differs by {apart} % of the land on average over cells."
        )


def _write(
    file_path: Path,
    series: _Series,
    years: Sequence[int],
    *,
    longitude: NDArray[np.float64] | None,
    attributes: Mapping[str, str],
) -> None:
    netcdf, base = require("netCDF4", extra="landmodels"), series.base
    series.prepare(years)
    with (
        netcdf.Dataset(base.path) as source,
        netcdf.Dataset(file_path, "w", format=source.data_model) as file,
    ):
        _define(file, source, base)
        if longitude is not None:
            file.variables["LONGXY"][:] = longitude.reshape(base.shape)
        largest: dict[str, NDArray[np.floating]] = {}
        for position, year in enumerate(years):
            for name, values in series.year(year).items():
                variable = file.variables[name]
                variable[position] = values.reshape(variable.shape[1:])
                largest[name] = np.maximum(largest.get(name, values), values)
            file.variables["YEAR"][position] = file.variables["time"][position] = year
            text = f"lulc_xr plant types of {year}".ljust(_NAME_LENGTH)
            file.variables["input_pftdata_filename"][position] = np.array(list(text), "S1")
        for name, values in largest.items():
            variable = file.variables[f"{name}_MAX"]
            variable[:] = values.reshape(variable.shape)
        add_attributes(
            file,
            {
                "title": "Land-use time series for CLM5",
                **attributes,
                "lulc_xr_template": base.path.name,
                "lulc_xr_cells": in_words(series.counts),
            },
        )


def _define(file: Any, source: Any, base: SurfaceTemplate) -> None:
    """Dimensions and variables of a series, with what is the template's."""
    leading = {"natpft": base.groups["natural plant types"], "cft": base.groups["crops"]}
    sizes = {
        **dict(zip(base.dims, base.shape, strict=True)),
        **{dim: len(values) for dim, values in leading.items()},
        "nchar": _NAME_LENGTH,
        "time": None,
    }
    for dim, size in sizes.items():
        file.createDimension(dim, size)
    for name in _COPIED:
        if name in source.variables:
            _copy(file, source.variables[name])
    for name, (dim, text) in _SERIES.items():
        over = (*((dim,) if dim else ()), *base.dims)
        kind = base.dtypes[name]
        _create(file, name, kind, ("time", *over), long_name=text)
        _create(file, f"{name}_MAX", kind, over, long_name=f"largest {text} of all years")
    _create(file, "YEAR", "i4", ("time",), long_name="Year of PFT data")
    _create(file, "time", "i4", ("time",), long_name="year")
    _create(
        file,
        "input_pftdata_filename",
        "S1",
        ("time", "nchar"),
        long_name="Source of the PFT values",
    )


def _create(file: Any, name: str, kind: Any, dims: tuple[str, ...], *, long_name: str) -> None:
    options = {"zlib": True} if file.data_model.startswith("NETCDF4") and kind != "S1" else {}
    variable = file.createVariable(name, kind, dims, **options)
    variable.setncatts({"long_name": long_name, "units": "unitless"})


def _copy(file: Any, variable: Any) -> None:
    attributes = {name: variable.getncattr(name) for name in variable.ncattrs()}
    copied = file.createVariable(
        variable.name,
        variable.dtype,
        variable.dimensions,
        fill_value=attributes.pop("_FillValue", None),
    )
    copied.setncatts(attributes)
    for one in (variable, copied):
        one.set_auto_maskandscale(False)
    copied[:] = variable[:]
