"""Points of the LUCAS survey from any of its files, as one table with one meaning per column."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import geopandas
import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.samples import lucas_codes as codes
from lulc_xr.samples.lucas_cells import Cells, decode, decode_texts, read_table
from lulc_xr.samples.lucas_schema import (
    COLUMNS,
    DIALECTS,
    SCHEMA,
    LucasColumn,
    find_dialect,
    source_name,
)

Location = Literal["theoretical", "gps"]

LUCAS_CRS = "EPSG:3035"
"""Reference system of the grid of LUCAS."""

_CAMPAIGNS = {"2018": 2018, "2022": 2022}
# Heights above it are marks in the shapefile of ST_LUCAS; the highest point of Czechia is 1603 m.
_HIGHEST = 3000


def read_lucas(
    path: str | os.PathLike[str],
    *,
    location: Location = "theoretical",
    dialect: str | None = None,
    keep: Sequence[str] = (),
) -> geopandas.GeoDataFrame:
    r"""Visits of LUCAS points, one row each, sorted by point and year.

    The columns are those of :mod:`lulc_xr.samples.lucas_schema`, whatever the file calls them;
    codes for 'not relevant' are decoded column by column. Columns that the file lacks are
    empty. All visits of a point stand together, and `visits` counts them.

    Parameters
    ----------
    path : path
        CSV, Parquet, GeoPackage, GeoJSON or shapefile with the columns of one dialect.
    location : {'theoretical', 'gps'}
        Where a point lies: the node of the grid that its number names (EEEENNNN kilometres
        in EPSG:3035, exact), or where the observer stood (empty where no position was
        noted). Weigand et al. (2020) gained accuracy with the theoretical location.
    dialect : str, optional
        ``"2018"`` (micro-data of 2018), ``"harmonised"`` (2006-2018), ``"2022"``
        (``POINT_`` and ``SURVEY_`` before the names), ``"st_lucas"``,
        ``"st_lucas_shapefile"`` (names cut at ten characters, shares as classes) or
        ``"topsoil"`` (points of the soil module: NUTS_0, LC, LU). By default told from the
        columns.
    keep : sequence of str, optional
        More columns of the file to take as they are, such as ``"wm"`` or a stratum. Weights of
        the survey are not in its micro-data: join them by `point_id`.

    Returns
    -------
    geopandas.GeoDataFrame
        In EPSG:3035. ``attrs["dialect"]`` and ``attrs["location"]`` say how it was read.

    Raises
    ------
    SampleError
        If the file cannot be read, its dialect is not known, or a point has no valid number.

    Warns
    -----
    UserWarning
        If a column holds values that are not known; they are read as missing and counted.

    References
    ----------
    d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for
    field surveys from 2006 to 2018 in the European Union. Scientific Data 7, 352.

    Weigand, M. et al. (2020). Spatial and semantic effects of LUCAS samples on fully automated
    land use/land cover classification in high-resolution Sentinel-2 data. International Journal
    of Applied Earth Observation and Geoinformation 88, 102065.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "soil.csv")
    >>> _ = file.write_text("POINT_ID,NUTS_0,SURVEY_DATE,LC,LU\n48022702,AT,06/07/18,C22,U120\n")
    >>> points = read_lucas(file)
    >>> points[["point_id", "year", "lc1", "lu1"]].values.tolist()
    [[48022702, 2018, 'C22', 'U120']]
    >>> points.geometry.x[0], points.geometry.y[0]
    (np.float64(4802000.0), np.float64(2702000.0))
    """
    if location not in ("theoretical", "gps"):
        raise SampleError(name_unknown("location", location, ("theoretical", "gps")))
    if dialect is not None and dialect not in DIALECTS:
        raise SampleError(name_unknown("dialect of LUCAS", dialect, DIALECTS))
    raw = read_table(Path(path))
    try:
        spoken = dialect or find_dialect(list(raw.columns))
    except SampleError as error:
        raise SampleError(f"{str(path)!r}: {error}") from error
    cells = Cells(raw, spoken)
    for name in keep:
        if name not in raw or name in COLUMNS:
            raise SampleError(
                f"keep={list(keep)}: "
                + name_unknown("column", name, [n for n in map(str, raw) if n not in COLUMNS])
            )
    if "lc1" not in cells:
        raise SampleError(
            f"{str(path)!r} is not of dialect {spoken!r}: that has a column "
            f"{' or '.join(source_name('lc1', spoken))}, and this file has "
            f"{', '.join(map(str, raw.columns))}."
        )
    point_id = _point_ids(cells)
    year = _years(cells, spoken)
    unknown: dict[str, dict[str, int]] = {}
    table = {"point_id": point_id, "year": year}
    for column in SCHEMA:
        table[column.name] = decode(cells, column, year, unknown)
    frame = pd.DataFrame(table | {name: raw[name].array for name in keep})
    _complete(frame, cells, year, unknown)
    placed = _place(frame, location, keep)
    if unknown:
        said = "; ".join(
            f"{name}: " + ", ".join(f"{text!r} ({n} times)" for text, n in values.items())
            for name, values in unknown.items()
        )
        warnings.warn(f"{path}: values that are not known, read as missing: {said}.", stacklevel=2)
    placed.attrs.update(dialect=spoken, location=location, unknown_values=unknown)
    return placed


def _point_ids(cells: Cells) -> NDArray[np.int64]:
    found = cells.texts("point_id")
    if found is None:
        raise SampleError(
            f"no column point_id among {', '.join(map(str, cells.raw.columns))}; a point of LUCAS "
            "has a number of eight digits."
        )
    place, texts = found
    wrong = [text for text in texts if not (text.isdigit() and len(text) == 8)]
    if wrong:
        raise SampleError(
            f"{len(wrong)} numbers of points are not of the form EEEENNNN (eight digits), such as "
            f"{wrong[0]!r}. They name the location in EPSG:3035; drop these rows or mend them."
        )
    return np.array([int(text) for text in texts], np.int64)[place]


def _years(cells: Cells, dialect: str) -> NDArray[np.int16]:
    """Year of the campaign of each row."""
    column = "year" if dialect == "harmonised" else "survey_year"
    found = cells.texts(column)
    if found is not None:
        place, texts = found
        wrong = [text for text in texts if not (text.isdigit() and 2000 <= int(text) < 2100)]
        if wrong:
            raise SampleError(f"column {column!r} holds {wrong[0]!r}; expected a year.")
        return np.array([int(text) for text in texts], np.int16)[place]
    dates = cells.texts("survey_date")
    when = decode_texts(dates, codes.date, 0) if dates else []
    noted = pd.Series(when, dtype="object").dropna().map(lambda day: day.year)
    if dialect in _CAMPAIGNS:
        campaign = _CAMPAIGNS[dialect]
        if not noted.empty and abs(int(noted.mode()[0]) - campaign) > 1:
            raise SampleError(
                f"most dates are of {int(noted.mode()[0])}, and dialect {dialect!r} is of the "
                f"campaign of {campaign}: its codes mean other things in other years. Read this "
                "campaign from the harmonised database (2006-2018)."
            )
        return np.full(len(cells.raw), campaign, np.int16)
    if len(noted) < len(cells.raw):
        raise SampleError(
            f"{len(cells.raw) - len(noted)} rows have no date, and dialect {dialect!r} says "
            "the year nowhere else. Add a column 'survey_year'."
        )
    return noted.to_numpy(np.int16)


def _complete(
    frame: pd.DataFrame,
    cells: Cells,
    year: NDArray[np.int16],
    unknown: dict[str, dict[str, int]],
) -> None:
    """Compute in place what follows from several columns."""
    for column in SCHEMA:
        if column.depends is not None:
            frame.loc[frame[column.depends].isna(), column.name] = np.nan
    side = LucasColumn(name="gps_ew", source="gps_ew", dtype="float64", decode=codes.east_west)
    if "gps_ew" in cells:
        sign = decode(cells, side, year, unknown)
        # A file may have signed longitudes already; one without a side could lie on either.
        frame["gps_longitude"] = frame["gps_longitude"].where(
            sign > 0, -frame["gps_longitude"].abs()
        )
        frame.loc[sign.isna(), "gps_longitude"] = np.nan
    half = frame["gps_longitude"].isna() | frame["gps_latitude"].isna()
    frame.loc[half, ["gps_longitude", "gps_latitude"]] = np.nan
    if cells.dialect == "st_lucas_shapefile":
        frame.loc[frame["gps_altitude"] > _HIGHEST, "gps_altitude"] = np.nan
    bounds: Mapping[str, tuple[float, float]] = codes.PARCEL_AREAS
    for n, end in enumerate(("lower", "upper")):
        limits = {name: pair[n] for name, pair in bounds.items()}
        frame[f"parcel_area_{end}"] = frame["parcel_area"].astype(object).map(limits).astype("f4")
    frame["visits"] = frame.groupby("point_id")["point_id"].transform("size").astype(np.int16)


def theoretical_location(
    point_id: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """East and north (metres, EPSG:3035) of points of LUCAS, from their numbers EEEENNNN.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = theoretical_location(np.array([40283224]))
    >>> float(x[0]), float(y[0])
    (4028000.0, 3224000.0)
    """
    east, north = np.divmod(np.asarray(point_id, np.int64), 10_000)
    return east * 1000.0, north * 1000.0


def _place(frame: pd.DataFrame, location: Location, keep: Sequence[str]) -> geopandas.GeoDataFrame:
    x, y = theoretical_location(frame["point_id"].to_numpy())
    to_degrees = pyproj.Transformer.from_crs(LUCAS_CRS, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    known = frame["gps_longitude"].notna().to_numpy()
    # Geod takes no NaN: measure from the point to itself there, and leave it out.
    east = np.where(known, frame["gps_longitude"], longitude)
    north = np.where(known, frame["gps_latitude"], latitude)
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(longitude, latitude, east, north)
    frame["gps_distance"] = np.where(known, metres, np.nan).astype(np.float32)
    if location == "gps":
        back = pyproj.Transformer.from_crs("EPSG:4326", LUCAS_CRS, always_xy=True)
        x, y = back.transform(east, north)
    places = geopandas.GeoSeries(geopandas.points_from_xy(x, y), crs=LUCAS_CRS)
    frame["geometry"] = places.where(known) if location == "gps" else places
    ordered = frame[[*COLUMNS, *keep]].sort_values(["point_id", "year"], kind="stable")
    ordered = ordered.reset_index(drop=True)
    return geopandas.GeoDataFrame(ordered, geometry="geometry", crs=LUCAS_CRS)
