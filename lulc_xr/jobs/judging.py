"""``lulc-xr evaluate`` and ``verify``: whether a map is right, and whether it is whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from rasterio.errors import RasterioIOError
from rich.table import Table

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.report import format_accuracy
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, SampleError, name_unknown
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.cube.store import open_cube
from lulc_xr.cube.verify import verify
from lulc_xr.jobs.point_files import PASSES, POINT_FILES, describe_filter, read_point_file
from lulc_xr.jobs.terminal import console
from lulc_xr.samples.points import read_points

_RASTERS = (".tif", ".tiff")


def evaluate_store(
    store: Path,
    reference: str,
    *,
    mask: str | None = None,
    labels: str = "land_cover",
    crs: str | None = None,
    task: str = "land_cover",
    year: int | None = None,
    quality: str | None = None,
    json_path: Path | None = None,
) -> Accuracy:
    """Print the agreement of a store's class map with a reference.

    With a quality filter it is printed twice, at all points and at those that pass: a filter
    keeps the easier points, so that its figure alone would flatter the map.

    Parameters
    ----------
    store : Path
        Store of the cube with its map.
    reference : str
        A variable of the store, a GeoTIFF on its grid, or a file of labelled points.
    mask : str, optional
        A variable or a GeoTIFF; pixels count where it is not 0.
    labels, crs
        Column and reference system of points.
    task : str
        Name of the class map.
    year : int, optional
        Mapped year; by default the last.
    quality : str, optional
        Name of a quality filter of points of LUCAS.
    json_path : Path, optional
        Where to write all figures.

    Returns
    -------
    Accuracy
        At all points, whatever the filter.
    """
    cube = open_cube(store)
    predicted = _map_of(cube, task, year)
    mapped_year = int(predicted["year"])
    predicted = predicted.drop_vars("year")
    legend = Legend.from_flags(predicted.attrs)
    where = _grid(cube, mask, what="mask") != 0 if mask else None
    title = f"{task} of {store} against {reference}"
    passed: Accuracy | None = None
    if Path(reference).suffix.lower() in POINT_FILES:
        points = _at_points(
            cube, predicted, Path(reference), legend, labels=labels, crs=crs, mask=where,
            quality=quality, year=mapped_year,
        )  # fmt: skip
        result = accuracy(points.mapped, points.true, legend=legend)
        if points.passes is not None:
            passed = accuracy(points.mapped, points.true, legend=legend, mask=points.passes)
    elif quality is not None:
        raise SampleError(
            f"filter {quality!r} judges points of LUCAS, and {reference!r} is no file of points."
        )
    else:
        true = _grid(cube, reference, what="reference")
        result = accuracy(predicted, true, legend=legend, mask=where)
    if not result.total:
        raise SampleError(
            f"nothing to compare: reference {reference!r} has no label where the mask counts."
        )
    _show(result, passed, title=title, quality=quality)
    if json_path is not None:
        figures = result.to_dict()
        if passed is not None:
            figures["filtered"] = {"filter": quality, **passed.to_dict()}
        json_path.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return result


def _show(result: Accuracy, passed: Accuracy | None, *, title: str, quality: str | None) -> None:
    screen = console()
    if passed is None:
        screen.print(format_accuracy(result, title=title))
        return
    screen.print(format_accuracy(result, title=f"{title}, all points"))
    screen.print(format_accuracy(passed, title=f"{title}, points that pass {quality}"))
    screen.print(
        f"overall accuracy {result.overall:.3f} at all {result.total:g} points, "
        f"{passed.overall:.3f} at the {passed.total:g} that pass {quality}"
    )


def verify_store(store: Path) -> bool:
    """Print which shards of a store's maps are whole; True if all are."""
    screen = console()
    with screen.status("reading every shard"):
        found = verify(store)
    if not found.variables:
        screen.print(f"{store} holds no map that was written shard by shard; nothing to check")
        return True
    table = Table("map")
    for heading in ("shards", "whole", "missing", "damaged"):
        table.add_column(heading, justify="right")
    for name, check in found.variables.items():
        damaged = len(check.damaged)
        table.add_row(
            name,
            str(check.shards),
            str(check.done - damaged),
            f"[yellow]{check.missing}[/]" if check.missing else "0",
            f"[bold red]{damaged}[/]" if damaged else "0",
        )
    screen.print(table)
    for name, check in found.variables.items():
        for index in check.damaged:
            screen.print(f"[bold red]damaged:[/] {name}, shard {index}")
    if found.ok:
        screen.print("[green]every shard holds what was written[/]")
    else:
        screen.print(
            "[red]not whole.[/] Missing shards: run the same 'lulc-xr classify' again. "
            "Damaged ones: add --overwrite."
        )
    return found.ok


def _map_of(cube: xr.Dataset, task: str, year: int | None) -> xr.DataArray:
    maps = [str(n) for n, v in cube.data_vars.items() if {"year", "y", "x"} == set(v.dims)]
    classes = [name for name in maps if "flag_values" in cube[name].attrs]
    if task not in classes:
        raise CubeError(
            name_unknown("class map", task, classes)
            + " Make one with 'lulc-xr classify STORE --model DIR'."
        )
    known = [int(y) for y in cube["year"].values]
    if year is not None and year not in known:
        raise CubeError(name_unknown("mapped year", year, map(str, known)))
    return cube[task].sel(year=known[-1] if year is None else year)


def _grid(cube: xr.Dataset, name: str, *, what: str) -> xr.DataArray:
    """A variable of the cube, or a GeoTIFF on its grid, over (y, x)."""
    if Path(name).suffix.lower() in _RASTERS:
        return _read_raster(cube, Path(name))
    flat = [str(n) for n, v in cube.data_vars.items() if set(v.dims) == {"y", "x"}]
    if name not in flat:
        raise CubeError(
            name_unknown(what, name, flat)
            + " Give one of these variables of the store, or a file (.tif, or points)."
        )
    return cube[name]


def _read_raster(cube: xr.Dataset, path: Path) -> xr.DataArray:
    try:
        with rasterio.open(path) as source:
            values, nodata = source.read(1), source.nodata
            crs, affine, shape = source.crs, tuple(source.transform)[:6], source.shape
    except RasterioIOError as error:
        raise CubeError(f"{str(path)!r} cannot be read: {error}.") from error
    expected = (cube.sizes["y"], cube.sizes["x"])
    same_place = np.allclose(affine, affine_of(cube), rtol=0, atol=1e-3)
    if shape != expected or not same_place or crs != rasterio.CRS.from_wkt(crs_of(cube)):
        raise CubeError(
            f"{str(path)!r} ({crs}, {shape[0]} × {shape[1]} pixels, transform {affine}) is not on "
            f"the grid of the cube ({expected[0]} × {expected[1]} pixels, {affine_of(cube)}). "
            "Warp it first, with nearest neighbours: gdalwarp -r near."
        )
    if nodata is not None:
        values = np.where(values == nodata, FILL_CLASS, values).astype(values.dtype)
    return xr.DataArray(values, dims=("y", "x"), coords={"y": cube["y"], "x": cube["x"]})


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Mapped and true class ids of points, and which pass a filter, each of shape (sample,)."""

    mapped: xr.DataArray
    true: xr.DataArray
    passes: xr.DataArray | None


def _at_points(
    cube: xr.Dataset,
    predicted: xr.DataArray,
    path: Path,
    legend: Legend,
    *,
    labels: str,
    crs: str | None,
    mask: xr.DataArray | None,
    quality: str | None,
    year: int,
) -> _Judged:
    table, known = read_point_file(
        path, cube, labels=labels, legend=str(predicted.name), crs=crs, quality=quality, year=year
    )
    if quality is not None:
        console().print(describe_filter(table))
    points = read_points(table, crs=crs_of(cube), labels=labels, legend=known)
    step_x, _, left, _, step_y, top = affine_of(cube)
    row, column = (points.y - top) / step_y, (points.x - left) / step_x
    inside = (row >= 0) & (row < cube.sizes["y"]) & (column >= 0) & (column < cube.sizes["x"])
    place = {
        "y": xr.DataArray(row[inside].astype(np.int64), dims="sample"),
        "x": xr.DataArray(column[inside].astype(np.int64), dims="sample"),
    }
    if not inside.any():
        raise SampleError(f"all {inside.size} points of {str(path)!r} lie outside the cube.")
    (ids,) = points.labels.values()
    true = xr.DataArray(ids[inside], dims="sample", attrs=legend.flags())
    mapped = predicted.isel(place).drop_vars(("y", "x")).compute()
    if mask is not None:
        true = true.where(mask.isel(place).values, np.uint8(FILL_CLASS))
    outside = int((~inside).sum())
    if outside:
        console().print(f"[yellow]note:[/] {outside} of {inside.size} points lie outside the cube")
    passes = None
    if quality is not None:
        passes = xr.DataArray(table[PASSES].to_numpy()[inside], dims="sample")
    return _Judged(mapped=mapped, true=true, passes=passes)
