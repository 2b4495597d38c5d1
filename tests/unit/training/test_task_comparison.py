"""Tasks together against tasks alone: paired over folds and seeds, and told in a report."""

import numpy as np
import pandas as pd
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import SampleError
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.task_comparison import compare_tasks, draw_labels

USE = lx.Legend.from_names("use", ["used", "unused"])
TINY = TrainConfig(epochs=2, batch_size=16, sizes={"filters": 4, "dense": 8})


@pytest.fixture(scope="module")
def samples():
    cube = lx.testing.landscape(y=64, x=64, classes=4)
    drawn = lx.extract_samples(cube, lx.testing.points(cube, per_class=12))
    use = np.where(drawn["land_cover"].values <= 2, USE.ids[0], USE.ids[1]).astype(np.uint8)
    use[1::3] = 255
    drawn["land_use"] = ("sample", use, USE.flags())
    drawn["fold"] = ("sample", np.arange(48) % 2)
    return drawn.assign_attrs(tasks="land_cover land_use")


@pytest.fixture(scope="module")
def found(samples):
    return compare_tasks(samples, config=TINY, seeds=(0, 1))


def test_every_seed_task_and_model_is_judged_once(found):
    assert len(found.runs) == 2 * 2 * 2
    assert not found.runs.duplicated(["seed", "task", "model"]).any()
    assert found.runs["macro F1"].between(0, 1).all()
    assert found.labels == {"land_cover": 48, "land_use": 32}


def test_gains_are_differences_seed_by_seed(found):
    table = found.table
    wide = found.runs.pivot(index=["task", "seed"], columns="model", values="macro F1")
    for task in ("land_cover", "land_use"):
        each = wide.loc[task, "together"] - wide.loc[task, "alone"]
        mean, half = lx.mean_and_interval(list(each))
        row = table.loc[(task, "macro F1")]
        assert row["gain"] == pytest.approx(mean)
        assert row["gain ±"] == pytest.approx(half)
        assert row["gain"] == pytest.approx(row["together"] - row["alone"])


def test_the_twin_is_a_training_of_that_task_alone(samples, found):
    """By hand: the samples with a label of the task, as many steps, the fold that is left."""
    use = samples.isel(sample=samples["land_use"].values != 255).assign_attrs(tasks="land_use")
    predicted = np.full(48, 255, np.uint8)
    for fold in (0, 1):
        training = use.isel(sample=use["fold"].values != fold)
        assert training.sizes["sample"] == 16
        # One batch of 16 an epoch, where all 24 make two: twice the epochs.
        config = TrainConfig(epochs=4, batch_size=16, sizes=TINY.sizes, seed=1)
        inside = samples["fold"].values == fold
        model = lx.fit(training, config=config)
        predicted[inside] = model.predict(samples.isel(sample=inside))["land_use"].values
    known = samples["land_use"].values != 255
    expected = (predicted == samples["land_use"].values)[known].mean()
    row = found.runs.query("seed == 1 and task == 'land_use' and model == 'alone'")
    assert row["overall accuracy"].item() == pytest.approx(expected)


def test_the_report_says_what_was_done_and_all_its_numbers(found, tmp_path):
    text = found.to_markdown()
    assert "same folds and 2 seeds" in text
    gain = found.table.loc[("land_use", "overall accuracy"), "gain"]
    assert "| land_use | overall accuracy | 32 |" in text
    assert f"{gain:+.3f}" in text
    page = found.save(tmp_path / "report.html").read_text()
    assert page.count("<tr>") == 5
    assert "http" not in page
    assert f"{gain:+.3f}" in page
    pd.testing.assert_frame_equal(pd.read_csv(found.save(tmp_path / "runs.csv")), found.runs)
    assert found.save(tmp_path / "report.md").read_text() == text == repr(found)
    with pytest.raises(SampleError, match=r"report '.*x\.pdf'; end its name with"):
        found.save(tmp_path / "x.pdf")


def test_one_seed_has_no_interval(samples):
    found = compare_tasks(samples, config=TINY, seeds=[3], folds=[1])
    assert np.isnan(found.table["gain ±"]).all()
    assert "±" not in found.to_markdown().split("\n", 2)[2]


def test_what_cannot_be_compared_is_refused(samples):
    for given, settings, message in [
        (samples.assign_attrs(tasks="land_use"), {}, "samples of 1 task .land_use.; expected two"),
        (samples.drop_vars("fold"), {}, "samples without folds"),
        (samples, {"folds": [7]}, r"folds \[7\] of samples with folds \[0, 1\]"),
        (samples, {"seeds": []}, r"seeds=\[\] asks for no run"),
        (samples, {"config": TrainConfig(validation_fold=0)}, "validation_fold 0 in a comparison"),
    ]:
        with pytest.raises(SampleError, match=message):
            compare_tasks(given, **settings)


@pytest.mark.parametrize("per_class", [1, 4, 100])
def test_labels_are_drawn_task_by_task(samples, per_class):
    drawn = draw_labels(samples, per_class=per_class, seed=2)
    for task in ("land_cover", "land_use"):
        ids, counts = np.unique(drawn[task], return_counts=True)
        before = dict(zip(*np.unique(samples[task], return_counts=True), strict=True))
        for class_id, count in zip(ids, counts, strict=True):
            assert class_id == 255 or count == min(per_class, before[class_id])
    kept = (drawn["land_cover"].values != 255) | (drawn["land_use"].values != 255)
    assert kept.all()
    other = draw_labels(samples, per_class=per_class, seed=3)
    same = draw_labels(samples, per_class=per_class, seed=2)
    assert drawn.identical(same)
    assert per_class == 100 or not drawn.identical(other)


def test_a_budget_of_labels_holds_for_training_alone(samples):
    found = compare_tasks(samples, config=TINY, seeds=[0], per_class=2)
    assert found.labels == {"land_cover": 48, "land_use": 32}
    with pytest.raises(SampleError, match="per_class 0; give a whole number >= 1"):
        compare_tasks(samples, config=TINY, seeds=[0], per_class=0)
