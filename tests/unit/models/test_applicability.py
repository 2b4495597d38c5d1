"""Fitting an area of applicability: a case by hand, weights, errors, what is stored."""

import warnings

import numpy as np
import pytest
import xarray as xr
from sklearn.ensemble import RandomForestClassifier

import lulc_xr as lx
from lulc_xr.core.errors import ModelError, SampleError
from tests.predictors import LEGEND, make_spec


class Nir:
    """Woodland where the near infrared is large, cropland where not; knows nothing of the red."""

    def __init__(self, **changes):
        self.spec = make_spec(dates=lx.RegularDates(freq="year"), **changes)

    def predict_block(self, pixels, days, context):
        share = 1 / (1 + np.exp(-20 * (pixels[0, -1] - 0.5)))
        return np.stack([1 - share, share, np.zeros_like(share)]).astype(np.float32)


def make_samples(red, nir, folds, **more):
    """Samples of one date and two bands."""
    values = np.stack([red, nir], axis=-1).astype(np.float32)[:, None]
    classes = np.where(np.asarray(nir) > 0.5, 3, 1).astype(np.uint8)
    samples = xr.Dataset(
        {
            "reflectance": (("sample", "time", "band"), values),
            "land_cover": ("sample", classes, LEGEND.flags()),
            "fold": ("sample", np.asarray(folds, np.int16)),
            **more,
        },
        coords={"band": ["red", "nir"], "time": [0]},
    )
    return samples.assign(day=("time", np.zeros(1, np.int32)))


def random_samples(number=60, seed=0):
    rng = np.random.default_rng(seed)
    return make_samples(rng.random(number), rng.random(number), np.arange(number) % 3)


def test_a_case_by_hand():
    """One feature counts: 0, 1 | 3, 4 | 9, 10 in folds 0, 1, 2.

    Distances from other folds: 3, 2 | 2, 3 | 5, 6. The mean over the 15 pairs is 75 / 15 = 5:
    1 + 3 + 4 + 9 + 10 from 0, 2 + 3 + 8 + 9 from 1, 1 + 6 + 7, 5 + 6, 1. Hinges 2 and 5, no
    value above 5 + 4.5, so the threshold is 6 / 5.
    """
    nir = np.array([0.0, 1.0, 3.0, 4.0, 9.0, 10.0])
    samples = make_samples(np.arange(6.0) ** 2, nir, [0, 0, 1, 1, 2, 2])
    model = lx.fit_applicability(Nir(), samples, weights={"red": 0, "nir": 2.0})
    rule = model.applicability
    assert rule.threshold == pytest.approx(6 / 5)
    places = make_samples([500.0, 0, 0], [6.0, 17.0, 16.0], [0, 0, 0])
    table = lx.applicability_of(model, places)
    assert table["dissimilarity"].tolist() == pytest.approx([2 / 5, 7 / 5, 6 / 5])
    assert table["applicable"].tolist()[:2] == [True, False]
    assert table.attrs["threshold"] == rule.threshold
    expected = {"0.5": 3 / 5, "0.75": 4.5 / 5, "1.0": 6 / 5}
    told = rule.provenance["dissimilarity_of_other_folds"]
    assert {q: told[q] for q in expected} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_definition_of_the_paper(seed):
    """As ``trainDI`` of CAST goes about it: point by point, deviations of n - 1."""
    samples, weight = random_samples(40, seed), np.array([0.7, 2.0])
    model = lx.fit_applicability(Nir(), samples, weights=weight)
    values = samples["reflectance"].values[:, 0].astype(np.float64)
    points = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1) * weight
    folds, means, nearest = samples["fold"].values, [], []
    for own, fold in zip(points, folds, strict=True):
        apart = np.sqrt(((points - own) ** 2).sum(axis=1))
        means.append(np.sort(apart)[1:].mean())
        nearest.append(apart[folds != fold].min())
    index = np.array(nearest) / np.mean(means)
    ordered = np.sort(index)
    low, high = ordered[9:11].mean(), ordered[29:31].mean()  # medians of two halves of 20
    expected = ordered[ordered <= high + 1.5 * (high - low)].max()
    assert model.applicability.threshold == pytest.approx(expected, rel=1e-5)
    places = random_samples(30, seed + 100)
    found = lx.applicability_of(model, places)["dissimilarity"]
    others = places["reflectance"].values[:, 0].astype(np.float64)
    others = (others - values.mean(axis=0)) / values.std(axis=0, ddof=1) * weight
    away = np.sqrt(((others[:, None] - points) ** 2).sum(axis=-1)).min(axis=1)
    np.testing.assert_allclose(found, away / np.mean(means), rtol=1e-4)


def test_an_outlier_does_not_set_the_threshold():
    rng = np.random.default_rng(1)
    nir, folds = rng.random(41), np.arange(41) % 3
    nir[40] = 50.0
    samples = make_samples(rng.random(41), nir, folds)
    rule = lx.fit_applicability(Nir(), samples, weights=None).applicability
    assert rule.provenance["dissimilarity_of_other_folds"]["1.0"] > 2 * rule.threshold
    assert rule.provenance["samples_inside"] < 1


def test_what_the_model_does_not_use_gets_no_weight():
    rule = lx.fit_applicability(Nir(), random_samples()).applicability
    assert rule.weight.tolist() == [0.0, 2.0]
    assert rule.provenance["importance"] == {"red": 0.0, "nir": 2.0}
    assert rule.provenance["weights"] == "permutation"


def test_units_of_a_band_do_not_matter():
    samples, places = random_samples(), random_samples(seed=1)
    factor = xr.DataArray([1e4, 1e-3], dims="band", coords={"band": ["red", "nir"]})
    shift = xr.DataArray([273.0, 0.0], dims="band", coords={"band": ["red", "nir"]})

    def in_other_units(given):
        values = given["reflectance"] * factor + shift
        return given.assign(reflectance=values.transpose("sample", "time", "band").astype("f4"))

    model = lx.fit_applicability(Nir(), samples, weights=None)
    other = lx.fit_applicability(Nir(), in_other_units(samples), weights=None)
    areas = [given.applicability for given in (model, other)]
    assert areas[0].threshold == pytest.approx(areas[1].threshold, rel=1e-5)
    np.testing.assert_allclose(
        lx.applicability_of(model, places)["dissimilarity"],
        lx.applicability_of(other, in_other_units(places))["dissimilarity"],
        rtol=1e-3,
        atol=1e-5,
    )


def test_unused_samples_and_order_of_bands_do_not_matter():
    samples = random_samples()
    strange = make_samples([1e6], [1e6], [-1])
    more = xr.concat([samples, strange], dim="sample", data_vars="minimal")
    more = more.isel(band=[1, 0]).assign_attrs(samples.attrs)
    first, second = (
        lx.fit_applicability(Nir(), given, weights=None).applicability for given in (samples, more)
    )
    assert first.content_hash == second.content_hash


def test_references_are_thinned_by_the_seed():
    samples = random_samples(300)
    rules = [
        lx.fit_applicability(Nir(), samples, weights=None, maximum=50, seed=seed)
        for seed in (0, 0, 1)
    ]
    areas = [model.applicability for model in rules]
    assert [len(area.reference) for area in areas] == [50, 50, 50]
    assert areas[0].content_hash == areas[1].content_hash != areas[2].content_hash
    assert areas[0].provenance["references"] == 50
    assert areas[0].provenance["samples"] == 300
    found = lx.applicability_of(rules[0], samples)["dissimilarity"]
    assert (found == 0).sum() == 50


def test_context_counts_and_missing_context_is_missing():
    samples = random_samples()
    rng = np.random.default_rng(2)
    warm = (("sample", "bioclim_variable"), rng.normal(10, 3, (60, 1)).astype(np.float32))
    samples = samples.assign(bioclim=warm).assign_coords(bioclim_variable=["bio01"])
    model = lx.fit_applicability(Nir(context=("bio01",)), samples, weights=None)
    hot = samples.isel(sample=[0, 1]).copy(deep=True)
    hot["bioclim"][0] = 60.0
    hot["bioclim"][1] = np.nan
    table = lx.applicability_of(model, hot)
    assert table["applicable"].isna().tolist() == [False, True]
    assert not table["applicable"][0]
    assert np.isnan(table["dissimilarity"][1])


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        (lambda s: s.drop_vars("fold"), {}, SampleError, r"make_folds\(samples, block"),
        (lambda s: s.assign(fold=s.fold * 0), {}, SampleError, "all samples are in fold 0"),
        (lambda s: s.isel(sample=slice(4)), {}, SampleError, "4 samples in folds; give at least 5"),
        (lambda s: s.assign(fold=s.fold * 0 - 1), {}, SampleError, "0 samples in folds"),
        (
            lambda s: s.assign(reflectance=s.reflectance.where(s.fold > 0)),
            {},
            SampleError,
            "20 of 60 samples miss a value",
        ),
        (
            lambda s: s.assign(reflectance=s.reflectance.where(s.band == "nir", 0.3)),
            {"weights": None},
            ModelError,
            "red at date 0: the same in all samples",
        ),
        (lambda s: s, {"maximum": 2}, SampleError, "maximum=2 references"),
        (lambda s: s, {"weights": "shap"}, ModelError, "'shap'"),
        (lambda s: s, {"weights": {"nur": 1}}, ModelError, "'nur'.*nir"),
        (lambda s: s, {"weights": {"nir": 1}}, ModelError, "no weight for red"),
        (
            lambda s: s,
            {"weights": [1, 2, 3]},
            ModelError,
            r"weights of shape \(3,\) for 2 features",
        ),
        (lambda s: s, {"weights": [1, -2]}, ModelError, "not all 0"),
        (lambda s: s.drop_vars("land_cover"), {}, SampleError, "weights=None for equal ones"),
        (
            lambda s: s.assign(reflectance=s.reflectance.where(s.band == "red", 0.9)),
            {},
            ModelError,
            "does not make the model worse",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, settings, error, message):
    samples = random_samples()
    with pytest.raises(error, match=message):
        lx.fit_applicability(Nir(), change(samples), **settings)


def test_models_that_cannot_are_refused():
    with pytest.raises(ModelError, match="object cannot classify"):
        lx.fit_applicability(object(), random_samples())
    with pytest.raises(ModelError, match="no area of applicability"):
        lx.applicability_of(Nir(), random_samples())
    raw = Nir()
    raw.spec = make_spec(dates=lx.RawDates(maximum=30))
    with pytest.raises(ModelError, match="any number of dates"):
        lx.fit_applicability(raw, random_samples())


@pytest.fixture(scope="module")
def trained():
    cube = lx.testing.landscape(y=64, x=64)
    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=12))
    samples = lx.make_folds(samples, block=160, folds=3)
    members = [lx.fit(samples, config=lx.TrainConfig(epochs=2, seed=s)) for s in (0, 1)]
    return members, samples


def test_it_travels_with_a_classifier_and_an_ensemble(trained, tmp_path):
    members, samples = trained
    for model, load in ((members[0], lx.load_classifier), (lx.Ensemble(members), lx.load_ensemble)):
        fitted = lx.fit_applicability(model, samples)
        assert fitted.content_hash != model.content_hash
        again = load(fitted.save(tmp_path / type(model).__name__))
        told = [lx.applicability_of(m, samples)["dissimilarity"] for m in (fitted, again)]
        np.testing.assert_array_equal(*told)
        assert not told[0].any()
        # Twice as bright is nothing that the model was trained on.
        strange = samples.assign(reflectance=samples["reflectance"] * 2 + 0.3)
        assert lx.applicability_of(again, strange)["applicable"].mean() < 0.1


def test_a_forest_gets_one_too(trained):
    _, samples = trained
    features, labels = lx.features_of(samples)
    forest = RandomForestClassifier(20, random_state=0).fit(features, labels)
    model = lx.EstimatorPredictor(forest, spec=lx.ModelSpec.from_samples(samples))
    fitted = lx.fit_applicability(model, samples)
    assert not lx.applicability_of(fitted, samples)["dissimilarity"].any()
    told = fitted.predict(samples)
    assert set(np.unique(told["applicable"])) == {1}
    calibrated = fitted.attach(calibration=None)
    assert calibrated.applicability is fitted.applicability


def test_samples_of_no_training_are_warned_of(trained):
    members, samples = trained
    half = samples.isel(sample=np.flatnonzero(samples["fold"].values != 0))
    few = lx.fit(half, config=lx.TrainConfig(epochs=1))
    number = samples.sizes["sample"] - half.sizes["sample"]
    with pytest.warns(UserWarning, match=f"{number} of {samples.sizes['sample']} places"):
        lx.fit_applicability(few, samples)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lx.fit_applicability(few, half)
        lx.fit_applicability(members[0], samples)
