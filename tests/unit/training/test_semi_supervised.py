"""Learning from unlabelled samples: what is read, what is not, and what becomes the classifier."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.model import ModelSpec
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing import landscape, points
from lulc_xr.training.augmentation import Augmentation
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit
from lulc_xr.training.methods import FixMatch, MeanTeacher, SelfTraining
from lulc_xr.training.semi_supervised import SemiSupervisedLearner
from lulc_xr.training.unlabelled import open_unlabelled, without_labels

SHORT = TrainConfig(epochs=3, sizes={"filters": 8, "dense": 16})
METHODS = {
    "mean_teacher": MeanTeacher(ratio=2),
    "fixmatch": FixMatch(ratio=2),
    "fixed": FixMatch(ratio=2, threshold="fixed", confidence=0.4, temperature=0.5),
    "self_training": SelfTraining(ratio=2),
}


@pytest.fixture(scope="module")
def cube():
    return landscape(y=64, x=64, classes=4)


@pytest.fixture(scope="module")
def samples(cube):
    return extract_samples(cube, points(cube, per_class=5))


@pytest.fixture(scope="module")
def unlabelled(cube):
    return extract_samples(cube, points(cube, per_class=40, seed=3))


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def method(request):
    return request.param


def learn(samples, unlabelled, method, config=SHORT, network="tempcnn"):
    return fit(samples, network, config=config, method=method, unlabelled=unlabelled)


def test_same_seed_gives_the_same_bits_and_unlabelled_samples_count(samples, unlabelled, method):
    first = learn(samples, unlabelled, method)
    assert first.content_hash == learn(samples, unlabelled, method).content_hash
    other = learn(samples, unlabelled.isel(sample=slice(80)), method)
    assert first.content_hash != other.content_hash
    assert first.content_hash != fit(samples, config=SHORT).content_hash


def test_labels_of_unlabelled_samples_are_never_read(samples, unlabelled, method):
    poisoned = unlabelled.copy(deep=True)
    poisoned["land_cover"].values[:] = 77  # no class of the legend: reading it would raise
    bare = without_labels(unlabelled)
    assert "land_cover" not in bare
    expected = learn(samples, unlabelled, method).content_hash
    assert learn(samples, poisoned, method).content_hash == expected
    assert learn(samples, bare, method).content_hash == expected


@pytest.mark.parametrize("nothing", [{"weight": 0.0}, {"ratio": 0}])
@pytest.mark.parametrize("kind", [MeanTeacher, FixMatch, SelfTraining])
def test_without_weight_or_ratio_training_is_supervised_bit_for_bit(
    samples, unlabelled, kind, nothing
):
    expected = fit(samples, config=SHORT)
    found = learn(samples, unlabelled, kind(**nothing))
    weights = expected.weights
    for name, value in found.weights.items():
        assert torch.equal(value, weights[name])


@pytest.mark.slow
def test_unlabelled_samples_help_where_labels_are_few(cube, samples, unlabelled):
    config = TrainConfig(sizes={"filters": 16, "dense": 32})
    unseen = extract_samples(cube, points(cube, per_class=60, seed=9))

    def accuracy(method):
        found = learn(samples, None if method is None else unlabelled, method, config)
        return (found.predict(unseen)["land_cover"].values == unseen["land_cover"].values).mean()

    assert accuracy(FixMatch()) > max(0.9, accuracy(None))


def test_provenance_tells_the_method(samples, unlabelled, method):
    provenance = learn(samples, unlabelled, method).provenance
    assert provenance["method"]["ratio"] == 2
    assert provenance["method"]["name"] in {"mean_teacher", "fixmatch", "self_training"}
    assert provenance["samples"]["unlabelled"] == 160
    assert provenance["scores"]["training_loss"] > 0


def test_best_epoch_is_that_of_the_network_which_becomes_the_classifier(
    samples, unlabelled, method
):
    folds = samples.assign(fold=("sample", np.arange(20) % 2))
    config = TrainConfig(
        epochs=8, validation_fold=0, patience=2, sizes=SHORT.sizes, average_weights=0.1
    )
    config_loss = learn(folds, unlabelled, method, config)
    judged = folds.isel(sample=folds["fold"].values == 0)
    index = config_loss.spec.legends["land_cover"].index_of(judged["land_cover"].values)
    probability = config_loss.predict(judged)["land_cover_probability"].values
    loss = -np.log(probability[np.arange(10), index]).mean()
    expected = config_loss.provenance["scores"]["validation_loss"]
    np.testing.assert_allclose(loss, expected, rtol=1e-3)


@pytest.mark.parametrize("method", [MeanTeacher(ratio=2), FixMatch(ratio=2)])
def test_networks_for_gaps_learn_from_gaps(cube, method):
    dates = RegularDates(fill=None)
    few = extract_samples(cube, points(cube, per_class=5), dates=dates)
    many = extract_samples(cube, points(cube, per_class=20, seed=3), dates=dates)
    assert np.isnan(many["reflectance"]).any()
    config = TrainConfig(epochs=2)
    first = learn(few, many, method, config, "ltae")
    assert first.content_hash == learn(few, many, method, config, "ltae").content_hash


@pytest.mark.parametrize("method", [*METHODS.values()], ids=METHODS)
@pytest.mark.parametrize("network", ["unet", "utae"])
def test_networks_of_patches_learn_from_all_pixels(cube, method, network):
    few = extract_samples(cube, points(cube, per_class=3), patch=9)
    many = without_labels(extract_samples(cube, points(cube, per_class=4, seed=3), patch=9))
    config = TrainConfig(epochs=1, batch_size=8, augmentation=Augmentation.weak())
    found = learn(few, many, method, config, network)
    assert found.provenance["samples"]["unlabelled"] == 16
    assert found.content_hash == learn(few, many, method, config, network).content_hash


@pytest.mark.parametrize("patch", [None, 9])
def test_pixels_and_patches_of_a_lazy_cube_are_drawn_while_training(tmp_path, patch):
    whole = landscape(y=48, x=48, classes=4, chunks={"y": 24, "x": 24})
    few = extract_samples(whole, points(whole, per_class=4), patch=patch)
    store = write_cube(
        whole.drop_vars("reference"), tmp_path / "cube.zarr",
        plan=ChunkPlan(chunks={"y": 24, "x": 24}),
    )  # fmt: skip
    cube, network = open_cube(store), "tempcnn" if patch is None else "unet"
    assert cube["reflectance"].chunks
    config = TrainConfig(epochs=2, batch_size=8)
    first = learn(few, cube, FixMatch(ratio=2), config, network)
    assert first.content_hash == learn(few, cube, FixMatch(ratio=2), config, network).content_hash
    assert first.content_hash != fit(few, network, config=config).content_hash
    assert first.provenance["samples"]["unlabelled"] == "cube of 48 x 48 pixels"


def test_several_tasks_have_thresholds_of_their_own(samples, unlabelled):
    from lulc_xr.core.legend import Legend

    use = Legend.from_names("use", ["low", "high"])
    values = (samples["land_cover"].values >= 2).astype(np.uint8)
    values[::3] = 255
    both = samples.assign(land_use=("sample", values, use.flags()))
    both.attrs["tasks"] = "land_cover land_use"
    found = learn(both, unlabelled, FixMatch(ratio=2)).predict(unlabelled)
    assert {"land_cover", "land_use"} <= set(found)


def spec_of(samples):
    return ModelSpec.from_samples(samples)


def open_stream(unlabelled, samples, *, size=32, fixed_dates=True):
    return open_unlabelled(
        unlabelled,
        spec_of(samples),
        samples=samples,
        batch_size=size,
        seed=4,
        fixed_dates=fixed_dates,
    )


def test_stream_goes_on_where_it_stopped_and_gives_every_sample(samples, unlabelled):
    stream = open_stream(unlabelled, samples)
    seen = [next(iter(stream))["index"] for _ in range(5)]
    assert sorted(torch.cat(seen).tolist()) == list(range(160))
    following = next(iter(stream))["index"]
    assert not torch.equal(following, seen[0])
    again = open_stream(unlabelled, samples)
    next(iter(again))
    again.start_at(5)
    assert torch.equal(next(iter(again))["index"], following)


def test_batches_are_full_and_never_larger_than_the_samples(samples, unlabelled):
    for size, expected in ((48, 48), (1000, 160)):
        stream = iter(open_stream(unlabelled, samples, size=size))
        assert {len(next(stream)["index"]) for _ in range(8)} == {expected}


def test_samples_without_a_clear_date_are_left_out(samples, unlabelled):
    clouded = unlabelled.copy(deep=True)
    clouded["reflectance"][:150] = np.nan
    batch = next(iter(open_stream(clouded, samples, size=64)))
    assert len(batch["index"]) == 10
    assert batch["mask"].all()
    clouded["reflectance"][:159] = np.nan
    with pytest.raises(SampleError, match="1 unlabelled samples with a clear date"):
        open_stream(clouded, samples)


def test_bands_are_put_in_the_order_of_the_labelled_samples(samples, unlabelled):
    turned = unlabelled.isel(band=slice(None, None, -1))
    one, other = (next(iter(open_stream(given, samples))) for given in (unlabelled, turned))
    assert torch.equal(one["series"], other["series"])


def test_samples_that_do_not_fit_are_refused(cube, samples, unlabelled):
    with pytest.raises(SampleError, match=r"unlabelled samples lack band blue"):
        learn(samples, unlabelled.drop_sel(band="blue"), FixMatch())
    patches = extract_samples(cube, points(cube, per_class=3), patch=3)
    with pytest.raises(SampleError, match=r"have 3 pixels along patch_y, labelled ones none"):
        learn(samples, patches, FixMatch())
    other = extract_samples(cube, points(cube, per_class=3), dates=RegularDates(method="mean"))
    with pytest.raises(SampleError, match=r"Draw both with the same dates"):
        learn(samples, other, FixMatch())
    gappy = unlabelled.copy(deep=True)
    gappy["reflectance"][0, 2] = np.nan
    with pytest.raises(SampleError, match=r"dates that were not clear.*fill='linear'"):
        learn(samples, gappy, FixMatch())


def test_method_and_samples_need_each_other(samples, unlabelled):
    with pytest.raises(ModelError, match=r"FixMatch learns from unlabelled samples.*unlabelled="):
        learn(samples, None, FixMatch())
    with pytest.raises(ModelError, match=r"no method to learn from them.*method="):
        learn(samples, unlabelled, None)
    with pytest.raises(ModelError, match=r"method 'fixmatch'; expected MeanTeacher"):
        learn(samples, unlabelled, "fixmatch")


def test_a_training_that_stopped_goes_on_with_the_same_result(
    tmp_path, samples, unlabelled, method
):
    class StoppedError(Exception):
        """What an interrupted training raises."""

    expected = learn(samples, unlabelled, method, replace(SHORT, epochs=5)).content_hash
    learner = SemiSupervisedLearner.training_step

    def stops(self, batch, number):
        if self.current_epoch == 3:
            raise StoppedError
        return learner(self, batch, number)

    def again():
        return fit(
            samples,
            config=replace(SHORT, epochs=5),
            method=method,
            unlabelled=unlabelled,
            checkpoint=tmp_path,
        )

    SemiSupervisedLearner.training_step = stops
    try:
        with pytest.raises(StoppedError):
            again()
    finally:
        SemiSupervisedLearner.training_step = learner
    assert again().content_hash == expected


def test_without_labels_leaves_the_samples_alone(unlabelled):
    before = unlabelled.copy(deep=True)
    found = without_labels(unlabelled)
    assert isinstance(found, xr.Dataset)
    assert found.attrs["tasks"] == ""
    assert unlabelled.identical(before)
