"""Labelled points from files, with their legend: what the commands `sample` and `evaluate` read."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet
import xarray as xr

from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.samples.points import Points

POINT_FILES = (".gpkg", ".geojson", ".json", ".parquet", ".csv")
"""Suffixes of files that hold points."""


def read_point_file(
    path: Path, cube: xr.Dataset, *, labels: str, legend: str | None, crs: str | None
) -> tuple[Points, Legend]:
    """Labelled points, their labels as class ids in column `labels`, and the legend.

    Parameters
    ----------
    path : Path
        GeoPackage, GeoJSON, (Geo)Parquet, or CSV with columns x and y.
    cube : xr.Dataset
        May give the legend.
    labels : str
        Column of class ids or class names.
    legend : str or None
        A JSON file (what ``Legend.to_dict`` gives), or a variable of the cube that has CF
        flags. None: names in the column become a legend of their own; ids are those of the
        only variable of the cube that has flags.
    crs : str or None
        Reference system of x and y in a table; None: the cube's.

    Raises
    ------
    SampleError
        If the file cannot be read, or lacks a column.
    LegendError
        If there is no legend, or a label is not part of it.
    """
    table = _read(path, crs)
    if labels not in table.columns:
        known = [str(name) for name in table.columns if name != "geometry"]
        raise SampleError(
            f"{str(path)!r}: {name_unknown('column', labels, known)} "
            "Name the one that holds the labels: --labels COLUMN."
        )
    column = table[labels]
    named = not pd.api.types.is_numeric_dtype(column)
    found = _find_legend(cube, column, named=named, wanted=legend)
    if named:
        table = table.assign(**{labels: _ids(column, found)})
    return table, found


def _read(path: Path, crs: str | None) -> pd.DataFrame:
    kind = path.suffix.lower()
    if kind not in POINT_FILES:
        raise SampleError(
            f"{str(path)!r} is no file of points that is known here; expected one of "
            f"{', '.join(POINT_FILES)}. Convert it with GeoPandas or QGIS."
        )
    if not path.is_file():
        raise SampleError(f"there is no file {str(path)!r}; check the path of the points.")
    try:
        if kind == ".csv":
            table = pd.read_csv(path)
        elif kind == ".parquet":
            geo = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
            table = geopandas.read_parquet(path) if geo else pd.read_parquet(path)
        else:
            table = geopandas.read_file(path)
    except (ValueError, RuntimeError) as error:
        raise SampleError(f"{str(path)!r} cannot be read as {kind[1:]}: {error}.") from error
    if isinstance(table, geopandas.GeoDataFrame) or crs is None:
        return table
    missing = [name for name in ("x", "y") if name not in table]
    if missing:
        raise SampleError(
            f"{str(path)!r} has no column {missing[0]!r}; its columns are "
            f"{', '.join(map(str, table.columns))}. Points in a table need x and y."
        )
    places = geopandas.points_from_xy(table.x, table.y, crs=crs)
    placed: pd.DataFrame = geopandas.GeoDataFrame(table, geometry=places)
    return placed


def _find_legend(cube: xr.Dataset, column: pd.Series, *, named: bool, wanted: str | None) -> Legend:
    flagged = [str(n) for n, v in cube.data_vars.items() if "flag_values" in v.attrs]
    if wanted is not None and wanted.endswith(".json"):
        return _read_legend(Path(wanted))
    if wanted is not None:
        if wanted not in flagged:
            raise LegendError(
                name_unknown("variable with a legend", wanted, flagged)
                + " Name one of these, or a .json file (what Legend.to_dict() gives)."
            )
        return Legend.from_flags(cube[wanted].attrs)
    if named:
        return Legend.from_names(str(column.name), sorted(column.dropna().unique()))
    if len(flagged) == 1:
        return Legend.from_flags(cube[flagged[0]].attrs)
    raise LegendError(
        f"column {column.name!r} holds numbers, and {len(flagged)} variables of the store have a "
        f"legend ({', '.join(flagged) or 'none'}), so what they mean is not clear. Give "
        "--legend VARIABLE, --legend FILE.json, or a column of class names."
    )


def _read_legend(path: Path) -> Legend:
    try:
        return Legend.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise LegendError(f"there is no legend file {str(path)!r}; check the path.") from error
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise LegendError(
            f"{str(path)!r} is no legend ({error!r}). Expected JSON such as "
            '{"name": "mine", "classes": [{"class_id": 1, "name": "cropland"}]}.'
        ) from error


def _ids(column: pd.Series, legend: Legend) -> np.ndarray:
    """Class ids of names; 255 where there is none."""
    ids = dict(zip(legend.names, legend.ids, strict=True))
    unknown = sorted({str(name) for name in column.dropna()} - set(ids))
    if unknown:
        raise LegendError(
            f"column {column.name!r} holds names outside legend {legend.name!r}: "
            f"{', '.join(unknown)}. The legend has {', '.join(legend.names)}."
        )
    return column.map(ids).fillna(FILL_CLASS).to_numpy(np.uint8)
