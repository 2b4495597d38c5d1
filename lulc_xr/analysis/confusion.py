"""Confusion counts of a class map against a reference: lazily, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, LegendError
from lulc_xr.core.legend import FILL_CLASS, Legend

NOT_MAPPED = "not mapped"
"""Row of the counts for pixels without a class; no class is called so, as names have no blanks."""

_PIXELS_AT_ONCE = 1 << 20
_PIXELS_PER_READ = 1 << 24


def confusion_counts(
    predicted: xr.DataArray,
    reference: xr.DataArray,
    legend: Legend,
    *,
    mask: xr.DataArray | None = None,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Number of labelled pixels of each pair of predicted and reference class.

    Parameters
    ----------
    predicted, reference : xr.DataArray of int
        Class ids on the same grid, (y, x) or (sample,), any order of dimensions; 255 where
        not mapped or not labelled. A `year` of size 1 is dropped. With Dask arrays nothing
        is computed; other arrays are counted at once, read a slab of rows at a time.
    legend : Legend
        The classes.
    mask : xr.DataArray of bool, optional
        True where pixels count, on the same grid.
    weights : xr.DataArray of float, optional
        Weight of each pixel or sample, finite and >= 0, on the same grid.

    Returns
    -------
    xr.DataArray
        (predicted, reference), int64, or float64 with weights. Columns are the classes of
        the legend by name, rows the same and a last one, 'not mapped'.

    Raises
    ------
    CubeError
        If the arrays are not on the same grid, or of the wrong type; for weights that are
        negative or not finite when the counts are computed.
    LegendError
        If a label that counts is outside the legend (with Dask: when computed).

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> ids = dict(dims="sample")
    >>> predicted = xr.DataArray(np.array([0, 0, 1, 255], np.uint8), **ids)
    >>> reference = xr.DataArray(np.array([0, 1, 1, 1], np.uint8), **ids)
    >>> confusion_counts(predicted, reference, legend).values.tolist()
    [[1, 1], [0, 1], [0, 1]]
    """
    given = {"predicted": predicted, "reference": reference, "mask": mask, "weights": weights}
    arrays = align({name: da for name, da in given.items() if da is not None})
    _check_types(arrays)
    if any(da.chunks is not None for da in arrays.values()):
        counts = _count_chunks(arrays, legend)
    else:
        counts = _count_slabs(arrays, legend)
    return xr.DataArray(
        counts,
        dims=("predicted", "reference"),
        coords={
            "predicted": np.array([*legend.names, NOT_MAPPED], object),
            "reference": np.array(legend.names, object),
        },
        name="confusion_counts",
        attrs={"long_name": "sum of weights" if weights is not None else "number of pixels"},
    )


def legend_of(predicted: xr.DataArray, reference: xr.DataArray) -> Legend:
    """Legend that the CF flags of a class map and its reference agree on.

    Raises
    ------
    LegendError
        If neither has flags, or one class id means different classes.
    """
    flagged = [da.attrs for da in (predicted, reference) if "flag_values" in da.attrs]
    if not flagged:
        raise LegendError(
            "neither 'predicted' nor 'reference' has CF flag_values that say what its class ids "
            "mean. Pass legend=, or write Legend.flags() to the attributes of one."
        )
    legends = [Legend.from_flags(attrs) for attrs in flagged]
    meaning = dict(zip(legends[0].ids, legends[0].names, strict=True))
    for class_id, name in zip(legends[-1].ids, legends[-1].names, strict=True):
        if meaning.get(class_id, name) != name:
            raise LegendError(
                f"class id {class_id} is {meaning[class_id]!r} in 'predicted' and {name!r} in "
                "'reference'. Bring both to one legend, or pass legend= to read both with it."
            )
    return legends[0]


def align(given: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """The arrays with the dimensions in one order, after checks that read no pixel.

    Raises
    ------
    CubeError
        If one of them is not on the grid of `predicted`.
    """
    arrays = {name: _drop_year(name, da) for name, da in given.items()}
    first = arrays["predicted"]
    for name, da in arrays.items():
        if set(da.dims) != set(first.dims):
            raise CubeError(
                f"'predicted' has dimensions {tuple(map(str, first.dims))} and {name!r} has "
                f"{tuple(map(str, da.dims))}; expected the same. Select or expand one of them."
            )
        for dim in first.dims:
            _check_same_axis(str(dim), first, name, da)
        _check_same_year(first, name, da)
    return {name: da.transpose(*first.dims) for name, da in arrays.items()}


def _drop_year(name: str, da: xr.DataArray) -> xr.DataArray:
    if "year" not in da.dims:
        return da
    if da.sizes["year"] != 1:
        raise CubeError(
            f"{name!r} has {da.sizes['year']} years; expected one. Choose it, for instance "
            f"{name}.sel(year={da['year'].values[-1]})."
        )
    return da.squeeze("year")


def _check_same_year(first: xr.DataArray, name: str, da: xr.DataArray) -> None:
    years = [int(a["year"]) for a in (first, da) if "year" in a.coords and not a["year"].ndim]
    if len(set(years)) > 1:
        raise CubeError(
            f"'predicted' is of year {years[0]} and {name!r} of {years[1]}. Choose the same year, "
            "or drop the coordinate with drop_vars('year') if they may be compared."
        )


def _check_same_axis(dim: str, first: xr.DataArray, name: str, da: xr.DataArray) -> None:
    way_out = (
        f"Choose the same pixels, for instance {name}.sel({dim}=predicted.{dim}), "
        "or bring one onto the grid of the other first."
    )
    if da.sizes[dim] != first.sizes[dim]:
        raise CubeError(
            f"'predicted' has {first.sizes[dim]} values along {dim!r} and {name!r} has "
            f"{da.sizes[dim]}; expected the same grid. {way_out}"
        )
    if dim not in first.coords or dim not in da.coords:
        return
    differs = np.flatnonzero(first[dim].values != da[dim].values)
    if differs.size:
        at = int(differs[0])
        raise CubeError(
            f"coordinate {dim!r} of 'predicted' and {name!r} differs at {differs.size} of "
            f"{da.sizes[dim]} positions: {first[dim].values[at]} against {da[dim].values[at]} at "
            f"position {at}. {way_out}"
        )


def _check_types(arrays: dict[str, xr.DataArray]) -> None:
    for name in ("predicted", "reference"):
        dtype = arrays[name].dtype
        if dtype.kind not in "iu":
            raise CubeError(
                f"{name!r} is {dtype}; expected class ids as uint8 with {FILL_CLASS} for none. "
                "Open the store with lulc_xr.open_cube, which keeps them, or use "
                f"{name}.fillna({FILL_CLASS}).astype('uint8')."
            )
    if "mask" in arrays and arrays["mask"].dtype.kind != "b":
        raise CubeError(
            f"'mask' is {arrays['mask'].dtype}; expected bool, True where pixels count. "
            "Convert it with .astype(bool), or compare: fold == 0."
        )
    if "weights" in arrays and arrays["weights"].dtype.kind not in "fiu":
        raise CubeError(f"'weights' is {arrays['weights'].dtype}; expected numbers >= 0.")


def _count_chunks(arrays: dict[str, xr.DataArray], legend: Legend) -> Any:
    """Lazy counts: one small matrix per chunk, summed as a tree."""
    chunked = next(da for da in arrays.values() if da.chunks is not None)
    same = xr.unify_chunks(
        *(da if da.chunks is not None else da.chunk(chunked.chunksizes) for da in arrays.values())
    )
    first, *others = (da.data for da in same)
    shape, dtype = (len(legend) + 1, len(legend)), _dtype(arrays)
    # The method of the array, not a function of Dask: only the cube and jobs know Dask.
    parts = first.map_blocks(
        _count_block,
        *others,
        names=tuple(arrays),
        legend=legend,
        dtype=dtype,
        chunks=(*((1,) * len(sizes) for sizes in first.chunks), (shape[0],), (shape[1],)),
        new_axis=[first.ndim, first.ndim + 1],
        meta=np.empty((0,) * (first.ndim + 2), dtype),
    )
    return parts.sum(axis=tuple(range(first.ndim)), dtype=dtype)


def _count_block(
    *blocks: NDArray[Any], names: tuple[str, ...], legend: Legend
) -> NDArray[np.generic]:
    counts = _count(dict(zip(names, blocks, strict=True)), legend)
    return counts.reshape((1,) * blocks[0].ndim + counts.shape)


def _count_slabs(arrays: dict[str, xr.DataArray], legend: Legend) -> NDArray[np.generic]:
    """Counts of arrays without chunks, which may still lie in a file: read slab by slab."""
    first = arrays["predicted"]
    counts = np.zeros((len(legend) + 1, len(legend)), _dtype(arrays))
    if not first.ndim or not first.size:
        return counts
    dim, rows = first.dims[0], first.shape[0]
    step = max(1, _PIXELS_PER_READ * rows // first.size)
    for start in range(0, rows, step):
        slab = {dim: slice(start, start + step)}
        counts += _count({name: da.isel(slab).values for name, da in arrays.items()}, legend)
    return counts


def _count(blocks: dict[str, NDArray[Any]], legend: Legend) -> NDArray[Any]:
    """Counts of a block in memory, shape (class + 1, class)."""
    number = len(legend)
    flat = {name: block.reshape(-1) for name, block in blocks.items()}
    total: NDArray[Any] = np.zeros(
        (number + 1) * number, np.float64 if "weights" in flat else np.int64
    )
    # In pieces that stay in cache, since positions are wider than class ids.
    for start in range(0, flat["reference"].size, _PIXELS_AT_ONCE):
        part = {name: values[start : start + _PIXELS_AT_ONCE] for name, values in flat.items()}
        counted = part["reference"] != FILL_CLASS
        if "mask" in part:
            counted &= part["mask"]
        column = legend.index_of(part["reference"][counted]).astype(np.int64)
        row = legend.index_of(part["predicted"][counted]).astype(np.int64)
        row[row < 0] = number
        weight = _checked_weights(part["weights"][counted]) if "weights" in part else None
        total += np.bincount(row * number + column, weights=weight, minlength=total.size)
    return total.reshape(number + 1, number)


def _checked_weights(weights: NDArray[Any]) -> NDArray[Any]:
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise CubeError(
            f"weight {weights[wrong][0]} at {int(wrong.sum())} labelled pixels; expected finite "
            "weights >= 0. Drop these pixels with mask=, or mend their weights."
        )
    return weights


def _dtype(arrays: dict[str, xr.DataArray]) -> type[np.float64] | type[np.int64]:
    return np.float64 if "weights" in arrays else np.int64
