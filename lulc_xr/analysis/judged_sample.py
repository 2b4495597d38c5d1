"""Mapped and true classes as a survey sample: from points, from samples, from counted rasters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.class_areas import class_areas
from lulc_xr.analysis.confusion import align, confusion_counts
from lulc_xr.analysis.design import MAPPED, Design
from lulc_xr.analysis.design_columns import Totals, totals_in_order
from lulc_xr.analysis.judged import judge_points
from lulc_xr.analysis.survey import SurveySample
from lulc_xr.core.errors import CubeError, LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend

_UNITS = {"m2": "area_m2", "ha": "area_ha", "km2": "area_km2", "pixels": "pixels"}


def sample_of_counts(counts: NDArray[np.int64]) -> SurveySample:
    """Counts (class or not mapped, class) as a simple random sample of pixels."""
    rows, columns = np.nonzero(counts)
    return SurveySample(
        stratum=np.zeros(rows.size, np.int64),
        cell=(rows * counts.shape[1] + columns).astype(np.int64),
        cells=counts.size,
        weight=np.ones(rows.size),
        number=counts[rows, columns].astype(np.int64),
        strata=("all",),
    )


def judge_for(
    class_map: xr.DataArray, points: pd.DataFrame, *, legend: Legend | None, design: Design | None
) -> tuple[pd.DataFrame, Design | None]:
    """Points judged by a class map, and their design with the areas of the map's classes.

    Parameters
    ----------
    class_map : xr.DataArray of int
        Class ids over (y, x).
    points : DataFrame or GeoDataFrame
        Labelled points with the columns of the design.
    legend : Legend or None
        Of the points, if it is not theirs or the map's.
    design : Design or None
        Where its strata are classes of the map whose areas are not given, the map is counted.
    """
    asked = [] if design is None else [
        design.strata, design.weights, design.clusters, design.post_strata
    ]  # fmt: skip
    named = [c for c in asked if isinstance(c, str) and c != MAPPED and c in points]
    judged = judge_points(class_map, points, legend=legend, tolerance=0, carry=named)
    if design is not None and design.uses_map:
        known = legend or Legend.from_flags(class_map.attrs)
        design = _with_areas(design, class_map, known, None)
    return judged, design


def arrays_of_points(
    points: pd.DataFrame, *, mapped: str = "mapped", reference: str = "reference"
) -> tuple[xr.DataArray, xr.DataArray]:
    """Mapped and true class ids of judged points, with their other columns as coordinates.

    Raises
    ------
    SampleError
        If a column is missing.
    """
    for name in (mapped, reference):
        if name not in points:
            raise SampleError(
                f"judged points: {name_unknown('column', name, map(str, points.columns))} Make "
                "them with lulc_xr.judge_points, or name the columns 'mapped' and 'reference'."
            )
    coords = {
        str(name): ("sample", points[name].to_numpy())
        for name in points.columns
        if name not in (mapped, reference, "geometry")
    }
    flags = _flags(points)
    predicted, true = (
        xr.DataArray(_ids(points[name]), dims="sample", attrs=flags) for name in (mapped, reference)
    )
    return predicted.assign_coords(coords), true


def survey_sample(
    predicted: xr.DataArray,
    reference: xr.DataArray,
    legend: Legend,
    *,
    design: Design,
    mask: xr.DataArray | None = None,
) -> tuple[SurveySample, Design, int]:
    """The sample, the design with the areas that were counted, and how many labels are left out.

    Raises
    ------
    CubeError, LegendError, SampleError
        See :func:`lulc_xr.accuracy` and :class:`lulc_xr.Design`.
    """
    given = {"predicted": predicted, "reference": reference}
    arrays = align(given if mask is None else {**given, "mask": mask})
    if design.uses_map:
        design = _with_areas(design, predicted, legend, mask)
    plain = (design.weights, design.clusters, design.post_strata)
    if design.uses_map and all(item is None for item in plain):
        counts = confusion_counts(predicted, reference, legend, mask=mask).compute().values
        return _of_map_strata(counts, legend, design), design, int(counts[-1].sum())
    first = arrays["predicted"]
    if first.ndim > 1 and any(da.chunks is not None for da in arrays.values()):
        raise CubeError(
            "a raster in chunks can be judged by a design only if its strata are the map's own "
            "classes, without weights and clusters. Judge it at its points first: "
            "lulc_xr.judge_points(map, points), and pass the table."
        )
    sample, left_out = _of_points(arrays, legend, design)
    return sample, design, left_out


def _of_map_strata(counts: NDArray[np.int64], legend: Legend, design: Design) -> SurveySample:
    """Counts (class or not mapped, class) as a sample stratified by the mapped class."""
    mapped = counts[:-1]
    drawn = np.flatnonzero(mapped.sum(axis=1))
    names = tuple(legend.names[i] for i in drawn)
    if not names:
        raise SampleError("no labelled pixel is mapped; there is nothing to judge.")
    rows, columns = np.nonzero(mapped)
    sample = SurveySample(
        stratum=np.searchsorted(drawn, rows).astype(np.int64),
        cell=(rows * counts.shape[1] + columns).astype(np.int64),
        cells=counts.size,
        weight=np.ones(rows.size),
        number=mapped[rows, columns].astype(np.int64),
        strata=names,
        stratum_total=totals_in_order("stratum", names, design.stratum_area),
        lonely=design.lonely,
    )
    return design.with_population(sample)


def _of_points(
    arrays: Mapping[str, xr.DataArray], legend: Legend, design: Design
) -> tuple[SurveySample, int]:
    first = arrays["predicted"]
    columns: dict[str, Any] = {}
    for da in (arrays["reference"], first):
        for name, coord in da.coords.items():
            if coord.dims and set(coord.dims) <= set(first.dims):
                columns[str(name)] = coord.broadcast_like(first).values.reshape(-1)
    row, column = (
        legend.index_of(arrays[name].values.reshape(-1)).astype(np.int64)
        for name in ("predicted", "reference")
    )
    labelled = column >= 0
    if "mask" in arrays:
        labelled &= arrays["mask"].values.reshape(-1)
    keep = labelled
    if MAPPED not in columns:
        columns[MAPPED] = np.array([*legend.names, None], object)[row]
    if design.uses_map:
        keep = labelled & (row >= 0)
    number = len(legend)
    cell = np.where(row < 0, number, row) * number + np.maximum(column, 0)
    if first.ndim > 1:
        design = _flat(design, first.shape)
    sample = design.sample(cell, cells=(number + 1) * number, columns=columns, keep=keep)
    return sample, int(labelled.sum() - keep.sum())


def _flat(design: Design, shape: tuple[int, ...]) -> Design:
    """Values of a design over a grid as values over its pixels in turn."""
    changed: dict[str, Any] = {}
    for name in ("strata", "weights", "clusters", "post_strata"):
        value = getattr(design, name)
        if value is not None and not isinstance(value, str) and np.shape(value) == shape:
            changed[name] = np.asarray(value).reshape(-1)
    return replace(design, **changed)


def _with_areas(
    design: Design, predicted: xr.DataArray, legend: Legend, mask: xr.DataArray | None
) -> Design:
    """The design with areas of map classes by name; counted if they are not given."""
    if design.population is not None:
        design = replace(design, population=_by_name(design.population, legend))
    if design.stratum_area is not None:
        return replace(design, stratum_area=_by_name(design.stratum_area, legend))
    if design.weights is not None or design.post_strata is not None:
        return design
    if not {"y", "x"} <= set(predicted.dims):
        raise SampleError(
            "strata are the classes of the map, and their areas are not known from points alone. "
            "Pass stratum_area=lulc_xr.class_areas(class_map)['area_ha']."
        )
    unit = design.unit or "ha"
    if unit not in _UNITS:
        raise SampleError(name_unknown("unit of area", unit, _UNITS))
    areas = class_areas(predicted, legend=legend, mask=mask)[_UNITS[unit]]
    return replace(design, stratum_area=dict(areas.items()), unit=unit)


def _by_name(totals: Any, legend: Legend) -> Totals:
    if not isinstance(totals, Mapping | pd.Series):
        return totals  # type: ignore[no-any-return]
    names: dict[Any, str] = dict(zip(legend.ids, legend.names, strict=True))
    found = {}
    for key, value in totals.items():
        name = key if isinstance(key, str) else names.get(key)
        if name not in legend.names:
            raise LegendError(
                name_unknown("map class", key, legend.names)
                + " Strata are the classes of the map: name each by its class."
            )
        found[name] = float(value)
    return found


def _flags(points: pd.DataFrame) -> dict[str, Any]:
    legend = points.attrs.get("legend")
    return Legend.from_dict(legend).flags() if isinstance(legend, Mapping) else {}


def _ids(column: pd.Series) -> NDArray[np.uint8]:
    values = column.to_numpy()
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), FILL_CLASS, values)
    if values.dtype.kind not in "iuf" or ((values < 0) | (values > FILL_CLASS)).any():
        raise SampleError(
            f"column {column.name!r} is {column.dtype}; expected class ids 0-254, and "
            f"{FILL_CLASS} for none."
        )
    return values.astype(np.uint8)
