"""A user's own torch module as a predictor: pixels, patches, tasks, precision, identity."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Predictor, Scaling
from lulc_xr.models.module import ModulePredictor

LEGEND = Legend.from_names("demo", ["cropland", "woodland", "water"])
DAYS = np.arange(0, 360, 30, dtype=np.int32)


def make_spec(**settings):
    return ModelSpec(
        bands=("red", "nir"),
        dates=RegularDates(),
        **{"legends": {"land_cover": LEGEND}, **settings},
    )


def make_block(y=6, x=7):
    return np.random.default_rng(0).uniform(0, 0.6, (12, 2, y, x)).astype(np.float32)


def pixel_module(classes=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.Dropout(0.5), nn.Linear(8, classes))


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(24, 3, 3, padding=1)

    def forward(self, series):
        return self.convolution(series.flatten(1, 2))


class TwoTasks(nn.Module):
    def __init__(self):
        super().__init__()
        self.cover, self.use = pixel_module(3), pixel_module(2)

    def forward(self, series):
        return {"land_use": self.use(series), "land_cover": self.cover(series)}


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_pixels_reach_the_module_as_series(batch):
    module, block = pixel_module().eval(), make_block()
    series = torch.from_numpy(block.reshape(12, 2, -1).transpose(2, 0, 1).copy())
    with torch.inference_mode():
        expected = module(series).softmax(1).T.reshape(3, 6, 7).numpy()
    predictor = ModulePredictor(module, spec=make_spec(), batch=batch)
    found = predictor.predict_block(block, DAYS, None)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_scaling_is_applied_before_the_module():
    scaling = Scaling(mean=(0.1, 0.3), std=(0.05, 0.2))
    block = make_block()
    mean, std = np.array([[0.1], [0.3]])[..., None], np.array([[0.05], [0.2]])[..., None]
    scaled = ((block - mean) / std).astype(np.float32)
    for module in (pixel_module(), Patches()):
        spatial = isinstance(module, Patches)
        with_scaling = ModulePredictor(module, spec=make_spec(scaling=scaling), spatial=spatial)
        without = ModulePredictor(module, spec=make_spec(), spatial=spatial)
        np.testing.assert_allclose(
            with_scaling.predict_block(block, DAYS), without.predict_block(scaled, DAYS), atol=1e-5
        )


def test_halo_means_patches():
    predictor = ModulePredictor(Patches(), spec=make_spec(halo=1))
    block = make_block()
    whole = predictor.predict_block(block, DAYS)
    part = predictor.predict_block(block[..., 1:6, 2:7], DAYS)
    assert whole.shape == (3, 6, 7)
    np.testing.assert_allclose(part[:, 1:-1, 1:-1], whole[:, 2:5, 3:6], atol=1e-6)


def test_probabilities_are_taken_as_they_are():
    module = nn.Sequential(pixel_module(), nn.Softmax(dim=1))
    given = ModulePredictor(module, spec=make_spec(), softmax=False)
    logits = ModulePredictor(pixel_module(), spec=make_spec())
    np.testing.assert_allclose(
        given.predict_block(make_block(), DAYS), logits.predict_block(make_block(), DAYS), atol=1e-6
    )


def test_several_tasks_come_by_name():
    legends = {"land_cover": LEGEND, "land_use": Legend.from_names("use", ["a", "b"])}
    found = ModulePredictor(TwoTasks(), spec=make_spec(legends=legends)).predict_block(
        make_block(), DAYS
    )
    assert {task: p.shape for task, p in found.items()} == {
        "land_cover": (3, 6, 7),
        "land_use": (2, 6, 7),
    }


def test_precision_can_be_changed_and_changed_back():
    exact = ModulePredictor(pixel_module(), spec=make_spec())
    fast = exact.with_precision("bfloat16")
    a, b = exact.predict_block(make_block(), DAYS), fast.predict_block(make_block(), DAYS)
    assert 0 < np.abs(a - b).max() < 0.02
    np.testing.assert_array_equal(
        fast.with_precision("float32").predict_block(make_block(), DAYS), a
    )


def test_module_of_the_user_stays_as_it_is():
    module = pixel_module().train()
    predictor = ModulePredictor(module, spec=make_spec())
    before = predictor.predict_block(make_block(), DAYS)
    with torch.no_grad():
        module[1].weight.zero_()
    assert module.training
    np.testing.assert_array_equal(predictor.predict_block(make_block(), DAYS), before)


def test_hash_follows_weights_structure_and_specification():
    def hash_of(module, **settings):
        return ModulePredictor(module, spec=make_spec(**settings)).content_hash

    first = hash_of(pixel_module())
    assert first == hash_of(pixel_module())
    changed = pixel_module()
    with torch.no_grad():
        changed[1].bias[0] += 1
    relu = pixel_module()
    relu[2] = nn.ReLU()
    other_spec = hash_of(pixel_module(), scaling=Scaling(mean=(0, 0), std=(1, 1)))
    assert len({first, hash_of(changed), hash_of(relu), other_spec}) == 4


def test_it_can_be_pickled_and_is_a_predictor():
    predictor = ModulePredictor(pixel_module(), spec=make_spec())
    assert isinstance(predictor, Predictor)
    received = pickle.loads(pickle.dumps(predictor))
    assert received.content_hash == predictor.content_hash
    np.testing.assert_array_equal(
        received.predict_block(make_block(), DAYS), predictor.predict_block(make_block(), DAYS)
    )


def test_module_of_other_classes_is_refused():
    predictor = ModulePredictor(pixel_module(4), spec=make_spec())
    with pytest.raises(ModelError, match=r"gave shape \(42, 4\) for task 'land_cover'.*\(42, 3\)"):
        predictor.predict_block(make_block(), DAYS)


def test_module_that_shrinks_a_patch_is_refused():
    module = Patches()
    module.convolution.padding = (0, 0)
    predictor = ModulePredictor(module, spec=make_spec(halo=1))
    with pytest.raises(ModelError, match=r"pad convolutions so that y and x stay"):
        predictor.predict_block(make_block(), DAYS)


def test_wrong_settings_and_blocks_are_refused():
    with pytest.raises(ModelError, match=r"is no torch.nn.Module"):
        ModulePredictor(lambda series: series, spec=make_spec())
    with pytest.raises(ModelError, match=r"spatial=False, but .* halo of 2 pixels"):
        ModulePredictor(pixel_module(), spec=make_spec(halo=2), spatial=False)
    with pytest.raises(ModelError, match=r"batch of 0 pixels"):
        ModulePredictor(pixel_module(), spec=make_spec(), batch=0)
    with pytest.raises(ModelError, match=r"with 2 bands \(red, nir\)"):
        ModulePredictor(pixel_module(), spec=make_spec()).predict_block(make_block()[:, :1], DAYS)
