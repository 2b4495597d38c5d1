"""A small experiment from file to report: paired, resumable, honest about what failed."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ExperimentError, ModelError, StoreError
from lulc_xr.jobs.experiment_files import load_experiment
from lulc_xr.jobs.experimenting import run_experiment

TEXT = """
title = "Few <labels>"
tasks = ["land_cover"]
budgets = [4, "all"]
seeds = 2
region = "side"

[samples]
composites = "composites.zarr"
raw = "raw.zarr"

[[folds]]
method = "blocked"
block = 160
folds = 2

[train]
epochs = 2

[[method]]
name = "forest"
network = "random_forest"
sizes = {n_estimators = 10}

[[method]]
name = "network"
network = "tempcnn"
sizes = {filters = 8}
"""
# Without a network, where it is not what a test is about: quicker.
TREES = TEXT.replace('"tempcnn"', '"extra_trees"').replace("filters = 8", "n_estimators = 5")
RAW = """
[[method]]
name = "raw forest"
network = "extra_trees"
samples = "raw"
sizes = {n_estimators = 10}
"""
RUNS = 2 * 2 * 2 * 2


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Folder with the same points as composites and as raw dates, in another order."""
    folder = tmp_path_factory.mktemp("experiment")
    cube = lx.testing.landscape(y=48, x=48, time=12, bands=("red", "nir"), classes=3, seed=2)
    points = lx.testing.points(cube, per_class=16)
    for name, dates in (("composites", lx.RegularDates()), ("raw", lx.RawDates(maximum=12))):
        samples = lx.extract_samples(cube, points, dates=dates)
        side = np.where(samples["x"].values < float(samples["x"].median()), "west", "east")
        samples["side"] = ("sample", side.astype(np.dtypes.StringDType()))
        if name == "raw":
            samples = samples.isel(sample=slice(None, None, -1))
        lx.write_samples(samples, folder / f"{name}.zarr")
    return folder


def write(folder, text):
    path = folder / "few.toml"
    path.write_text(text)
    return path


@pytest.fixture
def experiment(stores, tmp_path):
    """``experiment(text)``: a file beside the samples whose runs go to a folder of this test."""

    def make(text=TREES):
        made = load_experiment(write(stores, text))
        return lx.Experiment(**{**vars(made), "folder": tmp_path / "runs"})

    return make


@pytest.fixture(scope="module")
def done(stores):
    """The experiment, run once; do not change its folder."""
    return run_experiment(write(stores, TEXT), folder=stores / "done")


def test_every_run_has_its_rows_of_scores(done):
    table = done.read_table()
    assert (done.done, done.skipped, done.failed) == (RUNS, 0, {})
    overall = table[(table["class"] == "") & (table["region"] == "")]
    assert len(overall) == RUNS
    assert set(table["region"]) == {"", "east", "west"}
    assert table["class"].nunique() == 4
    # Parts add up: regions to all, classes to all.
    by_region = table[(table["class"] == "") & (table["region"] != "")].groupby("run")["n"].sum()
    assert (by_region == overall.set_index("run")["n"].reindex(by_region.index)).all()
    hits = table[(table["class"] != "") & (table["region"] == "")].groupby("run")["hits"].sum()
    assert (hits == overall.set_index("run")["hits"].reindex(hits.index)).all()
    assert (table["seconds"] > 0).all()


def test_methods_are_paired_by_construction(done):
    table = done.read_table()
    overall = table[(table["class"] == "") & (table["region"] == "")]
    wide = overall.pivot_table(
        index=["budget", "fold", "seed"], columns="method", values=["labelled", "n"]
    )
    assert (wide["labelled"]["forest"] == wide["labelled"]["network"]).all()
    assert (wide["n"]["forest"] == wide["n"]["network"]).all()
    assert (wide["labelled"].loc["4"] == 3 * 4).all(axis=None)
    few = overall[overall["budget"] == "4"]
    assert (few["unlabelled"] > 0).all()
    assert (few["labelled"] + few["unlabelled"] + few["n"] == 48).all()


def test_the_report_stands_alone_and_says_what_was_found(done):
    page = done.html.read_text()
    assert "Few &lt;labels&gt;" in page
    assert not re.search(r"(src|href)\s*=|https?://|@import|url\(", page)
    summary = lx.summarise(done.read_table(), reference="forest")
    row = summary[
        (summary["score"] == "macro_f1") & (summary["method"] == "network")
        & (summary["budget"] == "all") & (summary["region"] == "")
    ].iloc[0]  # fmt: skip
    assert f"{row['mean']:.3f}" in page
    assert f"{row['difference']:+.3f}".replace("-", "−") in page
    for word in ("Per class", "Per region", "labels per class", "winter crop", "west", "<svg"):
        assert word in page


def test_unlabelled_samples_reach_the_methods_that_use_them(experiment):
    learning = TEXT.replace(
        "sizes = {filters = 8}",
        'sizes = {filters = 8}\nlearning = ["supervised", "mean_teacher", "fixmatch"]\n'
        "settings = {ratio = 1}",
    )
    report = run_experiment(experiment(learning), limit=8)
    table = report.read_table()
    assert report.failed == {}
    few = table[(table["budget"] == "4") & (table["class"] == "") & (table["region"] == "")]
    by_learning = few[few["network"] == "tempcnn"].set_index(["learning", "fold"])
    assert set(few["learning"]) == {"supervised", "mean_teacher", "fixmatch"}
    assert (few["unlabelled"] > 0).all()
    # Each learns something of its own from the same labels.
    assert by_learning["labelled"].nunique() == 1


def test_a_second_call_does_nothing(stores, done):
    before = {p.name: p.stat().st_mtime_ns for p in (done.folder / "runs").iterdir()}
    again = run_experiment(write(stores, TEXT), folder=done.folder)
    assert (again.done, again.skipped) == (0, RUNS)
    assert {p.name: p.stat().st_mtime_ns for p in (done.folder / "runs").iterdir()} == before
    pd.testing.assert_frame_equal(again.read_table(), done.read_table())


def test_stores_in_another_order_give_the_same_pairs(experiment):
    report = run_experiment(experiment(TREES + RAW))
    table = report.read_table()
    classes = table[(table["region"] == "") & (table["class"] != "")]
    wide = classes.pivot_table(
        index=["budget", "fold", "seed", "class"], columns="method", values="n"
    )
    assert (wide["raw forest"] == wide["forest"]).all()
    sides = table[(table["region"] == "west") & (table["class"] == "")]
    wide = sides.pivot_table(index=["budget", "fold", "seed"], columns="method", values="n")
    assert (wide["raw forest"] == wide["forest"]).all()


def test_a_run_that_fails_is_recorded_stops_no_other_and_is_tried_again(experiment):
    broken = TREES.replace("n_estimators = 5", "n_estimtors = 5")
    report = run_experiment(experiment(broken))
    table = report.read_table()
    failed = table[table["error"] != ""]
    assert set(failed["method"]) == {"network"}
    assert len(report.failed) == len(failed) == RUNS // 2
    assert failed["error"].str.contains("n_estimtors").all()
    assert (table[table["method"] == "forest"]["error"] == "").all()
    page = report.html.read_text()
    assert "Failed runs" in page
    assert "n_estimtors" in page
    again = run_experiment(experiment(broken))
    assert (again.done, again.skipped) == (RUNS // 2, RUNS // 2)
    # A file without the fault goes on: nothing that ended well is lost.
    mended = run_experiment(experiment())
    assert (mended.done, mended.skipped, mended.failed) == (RUNS // 2, RUNS // 2, {})


def test_a_larger_experiment_goes_on_where_the_smaller_ended(experiment):
    run_experiment(experiment())
    more = run_experiment(experiment(TREES.replace("seeds = 2", "seeds = 3")))
    assert (more.done, more.skipped) == (RUNS // 2, RUNS)


def test_names_may_change_without_a_new_run(experiment):
    run_experiment(experiment())
    renamed = TREES.replace('name = "network"', 'name = "a CNN"').replace("Few", "Some")
    report = run_experiment(experiment(renamed))
    assert (report.done, report.skipped) == (0, RUNS)
    assert "a CNN" in set(report.read_table()["method"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 2", "epochs = 3", "methods.forest.train.epochs: 2 -> 3"),
        ("n_estimators = 10", "n_estimators = 20", "methods.forest.sizes.n_estimators: 10 -> 20"),
        ("seeds = 2", "seeds = [1, 2]", r"seeds: \[0, 1\] -> \[1, 2\]"),
        ("folds = 2", "folds = 3", "folds.blocked.folds: 2 -> 3"),
        ('budgets = [4, "all"]', "budgets = [4]", r'budgets: \[4, "all"\] -> \[4\]'),
    ],
)
def test_a_half_done_sweep_with_another_file_is_refused(experiment, old, new, said):
    half = run_experiment(experiment(), limit=9)
    assert half.done == 9
    before = sorted(p.name for p in (half.folder / "runs").iterdir())
    changed = experiment(TREES.replace(old, new))
    with pytest.raises(ExperimentError, match=said) as told:
        run_experiment(changed)
    assert "redo=True" in str(told.value)
    assert "another folder" in str(told.value)
    assert sorted(p.name for p in (half.folder / "runs").iterdir()) == before
    anew = run_experiment(changed, redo=True)
    assert anew.failed == {}
    assert anew.done + anew.skipped == len(list((half.folder / "runs").iterdir()))


def test_other_samples_under_the_same_name_are_refused(experiment, stores, tmp_path):
    half = run_experiment(experiment(), limit=3)
    samples = lx.open_samples(stores / "composites.zarr")
    samples["reflectance"][0, 0, 0] += 0.01
    lx.write_samples(samples, tmp_path / "composites.zarr")
    other = experiment()
    other = lx.Experiment(
        **{**vars(other), "samples": {**other.samples, "composites": tmp_path / "composites.zarr"}}
    )
    with pytest.raises(ExperimentError, match=r"3 finished runs.*samples.composites: "):
        run_experiment(other)
    assert half.done == 3


def test_folds_are_drawn_once_and_kept(experiment):
    first = run_experiment(experiment(), limit=0)
    kept = pd.read_parquet(first.folder / "folds.parquet")
    assert list(kept) == ["blocked"]
    flipped = kept.assign(blocked=1 - kept["blocked"])
    flipped.attrs = kept.attrs
    flipped.to_parquet(first.folder / "folds.parquet")
    report = run_experiment(experiment(), limit=1)
    table = report.read_table()
    n = table[(table["class"] == "") & (table["region"] == "")]["n"].iloc[0]
    # Fold 0 of the run is fold 0 of the file, not one that was dealt anew.
    assert n == (kept["blocked"] == 1).sum()


def test_a_folder_with_other_things_is_left_alone(experiment, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "letter.txt").write_text("dear")
    with pytest.raises(ExperimentError, match="holds files and no experiment"):
        run_experiment(experiment())


def test_a_damaged_record_counts_as_not_done(experiment):
    report = run_experiment(experiment(), limit=2)
    record = next((report.folder / "runs").iterdir())
    record.write_text(record.read_text()[:40])
    assert run_experiment(experiment(), limit=1).skipped == 1
    assert json.loads(record.read_text())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TREES.replace('["land_cover"]', '["land_use"]'), "unknown task of samples 'composites'"),
        (TREES.replace('"side"', '"sid"'), "unknown variable of samples 'composites' 'sid'.*side"),
        (
            TREES.replace("folds = 2", "folds = 2\nonly = [7]"),
            "unknown fold of 'blocked' in 'only'",
        ),
        (TREES.replace('"blocked"', '"stored"'), "samples carry no variable 'fold'"),
    ],
)
def test_samples_that_do_not_fit_are_refused_before_any_run(experiment, text, said):
    with pytest.raises(ExperimentError, match=said):
        run_experiment(experiment(text))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"extra_trees"', '"tempcn"', r"unknown network 'tempcn'.*tempcnn"),
        (
            'network = "extra_trees"\nsizes = {n_estimators = 5}',
            'network = "tempcnn"\nlearning = "mean_teacher"\nsettings = {wait = 1}',
            r"unknown setting of method mean_teacher 'wait'",
        ),
    ],
)
def test_methods_that_are_not_there_are_refused_before_any_run(
    experiment, tmp_path, old, new, said
):
    changed = TREES.replace(old, new)
    assert changed != TREES
    with pytest.raises(ModelError, match=said):
        run_experiment(experiment(changed))
    assert not (tmp_path / "runs" / "runs").exists()


def test_stores_of_other_points_are_refused(experiment, stores, tmp_path):
    samples = lx.open_samples(stores / "raw.zarr")
    lx.write_samples(samples.isel(sample=slice(40)), tmp_path / "raw.zarr")
    made = experiment(TREES + RAW)
    made = lx.Experiment(
        **{**vars(made), "samples": {**made.samples, "raw": tmp_path / "raw.zarr"}}
    )
    with pytest.raises(
        ExperimentError, match=r"'raw' hold 40 samples of which 40.*48 of the first"
    ):
        run_experiment(made)


def test_a_store_that_is_not_there(experiment):
    with pytest.raises(StoreError, match=r"nothing.zarr is no Zarr version 3 store"):
        run_experiment(experiment(TREES.replace("composites.zarr", "nothing.zarr")))


def test_the_command_says_what_it_costs_and_where_results_are(cli, stores, done):
    path = write(stores, TEXT)
    told = cli("experiment", path, "--folder", done.folder)
    assert told.exit_code == 0
    assert "2 methods x 2 budgets x 2 folds x 2 seeds = 16 runs; 16 are done, 0 to do" in told.out
    assert "report.html" in told.out
    path.write_text(TEXT.replace("epochs = 2", "epochs = 3"))
    refused = cli("experiment", path, "--folder", done.folder)
    assert refused.exit_code == 2
    assert "methods.network.train.epochs: 2 -> 3" in refused.err
    assert "--redo" in refused.err


def test_a_failed_run_is_exit_code_1(cli, stores, tmp_path):
    path = write(stores, TEXT.replace("filters = 8", "filtres = 8"))
    told = cli("experiment", path, "--folder", tmp_path / "runs", "--limit", 2)
    assert told.exit_code == 1
    assert "failed: method network, budget 4, folds blocked, fold 0, seed 0" in told.out
