"""Block bootstrap of accuracy: its estimates, what its intervals cover, refusals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

import lulc_xr as lx

LEVEL1 = lx.legend("lucas_lc1_level1")


def judged_points(number=600, *, right=0.7, seed=0, blocks=30):
    rng = np.random.default_rng(seed)
    reference = rng.choice(LEVEL1.ids, number)
    mapped = np.where(rng.random(number) < right, reference, rng.choice(LEVEL1.ids, number))
    table = pd.DataFrame(
        {
            "mapped": mapped.astype(np.uint8),
            "reference": reference.astype(np.uint8),
            "x": rng.uniform(4e6, 4.1e6, number),
            "y": rng.uniform(3e6, 3.1e6, number),
            "block": rng.integers(0, blocks, number),
            "weight": rng.uniform(0.5, 2, number),
        }
    )
    table.attrs = {"legend": LEVEL1.to_dict(), "crs": "EPSG:3035"}
    return table


@pytest.mark.parametrize("weights", [None, "weight"])
def test_estimates_are_those_of_scikit_learn(weights):
    judged = judged_points()
    found = lx.bootstrap_accuracy(judged, weights=weights, repeats=50)
    found = found.set_index(["quantity", "class"])["estimate"]
    truth, mapped = judged["reference"], judged["mapped"]
    settings = {"sample_weight": None if weights is None else judged["weight"]}
    assert found["overall accuracy", ""] == pytest.approx(accuracy_score(truth, mapped, **settings))
    settings |= {"labels": LEVEL1.ids, "average": None}
    for quantity, score in (
        ("user's accuracy", precision_score),
        ("producer's accuracy", recall_score),
        ("F1", f1_score),
    ):
        expected = score(truth, mapped, **settings)
        np.testing.assert_allclose(found[quantity][list(LEVEL1.names)], expected, atol=1e-9)
    settings["average"] = "macro"
    assert found["macro F1", ""] == pytest.approx(f1_score(truth, mapped, **settings))


def test_the_table_has_the_columns_of_accuracy():
    judged = judged_points()
    found = lx.bootstrap_accuracy(judged, repeats=100)
    expected = lx.accuracy(judged).estimates
    assert found.columns.tolist() == expected.columns.tolist()
    assert set(found["interval"]) == {"block bootstrap"}
    both = found.merge(expected, on=["quantity", "class"], suffixes=("", "_other"))
    assert len(both) == len(found)
    np.testing.assert_allclose(both["estimate"], both["estimate_other"])
    assert (both["samples"] == both["samples_other"]).all()
    assert (found["low"] <= found["estimate"]).all()
    assert (found["estimate"] <= found["high"]).all()


def test_without_blocks_that_err_alike_the_interval_is_that_of_independent_points():
    judged = judged_points(4000, blocks=1000)
    found = lx.bootstrap_accuracy(judged, repeats=1000).iloc[0]
    naive = np.sqrt(found["estimate"] * (1 - found["estimate"]) / 4000)
    assert found["standard_error"] == pytest.approx(naive, rel=0.1)


def test_blocks_cover_the_truth_where_neighbours_err_alike():
    """60 blocks of 20 points whose accuracy is one of Beta(4, 1): 0.8 on average."""
    rng = np.random.default_rng(11)
    legend = lx.Legend.from_names("two", ["right", "wrong"])
    simulations, blocks, each, truth = 100, 60, 20, 0.8
    covered = {"block": 0, "point": 0}
    widths = {"block": [], "point": []}
    for seed in range(simulations):
        quality = np.repeat(rng.beta(4, 1, blocks), each)
        mapped = (rng.random(quality.size) >= quality).astype(np.uint8)
        judged = pd.DataFrame({"mapped": mapped, "reference": np.zeros(mapped.size, np.uint8)})
        judged["block"] = np.repeat(np.arange(blocks), each)
        judged["point"] = np.arange(mapped.size)
        judged.attrs["legend"] = legend.to_dict()
        for block in covered:
            row = lx.bootstrap_accuracy(judged, block=block, repeats=200, seed=seed).iloc[0]
            covered[block] += row["low"] <= truth <= row["high"]
            widths[block].append(row["high"] - row["low"])
    # The variance is 4.2 times that of independent points: an interval of theirs covers about 2/3.
    assert np.mean(widths["block"]) > 1.7 * np.mean(widths["point"])
    assert covered["block"] / simulations > 0.88
    assert covered["point"] / simulations < 0.8


def test_blocks_from_a_side_in_metres():
    judged = judged_points()
    by_side = lx.bootstrap_accuracy(judged, block=20_000, repeats=50)
    squares = (judged["x"] // 20_000).astype(int) + 1000 * (judged["y"] // 20_000).astype(int)
    # The same blocks in the same order: rows of squares, then columns.
    by_column = lx.bootstrap_accuracy(judged.assign(mine=squares), block="mine", repeats=50)
    pd.testing.assert_frame_equal(by_side, by_column)


def test_tolerance_weights_and_strata():
    judged = judged_points()
    judged["mapped_near"] = judged["reference"]
    assert lx.bootstrap_accuracy(judged, near=True, repeats=10)["estimate"].iloc[0] == 1
    judged["half"] = judged["block"] % 2
    plain, stratified = (
        lx.bootstrap_accuracy(judged, strata=s, repeats=10)["low"].iloc[0] for s in (None, "half")
    )
    assert plain != stratified


def test_points_without_label_do_not_count_and_those_not_mapped_are_wrong():
    judged = judged_points()
    judged.loc[:99, "reference"] = 255
    found = lx.bootstrap_accuracy(judged, repeats=10).iloc[0]
    assert found["samples"] == 500
    judged["mapped"] = 255
    assert lx.bootstrap_accuracy(judged, repeats=10)["estimate"].iloc[0] == 0


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        (lambda j: j.drop(columns="block"), {}, lx.SampleError, r"no column 'block'\. Give"),
        (lambda j: j, {"block": "nuts"}, lx.SampleError, "unknown column 'nuts'"),
        (lambda j: j.assign(block=1), {}, lx.SampleError, "in 1 block: a bootstrap needs"),
        (lambda j: j.drop(columns="mapped"), {}, lx.SampleError, "unknown column 'mapped'"),
        (lambda j: j, {"near": True}, lx.SampleError, "unknown column 'mapped_near'"),
        (lambda j: j.assign(weight=-1.0), {"weights": "weight"}, lx.SampleError, "weight -1"),
        (lambda j: j.assign(weight=np.nan), {"weights": "weight"}, lx.SampleError, "weight nan at"),
        (lambda j: j, {"weights": "w"}, lx.SampleError, "unknown column of weights 'w'"),
        (lambda j: j.assign(block=np.nan), {}, lx.SampleError, "'block' is empty at 600 points"),
        (lambda j: j.assign(reference=255), {}, lx.SampleError, "none of the 600 points"),
        (lambda j: j.assign(mapped=77), {}, lx.LegendError, "labels outside legend"),
        (lambda j: j, {"level": 95}, lx.SampleError, "level 95 is not between 0 and 1"),
    ],
)  # fmt: skip
def test_what_is_refused(change, settings, error, message):
    judged = judged_points()
    changed = change(judged)
    changed.attrs = judged.attrs
    with pytest.raises(error, match=message):
        lx.bootstrap_accuracy(changed, repeats=10, **settings)


def test_a_table_without_legend_is_refused():
    judged = judged_points()
    judged.attrs = {}
    with pytest.raises(lx.LegendError, match=r"no legend in attrs\['legend'\]"):
        lx.bootstrap_accuracy(judged, repeats=10)
