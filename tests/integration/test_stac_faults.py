"""Faults between a catalogue and a store: retried, reported by item, marked, filled in later."""

import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import zarr

import lulc_xr as lx
from lulc_xr.cube import catalogue
from lulc_xr.cube.commit import EXTENSION
from lulc_xr.cube.ledger import entries
from tests.predictors import wait_for
from tests.stac_children import load

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SPLIT = "2018-04-30"
BROKEN = "S2A_31UDS_20180411_0_L2A"
FEW = ("2018-04-06", "2018-04-11", "2018-04-14", "2018-04-16")
BROKEN_DATE = np.datetime64("2018-04-11T10:50:27", "ns")
PLAN = lx.ChunkPlan(chunks={"time": 4, "y": 32, "x": 32}, shards={"time": 4, "y": 32, "x": 32})
VARIABLES, SHARDS_ABREAST = ("reflectance", "clear"), 4

FAULTS = {
    "HTTP 500": ({"status": 500}, "HTTP response code: 500"),
    "HTTP 503": ({"status": 503}, "HTTP response code: 503"),
    "vanished": ({"status": 404}, "HTTP response code: 404"),
    "stalled": ({"kind": "stall"}, "timed out after"),
    "stalled in the middle": ({"kind": "stop"}, "Read failed"),
    "truncated": ({"kind": "truncate"}, "Read failed"),
}
each_fault = pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)


@pytest.fixture(autouse=True)
def impatient():
    """GDAL waits a second, not a minute, and leaves the retries to lulc_xr."""
    settings = {"GDAL_HTTP_TIMEOUT": "1", "GDAL_HTTP_MAX_RETRY": "0"}
    with rasterio.Env(**settings):
        yield


@pytest.fixture
def few(items):
    """Some items on the file server, one of which will fail."""
    days = {*FEW}
    found = [item for item in items if f"{item.datetime:%Y-%m-%d}" in days]
    assert BROKEN in {item.id for item in found}
    return found


@pytest.fixture(scope="module")
def undisturbed(flanders_catalogue):
    """The cube of these items, from disk, in memory."""
    return load(flanders_catalogue, start=FEW[0], end=FEW[-1]).compute()


def break_one(http, fault):
    """One raster of one item fails so from now on."""
    http.fail(f"*/{BROKEN}/B04.tif", **fault)


def assert_same_values(found, expected):
    for name in ("reflectance", "clear"):
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)
    np.testing.assert_array_equal(found["time"].values, expected["time"].values)
    assert list(found["platform"].values) == list(expected["platform"].values)


class TestReading:
    @pytest.mark.parametrize("status", [500, 503])
    def test_an_error_that_passes_is_tried_again(self, few, http, undisturbed, status):
        http.fail("*.tif", status=status, times=3)
        cube = load(few).compute()
        assert_same_values(cube, undisturbed)

    @each_fault
    def test_an_error_that_stays_names_item_asset_and_address(self, few, http, fault, reason):
        break_one(http, fault)
        cube = load(few)
        with pytest.raises(lx.SourceError, match=reason) as caught:
            cube.compute()
        said = str(caught.value)
        href = next(i for i in few if i.id == BROKEN).assets["red"].href
        assert f"asset 'red' of item {BROKEN!r} (2018-04-11T10:50:27) at {href}" in said
        assert "on_error='mark'" in said

    @each_fault
    def test_a_date_that_could_not_be_read_is_marked_and_nothing_else(
        self, few, http, undisturbed, fault, reason, caplog
    ):
        break_one(http, fault)
        with caplog.at_level(logging.WARNING, "lulc_xr"):
            cube = load(few, on_error="mark").compute()
        marked = cube["unread"].any(("y", "x"))
        assert list(cube["time"].values[marked]) == [BROKEN_DATE]
        assert (cube["unread"].sel(time=BROKEN_DATE) == 1).all()
        assert (cube["clear"].sel(time=BROKEN_DATE) == 0).all()
        assert cube["reflectance"].sel(time=BROKEN_DATE).isnull().all()
        whole = cube.sel(time=~marked)
        assert_same_values(whole, undisturbed.sel(time=~marked))
        warned = [r.getMessage() for r in caplog.records if r.name.startswith("lulc_xr")]
        assert len(warned) == 1
        assert BROKEN in warned[0]
        assert reason in warned[0]

    def test_what_is_gone_is_not_asked_for_again_and_again(self, few, http):
        http.fail(f"*/{BROKEN}/SCL.tif", status=404)
        before = http.requests(f"*/{BROKEN}/SCL.tif")
        load(few, on_error="mark").sel(time=BROKEN_DATE).compute()
        assert 1 <= http.requests(f"*/{BROKEN}/SCL.tif") - before <= 4


class TestAPI:
    @pytest.mark.parametrize("path", ["/", "/search"])
    def test_an_api_that_is_busy_is_asked_again(self, stac_server, stac_api, path):
        before = stac_server.requests(path)
        stac_server.fail(path, status=503, times=2)
        assert load(stac_api, start=FEW[0], end=FEW[-1]).sizes["time"] == len(FEW)
        assert stac_server.requests(path) >= before + 3

    def test_an_api_that_fails_is_reported_with_what_was_asked(self, stac_server, stac_api):
        stac_server.fail("/search", status=500)
        with pytest.raises(lx.SourceError, match=r"search at .*failed.*collections \['s2'\]"):
            load(stac_api, collections=["s2"])
        stac_server.heal()
        stac_server.fail("/", status=500)
        with pytest.raises(lx.SourceError, match=rf"could not open the STAC API '{stac_api}'"):
            load(stac_api)

    def test_an_api_that_says_nothing_is_given_up(self, stac_server, stac_api, monkeypatch):
        monkeypatch.setattr(catalogue, "SILENCE", 1.0)
        stac_server.fail("/search", "stall")
        with pytest.raises(lx.SourceError, match=r"search at .*failed.*timed out"):
            load(stac_api)

    def test_an_item_whose_files_vanished_after_the_search_is_named(self, stac_api, http):
        break_one(http, {"status": 404})
        cube = load(stac_api, start=FEW[0], end=FEW[-1])
        with pytest.raises(lx.SourceError, match=rf"asset 'red' of item '{BROKEN}'"):
            cube.compute()


class TestCatalogue:
    def test_an_item_that_vanished_from_a_catalogue_is_named(self, flanders_catalogue, tmp_path):
        copy = shutil.copytree(flanders_catalogue.parent, tmp_path / "copy")
        gone = next(copy.rglob(f"{BROKEN}.json"))
        gone.unlink()
        with pytest.raises(lx.SourceError, match=rf"is not whole.*{BROKEN}\.json.*Restore"):
            load(copy / "catalog.json")

    def test_a_raster_that_vanished_from_a_catalogue_is_named(self, flanders_catalogue, tmp_path):
        copy = shutil.copytree(flanders_catalogue.parent, tmp_path / "copy")
        next(copy.rglob(f"{BROKEN}/B04.tif")).unlink()
        with pytest.raises(lx.SourceError, match=rf"asset 'red' of item '{BROKEN}'.*B04\.tif"):
            load(copy / "catalog.json", end=SPLIT).compute()

    def test_a_catalogue_cut_short_is_named(self, flanders_catalogue, tmp_path):
        copy = shutil.copytree(flanders_catalogue.parent, tmp_path / "copy")
        item = next(copy.rglob(f"{BROKEN}.json"))
        item.write_text(item.read_text()[:500])
        with pytest.raises(lx.SourceError, match=rf"is not whole.*{BROKEN}\.json.*Restore"):
            load(copy / "catalog.json")


class TestStore:
    @pytest.mark.parametrize("name", ["HTTP 503", "vanished", "truncated"])
    def test_a_hole_in_a_store_is_listed_and_filled_in_later(
        self, few, http, undisturbed, tmp_path, name
    ):
        break_one(http, FAULTS[name][0])
        store = tmp_path / "cube.zarr"
        lx.build_cube(load(few, on_error="mark"), store, plan=PLAN, progress=False)
        assert list(lx.unread_dates(store)["time"]) == [BROKEN_DATE]
        there = lx.open_cube(store)
        assert (there["clear"].sel(time=BROKEN_DATE) == 0).all()
        assert there["reflectance"].sel(time=BROKEN_DATE).isnull().all()

        # As long as the server is ill, nothing gets worse.
        lx.fill_unread(load(few, on_error="mark"), store, progress=False)
        assert list(lx.unread_dates(store)["time"]) == [BROKEN_DATE]

        http.heal()
        lx.fill_unread(load(few, on_error="mark"), store, progress=False)
        assert list(lx.unread_dates(store)["time"]) == []
        whole = tmp_path / "whole.zarr"
        lx.build_cube(undisturbed.chunk(time=1), whole, plan=PLAN, progress=False)
        assert_same_values(lx.open_cube(store), lx.open_cube(whole))

    def test_a_killed_extension_is_continued_and_ends_as_if_undisturbed(
        self, items, http, tmp_path
    ):
        given = tmp_path / "items.json"
        pystac.ItemCollection(items).save_object(str(given))
        whole, store = tmp_path / "whole.zarr", tmp_path / "cube.zarr"
        for path in (whole, store):
            lx.build_cube(load(items, end=SPLIT), path, plan=PLAN, progress=False)
        written = lx.extend_cube(load(items), whole, progress=False).written
        assert written > 40

        before = lx.open_cube(store).load()
        last = max(items, key=lambda item: item.datetime)
        http.fail(f"*/{last.id}/SCL.tif", "stall")
        process = child(store, given)
        # All but the shards of the last dates: these wait for the server.
        wait_for(lambda: done(store) == written - len(VARIABLES) * SHARDS_ABREAST, "the others")
        wait_for(lambda: http.requests(f"*/{last.id}/SCL.tif") > 0, "a read that stalls")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert lx.open_cube(store).load().identical(before)
        recorded = done(store)

        http.heal()
        assert run(store, given) == (written - recorded, recorded)
        assert_same_values(lx.open_cube(store), lx.open_cube(whole))
        assert lx.verify(store).ok

    def test_a_full_disk_leaves_the_store_and_the_extension_is_completed(
        self, items, disk, tmp_path
    ):
        store, whole = disk.path / "cube.zarr", tmp_path / "whole.zarr"
        for path in (store, whole):
            lx.build_cube(load(items, end=SPLIT), path, plan=PLAN, progress=False)
        before = lx.open_cube(store).load()
        cube = load(items)
        disk.fill(100 * 1024)
        with pytest.raises(lx.StoreError, match=r"disk full|No space left"):
            lx.extend_cube(cube, store, progress=False)
        assert lx.open_cube(store).load().identical(before)
        (disk.path / "ballast").unlink()
        report = lx.extend_cube(cube, store, progress=False)
        assert report.skipped > 0
        lx.extend_cube(cube, whole, progress=False)
        assert_same_values(lx.open_cube(store), lx.open_cube(whole))
        assert lx.verify(store).ok


def child(*arguments):
    command = [sys.executable, "-m", "tests.stac_children", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def run(*arguments):
    """Shards written and skipped by a child that ends by itself."""
    process = child(*arguments)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return tuple(map(int, said.split()))


def done(store):
    """Shards that an unfinished extension has recorded."""
    try:
        group = zarr.open_group(store, path=EXTENSION, mode="r", use_consolidated=False)
        return sum(int((entries(group[name]) != 0).sum()) for name in VARIABLES)
    except (FileNotFoundError, KeyError):
        return 0
