"""Thresholds of pseudo-labels never shut a class out; sharpening and ramps do what they say."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lulc_xr.training.pseudo_labels import (
    ClassThresholds,
    pixels_of,
    ramp_up,
    sharpen,
    soft_cross_entropy,
)


def predictions(seed, *, samples=64, classes=4, rare=0.0):
    """Probabilities that hardly ever name the last class, and then without confidence."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(samples, classes, generator=generator)
    logits[:, -1] -= rare
    return logits.softmax(dim=1)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 12),
    st.floats(0, 30),
    st.floats(0, 0.999),
    st.integers(1, 30),
)
def test_thresholds_lie_below_the_average_confidence(seed, classes, rare, decay, steps):
    thresholds = ClassThresholds(classes, kind="freematch", decay=decay)
    for step in range(steps):
        thresholds.update(predictions(seed + step, classes=classes, rare=rare))
    values = thresholds.values()
    assert (values <= thresholds.confidence + 1e-6).all()
    assert (values > 0).all()
    assert thresholds.confidence <= 1
    torch.testing.assert_close(values.max(), thresholds.confidence)
    order = thresholds.probability.argsort()
    assert (values[order].diff() >= 0).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.floats(0.05, 1))
def test_no_class_is_excluded_for_ever(seed, classes, share):
    # The network was sure of all classes, then hardly dares to say the last one. The most
    # confident of what it says is believed again after some steps, while a fixed threshold
    # believes nothing of it.
    barely = torch.full((8, classes), (1 - 0.01) / classes)
    barely[:, -1] += torch.linspace(0.005, 0.01, 8)
    barely = barely / barely.sum(dim=1, keepdim=True)
    for kind in ("adaptive", "freematch"):
        thresholds = ClassThresholds(classes, kind=kind, share=share, decay=0.9)
        for step in range(10):
            thresholds.update((10 * predictions(seed + step, classes=classes)).softmax(dim=1))
        steps = 0
        while not thresholds.believed(barely).any():
            others = predictions(seed, samples=16, classes=classes, rare=50.0)
            thresholds.update(torch.cat([others, barely]))
            steps += 1
            assert steps < 200, kind
    fixed = ClassThresholds(classes, kind="fixed", fixed=0.95)
    fixed.update(barely)
    assert not fixed.believed(barely).any()


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_adaptive_thresholds_believe_the_same_share_of_every_class(share):
    thresholds = ClassThresholds(4, kind="adaptive", share=share, decay=0.9)
    for step in range(200):
        thresholds.update(predictions(step, samples=512, rare=1.5))
    found = predictions(777, samples=20_000, rare=1.5)
    believed, label = thresholds.believed(found), found.argmax(dim=1)
    each = [believed[label == c].float().mean().item() for c in range(4)]
    assert each == pytest.approx([share] * 4, abs=0.06 if share < 1 else 0.2)
    assert (label == 3).float().mean() < 0.15


def test_a_class_that_is_not_predicted_keeps_its_threshold():
    thresholds = ClassThresholds(3, kind="adaptive")
    before = thresholds.values().clone()
    thresholds.update(torch.tensor([[0.9, 0.05, 0.05]]))
    after = thresholds.values()
    assert after[0] > before[0]
    assert torch.equal(after[1:], before[1:])


def test_fixed_thresholds_stay():
    thresholds = ClassThresholds(3, kind="fixed", fixed=0.8)
    thresholds.update(predictions(0, classes=3))
    assert torch.equal(thresholds.values(), torch.full((3,), 0.8))
    probability = torch.tensor([[0.81, 0.1, 0.09], [0.79, 0.2, 0.01]])
    assert thresholds.believed(probability).tolist() == [True, False]


def test_averages_follow_freematch():
    thresholds = ClassThresholds(2, kind="freematch", decay=0.9)
    thresholds.update(torch.tensor([[0.9, 0.1], [0.7, 0.3]]))
    torch.testing.assert_close(thresholds.confidence, torch.tensor(0.9 * 0.5 + 0.1 * 0.8))
    torch.testing.assert_close(thresholds.probability, torch.tensor([0.53, 0.47]))
    expected = torch.tensor([0.53, 0.53 * 0.47 / 0.53])
    torch.testing.assert_close(thresholds.values(), expected)


def test_averages_are_part_of_the_state_and_no_sample_changes_nothing():
    thresholds = ClassThresholds(3, kind="freematch")
    thresholds.update(predictions(0, classes=3))
    before = thresholds.values()
    thresholds.update(torch.zeros(0, 3))
    assert torch.equal(thresholds.values(), before)
    other = ClassThresholds(3, kind="freematch")
    other.load_state_dict(thresholds.state_dict())
    assert torch.equal(other.values(), before)


@pytest.mark.parametrize("temperature", [0.0, 0.05, 0.5, 1.0, 2.0])
def test_sharpened_probabilities_keep_their_order_and_sum(temperature):
    given_ones = predictions(1)
    found = sharpen(given_ones, temperature)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(64))
    assert torch.equal(found.argmax(dim=1), given_ones.argmax(dim=1))
    larger = found.max(dim=1).values - given_ones.max(dim=1).values
    assert (larger <= 1e-6).all() if temperature >= 1 else (larger >= -1e-6).all()
    if temperature == 1:
        torch.testing.assert_close(found, given_ones)


def test_weight_rises_from_nearly_0_to_1_and_stays():
    values = [ramp_up(step, steps=50) for step in range(80)]
    assert values[0] == pytest.approx(math.exp(-5))
    assert all(a < b for a, b in pairwise(values[:51]))
    assert values[50:] == [1.0] * 30
    assert ramp_up(0, steps=0) == 1.0


def test_pixels_are_laid_out_class_last():
    dense = torch.randn(2, 5, 3, 4)
    flat = pixels_of(dense)
    assert torch.equal(flat[1 * 12 + 2 * 4 + 3], dense[1, :, 2, 3])
    assert pixels_of(dense[:, :, 0, 0]).shape == (2, 5)


def test_cross_entropy_of_hard_labels_is_that_of_torch():
    logits, labels = torch.randn(8, 3), torch.arange(8) % 3
    found = soft_cross_entropy(logits, torch.nn.functional.one_hot(labels, 3).float())
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(found, expected)
