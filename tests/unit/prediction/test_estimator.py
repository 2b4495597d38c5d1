"""Estimators of scikit-learn: same probabilities as they give themselves, misuse named."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import LinearSVC

import lulc_xr as lx
from lulc_xr.core.errors import LegendError, ModelError
from tests.predictors import LEGEND, make_spec


@pytest.fixture(scope="module")
def forest():
    random = np.random.default_rng(0)
    # One class of the legend (3) has no sample.
    return RandomForestClassifier(5, random_state=0).fit(
        random.random((40, 24)), random.choice([1, 7], 40)
    )


def test_probabilities_are_those_of_the_estimator(forest, cube):
    model = lx.EstimatorPredictor(forest, spec=make_spec())
    maps = lx.classify(cube, model, outputs=("land_cover", "probability"), shard=16).compute()
    series = lx.composite(cube.sel(band=["red", "nir"]))["reflectance"].values
    found = forest.predict_proba(np.nan_to_num(series).reshape(24, -1).T)
    seen = cube["clear"].any("time").values
    for column, class_id in ((0, 1), (1, 7)):
        got = maps["land_cover_probability"].values[0, LEGEND.ids.index(class_id)]
        expected = found[:, column].reshape(seen.shape).astype(np.float32)
        np.testing.assert_array_equal(got[seen], expected[seen])
    assert (maps["land_cover_probability"].values[0, LEGEND.ids.index(3)][seen] == 0).all()
    assert set(np.unique(maps["land_cover"])) == {1, 7, 255}


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda f: lx.EstimatorPredictor(LinearSVC(), spec=make_spec()),
            ModelError,
            "LinearSVC has no predict_proba.*CalibratedClassifierCV",
        ),
        (
            lambda f: lx.EstimatorPredictor(RandomForestClassifier(), spec=make_spec()),
            ModelError,
            "RandomForestClassifier is not fitted; call .fit first",
        ),
        (
            lambda f: lx.EstimatorPredictor(f, spec=make_spec(halo=2)),
            ModelError,
            "one task and no halo",
        ),
        (
            lambda f: lx.EstimatorPredictor(
                f, spec=make_spec(legends={"land_cover": lx.Legend.from_names("other", ["a", "b"])})
            ),
            LegendError,
            r"labels outside legend 'other': 7 \(1 times\)",
        ),
    ],
)
def test_misuse_is_named(forest, make, kind, message):
    with pytest.raises(kind, match=message):
        make(forest)
