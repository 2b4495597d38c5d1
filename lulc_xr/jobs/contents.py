"""What is in a store, as tables for a terminal; no pixel of the images is read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, IncompleteMapWarning
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.model import tasks_of
from lulc_xr.cube.ledger import STATE_COMPLETE, entries, find_ledger
from lulc_xr.cube.store import open_cube, open_group
from lulc_xr.jobs.terminal import console, format_bytes

_CHEAP = 50_000_000
"""Pixels of a class map up to which its shares are counted; about a second."""


def show_store(store: Path) -> None:
    """Print what is in the store of a cube, or of samples."""
    console().print(describe_store(store))


def describe_store(store: Path) -> RenderableType:
    """Tables of a store: the cube, its variables with the shards written, its class maps.

    Raises
    ------
    StoreError
        If there is no Zarr group.
    CubeError
        If the store holds neither a cube nor samples.
    """
    group = open_group(store)
    if "tasks" in group.attrs:
        return _samples(store)
    with warnings.catch_warnings():
        # The table of variables says it.
        warnings.simplefilter("ignore", IncompleteMapWarning)
        cube = open_cube(store)
    if not {"time", "band", "y", "x"} <= set(cube.dims):
        raise CubeError(
            f"{str(store)!r} is a Zarr store, but no cube: its dimensions are "
            f"{', '.join(map(str, cube.sizes)) or 'none'}; expected time, band, y and x."
        )
    parts: list[RenderableType] = [_head(cube, store), _variables(cube, group, store)]
    parts += [_classes(var) for var in cube.data_vars.values() if "flag_values" in var.attrs]
    return Group(*parts)


def _head(cube: xr.Dataset, store: Path) -> Table:
    table = _plain_table(title=str(cube.attrs.get("title", "cube")))
    times = cube["time"].values.astype("datetime64[D]")
    step_x, _, left, _, step_y, top = affine_of(cube)
    right, bottom = left + step_x * cube.sizes["x"], top + step_y * cube.sizes["y"]
    area = abs(step_x * step_y) * cube.sizes["x"] * cube.sizes["y"] / 1e6
    rows = {
        "store": f"{store} ({format_bytes(_on_disk(store))})",
        "size": f"{cube.sizes['y']} × {cube.sizes['x']} pixels (y × x) of "
        f"{abs(step_y):g} × {abs(step_x):g} m, {area:,.4g} km²",
        "dates": f"{times.size}, {times.min()} to {times.max()}",
        "bands": f"{cube.sizes['band']}: {', '.join(map(str, cube['band'].values))}",
        "grid": f"{_crs_name(cube)}, x {left:.10g} to {right:.10g}, y {top:.10g} to {bottom:.10g}",
    }
    for key in ("source", "license", "history"):
        if cube.attrs.get(key):
            rows[key] = str(cube.attrs[key])
    for key, value in rows.items():
        table.add_row(key, escape(value))
    return table


def _crs_name(cube: xr.Dataset) -> str:
    code = cube.attrs.get("proj:code")
    return str(code) if code else crs_of(cube).split('"')[1]


def _variables(cube: xr.Dataset, group: zarr.Group, store: Path) -> Table:
    table = Table(title="variables", title_justify="left", title_style="bold", box=SIMPLE)
    table.add_column("name", no_wrap=True)
    table.add_column("dimensions")
    table.add_column("type")
    for heading in ("chunk y×x", "shard y×x", "on disk", "written"):
        table.add_column(heading, justify="right")
    for name, var in cube.data_vars.items():
        array = group[str(name)]
        if not isinstance(array, zarr.Array):
            continue
        table.add_row(
            escape(str(name)),
            " ".join(map(str, var.dims)),
            str(array.dtype),
            _sides(var.dims, array.chunks),
            _sides(var.dims, array.shards or array.chunks),
            format_bytes(_on_disk(store / str(name))),
            _written(group, str(name)),
        )
    return table


def _written(group: zarr.Group, name: str) -> Text:
    """Shards that the ledger of a map records, of all."""
    ledger = find_ledger(group, name)
    if ledger is None:
        return Text("–", "dim")
    done = entries(ledger)
    complete = ledger.attrs.get("state") == STATE_COMPLETE
    return Text(f"{int((done != 0).sum())}/{done.size}", "green" if complete else "bold yellow")


def _classes(var: xr.DataArray) -> Table:
    """Legend of a class map with the share of each class, year by year."""
    legend = Legend.from_flags(var.attrs)
    years = [str(y) for y in var["year"].values] if "year" in var.dims else ["share"]
    cheap = var.size <= _CHEAP
    table = Table(
        title=f"{var.name} ({legend.name})", title_justify="left", title_style="bold",
        caption=None if cheap else "shares are not counted: the map is large",
    )  # fmt: skip
    table.add_column("id", justify="right")
    table.add_column("class")
    for year in years if cheap else ():
        table.add_column(year, justify="right")
    counts = _counts(var) if cheap else np.zeros((0, FILL_CLASS + 1), np.int64)
    for known in legend.classes:
        name = Text.assemble(("■ ", known.color), known.name)
        shares = [f"{row[known.class_id] / max(row.sum(), 1):.1%}" for row in counts]
        table.add_row(str(known.class_id), name, *shares)
    if counts[:, FILL_CLASS].any():
        shares = [f"{row[FILL_CLASS] / max(row.sum(), 1):.1%}" for row in counts]
        table.add_row(str(FILL_CLASS), Text("not mapped", "dim"), *shares)
    return table


def _counts(var: xr.DataArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Pixels of each class id, shape (year, 256)."""
    maps = var.transpose("year", ...) if "year" in var.dims else var.expand_dims("year")
    rows = [da.bincount(da.asarray(m.data).ravel(), minlength=FILL_CLASS + 1) for m in maps]
    return np.asarray(da.stack(rows).compute(), np.int64)


def _samples(store: Path) -> RenderableType:
    samples = xr.open_zarr(store, consolidated=False, chunks=None)
    head = _plain_table(title="samples")
    head.add_row("store", escape(f"{store} ({format_bytes(_on_disk(store))})"))
    for dim in ("sample", "time", "band"):
        head.add_row(dim, str(samples.sizes[dim]))
    head.add_row("bands", ", ".join(map(str, samples["band"].values)))
    head.add_row("time axis", escape(str(samples.attrs["dates"])))
    return Group(head, *(_labels(samples[task]) for task in tasks_of(samples)))


def _labels(labels: xr.DataArray) -> Table:
    legend = Legend.from_flags(labels.attrs)
    table = Table(title=f"{labels.name} ({legend.name})", title_justify="left", title_style="bold")
    for heading in ("id", "class", "samples"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for known in legend.classes:
        count = int((labels.values == known.class_id).sum())
        name = Text.assemble(("■ ", known.color), known.name)
        table.add_row(str(known.class_id), name, str(count))
    return table


def _plain_table(*, title: str) -> Table:
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=None)
    table.show_header = False
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    return table


def _sides(dims: tuple[Any, ...], sizes: tuple[int, ...]) -> str:
    sides = dict(zip(dims, sizes, strict=True))
    return "×".join(str(sides[d]) for d in ("y", "x") if d in sides) or "–"


def _on_disk(folder: Path) -> int:
    return sum(_file_sizes(folder))


def _file_sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.stat().st_size
