"""A CLM5 surface file as it is read: its land cover, its grid, and whether they can be trusted."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.clm import FIRST_CROP, NATURAL_PFTS
from lulc_xr.core.errors import CubeError, SourceError
from lulc_xr.core.require import require

UNITS = ("PCT_NATVEG", "PCT_CROP", "PCT_LAKE", "PCT_WETLAND", "PCT_GLACIER")
URBAN, NATURAL, CROPS = "PCT_URBAN", "PCT_NAT_PFT", "PCT_CFT"
URBAN_CLASSES = 3
GROUPS = {
    "land units": (*UNITS, URBAN),
    "natural plant types": (NATURAL,),
    "crops": (CROPS,),
}
"""Variables whose sum over types is 100 in each cell."""

_GRID = ("LONGXY", "LATIXY")


@dataclass(frozen=True, kw_only=True)
class SurfaceTemplate:
    """Land cover and grid of a surface file.

    dims, shape : of its cells, (lsmlat, lsmlon) or (gridcell,); dtypes : by variable;
    groups : percentages by group of `GROUPS`, (type, cell) float64, cells flat;
    longitude, latitude : (cell,) in degrees; land : (cell,), PFTDATA_MASK, or all.
    """

    path: Path
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtypes: Mapping[str, np.dtype[Any]]
    groups: Mapping[str, NDArray[np.float64]]
    crop_ids: tuple[int, ...]
    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]
    land: NDArray[np.bool_]
    has_mask: bool
    land_fraction: NDArray[np.float64] | None
    urban_region: NDArray[np.integer] | None

    @property
    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude, (cell,) each."""
        return self.longitude, self.latitude

    def precision(self, group: str) -> np.dtype[Any]:
        """The coarsest data type of the variables of a group: what their sums are exact in."""
        return min((self.dtypes[n] for n in GROUPS[group]), key=lambda dtype: dtype.itemsize)

    def place(self, cell: int) -> str:
        """A cell in words: its position in the file (from 0), longitude and latitude."""
        at = ", ".join(map(str, np.unravel_index(cell, self.shape)))
        return f"[{at}] at {self.longitude[cell]:.3f} E {self.latitude[cell]:.3f} N"


def read_template(path: str | os.PathLike[str]) -> SurfaceTemplate:
    """Read land cover and grid of a surface file.

    Raises
    ------
    SourceError
        If it cannot be read.
    CubeError
        If variables are missing or have another form than CLM5's.
    """
    netcdf = require("netCDF4", extra="landmodels")
    try:
        file = netcdf.Dataset(path)
    except OSError as error:
        raise SourceError(f"the surface file {str(path)!r} cannot be read: {error}") from error
    with file:
        file.set_auto_maskandscale(False)
        _check_variables(file)
        dims = tuple(file.variables[UNITS[0]].dimensions)
        sizes = {n: len(d) for n, d in file.dimensions.items()}
        _check_forms(file, dims, sizes)
        found = {n: _flat(file, n, len(dims)) for n in (*UNITS, URBAN, NATURAL, CROPS, *_GRID)}
        mask = file.variables.get("PFTDATA_MASK")
        region = file.variables.get("URBAN_REGION_ID")
        part = file.variables.get("LANDFRAC_PFT")
        cells = tuple(sizes[d] for d in dims)
        return SurfaceTemplate(
            path=Path(path),
            dims=dims,
            shape=cells,
            dtypes={n: file.variables[n].dtype.newbyteorder("=") for n in (*UNITS, *_TYPES)},
            groups={g: np.concatenate([found[n] for n in names]) for g, names in GROUPS.items()},
            crop_ids=_crop_ids(file),
            longitude=found["LONGXY"][0],
            latitude=found["LATIXY"][0],
            land=np.ones(cells, bool).ravel() if mask is None else np.ravel(mask[:]) == 1,
            has_mask=mask is not None,
            land_fraction=None if part is None else np.ravel(part[:]).astype(np.float64),
            urban_region=None if region is None else np.ravel(region[:]),
        )


_TYPES = (URBAN, NATURAL, CROPS)


def _flat(file: Any, name: str, cell_dims: int) -> NDArray[np.float64]:
    values = np.asarray(file.variables[name][:], np.float64)
    return values.reshape(-1, int(np.prod(values.shape[values.ndim - cell_dims :])))


def _check_variables(file: Any) -> None:
    lacking = [n for n in (*UNITS, *_TYPES, *_GRID) if n not in file.variables]
    if lacking:
        raise CubeError(
            f"the template lacks {', '.join(lacking)}: it is no CLM5 surface file with a land unit "
            "of crops. Make one with mksurfdata (-no-crop off), or choose another."
        )


def _check_forms(file: Any, dims: tuple[str, ...], sizes: Mapping[str, int]) -> None:
    """Raise where a variable's dimensions, sizes or type aren't CLM5's."""
    leading = {URBAN: URBAN_CLASSES, NATURAL: len(NATURAL_PFTS)}
    for name in (*UNITS, *_TYPES, *_GRID):
        variable = file.variables[name]
        types = variable.dimensions[: len(variable.dimensions) - len(dims)]
        expected = dims if name not in _TYPES else (*types[:1], *dims)
        number = sizes[types[0]] if types else None
        if variable.dimensions != expected or number != leading.get(name, number):
            form = ", ".join(f"{d}={sizes[d]}" for d in variable.dimensions)
            wanted = f"{leading[name]} types, then " if name in leading else ""
            raise CubeError(
                f"{name!r} of the template is ({form}); expected {wanted}{dims}. A file without a "
                "land unit of crops has natpft=17: it needs one."
            )
        packed = {"scale_factor", "add_offset"} & set(variable.ncattrs())
        if variable.dtype.kind != "f" or variable.dtype.itemsize not in (4, 8) or packed:
            raise CubeError(
                f"{name!r} of the template is {variable.dtype}{' packed' if packed else ''}; "
                "expected float32 or float64, as mksurfdata writes it."
            )


def _crop_ids(file: Any) -> tuple[int, ...]:
    """Numbers of the template's crops: its variable `cft`, else from 15 on."""
    variable = file.variables[CROPS]
    dim, number = variable.dimensions[0], variable.shape[0]
    if dim in file.variables:
        return tuple(int(i) for i in file.variables[dim][:])
    return tuple(range(FIRST_CROP, FIRST_CROP + number))


def check_sums(template: SurfaceTemplate, *, tolerance: float, check: str) -> None:
    """Raise or warn where percentages of land cells don't sum to 100.

    Parameters
    ----------
    template : SurfaceTemplate
        The surface file.
    tolerance : float
        How far sums may be off, in percent.
    check : {"error", "warn"}
        What is done about it.
    """
    if check not in ("error", "warn"):
        raise CubeError(f"check={check!r} is unknown. Choose 'error' or 'warn'.")
    for group, values in template.groups.items():
        sums = values.sum(axis=0)
        # Not "larger than": NaN is off too.
        off = np.flatnonzero(template.land & ~(np.abs(sums - 100) <= tolerance))
        if not off.size:
            continue
        some = "; ".join(f"{template.place(c)} sums to {sums[c]:.6g}" for c in off[:5])
        text = (
            f"{group} ({', '.join(GROUPS[group])}) of the template don't sum to 100 within "
            f"{tolerance:g} in {off.size} of {int(template.land.sum())} cells of land: {some}"
            f"{'; ...' if off.size > 5 else ''}."
        )
        if check == "error":
            raise CubeError(
                f"{text} Mend the template, or pass check='warn': cells that are written get "
                "exact sums, the others stay as they are."
            )
        warnings.warn(text, stacklevel=3)


def mended_longitudes(template: SurfaceTemplate, longitudes: str) -> NDArray[np.float64] | None:
    """Longitudes in 0 to 360 where they have to be written anew; None where they are right.

    Raises
    ------
    CubeError
        If some lie outside and `longitudes` is "refuse".
    """
    if longitudes not in ("refuse", "mend"):
        raise CubeError(f"longitudes={longitudes!r} is unknown. Choose 'refuse' or 'mend'.")
    outside = ~((template.longitude >= 0) & (template.longitude <= 360))
    if not outside.any():
        return None
    if longitudes == "refuse" or not np.isfinite(template.longitude).all():
        raise CubeError(
            f"LONGXY of the template lies outside 0 to 360 in {int(outside.sum())} cells (the "
            f"lowest is {np.nanmin(template.longitude):g}); CLM refuses negative longitudes. Mend "
            "the template, or pass longitudes='mend' to have 360 added in the new file."
        )
    mended = np.mod(template.longitude, 360)
    # What is below 0 by less than rounding becomes 360 - 0.
    return np.where(mended.astype(np.float32) == 360, 0, mended)
