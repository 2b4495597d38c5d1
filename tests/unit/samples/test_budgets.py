"""Budgets of labels: drawn per class, and refused where they make no sense."""

import numpy as np
import pytest

from lulc_xr.core.errors import SampleError
from lulc_xr.samples.budgets import draw_labels

LABELS = np.repeat(np.array([1, 4, 7, 255], np.uint8), [30, 12, 3, 9])


def test_every_class_gives_its_budget_or_all_it_has():
    kept = draw_labels(LABELS, per_class=10, seed=3)
    counts = [int((LABELS[kept] == c).sum()) for c in (1, 4, 7, 255)]
    assert counts == [10, 10, 3, 0]


def test_without_a_budget_all_labels_are_kept():
    assert (draw_labels(LABELS, per_class=None) == (LABELS != 255)).all()


def test_what_may_not_be_drawn_is_not():
    among = np.arange(LABELS.size) % 2 == 0
    kept = draw_labels(LABELS, per_class=100, among=among)
    assert (kept == (among & (LABELS != 255))).all()


def test_seeds_draw_different_samples():
    first, second = (draw_labels(LABELS, per_class=5, seed=(seed, 0)) for seed in (1, 2))
    assert (first != second).any()
    assert (draw_labels(LABELS, per_class=5, seed=(1, 0)) == first).all()


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(SampleError, match="0 labels per class; give at least 1, or None for all"):
        draw_labels(LABELS, per_class=0)
