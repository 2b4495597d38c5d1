"""Models that use climate: any chunking gives one map; sea is fill; what is missing is named."""

import json
from dataclasses import replace

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from pyproj import CRS
from sklearn.ensemble import RandomForestClassifier

import lulc_xr as lx
from lulc_xr.core.context import context_at
from lulc_xr.core.errors import CubeError, ModelError, SampleError
from lulc_xr.cube.context import as_context
from lulc_xr.models.sample_predictions import predict_samples
from lulc_xr.training.prepare import with_scaling
from tests.predictors import Climate, Ratio

SEA = 0.3


def climate_around(cube, *, cells=9, names=("bio01", "bio05", "bio12"), seed=2):
    """Made-up climate on a grid of about 100 m around a cube, with holes."""
    rng = np.random.default_rng(seed)
    crs = CRS.from_user_input(cube["spatial_ref"].attrs["crs_wkt"])
    y, x = (cube[n].values for n in ("y", "x"))
    axes = [np.linspace(v[0] - 30, v[-1] + 30, cells) for v in (y, x)]
    values = rng.uniform(5, 25, (len(names), cells, cells)).astype(np.float32)
    values[:, rng.random((cells, cells)) < SEA] = np.nan
    coords = {"bioclim_variable": list(names), "y": axes[0], "x": axes[1]}
    made = xr.DataArray(values, coords, ("bioclim_variable", "y", "x"))
    return as_context(made, crs=crs.to_wkt())


@pytest.fixture(scope="module")
def placed(cube):
    return cube.assign(bioclim=climate_around(cube))


def raises(*_, **__):
    raise AssertionError("computed")


@given(
    y=st.integers(3, 40),
    x=st.integers(3, 50),
    shard=st.integers(5, 60),
    cells=st.integers(1, 9),
)
def test_any_chunking_of_cube_and_context_gives_the_same_map(placed, y, x, shard, cells):
    expected = lx.classify(placed, Climate(), shard=64).compute(scheduler="synchronous")
    chunked = placed.chunk({"y": y, "x": x, "y_bioclim": cells, "x_bioclim": cells})
    found = lx.classify(chunked, Climate(), shard=shard).compute(scheduler="synchronous")
    assert found["land_cover"].values.tobytes() == expected["land_cover"].values.tobytes()
    assert (
        found["land_cover_entropy"].values.tobytes()
        == expected["land_cover_entropy"].values.tobytes()
    )


def test_the_map_is_that_of_the_context_at_each_pixel(placed):
    given_ = []

    class Noting(Climate):
        def predict_block(self, pixels, days, context):
            given_.append(context)
            return super().predict_block(pixels, days, context)

    lx.classify(placed, Noting(), outputs=["land_cover"]).compute(scheduler="synchronous")
    (context,) = given_
    expected = context_at(
        placed["bioclim"], placed["x"].values, placed["y"].values[:, None],
        crs=placed["spatial_ref"].attrs["crs_wkt"], variables=["bio12", "bio01"],
    )  # fmt: skip
    assert list(context) == ["bio12", "bio01"]
    np.testing.assert_allclose(np.stack(list(context.values())), expected, rtol=1e-6)


def test_pixels_without_context_are_fill_and_only_those(placed):
    holed = placed.copy(deep=True)
    holed["bioclim"][:, :, :5] = np.nan
    found = lx.classify(holed, Climate()).compute(scheduler="synchronous")
    known = context_at(
        holed["bioclim"], holed["x"].values, holed["y"].values[:, None],
        crs=holed["spatial_ref"].attrs["crs_wkt"], variables=["bio01"],
    )[0]  # fmt: skip
    unseen = lx.classify(holed, Ratio()).compute(scheduler="synchronous")["land_cover"][0] == 255
    missing = np.isnan(known)
    assert 0 < missing.mean() < 1
    np.testing.assert_array_equal(found["land_cover"][0] == 255, missing | unseen.values)
    np.testing.assert_array_equal(np.isnan(found["land_cover_entropy"][0]), missing | unseen.values)


def test_a_halo_gets_context_too(placed):
    shapes = []

    class Wide(Climate):
        def predict_block(self, pixels, days, context):
            shapes.append((pixels.shape[2:], context["bio01"].shape))
            return super().predict_block(pixels, days, context)

    lx.classify(placed, Wide(halo=2), shard=16).compute(scheduler="synchronous")
    assert all(pixels == around for pixels, around in shapes)
    assert (20, 20) in [pixels for pixels, _ in shapes]


def test_from_a_store_it_is_lazy_resumable_and_the_same(store, cube):
    lx.write_context(climate_around(cube), store)
    opened = lx.open_cube(store)
    with dask.config.set(scheduler=raises):
        maps = lx.classify(opened, Climate())
    first = lx.write_variables(maps, store, progress=False)
    again = lx.write_variables(lx.classify(lx.open_cube(store), Climate()), store, progress=False)
    assert (first.skipped, again.written) == (0, 0)
    expected = lx.classify(opened.load(), Climate()).compute()
    np.testing.assert_array_equal(lx.open_cube(store)["land_cover"], expected["land_cover"])


def test_other_context_is_another_job(store, cube):
    around = climate_around(cube)
    lx.write_context(around, store)
    before = lx.classify(lx.open_cube(store), Climate())["land_cover"].data.name
    plain = lx.classify(lx.open_cube(store), Ratio())["land_cover"].data.name
    lx.write_context(around + 1, store, overwrite=True)
    after = lx.classify(lx.open_cube(store), Climate())["land_cover"].data.name
    assert before != after
    # A model without context does not care.
    assert lx.classify(lx.open_cube(store), Ratio())["land_cover"].data.name == plain
    in_memory = cube.assign(bioclim=around)
    moved = around.assign_coords(x_bioclim=around["x_bioclim"] + 1)
    names = {
        lx.classify(cube.assign(bioclim=b), Climate())["land_cover"].data.name
        for b in (around, around + 1, moved)
    }
    assert len(names) == 3
    assert lx.classify(in_memory, Climate())["land_cover"].data.name in names


def test_missing_context_is_named_with_the_way_to_add_it(cube, placed):
    with pytest.raises(CubeError, match=r"needs context bio12, bio01.*lulc_xr\.write_context"):
        lx.classify(cube, Climate())
    with pytest.raises(CubeError, match=r"unknown context variable 'bio19'.*write_context"):
        lx.classify(placed, Climate(context=("bio01", "bio19")))


def test_a_cube_off_the_context_is_all_fill(cube):
    away = climate_around(cube)
    away = away.assign_coords(x_bioclim=away["x_bioclim"] + 1e5)
    for chunks in ({}, {"y_bioclim": 2, "x_bioclim": 2}):
        found = lx.classify(cube.assign(bioclim=away.chunk(chunks)), Climate()).compute()
        assert (found["land_cover"] == 255).all()


def forest_of(cube, context):
    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=8))
    x, y = samples["x"].values, samples["y"].values
    around = context_at(cube["bioclim"], x, y, crs=cube["spatial_ref"].attrs["crs_wkt"])
    samples["bioclim"] = (("sample", "bioclim_variable"), around.T)
    samples = samples.assign_coords(bioclim_variable=cube["bioclim_variable"].values)
    spec = lx.ModelSpec.from_samples(samples, context=context)
    features, labels = lx.features_of(samples, context=context)
    forest = RandomForestClassifier(10, random_state=0).fit(features, labels)
    return samples, lx.EstimatorPredictor(forest, spec=spec)


def test_a_forest_uses_climate_alike_in_samples_and_maps():
    cube = lx.testing.landscape(y=32, x=32)
    around = climate_around(cube).fillna(12.0)
    cube = cube.assign(bioclim=around)
    samples, model = forest_of(cube, ("bio12", "bio01"))
    found = lx.classify(cube, model, outputs=["land_cover", "probability"]).compute()
    features, _ = lx.features_of(samples, context=("bio12", "bio01"))
    number = features.shape[1]
    assert number == samples.sizes["time"] * samples.sizes["band"] + 2
    expected = model.estimator.predict_proba(features)
    at = found["land_cover_probability"][0].sel(
        y=xr.DataArray(samples["y"].values, dims="sample"),
        x=xr.DataArray(samples["x"].values, dims="sample"),
    )
    np.testing.assert_allclose(at.transpose("sample", "class"), expected, atol=1e-6)
    given_ = predict_samples(model, samples)
    np.testing.assert_allclose(given_["land_cover_probability"], expected, atol=1e-6)
    with pytest.raises(ModelError, match="needs context bio12, bio01; it was not given"):
        model.predict_block(np.zeros((12, 3, 2, 2), np.float32), np.arange(12), None)


def test_a_spec_keeps_its_context_scaling_and_old_ones_still_load():
    cube = lx.testing.landscape(y=32, x=32)
    cube = cube.assign(bioclim=climate_around(cube).fillna(12.0))
    samples, model = forest_of(cube, ("bio12", "bio01"))
    spec = with_scaling(model.spec, samples)
    assert spec.context_scaling == lx.fit_context_scaling(samples, ("bio12", "bio01"))
    assert lx.ModelSpec.from_dict(spec.to_dict()) == spec
    plain = lx.ModelSpec.from_samples(samples)
    assert "context_scaling" not in plain.to_dict()
    assert with_scaling(plain, samples).context_scaling is None
    assert lx.ModelSpec.from_dict(plain.to_dict()) == plain
    with pytest.raises(SampleError, match="unknown context variable of samples 'bio19'"):
        lx.ModelSpec.from_samples(samples, context=("bio19",))
    with pytest.raises(ModelError, match=r"scaling of context .* for a model of context"):
        lx.ModelSpec(
            bands=plain.bands, legends=plain.legends, dates=plain.dates, context=("bio01",),
            context_scaling=spec.context_scaling,
        )  # fmt: skip


def ranged(low, high):
    """A model of climate that knows the range of its training samples."""
    scaling = lx.ContextScaling(
        variables=("bio12", "bio01"), mean=(2.0, 10.0), std=(1.0, 1.0), low=low, high=high
    )
    return Climate(context_scaling=scaling)


def test_pixels_outside_the_range_of_training_are_marked_and_warned_of_once(store, cube):
    around = climate_around(cube)
    lx.write_context(around, store)
    opened = lx.open_cube(store)
    model = ranged((8.0, 7.0), (22.0, 21.5))
    outputs = ["land_cover", "entropy", "context_outside"]
    with dask.config.set(scheduler=raises):
        maps = lx.classify(opened, model, outputs=outputs, shard=16)
    with pytest.warns(lx.ContextRangeWarning, match=r"range of the training samples.*bio\d\d is"):
        found = maps.compute(scheduler="synchronous")
    values = context_at(
        around, cube["x"].values, cube["y"].values[:, None],
        crs=cube["spatial_ref"].attrs["crs_wkt"], variables=["bio12", "bio01"],
    )  # fmt: skip
    low, high = (np.array(v)[:, None, None] for v in ((8.0, 7.0), (22.0, 21.5)))
    slack = 1e-4 * (high - low)
    expected = ((values < low - slack) | (values > high + slack)).any(0).astype(np.uint8)
    expected[found["land_cover"].values[0] == 255] = 255
    assert {0, 1, 255} == set(np.unique(expected))
    np.testing.assert_array_equal(found["context_outside"][0], expected)
    # The warning came once; the maps are as without the mark.
    plain = lx.classify(opened, model, shard=16).compute(scheduler="synchronous")
    np.testing.assert_array_equal(plain["land_cover"], found["land_cover"])


def test_the_mark_is_written_with_its_flags_and_read_back(store, cube):
    lx.write_context(climate_around(cube), store)
    model = ranged((0.0, 0.0), (30.0, 30.0))
    outputs = ["land_cover", "context_outside"]
    lx.write_variables(
        lx.classify(lx.open_cube(store), model, outputs=outputs), store, progress=False
    )
    written = lx.open_cube(store)["context_outside"]
    assert written.dtype == np.uint8
    assert written.dims == ("year", "y", "x")
    assert written.attrs["flag_meanings"] == "inside outside"
    assert list(written.attrs["flag_values"]) == [0, 1]
    assert set(np.unique(written)) == {0, 255}
    assert lx.verify(store).ok


def test_the_mark_needs_a_model_that_knows_its_range(cube, placed):
    with pytest.raises(ModelError, match="of a model that takes no context"):
        lx.classify(cube, Ratio(), outputs=["context_outside"])
    with pytest.raises(ModelError, match=r"does not know the range .* \(bio12, bio01\)"):
        lx.classify(placed, Climate(), outputs=["land_cover", "context_outside"])


def test_ranges_are_those_of_the_samples_and_old_scalings_keep_their_hash():
    cube = lx.testing.landscape(y=32, x=32)
    cube = cube.assign(bioclim=climate_around(cube).fillna(12.0))
    samples, model = forest_of(cube, ("bio12", "bio01"))
    scaling = lx.fit_context_scaling(samples, ("bio12", "bio01"))
    raw = samples["bioclim"].sel(bioclim_variable=["bio12", "bio01"]).values
    np.testing.assert_array_equal(scaling.low, raw.min(0))
    np.testing.assert_array_equal(scaling.high, raw.max(0))
    assert not scaling.outside(raw.T).any()
    assert scaling.outside(np.array([[99.0], [np.nan]])).tolist() == [[True], [False]]
    old = lx.ContextScaling(variables=scaling.variables, mean=scaling.mean, std=scaling.std)
    assert list(old.to_dict()) == ["mean", "std"]
    assert not old.outside(raw.T + 1e6).any()
    for each in (old, scaling):
        spec = lx.ModelSpec(
            bands=model.spec.bands, legends=model.spec.legends, dates=model.spec.dates,
            context=("bio12", "bio01"), context_scaling=each,
        )  # fmt: skip
        assert lx.ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    with pytest.raises(SampleError, match="1 lowest and 0 highest values: expected one of each"):
        lx.ContextScaling(variables=("bio01",), mean=(0.0,), std=(1.0,), low=(1.0,))


def test_predictions_of_samples_heed_missing_context_and_the_range():
    cube = lx.testing.landscape(y=32, x=32)
    cube = cube.assign(bioclim=climate_around(cube).fillna(12.0))
    samples, model = forest_of(cube, ("bio12", "bio01"))
    scaling = lx.fit_context_scaling(samples, ("bio12", "bio01"))
    model.spec = replace(model.spec, context_scaling=scaling)
    inside = predict_samples(model, samples)
    assert not inside["context_outside"].any()
    given_ = samples.copy(deep=True)
    given_["bioclim"][0, 0] = 1e3

    class Careless:
        """Predicts without looking at the context."""

        spec = model.spec

        def predict_block(self, pixels, days, context):
            return np.full((len(self.spec.legends["land_cover"]), *pixels.shape[2:]), 0.2, "f4")

    given_["bioclim"][1] = np.nan
    found = predict_samples(Careless(), given_)
    assert found["context_outside"].values.tolist() == [1, 255] + [0] * (given_.sizes["sample"] - 2)
    assert (found["land_cover"].values == 255).tolist() == [False, True] + [False] * (
        given_.sizes["sample"] - 2
    )
    assert np.isnan(found["land_cover_entropy"][1])
    assert np.isnan(found["land_cover_probability"][1]).all()
    assert np.isfinite(found["land_cover_probability"][2:]).all()
