"""Maps as Cloud Optimised GeoTIFFs, with colours and class names: the door for GIS."""

from __future__ import annotations

import os
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from dask.base import compute
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, StoreError, name_unknown
from lulc_xr.core.georeference import affine_of
from lulc_xr.cube.category_names import SUFFIX, category_xml, rgb
from lulc_xr.cube.mapped_year import check_years, mapped_days
from lulc_xr.cube.raster_layers import RasterLayer, describe_layer

_BLOCK = 2048
_TILE, _FIRST_TILE = 512, 256
_FILES = (".tif", ".tiff")
_MOST_BLOCKS = 8


def to_cog(
    maps: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    variables: str | Sequence[str] = "land_cover",
    year: int | Sequence[int] | None = None,
    colors: bool = True,
    overwrite: bool = False,
) -> list[Path]:
    """Maps as Cloud Optimised GeoTIFFs (COG), one for each variable and year.

    Class maps come with their colours and class names, as QGIS and GDAL show them. Lazy maps are
    computed block by block, each block once for all variables of a year; memory holds a few
    blocks, whatever the size of the map.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify`, :func:`lulc_xr.open_cube` or :func:`lulc_xr.mask` give
        them.
    path : str or path
        A file (``.tif``) for one variable of one year; else a folder, in which files are called
        ``<variable>_<year>.tif``.
    variables : str or sequence of str
        Variables over `y` and `x`; one more dimension, such as the classes of probabilities,
        becomes bands.
    year : int or sequence of int, optional
        Mapped years; by default all.
    colors : bool
        Whether class maps get a colour table.
    overwrite : bool
        Replace files that are there.

    Returns
    -------
    list of Path
        The files, year by year. Beside a file of classes lies ``<file>.aux.xml`` with the class
        names and an attribute table, where GDAL looks for them; the names are in the tags
        `flag_values` and `flag_meanings` of the file too.

    Raises
    ------
    CubeError
        If a variable or year is not there, the map has no reference system, or is not evenly
        spaced.
    StoreError
        If a file is there already, or cannot be written. What was there is then unchanged, and
        nothing is left behind.

    Notes
    -----
    Classes and masks are stored as uint8 with 255 for none, and reduced to overviews by their
    mode; a mask with its ``<name>_known`` becomes 0 no, 1 yes, 255 not known. Probabilities keep
    their stored steps with scale; entropy and other numbers keep their type with NaN; these are
    averaged. Rows are stored north first. Compression is DEFLATE, which every reader knows, in
    tiles of 512 pixels. Files are made beside their place, read back and compared with what was
    computed, and renamed when all are whole.

    Examples
    --------
    >>> maps.lulc.to_cog("maps", variables=["land_cover", "land_cover_entropy"])  # doctest: +SKIP
    [PosixPath('maps/land_cover_2018.tif'), PosixPath('maps/land_cover_entropy_2018.tif')]
    """
    names = [variables] if isinstance(variables, str) else list(variables)
    _check_names(maps, names)
    years = check_years(maps, names, year)
    target = Path(path).expanduser()
    places = _places(target, names, years)
    _check_free(list(places.values()), overwrite=overwrite)
    grid = _Grid.of(maps)
    jobs = [(y, _of_year(maps, names, y)) for y in years]
    layers = {y: [describe_layer(part, name) for name in names] for y, part in jobs}
    folder = target.parent if target.suffix.lower() in _FILES else target
    was_there = folder.exists()
    partial = folder / f".cog-{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        made: list[tuple[Path, Path]] = []
        for y, part in jobs:
            files = [_File(layer=layer, place=partial / places[layer.name, y].name, grid=grid)
                     for layer in layers[y]]  # fmt: skip
            _write_year(part, files, year=y, colors=colors)
            made += [(f.place, places[f.layer.name, y]) for f in files]
        for new, final in made:
            _put(new, final)
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise StoreError(
            f"could not write {str(target)!r}: {error}. Nothing was left behind; what was there "
            "is unchanged. Check space and permissions, then write it again."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if not was_there and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
    return list(places.values())


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Georeference of the files: north is up, whatever the order of the map's rows."""

    crs: CRS
    transform: Affine
    height: int
    width: int

    @classmethod
    def of(cls, maps: xr.Dataset) -> _Grid:
        for name in ("y", "x"):
            steps = np.diff(np.asarray(maps[name].values, np.float64))
            if steps.size > 1 and not np.allclose(steps, steps[0], rtol=1e-3):
                raise CubeError(
                    f"{name!r} is not evenly spaced; a GeoTIFF has one pixel size. Take every "
                    "pixel of a part, or bring the map onto a regular grid first."
                )
        a, b, c, d, e, f = affine_of(_north_up(maps))
        return cls(
            crs=CRS.from_wkt(crs_of(maps)), transform=Affine(a, b, c, d, e, f),
            height=maps.sizes["y"], width=maps.sizes["x"],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file in the making: first a plain GeoTIFF, written block by block, then the COG."""

    layer: RasterLayer
    place: Path
    grid: _Grid
    checks: dict[tuple[int, int, int, int], int] = field(default_factory=dict)

    @property
    def plain(self) -> Path:
        return self.place.with_suffix(".plain.tif")

    def open(self, *, year: int | None, colors: bool) -> Any:
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
        values = np.ascontiguousarray(self.layer.values(part))
        file.write(values, window=window)
        key = (window.col_off, window.row_off, window.width, window.height)
        self.checks[key] = zlib.crc32(values.data)

    def finish(self) -> None:
        """The COG with its overviews, read back and compared with what was written."""
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


def _write_year(
    part: xr.Dataset, files: Sequence[_File], *, year: int | None, colors: bool
) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(f.open(year=year, colors=colors)) for f in files]
        blocks = _blocks(part)
        # A few blocks at once, so that all cores compute and memory stays bounded.
        while batch := list(islice(blocks, min(os.cpu_count() or 1, _MOST_BLOCKS))):
            computed = compute(*(block for _, block in batch))
            for (window, _), values in zip(batch, computed, strict=True):
                for file, handle in zip(files, opened, strict=True):
                    file.write(handle, window, values)
    for file in files:
        file.finish()


def _blocks(part: xr.Dataset) -> Iterator[tuple[Window, xr.Dataset]]:
    """Windows of the file, each with what goes there: whole chunks of lazy maps."""
    sizes = part.unify_chunks().chunksizes
    spans = {}
    for dim in ("y", "x"):
        ends = np.cumsum(sizes[dim]) if dim in sizes else None
        if ends is None:
            ends = np.append(np.arange(_BLOCK, part.sizes[dim], _BLOCK), part.sizes[dim])
        spans[dim] = list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
    for top, bottom in spans["y"]:
        for left, right in spans["x"]:
            window = Window(left, top, right - left, bottom - top)
            yield window, part.isel(y=slice(top, bottom), x=slice(left, right))


def _of_year(maps: xr.Dataset, names: Sequence[str], year: int | None) -> xr.Dataset:
    """What is written of one year, rows from the north."""
    known = [f"{name}_known" for name in names if f"{name}_known" in maps]
    chosen = maps[list(dict.fromkeys([*names, *known]))]
    days = {n: mapped_days(maps, str(n), year) for n in chosen.data_vars if year is not None}
    if year is not None and "year" in chosen.dims:
        chosen = chosen.sel(year=year)
    # A copy: the maps of the caller keep their attributes.
    chosen = chosen.copy()
    for name, of_year in days.items():
        if of_year is not None:
            chosen[name].attrs["year_start"] = str(of_year[0])
    return _north_up(chosen)


def _north_up(maps: xr.Dataset) -> xr.Dataset:
    turned = {}
    for dim, ascending in (("y", False), ("x", True)):
        values = maps[dim].values
        if values.size > 1 and (values[-1] > values[0]) != ascending:
            turned[dim] = slice(None, None, -1)
    return maps.isel(turned) if turned else maps


def _check_names(maps: xr.Dataset, names: Sequence[str]) -> None:
    if not names:
        raise CubeError("no variable to write; name at least one, such as 'land_cover'.")
    for name in names:
        if name not in maps.data_vars:
            raise CubeError(name_unknown("variable", name, map(str, maps.data_vars)))


def _places(
    target: Path, names: Sequence[str], years: Sequence[int | None]
) -> dict[tuple[str, int | None], Path]:
    if target.suffix.lower() in _FILES:
        if len(names) * len(years) > 1:
            raise CubeError(
                f"{str(target)!r} is one file, and {len(names)} variables of {len(years)} years "
                "are to be written. Give a folder, or choose one with variables= and year=."
            )
        return {(names[0], years[0]): target}
    return {
        (name, y): target / f"{name}{'' if y is None else f'_{y}'}.tif"
        for y in years
        for name in names
    }


def _check_free(places: Sequence[Path], *, overwrite: bool) -> None:
    for place in places:
        if place.exists() and not overwrite:
            raise StoreError(
                f"{str(place)!r} exists already. Choose another path, or pass overwrite=True to "
                "replace it once the new file is whole."
            )


def _put(new: Path, final: Path) -> None:
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
