"""Composites of a cube over regular periods, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.clearness import CLEARNESS_RADIUS, clearness
from lulc_xr.core.compositing import Reduction
from lulc_xr.core.cube import (
    CLEAR_ENCODING,
    REFLECTANCE_ENCODING,
    check_cube,
    is_raw,
    stored_array,
)
from lulc_xr.core.dates import Fill, RegularDates, period_edges
from lulc_xr.core.errors import CubeError
from lulc_xr.cube.composite_blocks import Scaling, composite_block, unread_block

Weights = Literal["clear"] | xr.DataArray | None

# Pixels a side of a block of what lies in memory; lazy cubes keep their own chunks.
_SIDE = 512


def composite(
    ds: xr.Dataset,
    freq: str = "MS",
    method: str = "median",
    *,
    fill: Fill = "linear",
    max_gap: int | None = None,
    weights: Weights = None,
    q: float | Sequence[float] | None = None,
) -> xr.Dataset:
    """Cube of composites on a regular time axis, lazily.

    The clear dates of each period become one value per band and pixel; empty periods are
    interpolated linearly in time, and take the nearest value before the first and after the
    last clear one. The same arithmetic serves models with
    :class:`lulc_xr.RegularDates` while they predict.

    Parameters
    ----------
    ds : xr.Dataset
        A cube (time, band, y, x); pixels that are not `clear`, or lack a band, are ignored.
    freq : str
        ``"month"``, ``"dekad"`` (days 1-10, 11-20, 21 to the end of the month), ``"season"``
        (meteorological: December to February, ...) or ``"year"``; or a pandas offset such
        as ``"MS"`` (months) or ``"2MS"``.
    method : {"median", "mean", "quantile", "medoid", "best"}
        How the dates of a period become one value. The first three work band by band; the
        last two take all bands of a pixel from one date. ``"medoid"``: the date with the
        smallest Euclidean distance, over bands, to the median of each band (of equally near
        ones the darkest). ``"best"``: the date of the highest weight; of equal ones, and
        without weights, the nearest to the middle of the period.
    fill : {"linear", None}
        How empty periods are filled; None leaves NaN.
    max_gap : int, optional
        Most days between the composites (first days of their periods) on both sides of a
        gap that is filled, and most days beyond the first and last clear one. Longer gaps
        stay NaN. Default: no limit.
    weights : {"clear"} or xr.DataArray, optional
        What a date counts for in each method. ``"clear"``: the share of clear pixels among
        the 21 x 21 around the pixel (our proposal: what is far from clouds is safer).
        Or your own, over (time) or (time, y, x), at least 0; dates of weight 0 or NaN are
        not used. Default: all dates count alike.
    q : float or sequence of float, optional
        Quantiles (0 to 1) of method ``"quantile"``. One number keeps the names of the bands;
        a sequence makes bands such as ``red_q25``, all bands of the first quantile first.
        Models find bands by name, so train them with the same ones.

    Returns
    -------
    xr.Dataset
        ``reflectance(time, band, y, x)`` float32; ``clear(time, y, x)`` uint8, 1 where a
        clear date fell into the period; ``clear_count(time, y, x)`` uint16, how many did
        (where `ds` has `clear_count` itself, their sum). `time` is the first day of each
        period. ``unread(time, y, x)``, if there, is 1 where any date of the period was not
        read. Variables and coordinates without time, such as ``reference(y, x)`` and
        bioclim, are kept; those of single dates, such as `platform`, and class maps are not.

    Raises
    ------
    CubeError
        If the dataset is no cube, or holds stored integers; if weights do not fit it.
    ModelError
        If `freq`, `method`, `max_gap` or `q` is unknown or out of range.

    Notes
    -----
    Memory: one block with all its dates and the composites of it, for each thread: 4 bytes
    times dates, bands and pixels of a spatial chunk. Dates may be chunked, and are not
    merged; but what is chunked by date is held until a block has all of them, so choose
    small spatial chunks, as :func:`lulc_xr.open_cube` has them.

    References
    ----------
    Flood, N. (2013). Seasonal composite Landsat TM/ETM+ images using the medoid. Remote
    Sensing 5, 6481-6500. https://doi.org/10.3390/rs5126481. His medoid has the smallest sum
    of distances to all dates; ours is nearest to the median, in time linear in the dates.

    Examples
    --------
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=8, x=8, time=24, bands=["red", "nir"])
    >>> lx.composite(cube, "month").sizes["time"]
    12
    >>> made = lx.composite(cube, "season", "quantile", q=[0.25, 0.75], weights="clear")
    >>> [str(band) for band in made["band"].values]
    ['red_q25', 'nir_q25', 'red_q75', 'nir_q75']
    """
    cube = check_cube(ds)
    if is_raw(cube["reflectance"]):
        raise CubeError(
            "composites of stored integers would not be reflectance: open the cube with raw=False."
        )
    several = q is not None and not isinstance(q, (int, float))
    how = Reduction(method=method, q=() if q is None else tuple(np.atleast_1d(q).tolist()))
    RegularDates(fill=fill, max_gap=max_gap)
    edges = period_edges(cube["time"].values, freq)
    reflectance, scaling = _source(cube["reflectance"])
    spatial = reflectance.chunks[2:]
    bands = reflectance.shape[1] * how.copies
    # One task per block gives both variables; each array then picks its bands of it.
    both = da.blockwise(
        composite_block,
        "poyx",
        reflectance,
        "tbyx",
        # Each with an axis of time of its own, as each may be chunked in its own way.
        *_indexed(_over_time(cube, "clear", spatial), "cyx"),
        *_indexed(_importance(cube, weights, spatial), "wyx"),
        *_indexed(_over_time(cube, "clear_count", spatial), "nyx"),
        new_axes={"p": len(edges) - 1, "o": bands + 1},
        align_arrays=False,
        dtype=np.float32,
        meta=np.empty((0, 0, 0, 0), np.float32),
        edges=edges,
        dates=cube["time"].values.astype("datetime64[D]"),
        scaling=scaling,
        how=how,
        fill=fill,
        max_gap=max_gap,
    )
    over = ("time", "y", "x")
    made = xr.Dataset(
        {
            "reflectance": (("time", "band", "y", "x"), both[:, :bands]),
            "clear": (over, (both[:, bands] > 0).astype(np.uint8)),
            "clear_count": (over, both[:, bands].astype(np.uint16)),
        },
        coords={"time": edges[:-1].astype("datetime64[ns]")},
    )
    if "unread" in cube:
        made["unread"] = (over, _any_unread(cube, edges, spatial))
    made = _with_static(made, cube, q=how.q if several else ())
    return _described(made, f"surface reflectance, {method} of {freq}")


def _source(var: xr.DataArray) -> tuple[da.Array, Scaling]:
    """Reflectance by chunks; as open_cube gave it the stored integers, with their scaling.

    Integers are scaled strip by strip in the cache, and their nodata needs no NaN.
    """
    sides = None if var.chunks else {"y": _SIDE, "x": _SIDE}
    chunked: da.Array = var.variable.chunk(sides or {}).data
    stored = stored_array(chunked)
    if stored is None or stored.scale is None:
        return chunked, None
    raw = da.from_array(
        stored.source,
        chunks=chunked.chunks,
        name=f"stored-{chunked.name}",
        asarray=True,
        meta=np.empty((0,) * chunked.ndim, stored.source.dtype),
    )
    return raw, (stored.scale, stored.fill)


def _indexed(array: da.Array | None, index: str) -> tuple[da.Array | None, str | None]:
    """An argument of blockwise and its index; what is not there has none."""
    return array, None if array is None else index


def _over_time(cube: xr.Dataset, name: str, spatial: Any) -> da.Array | None:
    """A variable (time, y, x) with the spatial chunks of reflectance."""
    if name not in cube:
        return None
    made: da.Array = cube[name].variable.chunk({"y": spatial[0], "x": spatial[1]}).data
    return made


def _importance(cube: xr.Dataset, weights: Weights, spatial: Any) -> da.Array | None:
    """Weights (time, y, x) with the spatial chunks of reflectance."""
    if weights is None:
        return None
    if isinstance(weights, str):
        if str(weights) != "clear" or "clear" not in cube:
            raise CubeError(
                f"weights={weights!r} for a cube with {sorted(map(str, cube.data_vars))}: expected "
                "'clear' for a cube that has `clear`, or a DataArray over (time) or (time, y, x)."
            )
        return _clearness(cube["clear"], spatial)
    known = {str(dim): cube.sizes[dim] for dim in ("time", "y", "x")}
    if set(weights.dims) not in ({"time"}, set(known)):
        raise CubeError(
            f"weights have dimensions {tuple(map(str, weights.dims))}; expected (time) or "
            "(time, y, x). Select or average the others first."
        )
    frame = xr.Dataset(coords={dim: cube[dim] for dim in known})
    try:
        fitting, _ = xr.align(weights.transpose("time", ...), frame, join="exact")
    except ValueError as error:
        raise CubeError(
            f"weights of sizes {dict(weights.sizes)} do not lie on this cube ({known}): {error}. "
            "Give one value per date (and pixel) of the same coordinates."
        ) from error
    if fitting.ndim == 1:
        fitting = fitting.expand_dims(y=known["y"], x=known["x"]).transpose("time", "y", "x")
    ordered = fitting.transpose("time", "y", "x").variable
    made: da.Array = ordered.chunk({"y": spatial[0], "x": spatial[1]}).data
    return made


def _clearness(clear: xr.DataArray, spatial: Any) -> da.Array:
    """Clearness of each block from the block and what of its neighbours the window reaches."""
    sides = {"y": spatial[0], "x": spatial[1]}
    # A cube narrower than the window has no neighbours to reach for.
    narrow = {dim: -1 for dim in sides if clear.sizes[dim] <= CLEARNESS_RADIUS}
    chunked = clear.variable.chunk({**sides, **narrow}).data
    depth = {axis: CLEARNESS_RADIUS * (chunked.numblocks[axis] > 1) for axis in (1, 2)}
    shares = da.map_overlap(
        clearness, chunked, depth={0: 0, **depth}, boundary="none", dtype=np.float32
    )
    # Chunks narrower than the window were merged for it.
    made: da.Array = shares.rechunk((chunked.chunks[0], *spatial))
    return made


def _any_unread(cube: xr.Dataset, edges: NDArray[np.datetime64], spatial: Any) -> da.Array:
    dates = cube["time"].values.astype("datetime64[D]")
    made: da.Array = da.blockwise(
        unread_block,
        "pyx",
        _over_time(cube, "unread", spatial),
        "tyx",
        new_axes={"p": len(edges) - 1},
        dtype=np.uint8,
        meta=np.empty((0, 0, 0), np.uint8),
        group=np.searchsorted(edges, dates, side="right") - 1,
        number=len(edges) - 1,
    )
    return made


def _with_static(made: xr.Dataset, cube: xr.Dataset, *, q: Sequence[float]) -> xr.Dataset:
    """The composites with names of bands, and with all of the cube that has no time."""
    gone = {"time", "year", "band"} if q else {"time", "year"}
    kept = {n: v for n, v in cube.variables.items() if n not in made and not gone & set(v.dims)}
    coords = {n: v for n, v in kept.items() if n in cube.coords}
    if q:
        names = [f"{band}_q{100 * one:g}" for one in q for band in cube["band"].values]
        coords["band"] = xr.Variable("band", names)
    made = made.assign_coords(coords)
    return made.assign({n: v for n, v in kept.items() if n not in coords})


def _described(made: xr.Dataset, title: str) -> xr.Dataset:
    described: dict[str, tuple[str, dict[str, Any]]] = {
        "reflectance": (title, dict(REFLECTANCE_ENCODING)),
        "clear": ("a clear date fell into the period", dict(CLEAR_ENCODING)),
        "clear_count": ("number of clear dates in the period", {"dtype": "uint16"}),
        "unread": ("a date of the period was not read", {"dtype": "uint8"}),
    }
    for name, (text, encoding) in described.items():
        if name in made:
            made[name].attrs = {"long_name": text}
            made[name].encoding = {**encoding, "grid_mapping": "spatial_ref"}
    return made
