"""Area of each class from a plain table of points: strata, weights, clusters, intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lulc_xr.analysis.design import Design
from lulc_xr.analysis.design_accuracy import ScoreEstimates
from lulc_xr.analysis.design_columns import Column, Totals
from lulc_xr.analysis.intervals import Interval, check_interval
from lulc_xr.analysis.matrix_scores import PROPORTION, MatrixScores
from lulc_xr.analysis.survey import Lonely
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import FILL_CLASS, Legend


def estimate_area(
    reference: Column,
    strata: Column | None = None,
    stratum_area: Totals | None = None,
    weights: Column | None = None,
    *,
    table: pd.DataFrame | None = None,
    clusters: Column | None = None,
    population: float | Totals | None = None,
    post_strata: Column | None = None,
    post_stratum_area: Totals | None = None,
    lonely: Lonely = "refuse",
    legend: Legend | None = None,
    level: float = 0.95,
    interval: Interval = "wilson",
) -> pd.DataFrame:
    """Area of each class, as the reference at sampled points says.

    With the classes of a map as strata this is the stratified estimator of Olofsson et al. (2014),
    which corrects the mapped area for the errors of the map; with other strata that of Stehman
    (2014); with weights alone, Hájek's ratio.

    Parameters
    ----------
    reference : values or column name
        Class at each point, by name or id; missing (None, NaN, 255) where there is no label. Such
        points are left out, as if they had not been drawn.
    strata, stratum_area, weights, clusters, population, post_strata, post_stratum_area, lonely
        The design, see :class:`lulc_xr.Design`. Values over the points, or column names.
    table : pandas.DataFrame, optional
        Points, if columns are given by name.
    legend : Legend, optional
        Classes, and their order; by default those that occur.
    level : float
        Coverage of the intervals.
    interval : {"wilson", "normal", "logit", "bootstrap"}
        Kind of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row per class, with the columns `area`, `standard_error`, `low`, `high` (in the unit of
        the areas, or of the weights), `proportion`, `proportion_error`, `interval` and `samples`
        (points with that class). Without areas and weights, areas are NaN. Attributes: `level`,
        `total_area`, `design`, `left_out`.

    Raises
    ------
    SampleError
        See :class:`lulc_xr.Design`: weights that are not positive, strata without a sample or
        with one, areas of unknown strata.
    LegendError
        If a label is outside the legend.

    References
    ----------
    Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land
    change. Remote Sensing of Environment 148, 42-57.
    Stehman, S. V. (2014). Estimating area and map accuracy for stratified random sampling when
    the strata are different from the map classes. IJRS 35(13), 4923-4939.

    Examples
    --------
    >>> points = pd.DataFrame(
    ...     {
    ...         "stratum": ["plain"] * 4 + ["hills"] * 4,
    ...         "label": ["crop", "crop", "crop", "wood", "wood", "wood", "crop", "wood"],
    ...     }
    ... )
    >>> found = estimate_area("label", "stratum", {"plain": 600, "hills": 400}, table=points)
    >>> found[["area", "samples"]].round(1).to_dict("index")
    {'crop': {'area': 550.0, 'samples': 4}, 'wood': {'area': 450.0, 'samples': 4}}
    """
    check_interval(interval, level)
    design = Design(
        strata=strata, stratum_area=stratum_area, weights=weights, clusters=clusters,
        population=population, post_strata=post_strata, post_stratum_area=post_stratum_area,
        lonely=lonely,
    )  # fmt: skip
    columns: dict[str, Any] = {} if table is None else {str(n): table[n] for n in table.columns}
    labels = _values(reference, columns)
    position, names = _classes(labels, legend)
    keep = position >= 0
    number = len(names)
    # One mapped class only: the matrix is then the row of true classes.
    sample = design.sample(
        np.maximum(position, 0), cells=(number + 1) * number, columns=columns, keep=keep
    )
    estimates = ScoreEstimates(
        sample=sample, scores=MatrixScores(names=names), level=level, interval=interval
    )
    total = known_area(design, sample.totals().sum())
    found = estimates.to_dataframe(area=np.nan if total is None else total)
    shares = found[found["quantity"] == PROPORTION].set_index("class")
    areas = found[found["quantity"] == "area"].set_index("class")
    result = areas[["estimate", "standard_error", "low", "high"]].rename(
        columns={"estimate": "area"}
    )
    result["proportion"] = shares["estimate"]
    result["proportion_error"] = shares["standard_error"]
    result["interval"] = shares["interval"]
    result["samples"] = shares["samples"]
    result.attrs = {
        "level": level, "total_area": total, "design": design.statement,
        "left_out": int((~keep).sum()),
    }  # fmt: skip
    return result


def known_area(design: Design, total: float) -> float | None:
    """The whole area: None if neither areas nor weights say it."""
    given = (design.stratum_area, design.post_stratum_area, design.weights)
    return None if all(item is None for item in given) else float(total)


def _values(reference: Column, columns: dict[str, Any]) -> Any:
    if not isinstance(reference, str):
        return np.asarray(reference)
    if reference not in columns:
        raise SampleError(
            f"reference is the name {reference!r} and the table has "
            f"{', '.join(columns) or 'no columns'}. Pass table=, or the labels themselves."
        )
    return np.asarray(columns[reference])


def _classes(labels: Any, legend: Legend | None) -> tuple[Any, list[str]]:
    """Position of each label (-1 for none) and the names of the classes."""
    numeric = labels.dtype.kind in "iuf"
    if numeric:
        labels = np.where(np.isnan(labels) if labels.dtype.kind == "f" else False, 255, labels)
    if legend is None:
        missing = labels == FILL_CLASS if numeric else pd.isna(labels)
        known = np.where(missing, None, labels.astype(object))
        positions, names = pd.factorize(pd.Series(known, dtype=object), sort=True)
        if not len(names):
            raise SampleError("no point has a reference label; there is nothing to estimate.")
        return positions.astype(np.int64), [
            str(int(name)) if numeric else str(name) for name in names
        ]
    if numeric:
        return legend.index_of(labels).astype(np.int64), list(legend.names)
    positions = pd.Index(legend.names).get_indexer(labels)
    unknown = sorted({str(v) for v in labels[(positions < 0) & ~pd.isna(labels)]})
    if unknown:
        raise LegendError(
            f"labels outside legend {legend.name!r}: {', '.join(unknown)}. The legend has "
            f"{', '.join(legend.names)}."
        )
    return positions.astype(np.int64), list(legend.names)
