"""Commands about how far a model may be trusted: calibrate; the command line registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lulc_xr.jobs.options import job


def calibrate(
    model: Annotated[Path, typer.Argument(help="Folder of a model, from 'lulc-xr train'.")],
    samples: Annotated[
        Path, typer.Argument(help="Store of samples that lie apart from the training.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the calibrated model.")],
    method: Annotated[str, typer.Option(help="temperature or vector.")] = "temperature",
    by: Annotated[
        str | None,
        typer.Option(help="Variable of the samples with regions, each with its own calibration."),
    ] = None,
    fold: Annotated[
        int | None, typer.Option(help="Take this fold only: the one the training left out.")
    ] = None,
    apart: Annotated[
        float, typer.Option(min=0, help="Least distance from samples of the training, in metres.")
    ] = 30.0,
    minimum: Annotated[int, typer.Option(min=2, help="Fewest samples, also of a region.")] = 50,
    conformal: Annotated[
        float | None,
        typer.Option(help="Sets of classes that hold the true one so often, such as 0.9."),
    ] = None,
    conformal_method: Annotated[str, typer.Option(help="lac, aps or raps.")] = "lac",
    conformal_by: Annotated[
        str | None, typer.Option(help="Promise it for each: class, region, or class,region.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Deals the samples into thirds.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model.")] = False,
) -> None:
    """Make the probabilities of a model mean what they say, on samples that it has not seen.

    Samples of its training, or near to them, are refused. With --conformal a third of the samples
    is for the calibration, one for the sets, and one shows how often they hold the true class.

    Example: [cyan]lulc-xr calibrate models/first apart.zarr --out models/calibrated[/]

    Example: [cyan]lulc-xr calibrate models/first apart.zarr --out models/sets --by region
    --conformal 0.9 --conformal-method aps --conformal-by class[/]
    """
    job("calibrating").calibrate_model(
        model, samples, out, method=method, by=by, fold=fold, apart=apart, minimum=minimum,
        conformal=conformal, conformal_method=conformal_method, conformal_by=conformal_by,
        seed=seed, overwrite=overwrite,
    )  # fmt: skip
