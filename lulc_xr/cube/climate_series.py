"""Read daily climate of E-OBS and AgERA5 from NetCDF, lazily, named and ready for bioclim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.require import require
from lulc_xr.cube.climate_rasters import Bounds

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A NetCDF file, a folder of such, or several files."""

_EOBS = {"tg": "tas", "tn": "tasmin", "tx": "tasmax", "rr": "pr"}
_AGERA5 = {
    "Temperature_Air_2m_Mean_24h": "tas",
    "Temperature_Air_2m_Min_24h": "tasmin",
    "Temperature_Air_2m_Max_24h": "tasmax",
    "Precipitation_Flux": "pr",
    "temperature_mean": "tas",
    "temperature_min": "tasmin",
    "temperature_max": "tasmax",
    "precipitation_flux": "pr",
}
_CELSIUS = dict.fromkeys(("Celsius", "celsius", "degC", "C", "degree_Celsius"), "degC")
_KELVIN = dict.fromkeys(("K", "kelvin", "Kelvin"), "K")
_EOBS_RAIN = dict.fromkeys(("mm", "mm/day", "mm d-1", "mm day-1"), "mm/day")
_AGERA5_RAIN = dict.fromkeys(("mm d-1", "mm day-1", "mm/day", "mm/d", "mm"), "mm/day")
# Daily means that no place on Earth has (our own proposal): kelvin against degrees Celsius.
_LIMITS = {"degC": (-100.0, 70.0), "K": (170.0, 345.0), "mm/day": (-0.1, 2000.0)}


def read_eobs(
    path: Paths, *, bbox: Bounds | None = None, years: tuple[int, int] | None = None
) -> xr.Dataset:
    """Daily climate of E-OBS, lazily: ``lulc_xr.bioclim(**lulc_xr.read_eobs(folder))``.

    Parameters
    ----------
    path : path or sequence of paths
        NetCDF files with variables `tg`, `tn`, `tx`, `rr`, or their folder (E-OBS comes with
        one variable per file, such as ``tg_ens_mean_0.1deg_reg_v30.0e.nc``).
    bbox : tuple of float, optional
        West, south, east, north in degrees.
    years : tuple of int, optional
        First and last year.

    Returns
    -------
    xr.Dataset
        ``tas``, ``tasmin``, ``tasmax`` in degC and ``pr`` in mm/day over (time, ...), those
        that are there.

    Raises
    ------
    CubeError
        If there are no such variables, or units are not those of E-OBS.
    """
    return _read(path, _EOBS, (_CELSIUS, _EOBS_RAIN), what="E-OBS", bbox=bbox, years=years)


def read_agera5(
    path: Paths, *, bbox: Bounds | None = None, years: tuple[int, int] | None = None
) -> xr.Dataset:
    """Daily climate of AgERA5, lazily: ``lulc_xr.bioclim(**lulc_xr.read_agera5(folder))``.

    Parameters
    ----------
    path : path or sequence of paths
        NetCDF files, or their folder: with the names of the Climate Data Store
        (``Temperature_Air_2m_Mean_24h``, ..., ``Precipitation_Flux``; one file per day and
        variable) or those of WorldCereal (``temperature_mean``, ..., ``precipitation_flux``).
    bbox : tuple of float, optional
        West, south, east, north in the file's own system.
    years : tuple of int, optional
        First and last year.

    Returns
    -------
    xr.Dataset
        ``tas``, ``tasmin``, ``tasmax`` in K and ``pr`` in mm/day over (time, ...), those that
        are there.

    Raises
    ------
    CubeError
        If there are no such variables, or units are not those of AgERA5.
    """
    return _read(path, _AGERA5, (_KELVIN, _AGERA5_RAIN), what="AgERA5", bbox=bbox, years=years)


def _read(
    path: Paths,
    names: Mapping[str, str],
    units: tuple[Mapping[str, str], Mapping[str, str]],
    *,
    what: str,
    bbox: Bounds | None,
    years: tuple[int, int] | None,
) -> xr.Dataset:
    data = _open(_files(path), names)
    found = {name: names[name] for name in map(str, data.data_vars) if name in names}
    if not found:
        known = sorted(map(str, data.data_vars))
        raise CubeError(name_unknown(f"set of {what} variables", known, names))
    renamed = {"timestamp": "time"} if "timestamp" in data.dims else {}
    data = data[list(found)].rename(found | renamed)
    made = {}
    for original, name in found.items():
        expected = units[1] if name == "pr" else units[0]
        given = str(data[name].attrs.get("units", "none"))
        if given not in expected:
            raise CubeError(
                f"{original!r} has units {given!r}; {what} has {', '.join(sorted(expected))}. "
                "Give the file as distributed, or use lulc_xr.bioclim with your own units."
            )
        made[name] = _limited(data[name], original, expected[given])
    chosen = xr.Dataset(made, attrs=dict(data.attrs))
    if years is not None:
        chosen = chosen.sel(time=slice(str(years[0]), str(years[1])))
    return _cut(chosen, bbox)


def _files(path: Paths) -> list[Path]:
    given = [Path(path)] if isinstance(path, (str, PathLike)) else [Path(p) for p in path]
    found = [
        file
        for one in given
        for file in (sorted(p for p in one.rglob("*.nc")) if one.is_dir() else [one])
    ]
    absent = [str(file) for file in found if not file.is_file()]
    if not found or absent:
        raise CubeError(
            f"no NetCDF file at {absent[0] if absent else str(path)!r}. Give a file, a folder of "
            "files, or several files."
        )
    return found


def _open(files: Sequence[Path], names: Mapping[str, str]) -> xr.Dataset:
    require("netCDF4", extra="climate")

    # Not decode_coords="all": AgERA5 of WorldCereal has attributes 'bounds' that are no names.
    def only(ds: xr.Dataset) -> xr.Dataset:
        found = [str(name) for name in ds.data_vars if name in names]
        mappings = {ds[name].attrs.get("grid_mapping") for name in found}
        return ds.set_coords([m for m in mappings if m in ds.variables])[
            found or list(map(str, ds.data_vars))
        ]

    if len(files) == 1:
        return only(xr.open_dataset(files[0], chunks={}))
    return xr.open_mfdataset(
        files, preprocess=only, combine="by_coords", chunks={},
        join="outer", data_vars="minimal", coords="minimal", compat="override",
    )  # fmt: skip


def _limited(values: xr.DataArray, original: str, units: str) -> xr.DataArray:
    made: xr.DataArray = xr.apply_ufunc(
        _within, values, kwargs={"name": original, "units": units},
        dask="parallelized", output_dtypes=[values.dtype], keep_attrs=False,
    )  # fmt: skip
    mapping = values.encoding.get("grid_mapping") or values.attrs.get("grid_mapping")
    made.attrs = {"units": units} | ({"grid_mapping": mapping} if mapping else {})
    return made


def _within(values: Any, *, name: str, units: str) -> Any:
    low, high = _LIMITS[units]
    wrong = values[(values < low) | (values > high)]
    if wrong.size:
        raise CubeError(
            f"{name!r} is {wrong.flat[0]:g} {units}; expected {low:g} to {high:g}. Its units or "
            "its scale (CF scale_factor and add_offset) are wrong: compare with the original file."
        )
    return values


def _cut(data: xr.Dataset, bbox: Bounds | None) -> xr.Dataset:
    if bbox is None:
        return data
    west, south, east, north = bbox
    for names, low, high in ((("longitude", "lon", "x"), west, east),
                             (("latitude", "lat", "y"), south, north)):  # fmt: skip
        dim = next((name for name in names if name in data.dims), None)
        if dim is None:
            raise CubeError(f"no dimension among {names} to cut by bbox; got {list(data.dims)}.")
        inside = np.flatnonzero((data[dim].values >= low) & (data[dim].values <= high))
        if not inside.size:
            raise CubeError(
                f"no cell of {dim} ({float(data[dim].min()):g} to {float(data[dim].max()):g}) lies "
                f"within bbox {bbox}. Give west, south, east, north."
            )
        data = data.isel({dim: inside})
    return data
