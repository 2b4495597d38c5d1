"""Read WorldClim and CHELSA rasters as context, in true units, lazily and by area."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from os import PathLike
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray

from lulc_xr.core.blocks import split
from lulc_xr.core.context import BIOCLIM_UNITS, CONTEXT, CONTEXT_DIMS
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.require import require
from lulc_xr.cube.context import as_context, context_attrs

Bounds = tuple[float, float, float, float]
"""West, south, east, north in the raster's own system (degrees)."""

_FILES = (".tif", ".tiff", ".bil")
_BLOCK = (512, 2048)
"""Rows and columns that are read at once: whole strips of global rasters are too wide."""

_ABSOLUTE = ("bio01", "bio05", "bio06", "bio08", "bio09", "bio10", "bio11")
_DIFFERENCES = ("bio02", "bio07")
# Beyond what any place on Earth has (our own proposal): such values were scaled wrongly.
_LIMITS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(_ABSOLUTE, (-90.0, 70.0)),
    **dict.fromkeys(_DIFFERENCES, (0.0, 120.0)),
    "bio03": (0.0, 120.0),
    "bio04": (0.0, 4000.0),
    "bio15": (0.0, 400.0),
    "elevation": (-500.0, 9000.0),
}
_MOST_RAIN = (0.0, 20000.0)

Scales = Mapping[str, tuple[float, float]]
WORLDCLIM_2: Scales = {}
"""WorldClim 2.1 stores true units."""
WORLDCLIM_1: Scales = dict.fromkeys((*_ABSOLUTE, *_DIFFERENCES), (0.1, 0.0))
"""WorldClim 1.4 stores temperatures in tenths of a degree, the rest as it is."""
CHELSA_2: Scales = {
    **{name: (0.1, 0.0) for name in BIOCLIM_UNITS if name != "elevation"},
    **dict.fromkeys(_ABSOLUTE, (0.1, -273.15)),
}
"""CHELSA 2.1: tenths; kelvin for temperatures, but not for BIO2 and BIO7, which are differences."""


def read_worldclim(
    path: str | PathLike[str], *, bbox: Bounds | None = None, version: str = "2.1"
) -> xr.DataArray:
    """WorldClim's bioclimatic variables as context, lazily.

    Parameters
    ----------
    path : str or path
        A folder of rasters (``wc2.1_10m_bio_1.tif``, ..., and ``wc2.1_10m_elev.tif`` if there),
        one such file, or a NetCDF file with variables ``bio01``, ..., ``altitude``.
    bbox : tuple of float, optional
        West, south, east, north in degrees: only these cells are ever read.
    version : {"2.1", "1.4"}
        2.1 stores true units; 1.4 stores temperatures in tenths of a degree.

    Returns
    -------
    xr.DataArray
        ``bioclim(bioclim_variable, y_bioclim, x_bioclim)`` float32, NaN where there is no data.

    Raises
    ------
    CubeError
        If there are no such files, grids differ, or values are scaled otherwise (when read).
    """
    scales = {"2.1": WORLDCLIM_2, "1.4": WORLDCLIM_1}.get(version)
    if scales is None:
        raise CubeError(name_unknown("version of WorldClim", version, ("2.1", "1.4")))
    found = Path(path)
    if found.suffix in (".nc", ".nc4"):
        return _from_netcdf(found, bbox=bbox, scales=scales)
    names = _files(found, r"(?:^|_)bio_?(\d{1,2})(?!\d)")
    heights = [file for file in _listed(found) if re.search(r"_(elev|alt)$", file.stem)]
    names |= dict(zip(("elevation",), heights, strict=False))
    return _from_rasters(names, found, bbox=bbox, scales=scales, what=f"WorldClim {version}")


def read_chelsa(path: str | PathLike[str], *, bbox: Bounds | None = None) -> xr.DataArray:
    """CHELSA 2.1 bioclimatic variables as context, lazily.

    Parameters
    ----------
    path : str or path
        A folder of rasters such as ``CHELSA_bio1_1981-2010_V.2.1.tif``, or one of them, as they
        are distributed: whole numbers, tenths of a unit, temperatures in kelvin (BIO2 and
        BIO7, being differences, take no -273.15).
    bbox : tuple of float, optional
        West, south, east, north in degrees: only these cells are ever read.

    Returns
    -------
    xr.DataArray
        ``bioclim(bioclim_variable, y_bioclim, x_bioclim)`` float32 in the units of WorldClim.

    Raises
    ------
    CubeError
        If there are no such files, grids differ, files were scaled already, or their tags of
        scale and offset are not those of CHELSA 2.1.
    """
    names = _files(Path(path), r"^CHELSA_bio_?(\d{1,2})_.*V\.?2\.1")
    return _from_rasters(names, Path(path), bbox=bbox, scales=CHELSA_2, what="CHELSA 2.1")


@dataclass(frozen=True, kw_only=True)
class _Raster:
    """One variable in a raster: which cells to read, and what its numbers mean."""

    path: str
    variable: str
    window: tuple[slice, slice]
    scale: float
    offset: float

    def read(self, *block: slice) -> NDArray[np.float32]:
        """True values of some rows and columns of the window."""
        rasterio = require("rasterio", extra="stac")
        parts = [
            slice(whole.start + part.start, whole.start + part.stop)
            for whole, part in zip(self.window, block, strict=True)
        ]
        with rasterio.open(self.path) as source:
            window = rasterio.windows.Window.from_slices(*parts)
            raw = source.read(1, window=window, masked=True)
        values = np.ma.filled(raw.astype(np.float64), np.nan) * self.scale + self.offset
        made = values.astype(np.float32)
        check_limits(made, self.variable, self.path)
        return made


def check_limits(values: NDArray[Any], variable: str, path: str) -> None:
    """Raise CubeError if values lie beyond what any place on Earth has."""
    low, high = _LIMITS.get(variable, _MOST_RAIN)
    wrong = values[(values < low) | (values > high)]
    if wrong.size:
        raise CubeError(
            f"{variable} of {path!r} is {wrong.flat[0]:g}; expected {low:g} to {high:g} "
            f"{BIOCLIM_UNITS[variable]}. The numbers are scaled otherwise: for tenths of a "
            "degree read_worldclim(..., version='1.4'), for kelvin in tenths read_chelsa."
        )


def _listed(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.glob("*") if p.suffix.lower() in _FILES)


def _files(path: Path, pattern: str) -> dict[str, Path]:
    """Rasters of a folder by the variable in their names."""
    made: dict[str, Path] = {}
    for file in _listed(path):
        match = re.search(pattern, file.name)
        name = f"bio{int(match[1]):02d}" if match else ""
        if name in BIOCLIM_UNITS:
            if name in made:
                raise CubeError(
                    f"{made[name].name!r} and {file.name!r} in {str(path)!r} both hold {name}. "
                    "Keep one resolution and period per folder."
                )
            made[name] = file
    return dict(sorted(made.items()))


def _from_rasters(
    names: Mapping[str, Path], path: Path, *, bbox: Bounds | None, scales: Scales, what: str
) -> xr.DataArray:
    if not names:
        raise CubeError(
            f"no {what} raster at {str(path)!r}. Expected names as distributed: "
            "'wc2.1_10m_bio_1.tif' or 'CHELSA_bio1_1981-2010_V.2.1.tif'."
        )
    rasterio = require("rasterio", extra="stac")
    layers, grid = [], None
    for name, file in names.items():
        with rasterio.open(file) as source:
            here = (source.crs, source.transform, source.shape)
            grid = grid or here
            if here != grid:
                raise CubeError(
                    f"{file.name!r} lies on another grid {here[2]} than {next(iter(names))} "
                    f"{grid[2]} of the same folder. Keep one resolution per folder."
                )
            _check_tags(source, name, scales.get(name, (1.0, 0.0)), what)
        layers.append((name, str(file)))
    assert grid is not None
    crs, transform, shape = grid
    window = _window(transform, shape, bbox)
    size = (window[0].stop - window[0].start, window[1].stop - window[1].start)
    data = da.stack([_lazy(n, f, window, size, scales.get(n, (1.0, 0.0))) for n, f in layers])
    axes = [
        transform.f + transform.e * (np.arange(window[0].start, window[0].stop) + 0.5),
        transform.c + transform.a * (np.arange(window[1].start, window[1].stop) + 0.5),
    ]
    coords = dict(zip(CONTEXT_DIMS, ([*names], *axes), strict=True))
    made = xr.DataArray(data, coords, CONTEXT_DIMS, CONTEXT, context_attrs([*names]))
    return as_context(made, crs=crs.to_wkt() if crs else "EPSG:4326")


def _lazy(
    name: str,
    file: str,
    window: tuple[slice, slice],
    size: tuple[int, int],
    scale: tuple[float, float],
) -> da.Array:
    raster = _Raster(path=file, variable=name, window=window, scale=scale[0], offset=scale[1])
    state = Path(file).stat()
    token = tokenize(raster.__dict__, state.st_size, state.st_mtime_ns)
    chunks = tuple(split(n, most) for n, most in zip(size, _BLOCK, strict=True))
    edges = [np.cumsum([0, *lengths]).tolist() for lengths in chunks]
    spans = [[slice(*pair) for pair in pairwise(e)] for e in edges]
    graph = {
        (f"{name}-{token}", i, j): (raster.read, rows, columns)
        for (i, rows), (j, columns) in product(*map(enumerate, spans))
    }
    return da.Array(graph, f"{name}-{token}", chunks=chunks, dtype=np.float32)


def _window(transform: Any, shape: Sequence[int], bbox: Bounds | None) -> tuple[slice, slice]:
    """Rows and columns of the cells that touch an area."""
    if bbox is None:
        return slice(0, shape[0]), slice(0, shape[1])
    west, south, east, north = bbox
    rows = sorted(((north - transform.f) / transform.e, (south - transform.f) / transform.e))
    columns = sorted(((west - transform.c) / transform.a, (east - transform.c) / transform.a))
    found = [
        slice(max(0, int(np.floor(low))), min(size, int(np.ceil(high))))
        for (low, high), size in ((rows, shape[0]), (columns, shape[1]))
    ]
    if any(part.start >= part.stop for part in found):
        raise CubeError(
            f"bbox {bbox} lies off the raster. Give west, south, east, north in the raster's "
            "own system (degrees, longitude first)."
        )
    return found[0], found[1]


def _check_tags(source: Any, name: str, scale: tuple[float, float], what: str) -> None:
    """Refuse rasters that say of themselves, or whose type says, that they are scaled otherwise."""
    tagged = (float(source.scales[0]), float(source.offsets[0]))
    if tagged != (1.0, 0.0) and not np.allclose(tagged, scale):
        raise CubeError(
            f"{name} of {source.name!r} has tags scale {tagged[0]:g}, offset {tagged[1]:g}; "
            f"{what} has {scale[0]:g} and {scale[1]:g}. Either the file is of another product, or "
            "scaling was applied already: remove the tags if its numbers are as distributed."
        )
    if scale != (1.0, 0.0) and np.dtype(source.dtypes[0]).kind == "f" and what.startswith("CHELSA"):
        raise CubeError(
            f"{name} of {source.name!r} is {source.dtypes[0]}; {what} distributes whole numbers, "
            "so it was scaled already and would be scaled twice. Give the file as distributed."
        )


def _from_netcdf(path: Path, *, bbox: Bounds | None, scales: Scales) -> xr.DataArray:
    require("netCDF4", extra="climate")
    data = xr.open_dataset(path, decode_times=False, decode_coords="all", chunks={})
    data = data.rename({"altitude": "elevation"} if "altitude" in data else {})
    names = [name for name in BIOCLIM_UNITS if name in data]
    if not names:
        raise CubeError(
            f"no bio01 to bio19 in {str(path)!r}; it has {sorted(map(str, data.data_vars))}."
        )
    layers = []
    for name in names:
        units = str(data[name].attrs.get("units", "")).lower()
        if units in ("k", "kelvin") and name not in _DIFFERENCES:
            raise CubeError(
                f"{name} of {str(path)!r} has units {units!r}; WorldClim has degrees Celsius. "
                "Subtract 273.15 and correct the attribute first."
            )
        scale, offset = scales.get(name, (1.0, 0.0))
        values = data[name].squeeze(drop=True) * np.float32(scale) + np.float32(offset)
        layers.append(xr.apply_ufunc(
            _limited, values, kwargs={"variable": name, "path": str(path)},
            dask="parallelized", output_dtypes=[np.float32],
        ))  # fmt: skip
    made = xr.concat(layers, dim="bioclim_variable", coords="minimal", compat="override")
    made = made.assign_coords(bioclim_variable=names).rename(CONTEXT)
    made.attrs = context_attrs(names)
    found = as_context(made.transpose("bioclim_variable", ...))
    if bbox is None:
        return found
    west, south, east, north = bbox
    y, x = found["y_bioclim"], found["x_bioclim"]
    return found.isel(
        y_bioclim=((y >= south) & (y <= north)).values, x_bioclim=((x >= west) & (x <= east)).values
    )


def _limited(values: NDArray[Any], *, variable: str, path: str) -> NDArray[np.float32]:
    check_limits(values, variable, path)
    return values.astype(np.float32)
