"""Patches and tolerances of points: what lies around a point, also beyond chunks and borders."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lulc_xr.core.dates import RawDates
from lulc_xr.core.errors import CubeError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.windows import within_tolerance
from lulc_xr.testing import landscape, points
from lulc_xr.training.fit import fit

LEGEND = Legend.from_names("t", ["a"])
RAW = RawDates(maximum=12)


@pytest.fixture(scope="module")
def scene():
    """A cube of 30 x 26 pixels with few bands and dates."""
    return landscape(y=30, x=26, time=12, bands=("red", "nir"))


def at(cube, rows, columns, *, down=0.5, right=0.5, **columns_):
    """Points in these pixels of a cube, at a place in the pixel from 0 to 1."""
    y = 5_600_000.0 - 10 * (np.asarray(rows) + down)
    x = 500_000.0 + 10 * (np.asarray(columns) + right)
    return pd.DataFrame({"x": x, "y": y, "land_cover": 0, **columns_})


def around(cube, row, column, half):
    """Clear reflectance (time, band, y, x) of a patch, NaN beyond the cube."""
    seen = cube.reflectance.where(cube.clear == 1).pad(
        y=half, x=half, constant_values=np.float32(np.nan)
    )
    return seen.isel(
        y=slice(row, row + 2 * half + 1), x=slice(column, column + 2 * half + 1)
    ).values


def test_a_patch_is_what_lies_around_the_point(scene) -> None:
    rows, columns = [0, 29, 13, 15, 8], [0, 25, 12, 9, 24]
    samples = extract_samples(scene, at(scene, rows, columns), legend=LEGEND, dates=RAW, patch=5)
    assert samples.reflectance.dims == ("sample", "time", "band", "patch_y", "patch_x")
    assert samples.patch_y.values.tolist() == [-2, -1, 0, 1, 2]
    # A point may lie on a pixel that was never clear.
    for i in range(samples.sizes["sample"]):
        one = samples.isel(sample=i)
        row, column = int((5_600_000 - one.y) // 10), int((one.x - 500_000) // 10)
        np.testing.assert_array_equal(one.reflectance, around(scene, row, column, 2))


@given(
    chunks=st.tuples(st.integers(3, 31), st.integers(3, 31), st.integers(1, 12)),
    patch=st.sampled_from([1, 3, 7, 15]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=15, deadline=None)
def test_any_chunking_gives_the_same_patches(scene, chunks, patch, seed) -> None:
    rng = np.random.default_rng(seed)
    frame = at(scene, rng.integers(0, 30, 9), rng.integers(0, 26, 9))
    how = {"legend": LEGEND, "patch": patch}
    lazy = scene.chunk({"y": chunks[0], "x": chunks[1], "time": chunks[2]})
    xr.testing.assert_identical(
        extract_samples(lazy, frame, **how), extract_samples(scene, frame, **how)
    )


def test_the_middle_of_a_patch_is_the_sample_of_its_pixel(scene) -> None:
    frame = points(scene, per_class=6)
    single = extract_samples(scene, frame)
    patches = extract_samples(scene, frame, patch=3).isel(patch_y=1, patch_x=1, drop=True)
    xr.testing.assert_identical(patches, single)


@given(
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    tolerance=st.floats(0.1, 25),
)
@settings(max_examples=60, deadline=None)
def test_tolerance_is_the_distance_to_the_square_of_a_pixel(place, tolerance) -> None:
    patch, pixel = 7, (10.0, 5.0)
    made = within_tolerance(
        np.array([place[0]]), np.array([place[1]]), np.array([tolerance]), patch=patch, pixel=pixel
    )[0]
    # The nearest place of a square, found by trying many of them, its corners included.
    steps = np.linspace(0, 1, 201)
    for i in range(patch):
        for j in range(patch):
            down = (i - 3 + steps - place[0]) * pixel[0]
            right = (j - 3 + steps - place[1]) * pixel[1]
            nearest = np.hypot(np.abs(down).min(), np.abs(right).min())
            # Between two tries lies half a step at most.
            if abs(nearest - tolerance) > 0.06:
                assert made[i, j] == (nearest < tolerance)
    assert made[3, 3] == 1


def test_tolerance_in_pixels_and_in_metres_of_a_column(scene) -> None:
    frame = at(scene, [10, 15], [10, 12], error=[0.0, 15.5])
    one = extract_samples(scene, frame, legend=LEGEND, tolerance=1)
    assert one.labelled.dims == ("sample", "patch_y", "patch_x")
    assert one.labelled.isel(sample=0).values.tolist() == [[1, 1, 1]] * 3
    metres = extract_samples(scene, frame, legend=LEGEND, tolerance="error")
    # 15.5 m from the middle of a pixel of 10 m reach two pixels along, and one both ways.
    cross = [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]
    assert metres.labelled.isel(sample=1).values.tolist() == cross
    assert metres.labelled.isel(sample=0).values.sum() == 1
    wide = extract_samples(scene, frame, legend=LEGEND, tolerance=1, patch=7)
    assert wide.labelled.shape == (2, 7, 7)
    assert wide.labelled.values.sum() == 18


def test_a_sample_is_kept_while_a_pixel_in_its_tolerance_was_seen(scene) -> None:
    hidden = scene.copy(deep=True)
    hidden["clear"][:, 10, 10] = np.uint8(0)
    frame = at(hidden, [10, 20], [10, 20])
    with pytest.warns(UserWarning, match="1 lie on pixels that were never clear"):
        assert extract_samples(hidden, frame, legend=LEGEND, patch=3).sizes["sample"] == 1
    assert extract_samples(hidden, frame, legend=LEGEND, tolerance=1).sizes["sample"] == 2


def test_what_cannot_be_a_patch_is_refused(scene) -> None:
    frame = at(scene, [10], [10], error=[-1.0])
    for patch in (0, 2, -3):
        with pytest.raises(SampleError, match=rf"patch={patch}; expected an odd number of pixels"):
            extract_samples(scene, frame, legend=LEGEND, patch=patch)
    with pytest.raises(
        CubeError, match=r"patch of 53 pixels .* \(26 pixels\)\. Choose patch <= 51"
    ):
        extract_samples(scene, frame, legend=LEGEND, patch=53)
    with pytest.raises(SampleError, match="tolerance=-1; expected whole pixels >= 0"):
        extract_samples(scene, frame, legend=LEGEND, tolerance=-1)
    with pytest.raises(SampleError, match=r"unknown column 'errors'\. Known, nearest first: error"):
        extract_samples(scene, frame, legend=LEGEND, tolerance="errors")
    with pytest.raises(SampleError, match="column 'error' holds a negative or missing distance"):
        extract_samples(scene, frame, legend=LEGEND, tolerance="error")


def test_networks_of_single_pixels_refuse_patches(scene) -> None:
    patches = extract_samples(scene, points(scene, per_class=3), patch=3)
    with pytest.raises(SampleError, match=r"patches of 3 x 3 .*isel\(patch_y=1, patch_x=1, drop"):
        fit(patches)
