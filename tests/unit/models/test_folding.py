"""Folded batch norm and the frame that every inference form shares."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.folding import InferenceForm, fold_batch_norm, rectify, stack_heads


class _BandMeans(InferenceForm):
    """Two tasks whose logits are means over time of the first bands."""

    def logits(self, pixels, days, mask):
        return pixels.mean(0).T


def band_means(**settings):
    values = {"mean": None, "std": None, "dtype": torch.float32, "batch": 4, **settings}
    return _BandMeans(classes={"cover": 2, "crop": 3}, bands=5, **values)


@given(
    seed=st.integers(0, 1000),
    before=st.integers(1, 9),
    after=st.integers(1, 9),
    affine=st.booleans(),
    convolution=st.booleans(),
    bias=st.booleans(),
)
def test_folded_layer_equals_layer_and_norm(seed, before, after, affine, convolution, bias):
    torch.manual_seed(seed)
    norm = nn.BatchNorm1d(after, affine=affine)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 4.0)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    norm.eval()
    if convolution:
        layer, shape, apply = (
            nn.Conv1d(before, after, 3, bias=bias),
            (2, before, 7),
            nn.functional.conv1d,
        )
    else:
        layer, shape, apply = nn.Linear(before, after, bias=bias), (6, before), nn.functional.linear
    x = torch.randn(shape)
    weight, shift = fold_batch_norm(layer, norm)
    torch.testing.assert_close(apply(x, weight, shift), norm(layer(x)), atol=1e-5, rtol=1e-5)


def test_norm_without_statistics_is_refused():
    norm = nn.BatchNorm1d(2, track_running_stats=False)
    with pytest.raises(ModelError, match=r"without running statistics.*track_running_stats=True"):
        fold_batch_norm(nn.Linear(3, 2), norm)


def test_other_layers_are_refused():
    with pytest.raises(ModelError, match="LayerNorm cannot be folded into Linear"):
        fold_batch_norm(nn.Linear(3, 2), nn.LayerNorm(2))


@given(values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rectify_is_relu(dtype, values):
    x = torch.tensor(values).to(dtype)
    assert torch.equal(rectify(x.clone()), x.relu())


def test_heads_are_stacked_in_their_order():
    heads = nn.ModuleDict({"cover": nn.Linear(4, 2), "crop": nn.Linear(4, 3)})
    weight, bias = stack_heads(heads)
    x = torch.randn(6, 4)
    together = nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(together, torch.cat([heads[t](x) for t in ("cover", "crop")], 1))


@given(batch=st.integers(1, 12), count=st.integers(0, 11))
def test_any_batch_gives_the_same_probabilities(batch, count):
    pixels = torch.rand(3, 5, count)
    result = band_means(batch=batch)(pixels)
    logits = pixels.mean(0)
    torch.testing.assert_close(result["cover"], logits[:2].softmax(0))
    torch.testing.assert_close(result["crop"], logits[2:].softmax(0))
    assert result["cover"].is_contiguous()


def test_pixels_are_scaled_once_and_left_alone():
    mean, std = torch.rand(5), torch.rand(5) + 0.5
    pixels = torch.rand(3, 5, 7)
    before = pixels.clone()
    scaled = (pixels - mean[:, None]) / std[:, None]
    result = band_means(mean=mean.tolist(), std=std.tolist())(pixels)
    torch.testing.assert_close(result["crop"], band_means()(scaled)["crop"])
    assert torch.equal(pixels, before)


def test_wrong_bands_are_named():
    with pytest.raises(ModelError, match=r"\(3, 4, 7\) do not fit a network of 5 bands"):
        band_means()(torch.rand(3, 4, 7))


def test_scaling_of_other_bands_is_refused():
    with pytest.raises(ModelError, match=r"mean has shape \(2,\), the network 5 bands"):
        band_means(mean=[0.1, 0.2])


def test_precision_and_batch_are_checked():
    with pytest.raises(ModelError, match=r"no precision torch.float16. Use torch.float32"):
        band_means(dtype=torch.float16)
    with pytest.raises(ModelError, match="batch of 0 pixels"):
        band_means(batch=0)
