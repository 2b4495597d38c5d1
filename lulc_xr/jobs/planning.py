"""What a recipe will cost before it runs: dates, shards, bytes, memory, tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo import Geometry
from pyproj import CRS
from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from lulc_xr.core.cube import DIMS, check_cube, crs_of
from lulc_xr.core.georeference import affine_of
from lulc_xr.cube.arrays import array_layout, stored_encoding
from lulc_xr.cube.items import read_scene
from lulc_xr.jobs.making import (
    combine_years,
    items_by_year,
    load_years,
    make_cube,
    plan_of,
    shard_sizes,
)
from lulc_xr.jobs.recipe import Recipe
from lulc_xr.jobs.terminal import format_bytes

STORED_SHARE = 0.6
"""Bytes on disk over bytes of the arrays: our assumption for zstd with bit shuffle.

Stores of the recipes have 0.46 and 0.76 (the two chips of Flanders), 0.62 (Slovenia) and 0.67 (the
made-up landscape)."""

COPIES = 20
"""Bytes that a thread holds for each value of a shard while it writes: float32 as read, divided,
rounded, and with fill (4 each), int16 as stored and compressed (2 each). Measured: 16 to 22."""

OBSERVED_COPIES = 12
"""The same for each value of the dates behind a composite: as read, without clouds, sorted."""

BASE_MEMORY = 400 * 2**20
"""Memory of a worker beside its shards: Python with the libraries loaded, GDAL's cache."""


_EQUAL_AREA = "EPSG:3035"


@dataclass(frozen=True, kw_only=True)
class RecipePlan:
    """What building a recipe costs.

    Parameters
    ----------
    title, store : str
        Of the store that would be written.
    dates : mapping of str to int
        Number of dates by year and platform, such as ``{"2018 sentinel-2a": 36}``.
    size : mapping of str to int
        Length of time, band, y and x.
    grid : str
        Reference system and pixel size.
    shards : mapping of str to int
        Shards (files, units of work) of each variable.
    shard_shape : mapping of str to int
        Dates, bands, rows and columns of a shard of `reflectance`.
    bytes_to_read : int
        Bytes that come from the source, and `read_from` says how they are known.
    bytes_raw, bytes_to_store : int
        Bytes of all arrays, and on disk under the assumption :data:`STORED_SHARE`.
    memory_per_worker : int
        Peak of one worker with one thread; each further thread adds `memory_per_thread`.
    tasks : int
        Tasks of the graph.
    """

    title: str
    store: str
    dates: Mapping[str, int]
    size: Mapping[str, int]
    grid: str
    shards: Mapping[str, int]
    shard_shape: Mapping[str, int]
    bytes_to_read: int
    read_from: str
    bytes_raw: int
    bytes_to_store: int
    memory_per_worker: int
    memory_per_thread: int
    tasks: int

    def to_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return asdict(self)


def plan_recipe(
    recipe: Recipe, *, raw: Path | None = None, store: Path | None = None
) -> RecipePlan:
    """Say what a recipe will cost; no pixel of a catalogue is read, no store is written.

    The catalogue is searched, so dates are those that are there. A recipe in Python makes its
    cube in memory to be measured.

    Parameters
    ----------
    recipe : Recipe
        See :func:`lulc_xr.load_recipe`.
    raw : Path, optional
        Folder of raw files for a recipe in Python.
    store : Path, optional
        Where the store would go; by default where the recipe says.

    Returns
    -------
    RecipePlan
        Numbers of dates, shards, bytes and tasks, and memory of a worker.

    Notes
    -----
    Memory of a worker with T threads is 400 MiB + T · 20 B · (values of a shard of
    reflectance). With composites add 12 B for each value of the dates behind a shard: as read,
    without clouds, and sorted.
    """
    if recipe.kind == "stac":
        loaded = load_years(recipe)
        cube = check_cube(combine_years(recipe, loaded))
        years = list(loaded.values())
    else:
        cube = make_cube(recipe, raw=raw)
        years = [cube]
    plan = plan_of(recipe, cube)
    layouts = {str(n): array_layout(v, plan)[1] for n, v in cube.data_vars.items()}
    shards = {n: _count(cube[n].shape, layouts[n]) for n in layouts}
    arrays = sum(_stored_bytes(str(n), v) for n, v in cube.data_vars.items())
    to_read, known_from = _to_read(recipe, cube, years)
    size = {d: cube.sizes[d] for d in DIMS}
    shard = shard_sizes(plan, size)
    thread = COPIES * math.prod(shard.values())
    if recipe.composite is not None:
        pixels = shard["y"] * shard["x"] * cube.sizes["band"]
        thread += OBSERVED_COPIES * pixels * sum(y.sizes["time"] for y in years)
    return RecipePlan(
        title=str(cube.attrs["title"]),
        store=str(store or recipe.store),
        dates=_dates(years),
        size=size,
        grid=f"{_name_of(crs_of(cube))}, pixels of {abs(affine_of(cube)[0]):g} m",
        shards=shards,
        shard_shape=shard,
        bytes_to_read=to_read,
        read_from=known_from,
        bytes_raw=arrays,
        bytes_to_store=round(arrays * STORED_SHARE),
        memory_per_worker=BASE_MEMORY + thread,
        memory_per_thread=thread,
        tasks=len(cube.__dask_graph__() or ()) + sum(shards.values()),
    )


def show_plan(plan: RecipePlan) -> RenderableType:
    """A plan as tables for a terminal."""
    head = Table(title=escape(plan.title), title_justify="left", title_style="bold", box=None)
    head.show_header = False
    head.add_column(style="cyan")
    head.add_column(overflow="fold")
    size = plan.size
    shard = plan.shard_shape
    rows = {
        "store": plan.store,
        "grid": f"{size['y']} × {size['x']} pixels (y × x), {plan.grid}",
        "cube": f"{size['time']} dates × {size['band']} bands",
        "shards": ", ".join(f"{name} {count}" for name, count in plan.shards.items())
        + f"; one of reflectance holds {shard['time']} dates × {shard['band']} bands × "
        f"{shard['y']} × {shard['x']} pixels",
        "to read": f"about {format_bytes(plan.bytes_to_read)} ({plan.read_from})",
        "to store": f"about {format_bytes(plan.bytes_to_store)} "
        f"({format_bytes(plan.bytes_raw)} of arrays, assumed to shrink to {STORED_SHARE:.0%})",
        "memory": f"about {format_bytes(plan.memory_per_worker)} for a worker of one thread, "
        f"{format_bytes(plan.memory_per_thread)} for each further thread",
        "tasks": f"{plan.tasks:,}",
    }
    for key, value in rows.items():
        head.add_row(key, escape(value))
    dates = Table(title="dates", title_justify="left", title_style="bold", box=SIMPLE)
    dates.add_column("year and platform")
    dates.add_column("dates", justify="right")
    for name, count in plan.dates.items():
        dates.add_row(name, str(count))
    return Group(head, dates)


def _count(shape: tuple[int, ...], shard: tuple[int, ...]) -> int:
    return math.prod(-(-n // s) for n, s in zip(shape, shard, strict=True))


def _stored_bytes(name: str, var: xr.DataArray) -> int:
    return int(var.size * np.dtype(stored_encoding(name, var)["dtype"]).itemsize)


def _dates(years: Sequence[xr.Dataset]) -> dict[str, int]:
    """Number of dates by year and platform."""
    found: dict[str, int] = {}
    for cube in years:
        numbers = cube["time"].dt.year.values.tolist()
        platforms = cube["platform"].values.tolist() if "platform" in cube else [""] * len(numbers)
        for year, platform in zip(numbers, platforms, strict=True):
            name = f"{year} {platform}".strip()
            found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


def _to_read(recipe: Recipe, cube: xr.Dataset, years: Sequence[xr.Dataset]) -> tuple[int, str]:
    """Bytes that come from the source, and how that is known."""
    if recipe.kind == "landscape":
        return 0, "made up, nothing is read"
    if recipe.kind == "python":
        return int(cube.nbytes), "the recipe's own arrays"
    area = cube.odc.geobox.footprint(_EQUAL_AREA)
    found = [item for items in items_by_year(recipe).values() for item in items]
    known = [_item_bytes(item, cube, area) for item in found]
    if known and all(size is not None for size in known):
        return sum(size or 0 for size in known), "file:size of the items, their share in the area"
    pixels = cube.sizes["y"] * cube.sizes["x"]
    bands = cube.sizes["band"]
    dates = sum(year.sizes["time"] for year in years)
    # Numbers of 2 bytes, and a quality band of at most 2.
    return dates * pixels * (2 * bands + 2), "dates × pixels × bands × 2 bytes, not compressed"


def _item_bytes(item: Any, cube: xr.Dataset, area: Geometry) -> int | None:
    """Bytes of the assets that are read of an item, by their share in the area; None: not said."""
    scene = read_scene(item, [str(b) for b in cube["band"].values])
    assets = [item.assets[source.key] for source in (*scene.bands.values(), scene.quality)]
    sizes = [asset.extra_fields.get("file:size") for asset in assets]
    if any(size is None for size in sizes):
        return None
    whole = scene.footprint.to_crs(_EQUAL_AREA)
    share = (whole & area).area / whole.area if whole.area else 1.0
    return round(sum(int(size) for size in sizes if size is not None) * share)


def _name_of(wkt: str) -> str:
    crs = CRS.from_wkt(wkt)
    return ":".join(crs.to_authority() or (crs.name,))
