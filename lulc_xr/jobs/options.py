"""Options that several commands share, and how a command finds its job."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

Store = Annotated[Path, typer.Argument(help="Zarr store of a cube, such as area.zarr.")]
Task = Annotated[str, typer.Option(help="Name of the class map.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write all figures into this file.")]
Labels = Annotated[str, typer.Option(help="Column of the points that holds the labels.")]
Crs = Annotated[
    str | None,
    typer.Option(
        help="Reference system of x and y in a table, such as EPSG:4326; the cube's by default."
    ),
]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        help="Quality filter of LUCAS points: pflugmacher_2019, in_situ, on_the_point, "
        "parcel_half_hectare, or several with '+'.",
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to start on this machine.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a running Dask scheduler, tcp://host:8786.")
]
RecipeFile = Annotated[Path, typer.Argument(help="A recipe: a .toml or .py file.")]
BuiltStore = Annotated[
    Path | None, typer.Option("--store", help="The store.  [dim]default: as the recipe says[/]")
]
Raw = Annotated[
    Path | None,
    typer.Option(help="Folder of the raw files of a .py recipe.  [dim]default: raw beside it[/]"),
]
RecipeYears = Annotated[
    str | None, typer.Option(help="Years instead of the recipe's, with commas.")
]
Catalogue = Annotated[
    str | None, typer.Option(help="Catalogue instead of the recipe's: a URL or a path.")
]


def job(module: str) -> Any:
    """A module of the jobs by its name."""
    # By name: PyTorch loads only for the commands that need it.
    return importlib.import_module(f"lulc_xr.jobs.{module}")
