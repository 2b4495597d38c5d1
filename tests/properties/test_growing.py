"""What a store lacks of an area: rectangles that lie side by side and cover just that."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.jobs.growing import uncovered

SIDE = 12


@st.composite
def boxes(draw):
    top, left = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
    bottom, right = draw(st.integers(top + 1, SIDE)), draw(st.integers(left + 1, SIDE))
    return top, bottom, left, right


@given(box=boxes(), covered=st.lists(boxes(), max_size=5))
def test_pieces_cover_once_what_no_other_box_covers(box, covered):
    wanted = np.zeros((SIDE, SIDE), int)
    wanted[box[0] : box[1], box[2] : box[3]] = 1
    for other in covered:
        wanted[other[0] : other[1], other[2] : other[3]] = 0
    found = np.zeros_like(wanted)
    for top, bottom, left, right in uncovered(box, covered):
        assert top < bottom
        assert left < right
        found[top:bottom, left:right] += 1
    np.testing.assert_array_equal(found, wanted)
