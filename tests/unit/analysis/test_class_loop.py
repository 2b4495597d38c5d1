"""Classes counted eight pixels at a time, held against one pixel at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lulc_xr.analysis.class_loop import add_classes


def by_pixel(spans, nodes, shift, lead, classes, cells):
    """Area of each class in each cell, pixel by pixel."""
    made = np.zeros((cells, 256))
    for cell, row, start, stop, weight in spans:
        for column in range(start, stop):
            place = (column + lead) / (1 << shift)
            node = int(place)
            middle = (column + 0.5 + lead) / (1 << shift) - node
            area = nodes[row, node] * (1 - middle) + nodes[row, node + 1] * middle
            made[cell, classes[row, column]] += weight * area
    return made


@st.composite
def blocks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns = draw(st.integers(1, 12)), draw(st.sampled_from([64, 40, 61, 24, 16, 8, 7, 1]))
    most = draw(st.sampled_from([15, 17, 255, 16, 2]))
    patch = draw(st.sampled_from([1, 3, 8, 20]))
    small = rng.integers(0, most + 1, (rows, -(-columns // patch)), dtype=np.uint8)
    classes = np.ascontiguousarray(small.repeat(patch, axis=1)[:, :columns])
    spans = []
    for cell in range(3):
        for row in range(rows):
            ends = np.sort(rng.integers(0, columns + 1, 4))
            for start, stop in (ends[:2], ends[2:]):
                if stop > start:
                    spans.append((cell, row, start, stop, rng.choice([1.0, 1.0, 0.25])))
    return classes, spans, rng


@settings(max_examples=150)
@given(blocks(), st.integers(3, 6), st.integers(0, 3), st.booleans())
def test_areas_are_those_of_single_pixels(block, shift, tall, flat):
    classes, spans, rng = block
    rows, columns = classes.shape
    lead, first = int(rng.integers(0, 1 << shift)), int(rng.integers(0, 9))
    segments = ((columns - 1 + lead) >> shift) + 1
    band = (np.arange(rows) + first) >> tall
    # Nodes of a band are alike, as the rule of areas has it.
    nodes = rng.uniform(90, 110, (band[-1] + 1, segments + 1))[band]
    if flat:
        nodes = np.repeat(nodes[:, :1], segments + 1, axis=1)
    words = classes.view(np.uint64) if columns % 8 == 0 else np.empty((0, 0), np.uint64)
    kinds = (np.int32, np.int32, np.int32, np.int32, np.float64)
    along = [np.array([s[k] for s in spans], kind) for k, kind in enumerate(kinds)]
    found = np.zeros((3, 256))
    add_classes(*along, nodes, shift, lead, first, tall, not flat, classes, words, found)
    np.testing.assert_allclose(
        found, by_pixel(spans, nodes, shift, lead, classes, 3), rtol=1e-12, atol=1e-9
    )


@pytest.mark.parametrize("most", [5, 40])
def test_counts_of_equal_pixels_are_whole(most):
    rng = np.random.default_rng(most)
    classes = rng.integers(0, most, (64, 256), dtype=np.uint8)
    rows = np.arange(64, dtype=np.int32)
    along = (rows * 0, rows, rows * 0, rows * 0 + 256, np.ones(64))
    found = np.zeros((1, 256))
    nodes = np.full((64, 2), 100.0)
    add_classes(*along, nodes, 8, 0, 0, 30, False, classes, classes.view(np.uint64), found)
    np.testing.assert_array_equal(found[0], 100.0 * np.bincount(classes.ravel(), minlength=256))


@pytest.mark.parametrize("class_id", [3, 200])
def test_one_class_has_the_area_of_its_pixels(class_id):
    classes = np.full((2, 64), class_id, np.uint8)
    rows = np.arange(2, dtype=np.int32)
    along = (rows * 0, rows, rows * 0 + 3, rows * 0 + 61, np.ones(2))
    nodes, found = np.array([[90.0, 110.0], [70.0, 95.0]]), np.zeros((1, 256))
    add_classes(*along, nodes, 6, 0, 0, 0, True, classes, classes.view(np.uint64), found)
    spans = [(0, row, 3, 61, 1.0) for row in range(2)]
    np.testing.assert_allclose(found, by_pixel(spans, nodes, 6, 0, classes, 1), rtol=1e-13)
