"""Commands for land models: fractions, plant-types, grids; the command line registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lulc_xr.jobs.options import Scheduler, Workers, job

Maps = Annotated[
    list[Path],
    typer.Argument(
        metavar="STORE...",
        help="Stores with a class map, or GeoTIFFs of classes (with --legend); one or more.",
    ),
]
OnGrid = Annotated[
    str,
    typer.Option(
        "--grid",
        help="A name of 'lulc-xr grids', a CF file with cells, or polygons (.gpkg, .geojson, "
        ".shp, .parquet).",
    ),
]
Out = Annotated[Path, typer.Option(help="File to write: .nc (NetCDF-4) or .zarr.")]
MapTask = Annotated[str, typer.Option(help="Name of the class map.")]
MapYears = Annotated[
    str | None,
    typer.Option(help="Years, with commas.  [dim]default: all that the maps have[/]"),
]
Overlap = Annotated[
    str | None,
    typer.Option(
        help="Which map counts where maps of a year overlap: first or last, as given.  "
        "[dim]default: overlaps are refused[/]"
    ),
]
OfLegend = Annotated[
    str | None,
    typer.Option("--legend", help="Legend of GeoTIFFs, such as worldcover or corine_level3."),
]
Of = Annotated[
    str,
    typer.Option(help="land_cover (counted) or probability (also what probabilities expect)."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file.")]


def fractions(
    stores: Maps,
    *,
    grid: OnGrid,
    out: Out,
    of: Of = "land_cover",
    task: MapTask = "land_cover",
    years: MapYears = None,
    overlap: Overlap = None,
    legend: OfLegend = None,
    add: Annotated[
        bool,
        typer.Option(
            "--add", help="Add to the file what these stores have; it is made if it isn't there."
        ),
    ] = False,
    float32: Annotated[
        bool, typer.Option("--float32", help="Half the size: shares within 6e-8 of themselves.")
    ] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
) -> None:
    """Make shares of classes in the cells of a model's grid, as a CF file.

    Shares are of the area of the cell, with the unmapped share beside them; nothing is scaled
    up. Stores that lie apart add up: make a continent store by store with --add.

    Example: [cyan]lulc-xr fractions area.zarr --grid EUR-11 --out fractions.nc[/]

    Example: [cyan]lulc-xr fractions next.zarr --grid EUR-11 --out fractions.nc --add[/]
    """
    job("land_models").write_fraction_file(
        stores, out, grid=grid, of=of, task=task, years=years, overlap=overlap, legend=legend,
        add=add, dtype="float32" if float32 else "float64", workers=workers, scheduler=scheduler,
        overwrite=overwrite,
    )  # fmt: skip


def plant_types(
    stores: Maps,
    *,
    grid: OnGrid,
    climate: Annotated[
        Path,
        typer.Option(
            help="Climate: a NetCDF or Zarr file with monthly tas and pr, or BIO variables; or a "
            "store with its bioclim."
        ),
    ],
    out: Out,
    of: Of = "land_cover",
    task: MapTask = "land_cover",
    years: MapYears = None,
    overlap: Overlap = None,
    legend: OfLegend = None,
    crops: Annotated[
        str, typer.Option(help="generic (CFT 15, 16) or types (the 64 of CLM5).")
    ] = "generic",
    wetland: Annotated[
        str, typer.Option(help="Wetland as a landunit of its own, or as grass.")
    ] = "landunit",
    tsmp: Annotated[
        bool, typer.Option("--tsmp", help="Write TSMP's stack PCT_PFT of one year instead.")
    ] = False,
    mask: Annotated[
        Path | None,
        typer.Option(help="With --tsmp: OASIS's masks.nc of the run, whose land is kept to."),
    ] = None,
    partly: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="With --tsmp: mapped share of a cell's land that is enough."
        ),
    ] = 1.0,
    missing: Annotated[
        bool,
        typer.Option(
            "--missing", help="With --tsmp: cells of land without map are missing, not refused."
        ),
    ] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
) -> None:
    """Make land units and plant functional types of CLM5 in the cells of a model's grid.

    Classes become plant groups by a crosswalk; climate splits them into plant types.

    Example: [cyan]lulc-xr plant-types area.zarr --grid EUR-11 --climate bio.nc --out types.nc[/]

    Example: [cyan]lulc-xr plant-types area.zarr --grid EUR-11 --climate bio.nc --out pft.nc --tsmp
    --mask masks.nc --missing[/]
    """
    job("land_models").write_plant_type_file(
        stores, out, grid=grid, climate=climate, of=of, task=task, years=years, overlap=overlap,
        legend=legend, crops=crops, wetland=wetland, tsmp=tsmp, mask=mask, partly=partly,
        missing=missing, workers=workers, scheduler=scheduler, overwrite=overwrite,
    )  # fmt: skip


def grids() -> None:
    """List the grids that have a name, with their cells.

    Example: [cyan]lulc-xr grids[/]
    """
    job("land_models").show_grids()
