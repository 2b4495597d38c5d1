"""Laws of legends: CF flags and dictionaries give the same legend back; ids find their place."""

import json
import string

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import FILL_CLASS, Legend, LegendClass

NAMES = st.text(string.ascii_letters + string.digits + "_-/éß", min_size=1, max_size=12)
COLORS = st.integers(0, 2**24 - 1).map(lambda n: f"#{n:06x}")


@st.composite
def legends(draw, parents=True):
    ids = draw(st.lists(st.integers(0, 254), min_size=1, max_size=30, unique=True))
    names = draw(st.lists(NAMES, min_size=len(ids), max_size=len(ids), unique=True))
    parent = st.none() | st.integers(0, 254) if parents else st.none()
    classes = tuple(
        LegendClass(class_id=i, name=n, color=draw(COLORS), parent=draw(parent))
        for i, n in zip(ids, names, strict=True)
    )
    return Legend(name=draw(NAMES), classes=classes)


@given(legends(parents=False))
def test_flags_give_the_legend_back(legend):
    flags = legend.flags()
    assert flags["flag_values"].dtype == np.uint8
    assert Legend.from_flags(flags) == legend
    # Stores give lists, and a single value where there is one class.
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in flags.items()}
    assert Legend.from_flags(plain) == legend


@given(legends())
def test_dictionaries_give_the_legend_back(legend):
    assert Legend.from_dict(json.loads(json.dumps(legend.to_dict()))) == legend


@given(legends(), st.integers(0, 2**32 - 1))
def test_ids_find_their_place(legend, seed):
    place = np.random.default_rng(seed).integers(-1, len(legend), (3, 5))
    labels = np.array([*legend.ids, FILL_CLASS])[place]
    np.testing.assert_array_equal(legend.index_of(labels), place)


@given(legends(), st.integers(-300, 600))
def test_labels_outside_are_named_and_counted(legend, label):
    labels = np.array([legend.ids[0], label, label])
    if label in legend.ids or label == FILL_CLASS:
        assert legend.index_of(labels)[0] == 0
        return
    with pytest.raises(LegendError, match=rf"outside legend .*: {label} \(2 times\)"):
        legend.index_of(labels)
