"""U-Net: what it sees, that borders and blocks do not matter, and its form for maps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import ConditionalNorm, Embedding
from lulc_xr.models.unet import UNet

SMALL = {"stem": 6, "filters": (4, 6, 8), "dropout": 0.0}


def make_network(*, seed=0, **sizes):
    """Network with the uneven batch norm statistics and scales that training leaves behind."""
    torch.manual_seed(seed)
    usual = {"bands": 3, "dates": 2, "classes": {"cover": 4, "use": 3}, **SMALL}
    network = UNet(**{**usual, **sizes})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.2, 4.0)
        if isinstance(module, (ConditionalNorm, Embedding)):
            for weight in module.parameters():
                nn.init.normal_(weight, mean=0.5, std=0.5)
    return network.eval()


def reach_of(network, *, dates=2, bands=3):
    """Pixels to a side over which a NaN spreads, the most over all places within a cell."""
    stride, side = network.stride, 4 * network.receptive_field + 8
    side = -(-side // stride) * stride
    reach = 0
    for shift in range(stride):
        place = side // 2 // stride * stride + shift
        series = torch.zeros(1, dates, bands, side, side)
        series[0, 0, 0, place, place] = torch.nan
        with torch.no_grad():
            spoilt = network(series)["cover"][0].isnan().any(0)
        for axis in (0, 1):
            touched = spoilt.any(axis).nonzero().ravel()
            reach = max(reach, place - int(touched[0]), int(touched[-1]) - place)
    return reach


@pytest.mark.parametrize("filters", [(4,), (4, 6), (4, 6, 8), (2, 2, 2, 2)])
def test_stated_receptive_field_is_as_far_as_a_missing_value_spreads(filters):
    network = make_network(filters=filters)
    assert reach_of(network) == network.receptive_field


@given(seed=st.integers(0, 100), height=st.integers(1, 70), width=st.integers(1, 70))
@settings(max_examples=15, deadline=None)
def test_window_with_halo_gives_the_map_of_the_whole(seed, height, width):
    network = make_network(seed=seed)
    torch.manual_seed(seed)
    series = torch.randn(1, 2, 3, 75, 71)
    halo, stride = network.receptive_field, network.stride
    top, left = seed % (75 - height + 1), (seed * 7) % (71 - width + 1)
    bottom, right = min(75, top + height + halo), min(71, left + width + halo)
    start = [max(0, (edge - halo) // stride * stride) for edge in (top, left)]
    with torch.no_grad():
        whole = network(series)["cover"]
        part = network(series[..., start[0] : bottom, start[1] : right])["cover"]
    torch.testing.assert_close(
        part[..., top - start[0] :, left - start[1] :][..., :height, :width],
        whole[..., top : top + height, left : left + width],
        atol=1e-5,
        rtol=1e-5,
    )


@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["none", "embedding", "cbn", "mcbn"]),
    stem=st.sampled_from([0, 5]),
    height=st.integers(1, 21),
    width=st.integers(1, 21),
)
@settings(deadline=None)
def test_form_equals_network_with_context_by_pixel(seed, kind, stem, height, width):
    network = make_network(seed=seed, conditioning=kind, context=3, pixel_context=1, stem=stem)
    series, context = torch.randn(1, 2, 3, height, width), torch.randn(1, 3, height, width)
    with torch.no_grad():
        logits = network(series, context=context)
    found = network.inference_form()(series[0], context=context[0])
    for task, values in logits.items():
        torch.testing.assert_close(found[task], values[0].softmax(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["embedding", "cbn", "mcbn"])
def test_constant_map_equals_vector(kind):
    network = make_network(conditioning=kind, context=3, pixel_context=1)
    series, vector = torch.randn(2, 2, 3, 9, 14), torch.randn(2, 3)
    with torch.no_grad():
        expected = network(series, context=vector)["cover"]
        found = network(series, context=vector[:, :, None, None].expand(2, 3, 9, 14))["cover"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_form_scales_and_marks_only_pixels_that_miss_a_value():
    network = make_network()
    mean, std = torch.rand(3), torch.rand(3) + 0.5
    pixels = torch.rand(2, 3, 8, 9)
    scaled = (pixels - mean[:, None, None]) / std[:, None, None]
    pixels[1, 2, 3, 4] = torch.nan
    scaled[1, 2, 3, 4] = 0.0
    with torch.no_grad():
        expected = network(scaled[None])["cover"][0].softmax(0)
    found = network.inference_form(mean=mean.tolist(), std=std.tolist())(pixels)["cover"].clone()
    assert found[:, 3, 4].isnan().all()
    found[:, 3, 4] = expected[:, 3, 4]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_bfloat16_is_close():
    network = make_network(conditioning="cbn", context=2)
    pixels, context = torch.randn(2, 3, 40, 40), torch.randn(2, 40, 40) / 2
    exact = network.inference_form()(pixels, context=context)["cover"]
    rounded = network.inference_form(dtype=torch.bfloat16)(pixels, context=context)["cover"]
    assert rounded.dtype == torch.float32
    assert (rounded.argmax(0) == exact.argmax(0)).float().mean() > 0.95


def test_masked_values_never_matter():
    network = make_network()
    series = torch.randn(2, 2, 3, 8, 8)
    mask = torch.rand(2, 2, 8, 8) > 0.3
    other = torch.where(mask[:, :, None], series, torch.nan)
    with torch.no_grad():
        expected, found = network(series, mask=mask)["use"], network(other, mask=mask)["use"]
    assert torch.equal(found, expected)


def test_learns_from_neighbours_what_a_pixel_alone_does_not_show():
    torch.manual_seed(0)
    stripes = (torch.rand(64) > 0.5).long()
    rows = torch.arange(8)[:, None].expand(8, 8)
    pattern = torch.where(stripes[:, None, None] > 0, rows, rows.T) % 2
    series = pattern[:, None, None].float() + 0.1 * torch.randn(64, 1, 1, 8, 8)
    network = UNet(bands=1, dates=1, classes={"cover": 2}, stem=0, filters=(8, 8))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        middle = network(series)["cover"][:, :, 4, 4]
        nn.functional.cross_entropy(middle, stripes).backward()
        optimizer.step()
    found = network.eval()(series)["cover"][:, :, 4, 4].argmax(1)
    assert (found == stripes).float().mean() > 0.95


def test_inputs_that_do_not_fit_are_named():
    network = make_network(conditioning="cbn", context=2)
    with pytest.raises(ModelError, match=r"\(1, 5, 3, 8, 8\) does not fit a U-Net of 2 dates"):
        network(torch.rand(1, 5, 3, 8, 8))
    with pytest.raises(ModelError, match=r"Pass \(1, 2\) or \(1, 2, 8, 8\)"):
        network(torch.rand(1, 2, 3, 8, 8), context=torch.rand(1, 2, 4, 4))
    with pytest.raises(ModelError, match=r"Pass context of shape \(2, 8, 8\)"):
        network.inference_form()(torch.rand(2, 3, 8, 8))
    with pytest.raises(ModelError, match=r"Pass \(time, 3, y, x\)"):
        network.inference_form()(torch.rand(2, 4, 8, 8))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"filters": ()}, "Give the filters of"),
        ({"dates": 0}, "dates=0. Choose dates >= 1"),
        ({"classes": {}}, "without a task"),
    ],
)
def test_impossible_sizes_are_refused(size, message):
    with pytest.raises(ModelError, match=message):
        make_network(**size)
