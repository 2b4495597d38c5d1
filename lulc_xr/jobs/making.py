"""The cube of a recipe, lazily: from a catalogue, a made-up landscape, or a Python file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.blocks import ChunkPlan, plan_chunks
from lulc_xr.core.cube import check_cube
from lulc_xr.core.dates import period_edges
from lulc_xr.core.errors import CubeError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.cube.catalogue import find_items
from lulc_xr.cube.composite import composite
from lulc_xr.cube.stac import load_stac
from lulc_xr.jobs.grids import bounds_in_degrees, grid_of
from lulc_xr.jobs.recipe import Area, Composites, Landscape, Recipe, Source
from lulc_xr.testing import SENTINEL2_BANDS, landscape

COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    "sentinel-2": ("sentinel-2-l2a",),
    "landsat": ("landsat-c2-l2",),
}
"""Collections of a sensor, as Earth Search and Planetary Computer call them."""


def make_cube(recipe: Recipe, *, raw: Path | None = None) -> xr.Dataset:
    """The whole cube that a recipe describes, lazily where its source is.

    Parameters
    ----------
    recipe : Recipe
        See :func:`lulc_xr.load_recipe`.
    raw : Path, optional
        Folder of raw files for a recipe in Python; by default ``raw`` beside it.

    Returns
    -------
    xr.Dataset
        ``reflectance(time, band, y, x)``, ``clear(time, y, x)`` and what else the source has.
    """
    makers: Mapping[str, Callable[[], xr.Dataset]] = {
        "python": lambda: _of_script(recipe, raw),
        "landscape": lambda: _of_landscape(recipe),
        "stac": lambda: combine_years(recipe, load_years(recipe)),
    }
    cube = check_cube(makers[recipe.kind]())
    return cube.assign_attrs(title=cube.attrs.get("title", recipe.title))


def plan_of(recipe: Recipe, cube: xr.Dataset) -> ChunkPlan:
    """The recipe's chunks and shards; by default those that suit the cube's size."""
    if recipe.plan is not None:
        return recipe.plan
    return plan_chunks(**{d: cube.sizes[d] for d in ("time", "band", "y", "x")})


def shard_sizes(plan: ChunkPlan, sizes: Mapping[str, int]) -> dict[str, int]:
    """Pixels and dates of one shard of `reflectance`, no more than there are."""
    return {d: min(plan.shard(d, sizes[d]), sizes[d]) for d in ("time", "band", "y", "x")}


def _of_script(recipe: Recipe, raw: Path | None) -> xr.Dataset:
    cube: xr.Dataset = recipe.script.make_cube(raw or recipe.path.parent / "raw")  # type: ignore[union-attr]
    return cube


def _of_landscape(recipe: Recipe) -> xr.Dataset:
    made = recipe.landscape
    if made is None:  # a recipe is checked when it is read
        raise CubeError("this recipe has no table [landscape].")
    settings = _landscape_settings(made)
    years = recipe.years or (2018,)
    sizes = {
        "time": made.time * len(years), "band": len(settings["bands"]), "y": made.y, "x": made.x,
    }  # fmt: skip
    plan = recipe.plan or plan_chunks(**sizes)
    cube = landscape(**settings, years=years, chunks=shard_sizes(plan, sizes))
    return cube.assign_attrs(
        title=recipe.title, source="made up by lulc_xr", history=f"seed {made.seed}"
    )


def _landscape_settings(made: Landscape) -> dict[str, Any]:
    return {
        "y": made.y, "x": made.x, "time": made.time, "bands": made.bands or SENTINEL2_BANDS,
        "classes": made.classes, "seed": made.seed,
    }  # fmt: skip


def load_years(recipe: Recipe) -> dict[int, xr.Dataset]:
    """The dates of each year as the catalogue has them, lazily; years without a date left out.

    Raises
    ------
    CubeError
        If no year has a date here.
    """
    source, area = _tables(recipe)
    settings: dict[str, Any] = {
        "geobox": grid_of(area, recipe.grid), "bands": source.bands, "clear": source.clear,
        "dilate": source.dilate, "bandpass": source.bandpass, "resampling": source.resampling,
        "on_error": source.on_error, "sign": _signer(source.sign), "chunks": _reading(recipe),
    }  # fmt: skip
    found = items_by_year(recipe)
    years = {year: load_stac(items, **settings) for year, items in found.items() if items}
    if not years:
        raise CubeError(
            f"{source.catalogue} has no scene of {', '.join(source.sensors)} in "
            f"{', '.join(map(str, recipe.years))} here. Check area, years and collections."
        )
    return years


def items_by_year(recipe: Recipe) -> dict[int, list[Any]]:
    """STAC items of each year of a recipe that touch its area."""
    source, area = _tables(recipe)
    address: str | Path = source.catalogue
    online = "://" in source.catalogue
    if not online:
        address = recipe.path.parent / Path(source.catalogue).expanduser()
    names = source.collections
    if names is None and online:
        names = tuple(c for sensor in source.sensors for c in COLLECTIONS[sensor])
    found = {
        year: find_items(
            address,
            bbox=bounds_in_degrees(area),
            start=str(first),
            end=str(last),
            collections=names,
            query=source.query,
        )
        for year, (first, last) in _spans(recipe).items()
    }
    if source.collections is not None:
        return found
    return {year: [i for i in items if _is_of(i, source.sensors)] for year, items in found.items()}


def _spans(recipe: Recipe) -> dict[int, tuple[np.datetime64, np.datetime64]]:
    """First and last day of each year; with composites, of the periods that end in it."""
    freq = recipe.composite.freq if recipe.composite is not None else "year"
    edges = {year: _periods(year, freq) for year in recipe.years}
    return {year: (days[0], days[-1] - np.timedelta64(1, "D")) for year, days in edges.items()}


def _reading(recipe: Recipe) -> dict[str, int]:
    """Chunks to read in: one task reads what one shard needs, dates of its own included."""
    if recipe.plan is None:
        return {"time": -1}
    # Of any size, since load_stac cuts chunks at the size of the cube.
    sides = {d: recipe.plan.shard(d, 0) for d in ("time", "y", "x")}
    whole = recipe.composite is not None
    return {d: -1 if not n or (d == "time" and whole) else n for d, n in sides.items()}


def _signer(name: str | None) -> Callable[[str], str] | None:
    if name is None:
        return None
    module, function = name.split(":")
    try:
        found: Callable[[str], str] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise CubeError(
            f"sign={name!r} cannot be imported ({error}). Install the package that has it."
        ) from error
    return found


def _is_of(item: Any, sensors: Sequence[str]) -> bool:
    """True if an item is of one of the sensors; names of platforms begin with theirs."""
    platform = str(item.properties.get("platform", "")).lower()
    return any(platform.startswith(sensor) for sensor in sensors)


def _tables(recipe: Recipe) -> tuple[Source, Area]:
    if recipe.source is None or recipe.area is None:
        raise CubeError(f"{recipe.path.name} has no tables [source] and [area].")
    return recipe.source, recipe.area


def combine_years(recipe: Recipe, years: Mapping[int, xr.Dataset]) -> xr.Dataset:
    """One cube of the dates of several years, as composites if the recipe wants them.

    Each year has composites of its own: what a year holds does not depend on which others are
    there, so that a store may grow year by year.
    """
    chosen = recipe.composite
    parts = list(years.values())
    if chosen is not None:
        parts = [_composites(cube, year, chosen) for year, cube in years.items()]
    cube = parts[0]
    if len(parts) > 1:
        cube = xr.concat(
            parts, "time", data_vars="minimal", coords="minimal", compat="override", join="exact"
        )
    return cube.assign_attrs(title=recipe.title, source=_tables(recipe)[0].catalogue)


def _composites(cube: xr.Dataset, year: int, chosen: Composites) -> xr.Dataset:
    """Composites of one year; no value in periods without a date."""
    made = composite(
        cube,
        chosen.freq,
        chosen.method,
        fill=None if chosen.fill == "none" else "linear",
        max_gap=chosen.max_gap,
        weights="clear" if chosen.weights == "clear" else None,
        q=chosen.q,
    )
    return on_dates(made, _periods(year, chosen.freq)[:-1].astype("datetime64[ns]"))


def _periods(year: int, freq: str) -> NDArray[np.datetime64]:
    """Edges of the periods that end in a year, so that every period belongs to one year."""
    days = np.array([f"{year}-01-01", f"{year}-12-31"], "datetime64[ns]")
    edges = np.asarray(period_edges(days, freq)).astype("datetime64[D]")
    return edges[edges <= np.datetime64(f"{year + 1}-01-01")]


def on_dates(cube: xr.Dataset, times: NDArray[Any], *, unread: int = 0) -> xr.Dataset:
    """The cube at these dates; where it has none: no value, not clear, and `unread` as given."""
    if np.array_equal(cube["time"].values, times):
        return cube
    fills = {n: fill_of(v) for n, v in cube.drop_vars("time").variables.items() if "time" in v.dims}
    return cube.reindex(time=times, fill_value=fills | {"unread": np.uint8(unread)})


def fill_of(var: xr.Variable) -> Any:
    """What stands for 'nothing there' in a variable of a cube."""
    if "flag_values" in var.attrs:
        return var.dtype.type(FILL_CLASS)
    if var.dtype.kind == "f":
        return var.dtype.type(np.nan)
    return "" if var.dtype.kind in "OUT" else var.dtype.type(0)
