"""Samples into a store: the same samples, in bounded batches, continued after an interruption."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from lulc_xr.core.errors import SampleError, StoreError
from lulc_xr.core.exchange import alone
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.samples import resume
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.plan import plan_samples
from lulc_xr.samples.store import open_samples, write_samples
from lulc_xr.testing import landscape
from tests.conftest import small_plan

LEGEND = Legend.from_names("t", ["a", "b"])
USE = Legend.from_names("u", ["x", "y", "z"])
TASKS = {"land_cover": ("lc1", LEGEND), "land_use": ("lu1", USE)}


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    made = landscape(y=64, x=64, time=12, bands=("red", "nir"))
    made["clear"][:, :9, :9] = np.uint8(0)
    place = tmp_path_factory.mktemp("cube") / "cube.zarr"
    return open_cube(write_cube(made, place, plan=small_plan(16, 8)))


@pytest.fixture(scope="module")
def frame():
    """150 points with two tasks, ids, regions, strata and weights."""
    rng = np.random.default_rng(2)
    row, column = rng.integers(0, 64, (2, 150))
    return pd.DataFrame(
        {
            "x": 500_005.0 + 10 * column,
            "y": 5_599_995.0 - 10 * row,
            "lc1": rng.choice([0, 1, 255], 150),
            "lu1": rng.choice([0, 1, 2, 255], 150),
            "point_id": 1000 + np.arange(150),
            "weight": rng.random(150),
            "stratum": rng.integers(0, 3, 150),
            "region": rng.choice(["north", "south", None], 150),
            "nuts0": rng.choice(["AT", "BE"], 150),
            "error": rng.random(150) * 20,
        }
    )


HOW = {"labels": TASKS, "tolerance": "error", "keep": ["nuts0"]}


@pytest.mark.filterwarnings("ignore:of .* points")
def test_a_store_holds_the_samples_of_memory_in_the_order_of_chunks(tmp_path, cube, frame) -> None:
    expected = extract_samples(cube, frame, **HOW)
    made = extract_samples(cube, frame, store=tmp_path / "s.zarr", **HOW)
    # Values stay in the store until they are used.
    assert not made["reflectance"].variable._in_memory
    order = np.argsort(made.point_id.values)
    found = made.load().isel(sample=order)
    assert found.attrs.pop("job_hash")
    xr.testing.assert_identical(found.drop_encoding(), expected)
    given = frame.set_index("point_id").region.fillna("").loc[found.point_id.values]
    assert found.region.values.tolist() == given.tolist()
    assert {"", "north", "south"} == set(given)
    assert set(ModelSpec.from_samples(found).legends) == set(TASKS)
    places = np.stack([made.y.values // -160, made.x.values // 160], axis=1)
    changes = (np.diff(places, axis=0) != 0).any(axis=1).sum()
    assert changes + 1 == len(np.unique(places, axis=0))


@pytest.mark.filterwarnings("ignore:of .* points")
def test_columns_go_with_their_points(tmp_path, cube, frame) -> None:
    samples = open_samples(write_samples(extract_samples(cube, frame, **HOW), tmp_path / "s.zarr"))
    own = frame.set_index("point_id").loc[samples.point_id.values]
    for name, column in {"land_cover": "lc1", "land_use": "lu1"}.items():
        np.testing.assert_array_equal(samples[name], own[column])
    for name in ("stratum", "nuts0"):
        assert samples[name].values.tolist() == own[name].tolist()
    np.testing.assert_array_equal(samples.weight, own.weight.astype(np.float32))
    assert ((samples.land_cover != 255) | (samples.land_use != 255)).all()


@pytest.mark.filterwarnings("ignore:of .* points")
def test_batches_hold_whole_chunks_and_every_sample_once(cube, frame, monkeypatch) -> None:
    monkeypatch.setattr(resume, "_BATCH_CHUNKS", 5)
    plan = plan_samples(cube, frame, **HOW)
    batches = list(resume.plan_batches(plan))
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(plan.samples))
    chunks = [set(zip(plan.row[b] // 8, plan.column[b] // 8, strict=True)) for b in batches]
    assert len(batches) > 5
    assert all(len(found) <= 5 for found in chunks)
    assert sum(map(len, chunks)) == len(set().union(*chunks))


@pytest.mark.filterwarnings("ignore:of .* points")
def test_an_interrupted_extraction_continues(tmp_path, cube, frame, monkeypatch) -> None:
    monkeypatch.setattr(resume, "_BATCH_CHUNKS", 5)
    whole = extract_samples(cube, frame, store=tmp_path / "whole.zarr", **HOW).load()
    reads, read = [], resume.read_series

    def stopping(plan, chosen, *, advance):
        reads.append(chosen)
        if len(reads) == 4:
            raise KeyboardInterrupt
        return read(plan, chosen, advance=advance)

    monkeypatch.setattr(resume, "read_series", stopping)
    with pytest.raises(KeyboardInterrupt):
        extract_samples(cube, frame, store=tmp_path / "s.zarr", **HOW)
    assert not (tmp_path / "s.zarr").exists()
    assert (zarr.open_array(tmp_path / ".s.zarr.partial", path="ledger")[...] != 0).sum() == 3
    with pytest.raises(
        StoreError, match="holds an unfinished extraction of other points, settings"
    ):
        extract_samples(cube, frame.assign(weight=1.0), store=tmp_path / "s.zarr", **HOW)
    found = extract_samples(cube, frame, store=tmp_path / "s.zarr", **HOW).load()
    # The first three batches were not read again.
    batches = list(resume.plan_batches(plan_samples(cube, frame, **HOW)))
    assert [c.tolist() for c in reads[4:]] == [b.tolist() for b in batches[3:]]
    xr.testing.assert_identical(found, whole)
    assert not (tmp_path / ".s.zarr.partial").exists()


@pytest.mark.filterwarnings("ignore:of .* points")
def test_a_finished_store_is_not_read_again_nor_replaced(
    tmp_path, cube, frame, monkeypatch
) -> None:
    path = tmp_path / "s.zarr"
    first = extract_samples(cube, frame, store=path, **HOW).load()
    with monkeypatch.context() as patch:
        patch.setattr(resume, "read_series", None)
        xr.testing.assert_identical(extract_samples(cube, frame, store=path, **HOW).load(), first)
    others = frame[:50]
    with pytest.raises(StoreError, match="exists already, from other points, settings or another"):
        extract_samples(cube, others, store=path, **HOW)
    xr.testing.assert_identical(open_samples(path), first)
    made = extract_samples(cube, others, store=path, overwrite=True, **HOW)
    assert made.sizes["sample"] < 50
    other = write_samples(first.drop_attrs().assign_attrs(tasks="land_cover"), tmp_path / "t.zarr")
    with pytest.raises(StoreError, match="exists already"):
        extract_samples(cube, frame, store=other, **HOW)


@pytest.mark.parametrize(
    "change",
    [
        {"patch": 7}, {"bands": ["nir"]}, {"tolerance": 1}, {"keep": []},
        {"labels": "lc1", "legend": LEGEND},
    ],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
def test_other_settings_are_another_job(cube, frame, change) -> None:
    plan = plan_samples(cube, frame, **HOW)
    other = plan_samples(cube, frame, **{**HOW, **change})
    assert resume.describe_job(plan) == resume.describe_job(plan_samples(cube, frame, **HOW))
    assert resume.describe_job(other) != resume.describe_job(plan)


def test_two_at_a_time_are_refused(tmp_path, cube, frame) -> None:
    target = tmp_path / "s.zarr"
    with (
        alone(target, what="samples"),
        pytest.raises(StoreError, match=r"being written to .* by another process"),
    ):
        extract_samples(cube, frame, store=target, **HOW)
    with pytest.raises(StoreError, match=r"cannot write beside .*nowhere.*is there"):
        extract_samples(cube, frame, store=tmp_path / "nowhere" / "s.zarr", **HOW)


@pytest.mark.filterwarnings("ignore:of .* points")
def test_unfinished_work_of_another_job_is_dropped_on_request(tmp_path, cube, frame) -> None:
    target = tmp_path / "s.zarr"
    group = zarr.open_group(tmp_path / ".s.zarr.partial", mode="w")
    group.attrs["job_hash"] = "another"
    with pytest.raises(StoreError, match="holds an unfinished extraction of other points"):
        extract_samples(cube, frame, store=target, **HOW)
    made = extract_samples(cube, frame, store=target, overwrite=True, **HOW)
    assert made.sizes["sample"] == extract_samples(cube, frame, **HOW).sizes["sample"]


@pytest.mark.filterwarnings("ignore:of .* points")
def test_cubes_in_memory_and_from_files_have_an_identity(tmp_path, cube, frame) -> None:
    loaded = cube.copy().load()
    plain = extract_samples(loaded, frame, store=tmp_path / "a.zarr", **HOW).load()
    changed = loaded.assign(reflectance=loaded.reflectance * np.float32(0.9))
    with pytest.raises(StoreError, match="exists already, from other points, settings or another"):
        extract_samples(changed, frame, store=tmp_path / "a.zarr", **HOW)
    path = loaded.encoding["source"]
    stored = xr.open_zarr(path, consolidated=False, chunks=None, decode_coords="all")
    made = extract_samples(stored, frame, store=tmp_path / "b.zarr", **HOW).load()
    np.testing.assert_allclose(
        made.sortby("point_id").reflectance, plain.sortby("point_id").reflectance, atol=1e-6
    )
    with pytest.raises(StoreError, match="does not say which file it is from"):
        extract_samples(stored.drop_encoding(), frame, store=tmp_path / "c.zarr", **HOW)


def test_points_outside_leave_nothing_behind(cube, frame, tmp_path):
    away = frame.assign(x=frame["x"] + 1e6)
    with pytest.raises(SampleError, match=r"no sample is left: of 150 points, 150 lie outside"):
        extract_samples(cube, away, labels=TASKS, store=tmp_path / "samples.zarr")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
