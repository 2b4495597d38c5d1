"""Runs of the evidence: each once, labels drawn evenly, scores added up over folds."""

import json

import numpy as np
import pytest
import xarray as xr

from benchmarks.evidence import runs
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["cropland", "woodland"])
KEY = {"experiment": "e", "method": "m", "folds": "fold", "fold": 0, "budget": 20, "seed": 0}


def test_a_run_is_done_once(tmp_path):
    table, calls = runs.Runs(tmp_path), []

    def make():
        calls.append(1)
        return {"macro_f1": 0.5}

    table.do(make, **KEY)
    runs.Runs(tmp_path).do(make, **KEY)
    assert len(calls) == 1
    assert runs.Runs(tmp_path).table()["macro_f1"].tolist() == [0.5]
    with pytest.raises(ValueError, match="a run is named by"):
        table.do(make, method="m")


def test_a_run_that_fails_leaves_no_row(tmp_path):
    def fail():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        runs.Runs(tmp_path).do(fail, **KEY)
    assert not list(tmp_path.iterdir())


def test_labels_are_drawn_evenly_and_by_the_seed():
    labels = np.repeat([1, 2, 3], [100, 50, 5])
    candidates = np.flatnonzero(np.arange(labels.size) % 2 == 0)
    chosen = runs.draw(labels, candidates, budget=10, seed=1)
    assert np.isin(chosen, candidates).all()
    assert np.bincount(labels[chosen])[1:].tolist() == [10, 10, np.sum(labels[candidates] == 3)]
    np.testing.assert_array_equal(chosen, runs.draw(labels, candidates, budget=10, seed=1))
    assert not np.array_equal(chosen, runs.draw(labels, candidates, budget=10, seed=2))
    np.testing.assert_array_equal(runs.draw(labels, candidates, budget=0, seed=1), candidates)


def test_pooled_score_is_that_of_all_points_together(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=90).astype(np.uint8)
    found = np.where(rng.random(90) < 0.8, truth, 1 - truth).astype(np.uint8)
    table = runs.Runs(tmp_path)
    for fold in range(3):
        part = slice(30 * fold, 30 * fold + 30)
        reference = xr.DataArray(truth[part], dims="sample", attrs=LEGEND.flags())
        made = runs.scores(found[part], reference)
        table.do(lambda made=made: made, **KEY | {"fold": fold})
    whole = runs.scores(found, xr.DataArray(truth, dims="sample", attrs=LEGEND.flags()))
    assert runs.pooled_f1(table.table()) == pytest.approx(whole["macro_f1"])
    json.dumps(whole)


def test_gains_are_paired(tmp_path):
    table = runs.Runs(tmp_path)
    for seed, base in enumerate((0.5, 0.6, 0.7)):
        for method, gain in (("plain", 0.0), ("better", 0.1)):
            row = {"macro_f1": base + gain}
            table.do(lambda row=row: row, **KEY | {"seed": seed, "method": method})
    made = runs.compared(table.table(), ["plain", "better"], against="plain")
    assert made.loc["better", "gain"] == pytest.approx(0.1)
    assert made.loc["better", "of_gain"] == pytest.approx(0, abs=1e-9)
    assert made.loc["plain", "interval"] > 0.2
