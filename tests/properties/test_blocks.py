"""Laws of block arithmetic: parts cover a whole exactly once; halos stay inside."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lulc_xr.core.blocks import (
    CHUNK_BYTES,
    SHARD_BYTES,
    ChunkPlan,
    overlapping,
    patches,
    plan_chunks,
    split,
    window,
)
from lulc_xr.core.errors import CubeError

SIZE = st.integers(1, 90)


@given(SIZE, SIZE)
def test_parts_cover_the_whole(size, step):
    parts = split(size, step)
    assert sum(parts) == size
    assert set(parts[:-1]) <= {step}
    assert 0 < parts[-1] <= step


@st.composite
def spans(draw):
    size = draw(SIZE)
    start = draw(st.integers(0, size - 1))
    return size, slice(start, draw(st.integers(start + 1, size)))


@given(spans(), st.data())
def test_overlapping_chunks_put_a_part_together(span, data):
    size, part = span
    chunks = split(size, data.draw(st.integers(1, size)))
    whole = np.arange(size)
    starts = np.concatenate([[0], np.cumsum(chunks)])
    found = np.full(part.stop - part.start, -1)
    for index, inside, where in overlapping(chunks, part):
        assert (found[where] == -1).all()
        found[where] = whole[starts[index] : starts[index + 1]][inside]
    np.testing.assert_array_equal(found, whole[part])


@given(spans(), spans(), st.integers(0, 9), st.integers(1, 4000))
def test_patches_cover_a_block_once_and_carry_their_halo(rows, columns, halo, pixels):
    shape = rows[0], columns[0]
    block = window(rows[1], columns[1], halo=halo, shape=shape)
    counts = np.zeros(shape, int)
    for patch in patches(block, halo=halo, pixels=pixels):
        # From the coordinates of the block to those of the cube.
        y0, x0 = block.outer_y.start, block.outer_x.start
        y, x = (
            slice(patch.y.start + y0, patch.y.stop + y0),
            slice(patch.x.start + x0, patch.x.stop + x0),
        )
        counts[y, x] += 1
        assert patch.outer_y.start + y0 == max(0, y.start - halo)
        assert patch.outer_y.stop + y0 == min(shape[0], y.stop + halo)
        assert patch.outer_x.start + x0 == max(0, x.start - halo)
        assert patch.outer_x.stop + x0 == min(shape[1], x.stop + halo)
        assert patch.shape[0] * patch.shape[1] <= max(pixels, block.shape[1])
    expected = np.zeros(shape, int)
    expected[rows[1], columns[1]] = 1
    np.testing.assert_array_equal(counts, expected)


@given(st.integers(1, 400), st.integers(1, 12), st.integers(1, 10**6), st.integers(1, 10**6))
def test_planned_shards_are_whole_chunks_of_bounded_size(time, band, y, x):
    plan = plan_chunks(time=time, band=band, y=y, x=x)
    for dim in ("y", "x"):
        assert plan.shard(dim, 10**6) % plan.chunk(dim, 10**6) == 0
    pixel = 2 * time * band
    assert plan.shard("y", y) * plan.shard("x", x) * pixel <= max(SHARD_BYTES, 256 * pixel)
    assert plan.chunk("y", y) * plan.chunk("x", x) * pixel <= max(CHUNK_BYTES, 256 * pixel)


def test_a_shard_that_is_no_multiple_of_its_chunk_is_refused_with_the_mend():
    with pytest.raises(CubeError, match=r"shard of 100 along 'y' is not a multiple .* shard of 96"):
        ChunkPlan(chunks={"y": 32}, shards={"y": 100})
    with pytest.raises(CubeError, match=r"chunks of 'x' is 0; give a whole number >= 1"):
        ChunkPlan(chunks={"x": 0})
