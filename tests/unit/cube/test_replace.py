"""Maps that are there: replaced on request only, readable until then, one writer at a time."""

import threading

import numpy as np
import pytest
import zarr

import lulc_xr as lx
from lulc_xr.core.errors import StoreError
from lulc_xr.cube.staging import STAGING
from tests.predictors import Giving, Ratio, Rounded

SHARDS = 12


def values_of(store):
    opened = lx.open_cube(store)
    return {n: opened[n].values for n in opened.data_vars if str(n).startswith("land_cover")}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


class Looking(Giving):
    """A model that is not sent anywhere, so it may hold what cannot be pickled."""

    content_hash = "looking"

    def __reduce__(self):
        return Looking, (None,)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda s: lx.classify(lx.open_cube(s), Ratio(bands=("nir", "red"))), "model_hash: "),
        (
            lambda s: lx.classify(lx.open_cube(s), Rounded(0), precision="bfloat16"),
            r"precision: float32 there, bfloat16 now",
        ),
        (
            lambda s: lx.classify(lx.open_cube(s), Rounded(0), shard=8),
            r"same model, other inputs or settings; 12 of 12 shards done",
        ),
        (
            lambda s: lx.classify(lx.open_cube(s).drop_vars("clear"), Rounded(0)),
            "same model, other inputs or settings",
        ),
        (
            lambda s: lx.classify(
                lx.open_cube(s).assign_coords(band=["red", "green", "nir"]), Rounded(0)
            ),
            "same model, other inputs or settings",
        ),
        (
            lambda s: lx.classify(
                # The second date falls into January.
                lx.open_cube(s).assign_coords(
                    time=lx.open_cube(s)["time"] - (np.arange(12) == 1) * np.timedelta64(20, "D")
                ),
                Rounded(0),
            ),
            "same model, other inputs or settings",
        ),
    ],
)
def test_another_job_is_refused_and_the_map_stays(store, changed, message):
    lx.write_variables(lx.classify(lx.open_cube(store), Rounded(0)), store, progress=False)
    before = values_of(store)
    with pytest.raises(StoreError, match=message) as caught:
        lx.write_variables(changed(store), store, progress=False)
    assert "Pass overwrite=True to replace it (it stays readable until" in str(caught.value)
    assert lx.verify(store).ok
    assert_equal(values_of(store), before)


def test_an_earlier_year_is_refused_and_the_map_stays(store):
    lx.write_variables(lx.classify(lx.open_cube(store), Ratio()), store, progress=False)
    before = values_of(store)
    times = lx.open_cube(store)["time"] - np.timedelta64(365, "D")
    earlier = lx.classify(lx.open_cube(store).assign_coords(time=times), Ratio())
    with pytest.raises(StoreError, match=r"holds maps of \[2018\]; these are of \[2017\]"):
        lx.write_variables(earlier, store, progress=False)
    with pytest.raises(
        StoreError, match=r"holds maps whose 'year' is \[2018\]; these have \[2017\]"
    ):
        lx.write_variables(earlier, store, overwrite=True, progress=False)
    assert_equal(values_of(store), before)


def test_replacing_keeps_the_old_map_readable_until_the_end(store):
    lx.write_variables(lx.classify(lx.open_cube(store), Ratio()), store, progress=False)
    before = values_of(store)
    seen = []

    def look(found):
        seen.append(values_of(store))
        return np.roll(found, 1, axis=0)

    model = Looking(look)
    lx.write_variables(
        lx.classify(lx.open_cube(store), model), store, overwrite=True, progress=False
    )
    assert len(seen) == SHARDS
    for values in seen:
        assert_equal(values, before)
    assert lx.verify(store).ok
    model.give = lambda found: np.roll(found, 1, axis=0)
    expected = lx.classify(lx.open_cube(store), model).compute()
    assert_equal(values_of(store), {n: v.values for n, v in expected.data_vars.items()})
    assert (values_of(store)["land_cover"] != before["land_cover"]).any()
    assert STAGING not in zarr.open_group(store)


def test_a_broken_map_is_mended_by_the_same_job(store):
    result = lx.classify(lx.open_cube(store), Ratio())
    lx.write_variables(result, store, progress=False)
    before = values_of(store)
    zarr.open_group(store, mode="r+")["land_cover"][0, 20, 20] = 77
    assert not lx.verify(store).ok
    report = lx.write_variables(result, store, overwrite=True, progress=False)
    assert report.written == SHARDS
    assert lx.verify(store).ok
    assert_equal(values_of(store), before)


def test_a_variable_of_someone_else_is_not_touched(store):
    group = zarr.open_group(store, mode="r+")
    group.create_array("land_cover", shape=(37, 50), dtype="uint8", dimension_names=["y", "x"])
    result = lx.classify(lx.open_cube(store), Ratio())
    with pytest.raises(
        StoreError, match="not written by write_variables, so it will not be touched"
    ):
        lx.write_variables(result, store, progress=False)
    assert group["land_cover"].shape == (37, 50)


def test_two_writers_in_one_process_exclude_each_other(store, tmp_path):
    """The second is refused while the first is at work, and the first ends whole."""
    started, go_on = threading.Event(), threading.Event()

    def wait(found):
        started.set()
        assert go_on.wait(60)
        return found

    result = lx.classify(lx.open_cube(store), Looking(wait))
    first = threading.Thread(target=lx.write_variables, args=(result, store))
    first.start()
    assert started.wait(60)
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=r"'land_cover' of .* is being written by another"):
            lx.write_variables(result, store, overwrite=overwrite, progress=False)
    go_on.set()
    first.join()
    assert lx.verify(store).ok


def test_two_replacements_exclude_each_other(store):
    """They would share the staging group, also for different variables."""
    opened = lx.open_cube(store)
    maps = {
        n: opened["clear"].isel(time=[i]).rename(time="year").assign_coords(year=[2018]).rename(n)
        for i, n in enumerate(("first", "second"))
    }
    for var in maps.values():
        lx.write_variables(var.to_dataset(), store, progress=False)
    started, go_on = threading.Event(), threading.Event()

    def wait(block):
        if block.size:
            started.set()
            assert go_on.wait(60)
        return block

    waiting = maps["first"].copy(data=maps["first"].data.map_blocks(wait, dtype="uint8"))
    first = threading.Thread(
        target=lx.write_variables,
        args=(waiting.to_dataset(), store),
        kwargs={"overwrite": True, "progress": False},
    )
    first.start()
    assert started.wait(60)
    with pytest.raises(StoreError, match="is being written by another process"):
        lx.write_variables(maps["second"].to_dataset(), store, overwrite=True, progress=False)
    go_on.set()
    first.join()
    assert lx.verify(store).ok
