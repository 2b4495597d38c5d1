"""Class fractions of grid cells as survey points say, with intervals: no map is needed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.analysis.intervals import Interval
from lulc_xr.analysis.judged_columns import reference_of
from lulc_xr.analysis.point_places import lonlat_of
from lulc_xr.analysis.point_sums import Floats, Seen, Sums, count_points, say_left_out, shares_of
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.points import DEFAULT_TASK, Points, columns_of, mapped_years
from lulc_xr.core.target_grid import TargetGrid

_INTERVALS: tuple[Interval, ...] = ("wilson", "normal")
_DESIGN = (
    "Points are taken as a simple random sample of the area of their cell{weights}. Points of a "
    "regular grid are as a rule spread better than that, so that intervals are rather too wide. "
    "Points that were drawn by stratum (LUCAS: from a grid of 2 km, by stratum and region) give "
    "biased shares if they come without their weights, and no interval shows that. An interval is "
    "for one class of one cell: not for all of them at once, nor for a sum over cells."
)
_WEIGHTED = ", with weights that count by Kish's effective size and stand for no class in itself"


def fractions_from_points(
    points: Points,
    grid: str | PathLike[str] | TargetGrid | Any,
    *,
    label: str = DEFAULT_TASK,
    legend: Legend | None = None,
    weights: str | None = None,
    years: Sequence[int] | None = None,
    min_points: int = 1,
    level: float = 0.95,
    interval: Interval = "wilson",
    crs: str | None = None,
) -> xr.Dataset:
    """Class fractions of the cells of a grid, estimated from the points that lie in them.

    What a survey says of the cells of a model by itself: beside the fractions of a map, or where
    there is none. A cell holds few points, so the intervals are wide.

    Parameters
    ----------
    points : GeoDataFrame, DataFrame or xr.Dataset
        One row per point, such as :func:`lulc_xr.lucas_labels` gives; a table or a Dataset has
        columns `longitude` and `latitude`, `lon` and `lat`, `e3035` and `n3035`, or `x` and `y`
        in `crs`.
    grid : str, TargetGrid, path, xr.Dataset or GeoDataFrame
        The cells: whatever :func:`lulc_xr.as_grid` takes, such as ``"EUR-11"``.
    label : str
        Column of class ids; 255 or missing where a point has no label. Such points are left out,
        as if they had not been drawn.
    legend : Legend, optional
        The classes. Default: the legend that the points carry.
    weights : str, optional
        Column of survey weights, above 0. Default: all points weigh the same.
    years : sequence of int, optional
        Years of the points, by their column `year` or `survey_date`: the result has a dimension
        `year`. Default: all points together, each at most once.
    min_points : int
        Cells with fewer points have no fractions (NaN).
    level : float
        Coverage of the intervals.
    interval : {"wilson", "normal"}
        Kind of the intervals. The normal one is far too narrow for a handful of points.
    crs : str, optional
        Reference system of `x` and `y`.

    Returns
    -------
    xr.Dataset
        In memory, over the dimensions of the grid and, where there is a `class`, first that:

        - ``fraction``: share of the weight of the cell's points; over classes it sums to 1. NaN
          in cells with fewer than `min_points` points;
        - ``fraction_lower``, ``fraction_upper``: ends of the interval;
        - ``fraction_standard_error``: NaN for a single point, and 0 where all points are of one
          class, which is no proof that the cell is: read the interval;
        - ``points``: number of points of the cell. With weights also ``effective_points`` (Kish)
          and ``total_weight``;
        - ``cell_area`` in square metres, and the coordinates of the grid.

        ``class_id`` carries the legend as CF flags; :func:`lulc_xr.write_fractions` makes a file
        of it. Attributes say how points were counted
        (`points_given`, `points_used`, `points_outside`, ...) and what the intervals assume
        (`design`).

    Raises
    ------
    SampleError
        If the points say no place, no label or no such year; if one is there twice; if a weight
        is not positive; if none is left; or for an unknown kind of interval.
    LegendError
        If nothing says the legend, or a label is not part of it.

    Warns
    -----
    UserWarning
        If points are left out, and why.

    Notes
    -----
    The share is Hájek's ratio of weights. With n points and Kish's effective size
    m = (sum w)² / sum w², its variance is p (1 - p) / m · n / (n - 1), which for equal weights is
    the p (1 - p) / (n - 1) of a simple random sample; Wilson's interval is of m points. Fractions
    of finer cells that nest add up to those of coarser ones when weighed by their points (with
    weights: by `total_weight`).

    References
    ----------
    Kish, L. (1965). Survey sampling. Wiley.
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    JASA 22(158), 209-212.

    Examples
    --------
    >>> import pandas as pd
    >>> seen = pd.DataFrame({"lon": [7.1] * 4, "lat": [50.7] * 4, "land_cover": [2, 2, 2, 3]})
    >>> legend = Legend.from_names("demo", ["artificial", "water", "crop", "wood"])
    >>> found = fractions_from_points(seen, "EUR-11", legend=legend)
    >>> cell = found.isel(rlat=217, rlon=195)
    >>> cell.fraction.values.tolist(), cell.fraction_lower.values.round(2).tolist()
    ([0.0, 0.0, 0.75, 0.25], [0.0, 0.0, 0.3, 0.05])
    """
    _check(level, interval, min_points)
    cells = as_grid(grid)
    ids, known = reference_of(points, label, labels=label, legend=legend)
    longitude, latitude = lonlat_of(points, crs)
    seen = Seen(
        cell=cells.locate(longitude, latitude),
        index=known.index_of(ids).astype(np.int64),
        weight=_weights(points, weights, ids.size),
        year=_year_positions(points, years, ids.size),
    )
    placed = np.isfinite(longitude)
    counts = count_points(seen, placed)
    kept = seen.at((seen.cell >= 0) & (seen.index >= 0) & (seen.year >= 0))
    if not counts["points_used"]:
        raise SampleError(f"no point is left to count: {say_left_out(counts)}.")
    _check_once(points, seen, years)
    sums = Sums.of(kept, cells=cells.size, classes=len(known), years=len(years or (0,)))
    if counts["points_used"] < counts["points_given"]:
        warnings.warn(say_left_out(counts), stacklevel=2)
    made = shares_of(sums, level=level, interval=interval, min_points=min_points)
    return _describe(
        made, cells, known, years=years, weighted=weights is not None, level=level,
        attrs={"interval": interval, "level": level, "min_points": min_points, **counts},
    )  # fmt: skip


def _describe(
    made: dict[str, NDArray[Any]],
    grid: TargetGrid,
    legend: Legend,
    *,
    years: Sequence[int] | None,
    weighted: bool,
    level: float,
    attrs: dict[str, Any],
) -> xr.Dataset:
    coordinates = grid.coordinates()
    over = grid.dims if years is None else ("year", *grid.dims)
    shape = grid.shape if years is None else (len(years), *grid.shape)
    if not weighted:
        made = {n: v for n, v in made.items() if n not in ("effective_points", "total_weight")}
    variables: dict[str, Any] = {}
    for name, values in made.items():
        first = (len(legend),) if values.ndim == 3 else ()
        dims = ("class", *over) if values.ndim == 3 else over
        variables[name] = (dims, values.reshape(*first, *shape), _attrs(name, level))
    variables["cell_area"] = (grid.dims, grid.areas().reshape(grid.shape), _attrs("cell_area"))
    flags = {"long_name": "class ids", **legend.flags()}
    own: dict[str, Any] = {
        "class": np.array(legend.names, np.dtypes.StringDType()),
        "class_id": ("class", np.array(legend.ids, np.uint8), flags),
    }
    if years is not None:
        own["year"] = ("year", np.array(years, np.int64), {"long_name": "year of the survey"})
    result = xr.Dataset(variables, {**coordinates.coords, **own})
    mapping = coordinates.attrs.get("grid_mapping")
    if mapping:
        for name in variables:
            result[name].encoding["grid_mapping"] = mapping
    result.attrs = {
        "Conventions": "CF-1.10",
        "title": f"class fractions on {grid.name} from survey points",
        "grid": grid.name,
        "legend": legend.name,
        **attrs,
        "design": _DESIGN.format(weights=_WEIGHTED if weighted else ""),
        "history": "lulc_xr.fractions_from_points",
    }
    return result


def _attrs(name: str, level: float = 0.0) -> dict[str, str]:
    """Attributes of a variable."""
    ends = f"end of the {100 * level:g} % interval of the fraction"
    told = {
        "fraction": "share of the cell's points, an estimate of the share of its area",
        "fraction_lower": f"lower {ends}",
        "fraction_upper": f"upper {ends}",
        "fraction_standard_error": "standard error of the fraction",
        "points": "number of survey points in the cell",
        "effective_points": "effective number of survey points in the cell (Kish)",
        "total_weight": "sum of the weights of the survey points in the cell",
        "cell_area": "area of the cell",
    }
    more = {
        "fraction": {
            "standard_name": "area_fraction",
            "ancillary_variables": "fraction_lower fraction_upper fraction_standard_error points",
        },
        "fraction_standard_error": {"standard_name": "area_fraction standard_error"},
        "cell_area": {"standard_name": "cell_area", "units": "m2"},
    }
    return {"long_name": told[name], "units": "1", **more.get(name, {})}


def _check(level: float, interval: str, min_points: int) -> None:
    if interval not in _INTERVALS:
        raise SampleError(name_unknown("interval", interval, _INTERVALS))
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")
    if min_points < 1:
        raise SampleError(f"min_points={min_points}; a cell needs at least 1 point.")


def _weights(points: Points, column: str | None, number: int) -> Floats:
    if column is None:
        return np.ones(number)
    table, _ = columns_of(points)
    if column not in table:
        raise SampleError(name_unknown("column of weights", column, table))
    weight = pd.to_numeric(pd.Series(np.asarray(table[column]))).to_numpy(np.float64)
    wrong = ~(np.isfinite(weight) & (weight > 0))
    if wrong.any():
        raise SampleError(
            f"{int(wrong.sum())} of {number} weights in column {column!r} are not above 0, such as "
            f"{weight[wrong][0]:g}. Leave out points that stand for nothing."
        )
    return weight


def _year_positions(points: Points, years: Sequence[int] | None, number: int) -> NDArray[np.int64]:
    """Position of each point's year among `years`, -1 for another; 0 if no years are asked for."""
    if years is None:
        return np.zeros(number, np.int64)
    if not len(years) or len(set(years)) < len(years):
        raise SampleError(f"years={list(years)}; give each year once, and at least one.")
    of_point = mapped_years(points, start_month=1)
    if of_point is None:
        raise SampleError(
            f"years={list(years)}, and these points have no column 'year' or 'survey_date'."
        )
    known = sorted({int(y) for y in of_point} - {0})
    for year in years:
        if year not in known:
            raise SampleError(name_unknown("year", year, map(str, known)))
    return np.asarray(pd.Index(years).get_indexer(pd.Index(of_point)), np.int64)


def _check_once(points: Points, seen: Seen, years: Sequence[int] | None) -> None:
    """Refuse points that count several times."""
    table, _ = columns_of(points)
    if "point_id" not in table:
        return
    names = pd.DataFrame({"point": np.asarray(table["point_id"]), "year": seen.year})
    names = names[(seen.cell >= 0) & (seen.index >= 0) & (seen.year >= 0)].dropna()
    twice = names[names.duplicated()]
    if len(twice):
        known = mapped_years(points, start_month=1)
        offered = sorted({int(y) for y in known} - {0}) if known is not None else []
        way_out = (
            f"choose years= of {', '.join(map(str, offered))}"
            if years is None and len(offered) > 1
            else "keep one row of each"
        )
        raise SampleError(
            f"{twice['point'].nunique()} points are there several times, such as "
            f"{twice['point'].iloc[0]}: visits of one point are no independent points; {way_out}."
        )
