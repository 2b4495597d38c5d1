"""One training step over several tasks: pixels and patches, missing labels, values at fault."""

import numpy as np
import pytest
import torch
from torch import nn

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import Scaling
from lulc_xr.models.registry import make_network
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.loader import SampleBatches
from lulc_xr.testing import landscape, points
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.faults import explain_fault
from lulc_xr.training.learner import Learner
from lulc_xr.training.loss_config import LossConfig
from lulc_xr.training.losses import total_variation
from lulc_xr.training.regressions import scale_targets, with_targets

USE = Legend.from_names("use", ["used", "unused"])
ONE = Scaling(mean=(0.2,) * 10, std=(0.1,) * 10)


class Window(nn.Module):
    """Patches to logits by one convolution over the mean of the dates."""

    spatial = True
    needs_fixed_dates = False
    receptive_field = 1

    def __init__(self, classes):
        super().__init__()
        self.convolution = nn.Conv2d(10, 8, 3, padding=1)
        self.heads = nn.ModuleDict({task: nn.Conv2d(8, n, 1) for task, n in classes.items()})

    def forward(self, series, days=None, mask=None, context=None):
        hidden = self.convolution(series.mean(1)).relu()
        return {task: head(hidden) for task, head in self.heads.items()}


@pytest.fixture(scope="module")
def cube():
    return landscape(y=64, x=64, classes=4)


def two_tasks(cube, *, patch=1):
    """Samples of land cover and of land use; a third of the labels of use are missing."""
    samples = extract_samples(cube, points(cube, per_class=6), patch=patch)
    use = np.where(samples["land_cover"].values <= 2, USE.ids[0], USE.ids[1]).astype(np.uint8)
    use[::3] = 255
    samples["land_use"] = ("sample", use, USE.flags())
    return samples.assign_attrs(tasks="land_cover land_use")


def learner_of(network, samples, *, targets=None, **settings):
    classes = {t: len(Legend.from_flags(samples[t].attrs)) for t in samples.attrs["tasks"].split()}
    return Learner(
        network, scaling=ONE, class_weights={t: torch.ones(n) for t, n in classes.items()},
        config=TrainConfig(label_smoothing=0.0, **settings), steps=10, targets=targets,
    )  # fmt: skip


def loss_and_gradients(learner, batch):
    """In evaluation mode, so that batch norm and dropout draw nothing."""
    learner.eval().zero_grad()
    loss = learner.supervised_loss(learner(learner.inputs(batch)), batch)
    loss.backward()
    named = learner.network.named_parameters()
    return loss.item(), {name: None if p.grad is None else p.grad.clone() for name, p in named}


@pytest.mark.parametrize("rule", [None, "uncertainty", {"land_use": 3.0}])
def test_a_task_without_labels_changes_neither_loss_nor_gradients(cube, rule):
    samples = two_tasks(cube)
    samples["land_use"][:] = 255
    torch.manual_seed(0)
    sizes = {"bands": 10, "dates": 12, "filters": 8, "dense": 8}
    both = make_network("tempcnn", classes={"land_cover": 4, "land_use": 2}, **sizes)
    one = make_network("tempcnn", classes={"land_cover": 4}, **sizes)
    one.load_state_dict({n: v for n, v in both.state_dict().items() if n in one.state_dict()})
    alone = samples.assign_attrs(tasks="land_cover")
    together, gradients = loss_and_gradients(
        learner_of(both, samples, task_weights=rule), next(iter(SampleBatches(samples)))
    )
    single, expected = loss_and_gradients(
        learner_of(one, alone, task_weights=rule if rule == "uncertainty" else None),
        next(iter(SampleBatches(alone))),
    )
    assert together == single
    for name, gradient in gradients.items():
        if name in expected:
            assert torch.equal(gradient, expected[name]), name
        else:
            assert gradient is None or not gradient.any(), name


def test_the_loss_is_the_mean_over_each_tasks_labels(cube):
    samples = two_tasks(cube)
    batch = next(iter(SampleBatches(samples, shuffle=False)))
    network = make_network("tempcnn", classes={"land_cover": 4, "land_use": 2}, bands=10, dates=12)
    learner = learner_of(network, samples, task_weights={"land_use": 0.5}).eval()
    logits = learner(learner.inputs(batch))
    known = batch["labels"]["land_use"] >= 0
    assert 0 < known.sum() < len(known)
    cover = nn.functional.cross_entropy(logits["land_cover"], batch["labels"]["land_cover"])
    use = nn.functional.cross_entropy(logits["land_use"][known], batch["labels"]["land_use"][known])
    found = learner.supervised_loss(logits, batch)
    torch.testing.assert_close(found, cover + 0.5 * use)


def test_a_batch_without_any_label_is_no_step(cube):
    samples = two_tasks(cube)
    for task in ("land_cover", "land_use"):
        samples[task][:] = 255
    network = make_network("tempcnn", classes={"land_cover": 4, "land_use": 2}, bands=10, dates=12)
    learner = learner_of(network, samples)
    learner.log = lambda *_, **__: None
    assert learner.training_step(next(iter(SampleBatches(samples))), 0) is None


def test_patches_learn_from_points_and_from_dense_labels(cube):
    samples = two_tasks(cube, patch=5)
    torch.manual_seed(0)
    network = Window({"land_cover": 4, "land_use": 2})
    learner = learner_of(network, samples)
    sparse = next(iter(SampleBatches(samples, shuffle=False)))
    loss, _ = loss_and_gradients(learner, sparse)
    logits = learner(learner.inputs(sparse))
    middle = nn.functional.cross_entropy(
        logits["land_cover"][:, :, 2, 2], sparse["labels"]["land_cover"][:, 2, 2]
    )
    use = sparse["labels"]["land_use"][:, 2, 2]
    expected = middle + nn.functional.cross_entropy(
        logits["land_use"][:, :, 2, 2][use >= 0], use[use >= 0]
    )
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    dense = samples.copy()
    whole = np.broadcast_to(samples["land_cover"].values[:, None, None], (24, 5, 5))
    dense["land_cover"] = (("sample", "patch_y", "patch_x"), whole, samples["land_cover"].attrs)
    batch = next(iter(SampleBatches(dense, shuffle=False)))
    assert (batch["labels"]["land_cover"] >= 0).all()
    found = learner.task_losses(logits, batch, smoothing=0.0)["land_cover"]
    expected = nn.functional.cross_entropy(logits["land_cover"], batch["labels"]["land_cover"])
    torch.testing.assert_close(found[0], expected)
    assert found[1] == 24


def test_total_variation_is_added_for_every_task(cube):
    samples = two_tasks(cube, patch=5)
    torch.manual_seed(0)
    network = Window({"land_cover": 4, "land_use": 2})
    batch = next(iter(SampleBatches(samples, shuffle=False)))
    plain = learner_of(network, samples)
    varied = learner_of(network, samples, loss=LossConfig(total_variation=0.5))
    logits = plain(plain.inputs(batch))
    expected = 0.5 * sum(total_variation(own).mean() for own in logits.values())
    difference = varied.supervised_loss(logits, batch) - plain.supervised_loss(logits, batch)
    torch.testing.assert_close(difference, expected)


def test_a_tolerant_loss_reaches_the_neighbours_of_a_point(cube):
    samples = two_tasks(cube, patch=5)
    network = Window({"land_cover": 4, "land_use": 2})
    batch = next(iter(SampleBatches(samples, shuffle=False)))
    strict = learner_of(network, samples)
    tolerant = learner_of(network, samples, loss=LossConfig(tolerance=1))
    logits = strict(strict.inputs(batch))
    assert tolerant.supervised_loss(logits, batch) < strict.supervised_loss(logits, batch)


def test_regressions_are_learned_in_standard_deviations(cube):
    samples = with_targets(two_tasks(cube, patch=5), ["ndvi"])
    assert samples["ndvi"].dims == ("sample", "patch_y", "patch_x")
    targets = scale_targets(samples, ["ndvi"])
    network = Window({"land_cover": 4, "land_use": 2, "ndvi": 1})
    learner = learner_of(network, samples, targets=targets)
    batch = next(iter(SampleBatches(samples, shuffle=False, regressions=["ndvi"])))
    logits = learner(learner.inputs(batch))
    standard = (samples["ndvi"].values - targets["ndvi"].mean) / targets["ndvi"].std
    error = (logits["ndvi"][:, 0].detach().numpy() - standard) ** 2
    loss, number = learner.task_losses(logits, batch, smoothing=0.0)["ndvi"]
    assert number == 24
    assert loss.item() == pytest.approx(np.nanmean(np.nanmean(error, axis=(1, 2))), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("series", "infinite reflectance in a training batch, of 1 sample.*: point_id 103"),
        ("context", "context that is missing or infinite .* 1 sample.*: point_id 103"),
        ("weight", "a weight that is not finite .* 1 sample.*: point_id 103"),
    ],
)
def test_values_at_fault_are_named_by_their_point(cube, kind, message):
    samples = two_tasks(cube)
    batch = next(iter(SampleBatches(samples, shuffle=False)))
    batch["context"] = torch.zeros(24, 2)
    batch[kind][3] = torch.inf if kind == "series" else torch.nan
    names = [f"point_id {100 + n}" for n in range(24)]
    network = make_network("tempcnn", classes={"land_cover": 4, "land_use": 2}, bands=10, dates=12)
    learner = Learner(
        network, scaling=ONE, config=TrainConfig(), steps=10, names=names,
        class_weights={"land_cover": torch.ones(4), "land_use": torch.ones(2)},
    )  # fmt: skip
    network.forward = lambda series, days, mask, context: {
        "land_cover": series.sum((1, 2))[:, None] + context.sum(1, keepdim=True) + torch.zeros(4),
        "land_use": torch.zeros(len(series), 2),
    }
    with pytest.raises(SampleError, match=message):
        learner.training_step(batch, 0)


def test_a_network_that_fails_on_one_sample_names_it_and_else_it_diverged(cube):
    batch = next(iter(SampleBatches(two_tasks(cube), shuffle=False)))
    logits = {"land_cover": torch.zeros(24, 4)}
    logits["land_cover"][5, 0] = torch.nan
    given = {"names": None, "learning_rate": 0.01}
    found = explain_fault(float("nan"), batch, logits, **given)
    assert isinstance(found, SampleError)
    assert "no finite numbers for 1 of 24 samples of a batch: position 5" in str(found)
    found = explain_fault(
        float("nan"), batch, {"land_cover": torch.full((24, 4), torch.nan)}, **given
    )
    assert isinstance(found, ModelError)
    assert "the loss is nan. Choose a learning_rate below 0.01" in str(found)
