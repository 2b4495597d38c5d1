"""Class maps of others, such as WorldCover or CORINE, opened lazily with their legend."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import rasterio
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from lulc_xr.core.corine import corine_codes
from lulc_xr.core.errors import CubeError, LegendError, SourceError
from lulc_xr.core.georeference import GRID_MAPPING
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.legends import legend as named_legend
from lulc_xr.core.legends import list_legends
from lulc_xr.core.points import DEFAULT_TASK

_SIDE = 2048
_UNKNOWN = 256
_NOT_MAPPED: Mapping[str, tuple[int, ...]] = {
    "worldcover": (0,),
    "elc10": (0,),
    "clcplus_backbone": (254, 255),
}
"""Codes of products that are no class, whatever their files say of it."""


def open_class_map(
    path: str | os.PathLike[str],
    *,
    legend: str | Legend | None = None,
    codes: Mapping[int, int] | None = None,
    nodata: int | Sequence[int] | None = None,
    band: int = 1,
    year: int | None = None,
    name: str = DEFAULT_TASK,
    chunk: int = _SIDE,
) -> xr.DataArray:
    """A class map from a raster file, lazily, with its legend: ready to be judged or compared.

    Parameters
    ----------
    path : str or path
        GeoTIFF, COG, VRT or anything else that GDAL reads; also its addresses, such as
        ``"/vsicurl/https://..."``. A palette in the file is ignored.
    legend : str or Legend
        The classes: a name of :func:`lulc_xr.list_legends`, such as "worldcover", or a legend.
        For CORINE "corine_level3": files of grid codes 1 to 44 and of level-3 codes 111 to 523
        are both understood.
    codes : mapping of int to int, optional
        Class id of each value of the file, where they differ from the legend's ids.
    nodata : int or sequence of int, optional
        Values that mean "not mapped". Default: what the file says, and what the product does
        (0 of WorldCover and ELC10; 254 and 255 of CLC+ Backbone).
    band : int
        Band of the file, from 1.
    year : int, optional
        The year it maps, kept as a coordinate: points of other years are then reported.
    name : str
        Name of the class map.
    chunk : int
        Side of a chunk in pixels; made a multiple of the file's own tiles.

    Returns
    -------
    xr.DataArray
        (y, x) uint8, 255 where not mapped, in Dask chunks that open the file when they are
        computed; with CF flags and `spatial_ref`.

    Raises
    ------
    SourceError
        If the file cannot be read.
    LegendError
        If no legend is given, or (when computed) a value is not part of it.
    CubeError
        If the raster has no reference system, is rotated, or does not hold whole numbers.

    Examples
    --------
    >>> maps = open_class_map("ESA_WorldCover_10m_2021.tif", legend="worldcover")  # doctest: +SKIP
    >>> judge_points(  # doctest: +SKIP
    ...     maps, points, crosswalk=("worldcover", "lucas_lc1_level1")
    ... )
    """
    classes = _legend(path, legend)
    source = os.fspath(path)
    try:
        with rasterio.open(source) as file:
            table = _table(classes, codes, nodata, file.nodatavals[_band(file, band) - 1], source)
            _check(file, source)
            shape, tile = file.shape, file.block_shapes[band - 1]
            crs, affine = file.crs.to_wkt(), file.transform
    except RasterioError as error:
        raise SourceError(f"cannot open class map {source!r}: {error}. Check the path.") from error
    array = _RasterClasses(path=source, band=band, shape=shape, table=table, legend=classes)
    lazy = da.from_array(
        array,
        chunks=_chunks(shape, tile, chunk),
        name=f"{name}-{tokenize(source, _changed(source), band, table.values, table.nodata)}",
        asarray=True,
        meta=np.empty((0, 0), np.uint8),
    )
    system = CRS.from_wkt(crs)
    a, _, c, _, e, f = affine[:6]
    attrs = {**system.to_cf(), "GeoTransform": f"{c!r} {a!r} 0.0 {f!r} 0.0 {e!r}"}
    attrs["spatial_ref"] = attrs["crs_wkt"]
    made = xr.DataArray(
        lazy,
        dims=("y", "x"),
        coords={
            "y": f + e * (np.arange(shape[0]) + 0.5),
            "x": c + a * (np.arange(shape[1]) + 0.5),
            GRID_MAPPING: xr.Variable((), np.int32(system.to_epsg() or 0), attrs),
        },
        name=name,
        attrs={"long_name": name.replace("_", " "), "source": source, **classes.flags()},
    )
    made.encoding = {
        "grid_mapping": GRID_MAPPING, "dtype": "uint8", "_FillValue": np.uint8(FILL_CLASS),
    }  # fmt: skip
    return made if year is None else made.assign_coords(year=np.int64(year))


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Class id of each value of a file; values that mean none."""

    values: Mapping[int, int]
    nodata: tuple[int, ...]
    _lookup: NDArray[np.uint16] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lookup = np.full(max(self.values) + 2, _UNKNOWN, np.uint16)
        for value, class_id in self.values.items():
            lookup[value] = class_id
        object.__setattr__(self, "_lookup", lookup)

    def ids(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Class id of each value, 255 for none, 256 for a value that is not known."""
        last = self._lookup.size - 1
        inside = (values >= 0) & (values < last)
        ids = self._lookup[np.where(inside, values, last).astype(np.intp)]
        for value in self.nodata:
            ids[values == value] = FILL_CLASS
        return ids


@dataclass(frozen=True, kw_only=True)
class _RasterClasses:
    """A raster file as an array of class ids, opened anew for each window: safe in threads."""

    path: str
    band: int
    shape: tuple[int, int]
    table: _Table
    legend: Legend
    ndim: int = 2
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint8))

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[np.uint8]:
        (top, bottom, down), (left, right, across) = (
            part.indices(size) for part, size in zip(key, self.shape, strict=True)
        )
        window = Window(left, top, max(right - left, 0), max(bottom - top, 0))
        try:
            with rasterio.open(self.path) as file:
                values = file.read(self.band, window=window)[::down, ::across]
        except RasterioError as error:
            raise SourceError(
                f"cannot read rows {top} to {bottom}, columns {left} to {right} of class map "
                f"{self.path!r}: {error}. Check that the file is whole."
            ) from error
        ids = self.table.ids(values)
        unknown = values[ids == _UNKNOWN]
        if unknown.size:
            raise LegendError(_explain(self.path, unknown, self.legend))
        return ids.astype(np.uint8)


def _legend(path: str | os.PathLike[str], given: str | Legend | None) -> Legend:
    if isinstance(given, Legend):
        return given
    if given is None:
        raise LegendError(
            f"nothing says what the values of {os.fspath(path)!r} mean. Give legend=, one of "
            f"{', '.join(list_legends())}; or a lulc_xr.Legend of your own."
        )
    return named_legend(given)


def _band(file: Any, band: int) -> int:
    if not 1 <= band <= file.count:
        raise CubeError(f"band {band} of {file.name!r}, which has 1 to {file.count}.")
    return band


def _check(file: Any, source: str) -> None:
    if file.crs is None:
        raise CubeError(
            f"class map {source!r} has no coordinate reference system. Assign it, for instance "
            "with gdal_edit -a_srs EPSG:3035."
        )
    if file.transform.b or file.transform.d:
        raise CubeError(f"class map {source!r} is rotated; warp it to a grid along its axes first.")
    wrong = [t for t in file.dtypes if np.dtype(t).kind not in "iu"]
    if wrong:
        raise CubeError(
            f"class map {source!r} is {wrong[0]}; expected whole numbers. Convert it, for instance "
            "with gdal_translate -ot Byte."
        )


def _table(
    legend: Legend,
    codes: Mapping[int, int] | None,
    nodata: int | Sequence[int] | None,
    of_file: float | None,
    source: str,
) -> _Table:
    values = {int(v): int(i) for v, i in (codes or {i: i for i in legend.ids}).items()}
    strange = sorted(set(values.values()) - set(legend.ids) - {FILL_CLASS})
    if strange:
        raise LegendError(
            f"codes= leads to class id {strange[0]}, which legend {legend.name!r} does not have."
        )
    if min(values) < 0:
        raise LegendError(
            f"codes= names value {min(values)}; classes have values >= 0, nodata= names the others."
        )
    if codes is None and legend.name == "corine_level3":
        # Grid codes end at 44, codes of level 3 begin at 111: no value is both.
        values |= corine_codes()
    if nodata is not None:
        none = (int(nodata),) if isinstance(nodata, int) else tuple(int(v) for v in nodata)
        return _Table(values={v: i for v, i in values.items() if v not in none}, nodata=none)
    none = _NOT_MAPPED.get(legend.name, ())
    if of_file is not None and np.isfinite(of_file):
        if int(of_file) in values:
            raise LegendError(
                f"{source!r} says that {int(of_file)} means no data, and legend {legend.name!r} "
                f"has a class of that value. Say which with nodata=: {int(of_file)} or ()."
            )
        none = (*none, int(of_file))
    return _Table(values=values, nodata=none)


def _explain(path: str, unknown: NDArray[Any], legend: Legend) -> str:
    """What to say of values that are not part of a legend."""
    values, counts = np.unique(unknown, return_counts=True)
    found = ", ".join(f"{v} ({n} times)" for v, n in zip(values[:8], counts[:8], strict=True))
    more = f" and {values.size - 8} more" if values.size > 8 else ""
    others = [
        name
        for name in list_legends()
        if name != legend.name and set(values.tolist()) <= set(named_legend(name).ids)
    ]
    hint = f" Legends that have all of them: {', '.join(others)}." if others else ""
    return (
        f"values outside legend {legend.name!r} in {path!r}: {found}{more}. Its class ids are "
        f"{', '.join(map(str, legend.ids))}. Give another legend=, nodata= for values that mean "
        f"none, or codes= if the file numbers the classes in its own way.{hint}"
    )


def _chunks(shape: tuple[int, int], tile: tuple[int, int], side: int) -> tuple[int, int]:
    """Rows and columns of a chunk: whole tiles of the file, about side x side pixels."""
    rows, columns = tile
    if columns >= shape[1]:
        # Strips: whole rows, since a part of one costs as much to read.
        return min(max(side * side // shape[1] // rows, 1) * rows, shape[0]), shape[1]
    whole = (max(side // length, 1) * length for length in tile)
    down, across = (min(length, size) for length, size in zip(whole, shape, strict=True))
    return down, across


def _changed(source: str) -> tuple[int, int] | None:
    """What changes when a local file does: Dask must not take an old graph for it."""
    file = Path(source)
    return (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None
