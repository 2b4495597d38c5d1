"""L-TAE: what it may look at, its gradients, and its inference form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.ltae import LTAE, encode_days

SMALL = {"encoder": (8, 12), "heads": 3, "key": 4, "decoder": (8, 6)}
seeds = st.integers(0, 1000)


def make_network(*, seed=0, bands=4, **sizes):
    """Network with the uneven batch norm statistics and scales that training leaves behind."""
    torch.manual_seed(seed)
    network = LTAE(bands=bands, classes={"cover": 4, "crop": 2}, **{**SMALL, **sizes})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 4.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def make_series(*, pixels=6, dates=9, bands=4):
    """Series (batch, time, band), days (time,), mask (batch, time) with one pixel never seen."""
    mask = torch.rand(pixels, dates) > 0.4
    mask[0] = False
    return torch.randn(pixels, dates, bands), torch.randperm(366)[:dates].sort().values, mask


@given(seed=seeds)
def test_values_at_masked_dates_never_matter(seed):
    network = make_network(seed=seed)
    series, days, mask = make_series()
    other = series.clone()
    other[~mask] = torch.nan
    for training in (False, True):
        network.train(training)
        torch.manual_seed(seed)
        first = network(series, days, mask)
        torch.manual_seed(seed)
        second = network(other, days, mask)
        assert torch.equal(first["cover"], second["cover"])


@given(seed=seeds)
def test_a_masked_date_is_a_date_that_is_not_there(seed):
    network = make_network(seed=seed)
    series, days, _ = make_series()
    mask = torch.ones(series.shape[:2], dtype=torch.bool)
    mask[:, [2, 5]] = False
    kept = mask[0]
    with torch.no_grad():
        masked = network(series, days, mask)["crop"]
        shorter = network(series[:, kept], days[kept])["crop"]
    torch.testing.assert_close(masked, shorter, atol=1e-5, rtol=1e-5)


@given(seed=seeds)
def test_order_of_dates_does_not_matter(seed):
    network = make_network(seed=seed)
    series, days, mask = make_series()
    order = torch.randperm(len(days))
    with torch.no_grad():
        expected = network(series, days, mask)["cover"]
        result = network(series[:, order], days[order], mask[:, order])["cover"]
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_days_matter():
    network = make_network()
    series, days, mask = make_series()
    with torch.no_grad():
        early = network(series, days, mask)["cover"]
        late = network(series, days + 90, mask)["cover"]
    assert not torch.allclose(early[1:], late[1:], atol=1e-3)


def test_days_may_differ_between_pixels():
    network = make_network()
    series, days, mask = make_series()
    with torch.no_grad():
        shared = network(series, days, mask)["cover"]
        own = network(series, days.expand(len(series), -1), mask)["cover"]
    torch.testing.assert_close(shared, own)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixel_without_a_date_stays_finite(dtype):
    network = make_network()
    series, days, _ = make_series()
    never = torch.zeros(series.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        logits = network(series * torch.nan, days, never)["cover"]
    assert logits.isfinite().all()
    assert torch.equal(logits[0], logits[1])
    pixels = series.permute(1, 2, 0).contiguous() * torch.nan
    form = network.inference_form(dtype=dtype)(pixels, days, never.T)["cover"]
    torch.testing.assert_close(form, logits.softmax(1).T, atol=0.02, rtol=0)


@given(
    seed=seeds,
    bands=st.integers(1, 6),
    dates=st.integers(1, 12),
    heads=st.integers(1, 4),
    group=st.integers(1, 5),
    pixels=st.integers(1, 30),
    batch=st.integers(1, 40),
    masked=st.booleans(),
)
def test_inference_form_equals_eval_form(seed, bands, dates, heads, group, pixels, batch, masked):
    network = make_network(seed=seed, bands=bands, encoder=(7, heads * group), heads=heads)
    series, days, mask = make_series(pixels=pixels, dates=dates, bands=bands)
    mask = mask if masked else None
    with torch.no_grad():
        logits = network(series, days, mask)
    form = network.inference_form(batch=batch)
    result = form(series.permute(1, 2, 0).contiguous(), days, None if mask is None else mask.T)
    for task, values in logits.items():
        torch.testing.assert_close(result[task], values.softmax(1).T, atol=1e-5, rtol=0)


def test_inference_form_scales_and_skips_missing_values():
    network = make_network()
    series, days, mask = make_series(pixels=50)
    mean, std = torch.rand(4), torch.rand(4) * 0.2 + 0.05
    with torch.no_grad():
        expected = network((series - mean) / std, days, mask)["cover"].softmax(1).T
    series[~mask] = torch.nan
    form = network.inference_form(mean=mean.tolist(), std=std.tolist())
    result = form(series.permute(1, 2, 0).contiguous(), days, mask.T)["cover"]
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_missing_value_that_no_mask_hides_gives_nan():
    network = make_network()
    series, days, _ = make_series(pixels=4)
    series[2, 3, 1] = torch.nan
    result = network.inference_form()(series.permute(1, 2, 0).contiguous(), days)["cover"]
    assert result.isnan().all(0).tolist() == [False, False, True, False]
    assert result.isnan().sum() == result.shape[0]


def test_bfloat16_is_close():
    network = LTAE(bands=10, classes={"cover": 7}).eval()
    series, days, mask = make_series(pixels=1000, dates=20, bands=10)
    pixels = series.permute(1, 2, 0).contiguous()
    exact = network.inference_form()(pixels, days, mask.T)["cover"]
    rounded = network.inference_form(dtype=torch.bfloat16)(pixels, days, mask.T)["cover"]
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 0.02


def test_gradients_reach_every_parameter():
    network = make_network().train()
    logits = network(*make_series(pixels=32))
    sum(values.square().mean() for values in logits.values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert network.query.grad.abs().sum() > 0
    assert network.key.grad.abs().sum() > 0


def test_learns_when_a_peak_comes():
    torch.manual_seed(0)
    series = torch.randn(256, 12, 2) * 0.3
    late = torch.arange(256) % 2
    series[torch.arange(256), 3 + 5 * late, 0] += 2.0
    mask = torch.rand(256, 12) > 0.2
    mask[torch.arange(256), 3 + 5 * late] = True
    days = torch.arange(12) * 30
    network = LTAE(bands=2, classes={"cover": 2}, **SMALL)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(series, days, mask)["cover"], late).backward()
        optimizer.step()
    found = network.eval()(series, days, mask)["cover"].argmax(1)
    assert (found == late).float().mean() > 0.95


def test_day_encoding_is_pairs_of_sine_and_cosine():
    encoding = encode_days(torch.tensor([0, 10, 250]), 8)
    assert torch.equal(encoding[0], torch.tensor([0.0, 1.0] * 4))
    ones = encoding[:, 0::2].square() + encoding[:, 1::2].square()
    torch.testing.assert_close(ones, torch.ones(3, 4))


def test_sizes_rebuild_the_network():
    network = make_network()
    again = LTAE(**network.sizes)
    again.load_state_dict(network.state_dict())
    inputs = make_series()
    assert torch.equal(again.eval()(*inputs)["cover"], network(*inputs)["cover"])


def test_inputs_that_do_not_fit_are_named():
    network = make_network()
    with pytest.raises(ModelError, match=r"\(5, 7, 3\) does not fit an L-TAE of 4 bands"):
        network(torch.rand(5, 7, 3), torch.arange(7))
    with pytest.raises(ModelError, match=r"days of shape \(6,\) do not fit a series of 7 dates"):
        network(torch.rand(5, 7, 4), torch.arange(6))
    with pytest.raises(ModelError, match="needs the day of each date"):
        network.inference_form()(torch.rand(7, 4, 5))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"heads": 5}, "12 channels cannot be split among 5 heads"),
        ({"key": 0}, "key=0. Choose key >= 1"),
        ({"decoder": ()}, "Give one or more layers"),
    ],
)
def test_impossible_sizes_are_refused(size, message):
    with pytest.raises(ModelError, match=message):
        make_network(**size)
