"""Monte Carlo dropout: a member is one draw of the masks, in fast forms as in plain ones."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lulc_xr.core.applicability import Applicability
from lulc_xr.core.calibration import Calibration
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Predictor, Scaling
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.ensemble import load_model
from lulc_xr.models.fixed_dropout import FixedDropout, fix_dropout
from lulc_xr.models.monte_carlo import MonteCarloDropout, load_monte_carlo_dropout
from lulc_xr.models.registry import is_spatial, make_network

BANDS = ("red", "nir", "swir16")
DAYS = np.arange(0, 360, 30, dtype=np.int32)
COVER = Legend.from_names("demo", ["cropland", "woodland", "water"])
USE = Legend.from_names("use", ["farming", "none"])
NETWORKS = ("tempcnn", "ltae", "resmlp", "unet", "utae")


def make_classifier(name="tempcnn", *, legends=None, seed=0, **sizes):
    legends = legends or {"land_cover": COVER}
    classes = {task: len(legend) for task, legend in legends.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network(name, bands=3, dates=12, classes=classes, **sizes)
        for module in network.modules():
            # Statistics of a trained network are not 0 and 1.
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    spec = ModelSpec(
        bands=BANDS,
        legends=legends,
        dates=RegularDates(),
        scaling=Scaling(mean=(0.1, 0.2, 0.3), std=(0.05, 0.1, 0.1)),
        halo=int(getattr(network, "receptive_field", 0)),
        stride=int(getattr(network, "stride", 1)),
    )
    return Classifier(network.eval(), name=name, spec=spec)


def make_block(y=4, x=5, *, seed=0):
    return np.random.default_rng(seed).uniform(0.02, 0.5, (12, 3, y, x)).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_mean_of_different_members_is_what_it_predicts(name):
    model = MonteCarloDropout(make_classifier(name), members=4, seed=3)
    assert isinstance(model, Predictor)
    block = make_block(16, 17)
    each = model.predict_block_members(block, DAYS)["land_cover"]
    assert each.shape == (4, 3, 16, 17)
    assert np.ptp(each, axis=0).max() > 1e-4  # random weights of U-TAE differ least
    np.testing.assert_allclose(model.predict_block(block, DAYS), each.mean(0), atol=1e-6)
    np.testing.assert_allclose(each.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_fast_form_does_what_the_network_with_its_masks_does(name):
    classifier = make_classifier(name, legends={"land_cover": COVER, "land_use": USE})
    model = MonteCarloDropout(classifier, members=2, seed=1)
    block = make_block(9, 8)
    network = fix_dropout(classifier._network, seed=1, member=1)
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.1, 0.2, 0.3), (0.05, 0.1, 0.1)))
    series = ((torch.from_numpy(block) - mean) / std)[None]
    if not is_spatial(network):
        series = series[0].flatten(2).permute(2, 0, 1)
    for module in network.modules():
        if isinstance(module, FixedDropout):
            module.restart()
    with torch.inference_mode():
        logits = network(series, torch.from_numpy(DAYS).long(), None)
    found = model.members[1].predict_block(block, DAYS)
    for task, values in logits.items():
        expected = values.softmax(1)
        expected = expected[0] if is_spatial(network) else expected.T.reshape(-1, 9, 8)
        np.testing.assert_allclose(found[task], expected.numpy(), atol=2e-5)


def test_many_draws_drop_the_part_that_the_network_drops():
    dropout = nn.Sequential(nn.Linear(2, 500), nn.Dropout(0.3))
    masks = torch.stack([fix_dropout(dropout, seed=0, member=m)[1].mask(500) for m in range(40)])
    assert masks.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert (masks == 0).float().mean() == pytest.approx(0.3, abs=0.01)  # 20 000 draws: 3 sigma
    assert masks.mean() == pytest.approx(1, abs=0.015)
    # Members, and features of a member, are drawn independently.
    pairs = ((masks[1:] == 0) & (masks[:-1] == 0)).float().mean()
    assert pairs == pytest.approx(0.09, abs=0.01)


def test_mean_of_many_members_comes_near_dropout_of_pytorch():
    classifier = make_classifier("resmlp", dropout=0.3, width=32, hidden=32)
    block = make_block(1, 1)
    ours = MonteCarloDropout(classifier, members=200).predict_block_members(block, DAYS)
    ours = ours["land_cover"][:, 0, 0, 0]
    network = fix_dropout(classifier._network, seed=0, member=0)  # its weights are shared
    theirs_network = make_network(
        "resmlp", bands=3, dates=12, classes={"land_cover": 3}, dropout=0.3, width=32, hidden=32
    )
    theirs_network.load_state_dict(network.state_dict())
    theirs_network.eval()
    for module in theirs_network.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    scaled = (block[..., 0, 0] - [0.1, 0.2, 0.3]) / [0.05, 0.1, 0.1]
    series = torch.from_numpy(scaled.astype(np.float32)).expand(4000, -1, -1)
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = theirs_network(series, None, None)["land_cover"].softmax(1)[:, 0].numpy()
    error = theirs.std() * np.sqrt(1 / 200 + 1 / 4000)
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert ours.std() == pytest.approx(theirs.std(), rel=0.2)


def test_masks_of_patches_are_by_channel_and_the_same_everywhere():
    for layer in (nn.Dropout2d(0.5), nn.Dropout(0.5)):
        network = nn.Sequential(nn.Conv2d(1, 8, 1), layer)
        network.spatial = True
        fixed = fix_dropout(network, seed=0, member=0)[1]
        small = fixed(torch.ones(1, 8, 2, 3))
        fixed.restart()
        large = fixed(torch.ones(2, 8, 5, 4))
        assert (small == small[:, :, :1, :1]).all()
        assert (large == small[:, :, :1, :1]).all()
        assert 0 < (small[0, :, 0, 0] == 0).sum() < 8


def test_a_module_called_twice_draws_twice_and_again_the_same():
    fixed = fix_dropout(nn.Sequential(nn.Dropout(0.5)), seed=0, member=0)[0]
    values = torch.ones(3, 64)
    passes = []
    for _ in range(2):
        fixed.restart()
        passes.append((fixed(values), fixed(values)))
    assert (passes[0][0] != passes[0][1]).any()
    assert (passes[0][0] == passes[1][0]).all()
    assert (passes[0][1] == passes[1][1]).all()


def test_seed_and_member_decide_and_nothing_else(tmp_path):
    classifier = make_classifier()
    block = make_block()
    first = MonteCarloDropout(classifier, members=3, seed=0)
    same = MonteCarloDropout(classifier, members=3, seed=0)
    other = MonteCarloDropout(classifier, members=3, seed=1)
    np.testing.assert_array_equal(first.predict_block(block, DAYS), same.predict_block(block, DAYS))
    assert first.content_hash == same.content_hash
    assert first.content_hash != other.content_hash
    assert np.abs(first.predict_block(block, DAYS) - other.predict_block(block, DAYS)).max() > 1e-4
    # More members: the first ones stay as they are.
    more = MonteCarloDropout(classifier, members=5, seed=0).predict_block_members(block, DAYS)
    own = first.predict_block_members(block, DAYS)
    np.testing.assert_array_equal(more["land_cover"][:3], own["land_cover"])


@pytest.mark.slow  # a process that imports PyTorch
def test_another_process_draws_the_same_masks(tmp_path):
    block = make_block()
    first = MonteCarloDropout(make_classifier(), members=3, seed=0)
    folder = first.save(tmp_path / "model")
    np.save(tmp_path / "block.npy", block)
    code = (
        "import sys, numpy as np, lulc_xr as lx; folder, block, out = sys.argv[1:]\n"
        "days = np.arange(0, 360, 30, dtype=np.int32)\n"
        "np.save(out, lx.load_model(folder).predict_block(np.load(block), days))"
    )
    given = [str(folder), str(tmp_path / "block.npy"), str(tmp_path / "found.npy")]
    subprocess.run([sys.executable, "-c", code, *given], check=True, timeout=100)
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_array_equal(found, first.predict_block(block, DAYS))


def test_folder_and_pickle_give_the_same_model(tmp_path, monkeypatch):
    monkeypatch.setenv("LULC_XR_CACHE", str(tmp_path / "cache"))
    model = MonteCarloDropout(make_classifier("ltae"), members=2, seed=5)
    expected = model.predict_block(make_block(), DAYS)
    again = pickle.loads(pickle.dumps(model))
    folder = model.save(tmp_path / "model")
    loaded = load_model(folder)
    assert isinstance(loaded, MonteCarloDropout)
    for found in (again, loaded):
        assert found.content_hash == model.content_hash
        np.testing.assert_array_equal(found.predict_block(make_block(), DAYS), expected)
    assert sorted(p.name for p in folder.iterdir()) == ["classifier", "monte_carlo_dropout.json"]
    with pytest.raises(ModelError, match=r"no Monte Carlo dropout at .*load_model"):
        load_monte_carlo_dropout(folder / "classifier")
    with pytest.raises(ModelError, match=r"holds another Monte Carlo dropout.*overwrite=True"):
        MonteCarloDropout(make_classifier("ltae"), members=3).save(folder)


def test_attachments_travel_and_members_are_calibrated(tmp_path):
    plain = make_classifier()
    area = Applicability(
        mean=np.zeros(36, np.float32), scale=np.ones(36, np.float32),
        weight=np.ones(36, np.float32), reference=np.eye(3, 36, dtype=np.float32),
        mean_distance=1.0, threshold=0.5,
    )  # fmt: skip
    half = {"land_cover": ((0.5,) * 3,)}
    none = {"land_cover": ((0.0,) * 3,)}
    calibration = Calibration(method="temperature", scale=half, shift=none)
    kept = MonteCarloDropout(plain.attach(calibration=calibration, applicability=area), members=2)
    assert kept.applicability is area
    assert kept.calibration is None  # each member does that of the classifier already
    model = MonteCarloDropout(plain, members=2).attach(calibration=calibration)
    block = make_block()
    for cold, warm in zip(
        MonteCarloDropout(plain, members=2).each_member(block, DAYS),
        model.each_member(block, DAYS),
        strict=True,
    ):
        expected = calibration.apply(cold["land_cover"], task="land_cover")
        np.testing.assert_allclose(warm["land_cover"], expected, atol=1e-6)
    np.testing.assert_allclose(
        kept.predict_block(block, DAYS), model.predict_block(block, DAYS), atol=1e-6
    )
    loaded = load_model(model.save(tmp_path / "model"))
    assert loaded.calibration == calibration
    assert loaded.content_hash == model.content_hash != MonteCarloDropout(plain).content_hash


def test_bfloat16_has_the_same_masks():
    model = MonteCarloDropout(make_classifier("resmlp"), members=3)
    fast = model.with_precision("bfloat16")
    assert fast.precision == "bfloat16"
    for exact, rough in zip(
        model.each_member(make_block(), DAYS), fast.each_member(make_block(), DAYS), strict=True
    ):
        np.testing.assert_allclose(rough["land_cover"], exact["land_cover"], atol=0.03)


def test_the_classifier_itself_stays_as_it_is(tmp_path):
    classifier = make_classifier()
    before = classifier.predict_block(make_block(), DAYS)
    model = MonteCarloDropout(classifier, members=2)
    model.predict_block(make_block(), DAYS)
    np.testing.assert_array_equal(classifier.predict_block(make_block(), DAYS), before)
    weights = [next(m._network.parameters()).data_ptr() for m in (classifier, *model.members)]
    assert len(set(weights)) == 1
    with pytest.raises(ModelError, match=r"draw 1 of dropout \(seed 0\) of a classifier"):
        model.members[1].save(tmp_path / "part")


def test_what_gives_no_members_is_refused():
    with pytest.raises(ModelError, match=r"TempCNN has no dropout.*fit_ensemble"):
        MonteCarloDropout(make_classifier(dropout=0.0))
    with pytest.raises(ModelError, match="members 0; give 1 or more"):
        MonteCarloDropout(make_classifier(), members=0)
    with pytest.raises(ModelError, match="seed -1"):
        MonteCarloDropout(make_classifier(), seed=-1)
    with pytest.raises(ModelError, match=r"made of a classifier .* not of a MonteCarloDropout"):
        MonteCarloDropout(MonteCarloDropout(make_classifier()))
    with pytest.raises(ModelError, match=r"AlphaDropout, of which no draw can be kept"):
        fix_dropout(nn.Sequential(nn.AlphaDropout(0.2)), seed=0, member=0)
