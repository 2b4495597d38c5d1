"""``lulc-xr classify``: a model and a cube to maps in the cube's store, here or on a cluster."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

from lulc_xr.core.errors import IncompleteMapWarning
from lulc_xr.cube.store import open_cube
from lulc_xr.cube.write import write_variables
from lulc_xr.jobs.cluster import check_choice, cluster
from lulc_xr.jobs.terminal import console, parse_years
from lulc_xr.models.ensemble import load_model
from lulc_xr.prediction.classify import classify


def classify_store(
    store: Path,
    model: Path,
    *,
    outputs: str | None = None,
    years: str | None = None,
    precision: str = "float32",
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> None:
    """Classify a cube and write the maps into its store.

    Parameters
    ----------
    store, model : Path
        Store of the cube, folder of the classifier; with `scheduler` its workers see both at
        the same paths.
    outputs, years : str, optional
        Names and numbers with commas between them, as :func:`lulc_xr.classify` takes them.
    precision : {"float32", "bfloat16"}
        Arithmetic of the network.
    workers : int, optional
        Processes to start on this machine; by default threads of this process do the work.
    scheduler : str, optional
        Address of a running Dask scheduler.
    overwrite : bool
        Replace maps of another model or setting.
    """
    check_choice(workers=workers, scheduler=scheduler)
    # Absolute, since workers may run in another folder.
    place = store.expanduser().resolve()
    screen = console()
    with warnings.catch_warnings():
        # An unfinished map is what this command is here to finish.
        warnings.simplefilter("ignore", IncompleteMapWarning)
        cube = open_cube(place)
    classifier = load_model(model)
    wanted = [name.strip() for name in outputs.split(",")] if outputs else None
    mapped = None if years is None else parse_years(years)
    maps = classify(cube, classifier, outputs=wanted, years=mapped, precision=precision)
    names = ", ".join(map(str, maps.data_vars))
    screen.print(
        f"{names} of {', '.join(map(str, maps['year'].values))}, "
        f"{maps.sizes['y']} × {maps.sizes['x']} pixels, with {classifier.network_name} "
        f"{classifier.content_hash[:12]} in {precision}"
    )
    with cluster(workers=workers, scheduler=scheduler):
        begun = time.perf_counter()
        report = write_variables(maps, place, overwrite=overwrite)
        took = time.perf_counter() - begun
    pixels = maps.sizes["year"] * maps.sizes["y"] * maps.sizes["x"]
    speed = pixels * report.written / max(report.written + report.skipped, 1) / took / 1000
    said = f" in {took:.1f} s, {speed:.1f} thousand pixels a second" if report.written else ""
    screen.print(f"{report.written} shards written{said}; {report.skipped} were there before")
    screen.print(f"maps in [bold]{store}[/]")
