"""What could not be read is listed, and filled in later: those pixels and nothing else."""

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.errors import CubeError

PLAN = ChunkPlan(
    chunks={"time": 4, "band": 2, "y": 8, "x": 8}, shards={"time": 8, "band": 2, "y": 16, "x": 16}
)


@pytest.fixture
def truth(cube):
    return cube.assign(unread=cube["clear"] * np.uint8(0), count=cube["clear"].astype(np.int16) * 7)


def with_holes(truth, marks):
    """The cube as it comes where `marks` (time, y, x) could not be read."""
    marks = xr.DataArray(marks, dims=("time", "y", "x"))
    holed = truth.copy(deep=True)
    holed["reflectance"] = truth["reflectance"].where(~marks).transpose("time", "band", "y", "x")
    holed["reflectance"].encoding = truth["reflectance"].encoding
    for name in ("clear", "count"):
        holed[name] = truth[name].where(~marks, 0).astype(truth[name].dtype)
    holed["unread"] = marks.astype(np.uint8)
    return holed


@pytest.fixture
def marks(truth):
    found = np.zeros((12, 37, 50), bool)
    found[2, 5:20] = True
    found[9, :, 45:] = True
    found[10] = True
    return found


@pytest.fixture
def holed(truth, marks, tmp_path):
    return lx.write_cube(with_holes(truth, marks), tmp_path / "holed.zarr", plan=PLAN)


def assert_holds(store, cube):
    found = lx.open_cube(store)
    for name in ("reflectance", "clear", "count", "unread"):
        np.testing.assert_array_equal(found[name].values, cube[name].values, err_msg=name)


def test_dates_with_marks_are_listed_with_their_share(holed, truth):
    table = lx.unread_dates(holed)
    np.testing.assert_array_equal(table["time"], truth["time"].values[[2, 9, 10]])
    assert table["unread"].tolist() == [15 / 37, 5 / 50, 1.0]


def test_a_store_without_marks_has_no_such_dates(store, cube):
    assert lx.unread_dates(store).empty
    report = lx.fill_unread(cube, store, progress=False)
    assert (report.written, report.skipped) == (0, 0)


@pytest.mark.parametrize("chunks", [None, {"time": 5, "y": 20, "x": 13}])
def test_what_was_not_read_is_filled_in(holed, truth, chunks):
    before = lx.open_cube(holed)["reflectance"].data.name
    given = truth if chunks is None else truth.chunk(chunks)
    report = lx.fill_unread(given, holed, progress=False)
    # Of 2 x 3 x 4 shards the date 2 concerns two rows of them, and the date 10 all of its half.
    assert (report.written, report.skipped) == (20, 4)
    assert_holds(holed, truth)
    assert lx.unread_dates(holed).empty
    # A classification of the mended cube is not taken for one of the cube with holes.
    assert lx.open_cube(holed)["reflectance"].data.name != before
    assert lx.fill_unread(given, holed, progress=False).written == 0


def test_pixels_without_a_mark_keep_their_values(holed, truth, marks):
    other = truth.assign(reflectance=truth["reflectance"] * np.float32(0.5))
    other["reflectance"].encoding = truth["reflectance"].encoding
    lx.fill_unread(other, holed, progress=False)
    found = lx.open_cube(holed)["reflectance"].values
    expected = np.where(
        marks[:, None], truth["reflectance"] * np.float32(0.5), truth["reflectance"]
    )
    np.testing.assert_allclose(found, expected, atol=0.6e-4)


def test_what_fails_again_stays_marked(holed, truth, marks):
    again = np.zeros_like(marks)
    again[2, 8:30, 4:9] = True
    lx.fill_unread(with_holes(truth, again), holed, progress=False)
    assert_holds(holed, with_holes(truth, again & marks))
    np.testing.assert_array_equal(lx.unread_dates(holed)["time"], truth["time"].values[[2]])
    lx.fill_unread(truth, holed, progress=False)
    assert_holds(holed, truth)


def test_some_dates_are_enough(holed, truth, marks):
    lx.fill_unread(truth.isel(time=[2, 10]), holed, progress=False)
    left = marks.copy()
    left[[2, 10]] = False
    assert_holds(holed, with_holes(truth, left))


def test_another_cube_is_refused(holed, truth):
    with pytest.raises(CubeError, match=r"is not the one that .* was made of.*same bands and pix"):
        lx.fill_unread(truth.isel(y=slice(20)), holed, progress=False)
    with pytest.raises(CubeError, match=r"the store has 'count', which the cube lacks"):
        lx.fill_unread(truth.drop_vars("count"), holed, progress=False)
