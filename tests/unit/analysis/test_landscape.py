"""Fragmentation: figures worked out by hand, laziness, clear errors."""

import dask
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import CubeError


def as_map(rows, pixel=10.0):
    plane = np.array(rows, np.uint8)
    coords = {
        "year": [2018],
        "y": 500 - pixel * np.arange(plane.shape[0]),
        "x": pixel * np.arange(plane.shape[1]),
    }
    return xr.DataArray(plane[None], dims=("year", "y", "x"), coords=coords)


def test_figures_by_hand():
    # 6 pixels of 100 m2 are mapped: 0.06 ha. Three patches over corners, five over sides.
    found = lx.fragmentation(as_map([[1, 2, 1], [2, 1, 255], [2, 255, 255]])).compute()
    assert found["mapped_area"].item() == pytest.approx(0.06)
    assert found["class_entropy"].item() == pytest.approx(np.log(2))
    # Sides between classes: 1|2, 2|1, 2|1 side by side, and 1-2, 2-1 one above the other.
    assert found["edge_density"].item() == pytest.approx(5 * 10 / 0.06)
    assert found["patch_density"].item() == pytest.approx(2 / 0.0006)
    sides = lx.fragmentation(
        as_map([[1, 2, 1], [2, 1, 255], [2, 255, 255]]), neighbours=4
    ).compute()
    assert sides["patch_density"].item() == pytest.approx(5 / 0.0006)
    assert found["edge_density"].attrs["units"] == "m ha-1"
    assert found["patch_density"].attrs["units"] == "km-2"


def test_pixels_need_not_be_square():
    plane = as_map([[1, 1], [2, 2]]).assign_coords(x=[0.0, 30.0])
    found = lx.fragmentation(plane).compute()
    assert found["edge_density"].item() == pytest.approx(2 * 30 / (4 * 300 / 1e4))


def test_one_class_is_one_patch_without_edges():
    found = lx.fragmentation(as_map(np.ones((50, 40))).chunk({"y": 7, "x": 11})).compute()
    assert found["class_entropy"].item() == 0
    assert found["edge_density"].item() == 0
    assert found["patch_density"].item() == pytest.approx(1 / 0.2)


def test_a_spiral_through_all_chunks_is_one_patch():
    plane = np.full((41, 41), 255, np.uint8)
    y = x = 0
    dy, dx = 0, 1
    for run in range(40, 0, -2):
        for _ in range(2 if run < 40 else 3):
            plane[min(y, y + dy * run) : max(y, y + dy * run) + 1,
                  min(x, x + dx * run) : max(x, x + dx * run) + 1] = 3  # fmt: skip
            y, x, (dy, dx) = y + dy * run, x + dx * run, (dx, -dy)
    for chunk in (3, 8, 41):
        lazy = as_map(plane).chunk({"y": chunk, "x": chunk})
        found = lx.fragmentation(lazy, neighbours=4).compute()
        patches = (found["patch_density"] * found["mapped_area"]).item() / 100
        assert patches == pytest.approx(1)


def test_nothing_mapped_is_nan():
    found = lx.fragmentation(as_map(np.full((4, 4), 255))).compute()
    assert np.isnan(found["class_entropy"].item())
    assert found["mapped_area"].item() == 0


@pytest.mark.parametrize("window", [None, 2])
def test_nothing_is_computed(window):
    def raising(*_, **__):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=raising):
        found = lx.fragmentation(as_map(np.ones((6, 5))).chunk({"y": 3}), window=window)
        assert found["class_entropy"].dims == (("year", "y", "x") if window else ("year",))
        with pytest.raises(AssertionError, match="something was computed"):
            found.compute()


def test_windows_lie_in_their_middles():
    found = lx.fragmentation(as_map(np.ones((5, 4))), window=2)
    assert found["y"].values.tolist() == [495.0, 475.0, 460.0]
    assert found["x"].values.tolist() == [5.0, 25.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"neighbours": 6}, "neighbours=6; pixels have 4"), ({"window": 0}, "window of 0 pixels")],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(CubeError, match=message):
        lx.fragmentation(as_map([[1, 2], [1, 2]]), **settings)


def test_what_is_no_class_map_is_refused():
    with pytest.raises(CubeError, match=r"class map of float64.*expected uint8 class ids"):
        lx.fragmentation(as_map([[1, 2], [1, 2]]).astype(float))
    with pytest.raises(CubeError, match="one pixel along 'y': its size in metres is not known"):
        lx.fragmentation(as_map([[1, 2]]))
