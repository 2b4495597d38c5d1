"""Samples whose labels come from a map: weak, but dense and as many as wanted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.dates import Dates
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.samples.extract import extract_samples

_MOST_DRAWN = 50


def draw_weak_samples(
    cube: xr.Dataset,
    labels: str | xr.DataArray,
    *,
    number: int = 1000,
    task: str = "land_cover",
    crosswalk: Crosswalk | None = None,
    patch: int = 1,
    balanced: bool = False,
    dates: Dates | None = None,
    year: int | None = None,
    bands: Sequence[str] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Samples at random places of a cube, labelled by a map that may err.

    To warm a network up before it is trained on the few points that are right: fit on these
    samples first, then ``fit(points, init=classifier)``. Agreement with the map afterwards proves
    nothing, as the network has learnt the map; judge on points only.

    Parameters
    ----------
    cube : xr.Dataset
        Cube with `reflectance(time, band, y, x)`.
    labels : str or xr.DataArray
        The map: a variable of the cube, or an array, of class ids (y, x) on the cube's grid with
        its legend as CF flags; 255 where there is none.
    number : int
        Places to draw; fewer if the map labels fewer pixels, or some were never clear (attribute
        `points_unseen` of the samples).
    task : str
        Name of the task that the labels are of.
    crosswalk : Crosswalk, optional
        From the map's legend to that of the points. With equal legends the points' network takes
        over the head as well.
    patch : int
        Side of the patches in pixels, odd; 1: single pixels.
    balanced : bool
        Draw as many places of each class (of the pixel in the middle) as far as there are.
    dates, year, bands
        As :func:`lulc_xr.extract_samples` takes them.
    seed : int
        Draws the places.

    Returns
    -------
    xr.Dataset
        As :func:`lulc_xr.extract_samples` gives them. With a patch the labels are dense:
        `<task>(sample, patch_y, patch_x)`, 255 where the map has none, beyond the cube, and where
        the pixel was never seen.

    Raises
    ------
    SampleError
        If the map is not on the cube's grid, or labels nothing.
    LegendError
        If the map has no legend, or labels outside it.

    Examples
    --------
    >>> from lulc_xr.testing import landscape, weak_labels
    >>> cube = landscape(y=48, x=48)
    >>> cube["weak"] = weak_labels(cube)
    >>> samples = draw_weak_samples(cube, "weak", number=20, patch=9)
    >>> samples["land_cover"].dims, samples.sizes["sample"]
    (('sample', 'patch_y', 'patch_x'), 20)
    """
    if number < 1:
        raise SampleError(f"number={number} of weak samples; give 1 or more.")
    weak, legend = _read_map(cube, labels, crosswalk)
    rng = np.random.default_rng(seed)
    row, column, middle = _draw(weak, crosswalk, number=number, balanced=balanced, rng=rng)
    points = pd.DataFrame({"x": cube["x"].values[column], "y": cube["y"].values[row], task: middle})
    points["row"], points["column"] = row, column
    with warnings.catch_warnings():
        # Places are not the user's: what was never clear is left out in silence, and counted.
        warnings.filterwarnings("ignore", message=".*(left out|without any sample)")
        samples = extract_samples(
            cube,
            points,
            dates=dates,
            labels={task: (task, legend)},
            years=year,
            bands=bands,
            patch=patch,
            keep=("row", "column"),
        )
    if patch > 1:
        samples[task] = _dense(weak, samples, crosswalk, patch=patch).assign_attrs(legend.flags())
    samples = samples.drop_vars(["row", "column"])
    return samples.assign_attrs(weak_labels=str(weak.name or "labels"))


def _read_map(
    cube: xr.Dataset, labels: str | xr.DataArray, crosswalk: Crosswalk | None
) -> tuple[xr.DataArray, Legend]:
    """The map on the cube's grid, (y, x), and the legend that samples will have."""
    if isinstance(labels, str):
        if labels not in cube:
            raise SampleError(name_unknown("variable of the cube", labels, cube.data_vars))
        labels = cube[labels]
    if set(labels.dims) != {"y", "x"}:
        raise SampleError(
            f"labels over {tuple(map(str, labels.dims))}; expected (y, x). Select the rest first, "
            "such as cube['land_cover'].sel(year=2018)."
        )
    for dim in ("y", "x"):
        if labels.sizes[dim] != cube.sizes[dim] or not np.allclose(labels[dim], cube[dim]):
            raise SampleError(
                f"labels with {labels.sizes[dim]} places along {dim!r} are not on the grid of the "
                f"cube ({cube.sizes[dim]}). Reproject them to it first, by the nearest pixel."
            )
    legend = crosswalk.target if crosswalk else Legend.from_flags(labels.attrs)
    return labels.transpose("y", "x"), legend


def _draw(
    weak: xr.DataArray,
    crosswalk: Crosswalk | None,
    *,
    number: int,
    balanced: bool,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Row, column and class id of labelled pixels, each at most once."""
    wanted = min(weak.size, _MOST_DRAWN * number)
    # Of a map of a continent only so many pixels are read.
    drawn = rng.choice(weak.size, wanted, replace=False, shuffle=True)
    row, column = np.divmod(drawn, weak.sizes["x"])
    ids = _labels_at(weak, row, column, crosswalk)
    places = np.flatnonzero(ids != FILL_CLASS)
    if not places.size:
        raise SampleError(
            f"none of {wanted} pixels has a label in {weak.name or 'the map'}. Check that it "
            "covers the cube, and that the crosswalk keeps its classes."
        )
    if balanced:
        # The first of every class, then the second of every class, and so on.
        turn = np.zeros(places.size, np.int64)
        for class_id in np.unique(ids[places]):
            own = ids[places] == class_id
            turn[own] = np.arange(own.sum())
        places = places[np.argsort(turn, kind="stable")]
    chosen = places[:number]
    return row[chosen], column[chosen], ids[chosen]


def _labels_at(
    weak: xr.DataArray,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    crosswalk: Crosswalk | None,
) -> NDArray[np.uint8]:
    """Class ids at pixels, in the shape of their positions."""
    dims = tuple(f"axis{number}" for number in range(row.ndim))
    at = {"y": xr.DataArray(row, dims=dims), "x": xr.DataArray(column, dims=dims)}
    ids = weak.isel(at).transpose(*dims).to_numpy()
    ids = np.where(np.isnan(ids), FILL_CLASS, ids) if ids.dtype.kind == "f" else ids
    return crosswalk.map_labels(ids) if crosswalk else ids.astype(np.uint8)


def _dense(
    weak: xr.DataArray, samples: xr.Dataset, crosswalk: Crosswalk | None, *, patch: int
) -> xr.DataArray:
    """Class ids of all pixels of patches, (sample, patch_y, patch_x)."""
    offset = np.arange(patch) - patch // 2
    rows = samples["row"].values[:, None, None] + offset[:, None]
    columns = samples["column"].values[:, None, None] + offset
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < weak.sizes["y"]) & (columns >= 0) & (columns < weak.sizes["x"])
    ids = _labels_at(weak, np.where(inside, rows, 0), np.where(inside, columns, 0), crosswalk)
    seen = samples["reflectance"].notnull().all("band").any("time")
    known = inside & seen.transpose("sample", *PATCH_DIMS).to_numpy()
    made = np.where(known, ids, FILL_CLASS).astype(np.uint8)
    return xr.DataArray(made, dims=("sample", *PATCH_DIMS))
