"""Samples: the series of the pixels that hold labelled points, as the engine would see them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.cube import NODATA, SCALE, check_cube, check_scale, crs_of, decode, is_raw
from lulc_xr.core.dates import (
    Dates,
    RegularDates,
    YearDates,
    dates_to_dict,
    plan_year,
    year_bounds,
    years_covered,
)
from lulc_xr.core.errors import SampleError
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.samples.points import Labels, Points, PointTable, read_points

_SIDE = 512
_ENOUGH_TO_JUDGE_SCALE = 30


def extract_samples(
    cube: xr.Dataset,
    points: Points,
    *,
    dates: Dates | None = None,
    labels: Labels = None,
    legend: Legend | None = None,
    year: int | None = None,
    bands: Sequence[str] | None = None,
) -> xr.Dataset:
    """Samples of a cube at labelled points: the series that a model of these dates would see.

    Each chunk of the cube that holds a point is read once, one after the other. Points
    outside the cube, without any label, or on pixels that were never clear in the year are
    left out, counted in the attributes, and reported in one warning.

    Parameters
    ----------
    cube : xr.Dataset
        Cube with `reflectance(time, band, y, x)` and, if there is one, `clear(time, y, x)`.
    points : GeoDataFrame, DataFrame or xr.Dataset
        A GeoDataFrame in any reference system; or a table or Dataset with `x` and `y` in
        the cube's. Columns `point_id` (default: row number) and `weight` (default: 1) are
        kept. The pixel that contains a point is taken.
    dates : RegularDates or RawDates, optional
        Time axis of the model to train. Default: monthly medians, gaps filled.
    labels : str, or mapping of task to (column, Legend), optional
        Column of the labels (class ids; 255 or missing: no label). Default: the tasks whose
        legends the points carry (:func:`lulc_xr.lucas_labels`), or ``land_cover``.
    legend : Legend, optional
        Legend of a single task. Default: the one that the points carry
        (``points.attrs["legend"]``, or CF flags in a Dataset).
    year : int, optional
        Mapped year. Default: the only one that the cube covers.
    bands : sequence of str, optional
        Bands to take, in this order. Default: all.

    Returns
    -------
    xr.Dataset
        `reflectance(sample, time, band)` float32 with NaN where missing; class ids
        (uint8) of each task, `weight`, `point_id`, `year`, and `y` and `x` (centre of the
        pixel, in metres of the cube's system) over `sample`; `day(time)`, days since the
        first day of the mapped year.

    Raises
    ------
    SampleError
        If no point is left, the year is not clear, or the points cannot be read.
    LegendError
        If a label is not part of the legend.
    CubeError
        If the cube breaks the contract, or has no date in the year.

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=4))
    >>> dict(samples.reflectance.sizes)
    {'sample': 20, 'time': 12, 'band': 10}
    """
    dates = dates or RegularDates()
    cube = check_cube(cube, bands=bands)
    known = [str(b) for b in cube["band"].values]
    chosen = known if bands is None else list(bands)
    times = cube["time"].values
    plan = plan_year(times, dates, year=_only_year(times, dates) if year is None else year)
    table = read_points(points, crs=crs_of(cube), labels=labels, legend=legend)
    row, column, inside = _pixels(cube, table)
    labelled = np.any([ids != FILL_CLASS for ids in table.labels.values()], axis=0)
    wanted = np.flatnonzero(inside & labelled)
    series = np.full((wanted.size, len(plan.days), len(chosen)), np.nan, np.float32)
    seen = np.zeros(wanted.size, np.bool_)
    part = cube[[n for n in ("reflectance", "clear") if n in cube]].isel(
        time=slice(plan.positions[0], plan.positions[-1] + 1),
        band=[known.index(b) for b in chosen],
    )
    for members, pixels, clear in _read(part, row[wanted], column[wanted]):
        made, seen[members] = prepare_series(pixels, clear, dates=dates, year=plan)
        series[members] = np.moveaxis(made, -1, 0)
    counts = {
        "points_given": len(inside),
        "points_outside": int((~inside).sum()),
        "points_unlabelled": int((inside & ~labelled).sum()),
        "points_unseen": int((~seen).sum()),
    }
    kept = wanted[seen]
    _report(cube, table, kept, counts)
    if kept.size >= _ENOUGH_TO_JUDGE_SCALE:
        check_scale(series[seen])
    samples = _dataset(table, kept, series[seen], plan=plan, dates=dates, bands=chosen)
    samples["y"] = ("sample", cube["y"].values[row[kept]], {"units": "m"})
    samples["x"] = ("sample", cube["x"].values[column[kept]], {"units": "m"})
    return samples.assign_attrs(crs_wkt=crs_of(cube), **counts)


def _only_year(times: NDArray[np.datetime64], dates: Dates) -> int:
    covered = years_covered(times, start_month=dates.start_month)
    if len(covered) != 1:
        raise SampleError(
            f"this cube covers {len(covered)} whole mapped years "
            f"({', '.join(map(str, covered)) or 'none'}) that begin in month {dates.start_month}; "
            "expected one. Pass year=... to say which to sample, or another start_month."
        )
    return covered[0]


def _pixels(
    cube: xr.Dataset, table: PointTable
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Row and column of the pixel that contains each point, and whether there is one."""
    step_x, _, left, _, step_y, top = affine_of(cube)
    row, column = (table.y - top) / step_y, (table.x - left) / step_x
    # Comparisons are False for NaN: a point without position lies outside.
    inside = (row >= 0) & (row < cube.sizes["y"]) & (column >= 0) & (column < cube.sizes["x"])
    return (
        np.where(inside, row, 0).astype(np.int64),
        np.where(inside, column, 0).astype(np.int64),
        inside,
    )


def _read(
    part: xr.Dataset, row: NDArray[np.int64], column: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8] | None]]:
    """Pixels of the points, chunk by chunk: members, (time, band, member), (time, member)."""
    edges = {dim: _edges(part, dim) for dim in ("y", "x")}
    block = [
        np.searchsorted(edges[dim], place, side="right") - 1
        for dim, place in (("y", row), ("x", column))
    ]
    order = np.lexsort((block[1], block[0]))
    change = np.diff(block[0][order]) | np.diff(block[1][order])
    for members in np.split(order, np.flatnonzero(change) + 1):
        if not members.size:
            return
        corner = {"y": int(row[members].min()), "x": int(column[members].min())}
        far = {"y": int(row[members].max()), "x": int(column[members].max())}
        square = part.isel({d: slice(corner[d], far[d] + 1) for d in corner})
        if part["reflectance"].chunks is None:
            # Read as a rectangle: picking points from a store one by one is far slower.
            square = square.load()
        picked = square.isel(
            y=xr.DataArray(row[members] - corner["y"], dims="member"),
            x=xr.DataArray(column[members] - corner["x"], dims="member"),
        ).compute()
        reflectance = picked["reflectance"].transpose("time", "band", "member")
        clear = picked["clear"].transpose("time", "member") if "clear" in picked else None
        yield members, _physical(reflectance), None if clear is None else clear.to_numpy()


def _edges(part: xr.Dataset, dim: str) -> NDArray[np.int64]:
    """First positions of the parts to read: chunks, or unions of them that all variables share."""
    common: NDArray[np.int64] | None = None
    for variable in part.data_vars.values():
        lengths = variable.chunksizes.get(dim) if variable.chunks is not None else None
        if lengths is None:
            side = (variable.encoding.get("preferred_chunks") or {}).get(dim, _SIDE)
            starts = np.arange(0, part.sizes[dim], side)
        else:
            starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        common = starts if common is None else np.intersect1d(common, starts)
    return np.zeros(1, np.int64) if common is None else common


def _physical(reflectance: xr.DataArray) -> NDArray[np.float32]:
    values = np.array(reflectance.to_numpy())
    if not is_raw(reflectance):
        return values.astype(np.float32, copy=False)
    attrs = {**reflectance.encoding, **reflectance.attrs}
    scale, fill = attrs.get("scale_factor", SCALE), attrs.get("_FillValue", NODATA)
    return decode(values, scale=scale, fill=fill, dtype=np.float32)


def _report(
    cube: xr.Dataset, table: PointTable, kept: NDArray[np.int64], counts: dict[str, int]
) -> None:
    """Warn of what was left out; raise if nothing is left."""
    text = (
        f"of {counts['points_given']} points, {counts['points_outside']} lie outside the cube, "
        f"{counts['points_unlabelled']} have no label and {counts['points_unseen']} lie on pixels "
        "that were never clear in the year"
    )
    if not kept.size:
        spans = [
            f"{d} {cube[d].values.min():g} to {cube[d].values.max():g}, points "
            + (f"{np.nanmin(v):g} to {np.nanmax(v):g}" if np.isfinite(v).any() else "nowhere")
            for d, v in (("y", table.y), ("x", table.x))
        ]
        raise SampleError(
            f"no sample is left: {text}. The cube: {'; '.join(spans)} (metres of the cube's "
            "system). Check the reference system of the points, and the year."
        )
    empty = [
        f"{name} ({task})"
        for task, legend in table.legends.items()
        for class_id, name in zip(legend.ids, legend.names, strict=True)
        if not (table.labels[task][kept] == class_id).any()
    ]
    left_out = kept.size < counts["points_given"]
    if left_out or empty:
        missing = f"classes without any sample: {', '.join(empty)}" if empty else ""
        said = "; ".join(filter(None, [f"{text}; left out" if left_out else "", missing]))
        warnings.warn(f"{said}.", stacklevel=3)


def _dataset(
    table: PointTable,
    kept: NDArray[np.int64],
    series: NDArray[np.float32],
    *,
    plan: YearDates,
    dates: Dates,
    bands: Sequence[str],
) -> xr.Dataset:
    first, _ = year_bounds(plan.year, start_month=dates.start_month)
    days = np.array(plan.days, np.int32)
    variables: dict[str, Any] = {
        "reflectance": (("sample", "time", "band"), series, {"long_name": "reflectance"}),
        "weight": ("sample", table.weight[kept]),
        "point_id": ("sample", table.point_id[kept]),
        "year": ("sample", np.full(kept.size, plan.year, np.int32)),
    }
    for task, legend in table.legends.items():
        variables[task] = ("sample", table.labels[task][kept], legend.flags())
    coords = {
        "time": (first + days.astype("timedelta64[D]")).astype("datetime64[ns]"),
        "day": ("time", days, {"long_name": "days since the first day of the mapped year"}),
        "band": ("band", np.array(bands, np.dtypes.StringDType())),
    }
    attrs = {"dates": json.dumps(dates_to_dict(dates)), "tasks": " ".join(table.legends)}
    return xr.Dataset(variables, coords, attrs)
