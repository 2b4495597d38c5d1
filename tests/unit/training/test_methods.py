"""Settings of the methods: checked when made, and read back from what they wrote."""

import json

import pytest

from lulc_xr.core.errors import ModelError
from lulc_xr.training.augmentation import Augmentation
from lulc_xr.training.methods import (
    FixMatch,
    MeanTeacher,
    SelfTraining,
    method_from_dict,
    method_to_dict,
)


@pytest.mark.parametrize("method", [MeanTeacher, FixMatch, SelfTraining])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": -1}, "weight -1; expected a value >= 0"),
        ({"weight": float("nan")}, "weight nan"),
        ({"ratio": -1}, "ratio -1; expected a whole number >= 0"),
        ({"ratio": 1.5}, r"ratio 1\.5"),
        ({"strong": 0.5}, r"strong 0\.5; expected an Augmentation"),
        ({"weak": Augmentation(mixup=0.2)}, r"weak with mixup 0\.2: .*Leave mixup at 0"),
    ],
)
def test_setting_out_of_range_is_refused(method, settings, message):
    with pytest.raises(ModelError, match=message):
        method(**settings)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (MeanTeacher, {"decay": 1.0}, r"decay 1\.0; expected a value from 0 to below 1"),
        (MeanTeacher, {"ramp": 2}, "ramp 2; expected a value from 0 to 1"),
        (FixMatch, {"threshold": "adaptiv"}, "unknown threshold 'adaptiv'.*first: adaptive"),
        (FixMatch, {"confidence": 1.1}, r"confidence 1\.1"),
        (FixMatch, {"share": 0.0}, r"share 0\.0; expected a value above 0, at most 1"),
        (FixMatch, {"temperature": -0.1}, r"temperature -0\.1"),
        (SelfTraining, {"rounds": 0}, "rounds 0; expected a whole number >= 1"),
        (SelfTraining, {"threshold": "none"}, "unknown threshold 'none'"),
    ],
)
def test_setting_of_one_method_is_checked(method, settings, message):
    with pytest.raises(ModelError, match=message):
        method(**settings)


@pytest.mark.parametrize(
    "method",
    [
        MeanTeacher(decay=0.9, strong=Augmentation(noise=0.3)),
        FixMatch(threshold="fixed", confidence=0.8),
        SelfTraining(rounds=2, weak=Augmentation.weak()),
    ],
)
def test_method_survives_json(method):
    assert method_from_dict(json.loads(json.dumps(method_to_dict(method)))) == method


def test_unknown_names_list_the_nearest_first():
    with pytest.raises(ModelError, match=r"unknown method 'fixmach'.*first: fixmatch"):
        method_from_dict({"name": "fixmach"})
    with pytest.raises(ModelError, match=r"unknown setting of method fixmatch 'wieght'.*weight"):
        method_from_dict({"name": "fixmatch", "wieght": 1})
    with pytest.raises(ModelError, match=r"unknown change of strong 'nois'.*noise"):
        method_from_dict({"name": "fixmatch", "strong": {"nois": 1}})
