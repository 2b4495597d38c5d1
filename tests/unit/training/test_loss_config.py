"""Settings of the loss: checked when made, read back from JSON."""

import json

import pytest

from lulc_xr.core.errors import ModelError
from lulc_xr.training.loss_config import LossConfig


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"class_weights": "inverse"}, "unknown class_weights 'inverse'.*balanced"),
        ({"effective_beta": 1.0}, "effective_beta 1.0; expected a value from 0 to below 1"),
        ({"focal_gamma": -1}, "focal_gamma -1; expected a value >= 0"),
        ({"image_level": float("nan")}, "image_level nan; expected a value >= 0"),
        ({"total_variation": float("inf")}, "total_variation inf; expected a value >= 0"),
        ({"tolerance": 0.5}, "tolerance 0.5; expected whole pixels >= 0"),
        ({"tolerance_rule": "worst"}, "unknown tolerance_rule 'worst'.*best"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ModelError, match=message):
        LossConfig(**setting)


def test_settings_survive_json_and_unknown_ones_are_named():
    config = LossConfig(class_weights="effective", tolerance=1, total_variation=0.1)
    assert LossConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ModelError, match=r"unknown setting of the loss 'gamma'.*focal_gamma"):
        LossConfig.from_dict({"gamma": 2})


def test_only_some_settings_need_patches():
    assert not LossConfig(focal_gamma=2, class_weights="balanced").spatial
    for name in ("tolerance", "image_level", "total_variation"):
        assert LossConfig(**{name: 1}).spatial
