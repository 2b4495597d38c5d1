"""From a table of runs to means, intervals over seeds, and paired differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from lulc_xr.core.errors import SampleError, name_unknown

SCORES = ("overall_accuracy", "macro_f1", "f1", "users_accuracy", "producers_accuracy")
"""Scores that are summarised: the first two over all classes, the others of each class."""

_PLACE = ["folds", "budget", "task", "region", "class", "method"]


def pool_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of each seed over all its test folds together.

    Counts of the folds are added, so that every sample is judged once and a fold without a class
    loses nothing. A seed of which a fold is missing or failed is left out: its score would be
    of other samples than those it is compared with.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`lulc_xr.run_experiment` writes to ``results.parquet``.

    Returns
    -------
    pandas.DataFrame
        One row per `folds`, `budget`, `task`, `region`, `class`, `method` and `seed`, with `n`,
        `seconds` and the scores.
    """
    whole = _whole(table)
    sums = (
        whole.groupby([*_PLACE, "seed"], sort=False)[["n", "mapped", "hits", "seconds"]]
        .sum()
        .reset_index()
    )
    ofclass = sums["class"] != ""
    with np.errstate(invalid="ignore", divide="ignore"):
        sums["overall_accuracy"] = (sums["hits"] / sums["n"]).where(~ofclass)
        sums["users_accuracy"] = (sums["hits"] / sums["mapped"]).where(ofclass)
        sums["producers_accuracy"] = (sums["hits"] / sums["n"]).where(ofclass)
        f1 = 2 * sums["hits"] / (sums["n"] + sums["mapped"])
    sums["f1"] = f1.where(ofclass & (sums["n"] > 0))
    group = [name for name in (*_PLACE, "seed") if name != "class"]
    macro = sums.groupby(group, sort=False)["f1"].mean().rename("macro_f1").reset_index()
    made = sums.merge(macro, on=group, how="left")
    made.loc[made["class"] != "", "macro_f1"] = np.nan
    return made


def summarise(table: pd.DataFrame, *, reference: str, level: float = 0.95) -> pd.DataFrame:
    """Means over seeds, t intervals, and differences from a method, seed by seed.

    Seeds draw other labels, weights and batches on the same test samples: the intervals say
    nothing of other places or years.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`lulc_xr.run_experiment` writes to ``results.parquet``.
    reference : str
        Method that the others are compared with.
    level : float
        Coverage of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row per `folds`, `budget`, `task`, `region`, `class`, `method` and `score`: `mean`,
        `interval` (half its width, NaN for one seed), `seeds`, `difference`,
        `difference_interval` and `pairs`, the seeds that both methods have; `folds_better` of
        `folds_compared`, the folds whose mean over seeds is above that of the reference.

    Raises
    ------
    SampleError
        If the method of reference is not in the table.

    References
    ----------
    Student (1908). The probable error of a mean. Biometrika 6(1), 1-25.
    """
    if not 0 < level < 1:
        raise SampleError(f"level {level} is not between 0 and 1; give 0.95 for 95 %.")
    if reference not in set(table["method"]):
        raise SampleError(name_unknown("method of reference", reference, set(table["method"])))
    pooled = pool_folds(table)
    parts = [
        _over_seeds(pooled, score, reference=reference, level=level).merge(
            _over_folds(table, score, reference=reference), on=_PLACE, how="left"
        )
        for score in SCORES
    ]
    return pd.concat(parts, ignore_index=True)


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of seeds that have every fold."""
    good = table[table["error"] == ""]
    group = ["folds", "budget", "method", "seed"]
    counted = good.groupby(group).agg(there=("fold", "nunique"), wanted=("test_folds", "first"))
    complete = counted[counted["there"] == counted["wanted"]].reset_index()
    return good.merge(complete[group], on=group, how="inner")


def _over_seeds(pooled: pd.DataFrame, score: str, *, reference: str, level: float) -> pd.DataFrame:
    known = pooled[pooled[score].notna()]
    wide = known.pivot_table(index=_PLACE, columns="seed", values=score, sort=False)
    values = wide.to_numpy(np.float64)
    place = wide.index.to_frame(index=False)
    other = _of_reference(place, values, reference)
    mean, interval, seeds = _interval(values, level)
    difference, spread, pairs = _interval(values - other, level)
    return place.assign(
        score=score,
        mean=mean,
        interval=interval,
        seeds=seeds,
        difference=difference,
        difference_interval=spread,
        pairs=pairs,
    )


def _over_folds(table: pd.DataFrame, score: str, *, reference: str) -> pd.DataFrame:
    """In how many folds a method is better than the reference, mean over the seeds both have."""
    known = table[(table["error"] == "") & table[score].notna()]
    wide = known.pivot_table(index=_PLACE, columns=["fold", "seed"], values=score, sort=False)
    place = wide.index.to_frame(index=False)
    values = wide.to_numpy(np.float64)
    gain = pd.DataFrame(values - _of_reference(place, values, reference), columns=wide.columns)
    by_fold = gain.T.groupby(level="fold").mean().T
    return place.assign(
        folds_better=(by_fold > 0).sum(axis=1).to_numpy(),
        folds_compared=by_fold.notna().sum(axis=1).to_numpy(),
    )


def _of_reference(
    place: pd.DataFrame, values: NDArray[np.float64], reference: str
) -> NDArray[np.float64]:
    """Values of the reference at the place of each row, NaN where it has none."""
    where = [name for name in _PLACE if name != "method"]
    keys = pd.MultiIndex.from_frame(place[where])
    own = (place["method"] == reference).to_numpy()
    found = keys[own].get_indexer(keys)
    other = np.full(values.shape, np.nan)
    other[found >= 0] = values[own][found[found >= 0]]
    return other


def _interval(
    values: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean of each row, half the width of its t interval, and how many values it has."""
    known = np.isfinite(values)
    number = known.sum(axis=1)
    filled = np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / np.where(number > 0, number, np.nan)
        squares = (np.where(known, values - mean[:, None], 0.0) ** 2).sum(axis=1)
        deviation = np.sqrt(squares / np.where(number > 1, number - 1, np.nan))
        half_width = stdtrit(np.maximum(number - 1, 1), (1 + level) / 2) * deviation
        half_width = half_width / np.sqrt(np.maximum(number, 1))
    return mean, half_width, number
