"""ResMLP: its inference form, its waves, and what it learns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.resmlp import ResMLP

SMALL = {"width": 12, "hidden": 10, "blocks": 2}


def make_network(*, seed=0, **sizes):
    """Network with the uneven batch norm statistics and scales that training leaves behind."""
    torch.manual_seed(seed)
    network = ResMLP(
        **{"bands": 5, "dates": 2, "classes": {"cover": 4, "use": 3}, **SMALL, **sizes}
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 4.0)
    return network.eval()


@given(
    seed=st.integers(0, 1000),
    frequencies=st.integers(0, 4),
    kind=st.sampled_from(["none", "embedding", "cbn", "mcbn"]),
    batch=st.integers(1, 40),
)
def test_inference_form_equals_eval_form(seed, frequencies, kind, batch):
    network = make_network(
        seed=seed, frequencies=frequencies, conditioning=kind, context=3, pixel_context=1,
        faithful=True,
    )  # fmt: skip
    series, context = torch.randn(30, 2, 5), torch.randn(30, 3)
    with torch.no_grad():
        logits = network(series, context=context)
    form = network.inference_form(batch=batch)
    found = form(series.permute(1, 2, 0).contiguous(), context=context.T.contiguous())
    for task, values in logits.items():
        torch.testing.assert_close(found[task], values.softmax(1).T, atol=1e-5, rtol=0)


def test_bfloat16_is_close():
    network = make_network(width=64, hidden=64)
    pixels = torch.randn(2, 5, 2000)
    exact = network.inference_form()(pixels)["cover"]
    rounded = network.inference_form(dtype=torch.bfloat16)(pixels)["cover"]
    assert (rounded.argmax(0) == exact.argmax(0)).float().mean() > 0.98


def test_only_a_pixel_with_a_missing_value_has_no_probabilities():
    pixels = torch.rand(2, 5, 4)
    pixels[1, 3, 2] = torch.nan
    found = make_network().inference_form()(pixels)["cover"]
    assert found.isnan().any(0).tolist() == [False, False, True, False]


def test_waves_are_sines_and_cosines_of_each_value():
    waves = make_network(frequencies=3).waves
    values = torch.randn(4, 10)
    found = waves(values)
    assert torch.equal(found[:, :10], values)
    squares = found[:, 10:40].square() + found[:, 40:].square()
    torch.testing.assert_close(squares, torch.ones(4, 30))
    angle = 2 * torch.pi * values[2, 7] * waves.frequencies[7, 1]
    torch.testing.assert_close(found[2, 10 + 7 * 3 + 1], angle.sin())


def test_learns_a_rule_of_two_values():
    torch.manual_seed(0)
    series = torch.randn(512, 1, 4)
    label = (series[:, 0, 0] * series[:, 0, 1] > 0).long()
    network = ResMLP(bands=4, dates=1, classes={"cover": 2}, width=32, hidden=32, blocks=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(series)["cover"], label).backward()
        optimizer.step()
    fresh = torch.randn(512, 1, 4)
    found = network.eval()(fresh)["cover"].argmax(1)
    assert (found == (fresh[:, 0, 0] * fresh[:, 0, 1] > 0)).float().mean() > 0.9


def test_wrong_dates_are_named():
    with pytest.raises(ModelError, match=r"\(5, 7, 5\) does not fit a ResMLP of 2 dates"):
        make_network()(torch.rand(5, 7, 5))
    with pytest.raises(ModelError, match="pixels have 7 dates, this ResMLP 2"):
        make_network().inference_form()(torch.rand(7, 5, 5))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"blocks": 0}, "blocks=0. Choose blocks >= 1"),
        ({"frequencies": -1}, "Choose frequencies >= 0"),
        ({"classes": {}}, "without a task"),
    ],
)
def test_impossible_sizes_are_refused(size, message):
    with pytest.raises(ModelError, match=message):
        make_network(**size)
