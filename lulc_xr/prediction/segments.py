"""Segments of a cube, lazily: each tile of a fixed grid by itself, so that chunks do not show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.blocks import split
from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.cube import check_cube, decode
from lulc_xr.core.dates import RegularDates, YearDates, mapped_years, plan_year, year_bounds
from lulc_xr.core.errors import CubeError
from lulc_xr.core.segmentation import NO_SEGMENT, Method, Segmentation, segment_tiles
from lulc_xr.prediction.sources import scaling_of

LC_SLAB_BANDS = ("blue", "green", "red", "nir")
"""Bands that LC-SLab segments."""

_YEARLY = RegularDates(freq="year", fill=None)
_BLOCK = 512
_TILE, _ORIGIN = "segment_tile", "segment_origin"


def segment(
    cube: xr.Dataset,
    *,
    method: Method = "felzenszwalb",
    size: int = 20,
    tile: int = 256,
    bands: Sequence[str] | None = None,
    dates: RegularDates = _YEARLY,
    years: Sequence[int] | None = None,
    **settings: float,
) -> xr.DataArray:
    """Segments of each mapped year of a cube, lazily.

    The image is a composite of the clear dates, by default the yearly median of four bands, with
    the exponent 0.5, as in LC-SLab.

    Parameters
    ----------
    cube : xr.Dataset
        A cube (time, band, y, x), Dask-backed or in memory, dimensions in any order.
    method : {"felzenszwalb", "slic"}
        See :class:`lulc_xr.core.segmentation.Segmentation`.
    size : int
        Pixels of a segment: the smallest one (Felzenszwalb), or the mean (SLIC).
    tile : int
        Side of the tiles in pixels; see Notes.
    bands : sequence of str, optional
        Bands of the image. Default: blue, green, red and nir; all, if the cube lacks one of them.
    dates : RegularDates
        Composites that the image is made of. Default: the median of the year.
    years : sequence of int, optional
        Mapped years; by default those whose first and last month hold a date.
    **settings
        Other settings of :class:`lulc_xr.core.segmentation.Segmentation`, such as
        ``compactness=1``.

    Returns
    -------
    xr.DataArray
        ``segment(year, y, x)`` int64: for each pixel the position in the cube, counted row by
        row, of the first pixel of its segment. So ids are unique over the cube. -1 where no
        date was clear.

    Raises
    ------
    CubeError
        If the cube lacks what is needed, or a setting is out of range.

    Notes
    -----
    Neither method has a receptive field: Felzenszwalb's merges go through all edges of the
    image in the order of their weight, and SLIC spreads its clusters over the whole image. So
    no halo, however wide, would make a segment independent of the window that it is computed in.
    Therefore the windows are fixed: squares of `tile` pixels, counted from the cube's first
    pixel. The segments are the same for any chunking, bit for bit; they end at the borders of
    tiles, as they do at the border of the image. Of segments of 20 pixels, about 4 % touch a
    border of tiles of 256 pixels. A part of a cube begins with a tile of its own: segment the whole
    cube and take the part then.
    """
    chosen = Segmentation(method=method, size=size, tile=tile, **settings)
    names = _bands_of(cube, bands)
    ordered = check_cube(cube, bands=names)
    mapped = mapped_years(ordered["time"].values, start_month=dates.start_month, years=years)
    parts = [_of_year(ordered, names, dates, year, chosen) for year in mapped]
    result = xr.concat(parts, "year", join="exact")
    starts = [str(year_bounds(y, start_month=dates.start_month)[0]) for y in mapped]
    result = result.assign_coords(
        year=("year", np.asarray(mapped, np.int64), {"long_name": "mapped year"}),
        y=ordered["y"].variable,
        x=ordered["x"].variable,
    )
    if "spatial_ref" in ordered.variables:
        result = result.assign_coords(spatial_ref=ordered["spatial_ref"].variable)
    result.attrs = {
        "long_name": f"segment ({method})",
        "comment": "position in the cube, row by row, of the first pixel of the segment",
        "segmentation": json.dumps({**asdict(chosen), "bands": names}, sort_keys=True),
        _TILE: chosen.tile,
        _ORIGIN: [float(ordered["y"][0]), float(ordered["x"][0])],
        "year_start": " ".join(starts),
        "history": "lulc_xr.segment",
    }
    result.encoding = {
        "dtype": "int64",
        "_FillValue": np.int64(NO_SEGMENT),
        "grid_mapping": "spatial_ref",
    }
    return result.rename("segment")


def tile_chunks(segments: xr.DataArray, *, block: int = _BLOCK) -> dict[str, tuple[int, ...]]:
    """Chunks along y and x that cut no segment.

    Parameters
    ----------
    segments : xr.DataArray
        Segments (year, y, x) of :func:`segment`, whole or a part of them; or others, which may
        reach anywhere: these get one chunk.
    block : int
        Pixels of a chunk's side, about.
    """
    tile = int(segments.attrs.get(_TILE, 0))
    sizes = {dim: segments.sizes[dim] for dim in ("y", "x")}
    if not tile:
        return {dim: (size,) for dim, size in sizes.items()}
    step = tile * max(1, block // tile)
    chunks = {}
    for dim, origin in zip(("y", "x"), segments.attrs[_ORIGIN], strict=True):
        values = segments[dim].values.astype(np.float64)
        pixel = (values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 1.0
        before = round((values[0] - origin) / pixel) % tile if len(values) > 1 else 0
        first = min(step - before, sizes[dim])
        chunks[dim] = (first, *split(sizes[dim] - first, step))
    return chunks


def _bands_of(cube: xr.Dataset, bands: Sequence[str] | None) -> list[str]:
    if bands is not None and not len(bands):
        raise CubeError("bands=[] leaves nothing to segment; name at least one band.")
    known = [str(b) for b in cube["band"].values] if "band" in cube.coords else []
    default = LC_SLAB_BANDS if set(LC_SLAB_BANDS) <= set(known) else known
    return [str(b) for b in (default if bands is None else bands)]


def _of_year(
    cube: xr.Dataset, bands: list[str], dates: RegularDates, year: int, settings: Segmentation
) -> xr.DataArray:
    """Segments (y, x) of one year, one Dask chunk for a square of some tiles."""
    plan = plan_year(cube["time"].values, dates, year=year)
    scale, fill = scaling_of(cube["reflectance"])
    names = [n for n in ("reflectance", "clear") if n in cube]
    there = cube[names].isel(time=list(plan.positions)).sel(band=bands)
    # Only positions matter from here on; coordinates would travel with every block.
    bare = there.drop_vars(list(there.coords))
    width = bare.sizes["x"]
    bare = bare.assign(row=("y", np.arange(bare.sizes["y"])), column=("x", np.arange(width)))
    side = settings.tile * max(1, _side(cube) // settings.tile)
    chunked = bare.chunk({"time": -1, "band": -1, "y": side, "x": side})
    template = xr.zeros_like(chunked["reflectance"].isel(time=0, band=0, drop=True), np.int64)
    template.attrs = {}
    what: Mapping[str, Any] = {
        "scale": scale, "fill": fill, "dates": dates, "year": plan, "settings": settings,
        "width": width,
    }  # fmt: skip
    made: xr.DataArray = xr.map_blocks(
        _segment_block, chunked, kwargs=what, template=template.rename("segment")
    )
    return made


def _side(cube: xr.Dataset) -> int:
    chunks = cube["reflectance"].chunksizes
    return int(max(chunks["y"][0], chunks["x"][0])) if chunks else _BLOCK


def _segment_block(
    block: xr.Dataset,
    *,
    scale: float | None,
    fill: int | None,
    dates: RegularDates,
    year: YearDates,
    settings: Segmentation,
    width: int,
) -> xr.DataArray:
    stored = block["reflectance"].values
    values = decode(stored, scale=scale, fill=fill, dtype=np.float32)
    clear = block["clear"].values if "clear" in block else None
    # A copy, as composites may be made in place.
    series, seen = prepare_series(values.copy(), clear, dates=dates, year=year)
    flat = series.reshape(-1, *series.shape[2:])
    seen = seen & np.isfinite(flat).all(axis=0)
    local = segment_tiles(settings.image(flat), seen, settings)
    row, column = np.divmod(local, local.shape[1])
    place = (row + int(block["row"][0])) * width + column + int(block["column"][0])
    return xr.DataArray(
        np.where(local < 0, NO_SEGMENT, place).astype(np.int64), dims=("y", "x"), name="segment"
    )
