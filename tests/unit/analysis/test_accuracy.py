"""Accuracy: what counts as wrong, what is left out, and what the reader is told."""

import json

import numpy as np
import pytest
import xarray as xr

from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["cropland", "woodland", "water"])


def labels(*ids):
    return xr.DataArray(np.array(ids, np.uint8), dims="sample", attrs=LEGEND.flags())


def test_unmapped_pixels_are_wrong_and_reported():
    result = accuracy(labels(0, 1, 255, 255), labels(0, 1, 1, 255))
    assert result.overall == pytest.approx(2 / 3)
    assert result.unmapped == 1
    assert result.total == 3
    assert "Not mapped, counted as wrong: 1." in result.statement
    np.testing.assert_allclose(result.producers_accuracy, [1, 0.5, np.nan])


def test_absent_classes_are_left_out_of_macro_f1_and_named():
    result = accuracy(labels(0, 0, 2), labels(0, 0, 1))
    assert result.absent == ("water",)
    np.testing.assert_array_equal(result.f1, [1, 0, np.nan])
    assert result.macro_f1 == 0.5
    assert result.weighted_f1 == pytest.approx(2 / 3)
    assert "left out of macro F1: water." in result.statement


def test_nothing_labelled_gives_no_score():
    result = accuracy(labels(0, 1), labels(255, 255))
    assert np.isnan([result.overall, result.macro_f1, result.weighted_f1]).all()
    assert "0 labelled pixels" in result.statement
    assert result.to_dict()["overall"] is None


def test_statement_says_how_pixels_count():
    predicted = labels(0, 1)
    weights = xr.DataArray([0.5, 1.5], dims="sample")
    assert "Unweighted agreement of 2" in repr(accuracy(predicted, predicted))
    assert "no sampling design is known" in accuracy(predicted, predicted)._repr_html_()
    weighted = accuracy(predicted, labels(0, 0), weights=weights)
    assert weighted.overall == 0.25
    assert weighted.statement.startswith("Weighted agreement of labelled pixels, weights summing")


def test_dictionary_is_json_and_table_agrees():
    result = accuracy(labels(0, 1, 2, 255), labels(0, 1, 1, 0))
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    table = result.to_dataframe()
    assert list(table.index) == list(LEGEND.names)
    assert values["classes"]["cropland"]["f1"] == table.loc["cropland", "f1"]
    assert values["classes"]["water"]["f1"] is None
    assert Legend.from_dict(values["legend"]) == LEGEND
    assert values["counts"]["values"] == result.counts.values.tolist()


def test_html_escapes_names():
    legend = Legend.from_names("demo", ["<b>crop</b>"])
    text = accuracy(labels(0), labels(0), legend=legend)._repr_html_()
    assert "&lt;b&gt;crop" in text
    assert "<b>crop" not in text


def test_sum_of_two_counts_pixels_of_both():
    first, second = accuracy(labels(0, 1), labels(0, 0)), accuracy(labels(2, 2), labels(2, 2))
    both = first + second
    assert both == accuracy(labels(0, 1, 2, 2), labels(0, 0, 2, 2))
    assert both != first
    assert hash(both) == hash(second + first)


def test_other_legends_cannot_be_added():
    other = Legend.from_names("other", ["cropland", "woodland", "sea"])
    first = accuracy(labels(0), labels(0))
    with pytest.raises(LegendError, match=r"'demo' \(cropland, woodland, water\) cannot be added"):
        first + accuracy(labels(0), labels(0), legend=other)


def test_weighted_and_unweighted_cannot_be_added():
    weights = xr.DataArray([1.0], dims="sample")
    with pytest.raises(LegendError, match="weighted and unweighted counts"):
        accuracy(labels(0), labels(0)) + accuracy(labels(0), labels(0), weights=weights)


def test_only_accuracies_can_be_added():
    with pytest.raises(TypeError, match="unsupported operand"):
        accuracy(labels(0), labels(0)) + 1
