"""Plant types as TSMP's pipeline reads them: one stack of percentages by number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import DTypeLike, NDArray

from lulc_xr.analysis.export_report import ExportReport, in_words, provenance
from lulc_xr.analysis.land_shares import (
    CELL_SOURCES,
    LandRules,
    LandShares,
    check_choice,
    land_shares,
)
from lulc_xr.analysis.plant_schema import choose_year, grid_coordinates, grid_dims
from lulc_xr.analysis.whole_file import whole_file
from lulc_xr.core.clm import LANDUNITS, NATURAL_PFTS
from lulc_xr.core.exact_percent import exact_percent
from lulc_xr.core.require import require

TSMP_TYPES = (
    *NATURAL_PFTS, "crop", "unused", "lake", "glacier", "urban",
)  # fmt: skip
"""Names of TSMP's indices 0 to 19 (replace_surfdata.py of eCLM_static-file-generator)."""


def export_tsmp(
    plant_types: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    year: int | None = None,
    land_mask: xr.DataArray | None = None,
    unmapped: Literal["error", "missing"] | xr.Dataset = "error",
    min_mapped: float = 1.0,
    ignored: Literal["unmapped", "scale"] = "unmapped",
    ocean: Literal["leave_out", "lake"] = "leave_out",
    wetland: Literal["grass", "lake"] | int = "grass",
    sea: Literal["zero", "missing"] = "zero",
    dtype: DTypeLike = np.float64,
    overwrite: bool = False,
) -> ExportReport:
    """Write the stack ``PCT_PFT`` that TSMP takes its land cover from.

    ``PCT_PFT(pft, <grid>)`` is in percent of the cell's land and sums to exactly 100 in each cell
    of land, in any order. Indices are TSMP's: 0 to 14 CLM5's natural types, 15 crop (all crops),
    16 unused (0), 17 lake, 18 glacier, 19 urban. TSMP has no wetland here: its share goes to
    grass. The file stands in for ``GLC2000_PFT_urban.nc``. Known from the script that reads it:
    name, indices, the order of dimensions (type first, read by position) and percent; its grid
    must be that of the surface file. Names of dimensions, data type and what the sea holds aren't
    known and are ours.

    Parameters
    ----------
    plant_types : xr.Dataset
        As :func:`lulc_xr.plant_functional_types` gives them; computed for the year written.
    path : path
        The NetCDF-4 file to write.
    year : int, optional
        Year to write; needed where there are several.
    land_mask : xr.DataArray of bool, optional
        True on land, on the grid of the plant types: :func:`lulc_xr.tsmp_land_mask`. Without it,
        land is where the map isn't all ocean.
    unmapped : {"error", "missing"} or xr.Dataset
        What is done with cells of land of which less than `min_mapped` is mapped: refuse, write
        missing values, or take the rest from other plant types on the same grid.
    min_mapped : float
        Share of a cell's land from which on the mapped part stands for all of it.
    ignored : {"unmapped", "scale"}
        Whether classes without a plant type count as not mapped, or what is known stands for them.
    ocean : {"leave_out", "lake"}
        Ocean in cells of land is no part of the land, or counts as lake.
    wetland : {"grass", "lake"} or int
        What wetland becomes: grass 12 and 13 in the proportion the cell has them (13 where it has
        neither; the split is ours), lake, or one natural type.
    sea : {"zero", "missing"}
        What cells outside the land hold: 0, which passes through TSMP's script, or a fill value.
    dtype : dtype
        float64 or float32.
    overwrite : bool
        Whether a file that is there is replaced.

    Returns
    -------
    ExportReport
        Path, year, and how many cells were mapped, scaled, filled or left.

    Raises
    ------
    CubeError
        If land is not mapped enough, a year must be chosen, or grids differ.
    StoreError
        If the file is there already.

    References
    ----------
    HPSCTerrSys/eCLM_static-file-generator, mksurfdata/replace_surfdata.py.
    """
    require("netCDF4", extra="landmodels")
    check_choice("sea", sea, ("zero", "missing"))
    if isinstance(wetland, str):
        check_choice("wetland", wetland, ("grass", "lake"))
    rules = LandRules(
        land_mask=land_mask,
        unmapped=unmapped,
        min_mapped=min_mapped,
        ignored=ignored,
        ocean=ocean,
        wetland=wetland,
    )
    chosen = choose_year(plant_types, year)
    with whole_file(path, overwrite=overwrite) as partial:
        shares = land_shares(plant_types, chosen, rules)
        step = f"lulc_xr.export_tsmp: year {chosen}, {rules.in_words()}, sea={sea}"
        made = _dataset(plant_types, _stack(shares, sea=sea, dtype=dtype), shares)
        made.attrs = _attributes(plant_types, shares, step) | {"lulc_xr_year": np.int32(chosen)}
        made.to_netcdf(partial, format="NETCDF4", engine="netcdf4", encoding=_encoding(made, dtype))
    return ExportReport(
        path=Path(path), years=(chosen,), cells=shares.counts(), notes=_notes(plant_types)
    )


def _stack(shares: LandShares, *, sea: str, dtype: DTypeLike) -> NDArray[np.floating]:
    """(pft, cell) in percent."""
    crop, lake, glacier, urban = (
        shares.units[LANDUNITS.index(name)] for name in ("crop", "lake", "glacier", "urban")
    )
    parts = np.concatenate(
        [shares.natural, np.stack([crop, np.zeros_like(crop), lake, glacier, urban])]
    )
    written = shares.written
    made = np.zeros(parts.shape, dtype)
    made[:, written] = exact_percent(parts[:, written], dtype=dtype)
    made[:, shares.source == CELL_SOURCES.index("left")] = np.nan
    if sea == "missing":
        made[:, shares.source == CELL_SOURCES.index("sea")] = np.nan
    return made


def _dataset(
    plant_types: xr.Dataset, stack: NDArray[np.floating], shares: LandShares
) -> xr.Dataset:
    dims, grid = grid_dims(plant_types), grid_coordinates(plant_types)
    mapping = dict(grid.attrs)
    stacked = {
        "long_name": "percentage of the land of the cell that a type covers",
        "standard_name": "area_fraction",
        "units": "%",
        "cell_methods": "area: mean where land",
        "ancillary_variables": "cell_source",
        **mapping,
    }
    flags = {
        "long_name": "where the percentages of the cell come from",
        "flag_values": np.arange(len(CELL_SOURCES), dtype=np.int8),
        "flag_meanings": " ".join(CELL_SOURCES),
        **mapping,
    }
    source = shares.source.reshape(shares.shape)
    made = xr.Dataset(
        {
            "PCT_PFT": (("pft", *dims), stack.reshape(len(TSMP_TYPES), *shares.shape), stacked),
            "cell_source": (dims, source, flags),
        },
        coords={**grid.coords, **_type_coordinates()},
    )
    # What others point to by attributes is no auxiliary coordinate of the data.
    pointed = {str(c.attrs["bounds"]) for c in made.coords.values() if "bounds" in c.attrs}
    made = made.reset_coords(sorted((pointed | set(mapping.values())) & set(made.coords)))
    for name in set(made.data_vars) - {"PCT_PFT", "cell_source"}:
        made[name].encoding["coordinates"] = None
    return made


def _type_coordinates() -> dict[str, Any]:
    """Index and name of each type."""
    index = np.arange(len(TSMP_TYPES), dtype=np.int32)
    names = np.array(TSMP_TYPES, f"S{max(map(len, TSMP_TYPES))}")
    return {
        "pft": ("pft", index, {"long_name": "index of the type in TSMP", "units": "1"}),
        "pft_name": ("pft", names, {"long_name": "name of the type"}),
    }


def _encoding(made: xr.Dataset, dtype: DTypeLike) -> dict[str, dict[str, Any]]:
    """Fill values for the percentages alone; coordinates have none in CF."""
    plain: dict[str, dict[str, Any]] = {str(name): {"_FillValue": None} for name in made.variables}
    # xarray brings it to the type of the variable.
    plain["PCT_PFT"] = {"_FillValue": 1e36, "zlib": True, "complevel": 4, "dtype": np.dtype(dtype)}
    plain["cell_source"] |= {"zlib": True, "complevel": 4}
    plain["pft_name"] |= {"char_dim_name": "name_length"}
    return plain


def _attributes(plant_types: xr.Dataset, shares: LandShares, step: str) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.10",
        "title": "Percentages of plant types and land units for TSMP",
        "institution": "see source",
        **provenance(plant_types, step),
        "references": "HPSCTerrSys/eCLM_static-file-generator, mksurfdata/replace_surfdata.py",
        "comment": (
            "PCT_PFT sums to exactly 100 over pft in each cell of land. Index 16 is unused; crops "
            "of all types are 15; there is no wetland."
        ),
        "lulc_xr_cells": in_words(shares.counts()),
    }


def _notes(plant_types: xr.Dataset) -> tuple[str, ...]:
    sizes = " x ".join(str(plant_types.sizes[d]) for d in grid_dims(plant_types))
    order = f"the surface file must have the same {sizes} cells in the same order"
    return (f"The script that reads PCT_PFT takes it by position: {order}.",)
