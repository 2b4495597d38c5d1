"""Tables of trust across Europe: what holds inside the training area and in unseen countries.

Called by `trust`, which keeps what the models said; nothing is trained here.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import lulc_xr as lx
from benchmarks.evidence.trust_scores import read_case, rows_of

BY_GROUP = (
    "accuracy by group",
    "ECE by group",
    "coverage by group",
    "coverage by group, inside the AOA",
    "area by group",
    "area by group, accuracy inside",
)


def show(samples: xr.Dataset, table: pd.DataFrame, folder: Path) -> None:
    """Print all tables, and write the rows behind them as ``trust.parquet``."""
    made = []
    for run in table.to_dict("records"):
        case = read_case(samples, run, folder)
        key = {name: run[name] for name in ("method", "group", "seed")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of classes and zones with few points
            made += [{**key, **row} for row in rows_of(case)]
    rows = pd.DataFrame(made)
    rows.to_parquet(folder / "trust.parquet")
    pd.set_option("display.width", 250, "display.max_columns", 30, "display.max_rows", 500)
    for question, index in (
        ("scores", ["method", "part", "rule"]),
        ("ECE by class", ["method", "part"]),
        ("coverage", ["method", "part", "rule"]),
        ("coverage by class", ["method", "part", "rule"]),
        ("area", ["method", "part"]),
        ("fifths", ["method", "part"]),
        ("surest", ["method", "part", "rule"]),
        ("entropy", ["method", "part"]),
    ):
        print(f"\n## {question}: mean over the groups, half of its 95 % interval between them")
        chosen = rows[rows["question"] == question]
        if len(chosen):
            print(summary(chosen, index))
    for question in (*BY_GROUP, "coverage by country"):
        chosen = rows[rows["question"] == question]
        print(f"\n## {question}: mean over the seeds ± between seeds (± by blocks)")
        index, columns = (["method", "part", "rule"], ["group"])
        if question == "coverage by country":
            index, columns = (["name"], ["method", "rule"])
        print(by_place(chosen, index, columns))


def summary(rows: pd.DataFrame, index: list[str]) -> str:
    """Mean of the groups' means over seeds, and half of its 95 % interval, as text."""

    def told(values: pd.Series) -> str:
        each = values.groupby(rows.loc[values.index, "group"]).mean()
        # Not all runs have all rows: a few calibrations and classes lack points.
        return _told(*lx.mean_and_interval(list(each.dropna())))

    made = rows.groupby([*index, "name"], sort=False)["value"].agg(told)
    return str(made.unstack("name", sort=False).to_string())


def by_place(rows: pd.DataFrame, index: list[str], columns: list[str]) -> str:
    """Means over seeds by group or country; two intervals: between seeds, and of the blocks."""

    def told(own: pd.DataFrame) -> str:
        text = _told(*lx.mean_and_interval(list(own["value"])))
        half = own["half"].mean()
        return text if np.isnan(half) else f"{text} (± {half:.3f})"

    made = rows.groupby([*index, *columns])[["value", "half"]].apply(told)
    return str(made.unstack(columns).to_string())


def _told(mean: float, half: float) -> str:
    return f"{mean:.3f} ± {half:.3f}"
