"""Budgets of labels: which samples keep their label, drawn per class and nested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import FILL_CLASS


def draw_labels(
    labels: NDArray[np.integer],
    *,
    per_class: int | None,
    seed: int | Sequence[int] = 0,
    among: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Which samples keep their label under a budget of labels per class.

    The samples of a class are put in an order that follows from the seed and the class alone;
    a budget takes the first of them. So 20 per class are part of 100 per class, and every
    method that asks with one seed gets the same samples.

    Parameters
    ----------
    labels : ndarray of int
        Class ids (sample,), 255 where there is no label.
    per_class : int or None
        Labels of each class; a class with fewer gives all it has. None: all labels.
    seed : int or sequence of int
        Another seed draws other samples.
    among : ndarray of bool, optional
        Samples that may be drawn (sample,), such as those outside the test fold.

    Returns
    -------
    ndarray of bool
        True where the label is kept, (sample,).

    Raises
    ------
    SampleError
        If `per_class` is below 1.

    Examples
    --------
    >>> labels = np.array([1, 1, 1, 2, 2, 255])
    >>> few = draw_labels(labels, per_class=1)
    >>> [int(labels[few].tolist().count(c)) for c in (1, 2)]
    [1, 1]
    >>> bool((few <= draw_labels(labels, per_class=2)).all())
    True
    """
    allowed = labels != FILL_CLASS
    if among is not None:
        allowed = allowed & among
    if per_class is None:
        return np.asarray(allowed, np.bool_)
    if per_class < 1:
        raise SampleError(f"{per_class} labels per class; give at least 1, or None for all.")
    kept = np.zeros(labels.shape, np.bool_)
    words = [seed] if isinstance(seed, int) else list(seed)
    for class_id in np.unique(labels[allowed]):
        # All samples of the class are put in order, not the allowed ones only: then a fold that
        # is left out takes nothing else away.
        members = np.flatnonzero(labels == class_id)
        order = np.random.default_rng([*words, int(class_id)]).permutation(members)
        kept[order[allowed[order]][:per_class]] = True
    return kept
