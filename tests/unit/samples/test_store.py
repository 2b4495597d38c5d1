"""Samples are written whole, read back as they were, and never lost."""

import warnings

import pytest
import xarray as xr

from lulc_xr.core.errors import StoreError
from lulc_xr.core.model import ModelSpec
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.store import open_samples, write_samples
from lulc_xr.testing import landscape, points


@pytest.fixture(scope="module")
def samples():
    cube = landscape(y=64, x=64)
    frame = points(cube, per_class=12)
    named = frame.assign(point_id=[f"p{i}" for i in frame["point_id"]])
    return make_folds(extract_samples(cube, named), block=160, folds=2)


def test_what_is_written_is_read_back(tmp_path, samples) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_samples(samples, tmp_path / "s.zarr")
        read = open_samples(tmp_path / "s.zarr")
        # Once more: what was opened can be written as well.
        write_samples(read, tmp_path / "t.zarr")
    xr.testing.assert_equal(read, samples)
    assert {n: v.dtype for n, v in read.variables.items()} == {
        n: v.dtype for n, v in samples.variables.items()
    }
    assert ModelSpec.from_samples(read) == ModelSpec.from_samples(samples)
    xr.testing.assert_equal(open_samples(tmp_path / "t.zarr"), samples)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.zarr", "t.zarr"]


def test_samples_pass_through_netcdf(tmp_path, samples) -> None:
    samples.to_netcdf(tmp_path / "s.nc")
    with xr.open_dataset(tmp_path / "s.nc") as read:
        assert ModelSpec.from_samples(read) == ModelSpec.from_samples(samples)
        xr.testing.assert_allclose(
            read.drop_vars(["band", "point_id"]), samples.drop_vars(["band", "point_id"])
        )


def test_a_store_is_replaced_only_on_request(tmp_path, samples) -> None:
    path = write_samples(samples, tmp_path / "s.zarr")
    with pytest.raises(StoreError, match="exists already; nothing was written"):
        write_samples(samples.isel(sample=slice(3)), path)
    xr.testing.assert_equal(open_samples(path), samples)
    write_samples(samples.isel(sample=slice(3)), path, overwrite=True)
    assert open_samples(path).sizes["sample"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_a_failed_write_leaves_the_old_store(tmp_path, samples) -> None:
    path = write_samples(samples, tmp_path / "s.zarr")
    unwritable = samples.assign(odd=("sample", [object()] * samples.sizes["sample"]))
    with pytest.raises((TypeError, ValueError)):
        write_samples(unwritable, path, overwrite=True)
    xr.testing.assert_equal(open_samples(path), samples)
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_other_folders_are_neither_opened_nor_replaced(tmp_path, samples) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("keep me")
    for use in (open_samples, lambda path: write_samples(samples, path, overwrite=True)):
        with pytest.raises(StoreError, match="is no Zarr version 3 store"):
            use(tmp_path / "notes")
    assert (tmp_path / "notes" / "a.txt").read_text() == "keep me"
    landscape(y=4, x=4).to_zarr(tmp_path / "c.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(StoreError, match=r"holds no samples: it has variables .*'clear'"):
        open_samples(tmp_path / "c.zarr")
    with pytest.raises(StoreError, match=r"were not written to .*nowhere"):
        write_samples(samples, tmp_path / "nowhere" / "s.zarr")
