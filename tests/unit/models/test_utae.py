"""U-TAE: dates and gaps, what it sees, that blocks do not matter, and its form for maps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import ConditionalNorm, Embedding
from lulc_xr.models.utae import UTAE

SMALL = {"encoder": (6, 6, 8), "decoder": (8, 6), "heads": 2, "key": 3, "dropout": 0.0}
DAYS = torch.tensor([5, 80, 81, 200])


def make_network(*, seed=0, **sizes):
    """Network with the uneven batch norm statistics and scales that training leaves behind."""
    torch.manual_seed(seed)
    usual = {"bands": 3, "classes": {"cover": 4, "use": 3}, **SMALL}
    network = UTAE(**{**usual, **sizes})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.2, 2.0)
            if module.affine:
                nn.init.uniform_(module.bias, 0.0, 1.0)  # few units of a network so small are dead
        if isinstance(module, (ConditionalNorm, Embedding)):
            for weight in module.parameters():
                nn.init.normal_(weight, mean=0.3, std=0.3)
    return network.eval()


def make_series(*, batch=2, dates=4, height=9, width=10):
    """Series, days and a mask with clouds, a pixel never seen and a date never seen."""
    mask = torch.rand(batch, dates, height, width) > 0.3
    mask[:, :, 0, 0] = False
    mask[0, 1] = False
    return torch.randn(batch, dates, 3, height, width), DAYS[:dates], mask


def run(network, *inputs, task="cover"):
    with torch.no_grad():
        return network(*inputs)[task]


@pytest.mark.parametrize(
    ("encoder", "decoder"), [((4,), ()), ((4, 4), (4,)), ((4, 4, 8), (4, 6)), ((2,) * 4, (2,) * 3)]
)
def test_stated_receptive_field_is_as_far_as_a_missing_value_spreads(encoder, decoder):
    network = make_network(encoder=encoder, decoder=decoder)
    stride = network.stride
    side = -(-(4 * network.receptive_field + 8) // stride) * stride
    reach = 0
    for shift in range(stride):
        place = side // 2 // stride * stride + shift
        series = torch.zeros(1, 2, 3, side, side)
        series[0, 0, 0, place, place] = torch.nan
        spoilt = run(network, series, DAYS[:2])[0].isnan().any(0)
        for axis in (0, 1):
            touched = spoilt.any(axis).nonzero().ravel()
            reach = max(reach, place - int(touched[0]), int(touched[-1]) - place)
    assert reach == network.receptive_field


@given(seed=st.integers(0, 100), height=st.integers(1, 90), width=st.integers(1, 90))
@settings(max_examples=12, deadline=None)
def test_window_with_halo_gives_the_map_of_the_whole(seed, height, width):
    network = make_network(seed=seed)
    torch.manual_seed(seed)
    series, days, mask = make_series(batch=1, dates=3, height=93, width=90)
    halo, stride = network.receptive_field, network.stride
    top, left = seed % (93 - height + 1), (seed * 7) % (90 - width + 1)
    bottom, right = min(93, top + height + halo), min(90, left + width + halo)
    start = [max(0, (edge - halo) // stride * stride) for edge in (top, left)]
    window = (..., slice(start[0], bottom), slice(start[1], right))
    whole, part = run(network, series, days, mask), run(network, series[window], days, mask[window])
    torch.testing.assert_close(
        part[..., top - start[0] :, left - start[1] :][..., :height, :width],
        whole[..., top : top + height, left : left + width],
        atol=1e-5,
        rtol=1e-5,
    )


@given(seed=st.integers(0, 1000))
@settings(deadline=None)
def test_values_that_are_masked_never_matter(seed):
    network = make_network(seed=seed)
    series, days, mask = make_series()
    other = torch.where(mask[:, :, None], series, torch.nan)
    for training in (False, True):
        network.train(training)
        first, second = run(network, series, days, mask), run(network, other, days, mask)
        assert torch.equal(first, second)
        assert first.isfinite().all()


@given(seed=st.integers(0, 1000))
@settings(deadline=None)
def test_a_masked_date_is_a_date_that_is_not_there(seed):
    network = make_network(seed=seed)
    series, days, mask = make_series()
    mask[:, 2] = False
    kept = [0, 1, 3]
    masked = run(network, series, days, mask)
    shorter = run(network, series[:, kept], days[kept], mask[:, kept])
    torch.testing.assert_close(masked, shorter, atol=1e-5, rtol=1e-5)


def test_order_of_dates_does_not_matter_and_days_do():
    network = make_network()
    series, days, mask = make_series()
    order = torch.tensor([2, 0, 3, 1])
    expected = run(network, series, days, mask)
    found = run(network, series[:, order], days[order], mask[:, order])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    own = run(network, series, days.expand(2, -1), mask)
    torch.testing.assert_close(own, expected)
    assert not torch.allclose(run(network, series, days + 90, mask), expected, atol=1e-3)


def test_nothing_seen_at_all_stays_finite():
    network = make_network()
    series, days, mask = make_series()
    assert run(network, series * torch.nan, days, torch.zeros_like(mask)).isfinite().all()


@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["none", "embedding", "cbn", "mcbn"]),
    masked=st.booleans(),
    height=st.integers(1, 13),
    width=st.integers(1, 13),
)
@settings(deadline=None, max_examples=40)
def test_form_equals_network_with_context_by_pixel(seed, kind, masked, height, width):
    network = make_network(seed=seed, conditioning=kind, context=3, pixel_context=1)
    series, days, mask = make_series(batch=1, height=height, width=width)
    mask, context = mask if masked else None, torch.randn(1, 3, height, width)
    with torch.no_grad():
        logits = network(series, days, mask, context)
    if masked:
        series[~mask[:, :, None].expand_as(series)] = torch.nan
    seen = None if mask is None else mask[0]
    found = network.inference_form()(series[0], days, seen, context[0])
    for task, values in logits.items():
        torch.testing.assert_close(found[task], values[0].softmax(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["embedding", "cbn", "mcbn"])
def test_constant_map_equals_vector(kind):
    network = make_network(conditioning=kind, context=3, pixel_context=1)
    series, days, mask = make_series()
    vector = torch.randn(2, 3)
    maps = vector[:, :, None, None].expand(2, 3, 9, 10)
    expected, found = (
        run(network, series, days, mask, vector),
        run(network, series, days, mask, maps),
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_bfloat16_is_close():
    network = make_network(conditioning="cbn", context=2)
    series, days, mask = make_series(batch=1, height=40, width=40)
    context = torch.randn(2, 40, 40) / 2
    exact = network.inference_form()(series[0], days, mask[0], context)["cover"]
    form = network.inference_form(dtype=torch.bfloat16)
    rounded = form(series[0], days, mask[0], context)["cover"]
    assert rounded.dtype == torch.float32
    assert (rounded.argmax(0) == exact.argmax(0)).float().mean() > 0.95


def test_gradients_reach_every_parameter():
    network = make_network(conditioning="mcbn", context=3, pixel_context=1).train()
    logits = network(*make_series(), torch.randn(2, 3))
    sum(values.square().mean() for values in logits.values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert network.query.grad.abs().sum() > 0
    assert network.key.grad.abs().sum() > 0


def test_learns_when_neighbours_peak():
    torch.manual_seed(0)
    late = torch.arange(48) % 2
    series = 0.3 * torch.randn(48, 6, 1, 8, 8)
    series[torch.arange(48), 1 + 3 * late, :, 2:6, 2:6] += 2.0
    days = torch.arange(6) * 50
    network = UTAE(bands=1, classes={"cover": 2}, **SMALL)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        middle = network(series, days)["cover"][:, :, 4, 4]
        nn.functional.cross_entropy(middle, late).backward()
        optimizer.step()
    found = network.eval()(series, days)["cover"][:, :, 4, 4].argmax(1)
    assert (found == late).float().mean() > 0.95


def test_inputs_that_do_not_fit_are_named():
    network = make_network()
    with pytest.raises(ModelError, match=r"\(1, 5, 2, 8, 8\) does not fit a U-TAE of 3 bands"):
        network(torch.rand(1, 5, 2, 8, 8), DAYS)
    with pytest.raises(ModelError, match=r"days None do not fit a series of 5 dates"):
        network(torch.rand(1, 5, 3, 8, 8))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"heads": 3}, "Choose heads that divide each"),
        ({"decoder": (4,)}, "of the decoder one less"),
        ({"key": 0}, "key=0. Choose key >= 1"),
        ({"classes": {}}, "without a task"),
    ],
)
def test_impossible_sizes_are_refused(size, message):
    with pytest.raises(ModelError, match=message):
        make_network(**size)
