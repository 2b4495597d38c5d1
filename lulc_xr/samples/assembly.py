"""From what was read to samples: variables, coordinates, and word of the points left out."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT, context_at
from lulc_xr.core.cube import crs_of
from lulc_xr.core.dates import RawDates, dates_to_dict, year_bounds
from lulc_xr.core.errors import SampleError
from lulc_xr.samples.plan import SamplePlan

PATCH_DIMS = ("patch_y", "patch_x")
"""Dimensions of a patch: `y` and `x` are the places of samples."""

LABELLED = {"long_name": "1 where the label may hold for the pixel"}
"""Attributes of `labelled`."""

_DAY = {"long_name": "days since the first day of the mapped year"}


def usable(
    plan: SamplePlan, chosen: NDArray[np.int64], seen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """True for samples of which a pixel that the label holds for was seen, (sample,)."""
    labelled = plan.labelled(chosen)
    if labelled is None:
        middle: NDArray[np.bool_] = seen[:, plan.patch // 2, plan.patch // 2]
        return middle
    return np.asarray((seen & (labelled != 0)).any(axis=(1, 2)))


def make_samples(
    plan: SamplePlan, kept: NDArray[np.int64], series: NDArray[np.float32] | None
) -> xr.Dataset:
    """Samples of a plan as a dataset.

    Parameters
    ----------
    plan : SamplePlan
        What was read.
    kept : ndarray of int
        Positions of the samples in the plan.
    series : ndarray of float32 or None
        (sample, time, band, y, x); None leaves out `reflectance` and `labelled`, which a
        store gets batch after batch.
    """
    table, point = plan.table, plan.point[kept]
    variables: dict[str, Any] = {}
    if series is not None:
        dims = ("sample", "time", "band", *(PATCH_DIMS if plan.patch > 1 else ()))
        shaped = series if plan.patch > 1 else series[..., 0, 0]
        variables["reflectance"] = (dims, shaped, {"long_name": "reflectance"})
        labelled = plan.labelled(kept)
        if labelled is not None:
            variables["labelled"] = (("sample", *PATCH_DIMS), labelled, LABELLED)
    variables |= {
        "weight": ("sample", table.weight[point]),
        "point_id": ("sample", table.point_id[point]),
        "year": ("sample", plan.year[kept].astype(np.int32)),
    }
    variables |= {name: ("sample", values[point]) for name, values in table.kept.items()}
    for task, legend in table.legends.items():
        variables[task] = ("sample", table.labels[task][point], legend.flags())
    for name, place in (("y", plan.row), ("x", plan.column)):
        variables[name] = ("sample", plan.cube[name].values[place[kept]], {"units": "m"})
    coords: dict[str, Any] = {"band": ("band", np.array(plan.bands, np.dtypes.StringDType()))}
    coords |= _time_axis(plan, kept)
    if plan.patch > 1:
        offset = np.arange(plan.patch, dtype=np.int32) - plan.patch // 2
        coords |= {
            name: (name, offset, {"long_name": f"pixels {way} from the middle"})
            for name, way in zip(PATCH_DIMS, ("down", "right"), strict=True)
        }
    made = xr.Dataset(variables, coords)
    if CONTEXT in plan.cube:
        made = made.merge(_context(plan.cube, made["x"].values, made["y"].values))
    made.attrs = {
        "dates": json.dumps(dates_to_dict(plan.dates)),
        "tasks": " ".join(table.legends),
        "crs_wkt": crs_of(plan.cube),
        **plan.counts,
    }
    return made


def report_losses(plan: SamplePlan, samples: xr.Dataset, unseen: int) -> None:
    """Warn of what was left out; raise SampleError if nothing is left."""
    counts, number = plan.counts, samples.sizes["sample"]
    parts = [
        f"{counts['points_outside']} lie outside the cube",
        f"{counts['points_unlabelled']} have no label",
    ]
    if plan.uncovered:
        years = ", ".join(
            f"{year or 'none given'}: {lost}" for year, lost in sorted(plan.uncovered.items())
        )
        parts.append(f"{sum(plan.uncovered.values())} have a year it does not cover ({years})")
    last = f"{unseen} lie on pixels that were never clear in the year"
    text = f"of {counts['points_given']} points, {', '.join(parts)} and {last}"
    if not number:
        raise SampleError(
            f"no sample is left: {text}. The cube: {_spans(plan)} (metres of the cube's "
            "system). Check the reference system of the points, and the year."
        )
    empty = [
        f"{name} ({task})"
        for task, legend in plan.table.legends.items()
        for class_id, name in zip(legend.ids, legend.names, strict=True)
        if not (samples[task].values == class_id).any()
    ]
    left_out = unseen or any(v for k, v in counts.items() if k != "points_given")
    if left_out or empty:
        missing = f"classes without any sample: {', '.join(empty)}" if empty else ""
        said = "; ".join(filter(None, [f"{text}; left out" if left_out else "", missing]))
        warnings.warn(f"{said}.", stacklevel=3)


def _context(cube: xr.Dataset, x: NDArray[np.float64], y: NDArray[np.float64]) -> xr.Dataset:
    """Context of the cube at the samples, in raw units."""
    names = np.array([str(n) for n in cube["bioclim_variable"].values], np.dtypes.StringDType())
    values = context_at(cube[CONTEXT], x, y, crs=crs_of(cube)).T
    attrs = {"long_name": "bioclimate of the place"}
    return xr.Dataset(
        {CONTEXT: (("sample", "bioclim_variable"), values, attrs)},
        {"bioclim_variable": ("bioclim_variable", names)},
    )


def _spans(plan: SamplePlan) -> str:
    """Where cube and points lie, for a message."""
    spans = [
        f"{d} {plan.cube[d].values.min():g} to {plan.cube[d].values.max():g}, points "
        + (f"{np.nanmin(v):g} to {np.nanmax(v):g}" if np.isfinite(v).any() else "nowhere")
        for d, v in (("y", plan.table.y), ("x", plan.table.x))
    ]
    return "; ".join(spans)


def _time_axis(plan: SamplePlan, kept: NDArray[np.int64]) -> dict[str, Any]:
    """Coordinates of the dates: shared by all samples where they can be."""
    if len(plan.years) == 1:
        (year,) = plan.years.values()
        first, _ = year_bounds(year.year, start_month=plan.dates.start_month)
        days = np.array(year.days, np.int32)
        return {
            "time": (first + days.astype("timedelta64[D]")).astype("datetime64[ns]"),
            "day": ("time", days, _DAY),
        }
    padded = np.zeros((len(plan.years), plan.length), np.int32)
    for number, year in enumerate(plan.years.values()):
        # Beyond its last date a year has NaN; the day stays, so that days never run backwards.
        padded[number, : len(year.days)] = year.days
        padded[number, len(year.days) :] = year.days[-1]
    if len(padded) and (padded == padded[0]).all() and not isinstance(plan.dates, RawDates):
        return {"day": ("time", padded[0], _DAY)}
    which = np.searchsorted(list(plan.years), plan.year[kept])
    return {"day": (("sample", "time"), padded[which], _DAY)}
