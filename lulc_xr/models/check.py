"""Conformance check of a network: what training, prediction and storage rely on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Scaling
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.registry import make_network, needs_fixed_dates

_BANDS, _DATES, _PIXELS = 4, 12, 9
_CLASSES = {"land_cover": 5, "land_use": 3}
_TOLERANCE = 1e-5


def check_model(name: str) -> None:
    """Check that a network keeps the contract that training, prediction and storage rely on.

    It builds the network by its name and looks at: shapes of logits, gradients of all weights,
    single samples and batches giving the same, gaps and days, one pixel not seeing another,
    evaluation without chance, the inference form against the network (1e-5 in probability), and
    a classifier saved and loaded.

    Parameters
    ----------
    name : str
        Name of the network, as its entry point of the group ``lulc_xr.networks`` says.

    Raises
    ------
    ModelError
        If it breaks the contract; the message says what was expected.

    Examples
    --------
    >>> check_model("tempcnn")
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(name, bands=_BANDS, dates=_DATES, classes=_CLASSES)
        series, days = torch.randn(_PIXELS, _DATES, _BANDS), torch.arange(0, 360, 30)
        checks: tuple[Callable[[str, nn.Module, Tensor, Tensor], None], ...] = (
            _check_training,
            _check_evaluation,
            _check_gaps,
            _check_classifier,
        )
        for check in checks:
            check(name, network, series, days)


def _check_training(name: str, network: nn.Module, series: Tensor, days: Tensor) -> None:
    """Shapes and gradients; a few steps, so that batch norm is no identity afterwards."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    for _ in range(3):
        logits = network(series, days, None)
        found = {task: tuple(values.shape) for task, values in logits.items()}
        expected = {task: (_PIXELS, number) for task, number in _CLASSES.items()}
        _require(name, found == expected, f"forward gave {found}; expected logits of {expected}")
        optimizer.zero_grad()
        sum(values.square().sum() for values in logits.values()).backward()
        without = [
            key
            for key, weight in network.named_parameters()
            if weight.requires_grad and (weight.grad is None or not weight.grad.isfinite().all())
        ]
        _require(
            name, not without, f"no finite gradient reaches {', '.join(without)}; use or drop them"
        )
        optimizer.step()


@torch.inference_mode()
def _check_evaluation(name: str, network: nn.Module, series: Tensor, days: Tensor) -> None:
    network.eval()
    _require(
        name,
        getattr(network, "receptive_field", None) == 0,
        f"receptive_field is {getattr(network, 'receptive_field', None)!r}; networks of the "
        "registry see one pixel and say receptive_field = 0",
    )
    first = _probabilities(network, series, days, None)
    _require(
        name,
        bool(torch.equal(first, _probabilities(network, series, days, None))),
        "two evaluations of the same series differ; leave out all chance when not training",
    )
    alone = torch.cat([_probabilities(network, one[None], days, None) for one in series])
    _require_close(name, first, alone, "a pixel depends on the pixels beside it in the batch")
    repeated = days.expand(len(series), -1)
    _require_close(
        name,
        first,
        _probabilities(network, series, repeated, None),
        "days of shape (time,) and (batch, time) give different results",
    )


@torch.inference_mode()
def _check_gaps(name: str, network: nn.Module, series: Tensor, days: Tensor) -> None:
    if needs_fixed_dates(network):
        return
    mask = torch.rand(series.shape[:2]) > 0.4
    mask[:, 0] = True
    first = _probabilities(network, series, days, mask)
    changed = torch.where(mask[..., None], series, torch.full_like(series, 7.0))
    _require_close(
        name,
        first,
        _probabilities(network, changed, days, mask),
        "values at masked dates change the result; never read them",
    )
    kept = mask[0]
    _require_close(
        name,
        first[:1],
        _probabilities(network, series[:1, kept], days[kept], None),
        "a masked date and a date that is left out give different results",
    )
    mask[0] = False
    _require(
        name,
        bool(_probabilities(network, series, days, mask).isfinite().all()),
        "a pixel without any date gets logits that are not finite",
    )


def _check_classifier(name: str, network: nn.Module, series: Tensor, days: Tensor) -> None:
    spec = ModelSpec(
        bands=tuple(f"band{i}" for i in range(_BANDS)),
        legends={
            task: Legend.from_names(task, [f"class{i}" for i in range(number)])
            for task, number in _CLASSES.items()
        },
        dates=RegularDates() if needs_fixed_dates(network) else RawDates(maximum=_DATES),
        scaling=Scaling(mean=(0.2,) * _BANDS, std=(0.5,) * _BANDS),
    )
    classifier = Classifier(network, name=name, spec=spec)
    when = days.numpy().astype(np.int32)
    block = (series * 0.5 + 0.2).permute(1, 2, 0).numpy().reshape(_DATES, _BANDS, 3, 3)
    found = _flat(classifier, block, when)
    with torch.inference_mode():
        expected = _probabilities(network.eval(), series, days, None)
    _require_close(name, expected, found, "inference_form differs from forward")
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_classifier(classifier.save(Path(folder) / "model"))
    _require(
        name,
        loaded.sizes == classifier.sizes and loaded.content_hash == classifier.content_hash,
        "a saved and loaded network has other sizes or weights; keep every keyword argument of "
        "__init__ in self.sizes, as JSON can hold it",
    )
    _require_close(name, found, _flat(loaded, block, when), "saved and loaded, it differs")


def _flat(classifier: Classifier, block: NDArray[np.float32], days: NDArray[np.int32]) -> Tensor:
    """Probabilities (pixel, class of all tasks) of a block."""
    by_task = classifier.predict_block(block, days, None)
    assert isinstance(by_task, dict)
    parts = [by_task[task].reshape(number, -1) for task, number in _CLASSES.items()]
    return torch.from_numpy(np.concatenate(parts).T)


def _probabilities(network: nn.Module, series: Tensor, days: Tensor, mask: Tensor | None) -> Tensor:
    """Probabilities (batch, class of all tasks)."""
    logits = network(series, days, mask)
    return torch.cat([logits[task].softmax(dim=1) for task in _CLASSES], dim=1)


def _require_close(name: str, first: Tensor, second: Tensor, otherwise: str) -> None:
    # Not "difference > tolerance": that is False for NaN.
    difference = float((first - second).abs().max())
    _require(
        name,
        difference <= _TOLERANCE,
        f"{otherwise} (by {difference:.2g} in probability; at most {_TOLERANCE:g} is expected)",
    )


def _require(name: str, kept: bool, otherwise: str) -> None:
    if not kept:
        raise ModelError(f"network {name!r} breaks the contract: {otherwise}.")
