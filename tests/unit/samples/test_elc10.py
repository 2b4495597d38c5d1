"""The table of ELC10 as samples: units, labels that the survey confirms, folds, a second task."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.legends import legend
from lulc_xr.samples.elc10 import join_lucas, read_elc10
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.lucas import read_lucas
from lulc_xr.samples.lucas_labels import lucas_labels


@pytest.fixture(scope="module")
def samples(shared_data):
    return read_elc10(shared_data / "elc10/points.parquet")


@pytest.fixture(scope="module")
def surveyed(shared_data):
    return read_lucas(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv")


def test_every_point_and_metric_is_there_in_its_unit(samples, shared_data):
    table = pd.read_parquet(shared_data / "elc10/points.parquet")
    assert samples.sizes["sample"] == len(table) == 55662
    left_out = {"LC", "LC_num", "POINT_ID", "e3035", "n3035", "source", "votes"}
    assert set(samples["feature"].values) == set(table.columns) - left_out
    assert (samples["x"].values == table["e3035"]).all()
    assert (samples["y"].values == table["n3035"]).all()
    values = samples["features"].to_series().unstack("feature")
    # Medians over Europe: vegetation is darker in red than in the infrared; radar below 0 dB.
    assert 0 < values["red_median"].median() < values["nir_median"].median() < 0.5
    for name in ("ndvi_p5", "ndvi_p95", "ndsi_p50"):
        assert values[name].abs().max() <= 1
    assert -40 < values["asc_vh_median"].median() < values["asc_vv_median"].median() < 0
    np.testing.assert_allclose(values["blue_median"] * 1e7, table["blue_median"], rtol=1e-6)
    missing = table["asc_vv_median"].isna()
    assert (values["asc_vv_median"].isna() == missing).all()


def test_cross_ratio_has_no_unit(samples):
    ratio = samples["features"].sel(feature="asc_dpol_median").values
    vh, vv = (samples["features"].sel(feature=f"asc_{p}_median").values for p in ("vh", "vv"))
    # A median of ratios is nearly the ratio of medians.
    assert np.nanmedian(np.abs(ratio - vh / vv)) < 1e-3
    units = dict(zip(samples["feature"].values, samples["unit"].values, strict=True))
    assert units["asc_dpol_median"] == "1"
    assert units["asc_vh_median"] == "dB"


def test_class_is_the_letter_that_was_surveyed(samples, surveyed):
    joined = join_lucas(samples, surveyed)
    found = joined["lc1"].values != ""
    assert found.sum() == len(set(samples["point_id"].values) & set(surveyed["point_id"]))
    assert found.sum() > 10_000
    letters = [code[0] for code in joined["lc1"].values[found]]
    expected = ["ABCDEFGH".index(letter) + 1 for letter in letters]
    assert joined["land_cover"].values[found].tolist() == expected
    assert Legend.from_flags(joined["land_cover"].attrs).names == legend("lucas_lc1_level1").names


def test_second_task_is_joined(samples, surveyed):
    joined = join_lucas(samples, lucas_labels(surveyed, lu1="lucas_lu1_level1"))
    assert joined.attrs["tasks"] == "land_cover land_use"
    assert joined["land_cover"].identical(samples["land_cover"])
    expected = [int(code[1]) if code else 255 for code in joined["lu1"].values]
    assert joined["land_use"].values.tolist() == expected
    assert Legend.from_flags(joined["land_use"].attrs).name == "lucas_lu1_level1"


def test_folds_and_a_forest_take_the_samples(samples):
    some = samples.isel(sample=slice(None, None, 20))
    folded = make_folds(some, block=100_000, folds=4)
    test = folded["fold"].values == 0
    optical = folded["features"].values[:, folded["sensor"].values == "sentinel-2"]
    labels = folded["land_cover"].values
    forest = RandomForestClassifier(30, random_state=0).fit(optical[~test], labels[~test])
    most_frequent = np.bincount(labels[~test]).argmax()
    assert forest.score(optical[test], labels[test]) > 1.5 * (labels[test] == most_frequent).mean()


def test_what_cannot_be_read_or_joined_is_said(samples, surveyed, tmp_path):
    with pytest.raises(SampleError, match="cannot be read as Parquet"):
        read_elc10(tmp_path / "none.parquet")
    pd.DataFrame({"POINT_ID": [1]}).to_parquet(tmp_path / "short.parquet")
    with pytest.raises(SampleError, match=r"short\.parquet': unknown column 'LC_num'"):
        read_elc10(tmp_path / "short.parquet")
    with pytest.raises(SampleError, match=r"1 points have several visits, such as 26521970"):
        join_lucas(samples, pd.concat([surveyed, surveyed.iloc[:1]]))
    with pytest.raises(SampleError, match="none of 55662 samples is one of these 2 points"):
        join_lucas(samples, surveyed.iloc[:2].assign(point_id=[1, 2]))
    with pytest.raises(SampleError, match="no 'point_id'"):
        join_lucas(samples.drop_vars("point_id"), surveyed)
