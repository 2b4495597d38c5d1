"""Laws of accuracy: counts add up over any chunking, and scores are those of scikit-learn."""

import functools
import operator

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.analysis.confusion import confusion_counts
from lulc_xr.core.legend import FILL_CLASS, Legend, LegendClass

IDS = (7, 3, 200, 0)
LEGEND = Legend(
    name="drawn", classes=tuple(LegendClass(class_id=i, name=f"class_{i}") for i in IDS)
)


@st.composite
def pairs(draw):
    """A predicted and a reference map of one shape, both with fill."""
    shape = draw(st.tuples(st.integers(1, 11), st.integers(1, 11)))
    ids = st.sampled_from([*IDS, FILL_CLASS])
    maps = [draw(arrays.arrays(np.uint8, shape, elements=ids, fill=st.nothing())) for _ in "ab"]
    coords = {"y": -10.0 * np.arange(shape[0]), "x": 10.0 * np.arange(shape[1])}
    return [xr.DataArray(values, dims=("y", "x"), coords=coords) for values in maps]


def chunkings(size):
    """Chunk sizes that add up to `size`."""
    cuts = st.sets(st.integers(1, max(1, size - 1)))
    return cuts.map(lambda c: tuple(np.diff([0, *sorted(k for k in c if k < size), size]).tolist()))


def chunked(draw, da):
    return da.chunk({dim: draw(chunkings(size)) for dim, size in da.sizes.items()})


@given(pairs(), st.data())
@settings(deadline=None, max_examples=60)
def test_counts_do_not_depend_on_chunks(maps, data):
    whole = confusion_counts(*maps, LEGEND)
    left, right = (
        chunked(data.draw, da) if data.draw(st.booleans(), label="lazy") else da for da in maps
    )
    xr.testing.assert_identical(confusion_counts(left, right, LEGEND).compute(), whole)


@given(pairs(), st.data())
@settings(deadline=None, max_examples=60)
def test_parts_add_up(maps, data):
    sizes = data.draw(chunkings(maps[0].sizes["y"]))
    ends = np.cumsum(sizes)
    parts = [
        accuracy(*(da.isel(y=slice(end - size, end)) for da in maps), legend=LEGEND)
        for size, end in zip(sizes, ends, strict=True)
    ]
    assert functools.reduce(operator.add, parts) == accuracy(*maps, legend=LEGEND)


@given(pairs(), st.data())
@settings(deadline=None, max_examples=60)
def test_order_of_pixels_does_not_matter(maps, data):
    flat = [da.values.ravel() for da in maps]
    order = np.array(data.draw(st.permutations(range(flat[0].size))))
    shuffled = [xr.DataArray(values[order], dims="sample") for values in flat]
    assert accuracy(*shuffled, legend=LEGEND) == accuracy(*maps, legend=LEGEND)


@given(pairs())
@settings(deadline=None, max_examples=60)
def test_overall_is_one_only_where_all_labels_are_met(maps):
    predicted, reference = maps
    labelled = reference.values != FILL_CLASS
    equal = bool((predicted.values == reference.values)[labelled].all())
    result = accuracy(predicted, reference, legend=LEGEND)
    if not labelled.any():
        assert np.isnan(result.overall)
        return
    assert (result.overall == 1) == equal
    assert accuracy(reference, reference, legend=LEGEND).overall == 1


@given(pairs())
@settings(deadline=None, max_examples=80)
def test_scores_are_those_of_scikit_learn(maps):
    predicted, reference = (da.values.ravel() for da in maps)
    labelled = reference != FILL_CLASS
    if not labelled.any():
        return
    truth, guess = reference[labelled], predicted[labelled]
    result = accuracy(*maps, legend=LEGEND)

    matrix = metrics.confusion_matrix(truth, guess, labels=[*IDS, FILL_CLASS])
    np.testing.assert_array_equal(result.counts.values, matrix.T[:, :-1])
    assert result.overall == pytest.approx(metrics.accuracy_score(truth, guess))

    present = [i for i in IDS if i in truth]
    average = functools.partial(metrics.f1_score, truth, guess, labels=present, zero_division=0)
    assert result.macro_f1 == pytest.approx(average(average="macro"))
    assert result.weighted_f1 == pytest.approx(average(average="weighted"))

    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, guess, labels=list(IDS), zero_division=np.nan
    )
    np.testing.assert_array_equal(result.support, support)
    np.testing.assert_allclose(result.users_accuracy, precision)
    np.testing.assert_allclose(result.producers_accuracy, recall)
    in_truth = support > 0
    np.testing.assert_allclose(result.f1[in_truth], np.nan_to_num(f1[in_truth]))
    assert np.isnan(result.f1[~in_truth]).all()


@given(pairs(), st.data())
@settings(deadline=None, max_examples=40)
def test_equal_weights_and_a_full_mask_change_no_score(maps, data):
    ones = xr.ones_like(maps[0], dtype=np.float32)
    weighted = accuracy(*maps, legend=LEGEND, weights=2.5 * chunked(data.draw, ones))
    masked = accuracy(*maps, legend=LEGEND, mask=ones > 0)
    plain = accuracy(*maps, legend=LEGEND)
    assert masked == plain
    np.testing.assert_array_equal(weighted.counts.values, 2.5 * plain.counts.values)
    np.testing.assert_allclose(weighted.f1, plain.f1)
