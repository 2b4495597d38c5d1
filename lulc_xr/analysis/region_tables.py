"""Regions from a table of polygons."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.region_grid import RegionGrid

# Columns that tell regions apart, if there are any: Eurostat's, in its tables of regions.
_IDS = ("NUTS_ID", "CNTR_ID")
# Names that results have for something else.
_TAKEN = ("region", "lon", "lat", "crs", "class", "class_id", "year")


def regions_of(
    table: gpd.GeoDataFrame | gpd.GeoSeries,
    *,
    id_column: str | None = None,
    name: str | None = None,
) -> RegionGrid:
    """Regions of a table of polygons, in its order.

    Parameters
    ----------
    table : GeoDataFrame or GeoSeries
        Polygons with a coordinate reference system. Columns of numbers and words become
        coordinates of the results (names that results need get the prefix `region_`).
    id_column : str, optional
        Column that tells regions apart; `NUTS_ID` or `CNTR_ID` if there is one, else the index.
    name : str, optional
        What the regions are called.

    Raises
    ------
    CubeError
        If there is no reference system, no such column, or a geometry is no valid polygon.
    """
    frame = table.to_frame("geometry") if isinstance(table, gpd.GeoSeries) else table
    if frame.crs is None:
        raise CubeError(
            "the polygons have no coordinate reference system. Set it, for example with "
            "table.set_crs('EPSG:4326')."
        )
    columns = [str(column) for column in frame.columns if column != frame.geometry.name]
    if id_column is None:
        id_column = next((each for each in _IDS if each in columns), None)
    elif id_column not in columns:
        raise CubeError(name_unknown("column", id_column, columns))
    ids = _values(frame.index.to_series() if id_column is None else frame[id_column])
    if ids is None:
        raise CubeError(f"ids of regions are {frame[id_column].dtype}; expected words or numbers.")
    attributes = {}
    for column in columns:
        values = _values(frame[column]) if column != id_column else None
        if values is not None:
            attributes[f"region_{column}" if column in _TAKEN else column] = values
    return RegionGrid(
        name=name or id_column or "regions",
        geometries=np.asarray(frame.geometry.array, object),
        crs=frame.crs.to_wkt(),
        ids=ids,
        attributes=attributes,
    )


def _values(column: pd.Series) -> NDArray[Any] | None:
    """A column as numbers or words; None if it is neither. Words that are missing are empty."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        plain = column.isna().any() or pd.api.types.is_float_dtype(column.dtype)
        return np.asarray(column, np.float64) if plain else column.to_numpy()
    if pd.api.types.is_string_dtype(column.dtype) or column.dtype == object:
        words = column.dropna()
        if all(isinstance(word, str) for word in words):
            return np.asarray(column.fillna("").astype(str), object)
    return None
