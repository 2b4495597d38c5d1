"""Records of runs as one table: a row for each run, task, region and class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.accuracy import Accuracy
from lulc_xr.analysis.confusion import NOT_MAPPED
from lulc_xr.core.legend import Legend
from lulc_xr.jobs.experiment_runs import Run

_COLUMNS = (
    "run", "method", "network", "conditioning", "learning", "samples", "tasks", "budget", "folds",
    "fold", "test_folds", "seed", "labelled", "unlabelled", "seconds", "error", "task", "region",
    "class",
)  # fmt: skip
_NUMBERS = (
    "n", "mapped", "hits", "overall_accuracy", "macro_f1", "users_accuracy", "producers_accuracy",
    "f1",
)  # fmt: skip


def make_table(runs: Sequence[Run], records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Scores of all runs that have a record.

    Parameters
    ----------
    runs : sequence of Run
        The runs of the experiment; their names are those of today's file.
    records : mapping of str to mapping
        Records by the keys of runs.

    Returns
    -------
    pandas.DataFrame
        What the run is (`run`, `method`, `network`, `conditioning`, `learning`, `samples`,
        `tasks`, `budget`, `folds`, `fold` of `test_folds`, `seed`), `labelled` and
        `unlabelled` samples, `seconds`, `error`; `task`, `region` (empty: all), `class` (empty:
        all); `n` test labels, `mapped` predictions and `hits`; `overall_accuracy` and
        `macro_f1` where class is empty, `users_accuracy`, `producers_accuracy` and `f1`
        elsewhere. A failed run has one row with its error.
    """
    rows = [row for run in runs if run.key in records for row in _rows(run, records[run.key])]
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *_NUMBERS])
    return table.astype(dict.fromkeys((*_NUMBERS, "seconds"), np.float64))


def _rows(run: Run, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    common = {
        **run.labels(),
        "labelled": int(record.get("labelled", 0)),
        "unlabelled": int(record.get("unlabelled", 0)),
        "seconds": float(record["seconds"]),
        "error": record.get("error", ""),
    }
    if common["error"]:
        yield {**common, "task": "", "region": "", "class": ""}
    for task, regions in record.get("counts", {}).items():
        names = record["legends"][task]
        for region, counts in regions.items():
            for name, scores in _scores(counts, names):
                yield {**common, "task": task, "region": region, "class": name, **scores}


def _scores(counts: Any, names: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Scores over all classes, named '', and of each class."""
    values = xr.DataArray(
        np.asarray(counts, np.int64),
        dims=("predicted", "reference"),
        coords={"predicted": [*names, NOT_MAPPED], "reference": list(names)},
    )
    result = Accuracy(counts=values, legend=Legend.from_names("classes", list(names)))
    hits = np.diagonal(values.values[:-1])
    yield (
        "",
        {
            "n": result.total,
            "mapped": result.total - result.unmapped,
            "hits": float(hits.sum()),
            "overall_accuracy": result.overall,
            "macro_f1": result.macro_f1,
        },
    )
    by_class = result.to_dataframe().rename(columns={"support": "n"})
    for position, (name, row) in enumerate(by_class.to_dict("index").items()):
        scores = {str(key): float(value) for key, value in row.items()}
        yield str(name), {**scores, "hits": float(hits[position])}
