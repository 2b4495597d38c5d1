"""Scores of several models over several seeds: means, intervals, paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from lulc_xr.analysis.accuracy import Accuracy
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend


def mean_and_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float]:
    """Mean, and half the width of its t interval.

    Parameters
    ----------
    values : sequence of float
        One score per seed, taken as independent draws from a normal distribution.
    level : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    mean, half_width : float
        The interval is mean - half_width to mean + half_width. `half_width` is NaN for a
        single value, whose spread is unknown; both are NaN if a value is.

    Raises
    ------
    SampleError
        If there is no value, or `level` is not between 0 and 1.

    References
    ----------
    Student (1908). The probable error of a mean. Biometrika 6(1), 1-25.

    Examples
    --------
    >>> mean, half_width = mean_and_interval([0.80, 0.82, 0.84])
    >>> round(mean, 3), round(half_width, 3)
    (0.82, 0.05)
    """
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")
    given = np.asarray(values, np.float64)
    if not given.size:
        raise SampleError("no value to take the mean of; give one score per seed.")
    if given.size == 1:
        return float(given[0]), math.nan
    quantile = stdtrit(given.size - 1, (1 + level) / 2)
    half_width = quantile * given.std(ddof=1) / math.sqrt(given.size)
    return float(given.mean()), float(half_width)


def compare(results: Mapping[str, Sequence[Accuracy]], *, level: float = 0.95) -> pd.DataFrame:
    """Scores of several models over the same seeds, each later model against the first.

    The intervals speak of other seeds (other training points, other initial weights) on the
    same reference pixels; they say nothing of other places or years.

    Parameters
    ----------
    results : mapping of str to sequence of Accuracy
        Accuracies by name of the model, one per seed, seeds in the same order for all.
    level : float
        Coverage of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row per score ('overall accuracy', 'macro F1', 'F1 <class>'); columns
        (model, 'mean') and (model, 'interval'), and for each later model
        ('<model> - <first>', ...), the mean and interval of the differences seed by seed.
        A seed whose reference lacks a class is left out of that class's row. Attributes
        `level`, `seeds` and `weighted`.

    Raises
    ------
    SampleError
        If a model has no result, numbers of seeds differ, or two results of one seed were
        judged on different reference pixels.
    LegendError
        If legends differ.
    """
    legend = _check_comparable(results)
    scores = {name: _scores(accuracies, legend) for name, accuracies in results.items()}
    first = next(iter(scores))
    for name in list(scores)[1:]:
        scores[f"{name} - {first}"] = scores[name] - scores[first]
    columns = {}
    for name, table in scores.items():
        pairs = [_over_seeds(row, level) for row in table.to_numpy()]
        columns[(name, "mean")] = [mean for mean, _ in pairs]
        columns[(name, "interval")] = [half_width for _, half_width in pairs]
    frame = pd.DataFrame(columns, index=scores[first].index)
    frame.columns.names = ["model", None]
    weighted = any(a.weighted for accuracies in results.values() for a in accuracies)
    frame.attrs = {"level": level, "seeds": len(results[first]), "weighted": weighted}
    return frame


def _check_comparable(results: Mapping[str, Sequence[Accuracy]]) -> Legend:
    empty = [name for name, accuracies in results.items() if not accuracies]
    if not results or empty:
        raise SampleError(
            f"no result{f' of {empty[0]!r}' if empty else ''} to compare; give one Accuracy per "
            "seed for every model."
        )
    first, *others = results
    for name in others:
        if len(results[name]) != len(results[first]):
            raise SampleError(
                f"{first!r} has {len(results[first])} seeds and {name!r} has "
                f"{len(results[name])}: differences are taken seed by seed. Give the same seeds."
            )
        for seed, (a, b) in enumerate(zip(results[first], results[name], strict=True)):
            if a.legend == b.legend and not np.array_equal(a.support, b.support):
                raise SampleError(
                    f"{first!r} and {name!r} were judged on different reference pixels at position "
                    f"{seed} ({a.total:g} and {b.total:g}). Give the seeds in the same order, and "
                    "the same mask to both."
                )
    legend = results[first][0].legend
    for name, accuracies in results.items():
        if any(a.legend != legend for a in accuracies):
            raise LegendError(
                f"results of {name!r} and {first!r} have different legends. Judge all models with "
                "the same legend=."
            )
    return legend


def _scores(accuracies: Sequence[Accuracy], legend: Legend) -> pd.DataFrame:
    """Scores by name, shape (score, seed)."""
    overall: dict[str, Callable[[Accuracy], float]] = {
        "overall accuracy": lambda a: a.overall,
        "macro F1": lambda a: a.macro_f1,
    }
    rows = {name: [score(a) for a in accuracies] for name, score in overall.items()}
    for position, name in enumerate(legend.names):
        rows[f"F1 {name}"] = [float(a.f1[position]) for a in accuracies]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="score")


def _over_seeds(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    return mean_and_interval(list(defined), level=level) if defined.size else (math.nan, math.nan)
