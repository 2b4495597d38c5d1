"""Points as their users give them: columns, places in another system, class ids, years."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.dates import year_of
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

Points = pd.DataFrame | xr.Dataset
"""A GeoDataFrame in any system, or a table or Dataset with x and y in the cube's system."""

DEFAULT_TASK = "land_cover"


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


def positions_of(
    points: Points, crs: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where points lie in a reference system: x and y, shape (point,), NaN for no place.

    Parameters
    ----------
    points : GeoDataFrame, DataFrame or xr.Dataset
        A GeoDataFrame is reprojected; the others hold `x` and `y` in that system already.
    crs : str or None
        The system; None if it is not known.

    Raises
    ------
    SampleError
        If there are no positions, or they cannot be reprojected.
    """
    table, _ = columns_of(points)
    # A GeoDataFrame, told by what it can do: core reads no files and knows no GeoPandas.
    if not hasattr(type(points), "to_crs"):
        for name in ("x", "y"):
            if name not in table:
                raise SampleError(name_unknown("column", name, table) + " Points need x and y.")
        return np.asarray(table["x"], np.float64), np.asarray(table["y"], np.float64)
    placed: Any = points
    if crs is None:
        raise SampleError(
            f"these points are in {placed.crs}, and nothing says which reference system the map "
            "has. Assign it, for instance maps.odc.assign_crs('EPSG:3035')."
        )
    if placed.crs is None:
        raise SampleError(
            "these points have no coordinate reference system. Say which it is, for instance "
            "points.set_crs('EPSG:4326')."
        )
    kinds = set(placed.geom_type.dropna()) - {"Point"}
    if kinds:
        raise SampleError(
            f"geometries of type {', '.join(sorted(kinds))} among the points; expected points "
            "only. Use their representative points: points.geometry.representative_point()."
        )
    geometry = placed.geometry.to_crs(crs)
    return geometry.x.to_numpy(np.float64), geometry.y.to_numpy(np.float64)


def class_ids_of(table: Mapping[str, Any], column: str, legend: Legend) -> NDArray[np.uint8]:
    """Class ids in a column, shape (point,); 255 where it is empty.

    Raises
    ------
    SampleError
        If there is no such column.
    LegendError
        If it holds something that is no class id of the legend.
    """
    if column not in table:
        raise SampleError(
            name_unknown("label column", column, table)
            + " Name the column of labels with labels='column'."
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


def mapped_years(points: Points, *, start_month: int) -> NDArray[np.int64] | None:
    """Mapped year of every point, shape (point,); 0 where a point says none; None without columns.

    Column ``year`` names it; where there is none, it is the year that holds ``survey_date``.

    Parameters
    ----------
    points : GeoDataFrame, DataFrame or xr.Dataset
        With one of these columns, or both; or neither.
    start_month : int
        Month (1-12) in which mapped years begin.

    Raises
    ------
    SampleError
        If one cannot be read.
    """
    table, _ = columns_of(points)
    if "year" not in table and "survey_date" not in table:
        return None
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
