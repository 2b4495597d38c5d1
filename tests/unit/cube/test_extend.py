"""Extending a store: what fits, what is refused and why, what maps and other readers see."""

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from pyproj import CRS

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.rewrite import read_whole, shard_file, store_whole
from lulc_xr.cube.unread import UNREAD
from tests.conftest import small_plan
from tests.predictors import Ratio

PLAN = small_plan(16, 8)


@pytest.fixture
def lazy(cube):
    return cube.chunk({"y": 20, "x": 20})


@pytest.fixture
def early(cube, tmp_path):
    """A store with the first eight dates."""
    return lx.write_cube(cube.isel(time=slice(8)), tmp_path / "early.zarr", plan=PLAN)


@pytest.fixture
def west(cube, tmp_path):
    """A store with the first 24 columns and 20 rows, mapped."""
    store = lx.write_cube(cube.isel(x=slice(24), y=slice(20)), tmp_path / "west.zarr", plan=PLAN)
    lx.write_variables(lx.classify(lx.open_cube(store), Ratio()), store, progress=False)
    return store


def extend(cube, store, **settings):
    return lx.extend_cube(cube, store, progress=False, **settings)


def files(store):
    return {
        str(f.relative_to(store)): (f.stat().st_mtime_ns, f.read_bytes())
        for f in store.rglob("*")
        if f.is_file() and "c" in f.relative_to(store).parts
    }


def other_crs(cube):
    cube["spatial_ref"].attrs["crs_wkt"] = CRS("EPSG:32632").to_wkt()
    return cube


def shifted(cube, **by):
    return cube.assign_coords({d: cube[d] + m for d, m in by.items()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_crs, r"UTM zone 32N'?.*the store .*UTM zone 31N.*one reference system"),
        (lambda c: shifted(c, x=3.0), r"'x' of the cube .* off the lattice .* by up to 0.3 pixels"),
        (lambda c: c.isel(y=slice(None, None, 2)), r"'y' of the cube .* off the lattice"),
        (lambda c: shifted(c, x=-50.0), r"begins 5 pixels west of .*build_cube\(\.\.\., grid="),
        (lambda c: shifted(c, y=20.0), r"begins 2 pixels north of"),
        (
            lambda c: c.isel(time=slice(6, None)).assign_coords(
                time=c.time[6:] + np.timedelta64(-3, "D")
            ),
            r"dates of the cube \(2018-.*\) lie before or between those of .*appended behind",
        ),
        (
            lambda c: c.sel(band=["red", "nir"]),
            r"must come with all bands of the store, green, red, nir; this cube has red, nir",
        ),
        (
            lambda c: c.isel(y=slice(20)),
            r"new dates must cover the store's grid, 37 x 50 pixels .*; this cube has 20 x 50",
        ),
        (lambda c: c.drop_vars("clear"), r"the store has 'clear' .*which the cube lacks"),
        (
            lambda c: c.assign(slope=c["clear"] * 2.0),
            r"'slope' .* of the cube is not in the store.*drop_vars",
        ),
        (
            lambda c: c.assign_coords(platform=("time", ["landsat-8"] * 12)),
            r"'platform' .* of the cube is not in the store",
        ),
        (
            lambda c: c.assign_coords(band=["green", "swir16", "nir"]),
            r"new dates and new bands at once",
        ),
        (
            lambda c: c.assign(clear=c["clear"] * 0),
            r"'clear' of 8 dates that .* has already \(2018-01-08, .*differs.*never changes",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(early, cube, change, message):
    before = lx.open_cube(early).load()
    with pytest.raises(CubeError, match=message):
        extend(change(cube.copy(deep=True)), early)
    assert lx.open_cube(early).load().identical(before)
    assert not (early / "extension").exists()


def test_an_area_needs_the_same_dates_and_bands(west, cube):
    area = cube.isel(x=slice(24, None), y=slice(20))
    with pytest.raises(CubeError, match=r"an area must come with exactly the store's 12 dates"):
        extend(area.isel(time=slice(5)), west)
    with pytest.raises(CubeError, match="an area must come with all bands"):
        extend(area.sel(band=["red"]), west)
    with pytest.raises(CubeError, match=r"overlaps pixels that the store holds already"):
        extend(cube.isel(x=slice(20, None), y=slice(20)), west)


def test_what_is_no_store_cannot_be_extended(cube, tmp_path):
    with pytest.raises(StoreError, match=r"no Zarr group at .*nothing is there"):
        extend(cube, tmp_path / "none.zarr")


def test_only_shards_with_old_and_new_cells_are_written_again(early, cube):
    before = files(early)
    report = extend(cube, early)
    # 3 x 4 shards of reflectance and of clear, whose chunk of eight dates is full.
    assert report == lx.WriteReport(written=24, skipped=0)
    after = files(early)
    touched = [n for n in before if after[n] != before[n]]
    assert touched == []
    assert len(after) > len(before)


def test_an_abandoned_extension_leaves_nothing_behind(west, cube):
    """One to the south is begun and given up; one to the east exposes none of its values."""
    south = cube.isel(x=slice(24), y=slice(20, None)).chunk({"y": (12, 5), "x": 16})
    data = south["clear"].data.map_blocks(fail_at_the_east, meta=np.empty((0, 0, 0), np.uint8))
    broken = south.assign(clear=(("time", "y", "x"), data))
    with (
        dask.config.set(scheduler="synchronous"),
        pytest.raises(RuntimeError, match="the lights went out"),
    ):
        extend(broken, west)
    group = zarr.open_group(west, mode="r", use_consolidated=False)
    beyond = [(0, 0, 1, 0), (0, 0, 2, 0)], [(0, 1, 0), (0, 2, 0)]
    assert any(
        (read_whole(group[name], index)[..., 4 * (index[-2] == 1) :, :] != fill).any()
        for name, fill, indices in zip(("reflectance", "clear"), (-9999, 0), beyond, strict=True)
        for index in indices
    )
    with pytest.raises(StoreError, match=r"by another cube was interrupted.*pass resume=False"):
        extend(cube.isel(x=slice(24, None), y=slice(20)), west)
    extend(cube.isel(x=slice(24, None), y=slice(20)), west, resume=False)
    corner = cube.isel(x=slice(24, None), y=slice(20, None))
    extend(corner, west)
    found = lx.open_cube(west)
    assert np.isnan(found["reflectance"][..., 20:, :24].values).all()
    assert not found["clear"][:, 20:, :24].values.any()
    np.testing.assert_array_equal(found["reflectance"][..., 24:], cube["reflectance"][..., 24:])
    extend(cube.isel(x=slice(24), y=slice(20, None)), west)
    np.testing.assert_array_equal(lx.open_cube(west)["reflectance"], cube["reflectance"])


def fail_at_the_east(block, block_info):
    if block_info[0]["chunk-location"][-1] == block_info[0]["num-chunks"][-1] - 1:
        raise RuntimeError("the lights went out")
    return block


def test_maps_grow_with_the_area_and_keep_their_values(west, cube):
    before = lx.open_cube(west)["land_cover"].values
    extend(cube.isel(x=slice(24, None), y=slice(20)), west)
    found = lx.open_cube(west)
    np.testing.assert_array_equal(found["land_cover"][:, :, :24], before)
    assert (found["land_cover"][:, :, 24:] == 255).all()
    assert np.isnan(found["land_cover_entropy"][:, :, 24:]).all()
    assert lx.verify(west).ok
    result = lx.classify(found, Ratio())
    with pytest.raises(StoreError, match=r"is a map of another job.*overwrite=True"):
        lx.write_variables(result, west, progress=False)
    lx.write_variables(result, west, overwrite=True, progress=False)
    assert lx.verify(west).ok
    for opened in (lx.open_cube(west), xr.open_zarr(west, mask_and_scale=False)):
        np.testing.assert_array_equal(opened["land_cover"], result["land_cover"])


def test_damage_of_a_grown_map_is_still_found(west, cube):
    extend(cube.isel(x=slice(24, None), y=slice(20)), west)
    array = zarr.open_group(west, mode="r+", use_consolidated=False)["land_cover"]
    array[0, 3, 20] = 99
    assert lx.verify(west).variables["land_cover"].damaged == ((0, 0, 1),)


def test_new_maps_of_an_extended_store_are_seen_by_all(early, cube):
    extend(cube, early)
    lx.write_variables(lx.classify(lx.open_cube(early), Ratio()), early, progress=False)
    assert {"land_cover", "land_cover_entropy"} <= set(xr.open_zarr(early).data_vars)
    group = zarr.open_group(early, mode="r")
    assert group["ledger/land_cover"].attrs["state"] == "complete"
    assert lx.verify(early).ok


def test_an_extended_cube_has_another_name_for_dask(early, cube):
    before = lx.open_cube(early)
    extend(cube, early)
    assert lx.open_cube(early)["reflectance"].data.name != before["reflectance"].data.name
    assert before["reflectance"].shape == (8, 3, 37, 50)
    np.testing.assert_array_equal(before["reflectance"], cube["reflectance"][:8])


def test_marks_of_unread_dates_come_with_an_extension(early, cube):
    later = cube.isel(time=slice(8, None)).assign(unread=cube["clear"][8:] * np.uint8(0))
    later[UNREAD][1, :5] = np.uint8(1)
    extend(later, early)
    table = lx.unread_dates(early)
    np.testing.assert_array_equal(table["time"], cube["time"].values[[9]])
    assert table["unread"].tolist() == [5 / 37]
    lx.fill_unread(cube, early, progress=False)
    assert lx.unread_dates(early).empty
    np.testing.assert_array_equal(lx.open_cube(early)["reflectance"], cube["reflectance"])


def test_names_of_sensors_are_appended(cube, tmp_path):
    names = np.array(["sentinel-2a", "landsat-8", "sentinel-2c"] * 4, np.dtypes.StringDType())
    mixed = cube.assign_coords(platform=("time", names))
    store = lx.write_cube(mixed.isel(time=slice(5)), tmp_path / "mixed.zarr", plan=PLAN)
    extend(mixed, store)
    assert lx.open_cube(store)["platform"].values.tolist() == names.tolist()
    with pytest.raises(CubeError, match=r"the store has 'platform' .*which the cube lacks"):
        extend(cube.assign_coords(time=cube.time + np.timedelta64(366, "D")), store)


def test_a_wrong_scale_is_refused(cube, tmp_path):
    early = lx.write_cube(cube.isel(time=slice(8)), tmp_path / "early.zarr")
    later = cube.isel(time=slice(8, None))
    for factor, message in ((1e4, "It looks unscaled"), (1e-4, "It looks scaled twice")):
        wrong = later.assign(reflectance=later["reflectance"] * np.float32(factor))
        with pytest.raises(CubeError, match=message):
            extend(wrong, early, resume=False)
    extend(later, early, resume=False)
    np.testing.assert_array_equal(lx.open_cube(early)["reflectance"], cube["reflectance"])


def test_stored_integers_are_taken_as_they_are(early, cube, tmp_path):
    whole = lx.write_cube(cube, tmp_path / "whole.zarr", plan=PLAN)
    extend(lx.open_cube(whole, raw=True), early)
    np.testing.assert_array_equal(lx.open_cube(early)["reflectance"], cube["reflectance"])


def test_nothing_is_computed_that_is_not_written(early, lazy):
    """A second run neither reads the sources nor writes."""
    extend(lazy, early)

    def refuse(*_, **__):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=refuse):
        assert extend(lazy, early) == lx.WriteReport(written=0, skipped=24)


def test_a_reader_of_the_old_table_finds_the_old_chunks(early):
    """A shard is replaced between the two looks that a reader takes at it."""
    array = zarr.open_group(early, mode="r+", use_consolidated=False)["reflectance"]
    index = (0, 0, 1, 1)
    file = shard_file(array, index)
    old = file.read_bytes()
    table = np.frombuffer(old[-16 * 4 - 4 : -4], "<u8").reshape(-1, 2).astype(int)
    assert len(table) == 4
    for step in range(3):
        values = read_whole(array, index)
        values[0, 0, 2, 3 + step] = 77 + step
        values[3, 1, 9, 9] = 78 + step
        before = file.read_bytes()
        held = np.frombuffer(before[-16 * 4 - 4 : -4], "<u8").reshape(-1, 2).astype(int)
        store_whole(array, index, values)
        now = file.read_bytes()
        for offset, length in held:
            assert now[offset : offset + length] == before[offset : offset + length]
        np.testing.assert_array_equal(read_whole(array, index), values)


class TestBuild:
    def test_it_is_what_write_cube_writes(self, lazy, cube, store, tmp_path):
        path = tmp_path / "new" / "built.zarr"
        report = lx.build_cube(lazy, path, plan=PLAN, progress=False)
        assert report == lx.WriteReport(written=36, skipped=0)
        built, written = lx.open_cube(path), lx.open_cube(store)
        for name in written.variables:
            np.testing.assert_array_equal(built[name].values, written[name].values)
        assert {p.name for p in path.parent.iterdir()} == {".built.zarr.lock", "built.zarr"}
        assert xr.open_zarr(path)["reflectance"].shape == cube["reflectance"].shape

    def test_what_is_there_is_not_touched(self, lazy, store):
        with pytest.raises(StoreError, match=r"exists already. Extend it with extend_cube"):
            lx.build_cube(lazy, store, progress=False)

    def test_it_is_resumed_and_another_is_refused(self, lazy, cube, tmp_path):
        path = tmp_path / "built.zarr"
        data = lazy["clear"].data.map_blocks(fail_at_the_east, meta=np.empty((0, 0, 0), np.uint8))
        broken = lazy.assign(clear=(("time", "y", "x"), data))
        with pytest.raises(RuntimeError, match="the lights went out"):
            lx.build_cube(broken, path, plan=PLAN, identity="mine", progress=False)
        assert not path.exists()
        with pytest.raises(StoreError, match=r"from another cube, plan or grid was interrupted"):
            lx.build_cube(lazy, path, plan=PLAN, progress=False)
        report = lx.build_cube(lazy, path, plan=PLAN, identity="mine", progress=False)
        assert report.skipped > 0
        assert report.written + report.skipped == 36
        np.testing.assert_array_equal(lx.open_cube(path)["clear"], cube["clear"])

    def test_it_can_begin_anew(self, lazy, cube, tmp_path):
        path = tmp_path / "built.zarr"
        data = lazy["clear"].data.map_blocks(fail_at_the_east, meta=np.empty((0, 0, 0), np.uint8))
        broken = lazy.assign(clear=(("time", "y", "x"), data))
        with pytest.raises(RuntimeError, match="the lights went out"):
            lx.build_cube(broken, path, plan=PLAN, progress=False)
        report = lx.build_cube(lazy, path, plan=PLAN, resume=False, progress=False)
        assert report == lx.WriteReport(written=36, skipped=0)

    def test_the_declared_grid_holds_the_cube(self, lazy, tmp_path):
        path = tmp_path / "built.zarr"
        grid = lazy[["y", "x"]].isel(y=slice(30))
        with pytest.raises(CubeError, match=r"reaches 7 pixels beyond the grid along 'y'"):
            lx.build_cube(lazy, path, grid=grid, progress=False)
        with pytest.raises(CubeError, match=r"begins 1 pixels west of the grid"):
            lx.build_cube(lazy, path, grid=lazy[["y", "x"]].isel(x=slice(1, None)), progress=False)
        assert list(tmp_path.iterdir()) == []
