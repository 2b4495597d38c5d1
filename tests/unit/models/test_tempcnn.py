"""TempCNN: its shapes, its gradients, and its inference form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.tempcnn import TempCNN


def trained_like(network, *, seed=0):
    """Network with the uneven batch norm statistics and scales that training leaves behind."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 4.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def eval_probabilities(network, pixels):
    with torch.no_grad():
        logits = network(pixels.permute(2, 0, 1))
    return {task: values.softmax(1).T for task, values in logits.items()}


@given(
    seed=st.integers(0, 1000),
    bands=st.integers(1, 11),
    dates=st.integers(1, 13),
    filters=st.integers(1, 20),
    kernel=st.sampled_from([1, 3, 5, 7]),
    layers=st.integers(1, 3),
    pixels=st.integers(1, 40),
    batch=st.integers(1, 50),
)
def test_inference_form_equals_eval_form(
    seed, bands, dates, filters, kernel, layers, pixels, batch
):
    network = TempCNN(
        bands=bands,
        dates=dates,
        classes={"cover": 4, "crop": 2},
        filters=filters,
        kernel=kernel,
        layers=layers,
        dense=8,
    )
    trained_like(network, seed=seed)
    x = torch.randn(dates, bands, pixels)
    expected = eval_probabilities(network, x)
    result = network.inference_form(batch=batch)(x)
    for task in expected:
        torch.testing.assert_close(result[task], expected[task], atol=1e-5, rtol=0)


def test_inference_form_scales_as_the_loader_does():
    network = trained_like(TempCNN(bands=10, dates=12, classes={"cover": 7}))
    mean, std = torch.rand(10), torch.rand(10) * 0.2 + 0.05
    pixels = torch.rand(12, 10, 300)
    expected = eval_probabilities(network, (pixels - mean[:, None]) / std[:, None])["cover"]
    form = network.inference_form(mean=mean.tolist(), std=std.tolist())
    torch.testing.assert_close(form(pixels)["cover"], expected, atol=1e-5, rtol=0)


def test_bfloat16_is_close():
    network = trained_like(TempCNN(bands=10, dates=24, classes={"cover": 7}))
    pixels = torch.randn(24, 10, 2000)
    exact = network.inference_form()(pixels)["cover"]
    rounded = network.inference_form(dtype=torch.bfloat16)(pixels)["cover"]
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 0.05
    assert (rounded.argmax(0) == exact.argmax(0)).float().mean() > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("missing", [torch.nan, -torch.nan])
def test_only_a_pixel_with_a_missing_value_has_no_probabilities(dtype, missing):
    network = trained_like(TempCNN(bands=3, dates=6, classes={"cover": 4}))
    pixels = torch.rand(6, 3, 5)
    pixels[2, 1, 3] = missing
    result = network.inference_form(dtype=dtype)(pixels)["cover"]
    assert result.isnan().any(0).tolist() == [False, False, False, True, False]
    assert result[:, 3].isnan().all()


def test_inference_form_keeps_what_was_trained():
    network = trained_like(TempCNN(bands=3, dates=6, classes={"cover": 4}))
    pixels = torch.rand(6, 3, 5)
    form = network.inference_form()
    before = form(pixels)["cover"]
    with torch.no_grad():
        network.dense.weight.zero_()
    assert torch.equal(form(pixels)["cover"], before)


def test_gradients_reach_every_parameter():
    network = TempCNN(bands=3, dates=6, classes={"cover": 4, "crop": 2}, filters=8, dense=16)
    logits = network(torch.randn(32, 6, 3))
    sum(values.square().mean() for values in logits.values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert all(network.heads[task].weight.grad.abs().sum() > 0 for task in ("cover", "crop"))
    assert network.convolutions[0].weight.grad.abs().sum() > 0


def test_learns_when_a_peak_comes():
    torch.manual_seed(0)
    series = torch.randn(256, 12, 2) * 0.3
    late = torch.arange(256) % 2
    series[torch.arange(256), 3 + 5 * late, 0] += 2.0
    network = TempCNN(bands=2, dates=12, classes={"cover": 2}, filters=8, dense=16)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(series)["cover"], late).backward()
        optimizer.step()
    found = network.eval()(series)["cover"].argmax(1)
    assert (found == late).float().mean() > 0.95


def test_sizes_rebuild_the_network():
    network = TempCNN(bands=3, dates=6, classes={"cover": 4}, filters=8, kernel=3, layers=2)
    again = TempCNN(**network.sizes)
    again.load_state_dict(network.state_dict())
    x = torch.rand(5, 6, 3)
    assert torch.equal(again.eval()(x)["cover"], network.eval()(x)["cover"])


def test_wrong_dates_are_named():
    network = TempCNN(bands=3, dates=6, classes={"cover": 4})
    with pytest.raises(ModelError, match=r"\(5, 7, 3\) does not fit a TempCNN of 6 dates"):
        network(torch.rand(5, 7, 3))
    with pytest.raises(ModelError, match="pixels have 7 dates, this TempCNN 6"):
        network.inference_form()(torch.rand(7, 3, 5))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"kernel": 4}, "Choose an odd kernel, such as 5"),
        ({"filters": 0}, "filters=0. Choose filters >= 1"),
        ({"classes": {}}, "without a task"),
    ],
)
def test_impossible_sizes_are_refused(size, message):
    with pytest.raises(ModelError, match=message):
        TempCNN(**{"bands": 3, "dates": 6, "classes": {"cover": 4}, **size})
