"""Samples are what the cube holds at the points, read once, with every loss reported."""

from collections import Counter

import dask
import dask.array
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pyproj import CRS

from lulc_xr.core.cube import REFLECTANCE_ENCODING, encode
from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import CubeError, LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.plan import plan_samples
from lulc_xr.testing import landscape, points


class CountedArray:
    """An array that remembers which parts of it were read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim = (
            values, values.shape, values.dtype, values.ndim,
        )  # fmt: skip
        self.reads = Counter()

    def __getitem__(self, key):
        self.reads[tuple((k.start, k.stop) for k in key)] += 1
        return self.values[key]


def counted(cube, **chunks):
    """The cube in chunks whose reads are counted, by variable."""
    arrays = {}
    for name in ("reflectance", "clear"):
        sizes = [chunks[name].get(d, cube.sizes[d]) for d in cube[name].dims]
        arrays[name] = CountedArray(cube[name].values)
        empty = cube[name].values[:0, :0]
        lazy = dask.array.from_array(arrays[name], chunks=sizes, fancy=False, meta=empty)
        cube = cube.assign({name: (cube[name].dims, lazy)})
    return cube, arrays


def test_a_sample_is_the_composite_of_its_pixel() -> None:
    cube = landscape(y=40, x=40, seed=4)
    samples = extract_samples(cube, points(cube, per_class=3))
    for i in range(samples.sizes["sample"]):
        one = samples.isel(sample=i)
        pixel = cube.sel(y=one.y, x=one.x)
        seen = pixel.reflectance.where(pixel.clear == 1).dropna("time")
        months = seen.resample(time="MS").median().dropna("time")
        days = (months.time - np.datetime64("2018-01-01")) / np.timedelta64(1, "D")
        for band in samples.band.values:
            line = np.interp(samples.day, days, months.sel(band=band))
            np.testing.assert_allclose(one.reflectance.sel(band=band), line, atol=1e-6)
        assert one.land_cover == pixel.reference


def test_samples_of_raw_dates_keep_their_gaps() -> None:
    cube = landscape(y=32, x=32)
    samples = extract_samples(cube, points(cube, per_class=5), dates=RawDates(maximum=30))
    pixel = cube.sel(y=samples.y, x=samples.x)
    expected = pixel.reflectance.where(pixel.clear == 1).transpose("sample", "time", "band")
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(samples.reflectance, expected)
    np.testing.assert_array_equal(samples.time, cube.time)
    np.testing.assert_array_equal(samples.day, cube.time.dt.dayofyear - 1)


def test_every_kind_of_cube_gives_the_same_samples(tmp_path) -> None:
    cube = landscape(y=70, x=50)
    frame = points(cube, per_class=20)
    expected = extract_samples(cube, frame)
    raw = cube.assign(
        reflectance=(cube.reflectance.dims, encode(cube.reflectance.values, REFLECTANCE_ENCODING))
    )
    cube.to_zarr(tmp_path / "c.zarr", zarr_format=3, consolidated=False)
    stored = xr.open_zarr(
        tmp_path / "c.zarr", consolidated=False, chunks=None, mask_and_scale=False,
        decode_coords="all",
    )  # fmt: skip
    turned = cube.transpose("x", "band", "y", "time")
    lazy = landscape(y=70, x=50, chunks={"y": 32, "x": 21, "time": 7})
    for other in (raw, stored, turned, lazy):
        xr.testing.assert_identical(extract_samples(other, frame), expected)
    xr.testing.assert_identical(extract_samples(cube, frame.to_crs("EPSG:3035")), expected)


def test_the_pixel_that_contains_a_point_is_taken() -> None:
    cube = landscape(y=3, x=4)
    inside = {"x": [500_000.0, 500_009.9, 500_010.0], "y": [5_600_000.0, 5_599_990.1, 5_599_989.9]}
    frame = pd.DataFrame({**inside, "land_cover": 0})
    legend = Legend.from_names("one", ["land"])
    samples = extract_samples(cube, frame, legend=legend, year=2018)
    assert samples.x.values.tolist() == [500_005.0, 500_005.0, 500_015.0]
    assert samples.y.values.tolist() == [5_599_995.0, 5_599_995.0, 5_599_985.0]


def test_each_chunk_with_a_point_is_read_once_and_no_other() -> None:
    cube = landscape(y=64, x=64)
    frame = points(cube, per_class=40)
    some = frame[frame.geometry.x < 500_320]
    chunks = {"y": 16, "x": 16, "time": 8}
    lazy, arrays = counted(cube, reflectance=chunks, clear={"y": 32, "x": 16})
    extract_samples(lazy, some, legend=Legend.from_flags(cube.reference.attrs))
    for array in arrays.values():
        assert set(array.reads.values()) == {1}
        assert max(key[-1][1] for key in array.reads) == 32
    # Rows of 160 m are chunks: each of them holds three chunks in time.
    rows = np.floor((5_600_000 - some.geometry.y) / 160).astype(int)
    columns = np.floor((some.geometry.x - 500_000) / 160).astype(int)
    assert len(arrays["reflectance"].reads) == 3 * len(set(zip(rows, columns, strict=True)))


def test_bands_keep_the_order_that_was_asked_for() -> None:
    cube = landscape(y=32, x=32)
    frame = points(cube, per_class=4)
    samples = extract_samples(cube, frame, bands=("nir", "blue"))
    whole = extract_samples(cube, frame)
    np.testing.assert_array_equal(samples.reflectance, whole.reflectance.sel(band=["nir", "blue"]))
    assert ModelSpec.from_samples(samples).bands == ("nir", "blue")


def test_samples_say_how_they_were_drawn() -> None:
    cube = landscape(y=32, x=32)
    dates = RegularDates(freq="2MS", method="mean", fill=None)
    spec = ModelSpec.from_samples(extract_samples(cube, points(cube, per_class=4), dates=dates))
    assert spec.dates == dates
    assert spec.legends == {"land_cover": Legend.from_flags(cube.reference.attrs)}


def test_points_left_out_are_counted_and_reported() -> None:
    cube = landscape(y=32, x=32)
    cube["clear"] = cube.clear.where(cube.y < 5_599_990, 0).astype("uint8")
    x, top = 500_005.0, 5_599_995.0
    frame = pd.DataFrame(
        {
            "x": [x, x, x, 400_000.0, np.nan, x],
            "y": [top, top - 20, top - 30, top, top, top - 40],
            "land_cover": [0, 1, 255, 0, 1, 0],
            "point_id": [10, 11, 12, 13, 14, 15],
        }
    )
    with pytest.warns(UserWarning, match="lie outside the cube") as caught:
        samples = extract_samples(cube, frame, legend=Legend.from_names("t", ["a", "b", "c"]))
    (warning,) = caught
    assert str(warning.message) == (
        "of 6 points, 2 lie outside the cube, 1 have no label and 1 lie on pixels that were "
        "never clear in the year; left out; classes without any sample: c (land_cover)."
    )
    assert warning.filename == __file__
    assert samples.point_id.values.tolist() == [11, 15]
    counts = {name: value for name, value in samples.attrs.items() if name.startswith("points_")}
    assert counts == {
        "points_given": 6, "points_outside": 2, "points_unlabelled": 1, "points_unseen": 1,
    }  # fmt: skip


def test_no_sample_left_is_an_error() -> None:
    cube = landscape(y=16, x=16)
    frame = pd.DataFrame({"x": [4.1], "y": [51.0], "land_cover": [0]})
    with pytest.raises(
        SampleError, match=r"1 lie outside the cube.*x 500005 to 500155, points 4\.1"
    ):
        extract_samples(cube, frame, legend=Legend.from_names("t", ["a"]))
    with pytest.raises(SampleError, match=r"of 0 points, 0 lie outside.* points nowhere"):
        extract_samples(cube, frame[:0], legend=Legend.from_names("t", ["a"]))


def test_what_cannot_be_sampled_is_refused() -> None:
    cube = landscape(y=32, x=32, time=30)
    frame = points(cube, per_class=10)
    with pytest.raises(LegendError, match="labels outside legend 'landscape': 9"):
        extract_samples(cube, frame.assign(land_cover=9))
    with pytest.raises(CubeError, match="unknown band 'thermal'"):
        extract_samples(cube, frame, bands=["thermal"])
    with pytest.raises(CubeError, match="no date of this cube lies in mapped year 2020"):
        extract_samples(cube, frame, year=2020)
    with pytest.raises(SampleError, match=r"covers 0 whole mapped years \(none\) that begin in"):
        extract_samples(cube.isel(time=slice(5, 20)), frame)
    with pytest.raises(CubeError, match="It looks unscaled"):
        extract_samples(cube.assign(reflectance=cube.reflectance * 10_000), frame)


def test_planning_computes_nothing() -> None:
    def refuse(*_, **__):
        raise AssertionError("computed")

    cube = landscape(y=64, x=64, chunks={"y": 32, "x": 32})
    frame = points(cube, per_class=8)
    with dask.config.set(scheduler=refuse):
        plan = plan_samples(cube, frame, tolerance=2)
    assert (plan.samples, plan.chunks, plan.patch) == (40, 4, 5)
    assert plan.bytes == extract_samples(cube, frame, tolerance=2).reflectance.nbytes


def test_samples_carry_the_context_of_their_place() -> None:
    cube = landscape(y=32, x=32)
    degrees = {"y_bioclim": [50.6, 50.5], "x_bioclim": [2.95, 3.05]}
    values = np.array([[[1, 2], [3, 4]], [[10, np.nan], [30, 40]]], np.float32)
    wgs84 = {"crs_wkt": CRS("EPSG:4326").to_wkt()}
    coarse = xr.DataArray(
        values, dims=("bioclim_variable", "y_bioclim", "x_bioclim"),
        coords={**degrees, "bioclim_variable": ["bio01", "bio12"],
                "spatial_ref_bioclim": ((), 0, wgs84)},
    )  # fmt: skip
    frame = points(cube, per_class=3)
    samples = extract_samples(cube.assign(bioclim=coarse), frame)
    place = gpd.points_from_xy(samples.x, samples.y, crs="EPSG:32631").to_crs(4326)
    right, down = (place.x - 2.95) / 0.1, (50.6 - place.y) / 0.1
    expected = (1 - down) * (1 + right) + down * (3 + right)
    np.testing.assert_allclose(samples.bioclim.sel(bioclim_variable="bio01"), expected, atol=1e-4)
    assert samples.bioclim.dims == ("sample", "bioclim_variable")
    assert not np.isnan(samples.bioclim).any()
    assert "bioclim" not in extract_samples(cube, frame)


def test_columns_that_cannot_be_kept_are_refused() -> None:
    cube = landscape(y=32, x=32)
    frame = points(cube, per_class=3).assign(fold=1, odd=[{}] * 15, when=pd.Timestamp("2018-06-01"))
    kept = extract_samples(cube, frame, keep=["when"])
    assert (kept.when == np.datetime64("2018-06-01")).all()
    for keep, message in (
        ("fold", "'fold' cannot be kept under that name: samples have a variable 'fold'"),
        ("odd", "column 'odd' holds dict; samples keep numbers, dates and strings"),
        ("whens", r"unknown column to keep 'whens'\. Known, nearest first: when"),
    ):
        with pytest.raises(SampleError, match=message):
            extract_samples(cube, frame, keep=[keep])
