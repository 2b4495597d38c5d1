"""Maps as Cloud Optimised GeoTIFFs, with colours and class names: the door for GIS."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from dask.base import compute
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from lulc_xr.core.errors import CubeError, StoreError, name_unknown
from lulc_xr.cube.cog_file import CogFile, FileGrid, north_up, put
from lulc_xr.cube.mapped_year import check_years, mapped_days
from lulc_xr.cube.raster_layers import describe_layer

_BLOCK = 2048
_FILES = (".tif", ".tiff")
_MOST_BLOCKS = 8
# Of GDAL, whose own bound is a twentieth of the machine's memory.
_CACHE_MB = 256


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
    grid = FileGrid.of(maps)
    jobs = [(y, _of_year(maps, names, y)) for y in years]
    layers = {y: [describe_layer(part, name) for name in names] for y, part in jobs}
    folder = target.parent if target.suffix.lower() in _FILES else target
    was_there = folder.exists()
    partial = folder / f".cog-{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        made: list[tuple[Path, Path]] = []
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB):
            for y, part in jobs:
                files = [
                    CogFile(layer=layer, place=partial / places[layer.name, y].name, grid=grid)
                    for layer in layers[y]
                ]
                _write_year(part, files, year=y, colors=colors)
                made += [(f.place, places[f.layer.name, y]) for f in files]
        for new, final in made:
            put(new, final)
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


def _write_year(
    part: xr.Dataset, files: Sequence[CogFile], *, year: int | None, colors: bool
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
    return north_up(chosen)


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
