"""Training from samples to a classifier: it learns, follows its seed, and says what is wrong."""

import csv
import logging

import numpy as np
import pytest
import torch

from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.models.classifier import load_classifier
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import landscape, points
from lulc_xr.training.config import Augmentation, TrainConfig
from lulc_xr.training.fit import fit

EVERYTHING = Augmentation(date_dropout=0.2, band_gain=0.05, noise=0.1, mixup=0.2)
SHORT = TrainConfig(epochs=2)
GENTLE = {"dropout": 0.1}


@pytest.fixture(scope="module")
def cube():
    return landscape(y=64, x=64, classes=4)


@pytest.fixture(scope="module")
def samples(cube):
    return extract_samples(cube, points(cube, per_class=24))


@pytest.fixture(scope="module")
def gappy(cube):
    return extract_samples(cube, points(cube, per_class=24), dates=RegularDates(fill=None))


def accuracy(classifier, samples):
    found = classifier.predict(samples)["land_cover"]
    return float((found.values == samples["land_cover"].values).mean())


def test_default_settings_learn_the_landscape(cube, samples):
    classifier = fit(samples)
    unseen = extract_samples(cube, points(cube, per_class=40, seed=9))
    assert accuracy(classifier, unseen) > 0.9
    assert classifier.provenance["samples"]["training"] == 96


def test_network_for_gaps_learns_from_gaps(gappy):
    assert np.isnan(gappy["reflectance"]).any()
    assert accuracy(fit(gappy, "ltae", config=TrainConfig(epochs=30)), gappy) > 0.9


@pytest.mark.parametrize("network", ["tempcnn", "ltae"])
def test_same_seed_gives_the_same_bits(samples, network):
    config = TrainConfig(epochs=2, augmentation=EVERYTHING)
    first = fit(samples, network, config=config)
    torch.rand(7)
    assert first.content_hash == fit(samples, network, config=config).content_hash
    other = TrainConfig(epochs=2, augmentation=EVERYTHING, seed=1)
    assert first.content_hash != fit(samples, network, config=other).content_hash


def test_training_leaves_random_numbers_threads_and_logs_alone(samples):
    logger = logging.getLogger("lightning.pytorch")
    before = (torch.get_num_threads(), logger.level)
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    fit(samples, config=SHORT)
    assert torch.equal(torch.rand(3), expected)
    assert (torch.get_num_threads(), logger.level) == before


def test_training_is_silent(samples, capfd, recwarn):
    fit(samples, config=SHORT)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert not [w for w in recwarn if "lightning" in str(w.filename)]


def test_progress_is_shown_when_asked_for(samples, capfd):
    fit(samples, config=TrainConfig(epochs=2, progress=True))
    out, err = capfd.readouterr()
    assert "Epoch" in out + err


def test_samples_stay_as_they_are(samples):
    before = samples.copy(deep=True)
    fit(samples, config=TrainConfig(epochs=1, augmentation=EVERYTHING))
    assert samples.identical(before)


def test_classifier_knows_how_it_was_trained(samples, tmp_path):
    config = TrainConfig(epochs=2, seed=7, sizes={"filters": 8}, learning_rate=1e-3)
    classifier = load_classifier(fit(samples, config=config).save(tmp_path / "model"))
    provenance = classifier.provenance
    assert TrainConfig.from_dict(provenance["settings"]) == config
    assert provenance["seed"] == 7
    assert provenance["scores"]["epochs"] == 2
    assert set(provenance["samples"]["classes"]["land_cover"].values()) == {24}
    assert provenance["versions"]["torch"] == torch.__version__
    assert classifier.sizes["filters"] == 8


def test_scaling_comes_from_training_samples_only(samples):
    folds = samples.assign(fold=("sample", np.arange(96) % 4))
    folds["reflectance"][folds["fold"].values == 0] *= 3
    config = TrainConfig(epochs=1, validation_fold=0)
    rest = folds.isel(sample=folds["fold"].values != 0)
    found = fit(folds, config=config).spec.scaling
    assert found == fit(rest, config=TrainConfig(epochs=1)).spec.scaling
    assert found != fit(folds, config=TrainConfig(epochs=1)).spec.scaling


def test_patience_ends_training_with_the_best_epoch(samples):
    # Labels of the validation fold are shuffled, so that its loss soon rises.
    shuffled = samples.assign(fold=("sample", np.arange(96) % 3)).copy(deep=True)
    judged = shuffled["fold"].values == 0
    labels = shuffled["land_cover"].values
    labels[judged] = np.random.default_rng(0).permutation(labels[judged])
    config = TrainConfig(epochs=60, validation_fold=0, patience=3, learning_rate=5e-3)
    classifier = fit(shuffled, config=config)
    scores = classifier.provenance["scores"]
    assert scores["epochs"] < 60
    assert scores["best_epoch"] == scores["epochs"] - 4
    index = classifier.spec.legends["land_cover"].index_of(labels[judged])
    probability = classifier.predict(shuffled.isel(sample=judged))["land_cover_probability"].values
    loss = -np.log(probability[np.arange(judged.sum()), index]).mean()
    np.testing.assert_allclose(loss, scores["validation_loss"], rtol=1e-3)


def test_several_tasks_are_learnt_and_missing_labels_ignored(samples):
    use = Legend.from_names("use", ["low", "high"])
    values = (samples["land_cover"].values >= 2).astype(np.uint8)
    values[::3] = 255
    both = samples.assign(land_use=("sample", values, use.flags()))
    both.attrs["tasks"] = "land_cover land_use"
    found = fit(both, config=TrainConfig(sizes=GENTLE)).predict(both)
    assert (found["land_cover"].values == both["land_cover"].values).mean() > 0.9
    assert (found["land_use"].values == (samples["land_cover"].values >= 2)).mean() > 0.9


def test_weights_of_samples_count(samples):
    # Two opinions on the same samples: the heavier one is learnt.
    other = samples.copy(deep=True)
    other["land_cover"].values[:] = (other["land_cover"].values + 1) % 4
    for heavy in (0, 1):
        merged = samples.isel(sample=np.tile(np.arange(96), 2)).copy(deep=True)
        merged["land_cover"].values[96:] = other["land_cover"].values
        merged["weight"] = ("sample", np.where(np.arange(192) // 96 == heavy, 1.0, 0.02))
        classifier = fit(merged, config=TrainConfig(sizes=GENTLE))
        assert accuracy(classifier, [samples, other][heavy]) > 0.9


def test_last_batch_of_one_sample_is_no_problem(samples):
    odd = samples.isel(sample=np.r_[0:33])
    config = TrainConfig(epochs=2, batch_size=32, allow_missing_classes=True)
    assert fit(odd, config=config).provenance["scores"]["training_loss"] > 0


def test_losses_go_to_a_table_when_asked_for(samples, tmp_path):
    fit(samples, config=TrainConfig(epochs=3, log_folder=str(tmp_path)))
    (table,) = tmp_path.rglob("metrics.csv")
    with table.open() as file:
        assert [float(row["loss"]) > 0 for row in csv.DictReader(file)] == [True] * 3


def test_bfloat16_trains(samples):
    classifier = fit(samples, config=TrainConfig(precision="bfloat16", sizes=GENTLE))
    assert accuracy(classifier, samples) > 0.9


def test_missing_class_is_refused_unless_allowed(samples):
    part = samples.isel(sample=samples["land_cover"].values != 2)
    name = Legend.from_flags(samples["land_cover"].attrs).names[2]
    with pytest.raises(SampleError, match=rf"no training sample of land_cover has class {name}"):
        fit(part, config=SHORT)
    fit(part, config=TrainConfig(epochs=2, allow_missing_classes=True))


def test_gaps_are_refused_by_a_network_of_fixed_dates(gappy):
    with pytest.raises(SampleError, match=r"network 'tempcnn' needs every date"):
        fit(gappy, config=SHORT)


def test_unknown_network_and_size_are_refused(samples):
    with pytest.raises(ModelError, match=r"unknown network 'temp_cnn'"):
        fit(samples, "temp_cnn")
    with pytest.raises(ModelError, match=r"cannot be built with sizes.*filter"):
        fit(samples, config=TrainConfig(sizes={"filter": 8}))


def test_training_that_diverges_is_refused(samples):
    with pytest.raises(ModelError, match=r"training diverged.*learning_rate below 1e\+30"):
        fit(samples, config=TrainConfig(epochs=3, learning_rate=1e30))
