"""The command ``points``: what it takes; the command line registers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lulc_xr.jobs.options import Json, job


def points(
    map_: Annotated[
        Path, typer.Argument(metavar="MAP", help="Store with a class map, or a GeoTIFF of classes.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="File to write: .gpkg, .geojson, .parquet or .csv.")],
    expected: Annotated[
        str,
        typer.Option(
            help="Expected user's accuracy: one number, or 'woodland=0.9,water=0.95,0.8', the last "
            "for all others."
        ),
    ] = "0.8",
    error: Annotated[
        float | None, typer.Option(help="Wanted standard error of overall accuracy, such as 0.01.")
    ] = None,
    number: Annotated[int | None, typer.Option(min=1, help="Number of points instead.")] = None,
    allocation: Annotated[
        str, typer.Option(help="proportional (to area), neyman, or equal.")
    ] = "proportional",
    minimum: Annotated[int, typer.Option(min=2, help="Least points in each class.")] = 50,
    distance: Annotated[
        float | None, typer.Option(min=0, help="Least distance between points in metres.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    task: Annotated[str, typer.Option(help="Name of the class map in a store.")] = "land_cover",
    year: Annotated[int | None, typer.Option(help="Mapped year; the last by default.")] = None,
    json: Json = None,
) -> None:
    """Draw reference points for a map: how many each class needs, and where they lie.

    Classes of the map are the strata. Label the points, then judge the map with them: the
    areas of the strata are in the file given with --json.

    Example: [cyan]lulc-xr points area.zarr --out points.gpkg --error 0.01[/]
    """
    job("drawing").draw_point_file(
        map_, out, expected=expected, standard_error=error, number=number,
        allocation=allocation, minimum=minimum, distance=distance, seed=seed, task=task,
        year=year, json_path=json,
    )  # fmt: skip
