"""Specifications survive JSON; settings out of range are refused; what cannot classify is named."""

import json

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.model import (
    ModelSpec,
    Scaling,
    check_precision,
    check_predictor,
    fixed_number_of_dates,
)
from lulc_xr.testing import landscape
from tests.predictors import LEGEND, Ratio, make_spec

FLOATS = st.floats(0.001, 10)


@given(
    st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True),
    st.sampled_from([RegularDates(freq="2MS"), RawDates(maximum=9, fill="linear")]),
    st.integers(0, 50),
    st.data(),
)
def test_dictionaries_give_the_specification_back(bands, dates, halo, data):
    many = st.tuples(*[FLOATS] * len(bands))
    scaling = data.draw(st.none() | st.builds(Scaling, mean=many, std=many))
    spec = make_spec(bands=bands, dates=dates, halo=halo, context=["bio1"], scaling=scaling)
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_spec(bands=()), "expected at least one, each once"),
        (lambda: make_spec(bands=("red", "red")), "expected at least one, each once"),
        (lambda: make_spec(legends={}), "no legend: give one per task"),
        (lambda: make_spec(halo=-1), "halo -1 is negative"),
        (
            lambda: make_spec(scaling=Scaling(mean=(0,), std=(1,))),
            "scaling of 1 bands for a model of 2",
        ),
        (lambda: Scaling(mean=(0, 1), std=(1,)), "2 means and 1 deviations"),
        (lambda: Scaling(mean=(0,), std=(0,)), "deviations positive. Drop bands that are constant"),
        (lambda: Scaling(mean=(np.nan,), std=(1,)), "all must be finite"),
        (lambda: check_precision("float16"), "unknown precision 'float16'.*float32"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_samples_must_say_how_they_were_drawn():
    with pytest.raises(SampleError, match=r"Draw them with lulc_xr.extract_samples"):
        ModelSpec.from_samples(landscape(y=2, x=2, time=1))


def test_an_object_with_both_attributes_can_classify():
    model = Ratio()
    assert check_predictor(model) is model


def test_what_cannot_classify_is_told_how():
    from sklearn.linear_model import LogisticRegression

    torch = pytest.importorskip("torch")
    for model, message in (
        (
            LogisticRegression(),
            r"LogisticRegression is a scikit-learn estimator.*EstimatorPredictor\(",
        ),
        (
            torch.nn.Linear(1, 2),
            r"Linear is a torch module.*lulc_xr\.ModulePredictor\(module, spec",
        ),
        ("models/tempcnn", r"str object cannot classify.*lulc_xr\.load_classifier\(path\)"),
        (lambda block: block, "function object cannot classify: expected an attribute 'spec'"),
    ):
        with pytest.raises(ModelError, match=message):
            check_predictor(model)


def test_a_spec_of_another_kind_cannot_classify():
    model = Ratio()
    model.spec = {"bands": ["red"]}
    with pytest.raises(ModelError, match="Ratio object cannot classify"):
        check_predictor(model)


@pytest.mark.parametrize(
    ("dates", "number"),
    [
        (RegularDates(), 12),
        (RegularDates(freq="QS"), 4),
        (RawDates(maximum=9, minimum=9), 9),
        (RawDates(maximum=9), None),
    ],
)
def test_numbers_of_dates(dates, number):
    assert fixed_number_of_dates(dates) == number


def test_legends_are_kept_by_task():
    spec = make_spec(legends={"land_cover": LEGEND, "land_use": LEGEND})
    assert list(spec.to_dict()["legends"]) == ["land_cover", "land_use"]
