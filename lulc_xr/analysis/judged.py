"""Judged points: a class map beside what was seen on the ground, one row per point."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.judged_columns import (
    by_class,
    carried_columns,
    map_columns,
    reference_of,
    second_key_of,
    through,
)
from lulc_xr.analysis.legend_matching import MatchedLegends, Walks, match_legends
from lulc_xr.analysis.map_fields import (
    blocks_of,
    fields_of,
    place_points,
)
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.points import DEFAULT_TASK, Points

Kept = Literal["outside", "unlabelled", "unmapped", "ambiguous"]
_KEPT: tuple[Kept, ...] = ("outside", "unlabelled", "unmapped", "ambiguous")
_MOST_NAMED = 6


def judge_points(
    maps: xr.Dataset | xr.DataArray,
    points: Points,
    *,
    task: str = DEFAULT_TASK,
    labels: str | None = None,
    legend: Legend | None = None,
    crosswalk: Walks = None,
    key: str | None = None,
    year: int | None = None,
    tolerance: int | Sequence[int] = (0, 1),
    region: str | None = None,
    block: float | None = None,
    carry: Sequence[str] = (),
    keep: Sequence[Kept] = ("unmapped", "ambiguous"),
) -> pd.DataFrame:
    """Points with the class of the map at their place: the table that all accuracy works on.

    Each chunk of the map that holds a point is read once, and no other; only the values at the
    points are held. Whatever the chunks and the scheduler, the table is the same.

    Parameters
    ----------
    maps : xr.Dataset or xr.DataArray
        What :func:`lulc_xr.classify` or :func:`lulc_xr.open_cube` give, or a class map such as
        that of :func:`lulc_xr.open_class_map`; over (y, x), with `year` or without, with the
        legend as CF flags.
    points : GeoDataFrame, DataFrame or xr.Dataset
        A GeoDataFrame in any system; or a table or Dataset with `x` and `y` in the map's. The
        pixel that contains a point is taken. Columns `point_id` (default: row number), `stratum`,
        `weight`, `cluster`, `region` and `passes_filter` are kept.
    task : str
        Name of the class map.
    labels : str, optional
        Column of the points' class ids (255 or missing: no label). Default: the task's name.
    legend : Legend, optional
        Legend of the points. Default: the one they carry.
    crosswalk : pair of str, Crosswalk, or a list of these, optional
        Where the two legends differ: from the legend of one side to that of the other, or one
        for each side to a third.
    key : str, optional
        Column of the points with the second key of their crosswalk, such as "lu1".
    year : int, optional
        Mapped year. Default: of a map with several years that of each point (column `year`, or
        the one that holds its `survey_date`), or the last if points say none.
    tolerance : int or sequence of int
        Pixels: 0, or 1 as well: column `mapped_near` is the point's class if that occurs among
        the 3 x 3 pixels around, as LC-SLab counts it.
    region : str, optional
        Column with the name of a region (:func:`lulc_xr.assign_regions`). Default: `region`.
    block : float, optional
        Side in metres of the blocks for a bootstrap: column `block`. In the map's system if
        that is in metres, else in EPSG:3035.
    carry : sequence of str
        Further columns to keep.
    keep : sequence of str
        Points to keep of those that are counted apart: "outside" the map, "unlabelled",
        "unmapped" (they count as wrong), "ambiguous" (the crosswalk says nothing of the map's
        class there: not mapped). The others are left out.

    Returns
    -------
    pandas.DataFrame
        One row per point, in the order given: `mapped` and `reference` uint8 class ids of one
        legend, 255 for none; `x`, `y` in the map's system; `mapped_near`, `region`, `block` and
        what is carried; `entropy`, `set_size`, `dissimilarity`, `probability_<class>` and the
        like where the map has them. ``attrs``: `legend` (:meth:`Legend.to_dict`), `crs`,
        `counts` (how many were given, judged and left out), `only_map` and `only_reference`
        (classes that one side alone can have), `ambiguous` (points of each class that the
        crosswalk says nothing of).

    Raises
    ------
    SampleError
        If no point lies on the map, or a column is missing.
    LegendError
        If the legends do not go together (the message offers the crosswalk), or one is missing.
    CubeError
        If the map has no such task or year, or is not of class ids.

    Warns
    -----
    UserWarning
        If points are left out, are of another year, or have classes that the map cannot have.

    References
    ----------
    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab. International Journal of Applied Earth
    Observation and Geoinformation 152, 105476. (tolerance of one pixel)

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> axis = np.array([5.0, 15.0])
    >>> ids = np.array([[0, 1], [1, 255]], np.uint8)
    >>> made = xr.DataArray(ids, {"y": axis[::-1], "x": axis}, ("y", "x"), attrs=legend.flags())
    >>> seen = pd.DataFrame({"x": [4.0, 12.0], "y": [15.0, 16.0], "land_cover": [0, 0]})
    >>> judge_points(made, seen, legend=legend)[["mapped", "mapped_near", "reference"]].values
    array([[0, 0, 0],
           [1, 0, 0]], dtype=uint8)
    """
    unknown = [word for word in keep if word not in _KEPT]
    if unknown:
        raise SampleError(name_unknown("kind of points to keep", unknown[0], _KEPT))
    reach = _reach(tolerance)
    fields = fields_of(maps, task)
    seen, given = reference_of(points, task, labels=labels, legend=legend)
    matched = match_legends(fields.legend, given, crosswalk)
    reference = through(matched.of_points, seen, second_key_of(points, key, matched.of_points))
    where = place_points(fields, points, year)
    chosen = np.flatnonzero(
        ((where.inside & where.dated) | (~where.inside & ("outside" in keep)))
        & ((reference != FILL_CLASS) | ("unlabelled" in keep))
    )
    columns: dict[str, Any] = {"reference": reference[chosen]}
    columns |= {"x": where.x[chosen], "y": where.y[chosen]}
    columns |= carried_columns(points, chosen, region=region, carry=carry)
    if block is not None:
        columns["block"] = blocks_of(columns["x"], columns["y"], crs=fields.crs, side=block)
    found, raw = map_columns(fields, matched, where, chosen, reference[chosen], reach=reach)
    judged = pd.DataFrame({"mapped": found.pop("mapped"), **columns, **found})
    lost = judged["mapped"].to_numpy() == FILL_CLASS
    unmapped = lost & (raw == FILL_CLASS) & where.inside[chosen]
    ambiguous = lost & (raw != FILL_CLASS)
    dropped = (unmapped & ("unmapped" not in keep)) | (ambiguous & ("ambiguous" not in keep))
    lost_labels = seen[(seen != FILL_CLASS) & (reference == FILL_CLASS)]
    counts = {
        "given": where.x.size,
        "judged": (~dropped).sum(),
        "outside": (~where.inside).sum(),
        "year_not_mapped": (where.inside & ~where.dated).sum(),
        "of_another_year": where.other_year,
        "unlabelled": (where.inside & where.dated & (reference == FILL_CLASS)).sum(),
        "unmapped": unmapped.sum(),
        "ambiguous": ambiguous.sum(),
    }
    kept: pd.DataFrame = judged.loc[~dropped].reset_index(drop=True)
    kept.attrs = {
        "task": task,
        "crs": fields.crs or "",
        "years": list(fields.years) if year is None else [year],
        "tolerance": reach,
        **_legend_attrs(matched),
        "counts": {name: int(number) for name, number in counts.items()},
        "ambiguous": {
            "map": by_class(raw[ambiguous], fields.legend),
            "reference": by_class(lost_labels, given),
        },
    }
    _warn(kept, keep)
    return kept


def _reach(tolerance: int | Sequence[int]) -> int:
    """The tolerance in pixels beside 0."""
    given = [tolerance] if isinstance(tolerance, int) else list(tolerance)
    if not given or not set(given) <= {0, 1}:
        raise SampleError(
            f"tolerance={tolerance!r}; expected 0, or (0, 1) to count a class as mapped as well "
            "where one of the 3 x 3 pixels around the point has it."
        )
    return max(given)


def _legend_attrs(matched: MatchedLegends) -> dict[Hashable, Any]:
    return {
        "legend": matched.legend.to_dict(),
        "crosswalk": [list(step) for step in matched.steps],
        "only_map": list(matched.only_map),
        "only_reference": list(matched.only_points),
    }


def _warn(judged: pd.DataFrame, keep: Sequence[Kept]) -> None:
    """One warning of what was left out, is of another year, or cannot be right."""
    counts, ambiguous = judged.attrs["counts"], judged.attrs["ambiguous"]
    said = [
        f"{counts[name]} {words}"
        for name, words, kept in (
            ("outside", "outside the map", "outside" in keep),
            ("year_not_mapped", "of years that are not mapped", False),
            ("unlabelled", "without a label", "unlabelled" in keep),
            ("unmapped", "where nothing is mapped", "unmapped" in keep),
            ("ambiguous", "where the crosswalk says nothing of the map's class",
             "ambiguous" in keep),
        )
        if counts[name] and not kept
    ]  # fmt: skip
    sentences = []
    if said:
        sentences.append(
            f"{counts['given'] - len(judged)} of {counts['given']} points left out: "
            f"{', '.join(said)}."
        )
    if ambiguous["map"] and "ambiguous" in keep:
        sentences.append(
            f"The crosswalk says nothing of {_listed(ambiguous['map'])} on the map: "
            f"{counts['ambiguous']} points count as not mapped, and so as wrong; "
            "keep=('unmapped',) leaves them out."
        )
    if ambiguous["reference"]:
        sentences.append(f"The crosswalk says nothing of labels {_listed(ambiguous['reference'])}.")
    if counts["of_another_year"]:
        sentences.append(
            f"{counts['of_another_year']} points are of another year than the map's "
            f"{judged.attrs['years'][0]}; year={judged.attrs['years'][0]} says that this is meant."
        )
    legend = Legend.from_dict(judged.attrs["legend"])
    for side, other, names in (
        ("reference", "map", judged.attrs["only_reference"]),
        ("mapped", "reference", judged.attrs["only_map"]),
    ):
        there = by_class(judged[side].to_numpy(np.uint8), legend)
        wrong = {name: there[name] for name in names if name in there}
        if wrong:
            sentences.append(
                f"Classes that the {other} cannot have: {_listed(wrong)}; these points count as "
                "wrong whatever the map says. Give crosswalk= if the legends differ in detail."
            )
    if sentences:
        warnings.warn(" ".join(sentences), stacklevel=3)


def _listed(numbers: Mapping[str, int]) -> str:
    words = [f"{name} ({number})" for name, number in sorted(numbers.items(), key=lambda n: -n[1])]
    more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return ", ".join(words[:_MOST_NAMED]) + more
