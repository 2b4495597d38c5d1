"""Rules by region: read lazily of the cube, and each pixel has the rule of its region."""

import dask
import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.attachments import Attachments
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import CubeError
from lulc_xr.core.regions import RegionKey
from tests.several import ZONES, Several, make_calibration, make_conformal, with_zones

QUARTERS = RegularDates(freq="QS")
ONE_EACH = (0.4, 0.8, 0.99)


def make(conformal=None, calibration=None):
    return Several(
        attachments=Attachments(conformal=conformal, calibration=calibration), dates=QUARTERS
    )


def raising(*_, **__):
    raise AssertionError("something was computed")


@pytest.fixture(scope="module")
def placed(cube):
    return with_zones(cube)


def parts(placed):
    zone = placed["zone"].values
    return [zone == 4, zone == 9, (zone != 4) & (zone != 9)]


@pytest.mark.parametrize("chunks", [None, {"y": 9, "x": 21}])
def test_each_pixel_has_the_sets_of_its_region(placed, chunks):
    given = placed.chunk(chunks) if chunks else placed
    by_region = make(make_conformal(regions=ZONES, thresholds=ONE_EACH))
    with dask.config.set(scheduler=raising):
        maps = lx.classify(given, by_region, outputs=("set", "set_size"), shard=16)
    found = maps.compute()
    sizes = set()
    for threshold, where in zip(ONE_EACH, parts(placed), strict=True):
        assert where.any()
        alone = make(make_conformal(thresholds=(threshold,)))
        expected = lx.classify(placed, alone, outputs=("set", "set_size")).compute()
        for name in ("land_cover_set", "land_cover_set_size"):
            np.testing.assert_array_equal(
                found[name].values[..., where], expected[name].values[..., where]
            )
        sizes.add(expected["land_cover_set_size"].values.tobytes())
    assert len(sizes) == 3


def test_each_pixel_has_the_calibration_of_its_region(placed):
    by_region = make(calibration=make_calibration(regions=ZONES, temperatures=(0.5, 2.0, 5.0)))
    found = lx.classify(placed, by_region, outputs=("probability", "aleatoric"), shard=16).compute()
    for temperature, where in zip((0.5, 2.0, 5.0), parts(placed), strict=True):
        alone = make(calibration=make_calibration(temperatures=(temperature,)))
        expected = lx.classify(placed, alone, outputs=("probability", "aleatoric")).compute()
        for name in ("land_cover_probability", "land_cover_aleatoric"):
            np.testing.assert_allclose(
                found[name].values[..., where], expected[name].values[..., where], atol=1e-6
            )


def test_calibration_and_sets_may_tell_other_regions_apart(placed):
    south = RegionKey(variable="zone", names=("south",))
    model = make(
        make_conformal(regions=south, thresholds=(0.5, 0.99)),
        make_calibration(regions=ZONES, temperatures=(0.5, 2.0, 5.0)),
    )
    found = lx.classify(placed, model, outputs=("probability", "set")).compute()
    probability = found["land_cover_probability"].values[0]
    region = np.where(placed["zone"].values == 9, 0, -1)
    sets = model.attachments.conformal.sets(probability, task="land_cover", region=region)
    seen = np.isfinite(probability[0])
    np.testing.assert_array_equal(found["land_cover_set"].values[0][:, seen], sets[:, seen])


def test_regions_of_a_store_are_read_from_the_store(placed, tmp_path):
    store = lx.write_cube(placed, tmp_path / "placed.zarr")
    model = make(make_conformal(regions=ZONES, thresholds=ONE_EACH))
    opened = lx.open_cube(store)
    maps = lx.classify(opened, model, outputs=["set_size"], shard=16)
    # A task per shard and one that picks: no task reads regions by itself.
    assert len(maps["land_cover_set_size"].data.__dask_graph__()) == 2 * 12
    expected = lx.classify(placed, model, outputs=["set_size"]).compute()
    np.testing.assert_array_equal(maps["land_cover_set_size"], expected["land_cover_set_size"])


def test_other_regions_are_another_job_where_they_matter(placed):
    model = make(make_conformal(regions=ZONES, thresholds=ONE_EACH))
    moved = placed.assign(zone=placed["zone"].roll(y=5))
    outputs = ("land_cover", "set_size")
    first, second = (lx.classify(c, model, outputs=outputs) for c in (placed, moved))
    assert first["land_cover_set_size"].data.name != second["land_cover_set_size"].data.name
    assert first["land_cover"].data.name == second["land_cover"].data.name
    renamed = placed.assign(zone=placed["zone"].assign_attrs(flag_meanings="south north east"))
    third = lx.classify(renamed, model, outputs=outputs)
    assert third["land_cover_set_size"].data.name != first["land_cover_set_size"].data.name
    # The class map of calibrated probabilities depends on the regions.
    model = make(calibration=make_calibration(regions=ZONES, temperatures=(0.5, 2.0, 5.0)))
    names = [lx.classify(c, model)["land_cover"].data.name for c in (placed, moved)]
    assert len(set(names)) == 2


def test_regions_that_are_not_needed_need_not_be_there(cube):
    model = make(make_conformal(regions=ZONES, thresholds=ONE_EACH))
    assert lx.classify(cube, model)["land_cover"].dims == ("year", "y", "x")
    with pytest.raises(CubeError, match=r"tells regions of 'zone' apart.*rasterize_regions"):
        lx.classify(cube, model, outputs=["set"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z: z.astype(float), r"'zone' is float64 over \('y', 'x'\); expected whole class"),
        (
            lambda z: z.set_dims({"band": 3, "y": 37, "x": 50}),
            r"over \('band', 'y', 'x'\); expected whole class ids",
        ),
        (
            lambda z: xr.Variable(z.dims, z.data),
            "'zone' has no CF attributes flag_values and flag_meanings",
        ),
        (
            lambda z: xr.Variable(z.dims, z.data, {**z.attrs, "flag_meanings": "a b c d"}),
            r"3 flag_values and 4 flag_meanings.*join their words",
        ),
    ],
)
def test_regions_that_cannot_be_read_are_named(placed, change, message):
    model = make(make_conformal(regions=ZONES, thresholds=ONE_EACH))
    wrong = placed.drop_vars("zone").assign(zone=change(placed["zone"].variable))
    with pytest.raises(CubeError, match=message):
        lx.classify(wrong, model, outputs=["set_size"])
