"""Laws of crosswalks: shares add up, nothing is lost unseen, two steps are one."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays

from lulc_xr.core.crosswalk import ANY_OTHER, Crosswalk, CrosswalkRow
from lulc_xr.core.crosswalks import crosswalk, list_crosswalks
from lulc_xr.core.legend import Legend, LegendClass

KEYS = [None, "a", "b", ANY_OTHER]


def legends(name):
    ids = st.lists(st.integers(0, 254), min_size=1, max_size=6, unique=True)
    return ids.map(
        lambda found: Legend(
            name=name,
            classes=tuple(LegendClass(class_id=i, name=f"class_{i}") for i in found),
        )
    )


@st.composite
def crosswalks(draw):
    source, target = draw(legends("source")), draw(legends("target"))
    rows = []
    for class_id in source.ids:
        for key in {None, *draw(st.sets(st.sampled_from(KEYS)))}:
            chosen = draw(st.lists(st.sampled_from(target.ids), unique=True, max_size=3))
            parts = draw(st.lists(st.integers(1, 9), min_size=len(chosen), max_size=len(chosen)))
            shares = {i: n / sum(parts) for i, n in zip(chosen, parts, strict=True)}
            rows.append(
                CrosswalkRow(
                    source=class_id, shares=shares, published=False, reference="made up", key=key
                )
            )
    return Crosswalk(source=source, target=target, rows=tuple(rows), key="kind")


def fractions(walk):
    shape = st.tuples(st.just(len(walk.source)), st.integers(0, 3), st.integers(1, 3))
    return shape.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(0, 1)))


@given(st.one_of(crosswalks(), st.sampled_from(list_crosswalks()).map(lambda p: crosswalk(*p))))
def test_rows_sum_to_one_or_are_ignored(walk):
    for key in (None, *walk.keys, *(["elsewhere"] if walk.key else [])):
        total = walk.matrix(key).sum(axis=1)
        np.testing.assert_allclose(total, np.where(walk.ignored(key), 0, 1), atol=1e-12)


@given(st.data())
def test_fractions_and_what_is_ignored_add_up(data):
    walk = data.draw(crosswalks())
    given_ = data.draw(fractions(walk))
    keys = data.draw(
        arrays(object, given_.shape[1:], elements=st.sampled_from([None, "", "a", "b", "c"]))
    )
    mapped, ignored = walk.map_fractions(given_, keys)
    assert mapped.shape == (len(walk.target), *given_.shape[1:])
    np.testing.assert_allclose(mapped.sum(axis=0) + ignored, given_.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(walk.map_probabilities(given_, keys), mapped)
    for place in np.ndindex(keys.shape):
        alone, apart = walk.map_fractions(given_[(slice(None), *place)], keys[place])
        np.testing.assert_allclose(alone, mapped[(slice(None), *place)], atol=1e-15)
        assert np.isclose(apart, ignored[place])


@given(st.data())
def test_a_label_is_a_probability_of_one(data):
    walk = data.draw(crosswalks())
    key = data.draw(st.sampled_from([None, "a", "b", "c"]))
    labels = walk.map_labels(np.array([*walk.source.ids, 255]), key)
    assert labels[-1] == 255
    one_hot = walk.map_probabilities(np.eye(len(walk.source)), key)
    for label, shares in zip(labels, one_hot.T, strict=False):
        if label == 255:
            assert shares.max() < 1
        else:
            assert shares[walk.target.ids.index(label)] == 1


def test_levels_compose():
    for kind in ("lc1", "lu1"):
        fine, middle, coarse = (f"lucas_{kind}{end}" for end in ("", "_level2", "_level1"))
        steps = crosswalk(fine, middle).then(crosswalk(middle, coarse))
        np.testing.assert_array_equal(steps.matrix(), crosswalk(fine, coarse).matrix())
    steps = crosswalk("lucas_lc1", "lucas_lc1_level1").then(crosswalk("lucas_lc1_level1", "elc10"))
    np.testing.assert_array_equal(steps.matrix(), crosswalk("lucas_lc1", "elc10").matrix())
