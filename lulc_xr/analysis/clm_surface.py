"""Land cover laid over a CLM5 surface file; all else in the file stays as it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.clm_cover import CoverRules, made_cover, split_group
from lulc_xr.analysis.clm_grid import read_matching
from lulc_xr.analysis.clm_template import SurfaceTemplate
from lulc_xr.analysis.export_report import ExportReport, in_words, provenance
from lulc_xr.analysis.land_shares import LandRules, LandShares, land_shares
from lulc_xr.analysis.plant_schema import check_plant_types, choose_year, grid_dims
from lulc_xr.analysis.whole_file import whole_file
from lulc_xr.core.clm import LANDUNITS
from lulc_xr.core.require import require


def export_clm_surface(
    template: str | os.PathLike[str],
    plant_types: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    year: int | None = None,
    land_mask: xr.DataArray | None = None,
    unmapped: Literal["error", "template"] | xr.Dataset = "error",
    min_mapped: float = 1.0,
    ignored: Literal["unmapped", "scale"] = "unmapped",
    ocean: Literal["leave_out", "lake"] = "leave_out",
    wetland: Literal["wetland", "grass", "lake"] | int = "wetland",
    urban: tuple[float, float, float] = (0.0, 0.0, 1.0),
    crop_types: Literal["map", "merge", "template"] = "map",
    absent: Literal["first", "template"] = "first",
    longitudes: Literal["refuse", "mend"] = "refuse",
    check: Literal["error", "warn"] = "error",
    sum_tolerance: float = 1e-3,
    grid_tolerance: float = 100.0,
    overwrite: bool = False,
) -> ExportReport:
    """Write a CLM5/eCLM surface file with the land cover of a map.

    The file is a copy of the template in which PCT_NATVEG, PCT_CROP, PCT_LAKE, PCT_WETLAND,
    PCT_GLACIER, PCT_URBAN, PCT_NAT_PFT and PCT_CFT are written anew, in cells of land. Land units
    sum to exactly 100, in any order and in the file's own precision, and so do PCT_NAT_PFT and
    PCT_CFT, also where there is no natural vegetation or no crop. All other variables, their
    attributes, types, chunks and the format of the file are those of the template, bit for bit.
    Cells that aren't written keep the template's values; a sum that is 100 but for rounding is
    made exact there too.

    Parameters
    ----------
    template : path
        A surface file with a land unit of crops, over (lsmlat, lsmlon) or (gridcell), float32 or
        float64, NetCDF-3 or NetCDF-4.
    plant_types : xr.Dataset
        As :func:`lulc_xr.plant_functional_types` gives them, on the template's grid.
    path : path
        The file to write.
    year : int, optional
        Year to write; needed where there are several.
    land_mask : xr.DataArray of bool, optional
        True on land, over the dimensions of the plant types. Without it, the template's
        PFTDATA_MASK; without that, land is where the map isn't all ocean.
    unmapped : {"error", "template"} or xr.Dataset
        What is done with cells of land of which less than `min_mapped` is mapped: refuse, keep
        the template's, or take the rest from other plant types on the same grid.
    min_mapped, ignored, ocean
        See :func:`lulc_xr.export_tsmp`.
    wetland : {"wetland", "grass", "lake"} or int
        Wetland is PCT_WETLAND, or becomes grass (as TSMP has it), lake, or a natural type.
    urban : tuple of float
        Shares of the urban classes: tall buildings, high, medium density. All medium, as TSMP.
    crop_types : {"map", "merge", "template"}
        PCT_CFT from the map, whose crops the template must have; from the map, crops that the
        template hasn't added to 15 (rainfed) or 16 (irrigated); or the template's, untouched.
    absent : {"first", "template"}
        PCT_NAT_PFT (PCT_CFT) where there is no natural vegetation (crop): all type 0 (the first
        crop) as mksurfdata and TSMP have it, or the template's.
    longitudes : {"refuse", "mend"}
        What is done where LONGXY isn't within 0 to 360.
    check : {"error", "warn"}
        What is done where the template's percentages of land cells don't sum to 100.
    sum_tolerance : float
        How far such sums may be off, in percent (ours).
    grid_tolerance : float
        How far cell centres may be apart, in metres (ours).
    overwrite : bool
        Whether a file that is there is replaced; it may be the template itself.

    Returns
    -------
    ExportReport
        Path, year, what became of the cells, and notes on what the land model may stumble over.

    Raises
    ------
    CubeError
        If the template has another form or grid, its sums are off, longitudes are negative, or
        land isn't mapped enough.
    SourceError
        If the template cannot be read.
    StoreError
        If the file is there already.

    References
    ----------
    HPSCTerrSys/eCLM_static-file-generator, mksurfdata/src/mkpftMod.F90, mkfileMod.F90.
    """
    cover = CoverRules(urban=urban, crop_types=crop_types, absent=absent, tolerance=sum_tolerance)
    check_plant_types(plant_types)
    chosen = choose_year(plant_types, year)
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
        shares = land_shares(plant_types, chosen, rules)
        made = made_cover(shares, base, cover)
        step = f"lulc_xr.export_clm_surface: year {chosen}, {rules.in_words()}, {cover}"
        shutil.copyfile(template, partial)
        said = provenance(plant_types, step) | {"lulc_xr_cells": in_words(shares.counts())}
        _overlay(partial, made, longitude=east, attributes=said)
    return ExportReport(
        path=Path(path),
        years=(chosen,),
        cells=shares.counts(),
        notes=_notes(base, shares, crop_types=crop_types, mended=east is not None),
    )


def template_mask(base: SurfaceTemplate, plant_types: xr.Dataset) -> xr.DataArray | None:
    """The template's PFTDATA_MASK over the dimensions of the plant types."""
    if not base.has_mask:
        return None
    return xr.DataArray(base.land.reshape(base.shape), dims=grid_dims(plant_types))


def _overlay(
    file_path: Path,
    made: Mapping[str, NDArray[np.floating]],
    *,
    longitude: NDArray[np.float64] | None,
    attributes: Mapping[str, str],
) -> None:
    netcdf = require("netCDF4", extra="landmodels")
    with netcdf.Dataset(file_path, "r+") as file:
        file.set_auto_maskandscale(False)
        for group, values in made.items():
            for name, part in split_group(group, values).items():
                _put(file.variables[name], part)
        if longitude is not None:
            _put(file.variables["LONGXY"], longitude)
        add_attributes(file, attributes)


def _put(variable: Any, values: NDArray[np.floating]) -> None:
    variable[:] = values.reshape(variable.shape).astype(variable.dtype)


def add_attributes(file: Any, attributes: Mapping[str, str]) -> None:
    """Add provenance to a file's attributes; what is there stays, the history grows."""
    there = file.ncattrs()
    for name, value in attributes.items():
        if name == "history" and name in there:
            file.setncattr(name, f"{value}\n{file.getncattr(name)}")
        elif name not in there or name.startswith("lulc_xr_"):
            file.setncattr(name, value)


def _notes(
    base: SurfaceTemplate, shares: LandShares, *, crop_types: str, mended: bool
) -> tuple[str, ...]:
    notes = []
    written = shares.written
    towns = written & (shares.units[LANDUNITS.index("urban")] > 0)
    if base.urban_region is not None and (bare := towns & (base.urban_region == 0)).any():
        notes.append(
            f"{int(bare.sum())} cells have towns now and no urban parameters in the template "
            "(URBAN_REGION_ID is 0): CLM stops there."
        )
    if base.has_mask and (fake := written & ~base.land).any():
        notes.append(
            f"{int(fake.sum())} cells of land are none in the template (PFTDATA_MASK is 0): their "
            "soil is made up."
        )
    if crop_types == "merge" and set(shares.crop_ids) - set(base.crop_ids):
        notes.append("Crops that the template hasn't were added to 15 (rainfed), 16 (irrigated).")
    if mended:
        notes.append("LONGXY was brought into 0 to 360.")
    return tuple(notes)
