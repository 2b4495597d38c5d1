"""Labelled points as columns: where they lie in the cube's system, and what they are labelled."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.dates import year_of
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

Points = pd.DataFrame | xr.Dataset
"""A GeoDataFrame in any system, or a table or Dataset with x and y in the cube's system."""
Labels = str | Mapping[str, tuple[str, Legend]] | None
"""A column, or the column and legend of each task."""

DEFAULT_TASK = "land_cover"
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
    x, y = _positions(points, table, crs)
    tasks = _tasks(labels, legend, carried)
    found = {task: _labels(table, column, known) for task, (column, known) in tasks.items()}
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


def mapped_years(points: Points, *, start_month: int) -> NDArray[np.int64]:
    """Mapped year of every point, shape (point,); 0 where a point says none.

    Column ``year`` names it; where there is none, it is the year that holds ``survey_date``.

    Parameters
    ----------
    points : GeoDataFrame, DataFrame or xr.Dataset
        With one of these columns, or both.
    start_month : int
        Month (1-12) in which mapped years begin.

    Raises
    ------
    SampleError
        If there is neither column, or one cannot be read.
    """
    table, _ = columns_of(points)
    if "year" not in table and "survey_date" not in table:
        raise SampleError(
            name_unknown("column", "year", table) + " years='match' samples each point in a year "
            "of its own: give a column 'year' or 'survey_date', or name the year: years=2018."
        )
    years: NDArray[np.int64] | None = None
    if "survey_date" in table:
        try:
            dates = pd.to_datetime(pd.Series(np.asarray(table["survey_date"])))
        except (ValueError, TypeError) as error:
            raise SampleError(
                f"column 'survey_date' holds no dates ({error}). Use pandas.to_datetime."
            ) from error
        known = dates.notna().to_numpy()
        filled = dates.fillna(pd.Timestamp(0)).dt.tz_localize(None).to_numpy()
        years = np.where(known, year_of(filled, start_month=start_month), 0)
    if "year" not in table:
        return np.asarray(years, np.int64)
    try:
        named = pd.to_numeric(pd.Series(np.asarray(table["year"]))).to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise SampleError(f"column 'year' holds no years ({error}); give whole numbers.") from error
    odd = np.isfinite(named) & (named != np.rint(named))
    if odd.any():
        raise SampleError(f"column 'year' holds {named[odd][0]:g}; a year is a whole number.")
    fallback = np.zeros(named.size, np.int64) if years is None else years
    return np.where(np.isfinite(named), np.nan_to_num(named), fallback).astype(np.int64)


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


def columns_of(points: Points) -> tuple[Mapping[str, Any], Mapping[str, Legend]]:
    """Columns by name, and the legends they carry by column."""
    if isinstance(points, pd.DataFrame):
        carried = points.attrs.get("legend")
        legends = {DEFAULT_TASK: Legend.from_dict(carried)} if carried else {}
        return {str(name): points[name] for name in points.columns}, legends
    if not isinstance(points, xr.Dataset):
        raise SampleError(
            f"points are a {type(points).__name__}; expected a geopandas.GeoDataFrame, a "
            "pandas.DataFrame with columns x and y, or an xarray.Dataset with variables x and y."
        )
    dims: tuple[Hashable, ...] = points["x"].dims if "x" in points.variables else ()
    if len(dims) != 1:
        raise SampleError(
            f"'x' of these points has dimensions {dims}; expected variables x and y along one "
            "dimension, such as 'point'."
        )
    alike = [name for name in points.variables if points[name].dims == dims]
    flagged = [str(name) for name in alike if "flag_values" in points[name].attrs]
    legends = {name: Legend.from_flags(points[name].attrs) for name in flagged}
    return {str(name): points[name].to_series() for name in alike}, legends


def _positions(
    points: Points, table: Mapping[str, Any], crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not isinstance(points, geopandas.GeoDataFrame):
        for name in ("x", "y"):
            if name not in table:
                raise SampleError(name_unknown("column", name, table) + " Points need x and y.")
        return np.asarray(table["x"], np.float64), np.asarray(table["y"], np.float64)
    if points.crs is None:
        raise SampleError(
            "these points have no coordinate reference system. Say which it is, for instance "
            "points.set_crs('EPSG:4326')."
        )
    kinds = set(points.geom_type.dropna()) - {"Point"}
    if kinds:
        raise SampleError(
            f"geometries of type {', '.join(sorted(kinds))} among the points; expected points "
            "only. Use their representative points: points.geometry.representative_point()."
        )
    placed = points.geometry.to_crs(crs)
    return placed.x.to_numpy(np.float64), placed.y.to_numpy(np.float64)


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


def _labels(table: Mapping[str, Any], column: str, legend: Legend) -> NDArray[np.uint8]:
    if column not in table:
        raise SampleError(
            name_unknown("label column", column, table)
            + " Name the column of labels: extract_samples(..., labels='column')."
        )
    try:
        values = pd.to_numeric(pd.Series(table[column]), errors="raise").to_numpy(
            np.float64, na_value=np.nan
        )
    except (ValueError, TypeError) as error:
        pairs = ", ".join(f"{n}={i}" for n, i in zip(legend.names, legend.ids, strict=True))
        raise LegendError(
            f"column {column!r} holds no class ids ({error}). Map its values to the ids of "
            f"legend {legend.name!r}: {pairs}."
        ) from error
    ids = np.where(np.isnan(values), FILL_CLASS, values)
    if (ids != np.rint(ids)).any():
        raise LegendError(
            f"column {column!r} holds {ids[ids != np.rint(ids)][0]:g}; class ids are whole numbers."
        )
    # Raises for labels outside the legend.
    legend.index_of(ids.astype(np.int64))
    return ids.astype(np.uint8)
