"""Training settings: checked when made, and read back from what they wrote."""

import dataclasses
import json

import pytest

from lulc_xr.core.errors import ModelError
from lulc_xr.training.config import Augmentation, TrainConfig


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs 0; expected a value >= 1"),
        ({"batch_size": 1}, "batch_size 1; expected a value >= 2"),
        ({"learning_rate": 0.0}, "learning_rate 0.0; expected a value > 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan"),
        ({"weight_decay": -1.0}, "weight_decay -1.0; expected a value >= 0"),
        ({"label_smoothing": 1.5}, "label_smoothing 1.5; expected a value from 0 to 1"),
        ({"average_weights": 1.1}, "average_weights 1.1; expected a value from 0 to 1"),
        ({"class_weights": "equal"}, "unknown class_weights 'equal'.*balanced"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
        ({"seed": -1}, "seed -1"),
        ({"patience": 0, "validation_fold": 1}, "patience 0"),
        ({"patience": 5}, "patience 5 needs a validation loss. Give validation_fold"),
    ],
)
def test_setting_out_of_range_is_refused(setting, message):
    with pytest.raises(ModelError, match=message):
        TrainConfig(**setting)


@pytest.mark.parametrize(
    "setting", [{"date_dropout": 1.1}, {"band_gain": -0.1}, {"noise": -1}, {"mixup": -0.2}]
)
def test_augmentation_out_of_range_is_refused(setting):
    with pytest.raises(ModelError, match=rf"{next(iter(setting))} .*expected a value"):
        Augmentation(**setting)


def test_settings_survive_json():
    config = TrainConfig(
        epochs=3, sizes={"filters": 8}, augmentation=Augmentation(noise=0.1), patience=2,
        validation_fold=0,
    )  # fmt: skip
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_setting_lists_the_nearest_first():
    with pytest.raises(ModelError, match=r"unknown training setting 'epoch'.*first: epochs"):
        TrainConfig.from_dict({"epoch": 3})
    with pytest.raises(ModelError, match=r"unknown training setting 'mix'.*first: mixup"):
        TrainConfig.from_dict({"augmentation": {"mix": 0.1}})


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


def test_few_samples_are_passed_over_more_often():
    few, many = TrainConfig().epochs_of(2), TrainConfig().epochs_of(1000)
    assert few * 2 >= 140
    assert 1 <= many < few
    assert TrainConfig(epochs=3).epochs_of(2) == 3
