"""Classification: lazy, small graphs, clear errors, fill where nothing was seen."""

import dask
import numpy as np
import pytest
import xarray as xr
import zarr

import lulc_xr as lx
from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import CubeError, ModelError
from lulc_xr.testing import landscape
from tests.predictors import LEGEND, Giving, Ratio, WindowMean


def raising(*_, **__):
    raise AssertionError("something was computed")


@pytest.mark.parametrize("lazy", [True, False])
def test_nothing_is_computed(cube, lazy):
    given = cube.chunk({"y": 10}) if lazy else cube
    with dask.config.set(scheduler=raising):
        maps = lx.classify(given, Ratio(), outputs=("land_cover", "entropy", "probability"))
        assert maps["land_cover_probability"].dims == ("year", "class", "y", "x")
        with pytest.raises(AssertionError, match="something was computed"):
            maps.compute()


def test_no_chunk_is_read_before_the_maps_are_computed(store, monkeypatch):
    """Counted where zarr-python reads: in the store."""
    read = []
    get = zarr.storage.LocalStore.get

    async def counting(self, key, *args, **kwargs):
        read.append(key)
        return await get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counting)
    maps = lx.classify(lx.open_cube(store), Ratio())
    big = [key for key in read if key.startswith(("reflectance/c", "clear/c"))]
    assert big == []
    maps["land_cover"].isel(y=slice(16), x=slice(16)).compute()
    assert {k for k in read if k.startswith(("reflectance/c", "clear/c"))} == {
        "reflectance/c/0/0/0/0",
        "clear/c/0/0/0",
    }


def test_a_stored_cube_takes_two_tasks_a_shard(store):
    maps = lx.classify(lx.open_cube(store), WindowMean(halo=3))
    graph = maps["land_cover"].data.__dask_graph__()
    assert len(graph) == 2 * 12
    # Whatever was done to the variable since, its chunks are taken from there.
    shifted = lx.open_cube(store)
    shifted["reflectance"] = shifted["reflectance"] * 1
    changed = lx.classify(shifted, WindowMean(halo=3))
    assert len(changed["land_cover"].data.__dask_graph__()) > 2 * 12
    np.testing.assert_array_equal(changed["land_cover"].values, maps["land_cover"].values)


def test_a_continent_is_planned_at_once():
    cube = landscape(
        y=100_000, x=100_000, time=24, bands=("red", "nir"), chunks={"y": 4096, "x": 4096}
    )
    maps = lx.classify(cube, Ratio(), shard=1024)
    shards = 98 * 98
    own = [
        len(layer)
        for name, layer in maps["land_cover"].data.dask.layers.items()
        if name.startswith(("classify", "land_cover"))
    ]
    assert own == [shards, shards]


def test_what_was_never_seen_is_fill(cube):
    hidden = cube.assign(clear=cube["clear"] * 0)
    maps = lx.classify(hidden, Ratio(), outputs=("land_cover", "entropy", "probability")).compute()
    assert (maps["land_cover"] == 255).all()
    assert maps["land_cover_entropy"].isnull().all()
    assert maps["land_cover_probability"].isnull().all()
    partly = lx.classify(cube, Ratio()).compute()
    never = ~cube["clear"].any("time").values
    assert 0 < never.sum() < never.size
    np.testing.assert_array_equal(partly["land_cover"].values[0] == 255, never)
    np.testing.assert_array_equal(np.isnan(partly["land_cover_entropy"].values[0]), never)


def test_dimensions_in_another_order_give_the_same_map(cube):
    expected = lx.classify(cube, Ratio()).compute()
    other = lx.classify(cube.transpose("x", "band", "y", "time"), Ratio()).compute()
    xr.testing.assert_identical(other, expected)


def test_several_years_and_years_that_start_in_november(cube):
    later = cube.assign_coords(time=cube["time"] + np.timedelta64(365, "D"))
    both = xr.concat([cube, later], "time", data_vars="minimal")
    maps = lx.classify(both, Ratio())
    assert maps["year"].values.tolist() == [2018, 2019]
    np.testing.assert_array_equal(
        maps["land_cover"][0], lx.classify(cube, Ratio())["land_cover"][0]
    )
    assert maps["land_cover"].attrs["year_start"] == "2018-01-01 2019-01-01"
    november = lx.classify(both, Ratio(dates=RegularDates(start_month=11)))
    assert november["year"].values.tolist() == [2019]
    assert november["land_cover"].attrs["year_start"] == "2018-11-01"
    only = lx.classify(both, Ratio(), years=[2019])
    np.testing.assert_array_equal(only["land_cover"][0], maps["land_cover"][1])


def test_two_tasks_share_a_pass(cube):
    calls = []

    def give(found):
        calls.append(1)
        return {"land_cover": found, "land_use": found[::-1].copy()}

    model = Giving(give, legends={"land_cover": LEGEND, "land_use": LEGEND})
    model.content_hash = "two tasks"
    maps = lx.classify(cube, model).compute()
    assert list(maps.data_vars) == [
        "land_cover",
        "land_cover_entropy",
        "land_use",
        "land_use_entropy",
    ]
    assert len(calls) == 1
    only = lx.classify(cube, model, outputs=("land_use", "probability"))
    assert list(only.data_vars) == ["land_use", "land_use_probability"]


@pytest.mark.parametrize(
    ("change", "settings", "kind", "message"),
    [
        (
            lambda c: c.sel(band=["green", "nir"]),
            {},
            CubeError,
            "unknown band 'red'. Known, nearest first: green, nir",
        ),
        (lambda c: c.drop_vars("spatial_ref"), {}, CubeError, "no coordinate reference system"),
        (
            lambda c: c.isel(time=slice(3, 6)),
            {},
            CubeError,
            r"\(2018-04-\d\d to 2018-06-\d\d\) cover no whole mapped year .*Pass years=",
        ),
        (lambda c: c, {"years": [2018, 2031]}, CubeError, "no date .* lies in mapped year 2031"),
        (lambda c: c, {"years": []}, CubeError, r"years=\[\] asks for no year"),
        (
            lambda c: c,
            {"outputs": ("land_cover", "entropie")},
            ModelError,
            "unknown output 'entropie'. Known, nearest first: entropy, ",
        ),
        (lambda c: c, {"outputs": ()}, ModelError, r"no outputs asked for; choose among \['land"),
        (lambda c: c, {"precision": "half"}, ModelError, "unknown precision 'half'"),
        (lambda c: c, {"precision": "bfloat16"}, ModelError, "Ratio offers float32 only, not bfl"),
        (
            lambda c: c.assign(reflectance=c.reflectance.fillna(0).astype(int)),
            {},
            CubeError,
            "'reflectance' is int64 and has no attribute 'scale_factor'",
        ),
    ],
)
def test_bad_input_is_named_before_anything_is_computed(cube, change, settings, kind, message):
    with dask.config.set(scheduler=raising), pytest.raises(kind, match=message):
        lx.classify(change(cube), Ratio(), **settings)


def test_too_many_dates_are_named(cube):
    with pytest.raises(CubeError, match="2018 has 12 dates, but the model takes 1 to 5"):
        lx.classify(cube, Ratio(dates=RawDates(maximum=5)))


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda p: p[:2], r"gave shape \(2, 37, 50\) .* expected \(class, y, x\) = \(3, 37, 50\)"),
        (lambda p: p.transpose(1, 2, 0), r"gave shape \(37, 50, 3\)"),
        (lambda p: p * 1.5, "a sum over classes of 1.5"),
        (lambda p: np.log(p + 1), "Apply a softmax to logits"),
        (lambda p: np.where(p > 0.9, np.nan, np.nan), "a sum over classes of nan"),
        (lambda p: {"trees": p}, r"predict_block gave \['trees'\]; missing: \['land_cover'\]"),
    ],
)
def test_what_a_model_gives_is_checked(cube, give, message):
    model = Giving(give)
    model.content_hash = message
    maps = lx.classify(cube, model)
    with pytest.raises(ModelError, match=message) as caught:
        maps.compute(scheduler="synchronous")
    assert "while classifying year 2018, rows 0-37, columns 0-50" in caught.value.__notes__


@pytest.mark.parametrize(
    ("factor", "message"), [(1e4, "It looks unscaled"), (1e-4, "It looks scaled twice")]
)
def test_wrong_scales_are_found_when_read(cube, factor, message):
    wrong = cube.assign(reflectance=cube["reflectance"] * np.float32(factor))
    with pytest.raises(CubeError, match=message):
        lx.classify(wrong, Ratio()).compute(scheduler="synchronous")


def test_maps_of_other_outputs_may_be_computed_together(cube):
    parts = [lx.classify(cube, Ratio(), outputs=[kind]) for kind in ("land_cover", "entropy")]
    cover, entropy = dask.compute(*parts)
    whole = lx.classify(cube, Ratio()).compute()
    np.testing.assert_array_equal(cover["land_cover"], whole["land_cover"])
    np.testing.assert_array_equal(entropy["land_cover_entropy"], whole["land_cover_entropy"])
