"""Blocks to train and to test on never touch; points lie where they may."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt

from lulc_xr.core.errors import SampleError
from lulc_xr.jobs.blocks import draw_points, split_blocks
from lulc_xr.testing import landscape

REFERENCE = landscape(y=70, x=64, time=1, bands=("red",), classes=3)["reference"]


@given(seed=st.integers(0, 2**31), side=st.sampled_from([6, 8]))
def test_a_whole_block_lies_between_training_and_test(seed, side):
    split = split_blocks(REFERENCE, rng=np.random.default_rng(seed), side=side)
    test, training = split.test.values, split.training.values
    # Steps over edges and corners from each pixel to the nearest test pixel.
    steps = distance_transform_cdt(~test, metric="chessboard")
    assert steps[training].min() > side
    for class_id in range(3):
        assert (REFERENCE.values[training] == class_id).sum() >= 40
        assert (REFERENCE.values[test] == class_id).sum() >= 20


@given(seed=st.integers(0, 2**31), per_class=st.integers(1, 60))
def test_points_lie_where_they_may_each_pixel_once(seed, per_class):
    rng = np.random.default_rng(seed)
    split = split_blocks(REFERENCE, rng=rng)
    points = draw_points(REFERENCE, split.training, per_class=per_class, rng=rng)
    assert not points.duplicated(["y", "x"]).any()
    for row in points.itertuples():
        assert bool(split.training.sel(y=row.y, x=row.x))
        assert int(REFERENCE.sel(y=row.y, x=row.x)) == row.land_cover
    available = [(REFERENCE.where(split.training, 255) == i).sum().item() for i in range(3)]
    counts = points["land_cover"].value_counts().reindex(range(3)).tolist()
    assert counts == [min(per_class, n) for n in available]


def test_the_same_seed_gives_the_same_blocks():
    first, again = (split_blocks(REFERENCE, rng=np.random.default_rng(5)) for _ in range(2))
    other = split_blocks(REFERENCE, rng=np.random.default_rng(6))
    assert first.test.equals(again.test)
    assert not first.test.equals(other.test)


def test_area_that_is_too_small_is_refused():
    small = REFERENCE.isel(y=slice(0, 20), x=slice(0, 20))
    with pytest.raises(SampleError, match="3 × 3 blocks of 8 pixels cannot be parted"):
        split_blocks(small, rng=np.random.default_rng(0))
