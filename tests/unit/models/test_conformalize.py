"""Conformal sets of models: what is fitted, what is promised, what is refused."""

import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.places import Places
from tests.calibrating import DAYS, LEGEND, Several, Told, make_samples, softmax


def fit_apart(model, samples, **settings):
    return lx.conformalize(model, samples, apart=None, **settings)


def make_new(number=4000, **settings):
    return make_samples(number, offset=1e6, **settings)


def coverage_of(model, samples, **settings):
    found = lx.conformal_coverage(model, samples, **settings)
    return found.set_index(["group", "class", "region"])


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_covers_new_samples_as_promised(method):
    found = []
    for seed in range(5):
        model = fit_apart(Told(3.0), make_samples(2000, seed=seed), method=method, penalty=0.05)
        table = coverage_of(model, make_new(seed=100 + seed))
        found.append(table.loc[("all", "", ""), "coverage"])
    # Standard deviation of one: sqrt(0.09 / 2000 + 0.09 / 4000) = 0.0082.
    assert np.mean(found) > 0.9 - 3 * 0.0082 / np.sqrt(5)
    if method == "lac":
        assert np.mean(found) < 0.9 + 3 * 0.0082 / np.sqrt(5)


def test_a_promise_for_all_is_none_for_each_class_unless_asked():
    # The third class is told too seldom.
    model = Told(1.0, shift=[0.0, 0.0, -2.0, 0.0])
    new = make_new(8000, seed=9)
    plain = coverage_of(fit_apart(model, make_samples(4000)), new)
    own = coverage_of(fit_apart(model, make_samples(4000), by="class"), new)
    assert plain.loc[("class", "water", ""), "high"] < 0.9
    for name in LEGEND.names:
        assert own.loc[("class", name, ""), "coverage"] == pytest.approx(0.9, abs=0.04)


def test_a_promise_for_each_region():
    regions = {"easy": 2.0, "hard": 0.3}
    samples, new = make_samples(6000, regions=regions), make_new(8000, regions=regions, seed=9)
    plain, own = fit_apart(Told(), samples), fit_apart(Told(), samples, by=["region"])
    without = coverage_of(plain, new, region="region")
    within = coverage_of(own, new)
    assert without.loc[("region", "", "hard"), "high"] < 0.9
    for name in regions:
        assert within.loc[("region", "", name), "coverage"] == pytest.approx(0.9, abs=0.03)
    both = fit_apart(Told(), samples, by=("class", "region"))
    table = coverage_of(both, new)
    cells = table.loc["class in region"]
    assert len(cells) == 8
    np.testing.assert_allclose(cells["coverage"], 0.9, atol=0.06)
    assert both.conformal.by_class
    assert both.conformal.regions.names == ("easy", "hard")


def test_too_few_samples_of_a_class_are_said_and_kept_honest():
    samples = make_samples(400)
    labels = samples["land_cover"].values
    keep = (labels != 2) | (np.cumsum(labels == 2) <= 5)
    with pytest.warns(UserWarning, match=r"takes at least 9 samples.*water \(5\)"):
        model = fit_apart(Told(), samples.isel(sample=keep), by="class")
    assert model.conformal.thresholds["land_cover"][0][2] == np.inf
    assert model.conformal.provenance["tasks"]["land_cover"]["infinite"] == {"water": 5}
    found = coverage_of(model, make_new())
    assert found.loc[("class", "water", ""), "coverage"] == 1.0
    with pytest.warns(UserWarning, match=r"all places \(8\)"):
        model = fit_apart(Told(), samples.isel(sample=slice(8)))
    assert coverage_of(model, make_new()).loc[("all", "", ""), "set_size"] == 4.0


def test_samples_of_training_calibration_and_sets_are_told_apart():
    learn, first, second = (make_samples(900, seed=s, offset=s * 1e5) for s in range(3))
    with pytest.raises(SampleError, match=r"900 of 900 .*very same places"):
        lx.conformalize(Told(), learn, trained_on=learn)
    calibrated = lx.calibrate(Told(2.0), first, trained_on=learn)
    with pytest.warns(UserWarning, match="900 of 900 places .* are those of the calibration"):
        lx.conformalize(calibrated, first, trained_on=learn)
    model = lx.conformalize(calibrated, second, trained_on=learn)
    assert model.calibration == calibrated.calibration
    with pytest.raises(SampleError, match=r"900 of 900 places .*that the sets were fitted on"):
        lx.conformal_coverage(model, second)
    assert len(lx.conformal_coverage(model, make_new())) == 5


def test_sets_of_an_ensemble_are_those_of_its_mean():
    samples = make_samples(1500)
    model = fit_apart(lx.calibrate(Several(2.0), samples, apart=None), samples, method="aps")
    block = samples["reflectance"].values.transpose(1, 2, 0)[..., None]
    mean = model.predict_block(block, DAYS)[..., 0]
    sets = model.conformal.sets(mean, task="land_cover")
    labels = samples["land_cover"].values.astype(int)
    held = sets[labels, np.arange(labels.size)].mean()
    # On the very samples of the fit: the rank by construction, APS a little more.
    assert held >= np.ceil(1501 * 0.9) / 1500


def test_sets_travel_with_a_saved_model(tmp_path):
    cube = lx.testing.landscape(y=64, x=64)
    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=30))
    left = (samples["x"] < samples["x"].median()).values
    model = lx.fit(samples.isel(sample=left), config=lx.TrainConfig(epochs=1))
    rest = samples.isel(sample=~left)
    made = lx.conformalize(model, rest, apart=0.0, coverage=0.8, by="class")
    again = lx.load_classifier(made.save(tmp_path / "model"))
    assert again.conformal == made.conformal
    assert again.content_hash == made.content_hash != model.content_hash
    with pytest.raises(SampleError, match="that the sets were fitted on"):
        lx.conformal_coverage(again, rest)


def test_what_is_fitted_by_region_is_what_classify_does_in_each_region():
    samples = make_samples(6000, regions={"north": 1.0, "south": 0.4})
    model = lx.calibrate(Told(2.0), samples.isel(sample=slice(3000)), apart=None, by="region")
    model = fit_apart(model, samples.isel(sample=slice(3000, None)), by="region")
    cube = lx.testing.landscape(y=32, x=32).sel(band=["blue", "green", "red", "nir"])
    south = np.zeros((32, 32), np.uint8)
    south[16:] = 1
    cube["region"] = (
        ("y", "x"), south, {"flag_values": [0, 1], "flag_meanings": "north south"}
    )  # fmt: skip
    maps = lx.classify(cube, model, outputs=("probability", "set")).compute()
    plain = lx.classify(cube, Told(2.0), outputs=("probability",)).compute()
    logits = np.log(plain["land_cover_probability"].values[0])
    for row, name in enumerate(("north", "south")):
        inside = south == row
        own = softmax(logits[:, inside] / model.calibration.temperatures("land_cover")[name])
        found = maps["land_cover_probability"].values[0][:, inside]
        np.testing.assert_allclose(found, own, atol=1e-5)
        limit = model.conformal.thresholds["land_cover"][row][0]
        expected = np.float32(1) - found <= np.float32(limit)
        np.testing.assert_array_equal(maps["land_cover_set"].values[0][:, inside], expected)


def test_bad_input_is_refused():
    samples, model = make_samples(100), Told()
    with pytest.raises(ModelError, match=r"unknown group 'zone'.*region="):
        fit_apart(model, samples, by="zone")
    with pytest.raises(ModelError, match=r"coverage 1\.5 is not between"):
        fit_apart(model, samples, coverage=1.5)
    with pytest.raises(ModelError, match="unknown conformal method 'cqr'"):
        fit_apart(model, samples, method="cqr")
    with pytest.raises(ModelError, match="has no conformal sets; fit them"):
        lx.conformal_coverage(model, samples)
    nothing = samples.assign(land_cover=samples["land_cover"] * 0 + np.uint8(255))
    nothing["land_cover"].attrs = samples["land_cover"].attrs
    with pytest.raises(SampleError, match="none of 100 samples has a label"):
        fit_apart(model, nothing)
    with pytest.raises(SampleError, match="unknown variable of regions 'region'"):
        fit_apart(model, samples, by="region")


def test_coverage_of_sets_counts_by_class_and_region():
    sets = np.array([[1, 1, 0, 255, 0], [0, 1, 0, 255, 1], [0, 0, 1, 255, 0], [0, 0, 0, 255, 0]])
    labels = np.array([0, 1, 0, 0, 255], np.uint8)
    region = np.array(["a", "a", "b", "b", "a"])
    found = lx.coverage_of_sets(
        sets.astype(np.uint8), labels, legend=LEGEND, region=region, interval="clopper-pearson"
    )
    assert found.attrs["left_out"] == 2
    table = found.set_index(["group", "class", "region"])
    assert table.loc[("all", "", ""), ["samples", "covered"]].tolist() == [3, 2]
    assert table.loc[("all", "", ""), "set_size"] == pytest.approx(4 / 3)
    assert table.loc[("class", "cropland", ""), "coverage"] == 0.5
    assert table.loc[("region", "", "b"), "covered"] == 0
    assert table.loc[("class in region", "woodland", "a"), "covered"] == 1
    assert np.isnan(table.loc[("class", "water", ""), "coverage"])
    with pytest.raises(SampleError, match=r"sets of shape \(3, 5\)"):
        lx.coverage_of_sets(sets[:3], labels, legend=LEGEND)
    with pytest.raises(SampleError, match="none of 5 samples has a label and a set"):
        lx.coverage_of_sets(sets, np.full(5, 255), legend=LEGEND)
    with pytest.raises(SampleError, match="unknown interval 'wald'"):
        lx.coverage_of_sets(sets, labels, legend=LEGEND, interval="wald")


@pytest.mark.parametrize("interval", ["wilson", "clopper-pearson"])
def test_intervals_are_those_of_statsmodels(interval):
    from statsmodels.stats.proportion import proportion_confint

    from lulc_xr.core.coverage import proportion_interval

    hits, number = np.array([0, 1, 45, 50]), np.array([50, 50, 50, 50])
    method = {"wilson": "wilson", "clopper-pearson": "beta"}[interval]
    expected = proportion_confint(hits, number, alpha=0.1, method=method)
    found = proportion_interval(hits, number, level=0.9, interval=interval)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_places_are_needed_for_a_record():
    with pytest.raises(SampleError, match="do not say where they lie"):
        Places.of_samples(make_samples(10).drop_attrs())
