"""Commands that learn: train, experiment, networks; the command line registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lulc_xr.jobs.options import Scheduler, Workers, job


def train(
    samples: Annotated[Path, typer.Argument(help="Store of samples, from 'lulc-xr sample'.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    network: Annotated[str, typer.Option(help="Network; 'lulc-xr networks' lists them.")] = (
        "tempcnn"
    ),
    settings: Annotated[
        Path | None,
        typer.Option(
            help="A .toml file of settings of the training, with a table \\[method] to learn from "
            "unlabelled imagery."
        ),
    ] = None,
    conditioning: Annotated[
        str | None,
        typer.Option(help="Climate of the samples: none, embedding, cbn.  [dim]default: none[/]"),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(help="Cube, or samples, without labels: for the method of the settings."),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Folder of a model whose weights it begins with.")
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(min=2, help="Train an ensemble of so many, each with a seed of its own."),
    ] = None,
    snapshots: Annotated[
        int | None,
        typer.Option(min=2, help="Or take an ensemble of so many snapshots of one training."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the samples.  [dim]default: suits few[/]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Samples of a batch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another seed, other random numbers.")
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Train although a class of the legend has no sample."),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Folder for a checkpoint per epoch; a second call goes on from it."),
    ] = None,
    log_folder: Annotated[Path | None, typer.Option(help="Folder for the losses.")] = None,
    logger: Annotated[
        str | None, typer.Option(help="How they are written: csv or tensorboard.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda or auto.  [dim]default: LULC_XR_DEVICE, else cpu[/]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model.")] = False,
) -> None:
    """Train a network on samples and save it as a folder.

    What is given here counts more than what the file of settings says.

    Example: [cyan]lulc-xr train samples.zarr --out models/first[/]

    Example: [cyan]lulc-xr train samples.zarr --out models/ensemble --members 5[/]

    Example: [cyan]lulc-xr train samples.zarr --out models/fixmatch --settings few.toml
    --unlabelled area.zarr[/]
    """
    given = {
        "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed,
        "conditioning": conditioning, "logger": logger, "device": device,
        "log_folder": None if log_folder is None else str(log_folder),
        "allow_missing_classes": allow_missing or None,
    }  # fmt: skip
    job("learning").train_samples(
        samples, out, network=network, overwrite=overwrite, file=settings, unlabelled=unlabelled,
        init=init, checkpoint=checkpoint, members=members, snapshots=snapshots,
        settings={name: value for name, value in given.items() if value is not None},
    )  # fmt: skip


def experiment(
    file: Annotated[Path, typer.Argument(help="An experiment: a .toml file.")],
    *,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of runs, table, report.  [dim]default: as the file says[/]"),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Do at most so many runs; 0: only say what it costs."),
    ] = None,
    redo: Annotated[
        bool,
        typer.Option("--redo", help="Discard finished runs that the file no longer has."),
    ] = False,
) -> None:
    """Compare methods over folds, budgets of labels and seeds; one table and a report.

    If it is stopped, run the same command again: it does only what is missing. Exit code 1: some
    runs failed; the report lists them and the next run tries them again.

    Example: [cyan]lulc-xr experiment few_labels.toml --workers 4[/]
    """
    if not job("experimenting").experiment_file(
        file, folder=folder, workers=workers, scheduler=scheduler, redo=redo, limit=limit
    ):
        raise typer.Exit(1)


def networks() -> None:
    """List the networks that can be trained, those of other installed packages too.

    Example: [cyan]lulc-xr networks[/]
    """
    job("learning").show_networks()
