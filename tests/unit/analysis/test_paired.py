"""Two maps at the same points: McNemar's test, differences and their intervals, refusals."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels

import lulc_xr as lx
from lulc_xr.analysis.mcnemar import mcnemar

LEVEL1 = lx.legend("lucas_lc1_level1")


def pair(number=400, *, right=(0.8, 0.7), seed=0, blocks=40):
    rng = np.random.default_rng(seed)
    reference = rng.choice(LEVEL1.ids, number).astype(np.uint8)
    tables = []
    for share in right:
        mapped = np.where(rng.random(number) < share, reference, rng.choice(LEVEL1.ids, number))
        table = pd.DataFrame(
            {
                "mapped": mapped.astype(np.uint8),
                "reference": reference,
                "point_id": np.arange(number),
                "block": np.arange(number) % blocks,
            }
        )
        table.attrs["legend"] = LEVEL1.to_dict()
        tables.append(table)
    return tables


@pytest.mark.parametrize("seed", range(12))
def test_mcnemar_is_that_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(5, 300))
    first, second = rng.random(number) < rng.random(), rng.random(number) < rng.random()
    found = mcnemar(first, second)
    table = [
        [found.both_right, found.only_first],
        [found.only_second, found.both_wrong],
    ]
    assert found.only_first == int((first & ~second).sum())
    assert found.only_second == int((~first & second).sum())
    exact = found.only_first + found.only_second < 25
    assert found.method == ("exact binomial" if exact else "chi-square")
    expected = of_statsmodels(table, exact=exact, correction=True)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-6)
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-6)


def test_both_ways_of_mcnemar_occur_above():
    few, many = (mcnemar(np.arange(n) % 2 == 0, np.arange(n) % 2 == 1).method for n in (24, 25))
    assert (few, many) == ("exact binomial", "chi-square")


def test_differences_are_those_of_two_accuracies():
    first, second = pair()
    result = lx.compare_maps(first, second, repeats=200)
    for table, side in ((first, "first"), (second, "second")):
        expected = lx.accuracy(table).estimates.set_index(["quantity", "class"])["estimate"]
        found = result.differences.set_index(["quantity", "class"])[side]
        pd.testing.assert_series_equal(found, expected[found.index], check_names=False)
    rows = result.differences
    np.testing.assert_allclose(rows["difference"], rows["first"] - rows["second"])
    assert (rows["low"] <= rows["high"]).all()
    assert set(rows["interval"]) == {"paired block bootstrap"}


def test_a_pair_is_surer_than_two_samples():
    """Maps that share most errors differ less from resample to resample than each alone."""
    first, _ = pair(right=(0.6, 0.6))
    second = first.copy()
    second.loc[:9, "mapped"] = second.loc[:9, "reference"]
    second.attrs = first.attrs
    result = lx.compare_maps(second, first, repeats=500)
    alone = lx.bootstrap_accuracy(first, repeats=500)["standard_error"].iloc[0]
    assert result.differences["standard_error"].iloc[0] < 0.5 * alone


def test_the_same_map_twice_does_not_differ():
    first, _ = pair()
    result = lx.compare_maps(first, first)
    assert (result.differences["difference"] == 0).all()
    assert (result.differences[["low", "high"]] == 0).all(axis=None)
    assert result.mcnemar.p_value == 1
    assert "do not tell which of first and second is right more often" in result.statement


def test_the_interval_of_a_difference_covers_it():
    """Two maps of accuracy 0.85 and 0.80 within blocks that err alike: truth 0.05."""
    rng = np.random.default_rng(5)
    legend = lx.Legend.from_names("two", ["right", "wrong"])
    simulations, blocks, each = 120, 50, 12
    covered = 0
    for seed in range(simulations):
        quality = rng.beta(8, 2, blocks).repeat(each)
        tables = []
        for gain in (0.05, 0.0):
            share = np.clip(quality, 0, 0.95) + gain
            mapped = (rng.random(quality.size) >= share).astype(np.uint8)
            table = pd.DataFrame({"mapped": mapped, "reference": np.zeros(mapped.size, np.uint8)})
            table["block"] = np.arange(blocks).repeat(each)
            table["point_id"] = np.arange(mapped.size)
            table.attrs["legend"] = legend.to_dict()
            tables.append(table)
        row = lx.compare_maps(*tables, repeats=200, seed=seed).differences.iloc[0]
        covered += row["low"] <= 0.05 <= row["high"]
    assert 0.88 < covered / simulations <= 1


def test_points_may_come_in_another_order():
    first, second = pair()
    mixed = second.sample(frac=1, random_state=0)
    mixed.attrs = second.attrs
    expected = lx.compare_maps(first, second, repeats=20).differences
    pd.testing.assert_frame_equal(lx.compare_maps(first, mixed, repeats=20).differences, expected)


def test_arrays_on_one_grid_are_compared_as_tables_are():
    first, second = pair()

    def grid(values):
        axes = {"y": 10.0 * np.arange(20), "x": 10.0 * np.arange(20)}
        return xr.DataArray(
            values.to_numpy().reshape(20, 20), axes, ("y", "x"), attrs=LEVEL1.flags()
        )

    maps = grid(first["mapped"]), grid(second["mapped"])
    result = lx.compare_maps(*maps, grid(first["reference"]), repeats=20)
    plain = lx.compare_maps(first.drop(columns="block"), second.drop(columns="block"), repeats=20)
    pd.testing.assert_frame_equal(result.differences, plain.differences)
    assert set(result.differences["interval"]) == {"paired bootstrap"}
    assert result.mcnemar == plain.mcnemar


def test_weights_strata_and_tolerance():
    first, second = pair()
    for table in (first, second):
        table["weight"] = np.where(np.arange(400) < 200, 1.0, 0.0)
        table["half"] = table["block"] % 2
        table["mapped_near"] = table["reference"]
    weighted = lx.compare_maps(first, second, weights="weight", strata="half", repeats=20)
    half = [table.iloc[:200] for table in (first, second)]
    expected = [lx.accuracy(table).overall for table in half]
    assert weighted.differences.loc[0, ["first", "second"]].tolist() == pytest.approx(expected)
    assert weighted.weighted
    near = lx.compare_maps(first, second, near=True, repeats=20)
    assert near.differences.loc[0, "difference"] == 0


def test_the_result_tells_itself():
    first, second = pair(2000, right=(0.9, 0.6))
    result = lx.compare_maps(first, second, names=("ours", "theirs"), repeats=100)
    assert "ours is right more often than theirs" in result.statement
    assert "40 blocks" in result.statement
    told = json.loads(json.dumps(result.to_dict()))
    assert told["mcnemar"]["only_first"] == result.mcnemar.only_first
    assert told["differences"][0]["quantity"] == "overall accuracy"
    page = result._repr_html_()
    assert page.count("<tr") == len(result.differences) + 1
    assert "ours" in page
    assert "McNemar" in repr(result)


def test_other_points_or_labels_are_refused():
    first, second = pair()
    less = second.iloc[3:]
    less.attrs = second.attrs
    with pytest.raises(lx.SampleError) as caught:
        lx.compare_maps(first, less)
    assert "3 only in first (such as 0, 1, 2) and 0 only in second" in str(caught.value)
    assert "first[first.point_id.isin(second.point_id)]" in str(caught.value)
    other = second.copy()
    other.loc[5, "reference"] = first.loc[5, "reference"] % 8 + 1
    other.attrs = second.attrs
    with pytest.raises(lx.SampleError, match="1 points have another label in theirs than in ours"):
        lx.compare_maps(first, other, names=("ours", "theirs"))
    twice = [table.assign(point_id=1) for table in (first, second.iloc[::-1])]
    for table in twice:
        table.attrs = first.attrs
    # The same identity everywhere cannot say which row is which, unless rows agree as they are.
    with pytest.raises(lx.SampleError, match="points have another label"):
        lx.compare_maps(*twice)
    second.attrs["legend"] = lx.legend("elc10").to_dict()
    with pytest.raises(lx.LegendError, match="judged by legend 'lucas_lc1_level1'"):
        lx.compare_maps(first, second)


def test_tables_and_arrays_do_not_mix():
    first, second = pair()
    array = xr.DataArray(first["reference"].to_numpy(), dims="sample", attrs=LEVEL1.flags())
    with pytest.raises(lx.SampleError, match="judged points hold their reference"):
        lx.compare_maps(first, second, array)
    with pytest.raises(lx.CubeError, match="expected three DataArrays on one grid"):
        lx.compare_maps(array, array)
    with pytest.raises(lx.CubeError, match="expected the same grid"):
        lx.compare_maps(array, array[:5], array)
