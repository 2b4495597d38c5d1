"""Conditioning on climate and place: arithmetic, start, and the networks that take it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models.conditioning import (
    ConditionalNorm,
    Conditioning,
    Embedding,
    apply_norm,
    pool_context,
)
from lulc_xr.models.folded_layer import FoldedLayer
from lulc_xr.models.ltae import LTAE
from lulc_xr.models.resmlp import ResMLP
from lulc_xr.models.tempcnn import TempCNN

SHAPES = [(6, 4), (6, 4, 7), (6, 4, 5, 3)]


def uneven(module):
    """Statistics and weights as training leaves them, context included."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.running_mean.normal_()
            part.running_var.uniform_(0.2, 4.0)
        if isinstance(part, (ConditionalNorm, Embedding)):
            for weight in part.parameters():
                nn.init.normal_(weight, std=0.5)
    return module.eval()


@pytest.mark.parametrize("shape", SHAPES)
def test_conditional_norm_is_gamma_times_normalised_plus_beta(shape):
    torch.manual_seed(0)
    norm = ConditionalNorm(4, context=3, faithful=True, spatial=len(shape) == 4)
    values, context = torch.randn(shape) * 3 + 1, torch.randn(6, 3)
    result = norm(values, context)
    axes = tuple(axis for axis in range(len(shape)) if axis != 1)
    mean = values.mean(axes, keepdim=True)
    spread = values.var(axes, unbiased=False, keepdim=True)
    normal = (values - mean) / (spread + 1e-5).sqrt()
    gamma, beta = (context @ norm.affine.weight.T + norm.affine.bias).split(4, dim=1)
    ones = (1,) * (len(shape) - 2)
    expected = gamma.view(6, 4, *ones) * normal + beta.view(6, 4, *ones)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_two_branches_multiply_scales_and_add_shifts():
    torch.manual_seed(0)
    norm = uneven(ConditionalNorm(4, context=5, pixel_context=2, spatial=True))
    context = torch.randn(2, 5, 3, 3)
    gamma, beta = norm.scale_and_shift(context)
    place = context[1, :, 2, 0]
    one = place[:3] @ norm.affine.weight.T + norm.affine.bias
    two = place[3:] @ norm.pixel_affine.weight.T + norm.pixel_affine.bias
    torch.testing.assert_close(gamma[1, :, 2, 0], one[:4] * two[:4])
    torch.testing.assert_close(beta[1, :, 2, 0], one[4:] + two[4:])


@pytest.mark.parametrize("kind", ["cbn", "mcbn"])
@pytest.mark.parametrize("shape", SHAPES)
def test_neutral_start_is_a_plain_batch_norm(kind, shape):
    conditioning = Conditioning(kind=kind, context=3, pixel_context=1)
    spatial = len(shape) == 4
    norm = conditioning.make_norm(4, spatial=spatial)
    plain = Conditioning().make_norm(4, spatial=spatial)
    values = torch.randn(shape)
    found = apply_norm(norm, values, torch.randn(6, 3))
    torch.testing.assert_close(found, apply_norm(plain, values, None))


def test_faithful_start_is_that_of_a_linear_layer():
    torch.manual_seed(7)
    norm = ConditionalNorm(4, context=3, faithful=True)
    torch.manual_seed(7)
    layer = nn.Linear(3, 8)
    assert torch.equal(norm.affine.weight, layer.weight)
    assert torch.equal(norm.affine.bias, layer.bias)


@pytest.mark.parametrize("kind", ["cbn", "mcbn", "embedding"])
def test_constant_map_equals_vector(kind):
    torch.manual_seed(0)
    conditioning = Conditioning(kind=kind, context=3, pixel_context=1)
    made = conditioning.make_embedding(4) or conditioning.make_norm(4, spatial=True)
    made = uneven(made)
    values, vector = torch.randn(2, 4, 5, 6), torch.randn(2, 3)
    maps = vector[:, :, None, None].expand(2, 3, 5, 6)
    torch.testing.assert_close(made(values, maps), made(values, vector), atol=1e-5, rtol=1e-5)


def test_rows_take_the_context_of_their_sample():
    torch.manual_seed(0)
    norm = uneven(ConditionalNorm(4, context=3))
    values, context, rows = torch.randn(5, 4), torch.randn(2, 3), torch.tensor([1, 0, 0, 1, 1])
    torch.testing.assert_close(norm(values, context, rows), norm(values, context[rows]))


def test_map_is_averaged_to_coarser_scales_and_a_vector_is_not():
    maps, vector = torch.rand(2, 3, 8, 4), torch.rand(2, 3)
    coarse = pool_context(maps, 4)
    torch.testing.assert_close(coarse[:, :, 1, 0], maps[:, :, 4:, :].mean((2, 3)))
    assert pool_context(vector, 4) is vector
    assert pool_context(None, 4) is None


def test_without_context_nothing_is_added_to_sizes_or_weights():
    plain = nn.BatchNorm1d(4)
    assert Conditioning().make_norm(4).state_dict().keys() == plain.state_dict().keys()
    assert Conditioning().sizes == {}
    assert "context" not in TempCNN(bands=3, dates=6, classes={"cover": 2}).sizes
    assert set(LTAE(bands=3, classes={"cover": 2}).sizes) == {
        *("bands", "dates", "classes", "encoder", "heads", "key", "decoder", "dropout")
    }


@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["cbn", "mcbn"]),
    layer=st.sampled_from(["linear", "time", "image", "up"]),
)
def test_folded_layer_equals_layer_norm_and_relu(seed, kind, layer):
    torch.manual_seed(seed)
    conditioning = Conditioning(kind=kind, context=3, pixel_context=1)
    built = {
        "linear": nn.Linear(5, 4),
        "time": nn.Conv1d(5, 4, 3, padding=1),
        "image": nn.Conv2d(5, 4, 3, padding=1, stride=2),
        "up": nn.ConvTranspose2d(5, 4, 2, stride=2),
    }[layer]
    norm = uneven(conditioning.make_norm(4, spatial=layer in ("image", "up")))
    shape = {"linear": (6, 5), "time": (6, 5, 7)}.get(layer, (6, 5, 8, 4))
    values, context = torch.randn(shape), torch.randn(6, 3)
    expected = norm(built(values), context).relu()
    folded = FoldedLayer(built, norm, dtype=torch.float32)
    if layer == "time":
        image = values.permute(1, 0, 2)[None]
        found = folded(image, context.T[None, :, :, None])[0].permute(1, 0, 2)
    else:
        found = folded(values, context)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


NETWORKS = [TempCNN, LTAE, ResMLP]


def make_network(network, kind, **settings):
    torch.manual_seed(0)
    arguments = {"context": 5, "conditioning": kind, "pixel_context": 2, **settings}
    return network(bands=3, dates=6, classes={"cover": 4, "crop": 2}, **arguments)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", ["none", "embedding", "cbn", "mcbn"])
def test_form_equals_network_where_every_pixel_has_its_own_context(network, kind):
    network = uneven(make_network(network, kind))
    series, context, days = torch.randn(40, 6, 3), torch.randn(40, 5), torch.arange(6) * 50
    with torch.no_grad():
        logits = network(series, days, None, context)
    form = network.inference_form(batch=16)
    found = form(series.permute(1, 2, 0).contiguous(), days, None, context.T.contiguous())
    for task, values in logits.items():
        torch.testing.assert_close(found[task], values.softmax(1).T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_bfloat16_form_with_context_is_close(network):
    network = uneven(make_network(network, "cbn"))
    pixels, context, days = torch.randn(6, 3, 500), torch.randn(5, 500) / 2, torch.arange(6) * 50
    exact = network.inference_form()(pixels, days, None, context)["cover"]
    rounded = network.inference_form(dtype=torch.bfloat16)(pixels, days, None, context)["cover"]
    assert (rounded.argmax(0) == exact.argmax(0)).float().mean() > 0.97


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", ["embedding", "cbn", "mcbn"])
def test_context_changes_the_logits_and_its_weights_learn(network, kind):
    network = make_network(network, kind, faithful=True)
    series, days, context = torch.randn(20, 6, 3), torch.arange(6) * 50, torch.randn(20, 5)
    logits = network(series, days, None, context)
    sum(values.square().mean() for values in logits.values()).backward()
    for name, parameter in network.named_parameters():
        if "affine" in name or "embedding" in name:
            assert parameter.grad.abs().sum() > 0, name
    network.eval()
    with torch.no_grad():
        first = network(series, days, None, context)["cover"]
        second = network(series, days, None, context + 1)["cover"]
    assert not torch.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("network", NETWORKS)
def test_context_is_ignored_without_conditioning(network):
    network = make_network(network, "none").eval()
    series, days = torch.randn(4, 6, 3), torch.arange(6) * 50
    with torch.no_grad():
        expected = network(series, days)["cover"]
        assert torch.equal(network(series, days, None, torch.rand(4, 5))["cover"], expected)
    pixels = series.permute(1, 2, 0).contiguous()
    assert network.inference_form()(pixels, days)["cover"].isfinite().all()


@pytest.mark.parametrize("network", NETWORKS)
def test_sizes_rebuild_a_conditioned_network(network):
    network = uneven(make_network(network, "mcbn"))
    again = type(network)(**network.sizes)
    again.load_state_dict(network.state_dict())
    inputs = torch.randn(4, 6, 3), torch.arange(6) * 50, None, torch.randn(4, 5)
    assert torch.equal(again.eval()(*inputs)["cover"], network(*inputs)["cover"])


@pytest.mark.parametrize("network", NETWORKS)
def test_missing_context_is_named(network):
    network = make_network(network, "cbn")
    series, days = torch.randn(4, 6, 3), torch.arange(6) * 50
    with pytest.raises(ModelError, match=r"conditioned on 5 context variables, and got none"):
        network(series, days)
    with pytest.raises(ModelError, match=r"shape \(4, 2\) does not fit .* Pass \(4, 5\)"):
        network(series, days, None, torch.rand(4, 2))
    with pytest.raises(ModelError, match=r"conditioned on 5 context variables. Pass context of"):
        network.inference_form()(series.permute(1, 2, 0).contiguous(), days)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "film", "context": 3}, r"conditioning 'film'.*cbn"),
        ({"kind": "cbn"}, "conditioning='cbn' without context"),
        ({"kind": "mcbn", "context": 3}, "needs both branches"),
        ({"kind": "mcbn", "context": 3, "pixel_context": 3}, "needs both branches"),
        ({"context": 3, "pixel_context": 4}, "0 <= pixel_context <= context"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ModelError, match=message):
        Conditioning(**settings)
