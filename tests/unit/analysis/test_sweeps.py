"""Means, intervals and paired differences from a table of runs."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from lulc_xr.analysis.comparison import mean_and_interval
from lulc_xr.analysis.sweeps import pool_folds, summarise
from lulc_xr.core.errors import SampleError

HITS = {"forest": 6, "network": 7}
CLASSES = ("field", "lake")


def rows_of(method, seed, fold, *, hits, error=""):
    """Rows of one run: 20 samples of two classes, hits of the first vary, five of the second."""
    common = {
        "run": f"{method}{seed}{fold}", "method": method, "budget": "all", "folds": "blocked",
        "fold": fold, "test_folds": 2, "seed": seed, "seconds": 1.0, "error": error,
        "task": "land_cover", "region": "",
    }  # fmt: skip
    if error:
        return [{**common, "task": "", "class": "", "n": math.nan}]
    by_class = {
        "field": {"n": 10.0, "hits": float(hits), "mapped": hits + 5.0},
        "lake": {"n": 10.0, "hits": 5.0, "mapped": 15.0 - hits},
    }
    total = {key: sum(c[key] for c in by_class.values()) for key in ("n", "hits", "mapped")}
    scores = {"overall_accuracy": total["hits"] / 20, "macro_f1": 0.5}
    made = [{**common, "class": "", **total, **scores}]
    return made + [{**common, "class": name, **c, "f1": 0.5} for name, c in by_class.items()]


def table_of(*, skip=(), failed=()):
    rows = []
    for method, seed, fold in itertools.product(HITS, range(4), range(2)):
        if (method, seed, fold) not in skip:
            error = "Broken: yes" if (method, seed, fold) in failed else ""
            hits = HITS[method] + seed % 3 + fold + (seed == 3 and method == "network")
            rows += rows_of(method, seed, fold, hits=hits, error=error)
    table = pd.DataFrame(rows)
    for name in ("users_accuracy", "producers_accuracy"):
        table[name] = math.nan
    return table


def row(summary, method, score, class_name=""):
    part = summary[(summary["method"] == method) & (summary["score"] == score)]
    return part[part["class"] == class_name].iloc[0]


def test_counts_of_folds_are_added_before_scores_are_taken():
    pooled = pool_folds(table_of()).set_index(["method", "seed", "class"])
    overall = pooled.loc[("forest", 1, "")]
    assert overall["n"] == 40
    # Hits of field are 7 and 8, of lake 5 and 5.
    assert overall["overall_accuracy"] == pytest.approx(25 / 40)
    f1 = {"field": 2 * 15 / (20 + 25), "lake": 2 * 10 / (20 + 15)}
    assert pooled.loc[("forest", 1, "field"), "f1"] == pytest.approx(f1["field"])
    assert overall["macro_f1"] == pytest.approx(np.mean(list(f1.values())))


def test_intervals_are_those_of_single_series():
    table = table_of()
    pooled = pool_folds(table)
    summary = summarise(table, reference="forest")
    for score in ("overall_accuracy", "macro_f1"):
        values = {
            method: pooled[(pooled["method"] == method) & (pooled["class"] == "")]
            .sort_values("seed")[score]
            .to_numpy()
            for method in HITS
        }
        found = row(summary, "network", score)
        assert (found["mean"], found["interval"]) == pytest.approx(
            mean_and_interval(values["network"])
        )
        differences = values["network"] - values["forest"]
        assert (found["difference"], found["difference_interval"]) == pytest.approx(
            mean_and_interval(differences)
        )
        assert found["pairs"] == found["seeds"] == 4
    own = row(summary, "forest", "macro_f1")
    assert (own["difference"], own["difference_interval"]) == (0, 0)


def test_folds_are_counted_in_which_a_method_is_better():
    found = row(summarise(table_of(), reference="forest"), "network", "overall_accuracy")
    assert (found["folds_better"], found["folds_compared"]) == (2, 2)


def test_a_seed_without_all_its_folds_is_left_out_and_so_is_its_pair():
    summary = summarise(table_of(skip={("network", 0, 1)}), reference="forest")
    assert row(summary, "network", "macro_f1")["seeds"] == 3
    assert row(summary, "forest", "macro_f1")["seeds"] == 4
    assert row(summary, "network", "macro_f1")["pairs"] == 3


def test_a_failed_run_takes_its_seed_out():
    summary = summarise(table_of(failed={("network", 2, 0)}), reference="forest")
    assert row(summary, "network", "overall_accuracy")["seeds"] == 3


def test_an_unknown_reference_is_named_with_those_known():
    with pytest.raises(SampleError, match=r"unknown method of reference 'trees'.*forest"):
        summarise(table_of(), reference="trees")


def test_a_level_outside_0_to_1_is_refused():
    with pytest.raises(SampleError, match="level 95 is not between 0 and 1"):
        summarise(table_of(), reference="forest", level=95)
