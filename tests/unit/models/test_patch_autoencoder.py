"""The autoencoder of patches: sizes, what climate does in it, and that it is a ResNet18."""

import pytest
import torch

from lulc_xr.core.errors import ModelError
from lulc_xr.models.patch_autoencoder import PatchAutoencoder

SMALL = {"bands": 3, "dates": 2, "widths": (4, 8), "blocks": 1}


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def make(**sizes):
    torch.manual_seed(0)
    return PatchAutoencoder(**SMALL | sizes).eval()


def test_encoder_is_a_resnet18_with_a_small_stem():
    network = PatchAutoencoder(bands=13, patch=64)
    assert tuple(network.stem.kernel_size) == tuple(network.stem.stride) == (2, 2)
    convolutions = [
        module
        for part in (network.stem, network.down)
        for module in part.modules()
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size != (1, 1)
    ]
    assert len(convolutions) == 17  # and no dense layer as the eighteenth
    assert [stage.blocks[-1].second.out_channels for stage in network.down] == [64, 128, 256, 512]
    assert network.encode(draw(1, 1, 13, 64, 64)).shape == (1, 512)


@pytest.mark.parametrize("patch", [1, 3, 4, 9, 17])
def test_patches_of_any_side_come_back(patch):
    network = make(patch=patch)
    patches = draw(2, 2, 3, patch, patch)
    assert network(patches).shape == patches.shape
    assert network.encode(patches).shape == (2, 8)


def test_without_conditioning_context_is_ignored():
    network = make(patch=8, context=2)
    patches = draw(3, 2, 3, 8, 8)
    expected = network(patches)
    for context in (draw(3, 2), torch.full((3, 2), torch.nan)):
        assert torch.equal(network(patches, context), expected)


@pytest.mark.parametrize("conditioning", ["embedding", "cbn"])
def test_context_changes_vectors_and_patches(conditioning):
    network = make(patch=8, context=2, conditioning=conditioning, faithful=True)
    patches, warm, cold = draw(3, 2, 3, 8, 8), torch.ones(3, 2), -torch.ones(3, 2)
    assert not torch.allclose(network.encode(patches, warm), network.encode(patches, cold))
    vectors = network.encode(patches, warm)
    differ = not torch.allclose(network.decode(vectors, warm), network.decode(vectors, cold))
    assert differ == (conditioning == "cbn")


@pytest.mark.parametrize("conditioning", ["embedding", "cbn"])
def test_neutral_start_treats_every_climate_alike(conditioning):
    network = make(patch=8, context=2, conditioning=conditioning)
    patches = draw(3, 2, 3, 8, 8)
    torch.testing.assert_close(network(patches, draw(3, 2)), network(patches, draw(3, 2, seed=5)))


def test_missing_is_zero_and_bright_is_one():
    network = make(patch=8)
    patches = draw(1, 2, 3, 8, 8)
    patches[0, 0, 0, :2] = torch.nan
    patches[0, 1, 0, :2] = 3.0
    plain = patches.clone()
    plain[0, 0, 0, :2] = 0
    plain[0, 1, 0, :2] = 1
    assert torch.equal(network.encode(patches), network.encode(plain))


def test_other_patches_are_refused():
    with pytest.raises(ModelError, match=r"\(1, 2, 3, 9, 9\) do not fit .* \(batch, 2, 3, 8, 8\)"):
        make(patch=8).encode(draw(1, 2, 3, 9, 9))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"patch": 0}, "autoencoder with patch=0. Choose patch >= 1"),
        ({"patch": 8, "widths": ()}, "one or more stages"),
        ({"patch": 8, "context": 2, "conditioning": "mcbn"}, "Choose conditioning='cbn'"),
        ({"patch": 8, "conditioning": "cbn"}, "conditioning='cbn' without context"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(sizes, message):
    with pytest.raises(ModelError, match=message):
        make(**sizes)
