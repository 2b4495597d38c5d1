"""Laws of budgets and of dealing: nested, stratified, paired, and blind to the test fold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lulc_xr.jobs.experiment_learning import deal_samples
from lulc_xr.samples.budgets import draw_labels

_CLASSES = st.sampled_from([0, 1, 2, 5, 255])
_NUMBER = 60


@st.composite
def dealings(draw):
    """Labels of two tasks, folds, a fold to test, a seed."""
    first, second = (draw(arrays.arrays(np.uint8, _NUMBER, elements=_CLASSES)) for _ in range(2))
    fold = draw(arrays.arrays(np.int16, _NUMBER, elements=st.integers(-1, 3)))
    test = draw(st.integers(0, 3))
    return {"a": first, "b": second}, fold, test, draw(st.integers(0, 99))


def deal(labels, fold, test, seed, budget, tasks=("a",)):
    return deal_samples(
        labels, fold, test_fold=test, budget=budget, seed=seed, task="a", tasks=tasks
    )


@given(dealings(), st.integers(1, 30), st.integers(0, 30))
def test_a_smaller_budget_is_part_of_a_larger_one(dealt, small, more):
    labels, fold, _, seed = dealt
    among = fold >= 0
    few = draw_labels(labels["a"], per_class=small, seed=seed, among=among)
    many = draw_labels(labels["a"], per_class=small + more, seed=seed, among=among)
    assert (few <= many).all()


@given(dealings(), st.integers(1, 30))
def test_every_class_gives_its_budget_or_all_it_has(dealt, budget):
    labels, fold, _, seed = dealt
    among = fold >= 0
    kept = draw_labels(labels["a"], per_class=budget, seed=seed, among=among)
    assert not kept[labels["a"] == 255].any()
    assert not kept[~among].any()
    for class_id in (0, 1, 2, 5):
        there = int(((labels["a"] == class_id) & among).sum())
        assert int(kept[labels["a"] == class_id].sum()) == min(budget, there)


@given(dealings(), st.integers(1, 30) | st.just("all"), st.sampled_from([("a",), ("a", "b")]))
def test_the_test_fold_is_never_seen(dealt, budget, tasks):
    labels, fold, test, seed = dealt
    parts = deal(labels, fold, test, seed, budget, tasks)
    assert (parts.test == (fold == test)).all()
    for seen in (parts.labelled, parts.unlabelled):
        assert not (seen & parts.test).any()
        assert not (seen & (fold < 0)).any()
    assert not (parts.labelled & parts.unlabelled).any()
    # Nothing is lost: what is neither tested nor unused is learnt from, with or without label.
    assert ((parts.labelled | parts.unlabelled) == ((fold >= 0) & ~parts.test)).all()


@given(dealings(), st.integers(1, 30))
def test_methods_of_one_seed_get_the_same_labels(dealt, budget):
    labels, fold, test, seed = dealt
    single = deal(labels, fold, test, seed, budget, ("a",))
    both = deal(labels, fold, test, seed, budget, ("a", "b"))
    assert (single.labelled == both.labelled).all()


@given(dealings(), st.integers(1, 30))
def test_a_drawn_sample_without_label_of_the_task_is_unlabelled(dealt, budget):
    labels, fold, test, seed = dealt
    only = deal(labels, fold, test, seed, budget, ("b",))
    drawn = deal(labels, fold, test, seed, budget, ("a",)).labelled
    assert (only.labelled == (drawn & (labels["b"] != 255))).all()
