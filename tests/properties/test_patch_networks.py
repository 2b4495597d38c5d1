"""Laws of networks of patches in the engine: any chunking and shard gives the map of the whole."""

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.dates import RawDates, RegularDates, plan_year
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Scaling
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.registry import make_network
from lulc_xr.prediction.classify import classify
from lulc_xr.testing import landscape

LEGEND = Legend.from_names("test", ["one", "two", "three"])
BANDS = ("blue", "red", "nir")
TIGHT = {
    "unet": {"stem": 6, "filters": (4, 4, 6)},
    "utae": {"encoder": (4, 4, 4), "decoder": (4, 4), "heads": 2},
}


def make_classifier(name):
    """A tiny network with norms that are no identity, and what it needs of a cube."""
    torch.manual_seed(0)
    dates = RegularDates(freq="QS") if name == "unet" else RawDates(maximum=40)
    number = 4 if name == "unet" else None
    network = make_network(
        name, bands=len(BANDS), dates=number, classes={"land_cover": 3}, **TIGHT[name]
    )
    for module in network.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.bias, 0, 0.5)
    spec = ModelSpec(
        bands=BANDS,
        legends={"land_cover": LEGEND},
        dates=dates,
        scaling=Scaling(mean=(0.1, 0.1, 0.3), std=(0.05, 0.05, 0.1)),
        halo=network.receptive_field,
        stride=network.stride,
    )
    return Classifier(network, name=name, spec=spec)


def whole(cube, model):
    """Probabilities and what was seen, from one call of the model: no engine, no chunks."""
    plan = plan_year(cube["time"].values, model.spec.dates, year=2018)
    pixels = cube["reflectance"].sel(band=list(BANDS)).isel(time=list(plan.positions))
    clear = cube["clear"].isel(time=list(plan.positions)).values
    series, seen = prepare_series(pixels.values.copy(), clear, dates=model.spec.dates, year=plan)
    if model.spec.dates.fill:
        series = np.where(seen, series, np.float32(0))
    return model.predict_block(series, np.asarray(plan.days, np.int32)), seen


@pytest.fixture(scope="module", params=["unet", "utae"])
def model(request):
    return make_classifier(request.param)


@given(
    y=st.integers(3, 90),
    x=st.integers(3, 90),
    chunk=st.integers(15, 60),
    shard=st.integers(20, 70),
    seed=st.integers(0, 50),
)
@settings(max_examples=5, deadline=None)
def test_any_chunking_gives_the_map_of_the_whole(model, y, x, chunk, shard, seed):
    cube = landscape(y=y, x=x, time=8, bands=BANDS, classes=3, seed=seed)
    expected, seen = whole(cube, model)
    with dask.config.set(scheduler="synchronous"):
        lazy = cube.chunk({"y": chunk, "x": chunk})
        maps = classify(lazy, model, outputs=("land_cover", "probability"), shard=shard).compute()
    found = maps["land_cover_probability"].values[0]
    assert found.std() > 0
    np.testing.assert_array_equal(np.isnan(found).all(0), ~seen)
    np.testing.assert_allclose(found[:, seen], expected[:, seen], atol=2e-6)
    top = np.sort(expected, axis=0)
    clear_cut = seen & (top[-1] - top[-2] > 1e-4)
    classes = np.array(LEGEND.ids, np.uint8)[expected.argmax(0)]
    np.testing.assert_array_equal(maps["land_cover"].values[0][clear_cut], classes[clear_cut])
