"""A full and a read-only disk: clear errors, what was written stays whole, a rerun completes it."""

import numpy as np
import pytest
import xarray as xr
import zarr

import lulc_xr as lx
from lulc_xr.core.errors import StoreError
from tests.conftest import small_plan
from tests.predictors import LEGEND, Giving, make_spec

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning"),
]


@pytest.fixture
def small(cube):
    return cube.assign(clear=cube["clear"] * 0 + np.uint8(1))


class Noisy(Giving):
    """Probabilities without pattern, the same in every run, which compress badly."""

    def __init__(self):
        super().__init__(None, legends={"land_cover": LEGEND})

    def predict_block(self, pixels, days, context):
        shape = (3, *pixels.shape[2:])
        found = np.random.default_rng(int(pixels[0].sum() * 1e4)).random(shape, np.float32)
        return found / found.sum(axis=0)


def test_a_full_disk_is_named_and_the_run_is_completed_later(disk, small, tmp_path):
    store = lx.write_cube(small, disk.path / "cube.zarr", plan=small_plan(16, 8))
    elsewhere = lx.write_cube(small, tmp_path / "cube.zarr", plan=small_plan(16, 8))
    outputs = ("land_cover", "entropy", "probability")
    result = lx.classify(lx.open_cube(store), Noisy(), outputs=outputs)
    disk.fill(80 * 1024)
    with pytest.raises(StoreError, match=r"disk full while writing shard \(0, .*Free space, then"):
        lx.write_variables(result, store, progress=False)
    found = lx.verify(store)
    done = found.variables["land_cover"].done
    assert 0 < done < 12
    assert not any(v.damaged for v in found.variables.values())
    with pytest.raises(StoreError, match=r"disk full|No space left"):
        lx.write_variables(result, store, progress=False)

    (disk.path / "ballast").unlink()
    report = lx.write_variables(result, store, progress=False)
    assert report.skipped >= done
    assert lx.verify(store).ok
    undisturbed = lx.classify(lx.open_cube(elsewhere), Noisy(), outputs=outputs)
    lx.write_variables(undisturbed, elsewhere, progress=False)
    for name in undisturbed.data_vars:
        for place in (store, elsewhere):
            assert name in zarr.open_group(place)
        np.testing.assert_array_equal(
            lx.open_cube(store)[name].values, lx.open_cube(elsewhere)[name].values
        )
        assert files_of(store, name) == files_of(elsewhere, name)


def files_of(store, name):
    folder = store / name / "c"
    return {
        str(f.relative_to(folder)): f.read_bytes()
        for f in folder.rglob("*")
        if f.is_file() and not f.name.endswith(".partial")
    }


def test_a_full_disk_leaves_the_former_cube(disk, small):
    store = lx.write_cube(small, disk.path / "cube.zarr", plan=small_plan(16, 8))
    before = lx.open_cube(store).load()
    disk.fill(60 * 1024)
    with pytest.raises(
        StoreError, match=r"could not write cube .*No space left.*unchanged"
    ) as caught:
        lx.write_cube(small, store, plan=small_plan(16, 8), overwrite=True)
    assert "recorded" not in str(caught.value)
    assert lx.open_cube(store).load().identical(before)
    assert sorted(p.name for p in disk.path.iterdir()) == ["ballast", "cube.zarr"]


def test_a_full_disk_leaves_the_store_as_it_was_before_an_extension(disk, small):
    first, second = small.isel(time=slice(6)), small.isel(time=slice(6, None))
    store = lx.write_cube(first, disk.path / "cube.zarr", plan=small_plan(16, 8))
    before = lx.open_cube(store).load()
    disk.fill(100 * 1024)
    with pytest.raises(StoreError, match=r"disk full while writing shard .*Free space, then run"):
        lx.extend_cube(second, store, progress=False)
    assert lx.open_cube(store).load().identical(before)
    with pytest.raises(StoreError, match=r"disk full|No space left"):
        lx.extend_cube(second, store, progress=False)
    (disk.path / "ballast").unlink()
    report = lx.extend_cube(second, store, progress=False)
    assert report.skipped > 0
    assert report.written + report.skipped == 24
    assert lx.open_cube(store)["reflectance"].equals(small["reflectance"])


def test_a_full_disk_leaves_the_former_map(disk, small):
    store = lx.write_cube(small, disk.path / "cube.zarr", plan=small_plan(16, 8))
    lx.write_variables(lx.classify(lx.open_cube(store), Noisy()), store, progress=False)
    before = lx.open_cube(store)["land_cover"].values
    other = Noisy()
    other.spec = make_spec(halo=1)
    result = lx.classify(lx.open_cube(store), other)
    disk.fill(70 * 1024)
    with pytest.raises(StoreError, match=r"disk full|No space left"):
        lx.write_variables(result, store, overwrite=True, progress=False)
    np.testing.assert_array_equal(lx.open_cube(store)["land_cover"].values, before)
    assert lx.verify(store).ok
    (disk.path / "ballast").unlink()
    lx.write_variables(result, store, overwrite=True, progress=False)
    assert lx.verify(store).ok
    assert (lx.open_cube(store)["land_cover"].values != before).any()


def test_a_read_only_disk_is_named_and_can_be_read(disk, small):
    store = lx.write_cube(small, disk.path / "cube.zarr", plan=small_plan(16, 8))
    result = lx.classify(lx.open_cube(store), Noisy())
    disk.remount("ro")
    with pytest.raises(StoreError, match=r"Read-only file system.*check the permissions of"):
        lx.write_variables(result, store, progress=False)
    with pytest.raises(StoreError, match=r"could not write cube .*Read-only file system"):
        lx.write_cube(small, store, overwrite=True)
    assert lx.open_cube(store).load()["reflectance"].equals(small["reflectance"])
    disk.remount("rw")
    assert lx.write_variables(result, store, progress=False).written == 12
    disk.remount("ro")
    assert lx.verify(store).ok


def test_a_file_for_gis_that_does_not_fit_leaves_nothing_behind(disk, small, tmp_path):
    maps = lx.classify(small, Noisy(), outputs=("land_cover", "entropy")).load()
    wide = xr.concat([maps] * 30, "y").assign_coords(y=np.arange(37 * 30) * -10.0)
    (whole,) = lx.to_cog(wide, tmp_path / "map.tif", variables="land_cover_entropy")
    size = whole.stat().st_size
    # At each of these the disk is full at another moment: in the plain file, in the COG.
    for share in (0.2, 0.8, 1.3, 1.8):
        disk.fill(int(share * size))
        before = {p.name for p in disk.path.iterdir()}
        with pytest.raises(StoreError, match=r"could not write .*Nothing was left behind"):
            lx.to_cog(wide, disk.path / "map.tif", variables="land_cover_entropy")
        assert {p.name for p in disk.path.iterdir()} == before
        (disk.path / "ballast").unlink()
    (again,) = lx.to_cog(wide, disk.path / "map.tif", variables="land_cover_entropy")
    assert again.read_bytes() == whole.read_bytes()
