"""``lulc-xr evaluate`` and ``verify``: whether a map is right, and whether it is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import xarray as xr
from rasterio.errors import RasterioIOError
from rich.table import Table

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.assessment import Assessment
from lulc_xr.analysis.report import format_accuracy
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, SampleError, name_unknown
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.cube.verify import verify
from lulc_xr.jobs.evaluation import (
    Judging,
    design_of,
    facts_of,
    judge_file,
    judge_pixels,
    report,
    score,
)
from lulc_xr.jobs.evaluation_files import open_maps
from lulc_xr.jobs.point_files import PASSES, POINT_FILES
from lulc_xr.jobs.terminal import console

_RASTERS = (".tif", ".tiff")


def evaluate_store(
    store: Path,
    reference: str,
    *,
    mask: str | None = None,
    task: str = "land_cover",
    year: int | None = None,
    legend: str | None = None,
    out: Path | None = None,
    json_path: Path | None = None,
    command: str | None = None,
    **judging: Any,
) -> Accuracy:
    """Print the agreement of a class map with a reference, and write a report of it.

    With a quality filter it is printed twice, at all points and at those that pass: a filter
    keeps the easier points, so that its figure alone would flatter the map.

    Parameters
    ----------
    store : Path
        Store of the cube with its map, or a raster of classes (.tif, .vrt).
    reference : str
        A file of labelled points; or, for a store, a variable or a GeoTIFF on its grid.
    mask : str, optional
        A variable or a GeoTIFF; pixels count where it is not 0.
    task : str
        Name of the class map.
    year : int, optional
        Mapped year; by default the last.
    legend : str, optional
        Legend of a raster of classes: a known name, or a JSON file.
    out : Path, optional
        Folder for report.html, scores.json and tables as Parquet.
    json_path : Path, optional
        Where to write the scores of all points, and of those that pass a filter.
    command : str, optional
        What was asked for, to be told in the report.
    **judging
        Of :class:`lulc_xr.jobs.evaluation.Judging`.

    Returns
    -------
    Accuracy
        At all points, whatever the filter.
    """
    settings = Judging(**judging)
    maps, mapped_year = open_maps(store, task=task, year=year, legend=legend)
    predicted = maps[task]
    where = _grid(maps, mask, what="mask") != 0 if mask else None
    title = f"{task} of {store} against {reference}"
    judged, design, passed = None, None, None
    if Path(reference).suffix.lower() in POINT_FILES:
        judged = judge_file(
            maps, Path(reference), task=task, settings=settings, mask=where, year=mapped_year
        )
        design = design_of(judged, maps, task=task, settings=settings)
        result = score(judged, design, kappa=settings.kappa)
        if PASSES in judged:
            result, passed = score(judged, None, kappa=settings.kappa), _passed(judged)
    else:
        _check_pixels(settings, reference)
        true = _grid(maps, reference, what="reference")
        result = accuracy(
            predicted, true, legend=Legend.from_flags(predicted.attrs), mask=where,
            kappa=settings.kappa,
        )  # fmt: skip
        if result.total and out is not None:
            judged = judge_pixels(maps, true, task=task, mask=where)
    if not result.total:
        raise SampleError(
            f"nothing to compare: reference {reference!r} has no label where the mask counts."
        )
    _show(result, passed, title=title, quality=settings.quality)
    if json_path is not None:
        figures = result.to_dict()
        if passed is not None:
            figures["filtered"] = {"filter": settings.quality, **passed.to_dict()}
        json_path.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if out is not None and judged is not None:
        facts = facts_of(maps, task, path=store, reference=reference)
        facts |= {"command": command} if command else {}
        made = report(judged, maps, task=task, design=design, settings=settings, facts=facts)
        _tell(made, made.write(out))
    return result


def _check_pixels(settings: Judging, reference: str) -> None:
    """Refuse what only points can have."""
    if settings.quality is not None:
        raise SampleError(
            f"filter {settings.quality!r} judges points of LUCAS, and {reference!r} is no file of "
            "points."
        )
    given = {
        "--strata": settings.strata, "--weights": settings.weights, "--cluster": settings.cluster,
        "--region": settings.region, "--block": settings.block, "--crosswalk": settings.crosswalk,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None:
            raise SampleError(
                f"{name} is for points, and {reference!r} is no file of points "
                f"({', '.join(POINT_FILES)}). Leave it out, or give points."
            )


def _passed(judged: pd.DataFrame) -> Accuracy:
    kept = judged[judged[PASSES].fillna(False).astype(bool)].reset_index(drop=True)
    kept.attrs = judged.attrs
    return score(kept, None, kappa=False)


def _tell(made: Assessment, folder: Path) -> None:
    screen = console()
    screen.print(made.verdict)
    screen.print(f"report: {folder / 'report.html'} (figures in scores.json and *.parquet)")


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
