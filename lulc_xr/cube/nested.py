"""Bands of one scene in files of 10, 20 and 60 m, as agencies ship them, as one cube."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioIOError

from lulc_xr.core.cube import REFLECTANCE_ENCODING, check_cube
from lulc_xr.core.errors import CubeError, StoreError, name_unknown
from lulc_xr.core.georeference import GRID_MAPPING

SENTINEL2_NAMES: Mapping[str, str] = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1",
    "B06": "rededge2", "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09",
    "B11": "swir16", "B12": "swir22",
}  # fmt: skip
"""Bands of Sentinel-2 by their common names in STAC; B10 (cirrus) is not part of L2A."""

_SCALE = np.float32(1e-4)
_BAND = re.compile(r"_(B\d[\dA])\.tiff?$", re.IGNORECASE)
_RADAR = re.compile(r"_(VV|VH|HH|HV)\.tiff?$", re.IGNORECASE)
_DATE = re.compile(r"(\d{8}T\d{6})")


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """One band at its own resolution."""

    values: NDArray[np.uint16]
    transform: Any
    crs: Any


def read_nested(
    files: str | PathLike[str] | Mapping[str, str | PathLike[str]],
    *,
    time: str | np.datetime64 | datetime | None = None,
) -> xr.Dataset:
    """One scene of Sentinel-2 as a cube on its finest grid, from files of several resolutions.

    Every band is read at its own resolution. Coarser pixels are repeated, never averaged or
    shifted: the grids must nest (same corner, same square, a whole ratio), so each value of the
    cube is one that was measured there.

    Parameters
    ----------
    files : path, or mapping of band to path
        A folder of GeoTIFFs that end in ``_B02.tif`` and so on (the layout of BigEarthNet), or
        the files by band: ``B02`` or its common name ``blue``. uint16 digital numbers of level
        2A before baseline 04.00: reflectance x 10000, without an offset; 0 is no data.
    time : str or datetime, optional
        Moment of the scene in UTC; by default `acquisition_date` of the folder's
        ``*_labels_metadata.json``, else the first date in the folder's name.

    Returns
    -------
    xr.Dataset
        ``reflectance(time, band, y, x)`` float32 with one date and ``clear(time, y, x)`` uint8,
        1 where every band has a value (these files come without a scene classification).
        Attributes `labels` (CORINE classes of the whole scene), `tile_source`,
        `missing_bands` and `native_resolution` (metres, by band).

    Raises
    ------
    StoreError
        If a file is not there or cannot be read.
    CubeError
        If a band does not nest, has another reference system, holds no uint16, is unknown, or
        if the files are radar.
    """
    paths, folder = _paths_of(files)
    read = {band: _read_band(path, band) for band, path in paths.items()}
    finest = min(read, key=lambda band: read[band].transform.a)
    grid = read[finest]
    shape, transform = grid.values.shape, grid.transform
    data = np.stack([_repeated(read, band, finest) for band in read])
    told = _metadata(folder)
    moment = _moment(time, told, folder)
    y = transform.f + transform.e * (np.arange(shape[0]) + 0.5)
    x = transform.c + transform.a * (np.arange(shape[1]) + 0.5)
    seen = np.all(data > 0, axis=0, keepdims=True)
    reflectance = np.where(data > 0, data.astype(np.float32) * _SCALE, np.float32(np.nan))
    missing = [name for name in SENTINEL2_NAMES.values() if name not in read]
    cube = xr.Dataset(
        {
            "reflectance": (("time", "band", "y", "x"), reflectance[None]),
            "clear": (("time", "y", "x"), seen.astype(np.uint8)),
        },
        coords={
            "time": np.array([moment], "datetime64[ns]"),
            "band": ("band", np.array(list(read), np.dtypes.StringDType())),
            "y": y,
            "x": x,
            GRID_MAPPING: ((), np.int32(0), {"crs_wkt": CRS.from_wkt(grid.crs.to_wkt()).to_wkt()}),
        },
        attrs={
            "missing_bands": missing,
            "native_resolution": [float(layer.transform.a) for layer in read.values()],
        },
    )
    cube["reflectance"].attrs = {"long_name": "surface reflectance", "units": "1"}
    cube["reflectance"].encoding = dict(REFLECTANCE_ENCODING)
    cube["clear"].attrs = {"long_name": "every band has a value; clouds are not known"}
    for key in ("labels", "tile_source"):
        if key in told:
            cube.attrs[key] = told[key]
    return check_cube(cube)


def _paths_of(
    files: str | PathLike[str] | Mapping[str, str | PathLike[str]],
) -> tuple[dict[str, Path], Path | None]:
    """Files by common name of the band, in the order of the sensor, and their folder."""
    if isinstance(files, Mapping):
        names = [*SENTINEL2_NAMES, *SENTINEL2_NAMES.values()]
        for band in files:
            if band not in names:
                raise CubeError(name_unknown("band", band, names))
        found = {SENTINEL2_NAMES.get(band, band): Path(path) for band, path in files.items()}
        folder = None
    else:
        folder = Path(files)
        if not folder.is_dir():
            raise StoreError(f"no folder {str(folder)!r}; give one that holds GeoTIFFs of bands.")
        found = {}
        for path in sorted(folder.iterdir()):
            match = _BAND.search(path.name)
            if match and match[1].upper() in SENTINEL2_NAMES:
                found[SENTINEL2_NAMES[match[1].upper()]] = path
        radar = [p.name for p in folder.iterdir() if _RADAR.search(p.name)]
        if radar and not found:
            raise CubeError(
                f"{str(folder)!r} holds radar of Sentinel-1 ({sorted(radar)[0]}): backscatter in "
                "dB is no reflectance, so it makes no cube. Give the folder of a Sentinel-2 scene."
            )
    if not found:
        raise StoreError(
            f"no band in {str(folder)!r}: expected files that end in _B02.tif, ..., _B12.tif."
        )
    return {n: found[n] for n in SENTINEL2_NAMES.values() if n in found}, folder


def _read_band(path: Path, band: str) -> _Layer:
    try:
        with rasterio.open(path) as source:
            if source.count != 1 or source.dtypes[0] != "uint16":
                raise CubeError(
                    f"band {band!r} in {str(path)!r} has {source.count} layers of "
                    f"{source.dtypes[0]}; expected one of uint16 (reflectance x 10000)."
                )
            if source.crs is None or source.transform.b or source.transform.d:
                raise CubeError(
                    f"band {band!r} in {str(path)!r} has no reference system, or a rotated grid; "
                    "a cube needs rows and columns along x and y."
                )
            return _Layer(values=source.read(1), transform=source.transform, crs=source.crs)
    except RasterioIOError as error:
        raise StoreError(f"band {band!r} cannot be read from {str(path)!r}: {error}") from error


def _repeated(read: Mapping[str, _Layer], band: str, finest: str) -> NDArray[np.uint16]:
    """Pixels of a band on the finest grid, each repeated ratio x ratio times."""
    grid, reference = read[band], read[finest]
    values, fine = grid.values, reference.values
    if grid.crs != reference.crs:
        raise CubeError(
            f"band {band!r} is in {grid.crs.to_string()}, band {finest!r} in "
            f"{reference.crs.to_string()}: they are not of one scene. Leave one of them out."
        )
    mine, theirs = grid.transform, reference.transform
    ratio = round(mine.a / theirs.a)
    steps = (mine.a, mine.e, mine.c, mine.f)
    wanted = (theirs.a * ratio, theirs.e * ratio, theirs.c, theirs.f)
    tolerance = abs(theirs.a) * 1e-6
    same = all(abs(m - w) <= tolerance for m, w in zip(steps, wanted, strict=True))
    if not same or tuple(n * ratio for n in values.shape) != fine.shape:
        raise CubeError(
            f"band {band!r} ({values.shape[0]} x {values.shape[1]} pixels of {mine.a:g} m from "
            f"x {mine.c:g}, y {mine.f:g}) does not nest in band {finest!r} ({fine.shape[0]} x "
            f"{fine.shape[1]} of {theirs.a:g} m from x {theirs.c:g}, y {theirs.f:g}): expected the "
            "same corner, the same square and a whole ratio. Resample it first, or leave it out."
        )
    return values.repeat(ratio, axis=0).repeat(ratio, axis=1)


def _metadata(folder: Path | None) -> dict[str, Any]:
    for path in sorted(folder.glob("*_labels_metadata.json")) if folder else ():
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return told
    return {}


def _moment(
    time: str | np.datetime64 | datetime | None, told: Mapping[str, Any], folder: Path | None
) -> np.datetime64:
    if time is not None:
        return np.datetime64(time)
    if "acquisition_date" in told:
        return np.datetime64(str(told["acquisition_date"]).replace(" ", "T"))
    match = _DATE.search(folder.name) if folder else None
    if match:
        return np.datetime64(datetime.strptime(match[1], "%Y%m%dT%H%M%S"))
    raise CubeError(
        "the moment of the scene is not known: no labels_metadata.json and no date such as "
        "20170617T113321 in the folder's name. Pass time='2017-06-17T11:33:21'."
    )
