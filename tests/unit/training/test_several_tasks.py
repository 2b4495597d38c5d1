"""Training of several tasks, from samples to a classifier: missing labels, pretexts, weights."""

import warnings

import numpy as np
import pytest

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.models.classifier import load_classifier
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import landscape, points
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit
from lulc_xr.training.loss_config import LossConfig

USE = Legend.from_names("use", ["used", "unused"])
TINY = {"filters": 8, "dense": 16}


@pytest.fixture(scope="module")
def samples():
    cube = landscape(y=64, x=64, classes=4)
    drawn = extract_samples(cube, points(cube, per_class=12))
    use = np.where(drawn["land_cover"].values <= 2, USE.ids[0], USE.ids[1]).astype(np.uint8)
    use[::3] = 255
    drawn["land_use"] = ("sample", use, USE.flags())
    drawn["fold"] = ("sample", np.arange(48) % 4)
    drawn["slope"] = ("sample", np.linspace(0, 30, 48).astype(np.float32))
    climate = np.stack([np.linspace(5, 15, 48), np.linspace(0, 900, 48)], 1).astype(np.float32)
    drawn["bioclim"] = (("sample", "bioclim_variable"), climate)
    drawn = drawn.assign_coords(bioclim_variable=["bio01", "elevation"])
    return drawn.assign_attrs(tasks="land_cover land_use")


def test_tasks_with_labels_missing_are_learned_together(samples):
    model = fit(samples, config=TrainConfig(sizes=TINY))
    found = model.predict(samples)
    known = samples["land_use"].values != 255
    for task, where in (("land_cover", slice(None)), ("land_use", known)):
        assert (found[task].values == samples[task].values)[where].mean() > 0.8
    counts = model.provenance["samples"]["classes"]
    assert sum(counts["land_use"].values()) == known.sum() == 32
    assert set(np.unique(found["land_use"])) <= set(USE.ids)


def test_losses_are_told_by_task(samples):
    config = TrainConfig(epochs=2, validation_fold=0, sizes=TINY, task_weights={"land_use": 0.5})
    scores = fit(samples, config=config).provenance["scores"]
    each = [scores[f"validation_loss/{task}"] for task in ("land_cover", "land_use")]
    assert scores["validation_loss"] == pytest.approx(each[0] + 0.5 * each[1], rel=1e-5)


def test_weights_learned_from_uncertainty_are_told(samples):
    config = TrainConfig(epochs=3, sizes=TINY, task_weights="uncertainty", regressions=("slope",))
    scores = fit(samples, config=config).provenance["scores"]
    weights = {t: scores[f"task_weight/{t}"] for t in ("land_cover", "land_use", "slope")}
    assert all(w > 0 for w in weights.values())
    # All begin at 1, a regression at 1/2; losses of such size make them move.
    assert weights["land_cover"] != 1
    assert weights["slope"] != 0.5


def test_pretexts_are_learned_and_leave_no_head(samples, tmp_path):
    config = TrainConfig(
        epochs=3, validation_fold=0, sizes=TINY, regressions=("ndvi", "elevation", "slope")
    )
    model = fit(samples, config=config)
    assert list(model.spec.legends) == ["land_cover", "land_use"]
    assert model.sizes["classes"] == {"land_cover": 4, "land_use": 2}
    assert not any("ndvi" in name or "elevation" in name for name in model.weights)
    scores = model.provenance["scores"]
    assert 0 < scores["validation_loss/ndvi"] < 4
    classes = scores["validation_loss/land_cover"] + scores["validation_loss/land_use"]
    assert scores["validation_loss"] == pytest.approx(classes, rel=1e-5)
    again = load_classifier(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(
        again.predict(samples)["land_use_probability"],
        model.predict(samples)["land_use_probability"],
    )
    assert model.provenance["settings"]["regressions"] == ("ndvi", "elevation", "slope")


def test_a_pretext_that_cannot_be_is_refused(samples):
    for name, message in [
        ("land_use", "'land_use' is a task with classes and cannot be regressed"),
        ("elevatoin", r"unknown regression 'elevatoin'. Known, nearest first: elevation"),
    ]:
        with pytest.raises(SampleError, match=message):
            fit(samples, config=TrainConfig(regressions=(name,)))
    flat = samples.assign(slope=samples["slope"] * 0)
    with pytest.raises(SampleError, match="'slope' is the same in all 48 training samples"):
        fit(flat, config=TrainConfig(regressions=("slope",)))
    without = samples.isel(band=[0, 1])
    with pytest.raises(SampleError, match="'ndvi' needs bands red and nir; these samples have"):
        fit(without, config=TrainConfig(regressions=("ndvi",)))
    with pytest.raises(ModelError, match=r"regressions 'ndvi'; give a tuple"):
        TrainConfig(regressions="ndvi")


def test_samples_without_any_label_are_told_of(samples):
    blank = samples.copy(deep=True)
    for task in ("land_cover", "land_use"):
        blank[task][:5] = 255
    with pytest.warns(UserWarning, match="5 of 48 training samples have no label of any task"):
        fit(blank, config=TrainConfig(epochs=1, sizes=TINY))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(samples, config=TrainConfig(epochs=1, sizes=TINY))


def test_a_task_without_labels_is_refused_with_the_way_out(samples):
    blank = samples.copy(deep=True)
    blank["land_use"][:] = 255
    message = r"none of 48 training samples has a label of land_use.*tasks='land_cover'\)"
    with pytest.raises(SampleError, match=message):
        fit(blank, config=TrainConfig(allow_missing_classes=True))
    lost = samples.copy(deep=True)
    for task in ("land_cover", "land_use"):
        lost[task][lost["fold"].values == 0] = 255
    with pytest.raises(SampleError, match="no sample of validation_fold 0 has a label to judge by"):
        fit(lost, config=TrainConfig(validation_fold=0))


def test_missing_context_names_its_samples(samples):
    holed = samples.copy(deep=True)
    holed["bioclim"][3, 0] = np.nan
    point = samples["point_id"].values[3]
    config = TrainConfig(conditioning="cbn", context=("bio01", "elevation"))
    with pytest.raises(
        SampleError, match=rf"1 of 48 samples have no context \(bio01\): point_id {point}"
    ):
        fit(holed, config=config)


def test_losses_of_neighbours_need_a_network_that_sees_them(samples):
    for settings in ({"tolerance": 1}, {"total_variation": 0.1}, {"image_level": 0.1}):
        with pytest.raises(ModelError, match=r"neighbouring pixels.*'tempcnn' does not see"):
            fit(samples, config=TrainConfig(loss=LossConfig(**settings)))


def test_class_weights_are_named_once(samples):
    assert TrainConfig(class_weights="balanced").class_rule == "balanced"
    assert TrainConfig(loss=LossConfig(class_weights="effective")).class_rule == "effective"
    with pytest.raises(
        ModelError, match=r"class_weights 'balanced' and loss\.class_weights 'effec"
    ):
        TrainConfig(class_weights="balanced", loss=LossConfig(class_weights="effective"))
    config = TrainConfig(loss=LossConfig(focal_gamma=2), task_weights={"a": 1.0}, regressions=["b"])
    assert TrainConfig.from_dict(config.to_dict()) == config
    models = [
        fit(samples.isel(sample=slice(0, 43)), config=TrainConfig(epochs=1, sizes=TINY, loss=loss))
        for loss in (LossConfig(), LossConfig(class_weights="effective"), LossConfig(focal_gamma=2))
    ]
    assert len({model.content_hash for model in models}) == 3


@pytest.fixture(scope="module")
def patches():
    cube = landscape(y=64, x=64, classes=4)
    drawn = extract_samples(cube, points(cube, per_class=6), patch=9)
    use = np.where(drawn["land_cover"].values <= 2, USE.ids[0], USE.ids[1]).astype(np.uint8)
    use[::3] = 255
    drawn["land_use"] = ("sample", use, USE.flags())
    return drawn.assign_attrs(tasks="land_cover land_use")


@pytest.mark.parametrize(
    "loss",
    [
        LossConfig(tolerance=1, focal_gamma=1.0),
        LossConfig(tolerance=2, tolerance_rule="mean", class_weights="effective"),
        LossConfig(image_level=0.3, total_variation=0.3, class_weights="balanced"),
    ],
)
def test_networks_of_patches_learn_with_every_loss(patches, loss):
    sizes = {"filters": (4, 8), "stem": 8}
    config = TrainConfig(
        epochs=3, batch_size=8, loss=loss, sizes=sizes, regressions=("ndvi",),
        task_weights="uncertainty",
    )  # fmt: skip
    model = fit(patches, "unet", config=config)
    assert np.isfinite(model.provenance["scores"]["training_loss"])
    assert set(model.sizes["classes"]) == {"land_cover", "land_use"}
    assert model.predict(patches)["land_use"].shape == (24,)


def test_dense_labels_of_patches_are_learned(patches):
    dense = patches.copy()
    whole = np.broadcast_to(patches["land_cover"].values[:, None, None], (24, 9, 9))
    dense["land_cover"] = (
        ("sample", "patch_y", "patch_x"), whole.copy(), patches["land_cover"].attrs
    )  # fmt: skip
    loss = LossConfig(class_weights="balanced")
    sizes = {"filters": (4, 8), "stem": 8}
    model = fit(dense, "unet", config=TrainConfig(epochs=3, batch_size=8, loss=loss, sizes=sizes))
    counts = model.provenance["samples"]["classes"]["land_cover"]
    assert sum(counts.values()) == 24 * 81
