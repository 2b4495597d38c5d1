"""Calibration: what is fitted, where it may be fitted, how it travels with the model."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.attachments import CALIBRATION, TRAINING, Attachments
from lulc_xr.core.errors import LegendError, ModelError, SampleError
from lulc_xr.core.places import Places
from lulc_xr.core.probability import entropy
from tests.calibrating import DAYS, LEGEND, Several, Told, make_samples, softmax


def fit_apart(model, samples, **settings):
    return lx.calibrate(model, samples, apart=None, **settings)


def temperature(model, place="all places"):
    return model.calibration.temperatures("land_cover")[place]


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_finds_by_how_much_a_model_is_too_sure(factor):
    found = [temperature(fit_apart(Told(factor), make_samples(seed=s))) for s in range(5)]
    # Five draws of 4000 samples: the standard error of each is near 2 % of the temperature.
    assert np.std(found) < 0.05 * factor
    assert np.mean(found) == pytest.approx(factor, rel=0.03)


def test_every_region_gets_its_own_temperature():
    samples = make_samples(6000, regions={"north": 1.0, "south": 0.5, "": 1.0})
    model = fit_apart(Told(), samples, by="region")
    assert model.calibration.regions.names == ("north", "south")
    assert temperature(model, "north") == pytest.approx(1.0, rel=0.08)
    assert temperature(model, "south") == pytest.approx(2.0, rel=0.08)
    assert 1.0 < temperature(model) < 2.0
    # Predictions of samples use the region of each; no region has the rule of all places.
    mixed = samples.isel(sample=slice(0, 50))
    given = model.predict(mixed)["land_cover_probability"].values
    for p, logits, name in zip(
        given, mixed["reflectance"].values[:, 0], mixed["region"].values, strict=True
    ):
        own = temperature(model, name or "all places")
        np.testing.assert_allclose(p, softmax(logits / own), atol=1e-5)


def test_a_region_with_too_few_samples_takes_what_holds_everywhere():
    samples = make_samples(1000, regions={"here": 1.0})
    samples["region"][:20] = "there"
    with pytest.warns(UserWarning, match=r"1 of 2 regions .*at least 50.*there \(20\)"):
        model = fit_apart(Told(2.0), samples, by="region")
    assert temperature(model, "there") == temperature(model)
    record = model.calibration.provenance["tasks"]["land_cover"]["regions"]["there"]
    assert record == {"samples": 20, "own": False, "why_not": "fewer than 50 samples"}


def test_vector_undoes_a_shift_of_classes():
    samples = make_samples(8000)
    shift = np.array([0.0, 1.5, -1.0, 0.0])
    model = fit_apart(Told(2.0, shift=shift), samples, method="vector")
    found = model.calibration
    np.testing.assert_allclose(found.scale["land_cover"][0], 0.5, rtol=0.12)
    expected = -shift / 2
    own = np.array(found.shift["land_cover"][0])
    np.testing.assert_allclose(own - own.mean(), expected - expected.mean(), atol=0.12)
    tasks = found.provenance["tasks"]["land_cover"]
    single = fit_apart(Told(2.0, shift=shift), samples)
    plain = single.calibration.provenance["tasks"]["land_cover"]
    assert tasks["nll_after"] < plain["nll_after"] < plain["nll_before"] == tasks["nll_before"]
    with pytest.raises(ModelError, match="has scales of classes"):
        found.temperatures("land_cover")


def test_is_the_minimum_of_the_likelihood_of_the_mean_of_calibrated_members():
    samples, model = make_samples(1500), Several(3.0)
    made = fit_apart(model, samples)
    found, labels = temperature(made), samples["land_cover"].values.astype(int)
    block = samples["reflectance"].values.transpose(1, 2, 0)[..., None]
    members = [m["land_cover"][..., 0].astype(float) for m in model.each_member(block, DAYS)]

    def likelihood(t):
        p = np.mean([softmax(np.log(np.maximum(m, 1e-37)) / t) for m in members], axis=0)
        return -np.log(p[labels, np.arange(labels.size)]).mean()

    record = made.calibration.provenance["tasks"]["land_cover"]
    assert record["nll_before"] == pytest.approx(likelihood(1.0), abs=1e-6)
    assert record["nll_after"] == pytest.approx(likelihood(found), abs=1e-6)
    for other in np.exp(np.linspace(-2, 3, 60)):
        assert likelihood(other) >= record["nll_after"] - 1e-6


def test_parts_of_the_uncertainty_of_members_still_add_up():
    samples = make_samples(1500)
    model = fit_apart(Several(3.0), samples)
    block = samples["reflectance"].values.transpose(1, 2, 0)[..., None]
    members = [m["land_cover"] for m in model.each_member(block, DAYS)]
    mean = model.predict_block(block, DAYS)
    np.testing.assert_allclose(mean, np.mean(members, axis=0), atol=1e-6)
    aleatoric = np.mean([entropy(m) for m in members], axis=0)
    epistemic = np.mean(
        [(m * (np.log(np.maximum(m, 1e-37)) - np.log(mean))).sum(axis=0) for m in members], axis=0
    )
    assert epistemic.max() > 0.01  # members differ, else nothing is proved
    np.testing.assert_allclose(aleatoric + epistemic, entropy(mean), atol=1e-5)


def test_weights_count_like_repeated_samples():
    samples = make_samples(600)
    times = np.random.default_rng(1).integers(0, 4, 600)
    repeated = samples.isel(sample=np.repeat(np.arange(600), times))
    weighted = samples.assign(weight=("sample", times.astype(float)))
    assert temperature(fit_apart(Told(2.0), weighted)) == pytest.approx(
        temperature(fit_apart(Told(2.0), repeated)), rel=1e-5
    )


def test_samples_without_label_or_prediction_are_left_out():
    samples = make_samples(800)
    expected = temperature(fit_apart(Told(2.0), samples.isel(sample=slice(200, None))))
    changed = samples.copy(deep=True)
    changed["land_cover"][:100] = 255
    changed["reflectance"][100:200] = np.nan
    model = fit_apart(Told(2.0), changed)
    assert model.calibration.provenance["samples"] == 600
    assert temperature(model) == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def trained():
    """A network trained on the left half of a landscape, and samples of the right half."""
    cube = lx.testing.landscape(y=96, x=96)
    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=60))
    # Every fifth label is wrong, so that no model is always right.
    samples["land_cover"][::5] = (samples["land_cover"][::5] + 1) % np.uint8(5)
    left = (samples["x"] < samples["x"].median() - 20).values
    right = (samples["x"] > samples["x"].median() + 20).values
    learn, rest = samples.isel(sample=left), samples.isel(sample=right)
    config = lx.TrainConfig(epochs=2, seed=0)
    return cube, learn, rest, lx.fit(learn, config=config)


def test_is_refused_on_samples_of_the_training(trained):
    _, learn, rest, model = trained
    assert len(model.training_places) == len(Places.of_samples(learn))
    with pytest.raises(SampleError, match=r"lie nearer than 30 m .*very same places.*make_folds"):
        lx.calibrate(model, learn)
    mixed = xr.concat([rest, learn.isel(sample=[0])], dim="sample", data_vars="all")
    with pytest.raises(SampleError, match=r"1 of \d+ places .*\(1 are the very same places\)"):
        lx.calibrate(model, mixed, apart=0.0)
    with pytest.raises(SampleError, match="lie nearer than 5000 m"):
        lx.calibrate(model, rest, apart=5000.0)
    calibrated = lx.calibrate(model, rest)
    record = calibrated.calibration.provenance
    assert record["apart"] == 30.0
    assert record["nearest"] >= 30.0
    assert len(calibrated.attachments.places[CALIBRATION]) == record["samples"]


def test_validation_samples_count_as_seen():
    cube = lx.testing.landscape(y=64, x=64)
    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=15))
    folds = lx.make_folds(samples, method="random", folds=3)
    kept = folds.isel(sample=(folds["fold"] != 2).values)
    model = lx.fit(kept, config=lx.TrainConfig(epochs=1, validation_fold=1))
    validation = folds.isel(sample=(folds["fold"] == 1).values)
    with pytest.raises(SampleError, match="trained or validated on"):
        lx.calibrate(model, validation, apart=0.0)


def test_travels_with_the_model_and_is_applied_by_classify(trained, tmp_path):
    cube, _, rest, model = trained
    calibrated = lx.calibrate(model, rest)
    assert calibrated.content_hash != model.content_hash
    saved = calibrated.save(tmp_path / "calibrated")
    again = lx.load_classifier(saved)
    assert again.calibration == calibrated.calibration
    assert again.calibration.provenance == calibrated.calibration.provenance
    np.testing.assert_array_equal(again.training_places.x, model.training_places.x)
    outputs = ("land_cover", "entropy", "probability")
    before, after = (lx.classify(cube, m, outputs=outputs).compute() for m in (model, again))
    np.testing.assert_array_equal(before["land_cover"], after["land_cover"])
    logits = np.log(np.maximum(before["land_cover_probability"].values, 1e-37))
    own = temperature(calibrated)
    expected = softmax(logits / own, axis=1)
    np.testing.assert_allclose(after["land_cover_probability"], expected, atol=1e-4)
    assert abs(own - 1) > 0.02  # else nothing would have changed
    code = (
        "import lulc_xr as lx, sys, numpy as np\n"
        "model = lx.load_classifier(sys.argv[1])\n"
        "cube = lx.testing.landscape(y=96, x=96)\n"
        "maps = lx.classify(cube, model, outputs=('land_cover', 'probability'))\n"
        "np.save(sys.argv[2], maps['land_cover_probability'].values)\n"
    )
    out = tmp_path / "p.npy"
    subprocess.run([sys.executable, "-c", code, saved, out], check=True)
    np.testing.assert_array_equal(np.load(out), after["land_cover_probability"])


def test_an_ensemble_knows_the_places_of_all_members_and_keeps_its_calibration(trained, tmp_path):
    _, learn, rest, model = trained
    half = learn.isel(sample=slice(0, None, 2))
    other = lx.fit(half, config=lx.TrainConfig(epochs=1, seed=1, allow_missing_classes=True))
    ensemble = lx.Ensemble([model, other])
    assert ensemble.training_places.digest == model.training_places.digest
    with pytest.raises(SampleError, match="lie nearer than"):
        lx.calibrate(ensemble, half)
    calibrated = lx.calibrate(ensemble, rest)
    again = lx.load_ensemble(calibrated.save(tmp_path / "ensemble"))
    assert again.calibration == calibrated.calibration
    assert again.content_hash == calibrated.content_hash != ensemble.content_hash
    assert again.training_places.digest == ensemble.training_places.digest
    np.testing.assert_array_equal(
        again.predict(rest)["land_cover_probability"],
        calibrated.predict(rest)["land_cover_probability"],
    )
    unknown = model.attach()
    unknown.attachments = Attachments()
    with pytest.raises(ModelError, match="not known where this Ensemble was trained"):
        lx.calibrate(lx.Ensemble([model, unknown]), rest)


def test_places_are_no_part_of_the_identity_but_are_checked(trained, tmp_path):
    _, _, _, model = trained
    bare = model._with_attachments(Attachments())
    assert bare.content_hash == model.content_hash
    assert bare.training_places is None
    folder = model.save(tmp_path / "model")
    document = (folder / "model.json").read_text()
    digest = model.training_places.digest
    (folder / "model.json").write_text(document.replace(digest, "0" * 64))
    with pytest.raises(ModelError, match="places of the samples were changed or damaged"):
        lx.load_classifier(folder)
    (folder / "arrays.safetensors").unlink()
    with pytest.raises(ModelError, match="places of the samples are missing"):
        lx.load_classifier(folder)


def test_any_predictor_is_wrapped_and_used_by_classify():
    samples, apart = make_samples(900), make_samples(900, seed=1, offset=1e5)
    model = Told(3.0)
    with pytest.raises(ModelError, match=r"not known where this Told was trained.*trained_on="):
        lx.calibrate(model, apart)
    with pytest.raises(SampleError, match=r"900 of 900 .*\(900 are the very same"):
        lx.calibrate(model, samples, trained_on=samples)
    calibrated = lx.calibrate(model, apart, trained_on=samples)
    assert calibrated.calibration.provenance["nearest"] > 9e4
    assert "Told with calibration" in repr(calibrated)
    cube = lx.testing.landscape(y=32, x=32)
    cube = cube.sel(band=["blue", "green", "red", "nir"])
    maps = lx.classify(cube, calibrated, outputs=("land_cover", "probability")).compute()
    plain = lx.classify(cube, model, outputs=("land_cover", "probability")).compute()
    expected = softmax(np.log(plain["land_cover_probability"].values) / temperature(calibrated), 1)
    np.testing.assert_allclose(maps["land_cover_probability"], expected, atol=1e-5)
    np.testing.assert_array_equal(maps["land_cover"], plain["land_cover"])


def test_estimators_are_calibrated_too():
    from sklearn.linear_model import LogisticRegression

    learn, rest = make_samples(500), make_samples(800, seed=1, offset=1e5)
    features, labels = lx.features_of(learn)
    estimator = LogisticRegression(C=1000).fit(features, labels)
    spec = Told().spec
    made = lx.calibrate(lx.EstimatorPredictor(estimator, spec=spec), rest, trained_on=learn)
    assert 0.8 < temperature(made) < 1.5
    assert made.with_precision("float32") is made
    with pytest.raises(ModelError, match="offers float32 only"):
        made.with_precision("bfloat16")


def test_another_calibration_replaces_the_first_and_drops_sets():
    samples, others = make_samples(900), make_samples(900, seed=1, offset=1e5)
    once = fit_apart(Told(3.0), samples)
    twice = fit_apart(once, others)
    direct = fit_apart(Told(3.0), others)
    assert twice.calibration == direct.calibration
    with_sets = lx.conformalize(once, others, apart=None)
    assert with_sets.conformal is not None
    assert fit_apart(with_sets, samples).conformal is None


def test_bad_samples_are_refused():
    samples, model = make_samples(200), Told(2.0)
    with pytest.raises(SampleError, match=r"30 samples with a label .* at least 50"):
        fit_apart(model, samples.isel(sample=slice(30)))
    one = samples.isel(sample=(samples["land_cover"] == 1).values)
    with pytest.raises(SampleError, match="samples have one class"):
        fit_apart(model, one, minimum=5)
    empty = samples.copy(deep=True)
    empty["land_cover"][:] = 255
    with pytest.raises(SampleError, match="none of 200 samples has a label of land_cover"):
        fit_apart(model, empty)
    with pytest.raises(SampleError, match="none of 0 samples"):
        fit_apart(model, samples.isel(sample=slice(0)))
    with pytest.raises(LegendError, match="labels outside legend"):
        fit_apart(model, samples.assign(land_cover=samples["land_cover"] + np.uint8(20)))
    other = lx.Legend.from_names("other", ["a", "b", "c", "d"])
    with pytest.raises(LegendError, match=r"samples have the classes 0 a.*crosswalk"):
        fit_apart(
            model, samples.assign(land_cover=samples["land_cover"].assign_attrs(other.flags()))
        )
    with pytest.raises(SampleError, match="200 samples have a weight such as -1"):
        fit_apart(model, samples.assign(weight=("sample", np.full(200, -1.0))))
    with pytest.raises(SampleError, match=r"unknown variable of regions 'zone'.*assign_regions"):
        fit_apart(model, samples, by="zone")
    with pytest.raises(SampleError, match="'region' of the samples names no region"):
        fit_apart(model, samples.assign(region=("sample", [""] * 200)), by="region")
    with pytest.raises(ModelError, match="unknown calibration 'platt'"):
        fit_apart(model, samples, method="platt")
    with pytest.raises(ModelError, match="unknown task 'land_use'"):
        fit_apart(model, samples, task="land_use")
    with pytest.raises(SampleError, match="apart=-1; give metres"):
        lx.calibrate(model, samples, apart=-1)
    with pytest.raises(SampleError, match=r"no x, y, crs_wkt"):
        lx.calibrate(
            model, samples.drop_vars(["x", "y"]).drop_attrs(), trained_on=make_samples(offset=1e6)
        )
    scarce = samples.copy(deep=True)
    scarce["land_cover"][(scarce["land_cover"] == 3).values] = 0
    with pytest.raises(SampleError, match="a vector needs at least 10 samples of each class"):
        fit_apart(model, scarce, method="vector")


def test_a_model_that_is_always_right_or_knows_nothing_has_no_temperature():
    samples, model = make_samples(300), Told(1.0)
    best = samples["reflectance"].values[:, 0].argmax(axis=1).astype(np.uint8)
    perfect = samples.assign(land_cover=("sample", best, LEGEND.flags()))
    with pytest.raises(SampleError, match=r"no temperature is best.*predicted right"):
        fit_apart(model, perfect)
    worst = samples["reflectance"].values[:, 0].argmin(axis=1).astype(np.uint8)
    wrong = samples.assign(land_cover=("sample", worst, LEGEND.flags()))
    with pytest.raises(SampleError, match=r"no temperature is best.*says nothing"):
        fit_apart(model, wrong)


def test_what_is_no_probability_is_refused():
    class Logits(Told):
        def predict_block(self, pixels, days, context):
            return pixels[0]

    with pytest.raises(ModelError, match="no probabilities of land_cover: a sum over classes"):
        fit_apart(Logits(), make_samples(200))


def test_samples_without_the_regions_of_the_rule_are_refused():
    samples = make_samples(600, regions={"north": 1.0, "south": 0.5})
    model = fit_apart(Told(), samples, by="region")
    with pytest.raises(SampleError, match=r"no variable 'region' over sample.*assign_regions"):
        model.predict(samples.drop_vars("region"))


def test_distances_hold_across_reference_systems():
    samples = make_samples(100)
    here = Places.of_samples(samples)
    x, y = here.positions_in("EPSG:32632")
    moved = Places(x=x + 50.0, y=y, crs="EPSG:32632")
    # UTM's scale departs from 1 by less than 0.1 % here.
    distance = moved.distance_to(here)
    assert distance.min() == pytest.approx(50.0, rel=2e-3)
    assert distance.max() <= 50.2
    joined = Places.joined([here, Places(x=x, y=y, crs="EPSG:32632")])
    assert joined.crs == here.crs
    assert here.distance_to(joined).max() < 1e-3
    with pytest.raises(ModelError, match="0 places"):
        Places(x=np.array([]), y=np.array([]), crs="EPSG:3035")
    assert TRAINING == "training"
