"""Writing maps into a store: resumed, replaced on request only, refused where it would harm."""

import re

import numpy as np
import pytest
import xarray as xr
import zarr

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, IncompleteMapWarning, ModelError, StoreError
from tests.conftest import small_plan
from tests.predictors import Giving, Logging, Ratio, Rounded

SHARDS = 12


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def classified(store, log, **changes):
    return lx.classify(lx.open_cube(store), Logging(log, **changes))


def failing_after(number):
    """A model that fails once it has predicted `number` blocks."""
    calls = []

    def give(found):
        calls.append(1)
        if len(calls) > number:
            raise RuntimeError("the lights went out")
        return found

    return give


class Failing(Giving):
    """The model `Ratio` under a hash of its own, which fails after `number` blocks."""

    content_hash = "ratio"

    def __init__(self, number):
        super().__init__(failing_after(number))

    def __reduce__(self):
        return Failing, (10**9,)


def interrupted(store, number=5):
    """A store whose map was begun: `number` shards are done."""
    result = lx.classify(lx.open_cube(store), Failing(number))
    with pytest.raises(RuntimeError, match="the lights went out") as caught:
        with_one_thread(lambda: lx.write_variables(result, store, progress=False))
    assert re.search(
        r"while classifying year 2018, rows \d+-\d+, columns", caught.value.__notes__[0]
    )
    return lx.verify(store).variables["land_cover"].done


def with_one_thread(function):
    import dask

    with dask.config.set(scheduler="synchronous"):
        return function()


def test_a_second_run_does_nothing(store, tmp_path):
    log = tmp_path / "log"
    result = classified(store, log)
    report = lx.write_variables(result, store, progress=False)
    assert (report.written, report.skipped) == (SHARDS, 0)
    again = lx.write_variables(classified(store, log), store, progress=False)
    assert (again.written, again.skipped) == (0, SHARDS)
    # One shard lies where nothing was seen? No: every block was predicted once.
    assert len(lines(log)) == SHARDS


def test_entropy_and_probability_cost_no_second_pass(store, tmp_path):
    log = tmp_path / "log"
    outputs = ("land_cover", "entropy", "probability")
    result = lx.classify(lx.open_cube(store), Logging(log), outputs=outputs)
    report = lx.write_variables(result, store, progress=False)
    assert report.written == 2 * SHARDS
    assert len(lines(log)) == SHARDS
    assert len(set(lines(log))) == SHARDS


def test_probabilities_are_resumed_and_their_classes_compared(store):
    outputs = ("land_cover", "probability")
    result = lx.classify(lx.open_cube(store), Ratio(), outputs=outputs)
    lx.write_variables(result, store, progress=False)
    again = lx.write_variables(result, store, progress=False)
    assert (again.written, again.skipped) == (0, 2 * SHARDS)
    legend = lx.Legend.from_names("other", ["ice", "sand", "rock"])
    other = Ratio(legends={"land_cover": legend})
    maps = lx.classify(lx.open_cube(store), other, outputs=("probability",))
    with pytest.raises(StoreError, match=r"'class' is \['cropland', .*these have \['ice', 'sand'"):
        lx.write_variables(maps, store, progress=False)


def test_an_interrupted_run_is_continued(store):
    done = interrupted(store)
    assert done == 5
    with pytest.warns(IncompleteMapWarning) as caught:
        opened = lx.open_cube(store)
    said = sorted(str(w.message) for w in caught)
    assert [text.split()[0] for text in said] == ["'land_cover'", "'land_cover_entropy'"]
    assert f"is not finished: {done} of 12 shards. Run the same classification" in said[0]
    verification = lx.verify(store)
    assert not verification.ok
    assert verification.variables["land_cover"].missing == SHARDS - done
    report = lx.write_variables(lx.classify(opened, Failing(SHARDS - done)), store, progress=False)
    assert (report.written, report.skipped) == (SHARDS - done, done)
    assert lx.verify(store).ok
    expected = lx.classify(lx.open_cube(store), Ratio())["land_cover"].values
    np.testing.assert_array_equal(lx.open_cube(store)["land_cover"].values, expected)


@pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning")
def test_continuing_can_be_forbidden(store):
    interrupted(store)
    result = lx.classify(lx.open_cube(store), Failing(99))
    with pytest.raises(StoreError, match=r"was begun there before, and resume=False. Pass resume="):
        lx.write_variables(result, store, resume=False, progress=False)
    report = lx.write_variables(result, store, resume=False, overwrite=True, progress=False)
    assert (report.written, report.skipped) == (SHARDS, 0)
    assert lx.verify(store).ok


@pytest.mark.parametrize("shape", [(1, 37, 50), (37, 50)])
def test_maps_in_memory_are_written_too(store, shape):
    opened = lx.open_cube(store)
    dims = ("year", "y", "x")[-len(shape) :]
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    maps = xr.Dataset({"slope": (dims, values)}, coords={"y": opened.y, "x": opened.x})
    if "year" in dims:
        maps = maps.assign_coords(year=[2018])
    lx.write_variables(maps, store, progress=False)
    np.testing.assert_array_equal(lx.open_cube(store)["slope"].values, values)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            lambda m: m.chunk({"y": (10, 16, 11)}),
            StoreError,
            (
                r"\(10, 16, 11\) of 'land_cover' along axis 1 do not match its shards of 10: two "
                r"tasks would share a shard.*Rechunk to whole shards first.*\.chunk"
            ),
        ),
        (
            lambda m: m.isel(y=slice(5, None)),
            CubeError,
            r"'y' of these maps \(32 values .*own grid",
        ),
        (lambda m: m.assign_coords(x=m.x + 5), CubeError, "classify the cube that open_cube gives"),
        (lambda m: m.drop_vars(list(m.data_vars)), CubeError, "nothing to write"),
        (lambda m: m.isel(y=0), CubeError, r"'land_cover' has dimensions .*maps have y and x"),
    ],
)
def test_maps_that_do_not_fit_are_refused_before_anything_is_written(store, change, kind, message):
    result = lx.classify(lx.open_cube(store), Ratio())
    with pytest.raises(kind, match=message):
        lx.write_variables(change(result), store, progress=False)
    assert "land_cover" not in zarr.open_group(store)


def test_a_fast_precision_that_disagrees_is_refused_and_nothing_is_done(tmp_path):
    cube = lx.testing.landscape(y=32, x=48, time=12, bands=("red", "nir"))
    cube["clear"][:] = np.uint8(1)
    store = lx.write_cube(cube, tmp_path / "cube.zarr", plan=small_plan(16, 8))
    result = lx.classify(lx.open_cube(store), Rounded(0.01), precision="bfloat16")
    with pytest.raises(ModelError, match=r"bfloat16 is refused.*at 9\d\.\d\d%, expected at least"):
        lx.write_variables(result, store, progress=False)
    assert lx.verify(store).variables["land_cover"].done == 0
    # What was refused stands in nobody's way.
    with pytest.warns(IncompleteMapWarning):
        exact = lx.classify(lx.open_cube(store), Rounded(0.01))
    assert lx.write_variables(exact, store, progress=False).written == 6
    assert lx.verify(store).ok
