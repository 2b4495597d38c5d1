"""Named polygons as a variable of a cube's grid, lazily."""

from __future__ import annotations

from itertools import product
from typing import Any

import dask.array as da
import geopandas
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from lulc_xr.core.blocks import split
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.georeference import GRID_MAPPING, affine_of
from lulc_xr.core.legend import FILL_CLASS

_BLOCK = 512
_TILE = 512


def rasterize_regions(
    cube: xr.Dataset, polygons: geopandas.GeoDataFrame, *, column: str
) -> xr.DataArray:
    """The region that each pixel of a cube lies in, lazily.

    Parameters
    ----------
    cube : xr.Dataset
        The cube, for its grid.
    polygons : GeoDataFrame
        Regions in any reference system, several rows of one name are one region. Where they
        overlap, the first in the table counts.
    column : str
        Column with the name of a region; no blanks, as names become CF flags.

    Returns
    -------
    xr.DataArray
        (y, x) uint8 with CF flags: 1, 2, ... in the order in which names first occur in the
        table, 255 where the centre of a pixel lies in no region. The chunks are the cube's.

    Raises
    ------
    CubeError
        If the polygons have no reference system, no such column, names that cannot be flags, or
        none of them meets the cube.

    Notes
    -----
    Corners of polygons are brought into the cube's system; sides stay straight between them.
    Whatever the chunks, pixels are drawn in the same squares of 512 pixels, so that chunks do
    not show.

    Examples
    --------
    >>> from lulc_xr.testing import landscape
    >>> cube = landscape(y=4, x=4)
    >>> box = shapely.box(500_000, 5_599_960, 500_020, 5_600_000)
    >>> west = geopandas.GeoDataFrame({"zone": ["west"]}, geometry=[box], crs="EPSG:32631")
    >>> rasterize_regions(cube, west, column="zone")[0].values.tolist()
    [1, 1, 255, 255]
    """
    names = _names(polygons, column)
    placed = polygons.geometry.to_crs(crs_of(cube)).to_numpy()
    shape = (cube.sizes["y"], cube.sizes["x"])
    affine = Affine(*affine_of(cube))
    bounds = shapely.bounds(placed)
    there = _meeting(bounds, affine, (slice(0, shape[0]), slice(0, shape[1])))
    if not there.any():
        west, north = affine @ (0, 0)
        raise CubeError(
            f"none of the {len(placed)} polygons meets the cube, which begins at x {west:g}, y "
            f"{north:g} of its reference system. Check the reference system of the polygons "
            f"({polygons.crs})."
        )
    known = list(dict.fromkeys(names))
    chunks = (
        tuple(tuple(cube["reflectance"].chunksizes[d]) for d in ("y", "x"))
        if "reflectance" in cube and cube["reflectance"].chunks
        else tuple(split(size, _BLOCK) for size in shape)
    )
    # The first of the table last, so that it stays.
    order = np.flatnonzero(there)[::-1]
    data = da.map_blocks(
        _draw_block,
        chunks=chunks,
        dtype=np.uint8,
        meta=np.empty((0, 0), np.uint8),
        polygons=tuple(shapely.to_wkb(placed[order]).tolist()),
        ids=tuple(known.index(names[i]) + 1 for i in order),
        affine=tuple(affine)[:6],
        shape=shape,
    )
    coords = {n: cube[n].variable for n in ("y", "x", GRID_MAPPING) if n in cube.variables}
    made = xr.DataArray(data, coords, ("y", "x"), name=column)
    made.attrs = {
        "long_name": column,
        "flag_values": np.arange(1, len(known) + 1, dtype=np.uint8),
        "flag_meanings": " ".join(known),
        "history": "lulc_xr.rasterize_regions",
    }
    made.encoding = {
        "grid_mapping": GRID_MAPPING, "dtype": "uint8", "_FillValue": np.uint8(FILL_CLASS)
    }  # fmt: skip
    return made


def _names(polygons: geopandas.GeoDataFrame, column: str) -> list[str]:
    """Name of each polygon, after checks."""
    if column not in polygons:
        raise CubeError(name_unknown("column of polygons", column, map(str, polygons.columns)))
    if polygons.crs is None:
        raise CubeError("the polygons have no reference system; set it: .set_crs('EPSG:4326').")
    if polygons[column].isna().any() or polygons.geometry.isna().any():
        raise CubeError(
            f"{int((polygons[column].isna() | polygons.geometry.isna()).sum())} of {len(polygons)} "
            f"polygons have no name in {column!r} or no geometry. Drop these rows, or name them."
        )
    names = [str(name) for name in polygons[column]]
    for name in names:
        if len(name.split()) != 1 or name != name.strip():
            raise CubeError(
                f"region {name!r} is empty or has blanks, which CF flag_meanings uses as "
                f"separator. Join its words with '_', here and in samples: "
                f"polygons[{column!r}].str.replace(' ', '_')."
            )
    if len(set(names)) >= FILL_CLASS:
        raise CubeError(
            f"{len(set(names))} regions; at most {FILL_CLASS - 1} fit into uint8. Group them."
        )
    return names


def _meeting(
    bounds: NDArray[np.float64], affine: Affine, part: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """Which polygons' boxes meet a part of the grid."""
    rows, columns = part
    corners = [affine @ (columns.start, rows.start), affine @ (columns.stop, rows.stop)]
    (x0, x1), (y0, y1) = (sorted(axis) for axis in zip(*corners, strict=True))
    left, low, right, high = bounds.T
    met: NDArray[np.bool_] = (left <= x1) & (right >= x0) & (low <= y1) & (high >= y0)
    return met


def _draw_block(
    *,
    polygons: tuple[bytes, ...],
    ids: tuple[int, ...],
    affine: tuple[float, ...],
    shape: tuple[int, int],
    block_info: Any = None,
) -> NDArray[np.uint8]:
    """Regions of one chunk, put together of the squares that overlap it."""
    (y0, y1), (x0, x1) = block_info[None]["array-location"]
    made = np.full((y1 - y0, x1 - x0), FILL_CLASS, np.uint8)
    geometries = shapely.from_wkb(np.array(polygons, object))
    bounds, whole = shapely.bounds(geometries), Affine(*affine)
    starts = (range(a // _TILE * _TILE, b, _TILE) for a, b in ((y0, y1), (x0, x1)))
    for top, left in product(*starts):
        bottom, right = min(top + _TILE, shape[0]), min(left + _TILE, shape[1])
        near = _meeting(bounds, whole, (slice(top, bottom), slice(left, right)))
        if not near.any():
            continue
        tile = rasterize(
            [(geometries[i], ids[i]) for i in np.flatnonzero(near)],
            out_shape=(bottom - top, right - left),
            transform=whole @ Affine.translation(left, top),
            fill=FILL_CLASS,
            dtype=np.uint8,
        )
        rows = slice(max(top, y0), min(bottom, y1))
        columns = slice(max(left, x0), min(right, x1))
        made[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = tile[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return made
