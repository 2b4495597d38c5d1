"""Training without labels: what it may see, what it learns, and how it is kept."""

import json

import numpy as np
import pytest
import torch

from lulc_xr.core.context import CONTEXT
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.models.classifier import load_classifier
from lulc_xr.models.pretrained import load_pretrained
from lulc_xr.models.registry import make_network
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.loader import SampleBatches
from lulc_xr.testing import landscape, points
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit
from lulc_xr.training.hiding import draw_hidden
from lulc_xr.training.pretext import PretextLearner
from lulc_xr.training.pretrain import pretrain
from lulc_xr.training.pretrain_config import PretrainConfig
from lulc_xr.training.structural_similarity import reconstruction_loss

TINY = {
    "tempcnn": {"filters": 4, "dense": 8},
    "ltae": {"encoder": (8, 8), "heads": 2, "key": 4, "decoder": (8,)},
    "unet": {"filters": (4, 8)},
}


def settings(network="tempcnn", **changes):
    return PretrainConfig(**{"epochs": 1, "batch_size": 16, "sizes": TINY[network]} | changes)


@pytest.fixture(scope="module")
def cube():
    return landscape(y=48, x=48, classes=4)


@pytest.fixture(scope="module")
def samples(cube):
    return extract_samples(cube, points(cube, per_class=12))


@pytest.fixture(scope="module")
def gappy(cube):
    return extract_samples(cube, points(cube, per_class=12), dates=RegularDates(fill=None))


@pytest.fixture(scope="module")
def patches(cube):
    return extract_samples(cube, points(cube, per_class=6), patch=13)


def make_learner(network, samples, objective="masked"):
    torch.manual_seed(0)
    spec = pretrain(samples, network, objective=objective, config=settings(network)).spec
    module = make_network(network, bands=10, dates=12, classes={"pretext": 1}, **TINY[network])
    return PretextLearner(
        module, scaling=spec.scaling, objective=objective, config=settings(network), steps=4
    ).eval()


@pytest.mark.parametrize("network", ["tempcnn", "ltae", "unet"])
def test_hidden_values_never_change_what_is_told(network, samples, gappy, patches):
    data = {"tempcnn": samples, "ltae": gappy, "unet": patches}[network]
    learner = make_learner(network, data)
    batch = next(iter(SampleBatches(data, batch_size=8)))
    observed = batch["mask"].flatten(2).any(2) if network == "unet" else batch["mask"]
    torch.manual_seed(1)
    hidden = draw_hidden(observed, bands=10, date_share=0.4, band_share=0.3)
    around = (1,) * (batch["series"].ndim - 3)
    other = batch.copy()
    other["series"] = torch.where(
        hidden.view(*hidden.shape, *around), batch["series"] + 0.7, batch["series"]
    )
    for mode in (learner.eval, learner.train):
        mode()
        torch.manual_seed(2)
        told = learner.predict_hidden(batch, hidden)
        torch.manual_seed(2)
        assert torch.equal(told, learner.predict_hidden(other, hidden))
    seen = batch.copy()
    seen["series"] = torch.where(
        hidden.view(*hidden.shape, *around), batch["series"], batch["series"] + 0.7
    )
    learner.eval()
    told = learner.predict_hidden(batch, hidden)
    assert not torch.allclose(told, learner.predict_hidden(seen, hidden))


def test_masked_loss_is_over_hidden_and_observed_values(gappy):
    learner = make_learner("ltae", gappy)
    batch = next(iter(SampleBatches(gappy, batch_size=8)))
    torch.manual_seed(3)
    loss = learner.loss_of(batch)
    torch.manual_seed(3)
    hidden = draw_hidden(batch["mask"], bands=10, date_share=0.4, band_share=0.1)
    told = learner.predict_hidden(batch, hidden)
    true = (batch["series"] - learner.mean) / learner.std
    counted = hidden & ~batch["series"].isnan()
    expected = torch.nn.functional.smooth_l1_loss(told[counted], true[counted])
    torch.testing.assert_close(loss, expected)


def test_autoencoder_loss_is_the_papers_on_reflectance(patches):
    learner = make_learner("unet", patches, objective="autoencoder")
    batch = next(iter(SampleBatches(patches, batch_size=4)))
    made = learner.reconstruct(batch).flatten(1, 2)
    true, observed = batch["series"].flatten(1, 2), batch["series"].flatten(1, 2).isfinite()
    expected = reconstruction_loss(made, true.nan_to_num().clamp(0, 1), observed, share=0.9)
    torch.testing.assert_close(learner.loss_of(batch), expected)


def test_same_seed_gives_the_same_bits(samples):
    first = pretrain(samples, config=settings())
    torch.rand(5)
    again = pretrain(samples, config=settings())
    assert first.content_hash == again.content_hash
    assert pretrain(samples, config=settings(seed=1)).content_hash != first.content_hash


def test_labels_are_not_read(samples):
    other = samples.copy(deep=True)
    other["land_cover"][:] = 255
    expected = pretrain(samples, config=settings()).content_hash
    assert pretrain(other, config=settings()).content_hash == expected


def test_loss_falls(samples):
    losses = pretrain(samples, config=settings(epochs=15, learning_rate=1e-2)).provenance["losses"]
    assert losses[-1] < 0.8 * losses[0]


def test_cube_is_read_as_it_is(cube):
    made = pretrain(cube, "ltae", config=settings("ltae", number=64), dates=RegularDates(fill=None))
    assert made.spec.dates == RegularDates(fill=None)
    assert made.spec.bands == tuple(str(band) for band in cube["band"].values)
    of_patches = pretrain(cube, "unet", config=settings("unet", patch=16, number=8, batch_size=4))
    assert np.isfinite(of_patches.provenance["losses"]).all()


def test_saved_and_loaded_are_equal(samples, tmp_path):
    made = pretrain(samples, config=settings())
    folder = made.save(tmp_path / "pretrained")
    assert sorted(item.name for item in folder.iterdir()) == ["model.json", "model.safetensors"]
    loaded = load_pretrained(folder)
    assert loaded.content_hash == made.content_hash
    assert (loaded.spec, loaded.sizes, loaded.provenance) == (
        made.spec,
        made.sizes,
        json.loads(json.dumps(made.provenance)),
    )
    for name, tensor in made.weights.items():
        assert torch.equal(tensor, loaded.weights[name])


def test_classifier_is_no_pretrained_and_the_other_way_round(samples, tmp_path):
    config = TrainConfig(epochs=1, sizes=TINY["tempcnn"])
    folder = fit(samples, config=config).save(tmp_path / "classifier")
    with pytest.raises(ModelError, match="'lulc_xr classifier'; expected 'lulc_xr pretrained netw"):
        load_pretrained(folder)
    other = pretrain(samples, config=settings()).save(tmp_path / "pretrained")
    with pytest.raises(ModelError, match="holds 'lulc_xr pretrained network'"):
        load_classifier(other)


def with_climate(samples, seed=0):
    values = np.random.default_rng(seed).normal(10, 3, (samples.sizes["sample"], 2))
    names = np.array(["bio01", "bio05"], np.dtypes.StringDType())
    return samples.assign(
        {CONTEXT: (("sample", "bioclim_variable"), values.astype(np.float32))}
    ).assign_coords(bioclim_variable=names)


def test_autoencoder_of_patches_with_and_without_climate(patches, tmp_path):
    climate = with_climate(patches)
    small = {"widths": (4, 8), "blocks": 1}
    made = {}
    for conditioning in ("none", "cbn"):
        config = settings(conditioning=conditioning, sizes=small, epochs=2, batch_size=8)
        made[conditioning] = pretrain(
            climate, "patch_autoencoder", objective="autoencoder", config=config
        )
    assert made["none"].spec.context == ()
    assert made["cbn"].spec.context == ("bio01", "bio05")
    other = pretrain(
        with_climate(patches, seed=1),
        "patch_autoencoder",
        objective="autoencoder",
        config=settings(sizes=small, epochs=2, batch_size=8),
    )
    assert other.content_hash == made["none"].content_hash
    loaded = load_pretrained(made["cbn"].save(tmp_path / "autoencoder"))
    assert loaded.content_hash == made["cbn"].content_hash


@pytest.mark.parametrize(
    ("network", "objective", "message"),
    [
        ("tempcnn", "autoencoder", "compares patches, but network 'tempcnn' sees single pixels"),
        ("patch_autoencoder", "masked", "learns by objective='autoencoder'"),
        ("tempcnn", "maskd", "unknown objective 'maskd'"),
    ],
)
def test_pairs_that_cannot_be_are_refused(samples, network, objective, message):
    with pytest.raises(ModelError, match=message):
        pretrain(samples, network, objective=objective)


def test_samples_that_do_not_suit_are_refused(samples, gappy, patches):
    with pytest.raises(SampleError, match="learns from patches, but these samples are single"):
        pretrain(samples, "unet", config=settings("unet"))
    with pytest.raises(SampleError, match="learns from single pixels, but these samples are patch"):
        pretrain(patches, config=settings())
    with pytest.raises(SampleError, match=r"needs every date"):
        pretrain(gappy, config=settings())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs 0; expected a value >= 1"),
        ({"hidden_dates": 1.5}, "hidden_dates 1.5; expected a value from 0 to 1"),
        ({"learning_rate": 0}, "learning_rate 0; expected a value > 0"),
        ({"conditioning": "film"}, "unknown conditioning 'film'"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        PretrainConfig(**changes)


def test_nothing_hidden_is_nothing_to_learn(samples):
    config = settings(hidden_dates=0, hidden_bands=0)
    with pytest.raises(ModelError, match="leaves nothing to tell"):
        pretrain(samples, config=config)
