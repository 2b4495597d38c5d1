"""Laws of every output: any chunking, order and source gives the same; parts add up."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.dates import RegularDates, plan_year
from lulc_xr.core.probability import entropy
from lulc_xr.core.uncertainty import MemberSum, margin, max_probability
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.prediction.classify import classify
from lulc_xr.testing import landscape
from tests.predictors import LEGEND
from tests.properties.test_engine import shuffled
from tests.several import (
    EVERY,
    ZONES,
    Several,
    make_applicability,
    make_calibration,
    make_conformal,
    with_zones,
)

DATES = RegularDates(freq="QS")
RULES = Attachments(
    calibration=make_calibration(regions=ZONES, temperatures=(0.5, 3.0, 1.0)),
    conformal=make_conformal(regions=ZONES, thresholds=(0.5, 0.9, 0.99)),
    applicability=make_applicability(8),
)


def whole(cube, model):
    """Every output as one call of the model for the whole cube gives it: no engine, no chunks."""
    spec = model.spec
    plan = plan_year(cube["time"].values, spec.dates, year=2018)
    pixels = cube["reflectance"].sel(band=list(spec.bands)).isel(time=list(plan.positions))
    clear = cube["clear"].isel(time=list(plan.positions)).values
    series, seen = prepare_series(pixels.values.copy(), clear, dates=spec.dates, year=plan)
    zone = cube["zone"].values
    region = np.select([zone == 4, zone == 9], [0, 1], -1).astype(np.int16)
    context = {"zone": region.astype(np.float32)}
    each = [f["land_cover"] for f in model.each_member(np.nan_to_num(series), plan.days, context)]
    sums = MemberSum()
    for found in each:
        sums.add(found)
    mean, parts = sums.mean(), sums.parts()
    ids = np.array(LEGEND.ids, np.uint8)
    sets = RULES.conformal.sets(mean, task="land_cover", region=region)
    far = RULES.applicability.dissimilarity(series.reshape(-1, *seen.shape))
    return seen, {
        "land_cover": ids[mean.argmax(0)],
        "land_cover_entropy": entropy(mean),
        "land_cover_probability": mean,
        "land_cover_aleatoric": parts.aleatoric,
        "land_cover_epistemic": parts.epistemic,
        "land_cover_margin": margin(mean),
        "land_cover_least_confidence": 1 - max_probability(mean),
        "land_cover_max_probability": max_probability(mean),
        "land_cover_set": sets.astype(np.uint8),
        "land_cover_set_size": sets.sum(0).astype(np.uint8),
        "land_cover_members": np.stack([ids[found.argmax(0)] for found in each]),
        "dissimilarity": far,
        "applicable": (far <= RULES.applicability.threshold).astype(np.uint8),
    }


def assert_same(maps, seen, expected):
    assert set(maps.data_vars) == set(expected)
    for name, values in expected.items():
        found = maps[name].values[0]
        fill = 255 if values.dtype == np.uint8 else np.nan
        wanted = np.where(seen, values, np.array(fill, values.dtype))
        if name == "dissimilarity":
            # A matrix product may add in another order for other shapes of blocks.
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3, err_msg=name)
        elif name == "applicable":
            clear_cut = np.abs(expected["dissimilarity"] - RULES.applicability.threshold) > 2e-3
            np.testing.assert_array_equal(found[clear_cut | ~seen], wanted[clear_cut | ~seen])
        else:
            np.testing.assert_array_equal(found, wanted, err_msg=name)


@st.composite
def cases(draw):
    """A cube with regions, its chunks, a model, a shard size and a scheduler."""
    y, x = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    seed = draw(st.integers(0, 1000))
    cube = landscape(y=y, x=x, time=12, bands=("nir", "green", "red"), classes=3, seed=seed)
    holes = np.random.default_rng(seed).random((y, x)) < draw(st.sampled_from([0, 0.1, 1]))
    cube["clear"] = cube["clear"].where(~holes, 0).astype(np.uint8)
    chunks = {
        "time": draw(st.integers(3, 12)),
        "y": max(draw(st.integers(1, y)), y // 5),
        "x": max(draw(st.integers(1, x)), x // 5),
    }
    model = Several(
        draw(st.integers(2, 4)), attachments=RULES, dates=DATES, halo=draw(st.integers(0, 3))
    )
    shard = draw(st.none() | st.integers(max(1, max(y, x) // 5), 70))
    scheduler = draw(st.sampled_from(["synchronous", "threads"]) | st.integers(0, 99).map(shuffled))
    return with_zones(cube), chunks, model, shard, scheduler


@given(cases(), st.permutations(["time", "band", "y", "x"]))
@settings(max_examples=15)
def test_any_chunking_order_and_scheduler_gives_every_output_the_same(case, dims):
    cube, chunks, model, shard, scheduler = case
    seen, expected = whole(cube, model)
    for given_cube in (cube, cube.transpose(*dims).chunk(chunks)):
        maps = classify(given_cube, model, outputs=EVERY, shard=shard)
        assert_same(maps.compute(scheduler=scheduler), seen, expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@given(cases(), st.integers(1, 3), st.integers(1, 24))
@settings(max_examples=5)
def test_a_stored_cube_gives_every_output_the_same(folder, case, chunks_a_shard, chunk):
    cube, _, model, shard, scheduler = case
    side = max(chunk, max(cube.sizes["y"], cube.sizes["x"]) // 5)
    plan = ChunkPlan(chunks={"y": side, "x": side}, shards={"y": side * chunks_a_shard, "x": side})
    store = write_cube(cube, folder / "cube.zarr", plan=plan, overwrite=True)
    seen, expected = whole(cube, model)
    maps = classify(open_cube(store), model, outputs=EVERY, shard=shard)
    assert_same(maps.compute(scheduler=scheduler), seen, expected)


@given(cases())
@settings(max_examples=8)
def test_the_parts_of_a_map_add_up_to_its_entropy(case):
    cube, chunks, model, shard, _ = case
    maps = classify(
        cube.chunk(chunks), model, outputs=("entropy", "aleatoric", "epistemic"), shard=shard
    ).compute(scheduler="synchronous")
    added = maps["land_cover_aleatoric"] + maps["land_cover_epistemic"]
    np.testing.assert_allclose(added, maps["land_cover_entropy"], rtol=0, atol=1e-6)
