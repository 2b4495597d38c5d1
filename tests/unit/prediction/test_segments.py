"""Segments: lazy, named, written into a store, clear errors."""

import json

import dask
import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from lulc_xr.testing import landscape

pytest.importorskip("skimage")


def raising(*_, **__):
    raise AssertionError("something was computed")


@pytest.mark.parametrize("lazy", [True, False])
def test_nothing_is_computed(cube, lazy):
    with dask.config.set(scheduler=raising):
        found = lx.segment(cube.chunk({"y": 10}) if lazy else cube, tile=16)
        assert found.dims == ("year", "y", "x")
        assert found.dtype == np.int64
        with pytest.raises(AssertionError, match="something was computed"):
            found.compute()


def test_it_says_what_it_is(cube):
    found = lx.segment(cube, method="slic", size=10, tile=16, compactness=1)
    assert found.attrs["history"] == "lulc_xr.segment"
    assert found.attrs["year_start"] == "2018-01-01"
    how = json.loads(found.attrs["segmentation"])
    assert (how["method"], how["compactness"], how["tile"]) == ("slic", 1, 16)
    assert how["bands"] == ["green", "red", "nir"]
    assert found["y"].identical(cube["y"])
    again = lx.segment(cube, method="slic", size=10, tile=16, compactness=1)
    assert again.data.name == found.data.name
    assert lx.segment(cube, method="slic", size=11, tile=16).data.name != found.data.name


def test_bands_of_lc_slab_are_taken_if_there():
    full = landscape(y=8, x=8, time=12, bands=("swir16", "nir", "red", "green", "blue"))
    found = lx.segment(full, tile=8)
    assert json.loads(found.attrs["segmentation"])["bands"] == ["blue", "green", "red", "nir"]


@pytest.mark.parametrize("raw", [True, False])
def test_a_stored_cube_has_the_same_segments_and_keeps_them(cube, store, raw):
    opened = lx.open_cube(store, raw=raw)
    found = lx.segment(opened, tile=16, size=5)
    # Stored reflectance is rounded, so it is compared with what the store holds.
    expected = lx.segment(lx.open_cube(store).compute(), tile=16, size=5)
    np.testing.assert_array_equal(found.values, expected.values)
    lx.write_variables(found.to_dataset(), store, progress=False)
    kept = lx.open_cube(store)["segment"]
    values = kept.fillna(-1).astype(np.int64) if kept.dtype.kind == "f" else kept
    np.testing.assert_array_equal(values, found.values)
    assert kept.attrs["segment_tile"] == 16


def test_years_have_segments_of_their_own():
    two = landscape(y=20, x=20, time=24, bands=("red", "nir"), seed=3)
    times = np.arange("2018-01", "2020-01", dtype="datetime64[M]").astype("datetime64[ns]")
    two = two.assign_coords(time=times)
    two["clear"][:12, :10] = np.uint8(0)
    found = lx.segment(two, tile=10, size=4).compute()
    assert found["year"].values.tolist() == [2018, 2019]
    assert (found.sel(year=2018)[:10] == -1).all()
    assert (found.sel(year=2019) >= 0).all()
    alone = lx.segment(two, tile=10, size=4, years=[2019]).compute()
    np.testing.assert_array_equal(alone.values[0], found.sel(year=2019).values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "watershed"}, "unknown method of segmentation 'watershed'.*felzenszwalb"),
        ({"size": 0}, "size of 0 pixels; give a whole number >= 1"),
        ({"tile": 4, "size": 20}, "segments of 20 pixels do not fit a tile of 4 x 4"),
        ({"compactness": 0}, "compactness 0; give a value > 0"),
        ({"sigma": -1}, "sigma -1; give pixels >= 0"),
        ({"bands": ["blue"]}, "unknown band 'blue'"),
        ({"bands": []}, r"bands=\[\] leaves nothing to segment"),
        ({"years": [2011]}, "no date of this cube lies in mapped year 2011"),
    ],
)
def test_what_cannot_be_segmented_is_refused(cube, settings, message):
    with pytest.raises(CubeError, match=message):
        lx.segment(cube, **settings)
