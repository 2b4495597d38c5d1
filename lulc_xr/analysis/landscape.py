"""How fragmented a class map is, lazily: class entropy, edge density, patch density."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from lulc_xr.analysis.patches import Part, join, summarise
from lulc_xr.core.blocks import split
from lulc_xr.core.errors import CubeError

_HECTARE, _KM2 = 1e4, 1e6
_BLOCK = 512
MEASURES: Mapping[str, Mapping[str, str]] = {
    "class_entropy": {"units": "1", "long_name": "Shannon entropy of class shares (nats)"},
    "edge_density": {"units": "m ha-1", "long_name": "length of class borders per mapped area"},
    "patch_density": {"units": "km-2", "long_name": "patches of one class per mapped area"},
    "mapped_area": {"units": "ha", "long_name": "area that has a class"},
}
"""Measures of fragmentation and their attributes."""


def fragmentation(
    class_map: xr.DataArray, *, window: int | None = None, neighbours: int = 8
) -> xr.Dataset:
    """How fragmented a class map is, lazily, for each year.

    Parameters
    ----------
    class_map : xr.DataArray
        Class ids (year, y, x) or (y, x) uint8, 255 where there is no class; `y` and `x` in metres.
    window : int, optional
        Side in pixels of squares that are each measured by themselves, counted from the first
        pixel. LC-SLab measures patches of 64. Default: the whole map is one region.
    neighbours : {8, 4}
        Pixels of one class belong to one patch if they touch at sides and corners (8), or at
        sides (4).

    Returns
    -------
    xr.Dataset
        Over (year), or (year, y, x) with the middles of the windows; NaN where nothing is mapped:

        - ``class_entropy``: -sum p ln p of the shares p of the classes in the mapped area, nats;
        - ``edge_density``: metres of pixel sides between two classes, per mapped hectare. The
          border of the region, and of what is not mapped, does not count;
        - ``patch_density``: connected areas of one class per mapped km² (= 100 ha). A patch that
          goes on beyond a window is counted in each of them;
        - ``mapped_area`` in hectares.

    Raises
    ------
    CubeError
        If the map has no class ids, pixels are not known in metres, or a setting is unknown.

    Notes
    -----
    Chunks are summarised by their counts and their borders, and joined two by two along the seams:
    the result is exact for any chunking, and no task holds more than borders of chunks.

    References
    ----------
    McGarigal, K., Marks, B. J. (1995). FRAGSTATS: spatial pattern analysis program for quantifying
    landscape structure. USDA Forest Service, PNW-GTR-351. https://doi.org/10.2737/PNW-GTR-351

    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab: an object-based deep learning framework
    for large-scale land cover classification. JAG 152, 105476.
    https://doi.org/10.1016/j.jag.2026.105476
    """
    if neighbours not in (4, 8):
        raise CubeError(f"neighbours={neighbours!r}; pixels have 4 (sides) or 8 (and corners).")
    if window is not None and (int(window) != window or window < 1):
        raise CubeError(f"window of {window!r} pixels; give a whole number >= 1, or None.")
    if class_map.dtype != np.uint8 or not {"y", "x"} <= set(class_map.dims):
        raise CubeError(
            f"class map of {class_map.dtype} over {class_map.dims}; expected uint8 class ids over "
            "(year, y, x), such as classify gives."
        )
    alone = "year" not in class_map.dims
    given = class_map.expand_dims(year=[0]) if alone else class_map
    given = given.transpose("year", "y", "x")
    pixel = (_step(given["y"]), _step(given["x"]))
    make = _by_window if window else _whole
    stacked = make(given, window or 0, partial(measure, pixel=pixel), neighbours)
    if alone:
        stacked = stacked.isel(year=0, drop=True)
    result = stacked.to_dataset("measure")
    for name, attrs in MEASURES.items():
        result[name].attrs = {**attrs, "history": "lulc_xr.fragmentation"}
    result.attrs = {"window": window or 0, "neighbours": neighbours}
    return result


def measure(part: Part, *, pixel: tuple[float, float]) -> NDArray[np.float64]:
    """Measures of a region, in the order of :data:`MEASURES`.

    Parameters
    ----------
    part : Part
        Counts of the region.
    pixel : tuple of float
        Height and width of a pixel in metres.
    """
    total = int(part.counts.sum())
    if not total:
        return np.array([np.nan, np.nan, np.nan, 0.0])
    shares = part.counts[part.counts > 0] / total
    area = total * pixel[0] * pixel[1]
    length = part.edges[0] * pixel[1] + part.edges[1] * pixel[0]
    entropy = -(shares * np.log(shares)).sum() + 0.0
    return np.array(
        [entropy, length / (area / _HECTARE), part.patches / (area / _KM2), area / _HECTARE]
    )


def _step(coordinate: xr.DataArray) -> float:
    values = coordinate.values.astype(np.float64)
    if values.size > 1:
        return float(abs(values[-1] - values[0]) / (values.size - 1))
    transform = next(
        (str(v.attrs["GeoTransform"]) for v in coordinate.coords.values()
         if "GeoTransform" in v.attrs), None,
    )  # fmt: skip
    if transform is None:
        raise CubeError(
            f"one pixel along {coordinate.name!r}: its size in metres is not known. Give a map of "
            "at least 2 x 2 pixels, or one with a GeoTransform."
        )
    return abs(float(transform.split()[5 if coordinate.name == "y" else 1]))


def _whole(
    given: xr.DataArray, window: int, finish: Callable[[Part], Any], neighbours: int
) -> xr.DataArray:
    """Measures (year, measure) of whole maps."""
    blocks = given.chunk({"year": 1}).chunk({} if given.chunks else {"y": _BLOCK, "x": _BLOCK})
    summed = delayed(summarise, pure=True)
    joined = delayed(join, pure=True)
    finished = delayed(finish, pure=True)
    years = []
    for grid in blocks.data.to_delayed():
        strips = [
            _tree([summed(b, neighbours) for b in row], partial(joined, axis=1)) for row in grid
        ]
        whole = finished(_tree(strips, partial(joined, axis=0)))
        years.append(da.from_delayed(whole, (len(MEASURES),), np.float64))
    return xr.DataArray(
        da.stack(years),
        dims=("year", "measure"),
        coords={"year": given["year"].variable, "measure": list(MEASURES)},
    )


def _tree(parts: Sequence[Any], join_two: Callable[[Any, Any], Any]) -> Any:
    """Parts joined two by two, so that no task waits for all."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [join_two(a, b) for a, b in pairs] + list(parts[len(parts) // 2 * 2 :])
    return parts[0]


def _by_window(
    given: xr.DataArray, window: int, finish: Callable[[Part], Any], neighbours: int
) -> xr.DataArray:
    """Measures (year, measure, y, x) of windows."""
    side = window * max(1, _BLOCK // window)
    blocks = given.chunk({"year": 1, "y": side, "x": side}).data
    sizes = {
        dim: tuple(-(-n // window) for n in lengths)
        for dim, lengths in zip(("y", "x"), blocks.chunks[1:], strict=True)
    }
    measured = da.map_blocks(
        _measure_windows,
        blocks,
        window=window,
        finish=finish,
        neighbours=neighbours,
        chunks=(blocks.chunks[0], (len(MEASURES),), sizes["y"], sizes["x"]),
        new_axis=1,
        dtype=np.float64,
        meta=np.empty((0,) * 4),
    )
    coords: dict[str, Any] = {"year": given["year"].variable, "measure": list(MEASURES)}
    for dim in ("y", "x"):
        edges = np.cumsum([0, *split(given.sizes[dim], window)])
        values = given[dim].values
        middles = [values[a:b].mean() for a, b in pairwise(edges)]
        coords[dim] = (dim, np.array(middles), dict(given[dim].attrs))
    return xr.DataArray(measured, dims=("year", "measure", "y", "x"), coords=coords)


def _measure_windows(
    block: NDArray[np.uint8], *, window: int, finish: Callable[[Part], Any], neighbours: int
) -> NDArray[np.float64]:
    rows, columns = (range(0, n, window) for n in block.shape[1:])
    made = np.empty((1, len(MEASURES), len(rows), len(columns)))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            own = block[0, y : y + window, x : x + window]
            made[0, :, i, j] = finish(summarise(own, neighbours))
    return made
