"""Runs of an experiment as rows of one Parquet table: each once, kept as soon as it is done."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import lulc_xr as lx

KEYS = ("experiment", "method", "folds", "fold", "budget", "seed")
"""What names a run."""

ALL = 0
"""Budget that means: all labels of the training folds."""


class Runs:
    """A folder with one small file per finished run; a second start does what is missing.

    Parameters
    ----------
    folder : Path
        Where rows are kept; ``runs.parquet`` in it is the table.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def do(self, make: Callable[[], Mapping[str, Any]], **key: Any) -> None:
        """Do a run, unless it was done; `make` gives its scores."""
        if set(key) != set(KEYS):
            raise ValueError(f"a run is named by {KEYS}; got {tuple(key)}.")
        target = self.folder / ("-".join(str(key[k]).replace(" ", "_") for k in KEYS) + ".json")
        if target.exists():
            return
        begun = time.perf_counter()
        row = {**key, **make(), "seconds": round(time.perf_counter() - begun, 1)}
        part = target.with_suffix(".part")
        part.write_text(json.dumps(row))
        part.rename(target)
        print(*(key[k] for k in KEYS), f"macro F1 {row['macro_f1']:.4f}", flush=True)

    def table(self) -> pd.DataFrame:
        """All rows, sorted by their keys; written to ``runs.parquet`` as well."""
        rows = [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]
        table = pd.DataFrame(rows).sort_values(list(KEYS), ignore_index=True)
        table.to_parquet(self.folder / "runs.parquet")
        return table


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a command line asks for."""

    methods: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    folds: str

    def runs(self, samples: xr.Dataset) -> Iterator[tuple[int, int, int, str]]:
        """Budget, fold, seed, method: every seed in turn takes the next fold as its test."""
        number = int(samples[self.folds].max()) + 1
        for budget in self.budgets:
            for seed in self.seeds:
                for method in self.methods:
                    yield budget, seed % number, seed, method


def begin(*, methods: Iterable[str], budgets: Sequence[int]) -> tuple[xr.Dataset, Runs, Chosen]:
    """Samples, table and choice of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("samples", help="store that benchmarks.evidence.europe wrote")
    parser.add_argument("folder", type=Path, help="folder of the rows")
    parser.add_argument("--methods", nargs="+", default=list(methods))
    parser.add_argument("--budgets", nargs="+", type=int, default=list(budgets), help="0: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--folds", choices=("fold", "zone_fold"), default="fold")
    given = parser.parse_args()
    chosen = Chosen(
        methods=tuple(given.methods),
        budgets=tuple(given.budgets),
        seeds=tuple(given.seeds),
        folds=given.folds,
    )
    return lx.open_samples(given.samples), Runs(given.folder), chosen


def draw(
    labels: NDArray[np.integer], candidates: NDArray[np.int64], *, budget: int, seed: int
) -> NDArray[np.int64]:
    """Positions of `budget` candidates of each class (all of a rarer one), drawn by the seed."""
    if budget == ALL:
        return candidates
    rng = np.random.default_rng((seed, budget))
    chosen = [
        rng.permutation(candidates[labels[candidates] == label])[:budget]
        for label in np.unique(labels[candidates])
    ]
    return np.sort(np.concatenate(chosen))


def scores(predicted: NDArray[np.uint8], reference: xr.DataArray) -> dict[str, Any]:
    """Macro F1, overall accuracy, F1 of each class, and the counts (predicted, reference)."""
    judged = lx.accuracy(
        xr.DataArray(predicted.astype(np.uint8), dims="sample", attrs=reference.attrs),
        reference.drop_vars(list(reference.coords)),
    )
    return {
        "macro_f1": judged.macro_f1,
        "overall": judged.overall,
        "f1": [float(v) for v in judged.f1],
        "counts": np.asarray(judged.counts.values).astype(int).tolist(),
    }


def per_seed(table: pd.DataFrame, score: str = "macro_f1") -> pd.DataFrame:
    """Mean score over the folds, one row per seed and one column per method."""
    means = table.groupby(["method", "seed"])[score].mean()
    return means.unstack("method").dropna(how="all")


def pooled_f1(rows: pd.DataFrame) -> float:
    """Macro F1 of the counts of all these rows added up, as over one map of all folds."""
    counts = np.sum([np.array(c) for c in rows["counts"]], axis=0)
    hits, mapped, labelled = np.diag(counts[:-1]), counts[:-1].sum(1), counts.sum(0)
    present = labelled > 0
    return float((2 * hits[present] / (mapped + labelled)[present]).mean())


def compared(
    table: pd.DataFrame, methods: Iterable[str], *, against: str, score: str = "macro_f1"
) -> pd.DataFrame:
    """Mean and 95 % interval of methods over fold and seed, and paired with one of them."""
    wide = table.pivot_table(index=["fold", "seed"], columns="method", values=score)
    rows = []
    for method in methods:
        both = wide[[method, against]].dropna() if method != against else wide[[method]].dropna()
        mean, half = lx.mean_and_interval(list(wide[method].dropna()))
        row = {"method": method, "runs": wide[method].count(), "mean": mean, "interval": half}
        if method != against:
            row["gain"], row["of_gain"] = lx.mean_and_interval(list(both[method] - both[against]))
        rows.append(row)
    return pd.DataFrame(rows).set_index("method")
