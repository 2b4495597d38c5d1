"""One class per segment, lazily: votes of the class map, or the mean of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.prediction.derived import TaskMaps, as_maps, read_tasks
from lulc_xr.prediction.segments import tile_chunks

How = Literal["mean", "vote"]
_HOW: tuple[How, ...] = ("mean", "vote")


def aggregate(
    maps: xr.Dataset,
    segments: xr.DataArray,
    *,
    how: How = "mean",
    tasks: Sequence[str] | None = None,
) -> xr.Dataset:
    """Maps with one class for each segment, lazily: LC-SLab's aggregation of outputs.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` gives them: the class map of a task, and for ``"mean"``
        its probabilities.
    segments : xr.DataArray
        ``segment(year, y, x)`` of :func:`lulc_xr.segment`, or other ids (year, y, x), such as
        those of parcels; negative ids: no segment. Without `year` they serve for all years.
    how : {"mean", "vote"}
        ``"mean"``: the mean of the probabilities over the pixels of a segment. ``"vote"``: the
        share of its pixels that have the class.
    tasks : sequence of str, optional
        Default: all tasks that have a class map.

    Returns
    -------
    xr.Dataset
        The variables of `maps` anew: class (the largest mean or share; of equal ones the first
        of the legend), entropy of these means or shares in nats, and they themselves as
        probability. Pixels without a class stay so, and do not count in their segment; a pixel
        without a segment stands for itself.

    Raises
    ------
    CubeError
        If maps and segments do not lie on one grid, or a variable is missing.

    Notes
    -----
    Chunks are put along the tiles of the segments, so each task has whole segments. Ids that are
    not of :func:`lulc_xr.segment` may reach anywhere: then a year is one chunk.

    References
    ----------
    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab: an object-based deep learning framework
    for large-scale land cover classification. JAG 152, 105476.
    https://doi.org/10.1016/j.jag.2026.105476
    """
    if how not in _HOW:
        raise CubeError(name_unknown("aggregation", how, _HOW))
    read = read_tasks(maps, tasks)
    ids = _on_grid(segments, read[0].classes)
    chunks = {**tile_chunks(ids), "year": 1}
    found = {own.task: _aggregate_task(own, ids, how, chunks) for own in read}
    return as_maps(found, read, history=f"lulc_xr.aggregate(how={how!r})")


def _on_grid(segments: xr.DataArray, classes: xr.DataArray) -> xr.DataArray:
    """Segments (year, y, x) of the years of a class map."""
    if segments.dtype.kind not in "iu" or not {"y", "x"} <= set(segments.dims):
        raise CubeError(
            f"segments of type {segments.dtype} over {segments.dims}; expected integer ids over "
            "(year, y, x) or (y, x)."
        )
    for dim in ("y", "x"):
        if not np.array_equal(segments[dim].values, classes[dim].values):
            raise CubeError(
                f"{dim!r} of the segments ({segments.sizes[dim]} values) is not that of the maps "
                f"({classes.sizes[dim]} values). Take the same part of both."
            )
    years = classes["year"].values
    if "year" not in segments.dims:
        return segments.expand_dims(year=years)
    missing = sorted(set(years.tolist()) - set(segments["year"].values.tolist()))
    if missing:
        raise CubeError(
            f"no segments of the years {', '.join(map(str, missing))}, which the maps have. "
            "Segment these too, or select years of the maps."
        )
    return segments.sel(year=years).transpose("year", "y", "x")


def _aggregate_task(
    own: TaskMaps, ids: xr.DataArray, how: How, chunks: dict[str, Any]
) -> xr.DataArray:
    """Probabilities (year, class, y, x) of one task."""
    dim, number = own.dimension, len(own.legend)
    given = own.need_probability("how='mean'") if how == "mean" else own.classes
    block = xr.Dataset(
        {"given": given.variable, "ids": ids.variable}
    )  # without coordinates, which would travel with every block
    block = block.chunk({**chunks, **({dim: -1} if how == "mean" else {})})
    template = xr.zeros_like(block["ids"], np.float32).expand_dims({dim: number}, axis=1)
    made: xr.DataArray = xr.map_blocks(
        _aggregate_block,
        block,
        kwargs={"legend": own.legend if how == "vote" else None, "dim": dim},
        template=template.chunk({dim: -1}).rename(own.task),
    )
    return made


def _aggregate_block(block: xr.Dataset, *, legend: Legend | None, dim: str) -> xr.DataArray:
    given, ids = block["given"].values[0], block["ids"].values[0]
    if legend is not None:
        index = legend.index_of(given)
        given = np.where(index < 0, np.nan, index == np.arange(len(legend))[:, None, None])
    values = aggregate_pixels(given, ids)
    return xr.DataArray(values[None], dims=("year", dim, "y", "x"))


def aggregate_pixels(values: NDArray[Any], ids: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Means over segments, given to each of their pixels.

    Parameters
    ----------
    values : ndarray of float
        Shape (class, y, x), NaN where there is none.
    ids : ndarray of int
        Segments, shape (y, x); pixels of a negative id keep their values.

    Returns
    -------
    ndarray of float32
        Shape (class, y, x), NaN where `values` is.

    Examples
    --------
    >>> values = np.array([[[0.0, 1.0, 1.0, 1.0]]])
    >>> aggregate_pixels(values, np.array([[3, 3, 8, -1]])).tolist()
    [[[0.5, 0.5, 1.0, 1.0]]]
    """
    known = np.isfinite(values).all(axis=0)
    inside = known & (ids >= 0)
    _, place = np.unique(ids[inside], return_inverse=True)
    number = np.bincount(place)
    result = np.where(known, values, np.nan).astype(np.float32)
    for band, given in zip(result, values, strict=True):
        # Row by row in float64: the same sum, however many other segments the block has.
        total = np.bincount(place, weights=given[inside].astype(np.float64))
        band[inside] = (total / np.maximum(number, 1))[place] if number.size else 0
    return result
