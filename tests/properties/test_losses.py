"""Laws of losses, class weights and weights of tasks."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from lulc_xr.training.loss_config import LossConfig
from lulc_xr.training.losses import (
    class_loss,
    image_loss,
    regression_losses,
    sample_losses,
    tolerant_loss,
    total_variation,
    weigh_counts,
)
from lulc_xr.training.tasks import TaskWeights, mean_over_labelled


@st.composite
def patches(draw, *, labelled=0.3):
    """Logits (batch, class, y, x) with gradient, and sparse labels (batch, y, x)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, classes = draw(st.integers(1, 3)), draw(st.integers(2, 5))
    y, x = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    logits = torch.tensor(rng.normal(0, 2, (batch, classes, y, x)), dtype=torch.float32)
    labels = rng.integers(0, classes, (batch, y, x))
    labels[rng.random(labels.shape) > labelled] = -1
    return logits.requires_grad_(), torch.tensor(labels)


@given(patches(), st.floats(0, 0.9))
def test_focal_of_gamma_0_is_cross_entropy(given_, smoothing):
    logits, labels = given_
    expected = functional.cross_entropy(
        logits, labels, ignore_index=-1, reduction="none", label_smoothing=smoothing
    )
    assert torch.equal(class_loss(logits, labels, gamma=0.0, smoothing=smoothing), expected)


@given(patches(), st.floats(0, 0.9), st.floats(0, 2), st.integers(0, 1000))
def test_class_weights_weigh_pixels_by_their_own_class_alone(given_, smoothing, gamma, seed):
    # Not what smoothing gives to the other classes, as PyTorch's own weights do.
    logits, labels = given_
    weight = torch.tensor(np.random.default_rng(seed).exponential(5, logits.shape[1])).float()
    plain = class_loss(logits, labels, gamma=gamma, smoothing=smoothing)
    weighed = class_loss(logits, labels, gamma=gamma, smoothing=smoothing, weight=weight)
    expected = torch.where(labels >= 0, weight[labels.clamp_min(0)] * plain, 0.0)
    torch.testing.assert_close(weighed, expected)


@given(patches(), st.floats(0.1, 5))
def test_focal_never_exceeds_cross_entropy_and_keeps_its_order(given_, gamma):
    logits, labels = given_
    plain, focal = (class_loss(logits, labels, gamma=g).flatten() for g in (0.0, gamma))
    assert (focal <= plain + 1e-6).all()
    order = plain.argsort()
    assert (focal[order].diff() >= -1e-5).all()


@given(patches(), st.floats(0.2, 3))
def test_focal_is_its_formula(given_, gamma):
    logits, labels = given_
    p = logits.softmax(1).gather(1, labels.clamp_min(0)[:, None])[:, 0]
    expected = torch.where(labels >= 0, -((1 - p) ** gamma) * p.log(), 0.0)
    found = class_loss(logits, labels, gamma=gamma)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@given(patches(), st.sampled_from(["best", "mean"]))
def test_tolerance_0_is_the_pixel_itself(given_, rule):
    logits, labels = given_
    found = tolerant_loss(logits, labels, tolerance=0, rule=rule)
    assert torch.equal(found, class_loss(logits, labels))


@settings(max_examples=30)
@given(patches(), st.integers(1, 3))
def test_the_best_pixel_of_a_window_is_found_by_looking_at_each(given_, tolerance):
    logits, labels = given_
    best = tolerant_loss(logits, labels, tolerance=tolerance, rule="best")
    mean = tolerant_loss(logits, labels, tolerance=tolerance, rule="mean")
    surprise = -logits.log_softmax(1).detach().numpy()
    for sample, y, x in np.argwhere(labels.numpy() >= 0):
        rows = slice(max(0, y - tolerance), y + tolerance + 1)
        columns = slice(max(0, x - tolerance), x + tolerance + 1)
        window = surprise[sample, labels[sample, y, x], rows, columns]
        np.testing.assert_allclose(best[sample, y, x].detach(), window.min(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mean[sample, y, x].detach(), window.mean(), rtol=1e-5, atol=1e-6)
    assert (best[labels < 0] == 0).all()
    assert (mean[labels < 0] == 0).all()


@settings(max_examples=30)
@given(patches(), st.integers(0, 2), st.integers(1, 2))
def test_a_wider_window_never_costs_more(given_, tolerance, wider):
    logits, labels = given_
    narrow, wide = (
        tolerant_loss(logits, labels, tolerance=t) for t in (tolerance, tolerance + wider)
    )
    assert (wide <= narrow + 1e-6).all()


@settings(max_examples=30)
@given(patches(), st.sampled_from(["best", "mean"]), st.integers(0, 2))
def test_pixels_out_of_reach_of_labels_have_no_gradient(given_, rule, tolerance):
    logits, labels = given_
    config = LossConfig(tolerance=tolerance, tolerance_rule=rule, focal_gamma=0.5)
    loss, labelled = sample_losses(logits, labels, config=config)
    loss.sum().backward()
    near = functional.max_pool2d(
        (labels >= 0).float()[:, None], 2 * tolerance + 1, stride=1, padding=tolerance
    )
    assert (logits.grad[(near == 0).expand_as(logits)] == 0).all()
    assert torch.isfinite(logits.grad).all()
    assert torch.equal(labelled, (labels >= 0).flatten(1).any(1))
    assert (loss[~labelled] == 0).all()


@given(patches())
def test_dense_labels_are_the_mean_over_pixels(given_):
    logits, _ = given_
    dense = logits.detach().argmax(1)
    loss, _ = sample_losses(logits, dense, config=LossConfig())
    expected = functional.cross_entropy(logits, dense, reduction="none").mean((1, 2))
    torch.testing.assert_close(loss, expected)


@given(patches(), st.floats(-50, 50))
def test_a_constant_map_has_no_total_variation(given_, shift):
    logits, _ = given_
    constant = logits[..., :1, :1].expand_as(logits) + shift
    assert (total_variation(constant) < 1e-6).all()


@given(patches())
def test_total_variation_lies_between_0_and_1_and_knows_no_direction(given_):
    logits, _ = given_
    found = total_variation(logits)
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()
    torch.testing.assert_close(total_variation(logits.flip(2)), found)
    torch.testing.assert_close(total_variation(logits.transpose(2, 3)), found)


def test_a_board_of_sure_classes_has_all_total_variation():
    board = (torch.arange(4)[:, None] + torch.arange(5)) % 2
    logits = 100 * functional.one_hot(board, 2).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(total_variation(logits), torch.ones(1))


@given(patches())
def test_the_image_term_does_not_care_where_a_class_is(given_):
    logits, labels = given_
    found = image_loss(logits, labels)
    turned = image_loss(logits.flip(2), labels)
    torch.testing.assert_close(found, turned)
    mean = logits.softmax(1).mean((2, 3)).log()
    for sample, own in enumerate(labels):
        seen = own[own >= 0]
        expected = -mean[sample][seen].mean() if len(seen) else torch.tensor(0.0)
        torch.testing.assert_close(found[sample], expected)


COUNTS = arrays(np.float64, st.integers(1, 8), elements=st.integers(0, 5000).map(float))


@given(COUNTS, st.floats(0, 0.9999))
def test_class_weights_keep_the_size_of_the_loss(counts, beta):
    for rule in (None, "balanced", "effective"):
        weights = weigh_counts(counts, rule, beta=beta)
        np.testing.assert_allclose((weights * counts).sum(), counts.sum(), rtol=1e-9)
        assert rule is None or (weights[counts == 0] == 0).all()


@given(COUNTS)
def test_balanced_classes_count_the_same(counts):
    sums = (weigh_counts(counts, "balanced") * counts)[counts > 0]
    np.testing.assert_allclose(sums, counts.sum() / max(1, len(sums)), rtol=1e-9)


@given(COUNTS)
def test_effective_numbers_lie_between_no_weights_and_balanced_ones(counts):
    present = counts > 0
    near_none = weigh_counts(counts, "effective", beta=0.0)[present]
    near_balanced = weigh_counts(counts, "effective", beta=1 - 1e-12)[present]
    np.testing.assert_allclose(near_none, 1.0)
    np.testing.assert_allclose(near_balanced, weigh_counts(counts, "balanced")[present], rtol=1e-3)
    between = weigh_counts(counts, "effective", beta=0.99)[present]
    order = np.argsort(counts[present])
    assert (np.diff(between[order]) <= 1e-9).all()


@given(
    arrays(np.float32, (4, 1, 2, 3), elements=st.floats(-9, 9, width=32)),
    arrays(np.float32, (4, 2, 3), elements=st.sampled_from([np.nan, 0.0, 1.5, -2.0])),
)
def test_targets_that_are_missing_have_no_gradient(predicted, target):
    output, wanted = torch.tensor(predicted, requires_grad=True), torch.tensor(target)
    loss, known = regression_losses(output, wanted)
    loss.sum().backward()
    missing = wanted.isnan()
    assert (output.grad[:, 0][missing] == 0).all()
    assert torch.isfinite(output.grad).all()
    assert torch.equal(known, (~missing).flatten(1).any(1))
    for sample in range(4):
        there = ~missing[sample]
        errors = (output[sample, 0] - wanted[sample])[there] ** 2
        torch.testing.assert_close(loss[sample], errors.mean() if there.any() else torch.zeros(()))


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=4), st.booleans())
def test_learned_weights_stand_at_the_uncertainty_when_they_are_best(losses, squared):
    """The derivative by s is 0 at s = log(loss) of a regression, log(2 loss) of a class."""
    tasks = [f"task{n}" for n in range(len(losses))]
    weights = TaskWeights(tasks, "uncertainty", regressions=tasks if squared else ())
    for task, loss in zip(tasks, losses, strict=True):
        weights.log_variance[task].data += float(np.log(loss if squared else 2 * loss))
    weights({t: torch.tensor(v) for t, v in zip(tasks, losses, strict=True)}).backward()
    for task in tasks:
        assert abs(float(weights.log_variance[task].grad)) < 1e-5


@given(st.floats(0.1, 5), st.floats(0.1, 5))
def test_a_task_without_labels_changes_nothing(first, second):
    for rule in (None, {"a": 0.5, "c": 2.0}, "uncertainty"):
        two, three = TaskWeights(["a", "b"], rule and _known(rule, "ab")), TaskWeights("abc", rule)
        losses = {"a": torch.tensor(first), "b": torch.tensor(second)}
        assert two(losses).item() == three(losses).item()
        if rule == "uncertainty":
            three(losses).backward()
            assert three.log_variance["c"].grad is None
    nothing = torch.zeros(3, dtype=torch.bool)
    assert mean_over_labelled(torch.ones(3), nothing, torch.ones(3)) is None


def _known(rule, tasks):
    return rule if isinstance(rule, str) else {t: v for t, v in rule.items() if t in tasks}


def test_weights_of_tasks_are_checked():
    with pytest.raises(ValueError, match=r"unknown task in task_weights 'crops'.*land_cover"):
        TaskWeights(["land_cover"], {"crops": 1.0})
    with pytest.raises(ValueError, match=r"task weight -1 of 'a'; expected a value >= 0"):
        TaskWeights(["a"], {"a": -1})
    with pytest.raises(ValueError, match="are all 0: nothing would be learned"):
        TaskWeights(["a"], {"a": 0.0})
    with pytest.raises(ValueError, match="task_weights 'learned'; expected None, 'uncertainty'"):
        TaskWeights(["a"], "learned")
