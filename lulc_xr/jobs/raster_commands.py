"""The command ``cog``: what it takes; the command line registers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lulc_xr.jobs.options import Store, job


def cog(
    store: Store,
    out: Annotated[
        Path, typer.Argument(help="Folder for the files, or one .tif for one map of one year.")
    ],
    *,
    variables: Annotated[
        str,
        typer.Option(help="Variables of the store, with commas: land_cover,land_cover_entropy."),
    ] = "land_cover",
    years: Annotated[
        str | None, typer.Option(help="Mapped years, with commas.  [dim]default: all[/]")
    ] = None,
    item: Annotated[
        Path | None,
        typer.Option(help="Also write a STAC item of the first variable into this .json file."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model, described in the STAC item.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files.")] = False,
) -> None:
    """Write maps of a store as Cloud Optimised GeoTIFFs, for QGIS and other GIS.

    Class maps come with their colours and class names, which lie in a file .aux.xml beside them.

    Example: [cyan]lulc-xr cog area.zarr maps --variables land_cover,land_cover_entropy[/]
    """
    job("rasters").write_rasters(
        store, out, variables=variables, years=years, item=item, model=model, overwrite=overwrite
    )
