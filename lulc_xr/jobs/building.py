"""``lulc-xr build``: a recipe to a store, built anew or extended by what it lacks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.build import build_cube
from lulc_xr.cube.climate_rasters import read_chelsa, read_worldclim
from lulc_xr.cube.commit import update_root
from lulc_xr.cube.context import write_context
from lulc_xr.cube.extend import extend_cube
from lulc_xr.cube.store import StorePath, open_cube, open_group
from lulc_xr.cube.unread import fill_unread, unread_dates
from lulc_xr.jobs.cluster import cluster
from lulc_xr.jobs.grids import extent_of
from lulc_xr.jobs.growing import Box, box_of, match_dates, on_grid, plan_steps
from lulc_xr.jobs.making import make_cube, on_dates
from lulc_xr.jobs.planning import plan_recipe, show_plan
from lulc_xr.jobs.recipe import Recipe
from lulc_xr.jobs.recipe_files import load_recipe
from lulc_xr.jobs.terminal import console, parse_years

AREAS = "lulc_xr:areas"
"""Attribute of a store: areas that recipes brought, [top, bottom, left, right] in pixels."""


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What building a recipe did.

    Parameters
    ----------
    store : Path
        The store.
    steps : tuple of str
        What was built or added; empty if the store had everything.
    written, skipped : int
        Shards written now, and shards of these steps that an interrupted run had written.
    unread : tuple of datetime64
        Dates of which a source could not be read; the next build tries again.
    left_out : tuple of datetime64
        Dates of the source before or between those of the store, which it cannot take.
    """

    store: Path
    steps: tuple[str, ...]
    written: int
    skipped: int
    unread: tuple[np.datetime64, ...] = ()
    left_out: tuple[np.datetime64, ...] = ()


def build(
    recipe: Recipe,
    store: StorePath | None = None,
    *,
    raw: Path | None = None,
    resume: bool = True,
    progress: bool = True,
) -> BuildReport:
    """Build the store of a recipe, or bring to it what the recipe has more: area, dates, bands.

    What is there is not written again. After a kill the same call does what is missing. Runs
    on the active Dask client if there is one, else on local threads.

    Parameters
    ----------
    recipe : Recipe
        See :func:`lulc_xr.load_recipe`.
    store : str or Path, optional
        Where it goes; by default where the recipe says.
    raw : Path, optional
        Folder of raw files for a recipe in Python; by default ``raw`` beside it.
    resume : bool
        Continue an interrupted build of the same recipe and scenes. False: discard what any
        interrupted build has written; the store itself stays as it is.
    progress : bool
        Show progress bars.

    Returns
    -------
    BuildReport
        What was done; which dates could not be read.

    Raises
    ------
    StoreError
        If `store` holds something else, or cannot be written.
    CubeError
        If the recipe cannot grow the store: another grid, earlier years, a smaller area.

    Examples
    --------
    >>> import dataclasses, tempfile
    >>> import lulc_xr as lx
    >>> recipe = lx.load_recipe("zarr_stores/landscape.toml")
    >>> small = dataclasses.replace(recipe.landscape, y=64, x=64, bands=("red",))
    >>> recipe = dataclasses.replace(recipe, landscape=small)
    >>> store = tempfile.mkdtemp() + "/landscape.zarr"
    >>> lx.build(recipe, store, progress=False).steps
    ('24 dates of 64 × 64 pixels',)
    >>> lx.build(recipe, store, progress=False).steps
    ()
    """
    target = Path(store or recipe.store).expanduser().resolve()
    cube = make_cube(recipe, raw=raw)
    settings: dict[str, Any] = {"identity": _identity(recipe), "resume": resume}
    settings["progress"] = progress
    if target.exists():
        return _grow(recipe, cube, target, settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = extent_of(recipe.grid) if recipe.kind == "stac" else None
    grid = None if whole is None else _axes_of(whole)
    done = build_cube(cube, target, plan=recipe.plan, grid=grid, **settings)
    update_root(target, {AREAS: [list(box_of(cube, _axes(target)))]})
    _bring_climate(recipe, target, again=False)
    sizes = cube.sizes
    return BuildReport(
        store=target,
        steps=(f"{sizes['time']} dates of {sizes['y']} × {sizes['x']} pixels",),
        written=done.written,
        skipped=done.skipped,
        unread=_unread(target),
    )


def _grow(recipe: Recipe, cube: xr.Dataset, target: Path, settings: dict[str, Any]) -> BuildReport:
    """Bring to a store what it lacks of the recipe's cube."""
    cube, stored, left_out = _matched(recipe, cube, target)
    steps, written, skipped = [], 0, 0
    if _unread(target):
        done = fill_unread(_again(cube, stored), target, progress=settings["progress"])
        steps.append("what could not be read before")
        written, skipped = done.written, done.skipped
    covered = _covered(target, stored)
    for step in plan_steps(cube, stored, covered):
        part = step.cube
        if step.box is None:
            now = _axes(target)
            part = on_grid(part, now)
            if not (part["time"].values > now["time"].values[-1]).all():
                part = on_dates(part, now["time"].values)
        done = extend_cube(part, target, **settings)
        if step.box is not None:
            covered.append(step.box)
            update_root(target, {AREAS: [list(box) for box in covered]})
        steps.append(step.said)
        written, skipped = written + done.written, skipped + done.skipped
    if _bring_climate(recipe, target, again=any(step.startswith("an area") for step in steps)):
        steps.append("climate")
    return BuildReport(
        store=target, steps=tuple(steps), written=written, skipped=skipped,
        unread=_unread(target), left_out=tuple(left_out),
    )  # fmt: skip


def _matched(recipe: Recipe, cube: xr.Dataset, target: Path) -> tuple[xr.Dataset, xr.Dataset, Any]:
    """The cube on the moments of a store of its own, the store's axes, and dates left out."""
    attrs = open_group(target).attrs
    if attrs.get("title") != cube.attrs["title"]:
        raise StoreError(
            f"{str(target)!r} holds something else than {cube.attrs['title']!r}, so it is left "
            "alone. Choose another place with --store."
        )
    stored = _axes(target)
    cube, left_out = match_dates(cube, stored)
    if not cube.sizes["time"]:
        raise CubeError(
            f"no date of the recipe is in {str(target)!r} or follows its last, "
            f"{str(stored['time'].values[-1])[:10]}. Dates are appended behind the last only: "
            "build another store with all years."
        )
    _check_years(recipe, cube, stored)
    return cube, stored, left_out


def _bring_climate(recipe: Recipe, target: Path, *, again: bool) -> bool:
    """Write the climate of the store's extent, if the recipe wants it and it is not there."""
    chosen = recipe.climate
    if chosen is None or ("bioclim" in open_group(target) and not again):
        return False
    read = {"worldclim": read_worldclim, "chelsa": read_chelsa}[chosen.kind]
    write_context(read(chosen.source), target, overwrite=True)
    return True


def _check_years(recipe: Recipe, cube: xr.Dataset, stored: xr.Dataset) -> None:
    there = {*cube["time"].dt.year.values.tolist(), *stored["time"].dt.year.values.tolist()}
    early = [y for y in recipe.years if y not in there and y < max(there)]
    if early:
        raise CubeError(
            f"years {early} of the recipe lie before the store's last date, "
            f"{str(stored['time'].values[-1])[:10]}, or have no scene. Dates are appended behind "
            "the last only: build another store with all years, or leave these out."
        )


def _covered(target: Path, stored: xr.Dataset) -> list[Box]:
    noted: Any = open_group(target).attrs.get(AREAS)
    if noted is None:
        return [(0, stored.sizes["y"], 0, stored.sizes["x"])]
    return [(int(b[0]), int(b[1]), int(b[2]), int(b[3])) for b in noted]


def _axes(target: Path) -> xr.Dataset:
    stored = open_cube(target)
    return stored.drop_vars(list(stored.data_vars)).assign_attrs(stored.attrs)


def _axes_of(geobox: Any) -> xr.Dataset:
    axes = geobox.coordinates
    return xr.Dataset(coords={d: (d, np.asarray(axes[d].values)) for d in ("y", "x")})


def _unread(target: Path) -> tuple[np.datetime64, ...]:
    return tuple(unread_dates(target)["time"].to_numpy())


def _again(cube: xr.Dataset, stored: xr.Dataset) -> xr.Dataset:
    """The cube on all dates, bands and pixels of a store; what it has not stays unread."""
    if "unread" not in cube:
        cube = cube.assign(unread=xr.zeros_like(cube["clear"]))
    there = [b for b in stored["band"].values if b in cube["band"].values]
    whole = on_grid(cube.sel(band=there), stored, unread=1)
    return on_dates(whole, stored["time"].values, unread=1)


def _identity(recipe: Recipe) -> str | None:
    """What decides the values of a catalogue's cube, beside its axes; None: Dask's names do."""
    if recipe.kind != "stac":
        return None
    # A dataclass says all its values.
    told = repr((recipe.source, recipe.composite, recipe.grid.resolution))
    return hashlib.sha256(told.encode()).hexdigest()


def build_recipe(
    path: Path,
    *,
    store: Path | None = None,
    raw: Path | None = None,
    years: str | None = None,
    catalogue: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    restart: bool = False,
) -> bool:
    """Build or extend the store of a recipe and say what was done; False if dates are unread."""
    recipe = _chosen(path, years=years, catalogue=catalogue)
    screen = console()
    with cluster(workers=workers, scheduler=scheduler):
        report = build(recipe, store, raw=raw, resume=not restart)
    if not report.steps:
        screen.print("nothing new: the store holds all that the recipe names")
    for said in report.steps:
        screen.print(f"added {said}")
    if report.steps:
        screen.print(f"{report.written} shards written; {report.skipped} were there before")
    _list_dates(report.left_out, "lie before or between the store's dates and were left out")
    _list_dates(report.unread, "could not be read; build again to fill them in")
    screen.print(f"cube in [bold]{report.store}[/]")
    return not report.unread


def show_cost(
    path: Path,
    *,
    store: Path | None = None,
    raw: Path | None = None,
    years: str | None = None,
    catalogue: str | None = None,
    json_path: Path | None = None,
) -> None:
    """Print what building a recipe will cost."""
    recipe = _chosen(path, years=years, catalogue=catalogue)
    plan = plan_recipe(recipe, raw=raw, store=store)
    screen = console()
    screen.print(show_plan(plan))
    target = Path(plan.store)
    if target.exists():
        cube, stored, _ = _matched(recipe, make_cube(recipe, raw=raw), target)
        steps = [step.said for step in plan_steps(cube, stored, _covered(target, stored))]
        said = ", ".join(steps) or "nothing, as it holds all that the recipe names"
        screen.print(f"The store is there already; a build would add {said}.")
    if json_path is not None:
        json_path.write_text(json.dumps(plan.to_dict(), indent=1), encoding="utf-8")


def _chosen(path: Path, *, years: str | None, catalogue: str | None) -> Recipe:
    """The recipe, with years and catalogue of the command line in place of its own."""
    recipe = load_recipe(path)
    if years is not None:
        numbers = tuple(sorted(parse_years(years)))
        recipe = dataclasses.replace(recipe, years=numbers)
    if catalogue is not None:
        if recipe.source is None:
            raise CubeError(f"--catalogue {catalogue!r}: {path.name} reads no catalogue.")
        place = catalogue if "://" in catalogue else str(Path(catalogue).resolve())
        source = dataclasses.replace(recipe.source, catalogue=place)
        recipe = dataclasses.replace(recipe, source=source)
    return recipe


def _list_dates(dates: Sequence[np.datetime64], said: str) -> None:
    if dates:
        shown = ", ".join(str(d)[:10] for d in dates[:20])
        more = f" and {len(dates) - 20} more" if len(dates) > 20 else ""
        console().print(f"[yellow]{len(dates)} dates {said}:[/] {shown}{more}")
