"""``lulc-xr calibrate``: a model whose probabilities mean what they say, with conformal sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pandas as pd
import xarray as xr
from rich.table import Table

from lulc_xr.core.calibration import CalibrationMethod
from lulc_xr.core.conformal import ConformalMethod
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.jobs.terminal import console
from lulc_xr.models.calibrate import calibrate
from lulc_xr.models.conformal_coverage import conformal_coverage
from lulc_xr.models.conformalize import Group, conformalize
from lulc_xr.models.ensemble import load_model
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.store import open_samples


def calibrate_model(
    model: Path,
    samples: Path,
    out: Path,
    *,
    method: str = "temperature",
    by: str | None = None,
    fold: int | None = None,
    apart: float = 30.0,
    minimum: int = 50,
    conformal: float | None = None,
    conformal_method: str = "lac",
    conformal_by: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Calibrate a model on samples apart from its training, and save it as another.

    With conformal sets the samples are dealt into thirds by place: one for the calibration, one
    for the sets, and one that shows how often they hold the true class.

    Parameters
    ----------
    model, samples, out : Path
        Folder of the model, store of samples, folder of the calibrated model.
    method, by, apart, minimum
        As for :func:`lulc_xr.calibrate`.
    fold : int, optional
        Take only samples of this fold: that which the training left out.
    conformal : float, optional
        Coverage of the sets; none by default.
    conformal_method, conformal_by
        As for :func:`lulc_xr.conformalize`; groups with commas between them.
    seed : int
        Seed of the thirds.
    overwrite : bool
        Replace a model at `out`.
    """
    plain = load_model(model)
    given = _of_fold(open_samples(samples).load(), fold)
    parts = [given] if conformal is None else _thirds(given, seed=seed)
    screen = console()
    made = calibrate(
        plain, parts[0], method=cast(CalibrationMethod, method), by=by, apart=apart,
        minimum=minimum,
    )  # fmt: skip
    screen.print(_before_and_after(made))
    if conformal is not None:
        groups = tuple(part for part in (conformal_by or "").split(",") if part)
        if by is None and "region" in groups:
            raise ModelError("--conformal-by region: name the variable of regions with --by.")
        made = conformalize(
            made, parts[1], coverage=conformal, method=cast(ConformalMethod, conformal_method),
            by=cast("tuple[Group, ...]", groups), region=by or "region", apart=apart,
        )  # fmt: skip
        for task in made.conformal.thresholds:
            found = conformal_coverage(made, parts[2], task=task, region=by)
            screen.print(_coverage(found, task))
    folder = made.save(out, overwrite=overwrite)
    screen.print(f"calibrated model in {folder}")


def _of_fold(samples: xr.Dataset, fold: int | None) -> xr.Dataset:
    if fold is None:
        return samples
    if "fold" not in samples:
        raise SampleError(f"--fold {fold}: these samples have no folds. Leave --fold out.")
    inside = samples["fold"].values == fold
    if not inside.any():
        known = ", ".join(map(str, sorted(set(samples["fold"].values.tolist()))))
        raise SampleError(f"--fold {fold} holds no sample; the folds are {known}.")
    return samples.isel(sample=inside)


def _thirds(samples: xr.Dataset, *, seed: int) -> list[xr.Dataset]:
    dealt = make_folds(samples, method="random", folds=3, seed=seed)
    return [samples.isel(sample=(dealt["fold"] == k).values) for k in range(3)]


def _before_and_after(model: Any) -> Table:
    found = model.calibration
    record = found.provenance
    nearest = record["nearest"]
    table = Table(
        title=f"calibration by {found.method} on {record['samples']} samples, the nearest "
        f"{nearest:.0f} m from the training"
    )
    table.add_column("task")
    for heading in ("place", "samples", "T", "NLL before", "after", "ECE before", "after"):
        table.add_column(heading, justify="left" if heading == "place" else "right")
    for task, own in record["tasks"].items():
        warmth = found.temperatures(task) if found.method == "temperature" else {}
        scores = (f"{own[f'{s}_{w}']:.4f}" for s in ("nll", "ece") for w in ("before", "after"))
        shown = f"{warmth['all places']:.3f}" if warmth else "-"
        table.add_row(task, "all places", str(own["samples"]), shown, *scores)
        for name, region in own["regions"].items():
            shown = f"{warmth[name]:.3f}" if warmth else "-"
            note = "" if region["own"] else "as all places"
            table.add_row("", name, str(region["samples"]), shown, note, "", "", "")
    return table


def _coverage(found: pd.DataFrame, task: str) -> Table:
    promised: float = found.attrs["promised"]
    table = Table(title=f"sets of {task} that promise {promised:g}, at samples they do not know")
    table.add_column("class, region")
    for heading in ("samples", "coverage", "interval", "mean size"):
        table.add_column(heading, justify="right")
    for row in found[found["group"] != "class in region"].to_dict("records"):
        name = str(row["class"] or row["region"] or "all")
        number = int(row["samples"])
        if not number:
            table.add_row(name, "0", "-", "-", "-")
            continue
        table.add_row(
            name, str(number), f"{row['coverage']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}", f"{row['set_size']:.2f}",
        )  # fmt: skip
    return table
