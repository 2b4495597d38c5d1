"""Windows and patches hold every position exactly once."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.core.errors import SampleError
from lulc_xr.samples.patches import iterate_patches, iterate_positions
from lulc_xr.testing import landscape

side = st.integers(1, 23)


@given(y=side, x=side, step_y=side, step_x=side)
def test_every_pixel_lies_in_one_patch(y: int, x: int, step_y: int, step_x: int) -> None:
    number = xr.Dataset({"number": (("y", "x"), np.arange(y * x).reshape(y, x))})
    patches = list(iterate_patches(number, patch={"y": step_y, "x": step_x}))
    assert sorted(np.concatenate([p.number.values.ravel() for p in patches])) == list(range(y * x))
    assert all(p.sizes["y"] <= step_y and p.sizes["x"] <= step_x for p in patches)
    assert len(patches) == -(-y // step_y) * -(-x // step_x)


def test_nothing_gives_no_window() -> None:
    assert list(iterate_positions({"sample": 0}, steps={"sample": 4})) == []


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(SampleError, match="windows of 0 along 'sample'"):
        next(iterate_positions({"sample": 4}, steps={"sample": 0}))
    with pytest.raises(SampleError, match=r"no dimension 'z' to cut; there are \['sample'\]"):
        next(iterate_positions({"sample": 4}, steps={"z": 1}))
    with pytest.raises(SampleError, match="this block is lazy"):
        next(iterate_patches(landscape(chunks={}), patch={"y": 8}))
