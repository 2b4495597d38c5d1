"""Labelled points as columns: where they lie in the cube's system, and what they are labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.points import DEFAULT_TASK, Points, class_ids_of, columns_of, positions_of

Labels = str | Mapping[str, tuple[str, Legend]] | None
"""A column, or the column and legend of each task."""

CARRIED = ("stratum", "region")
"""Columns that samples keep where points have them."""

RESERVED = (
    "reflectance", "weight", "point_id", "y", "x", "year", "fold", "time", "band", "day", "sample",
    "stratum", "region", "labelled", "patch_y", "patch_x", "bioclim", "bioclim_variable",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PointTable:
    """Points as arrays of shape (point,).

    Parameters
    ----------
    x, y : ndarray of float64
        Position in the cube's reference system; NaN where a point has none.
    point_id : ndarray
        Identity of the place; repeats share it.
    weight : ndarray of float32
        Weight of the point in a loss.
    labels : mapping of str to ndarray of uint8
        Class ids of each task, 255 where there is no label.
    legends : mapping of str to Legend
        Legend of each task.
    kept : mapping of str to ndarray
        Other columns that samples keep.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    point_id: NDArray[Any]
    weight: NDArray[np.float32]
    labels: Mapping[str, NDArray[np.uint8]]
    legends: Mapping[str, Legend]
    kept: Mapping[str, NDArray[Any]]


def read_points(
    points: Points,
    *,
    crs: str,
    labels: Labels,
    legend: Legend | None,
    keep: Sequence[str] = (),
) -> PointTable:
    """Points as arrays, in the cube's reference system, with checked labels.

    Parameters
    ----------
    points : GeoDataFrame, DataFrame or xr.Dataset
        A GeoDataFrame is reprojected; the others hold `x` and `y` in the cube's system.
    crs : str
        Well-known text of the cube's reference system.
    labels : str, mapping of task to (column, Legend), or None
        Where the labels are; None: the tasks whose legends the points carry
        (``attrs["legends"]`` of a table), or column ``land_cover``.
    legend : Legend or None
        Legend of a single task; None: the one that the points carry.
    keep : sequence of str
        Columns to keep, beside stratum and region.

    Raises
    ------
    SampleError
        If positions, weights or the column of labels are missing.
    LegendError
        If there is no legend, or a label is not part of it.
    """
    table, carried = columns_of(points)
    if labels is None and legend is None and isinstance(points, pd.DataFrame):
        # Points of several tasks carry the legend of each.
        several = points.attrs.get("legends") or {}
        labels = {task: (task, Legend.from_dict(d)) for task, d in several.items()} or None
    x, y = positions_of(points, crs)
    tasks = _tasks(labels, legend, carried)
    found = {task: class_ids_of(table, column, known) for task, (column, known) in tasks.items()}
    weight = np.asarray(table.get("weight", np.ones(len(x))), np.float32)
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise SampleError("column 'weight' holds a negative or missing value; give finite >= 0.")
    return PointTable(
        x=x,
        y=y,
        point_id=_plain(table.get("point_id", np.arange(len(x))), "point_id"),
        weight=weight,
        labels=found,
        legends={task: known for task, (_, known) in tasks.items()},
        kept=_kept(table, keep, tasks),
    )


def _kept(
    table: Mapping[str, Any], keep: Sequence[str], tasks: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Stratum, region and the columns to keep, by name."""
    for name in keep:
        if name not in table:
            raise SampleError(name_unknown("column to keep", name, table))
        if name in tasks or (name in RESERVED and name not in CARRIED):
            raise SampleError(
                f"column {name!r} cannot be kept under that name: samples have a variable "
                f"{name!r} of their own. Rename the column."
            )
    carried = [name for name in CARRIED if name in table and name not in tasks]
    return {name: _plain(table[name], name) for name in dict.fromkeys([*carried, *keep])}


def _plain(column: Any, name: str) -> NDArray[Any]:
    """A column as numbers, dates or strings of any length, which Zarr can store."""
    values = pd.Series(np.asarray(column))
    if values.dtype.kind in "biufM":
        return np.asarray(values)
    held = {type(v).__name__ for v in values[values.notna()]} - {"str"}
    if held:
        raise SampleError(
            f"column {name!r} holds {', '.join(sorted(held))}; samples keep numbers, dates and "
            "strings. Convert it first."
        )
    return values.fillna("").to_numpy(object).astype(np.dtypes.StringDType())


def _tasks(
    labels: Labels, legend: Legend | None, carried: Mapping[str, Legend]
) -> dict[str, tuple[str, Legend]]:
    """Column and legend of each task."""
    if isinstance(labels, Mapping):
        for task in labels:
            if not task.isidentifier() or task in RESERVED:
                raise SampleError(
                    f"task {task!r} cannot name a variable of samples: expected a word without "
                    f"blanks, other than {', '.join(RESERVED)}."
                )
        if not labels:
            raise SampleError("labels={} names no task; give {'land_cover': (column, legend)}.")
        return dict(labels)
    column = labels or DEFAULT_TASK
    known = legend or carried.get(column)
    if known is None:
        raise LegendError(
            f"the points say nothing of the legend of {column!r}. Give legend=, for instance "
            "lulc_xr.Legend.from_names('mine', ['cropland', 'water'])."
        )
    return {DEFAULT_TASK: (column, known)}
