"""Columns of judged points: what points say, what the map says there, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.legend_matching import MatchedLegends
from lulc_xr.analysis.map_fields import PER_CLASS, MapFields, PlacedPoints
from lulc_xr.analysis.point_values import values_at
from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.cube import decode
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.points import Points, class_ids_of, columns_of

CARRIED = ("point_id", "stratum", "weight", "cluster", "region", "passes_filter")
"""Columns of points that judged points keep where they are there."""

_OWN = ("mapped", "mapped_near", "reference", "x", "y", "block")


def reference_of(
    points: Points, task: str, *, labels: str | None, legend: Legend | None
) -> tuple[NDArray[np.uint8], Legend]:
    """Class ids of points, shape (point,), and their legend.

    Raises
    ------
    SampleError
        If there is no such column.
    LegendError
        If there is no legend, or a label is not part of it.
    """
    table, carried = columns_of(points)
    column = labels or task
    known = legend or carried.get(column)
    if known is None and isinstance(points, pd.DataFrame):
        several = points.attrs.get("legends") or {}
        told = several.get(column) or several.get(task) or points.attrs.get("legend")
        known = Legend.from_dict(told) if told else None
    if column in table and known is None:
        raise LegendError(
            f"the points say nothing of the legend of {column!r}. Give legend=, for instance "
            "lulc_xr.legend('lucas_lc1_level1'), or label them with lulc_xr.lucas_labels."
        )
    # A missing column is named before a missing legend; the legend then does not matter.
    legend_or_any = known or Legend.from_names("none", ["none"])
    return class_ids_of(table, column, legend_or_any), legend_or_any


def second_key_of(points: Points, key: str | None, walk: Crosswalk | None) -> Any:
    """Second key of each point for its crosswalk; None without one.

    Raises
    ------
    SampleError
        If a column is named that is not there.
    LegendError
        If one is named and the crosswalk has no second key.
    """
    if key is None:
        return None
    if walk is None or walk.key is None:
        raise LegendError(
            f"key={key!r} names a second key, and no crosswalk of the points has one. Leave it out."
        )
    table, _ = columns_of(points)
    if key not in table:
        raise SampleError(name_unknown("column of the second key", key, table))
    return pd.Series(np.asarray(table[key], object))


def through(walk: Crosswalk | None, ids: NDArray[Any], key: Any = None) -> NDArray[np.uint8]:
    """Class ids brought to another legend, if there is a way to go."""
    return ids.astype(np.uint8) if walk is None else walk.map_labels(ids, key)


def carried_columns(
    points: Points, chosen: NDArray[np.int64], *, region: str | None, carry: Sequence[str]
) -> dict[str, Any]:
    """Columns of the points that judged points keep, for some points by number.

    Raises
    ------
    SampleError
        If one is not there, or has a name that judged points need.
    """
    table, _ = columns_of(points)
    taken = {name: name for name in CARRIED if name in table}
    if region is not None:
        taken["region"] = region
    for name in carry:
        if name in _OWN:
            raise SampleError(
                f"column {name!r} cannot be carried: judged points have a column {name!r} of "
                "their own. Rename it."
            )
        taken[name] = name
    for source in taken.values():
        if source not in table:
            raise SampleError(name_unknown("column to carry", source, table))
    made = {name: pd.Series(np.asarray(table[source])[chosen]) for name, source in taken.items()}
    return {"point_id": made.pop("point_id", pd.Series(chosen)), **made}


def map_columns(
    fields: MapFields,
    matched: MatchedLegends,
    where: PlacedPoints,
    chosen: NDArray[np.int64],
    reference: NDArray[np.uint8],
    *,
    reach: int,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """What the map says at some points, and the class ids of the map itself there.

    Parameters
    ----------
    fields : MapFields
        The map.
    matched : MatchedLegends
        How its class ids get to the legend of both sides.
    where : PlacedPoints
        Where all points lie.
    chosen : ndarray of int
        The points to judge, by number.
    reference : ndarray of uint8
        Their class ids.
    reach : int
        Tolerance in pixels.
    """
    on_map = where.inside[chosen]
    at = chosen[on_map]
    values = values_at(
        fields.maps, where.row[at], where.column[at], where.year[at], reach={fields.task: reach}
    )
    window: NDArray[np.uint8] = np.full((chosen.size, (2 * reach + 1) ** 2), FILL_CLASS, np.uint8)
    window[on_map] = values.pop(fields.task)
    raw = window[:, window.shape[1] // 2]
    near = through(matched.of_map, window)
    mapped = near[:, near.shape[1] // 2]
    made: dict[str, NDArray[Any]] = {"mapped": mapped}
    if reach:
        hit = (near == reference[:, None]).any(axis=1) & (reference != FILL_CLASS)
        made["mapped_near"] = np.where(hit, reference, mapped)
    for name, found in values.items():
        made |= _values_by_column(fields, name, found, on_map, matched.of_map)
    return made, raw


def by_class(ids: NDArray[np.uint8], legend: Legend) -> dict[str, int]:
    """Number of points of each class that occurs, by name."""
    number = np.bincount(ids, minlength=FILL_CLASS + 1)
    return {n: int(number[i]) for i, n in zip(legend.ids, legend.names, strict=True) if number[i]}


def _values_by_column(
    fields: MapFields,
    name: str,
    values: NDArray[Any],
    on_map: NDArray[np.bool_],
    walk: Crosswalk | None,
) -> Mapping[str, NDArray[Any]]:
    """Values of one variable at points as columns; missing where a point is not on the map."""
    var = fields.maps[name]
    coded = {**var.encoding, **var.attrs}
    if values.dtype.kind in "iu" and "scale_factor" in coded:
        values = decode(
            values, scale=coded["scale_factor"], fill=coded.get("_FillValue"), dtype=np.float32
        )
    per_class = values.ndim > 1
    columns = fields.columns(name)
    if per_class and walk is not None:
        ending = name.removeprefix(f"{fields.task}_")
        if ending != PER_CLASS[0]:
            # A set of classes is no set in another legend.
            return {}
        values = np.moveaxis(walk.map_probabilities(np.moveaxis(values, 1, 0)), 0, 1)
        columns = tuple(f"{ending}_{one}" for one in walk.target.names)
    missing = np.nan if values.dtype.kind == "f" else FILL_CLASS
    shape = (on_map.size, len(columns))
    whole: NDArray[Any] = np.full(shape, missing, values.dtype)
    whole[on_map] = values if per_class else values[:, None]
    return dict(zip(columns, whole.T, strict=True))
