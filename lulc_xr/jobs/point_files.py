"""Labelled points from files, with their legend: what the commands `sample` and `evaluate` read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet
import xarray as xr

from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.legends import legend as named_legend
from lulc_xr.core.legends import list_legends
from lulc_xr.jobs.lucas_files import is_survey, read_survey
from lulc_xr.samples.filters import quality_filter

POINT_FILES = (".gpkg", ".geojson", ".json", ".parquet", ".csv", ".shp")
"""Suffixes of files that hold points."""

PASSES = "passes_filter"
"""Column that says which points pass a quality filter."""


def read_point_file(
    path: Path,
    cube: xr.Dataset,
    *,
    labels: str,
    legend: str | None,
    crs: str | None,
    quality: str | None = None,
    year: int | None = None,
    all_years: bool = False,
) -> tuple[pd.DataFrame, Legend]:
    """Labelled points, their labels as class ids in column `labels`, and the legend.

    Parameters
    ----------
    path : Path
        GeoPackage, GeoJSON, shapefile, (Geo)Parquet, or CSV with columns x and y; or a file of
        LUCAS in any of its dialects, when `labels` is lc1 or lu1 (or land_cover or land_use, and
        the file has no such column): each visit at the theoretical location of its point.
    cube : xr.Dataset
        May give the legend.
    labels : str
        Column of class ids or class names.
    legend : str or None
        A JSON file (what ``Legend.to_dict`` gives), a variable of the cube that has CF flags, or
        the name of a known legend. None: names in the column become a legend of their own; ids
        are those of the only variable of the cube that has flags. For LUCAS also the name of a
        legend that its codes lead to; None: its level 1.
    crs : str or None
        Reference system of x and y in a table; None: the cube's.
    quality : str or None
        Name of a quality filter; column ``passes_filter`` says which points pass.
    year : int or None
        Mapped year, to which the nearest campaign of LUCAS is taken.
    all_years : bool
        Take all campaigns of LUCAS instead.

    Raises
    ------
    SampleError
        If the file cannot be read, or lacks a column.
    LegendError
        If there is no legend, or a label is not part of it.
    """
    if is_survey(_columns(path), labels):
        points, ids, known = read_survey(
            path, cube, labels=labels, legend=legend, year=year, all_years=all_years
        )
        return _judge(points, quality).assign(**{labels: ids}), known
    table = _judge(_read(path, crs), quality)
    if labels not in table.columns:
        names = [str(name) for name in table.columns if name not in ("geometry", PASSES)]
        raise SampleError(
            f"{str(path)!r}: {name_unknown('column', labels, names)} "
            "Name the one that holds the labels: --labels COLUMN."
        )
    column = table[labels]
    named = not pd.api.types.is_numeric_dtype(column)
    found = _find_legend(cube, column, named=named, wanted=legend)
    if named:
        table = table.assign(**{labels: _ids(column, found)})
    return table, found


def _columns(path: Path) -> list[str]:
    """Names of the columns of a file, without reading the rest of it."""
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
            return list(pd.read_csv(path, nrows=0, sep=None, engine="python").columns)
        if kind == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        return list(geopandas.read_file(path, rows=1).columns)
    except csv.Error:
        # One column only, so that nothing shows what parts them.
        return []
    except (ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SampleError:
    return SampleError(f"{str(path)!r} cannot be read as {path.suffix.lower()[1:]}: {error}.")


def _judge(table: pd.DataFrame, quality: str | None) -> pd.DataFrame:
    """The points, with a column that says which pass the filter."""
    if quality is None:
        return table
    passed = quality_filter(table, quality)
    judged = table.assign(**{PASSES: passed})
    judged.attrs = {**table.attrs, PASSES: passed.attrs}
    return judged


def describe_filter(table: pd.DataFrame) -> str:
    """How many points pass the filter, fail it, and do not say."""
    counts = table.attrs[PASSES]
    return (
        f"filter {counts['filter']}: {counts['passed']} of {len(table)} points pass, "
        f"{counts['failed']} fail, and {counts['unknown']} do not say enough"
    )


def _read(path: Path, crs: str | None) -> pd.DataFrame:
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            table = pd.read_csv(path)
        elif kind == ".parquet":
            geo = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
            table = geopandas.read_parquet(path) if geo else pd.read_parquet(path)
        else:
            table = geopandas.read_file(path)
    except (ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error
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
        return read_legend(Path(wanted))
    if wanted is not None and wanted not in flagged and wanted in list_legends():
        return named_legend(wanted)
    if wanted is not None:
        if wanted not in flagged:
            raise LegendError(
                name_unknown("variable with a legend", wanted, flagged)
                + " Name one of these, a legend such as lucas_lc1_level1, or a .json file (what "
                "Legend.to_dict() gives)."
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


def read_legend(path: Path) -> Legend:
    """A legend from a JSON file.

    Raises
    ------
    LegendError
        If it is not there, or is no legend.
    """
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
