"""The command line ``lulc-xr``: what each command takes; what it does is in the jobs beside it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from lulc_xr.jobs import (
    evaluation_commands,
    land_model_commands,
    learning_commands,
    point_commands,
    raster_commands,
    trust_commands,
)
from lulc_xr.jobs.options import (
    BuiltStore,
    Catalogue,
    Crs,
    Filter,
    Json,
    Labels,
    Raw,
    RecipeFile,
    RecipeYears,
    Scheduler,
    Store,
    Workers,
    job,
)
from lulc_xr.jobs.terminal import Commands

app = typer.Typer(
    name="lulc-xr",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a check failed, 2 wrong usage or input, 130 stopped by Ctrl-C.",
)


def _years(text: str) -> str | list[int]:
    """Years of an option: 'match', or numbers with commas."""
    if text == "match":
        return text
    try:
        return [int(year) for year in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}; give 'match', or years such as 2018,2019") from error


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lulc-xr {version('lulc_xr')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Land use and land cover maps from cubes of satellite images in Zarr.

    The usual way: [bold]build[/] a cube from a recipe, [bold]sample[/] it at labelled points,
    [bold]train[/] a network, [bold]classify[/] the cube, [bold]evaluate[/] the map.
    [bold]demo[/] does it all on real data.
    """


@app.command()
def demo(
    *,
    recipe: Annotated[
        Path, typer.Option(help="The recipe of the cube; it comes with the repository.")
    ] = Path("zarr_stores/flanders.py"),
    raw: Raw = None,
    store: Annotated[Path, typer.Option(help="The cube to make.")] = Path(
        "zarr_stores/flanders.zarr"
    ),
    out: Annotated[Path, typer.Option(help="Folder for model, report and scores.")] = Path(
        "outputs/flanders"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="Times to train and score.")] = 5,
) -> None:
    """Make a first map of real Sentinel-2 data, from raw files to scores and a picture.

    Run it in a clone of the repository; it takes one or two minutes and shows what it does.

    Example: [cyan]lulc-xr demo[/]
    """
    job("demo").run_demo(recipe=recipe, raw=raw, store=store, out=out, seeds=seeds)


@app.command()
def plan(
    recipe: RecipeFile,
    *,
    store: BuiltStore = None,
    raw: Raw = None,
    years: RecipeYears = None,
    catalogue: Catalogue = None,
    json: Json = None,
) -> None:
    """Say what building a recipe will cost: dates, shards, bytes to read and store, memory.

    The catalogue is searched; no pixel is read and no store is written.

    Example: [cyan]lulc-xr plan zarr_stores/europe.toml[/]
    """
    job("building").show_cost(
        recipe, store=store, raw=raw, years=years, catalogue=catalogue, json_path=json
    )


@app.command()
def build(
    recipe: RecipeFile,
    *,
    store: BuiltStore = None,
    raw: Raw = None,
    years: RecipeYears = None,
    catalogue: Catalogue = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Discard what an interrupted build of a store began."),
    ] = False,
) -> None:
    """Build the store of a recipe, or bring to it what the recipe has more: dates, area, bands.

    What is there is not written again. If it is stopped, run the same command again: it does
    only what is missing. Exit code 1: some dates could not be read; the next run tries them.

    Example: [cyan]lulc-xr build zarr_stores/landscape.toml[/]
    """
    if not job("building").build_recipe(
        recipe, store=store, raw=raw, years=years, catalogue=catalogue, workers=workers,
        scheduler=scheduler, restart=restart,
    ):  # fmt: skip
        raise typer.Exit(1)


@app.command()
def info(store: Store) -> None:
    """Show what is in a store: dates, bands, grid, sizes, class maps and how complete they are.

    Example: [cyan]lulc-xr info zarr_stores/flanders.zarr[/]
    """
    job("contents").show_store(store)


@app.command()
def sample(
    store: Store,
    points: Annotated[
        Path,
        typer.Argument(
            help="Labelled points: .gpkg, .geojson, .shp, .parquet, or .csv with x and y; or a "
            "file of LUCAS (--labels lc1 or lu1)."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Store of the samples, such as samples.zarr.")],
    labels: Labels = "land_cover",
    legend: Annotated[
        str | None,
        typer.Option(
            help="Legend of the labels: a .json file, or a variable of the store that has one. By "
            "default the names in the column, or the legend of the store's only labelled map. "
            "For LUCAS a name such as worldcover or lucas_lc1_level2; by default level 1."
        ),
    ] = None,
    crs: Crs = None,
    freq: Annotated[
        str, typer.Option(help="Period of the composites: MS (months), 2MS, 10D, ...")
    ] = "MS",
    start_month: Annotated[
        int, typer.Option(min=1, max=12, help="Month in which a mapped year begins.")
    ] = 1,
    raw_dates: Annotated[
        int | None,
        typer.Option(min=1, help="No composites: the cube's own dates, at most so many a year."),
    ] = None,
    year: Annotated[
        int | None, typer.Option(help="Mapped year, if the cube covers several.")
    ] = None,
    years: Annotated[
        str | None,
        typer.Option(help="Mapped years, with commas, or 'match': each point in its own year."),
    ] = None,
    patch: Annotated[
        int | None, typer.Option(min=1, help="Side of a patch in pixels, odd.")
    ] = None,
    tolerance: Annotated[
        str,
        typer.Option(help="How far a label may hold: whole pixels, or a column of metres."),
    ] = "0",
    filter_: Filter = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the samples.")] = False,
) -> None:
    """Draw samples of a cube at labelled points, to train a network with.

    Points of the LUCAS survey are read as Eurostat and JRC publish them. If the run is stopped, the
    same command does what is missing.

    Example: [cyan]lulc-xr sample area.zarr points.gpkg --labels class --out samples.zarr[/]

    Example: [cyan]lulc-xr sample area.zarr EU_2018.csv --labels lc1 --out samples.zarr[/]
    """
    dates = {"freq": freq, "start_month": start_month, "raw_dates": raw_dates}
    job("sampling").sample_store(
        store, points, out, labels=labels, legend=legend, crs=crs, quality=filter_,
        years=_years(years) if years else year, patch=patch, overwrite=overwrite,
        tolerance=int(tolerance) if tolerance.isdigit() else tolerance, **dates,
    )  # fmt: skip


app.command()(learning_commands.train)
app.command()(trust_commands.calibrate)


@app.command()
def classify(
    store: Store,
    *,
    model: Annotated[Path, typer.Option(help="Folder of a model, from 'lulc-xr train'.")],
    outputs: Annotated[
        str | None,
        typer.Option(
            help="What to write, with commas: land_cover,entropy,probability.  "
            "[dim]default: class map and entropy[/]"
        ),
    ] = None,
    years: Annotated[
        str | None,
        typer.Option(help="Mapped years, with commas.  [dim]default: all that are covered[/]"),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="float32 (exact), or bfloat16 (faster; refused if classes change).")
    ] = "float32",
    workers: Workers = None,
    scheduler: Scheduler = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the map of another model.")
    ] = False,
) -> None:
    """Classify a cube and write class map and entropy into its store.

    The map is written shard by shard. If it is stopped, run the same command again: it does
    only what is missing.

    Example: [cyan]lulc-xr classify area.zarr --model models/first --workers 2[/]
    """
    job("mapping").classify_store(
        store, model, outputs=outputs, years=years, precision=precision, workers=workers,
        scheduler=scheduler, overwrite=overwrite,
    )  # fmt: skip


app.command()(raster_commands.cog)
app.command()(point_commands.points)
app.command()(evaluation_commands.evaluate)
app.command()(evaluation_commands.verify)
app.command()(learning_commands.experiment)
app.command()(learning_commands.networks)
app.command()(land_model_commands.fractions)
app.command()(land_model_commands.plant_types)
app.command()(land_model_commands.grids)


def main() -> None:
    """Run the command line; the entry point ``lulc-xr``."""
    app()


if __name__ == "__main__":
    main()
