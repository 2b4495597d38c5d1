"""Commands that judge: evaluate and verify; the command line registers them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from lulc_xr.jobs.options import Crs, Filter, Json, Labels, Store, Task, job


def _pair(text: str) -> tuple[str, str]:
    source, colon, target = text.partition(":")
    if not (colon and source and target):
        raise typer.BadParameter(f"{text!r}; give two legends, such as worldcover:lucas_lc1_level1")
    return source, target


def evaluate(
    context: typer.Context,
    store: Annotated[
        Path, typer.Argument(help="Zarr store of a cube with its map, or a raster of classes.")
    ],
    *,
    reference: Annotated[
        str,
        typer.Option(
            help="What is true: labelled points (.gpkg, .geojson, .parquet, .csv); or a variable "
            "of the store, or a GeoTIFF on its grid."
        ),
    ],
    mask: Annotated[
        str | None,
        typer.Option(help="Where pixels count (not 0): a variable or a GeoTIFF."),
    ] = None,
    labels: Labels = "land_cover",
    crs: Crs = None,
    task: Task = "land_cover",
    year: Annotated[int | None, typer.Option(help="Mapped year; the last by default.")] = None,
    legend: Annotated[
        str | None, typer.Option(help="Legend of a raster of classes: a name, or a .json file.")
    ] = None,
    crosswalk: Annotated[
        Any,
        typer.Option(
            parser=_pair,
            metavar="FROM:TO",
            help="Where legends differ, such as worldcover:lucas_lc1_level1.",
        ),
    ] = None,
    strata: Annotated[
        str | None,
        typer.Option(help="Column of the strata by which points were drawn; 'map': its classes."),
    ] = None,
    stratum_area: Annotated[
        str | None,
        typer.Option(help="A .csv of strata and areas, or 'map': counted on the map."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Column of survey weights.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of clusters whose points were drawn together.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Column of regions, each told by itself.")
    ] = None,
    block: Annotated[
        float | None,
        typer.Option(min=0, help="Side in metres of blocks whose points err alike."),
    ] = None,
    tolerance: Annotated[
        int, typer.Option(min=0, max=1, help="Pixels: 1 tells also what is right beside a point.")
    ] = 1,
    filter_: Filter = None,
    transfer: Annotated[
        Path | None,
        typer.Option(help="Table of points judged by models that did not see their region."),
    ] = None,
    kappa: Annotated[bool, typer.Option("--kappa", help="Cohen's kappa too.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, scores.json and tables.")
    ] = None,
    json: Json = None,
) -> None:
    """Compare a class map with what is known to be true, and say what may be concluded.

    With --filter the figures at all points and at those that pass stand side by side. With
    --strata or --weights they are estimates for the whole map, with intervals.

    Example: [cyan]lulc-xr evaluate area.zarr --reference test_points.gpkg --labels class[/]

    Example: [cyan]lulc-xr evaluate worldcover.tif --legend worldcover --reference lucas.csv
    --labels lc1 --crosswalk worldcover:lucas_lc1_level1 --out report[/]
    """
    job("judging").evaluate_store(
        store,
        reference,
        mask=mask,
        labels=labels,
        crs=crs,
        task=task,
        year=year,
        legend=legend,
        crosswalk=crosswalk,
        strata=strata,
        stratum_area=stratum_area,
        weights=weights,
        cluster=cluster,
        region=region,
        block=block,
        tolerance=tolerance,
        quality=filter_,
        transfer=transfer,
        kappa=kappa,
        out=out,
        json_path=json,
        command=_command(context),
    )


def verify(store: Store) -> None:
    """Read all maps of a store and compare them with what was written; exit code 1 if they differ.

    Example: [cyan]lulc-xr verify area.zarr[/]
    """
    if not job("judging").verify_store(store):
        raise typer.Exit(1)


def _command(context: typer.Context) -> str:
    """The command as it can be typed again, without what was left at its default."""
    words = ["lulc-xr", "evaluate"]
    options = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if value is None or value == parameter.default or value is False:
            continue
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif value is True:
            options.append(parameter.opts[0])
        else:
            options += [
                parameter.opts[0],
                ":".join(value) if isinstance(value, tuple) else str(value),
            ]
    return shlex.join(words + options)
