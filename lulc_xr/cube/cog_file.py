"""One Cloud Optimised GeoTIFF in the making: written in blocks, checked, put in its place."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine
from rasterio.windows import Window

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import affine_of
from lulc_xr.cube.category_names import SUFFIX, category_xml, rgb
from lulc_xr.cube.raster_layers import RasterLayer

_TILE, _FIRST_TILE = 512, 256


@dataclass(frozen=True, kw_only=True)
class FileGrid:
    """Georeference of the files: north is up, whatever the order of the map's rows."""

    crs: CRS
    transform: Affine
    height: int
    width: int

    @classmethod
    def of(cls, maps: xr.Dataset) -> FileGrid:
        """The grid of maps.

        Raises
        ------
        CubeError
            If they have no reference system, or are not evenly spaced.
        """
        for name in ("y", "x"):
            steps = np.diff(np.asarray(maps[name].values, np.float64))
            if steps.size > 1 and not np.allclose(steps, steps[0], rtol=1e-3):
                raise CubeError(
                    f"{name!r} is not evenly spaced; a GeoTIFF has one pixel size. Take every "
                    "pixel of a part, or bring the map onto a regular grid first."
                )
        a, b, c, d, e, f = affine_of(north_up(maps))
        return cls(
            crs=CRS.from_wkt(crs_of(maps)), transform=Affine(a, b, c, d, e, f),
            height=maps.sizes["y"], width=maps.sizes["x"],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CogFile:
    """A file in the making: first a plain GeoTIFF, written block by block, then the COG.

    Parameters
    ----------
    layer : RasterLayer
        What is written.
    place : Path
        The COG; the plain file lies beside it.
    grid : FileGrid
        Its georeference.
    checks : dict
        Checksum of each window that was written: (column, row, width, height).
    """

    layer: RasterLayer
    place: Path
    grid: FileGrid
    checks: dict[tuple[int, int, int, int], int] = field(default_factory=dict)

    @property
    def plain(self) -> Path:
        """The file that blocks are written into."""
        return self.place.with_suffix(".plain.tif")

    def open(self, *, year: int | None, colors: bool) -> Any:
        """The plain file, open for writing, with all that is said of it."""
        layer = self.layer
        file = rasterio.open(
            self.plain, "w", driver="GTiff", dtype=layer.dtype, count=len(layer.bands),
            nodata=layer.nodata, crs=self.grid.crs, transform=self.grid.transform,
            height=self.grid.height, width=self.grid.width, tiled=True, compress="lzw",
            blockxsize=_FIRST_TILE, blockysize=_FIRST_TILE, bigtiff="if_safer",
            interleave="band", sparse_ok=True,
        )  # fmt: skip
        if layer.legend is not None and colors and len(layer.bands) == 1:
            file.write_colormap(1, _color_table(layer))
        elif len(layer.bands) > 1:
            # Three bands are not red, green and blue.
            file.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (len(layer.bands) - 1)
        file.descriptions = layer.bands
        if layer.scale is not None:
            file.scales = (layer.scale,) * len(layer.bands)
            file.offsets = (0.0,) * len(layer.bands)
        file.update_tags(**_tags(layer, year))
        return file

    def write(self, file: Any, window: Window, part: xr.Dataset) -> None:
        """Write a computed part of the maps into its window of the open file."""
        values = np.ascontiguousarray(self.layer.values(part))
        file.write(values, window=window)
        key = (window.col_off, window.row_off, window.width, window.height)
        self.checks[key] = zlib.crc32(values.data)

    def finish(self) -> None:
        """The COG with its overviews, read back and compared with what was written.

        Raises
        ------
        OSError
            If it holds anything else: GDAL may lose blocks of a full disk without a word.
        """
        resampling = self.layer.resampling
        rasterio.shutil.copy(
            self.plain, self.place, driver="COG", compress="deflate", blocksize=str(_TILE),
            bigtiff="if_safer", num_threads="all_cpus", overview_resampling=resampling,
            predictor="yes" if resampling == "average" else "no",
        )  # fmt: skip
        self.plain.unlink()
        with rasterio.open(self.place) as file:
            for key, check in self.checks.items():
                found = np.ascontiguousarray(file.read(window=Window(*key)))
                if zlib.crc32(found.data) != check:
                    raise OSError(
                        f"{self.place.name} does not hold what was written at column {key[0]}, "
                        f"row {key[1]}"
                    )
        legend = self.layer.legend
        if legend is not None:
            names = category_xml(legend, bands=len(self.layer.bands))
            self.place.with_name(self.place.name + SUFFIX).write_bytes(names)


def north_up(maps: xr.Dataset) -> xr.Dataset:
    """Maps with rows from the north and columns from the west."""
    turned = {}
    for dim, ascending in (("y", False), ("x", True)):
        values = maps[dim].values
        if values.size > 1 and (values[-1] > values[0]) != ascending:
            turned[dim] = slice(None, None, -1)
    return maps.isel(turned) if turned else maps


def put(new: Path, final: Path) -> None:
    """A finished file in its place, its names first: no reader sees it without them."""
    names, there = new.with_name(new.name + SUFFIX), final.with_name(final.name + SUFFIX)
    if names.exists():
        names.replace(there)
    else:
        there.unlink(missing_ok=True)
    new.replace(final)


def _color_table(layer: RasterLayer) -> Mapping[int, tuple[int, int, int, int]]:
    table = dict.fromkeys(range(256), (0, 0, 0, 0))
    for entry in layer.legend.classes if layer.legend else ():
        table[entry.class_id] = (*rgb(entry.color), 255)
    return table


def _tags(layer: RasterLayer, year: int | None) -> dict[str, str]:
    tags = {"TIFFTAG_SOFTWARE": f"lulc_xr {version('lulc_xr')}", **layer.tags}
    if year is not None:
        tags["year"] = str(year)
    if layer.legend is not None:
        tags["flag_values"] = " ".join(map(str, layer.legend.ids))
        tags["flag_meanings"] = " ".join(layer.legend.names)
        tags["flag_colors"] = " ".join(layer.legend.colors)
    return tags
