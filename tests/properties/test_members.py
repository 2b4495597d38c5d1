"""Laws of members: their mean is the map, in any order, for any chunking and process."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from lulc_xr.core.dates import RegularDates
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Scaling
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.ensemble import Ensemble
from lulc_xr.models.monte_carlo import MonteCarloDropout
from lulc_xr.models.registry import make_network
from lulc_xr.models.view import ViewRanges
from lulc_xr.models.views import TestTimeAugmentation
from lulc_xr.prediction.classify import classify
from lulc_xr.testing import landscape
from tests.predictors import LEGEND
from tests.properties.test_engine import whole

STRONG = ViewRanges(brightness=0.2, shift=20, left_out=0.4)
# Wide where dropout is: of few channels two draws may well leave out the same.
NETWORKS = {
    "tempcnn": {"filters": 8, "dense": 16, "dropout": 0.3},
    "ltae": {"dropout": 0.4},
    "resmlp": {"width": 16, "hidden": 32, "dropout": 0.3},
    "unet": {"filters": (16, 8, 8), "stem": 4, "dropout": 0.4},
    "utae": {"encoder": (8, 32), "decoder": (8,), "heads": 2, "dropout": 0.4},
}
KINDS = ("ensemble", "dropout", "views")


def make_classifier(name, seed):
    dates = RegularDates(freq="2MS", fill="linear")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network(
            name, bands=2, dates=6, classes={"land_cover": len(LEGEND)}, **NETWORKS[name]
        )
    spec = ModelSpec(
        bands=("red", "nir"),
        legends={"land_cover": Legend.from_dict(LEGEND.to_dict())},
        dates=dates,
        scaling=Scaling(mean=(0.1, 0.3), std=(0.1, 0.1)),
        halo=int(getattr(network, "receptive_field", 0)),
        stride=int(getattr(network, "stride", 1)),
    )
    return Classifier(network.eval(), name=name, spec=spec)


def make_model(kind, name, *, seed=0, members=3):
    if kind == "ensemble":
        return Ensemble([make_classifier(name, seed + i) for i in range(members)])
    if kind == "dropout":
        return MonteCarloDropout(make_classifier(name, 0), members=members, seed=seed)
    return TestTimeAugmentation(make_classifier(name, 0), members=members, seed=seed, ranges=STRONG)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
@given(st.data())
@settings(max_examples=4, deadline=None)
def test_any_chunking_gives_the_same_map(kind, name, data):
    y, x, shard, chunk = (data.draw(st.integers(1, 45)) for _ in range(4))
    model = make_model(kind, name, seed=data.draw(st.integers(0, 999)), members=2)
    cube = landscape(y=y, x=x, time=12, bands=("nir", "green", "red"), classes=3, seed=y)
    expected = whole(cube, model)["land_cover_probability"]
    lazy = cube.chunk({"y": max(chunk, y // 3), "x": max(chunk, x // 3)})
    maps = classify(lazy, model, outputs=("probability",), shard=max(shard, max(x, y) // 3))
    found = maps.compute(scheduler="threads")["land_cover_probability"].values[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**32 - 9), st.sampled_from(sorted(NETWORKS)), st.integers(1, 9))
@settings(max_examples=10, deadline=None)
def test_the_mean_of_members_is_the_prediction_in_any_order(kind, seed, name, side):
    model = make_model(kind, name, seed=seed % (2**31))
    rng = np.random.default_rng(seed)
    block = rng.uniform(0, 0.6, (6, 2, side, side + 1)).astype(np.float32)
    days = np.arange(0, 360, 60, dtype=np.int32)
    each = [dict(found)["land_cover"] for found in model.each_member(block, days)]
    found = model.predict_block(block, days)
    np.testing.assert_allclose(np.mean(each, axis=0), found, atol=1e-6)
    np.testing.assert_allclose(np.mean(each[::-1], axis=0), found, atol=1e-6)
    assert len(each) == len(model) == 3
    assert max(np.abs(a - b).max() for a in each for b in each) > 1e-7
