"""``lulc-xr fractions``, ``plant-types`` and ``grids``: maps to files that land models read."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
from dask.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lulc_xr.analysis.fraction_files import (
    add_to_fractions,
    open_fractions,
    write_fractions,
)
from lulc_xr.analysis.fraction_sources import Overlap
from lulc_xr.analysis.fraction_writing import Precision
from lulc_xr.analysis.fractions import fractions
from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.analysis.plant_types import plant_functional_types
from lulc_xr.analysis.tsmp import export_tsmp
from lulc_xr.analysis.tsmp_mask import tsmp_land_mask
from lulc_xr.core.errors import CubeError, LegendError, StoreError
from lulc_xr.core.grids import list_grids, named_grid
from lulc_xr.core.legends import list_legends
from lulc_xr.core.target_grid import TargetGrid, describe
from lulc_xr.cube.class_raster import open_class_map
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.cluster import check_choice, cluster
from lulc_xr.jobs.evaluation_files import RASTERS
from lulc_xr.jobs.point_files import read_legend
from lulc_xr.jobs.terminal import console, format_bytes, parse_years

_COVERAGE = ("outside", "partly covered", "covered")


def write_fraction_file(
    stores: Sequence[Path],
    out: Path,
    *,
    grid: str,
    of: str = "land_cover",
    task: str = "land_cover",
    years: str | None = None,
    overlap: str | None = None,
    legend: str | None = None,
    add: bool = False,
    dtype: str = "float64",
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> None:
    """Fractions of maps on a grid, as a file, or added to one.

    Parameters
    ----------
    stores : sequence of Path
        Stores with a class map, or rasters of classes.
    out : Path
        The file.
    grid, of, task, years, overlap
        As :func:`lulc_xr.fractions` takes them; names and years with commas between them.
    legend : str, optional
        Legend of rasters.
    add : bool
        Add to the file; it is made if it isn't there.
    dtype : {"float64", "float32"}
        Type of the shares in a new file.
    workers : int, optional
        Processes to start on this machine; by default threads of this process do the work.
    scheduler : str, optional
        Address of a running Dask scheduler, whose workers see stores and `out` at these paths.
    overwrite : bool
        Replace the file.
    """
    check_choice(workers=workers, scheduler=scheduler)
    adding = add and out.exists()
    if out.exists() and not (adding or overwrite):
        raise StoreError(
            f"{str(out)!r} exists already. Pass overwrite=True to replace it, or --add to add to "
            "it."
        )
    found, command = _fractions(
        "fractions", stores, out, grid=grid, of=of, task=task, years=years, overlap=overlap,
        legend=legend,
    )  # fmt: skip
    place = out.expanduser().resolve()
    began = time.perf_counter()
    with cluster(workers=workers, scheduler=scheduler), _tasks_shown("fractions"):
        if adding:
            add_to_fractions(place, found, command=f"{command} --add")
        else:
            write_fractions(
                found, place, dtype=cast(Precision, dtype), overwrite=overwrite, command=command
            )
    _say_what_is_there(out, place, time.perf_counter() - began)


def write_plant_type_file(
    stores: Sequence[Path],
    out: Path,
    *,
    grid: str,
    climate: Path,
    of: str = "land_cover",
    task: str = "land_cover",
    years: str | None = None,
    overlap: str | None = None,
    legend: str | None = None,
    crops: str = "generic",
    wetland: str = "landunit",
    tsmp: bool = False,
    mask: Path | None = None,
    partly: float = 1.0,
    missing: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> None:
    """Plant types of maps on a grid, as a file, or as the stack of TSMP.

    Parameters
    ----------
    stores, out, grid, of, task, years, overlap, legend, workers, scheduler, overwrite
        As for :func:`write_fraction_file`.
    climate : Path
        File or store with climate, as :func:`lulc_xr.plant_functional_types` takes it.
    crops, wetland
        As for :func:`lulc_xr.plant_functional_types`.
    tsmp : bool
        Write the stack PCT_PFT.
    mask : Path, optional
        OASIS's masks of the TSMP run.
    partly : float
        Mapped share of a cell's land that is enough for the stack.
    missing : bool
        Cells of land with less are missing in the stack, not refused.
    """
    check_choice(workers=workers, scheduler=scheduler)
    if not tsmp and (mask is not None or missing or partly < 1):
        raise CubeError(
            "--mask, --partly and --missing belong to --tsmp; pass it, or leave them out."
        )
    if out.exists() and not overwrite:
        raise StoreError(f"{str(out)!r} exists already. Pass overwrite=True to replace it.")
    found, command = _fractions(
        "plant-types", stores, out, grid=grid, of=of, task=task, years=years, overlap=overlap,
        legend=legend,
    )  # fmt: skip
    kinds = [name.strip() for name in of.split(",")]
    types = plant_functional_types(
        found, climate=_open_climate(climate), crops=cast(Any, crops), wetland=cast(Any, wetland),
        of="probability" if "probability" in kinds else "land_cover",
    )  # fmt: skip
    place = out.expanduser().resolve()
    began = time.perf_counter()
    with cluster(workers=workers, scheduler=scheduler), _tasks_shown("plant types"):
        if tsmp:
            report = export_tsmp(
                types, place, land_mask=None if mask is None else tsmp_land_mask(mask),
                unmapped="missing" if missing else "error", min_mapped=partly,
                overwrite=overwrite,
            )  # fmt: skip
            console().print(str(report))
            return
        write_fractions(types, place, overwrite=overwrite, command=f"{command} --climate {climate}")
    _say_what_is_there(out, place, time.perf_counter() - began)


def show_grids() -> None:
    """Print the grids that have a name."""
    table = Table(title="grids by name; give a CF file or polygons for others")
    table.add_column("name", no_wrap=True)
    for heading in ("cells", "step", "first centre", "poles"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in list_grids():
        found = named_grid(name)
        table.add_row(
            name, f"{found.nx} × {found.ny}", f"{found.step_x:g}°",
            f"{found.first_x:.10g} {found.first_y:.10g}",
            "geographic" if found.pole is None else "rotated",
        )  # fmt: skip
    console().print(table)


def _fractions(
    command: str,
    stores: Sequence[Path],
    out: Path,
    *,
    grid: str,
    of: str,
    task: str,
    years: str | None,
    overlap: str | None,
    legend: str | None,
) -> tuple[xr.Dataset, str]:
    """Lazy fractions, after a line about the work; and the command for the history."""
    wanted = None if years is None else parse_years(years)
    maps = [_open_map(store, task=task, years=wanted, legend=legend) for store in stores]
    target = as_grid(grid)
    kinds = [name.strip() for name in of.split(",")]
    kinds = [task if name == "land_cover" else name for name in kinds]
    found = fractions(
        maps, target, of=kinds, task=task, years=wanted, overlap=cast("Overlap | None", overlap)
    )
    console().print(_plan(maps, found, target, out))
    said = ["lulc-xr", command, *map(str, stores), "--grid", grid, "--out", str(out)]
    options = {"--of": of, "--task": task, "--years": years, "--overlap": overlap}
    for option, value in {**options, "--legend": legend}.items():
        said += [] if value in (None, "land_cover") else [option, str(value)]
    return found, shlex.join(said)


def _open_map(
    path: Path, *, task: str, years: list[int] | None, legend: str | None
) -> xr.Dataset | xr.DataArray:
    if path.suffix.lower() not in RASTERS:
        # Absolute, since workers may run in another folder.
        return open_cube(path.expanduser().resolve())
    if legend is None:
        raise LegendError(
            f"{str(path)!r} does not say what its class ids mean. Name its legend: --legend "
            f"{', '.join(list_legends())}, or a .json file (what Legend.to_dict() gives)."
        )
    if years is None or len(years) != 1:
        raise CubeError(f"{str(path)!r} does not say which year it maps. Name it: --years 2018.")
    known = read_legend(Path(legend)) if legend.endswith(".json") else legend
    return open_class_map(path.resolve(), legend=known, name=task, year=years[0])


def _open_climate(path: Path) -> xr.Dataset:
    place = path.expanduser()
    if not place.exists():
        raise StoreError(f"no climate at {str(path)!r}; give a NetCDF or Zarr file.")
    try:
        if place.is_dir():
            return xr.open_dataset(place, engine="zarr", consolidated=False, chunks={})
        return xr.open_dataset(place, chunks={})
    except (OSError, ValueError) as error:
        raise StoreError(f"climate {str(path)!r} can't be read: {error}.") from error


def _plan(
    maps: Sequence[xr.Dataset | xr.DataArray], found: xr.Dataset, grid: TargetGrid, out: Path
) -> str:
    """A line about the work: pixels, classes, years, cells."""
    years = found["year"].values.tolist()
    pixels = sum(m.sizes["y"] * m.sizes["x"] for m in maps) * len(years)
    what = "1 map" if len(maps) == 1 else f"{len(maps)} maps"
    return (
        f"{what} of {', '.join(map(str, years))}, {pixels / 1e6:.3g} million pixels, "
        f"{found.sizes['class']} classes → {grid.name}, {describe(grid.dims, grid.shape)} cells, "
        f"into {out}"
    )


def _say_what_is_there(out: Path, place: Path, took: float) -> None:
    found = open_fractions(place)
    said = ""
    if "cell_coverage" in found:
        counts = np.bincount(found["cell_coverage"].values.ravel(), minlength=3)
        said = ": cells " + ", ".join(f"{n} {w}" for n, w in zip(counts, _COVERAGE, strict=True))
    years = ", ".join(map(str, found["year"].values.tolist()))
    size = sum(f.stat().st_size for f in (place.rglob("*") if place.is_dir() else [place]))
    screen = console()
    screen.print(f"{years}{said}")
    screen.print(f"[bold]{out}[/], {format_bytes(size)}, in {took:.1f} s")
    found.close()


@contextmanager
def _tasks_shown(what: str) -> Iterator[None]:
    """A progress bar of Dask's tasks in this process; a cluster has its dashboard."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("tasks"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console(), transient=True) as bar:
        line = bar.add_task(what, total=None)

        def begin(_: Any, state: Any) -> None:
            bar.update(line, total=len(state["ready"]) + len(state["waiting"]), completed=0)

        with Callback(start_state=begin, posttask=lambda *_: bar.advance(line)):
            yield
