"""``lulc-xr sample``: labelled points and a cube to a store of samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from rich.table import Table

from lulc_xr.core.dates import Dates, RawDates, RegularDates
from lulc_xr.core.errors import SampleError, StoreError
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import open_cube, open_group
from lulc_xr.jobs.point_files import PASSES, describe_filter, read_point_file
from lulc_xr.jobs.terminal import console
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.plan import Tolerance, Years


def sample_store(
    store: Path,
    points: Path,
    out: Path,
    *,
    labels: str,
    legend: str | None = None,
    crs: str | None = None,
    freq: str = "MS",
    start_month: int = 1,
    raw_dates: int | None = None,
    years: Years = None,
    patch: int | None = None,
    tolerance: Tolerance = 0,
    quality: str | None = None,
    overwrite: bool = False,
) -> None:
    """Draw samples at the points of a file into a store, and print how many of each class.

    If it is stopped, the same call does what is missing.

    Parameters
    ----------
    store, points, out : Path
        The cube, the file of points, the store of samples to be.
    labels, legend, crs
        As :func:`lulc_xr.jobs.point_files.read_point_file` takes them.
    freq, start_month, raw_dates
        Time axis: composites of `freq`, or with `raw_dates` the cube's own dates, at most so many.
    years, patch, tolerance
        As :func:`lulc_xr.extract_samples` takes them.
    quality : str, optional
        Name of a quality filter: only points that pass are drawn.
    overwrite : bool
        Replace samples that are there.
    """
    if out.exists() and not overwrite:
        raise StoreError(f"{str(out)!r} exists already; pass --overwrite to replace it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    dates: Dates = RegularDates(freq=freq, start_month=start_month)
    if raw_dates is not None:
        dates = RawDates(maximum=raw_dates, start_month=start_month)
    screen = console()
    cube = open_cube(store)
    table, known = read_point_file(
        points, cube, labels=labels, legend=legend, crs=crs, quality=quality,
        year=years if isinstance(years, int) else None,
        all_years=years is not None and not isinstance(years, int),
    )  # fmt: skip
    if quality is not None:
        screen.print(describe_filter(table))
        table = table[table[PASSES]]
        if table.empty:
            raise SampleError(f"no point of {str(points)!r} passes filter {quality!r}.")
    samples = extract_samples(
        cube, table, dates=dates, labels=labels, legend=known, years=years, patch=patch,
        tolerance=tolerance, store=out, overwrite=overwrite, progress=True,
    )  # fmt: skip
    if quality is not None:
        open_group(out, mode="r+").attrs["quality_filter"] = quality
    screen.print(count_table(samples["land_cover"]))
    screen.print(f"{samples.sizes['sample']} samples in [bold]{out}[/]")


def count_table(labels: xr.DataArray) -> Table:
    """Number of samples of each class, for a terminal."""
    legend = Legend.from_flags(labels.attrs)
    table = Table("class")
    table.add_column("samples", justify="right")
    for known in legend.classes:
        count = int(np.count_nonzero(labels.values == known.class_id))
        table.add_row(f"[{known.color}]■[/] {known.name}", str(count))
    return table
