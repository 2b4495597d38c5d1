"""Points drawn in the strata of a class raster, the same for any chunks."""

from __future__ import annotations

from typing import Any

import geopandas
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from scipy.spatial import cKDTree

from lulc_xr.analysis.class_areas import class_areas
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, SampleError, name_unknown
from lulc_xr.core.legend import Legend

_SPARE = 4.0
"""Candidates per point wanted, where points must keep a distance."""

_ROWS_AT_ONCE = 1 << 23


def draw_points(
    class_map: xr.DataArray,
    plan: pd.DataFrame,
    *,
    seed: int,
    distance: float | None = None,
    legend: Legend | None = None,
) -> geopandas.GeoDataFrame:
    """A stratified random sample of pixels of a class raster, as points to be interpreted.

    Parameters
    ----------
    class_map : xr.DataArray of int
        Stratum of each pixel over (y, x), with CF flags, 255 where there is none; Dask arrays are
        read chunk by chunk, twice.
    plan : pandas.DataFrame
        Points of each stratum, from :func:`lulc_xr.plan_sample`: indexed by the names of strata,
        with a column `points`.
    seed : int
        Seed of the draw.
    distance : float, optional
        Least distance between points in metres. The sample is then no longer exactly random; its
        weights are those of the plan.
    legend : Legend, optional
        Names of the strata; by default the CF flags.

    Returns
    -------
    geopandas.GeoDataFrame
        Middles of pixels in the map's reference system, in random order: `point_id` from 1,
        `stratum`, `inclusion` (probability to be drawn), `weight` (area in hectares that the point
        stands for), `lon`, `lat`, `x`, `y`. Attributes: `seed`, `stratum_area` (ha), `population`.

    Raises
    ------
    CubeError
        If the map is in degrees, where pixels differ in area.
    SampleError
        If a stratum is unknown or has fewer pixels than points, or the distance leaves no room.

    Notes
    -----
    Each pixel has a random number that depends on the seed, its row and its column only
    (SplitMix64, Steele et al. 2014). The points of a stratum are the pixels with the smallest
    numbers: a simple random sample without replacement, whatever the chunks and the scheduler.
    With the same seed, more points contain the fewer.

    References
    ----------
    Steele, G. L., Lea, D., Flood, C. H. (2014). Fast splittable pseudorandom number generators.
    OOPSLA 2014, 453-472.
    """
    given = class_map.squeeze("year") if class_map.sizes.get("year") == 1 else class_map
    given = given.transpose("y", "x")
    crs = CRS.from_user_input(crs_of(given.coords.to_dataset()))
    if crs.is_geographic:
        raise CubeError(
            f"the map is in degrees ({crs.name}), where pixels differ in area and a random pixel "
            "is no random place. Warp it to an equal-area grid first, such as EPSG:3035."
        )
    legend = legend or Legend.from_flags(given.attrs)
    areas = class_areas(given, legend=legend)
    wanted = _wanted(plan, areas, legend)
    enough = wanted if distance is None else np.ceil(wanted * _SPARE).astype(np.int64)
    found = _smallest(given, legend, seed=seed, pixels=areas["pixels"].to_numpy(), wanted=enough)
    x, y = given["x"].values[found["column"]], given["y"].values[found["row"]]
    points = found.assign(x=x.astype(np.float64), y=y.astype(np.float64))
    if distance is not None:
        points = _apart(points, wanted, distance / crs.axis_info[0].unit_conversion_factor, legend)
    return _as_points(points, areas, wanted, legend, crs=crs, seed=seed)


def _wanted(plan: pd.DataFrame, areas: pd.DataFrame, legend: Legend) -> NDArray[np.int64]:
    """Points of each class of the legend."""
    if "points" not in plan:
        raise SampleError("the plan has no column 'points'; make it with lulc_xr.plan_sample.")
    wanted = np.zeros(len(legend), np.int64)
    for name, number in zip(map(str, plan.index), plan["points"].to_numpy(), strict=True):
        if name not in legend.names:
            raise SampleError(name_unknown("stratum", name, legend.names))
        pixels = int(areas["pixels"][name])
        if number > pixels:
            raise SampleError(
                f"stratum {name!r} has {pixels} pixels and the plan wants {number} points of it. "
                "Plan with population= (its pixels), or leave the stratum out."
            )
        wanted[legend.names.index(name)] = number
    return wanted


def _smallest(
    given: xr.DataArray, legend: Legend, *, seed: int, pixels: NDArray[np.int64],
    wanted: NDArray[np.int64],
) -> pd.DataFrame:  # fmt: skip
    """Pixels with the smallest random numbers of each class, smallest first."""
    # Few pixels above what is needed have to be kept: 6 deviations of the number below a limit.
    room = wanted + 6 * np.sqrt(wanted) + 20
    limit = np.minimum(room / np.maximum(pixels, 1), 1.0)
    settings = {"legend": legend, "seed": seed, "limit": limit}
    if given.chunks is None:
        step = max(1, _ROWS_AT_ONCE // max(given.sizes["x"], 1))
        parts = [
            _candidates(given.isel(y=slice(start, start + step)).values, (start, 0), **settings)
            for start in range(0, given.sizes["y"], step)
        ]
    else:
        chunks = tuple((1,) * len(sizes) for sizes in given.data.chunks)
        boxes = given.data.map_blocks(
            _boxed, dtype=object, chunks=chunks, meta=np.empty((0, 0), object), **settings
        )
        parts = list(boxes.compute().reshape(-1))
    table = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    # Rows and columns settle the order of equal numbers.
    table = table.sort_values(["class", "key", "row", "column"], ignore_index=True)
    return table[table.groupby("class").cumcount() < wanted[table["class"]]].reset_index(drop=True)


def _boxed(block: NDArray[Any], *, block_info: Any = None, **settings: Any) -> NDArray[np.object_]:
    """What `_candidates` finds in one chunk, as an array of one object."""
    box = np.empty((1, 1), object)
    (rows, columns) = block_info[0]["array-location"]
    box[0, 0] = _candidates(block, (rows[0], columns[0]), **settings)
    return box


def _candidates(
    block: NDArray[Any], start: tuple[int, int], *, legend: Legend, seed: int, limit: Any
) -> dict[str, NDArray[Any]]:
    index = legend.index_of(block)
    rows = np.arange(start[0], start[0] + block.shape[0], dtype=np.uint64)
    columns = np.arange(start[1], start[1] + block.shape[1], dtype=np.uint64)
    key = _random(rows[:, None], columns[None, :], seed)
    # Of 64 bits the upper 53 fill a float64 between 0 and 1.
    below = (key >> np.uint64(11)) * 2.0**-53 <= np.append(limit, -1.0)[index]
    row, column = np.nonzero(below)
    return {
        "class": index[row, column].astype(np.int64),
        "key": key[row, column],
        "row": row + start[0],
        "column": column + start[1],
    }


def _random(row: NDArray[np.uint64], column: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """64 random bits of each pixel: SplitMix64 of seed, row and column in turn."""
    start = np.array([seed % 2**64], np.uint64)
    return _mixed(_mixed(_mixed(start) + row) + column)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


def _apart(
    points: pd.DataFrame, wanted: NDArray[np.int64], distance: float, legend: Legend
) -> pd.DataFrame:
    """Points taken in random order, each only if no taken one is nearer than `distance`."""
    points = points.sort_values("key", ignore_index=True)
    near = cKDTree(points[["x", "y"]].to_numpy()).query_pairs(distance * (1 - 1e-12))
    beside: dict[int, list[int]] = {}
    for a, b in near:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    left = wanted.copy()
    taken = np.zeros(len(points), bool)
    for place, position in enumerate(points["class"]):
        if left[position] and not any(taken[other] for other in beside.get(place, ())):
            taken[place] = True
            left[position] -= 1
    if left.any():
        at = int(np.argmax(left))
        raise SampleError(
            f"stratum {legend.names[at]!r} has no room for {wanted[at]} points {distance:g} m "
            f"apart: {left[at]} did not fit. Take a smaller distance or fewer points."
        )
    return points[taken].reset_index(drop=True)


def _as_points(
    points: pd.DataFrame, areas: pd.DataFrame, wanted: NDArray[np.int64], legend: Legend,
    *, crs: CRS, seed: int,
) -> geopandas.GeoDataFrame:  # fmt: skip
    points = points.sort_values("key", ignore_index=True)
    position = points["class"].to_numpy()
    pixels, hectares = areas["pixels"].to_numpy(), areas["area_ha"].to_numpy()
    made = geopandas.GeoDataFrame(
        {
            "point_id": np.arange(1, len(points) + 1),
            "stratum": np.array(legend.names, object)[position],
            "inclusion": wanted[position] / pixels[position],
            "weight": hectares[position] / wanted[position],
            "x": points["x"],
            "y": points["y"],
        },
        geometry=geopandas.points_from_xy(points["x"], points["y"], crs=crs),
    )
    there = made.geometry.to_crs("EPSG:4326")
    made.insert(4, "lon", there.x)
    made.insert(5, "lat", there.y)
    drawn = wanted > 0
    made.attrs = {
        "seed": seed,
        "stratum_area": dict(zip(areas.index[drawn], hectares[drawn].tolist(), strict=True)),
        "population": dict(zip(areas.index[drawn], pixels[drawn].tolist(), strict=True)),
    }
    return made
