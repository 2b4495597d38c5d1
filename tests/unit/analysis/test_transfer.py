"""Transfer to regions left out: its figures, and that they stay apart from those of a map."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lulc_xr as lx

LEVEL1 = lx.legend("lucas_lc1_level1")
QUALITY = {"alps": 0.5, "baltic": 0.7, "iberia": 0.9}


def samples(each=200, seed=0):
    rng = np.random.default_rng(seed)
    region = np.repeat(list(QUALITY), each)
    reference = rng.choice(LEVEL1.ids, region.size)
    right = rng.random(region.size) < np.array([QUALITY[r] for r in region])
    mapped = np.where(right, reference, reference % 8 + 1)
    table = pd.DataFrame({"mapped": mapped, "reference": reference}, dtype=np.uint8)
    table["region"] = region
    table["block"] = np.arange(region.size) // 10
    table.attrs["legend"] = LEVEL1.to_dict()
    return table


def test_every_region_has_its_rows_and_all_together():
    table = samples()
    result = lx.transfer_accuracy(table, repeats=300)
    rows = result.estimates
    assert set(rows["kind"]) == {"transfer"}
    assert rows["region"].unique().tolist() == [*QUALITY, "all regions"]
    found = rows.set_index(["region", "quantity"])
    for name in QUALITY:
        own = table[table["region"] == name]
        own.attrs = table.attrs
        expected = lx.accuracy(own)
        assert found.loc[(name, "overall accuracy"), "estimate"] == pytest.approx(expected.overall)
        assert found.loc[(name, "macro F1"), "estimate"] == pytest.approx(expected.macro_f1)
        assert found.loc[(name, "overall accuracy"), "samples"] == 200
    whole = found.loc[("all regions", "overall accuracy")]
    assert whole["estimate"] == pytest.approx(lx.accuracy(table).overall)
    # Regions differ far more than samples within one: another region may be like any of them.
    assert whole["interval"] == "region bootstrap"
    assert whole["high"] - whole["low"] > 0.2
    assert found.loc[("alps", "overall accuracy"), "high"] < 0.6


def test_arrays_and_blocks_give_the_same_estimates():
    table = samples()
    expected = lx.transfer_accuracy(table, repeats=20).estimates
    arrays = {
        name: xr.DataArray(table[name].to_numpy(), dims="sample", attrs=LEVEL1.flags())
        for name in ("mapped", "reference")
    }
    found = lx.transfer_accuracy(*arrays.values(), table["region"].to_numpy(), repeats=20)
    pd.testing.assert_frame_equal(found.estimates, expected)
    blocked = lx.transfer_accuracy(table, block="block", repeats=20).estimates
    assert blocked["estimate"].tolist() == expected["estimate"].tolist()
    assert set(blocked["interval"]) == {"block bootstrap", "region bootstrap"}


def test_it_is_never_added_to_the_accuracy_of_a_map():
    table = samples()
    transfer, quality = lx.transfer_accuracy(table, repeats=20), lx.accuracy(table)
    for first, second in ((transfer, quality), (quality, transfer), (transfer, transfer)):
        with pytest.raises(lx.SampleError, match="they answer different questions"):
            first + second
    assert not isinstance(transfer, lx.Accuracy)
    assert "This is not the accuracy of a map" in transfer.statement
    told = json.loads(json.dumps(transfer.to_dict()))
    assert told["kind"] == "transfer"
    assert "not the accuracy of a map" in transfer._repr_html_()
    assert "alps" in repr(transfer)


def test_what_is_refused():
    table = samples()
    alone = table[table["region"] == "alps"]
    alone.attrs = table.attrs
    with pytest.raises(lx.SampleError, match="all samples lie in region 'alps'"):
        lx.transfer_accuracy(alone)
    with pytest.raises(lx.SampleError, match="unknown column of regions 'fold'"):
        lx.transfer_accuracy(table, region="fold")
    nowhere = table.assign(region=np.where(np.arange(600) < 5, "", table["region"]))
    nowhere.attrs = table.attrs
    with pytest.raises(lx.SampleError, match="5 samples have no region"):
        lx.transfer_accuracy(nowhere)
    array = xr.DataArray(table["mapped"].to_numpy(), dims="sample", attrs=LEVEL1.flags())
    with pytest.raises(lx.SampleError, match="give reference and region as arrays"):
        lx.transfer_accuracy(array, array)
    with pytest.raises(lx.SampleError, match="shapes differ"):
        lx.transfer_accuracy(array, array, np.array(["a", "b"]))
    with pytest.raises(lx.SampleError, match="leave reference= out"):
        lx.transfer_accuracy(table, array)
    with pytest.raises(lx.LegendError, match="carries no legend"):
        lx.transfer_accuracy(array.drop_attrs(), array.drop_attrs(), table["region"].to_numpy())
