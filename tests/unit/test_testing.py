"""The made-up landscape and its points."""

import warnings

import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.cube import REFLECTANCE_ENCODING, SCALE, check_cube, crs_of, encode
from lulc_xr.core.dates import years_covered
from lulc_xr.core.errors import CubeError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.testing import landscape, points


def test_landscape_keeps_the_cube_contract() -> None:
    cube = landscape(y=40, x=70, time=13, bands=("red", "nir"), classes=9)
    checked = check_cube(cube, bands=("nir",))
    assert dict(checked.sizes) == {"time": 13, "band": 2, "y": 40, "x": 70}
    assert cube.reflectance.dtype == np.float32
    assert cube.clear.dtype == cube.reference.dtype == np.uint8
    assert set(np.unique(cube.clear)) == {0, 1}
    assert set(np.unique(cube.reference)) <= set(Legend.from_flags(cube.reference.attrs).ids)
    assert "UTM zone 31N" in crs_of(cube)
    assert not np.isnan(cube.reflectance.where(cube.clear == 1)).all("time").any()


@pytest.mark.parametrize("time", [12, 13, 24, 100])
def test_every_month_of_the_landscape_has_a_date(time: int) -> None:
    cube = landscape(y=2, x=2, time=time)
    assert set(cube.time.dt.month.values.tolist()) == set(range(1, 13))
    assert years_covered(cube.time.values, start_month=1) == [2018]


def test_any_chunking_gives_the_same_landscape() -> None:
    whole = landscape(y=75, x=130, time=6, seed=3)
    lazy = landscape(y=75, x=130, time=6, seed=3, chunks={"y": 31, "x": 50, "time": 4, "band": 3})
    assert lazy.reflectance.chunks[2:] == ((31, 31, 13), (50, 50, 30))
    assert len(lazy.reflectance.__dask_graph__()) == lazy.reflectance.data.npartitions
    xr.testing.assert_identical(lazy.compute(), whole)
    part = {"y": slice(29, 64), "x": 57, "band": [4, 1]}
    xr.testing.assert_identical(lazy.isel(part).compute(), whole.isel(part))


def test_seeds_differ() -> None:
    first, second = (landscape(seed=s, time=3) for s in (0, 1))
    assert not first.reference.equals(second.reference)
    assert not first.clear.equals(second.clear)


def test_a_continent_costs_nothing_until_it_is_read() -> None:
    cube = landscape(y=100_000, x=100_000, chunks={"y": 512, "x": 512})
    corner = cube.isel(y=slice(-3, None), x=slice(-2, None)).compute()
    assert corner.reflectance.shape == (24, 10, 3, 2)
    assert corner.reference.shape == (3, 2)


def test_landscape_is_stored_without_loss_or_warning(tmp_path) -> None:
    cube = landscape(y=20, x=20, time=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cube.to_zarr(tmp_path / "made.zarr", zarr_format=3, consolidated=False)
        stored = xr.open_zarr(tmp_path / "made.zarr", consolidated=False, mask_and_scale=False)
    assert stored.reflectance.dtype == np.int16
    np.testing.assert_array_equal(
        stored.reflectance, encode(cube.reflectance.values, REFLECTANCE_ENCODING)
    )
    steps = cube.reflectance.values / np.float32(SCALE)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-2)
    assert stored.band.values.tolist() == cube.band.values.tolist()


def test_clear_pixels_of_a_class_are_nearer_to_it_than_to_another() -> None:
    cube = landscape(y=64, x=64, classes=6)
    seen = cube.reflectance.where(cube.clear == 1).mean("time").transpose("y", "x", "band").values
    centres = np.stack([seen[cube.reference.values == c].mean(axis=0) for c in range(6)])
    distance = ((seen[:, :, None] - centres) ** 2).sum(axis=-1)
    assert (distance.argmin(axis=-1) == cube.reference.values).mean() > 0.8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"y": 0}, "y=0: a landscape has at least one"),
        ({"classes": 256}, "classes=256: expected 1 to 255"),
        ({"bands": ("nir8",)}, "unknown band 'nir8'. Known, nearest first: nir"),
        ({"time": 400}, "time=400: a year from 8 January to 19 December holds 346 dates"),
    ],
)
def test_landscape_refuses(settings, message) -> None:
    with pytest.raises(CubeError, match=message):
        landscape(**settings)


def test_points_bear_the_reference_of_their_pixel() -> None:
    cube = landscape(y=50, x=40, seed=2)
    frame = points(cube, per_class=7, seed=1)
    at = cube.reference.sel(
        y=xr.DataArray(frame.geometry.y, dims="p"), x=xr.DataArray(frame.geometry.x, dims="p")
    )
    np.testing.assert_array_equal(at, frame["land_cover"])
    assert frame["land_cover"].value_counts().to_dict() == dict.fromkeys(range(5), 7)
    assert not frame.geometry.duplicated().any()
    assert Legend.from_dict(frame.attrs["legend"]) == Legend.from_flags(cube.reference.attrs)
    assert not frame.geometry.equals(points(cube, per_class=7, seed=2).geometry)


def test_points_refuse_more_than_there_are() -> None:
    with pytest.raises(SampleError, match=r"has \d+ pixels, but 500 points of each class"):
        points(landscape(y=16, x=16), per_class=500)


def test_years_add_dates_and_change_none():
    settings = {"y": 20, "x": 30, "time": 5, "seed": 2}
    one, more = landscape(**settings), landscape(**settings, years=(2017, 2018, 2020))
    assert sorted(set(more["time"].dt.year.values.tolist())) == [2017, 2018, 2020]
    assert more.sizes["time"] == 15
    xr.testing.assert_identical(more.sel(time="2018"), one)
    other = more["reflectance"].sel(time="2020").values
    assert not np.array_equal(other, one["reflectance"].values, equal_nan=True)
