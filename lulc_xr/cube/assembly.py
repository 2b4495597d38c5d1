"""Scenes to a lazy cube: the graph of reads, the coordinates, the attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from odc.geo.geobox import GeoBox, GeoboxTiles
from odc.geo.xr import xr_coords

from lulc_xr.core.blocks import plan_chunks, split
from lulc_xr.core.cube import CLEAR_ENCODING, REFLECTANCE_ENCODING, check_cube
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.cube.items import Scene
from lulc_xr.cube.overpasses import Date
from lulc_xr.cube.reading import SceneReader

# Each read opens a file: few large reads, as long as the series of a chunk (float32), which a
# writer of whole series holds, fits into half a gigabyte. Tiles of COGs are 256 to 1024 pixels.
_SERIES_BYTES = 512 * 2**20
_SMALLEST_READ, _LARGEST_READ = 512, 2048


def lazy_cube(
    dates: Sequence[Date], grid: GeoBox, reader: SceneReader, chunks: Mapping[str, int] | None
) -> xr.Dataset:
    """The cube of these dates: one task reads all bands of a chunk.

    Parameters
    ----------
    dates : sequence of (time, platform, scenes)
        In ascending order.
    grid : GeoBox
        Pixels of the cube.
    reader : SceneReader
        How scenes become blocks.
    chunks : mapping, optional
        Dask chunks along time, y and x; -1 for all.

    Returns
    -------
    xr.Dataset
        See :func:`lulc_xr.load_stac`.

    Raises
    ------
    CubeError
        If a chunk size is wrong.
    """
    sizes = {"time": len(dates), "y": grid.shape.y, "x": grid.shape.x}
    steps = _chunk_sizes(sizes, len(reader.bands), chunks)
    along = tuple(split(sizes[d], steps[d]) for d in ("time", "y", "x"))
    names = ("reflectance", "clear", *(("unread",) if reader.mark else ()))
    token = tokenize(
        [[(s.item_id, s.bands, s.quality) for s in scenes] for _, _, scenes in dates],
        (reader.bands, reader.rule, reader.dilate, reader.bandpass, reader.resampling),
        (reader.mark, grid, along),
    )
    graph = _graph(dates, grid, reader, along, names=names, token=token)
    data: dict[str, Any] = {}
    for name in names:
        four = name == "reflectance"
        dims = ("time", "band", "y", "x") if four else ("time", "y", "x")
        array = da.Array(
            graph,
            f"{name}-{token}",
            chunks=(along[0], (len(reader.bands),), *along[1:]) if four else along,
            meta=np.empty((0,) * len(dims), np.float32 if four else np.uint8),
        )
        data[name] = (dims, array, _ATTRS[name])
    cube = xr.Dataset(data, coords=_coords(dates, grid, reader.bands))
    cube["reflectance"].encoding = {**REFLECTANCE_ENCODING, "grid_mapping": "spatial_ref"}
    cube["clear"].encoding = {**CLEAR_ENCODING, "grid_mapping": "spatial_ref"}
    return check_cube(cube)


_ATTRS: Mapping[str, Mapping[str, str]] = {
    "reflectance": {"long_name": "surface reflectance", "units": "1"},
    "clear": {"long_name": "seen, and neither cloud, shadow nor fill", "units": "1"},
    "unread": {"long_name": "a source of this pixel could not be read", "units": "1"},
}


def _chunk_sizes(
    sizes: Mapping[str, int], bands: int, chunks: Mapping[str, int] | None
) -> dict[str, int]:
    plan = plan_chunks(time=sizes["time"], band=bands, y=sizes["y"], x=sizes["x"])
    side = max(_SMALLEST_READ, plan.shard("y", sizes["y"]), plan.shard("x", sizes["x"]))
    while side < _LARGEST_READ and 16 * side**2 * bands * sizes["time"] <= _SERIES_BYTES:
        side *= 2
    steps = {"time": 1, "y": side, "x": side}
    for dim, size in (chunks or {}).items():
        if dim not in steps:
            raise CubeError(name_unknown("dimension of chunks", dim, steps))
        if size != -1 and size < 1:
            raise CubeError(f"chunks along {dim!r} of {size}; give a number >= 1, or -1 for all.")
        steps[dim] = sizes[dim] if size == -1 else int(size)
    return {dim: min(step, sizes[dim]) for dim, step in steps.items()}


def _graph(
    dates: Sequence[Date],
    grid: GeoBox,
    reader: SceneReader,
    along: tuple[tuple[int, ...], ...],
    *,
    names: Sequence[str],
    token: str,
) -> HighLevelGraph:
    tiles = GeoboxTiles(grid, (along[1], along[2]))
    here: dict[tuple[int, int], list[list[Scene]]] = {
        (y, x): [[] for _ in dates] for y in range(len(along[1])) for x in range(len(along[2]))
    }
    for number, (_, _, scenes) in enumerate(dates):
        for scene in scenes:
            for index in tiles.tiles(scene.footprint.to_crs(str(grid.crs))):
                here[index][number].append(scene)
    read = f"read-stac-{token}"
    layers: dict[str, dict[Any, Task]] = {read: {}, **{f"{name}-{token}": {} for name in names}}
    ends = np.cumsum(along[0])
    for (y, x), series in here.items():
        part = tiles[y, x]
        for t, (end, length) in enumerate(zip(ends, along[0], strict=True)):
            key = (read, t, y, x)
            wanted = tuple(tuple(scenes) for scenes in series[end - length : end])
            layers[read][key] = Task(key, reader.read, wanted, part)
            for place, name in enumerate(names):
                layer = f"{name}-{token}"
                taken = (layer, t, 0, y, x) if name == "reflectance" else (layer, t, y, x)
                layers[layer][taken] = Task(taken, itemgetter(place), TaskRef(key))
    needs: dict[str, set[str]] = {name: {read} for name in layers}
    needs[read] = set()
    return HighLevelGraph(layers, needs)


def _coords(dates: Sequence[Date], grid: GeoBox, bands: Sequence[str]) -> dict[str, Any]:
    return {
        **{str(k): v for k, v in xr_coords(grid, crs_coord_name="spatial_ref").items()},
        "time": np.array([time for time, _, _ in dates], "datetime64[ns]"),
        "band": np.array(bands, np.dtypes.StringDType()),
        "platform": (
            "time", np.array([platform for _, platform, _ in dates], np.dtypes.StringDType()),
        ),
    }  # fmt: skip
