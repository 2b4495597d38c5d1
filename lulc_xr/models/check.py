"""Conformance check of a network: what training, prediction and storage rely on."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Scaling
from lulc_xr.models.check_case import CLASSES, Case, require, require_close
from lulc_xr.models.check_space import check_space
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.conditioning import CONDITIONINGS
from lulc_xr.models.registry import is_spatial, load_network, make_network, needs_fixed_dates

_BANDS, _DATES, _PIXELS = 4, 12, 9
_PATCHES, _HEIGHT, _WIDTH = 3, 13, 10
_CONTEXT, _PIXEL_CONTEXT = 4, 2


def check_model(name: str) -> None:
    """Check that a network keeps the contract that training, prediction and storage rely on.

    It builds the network by its name and looks at: shapes of logits, gradients of all weights,
    single samples and batches giving the same, gaps and days, one pixel not seeing another,
    evaluation without chance, the inference form against the network (1e-5 in probability), and
    a classifier saved and loaded. Of a network of patches also: that it sees no further than it
    states, and that a window with a halo gives what the whole gives. Of a network that offers
    conditioning: each kind of it, with a context for every pixel. Where it offers ``features``:
    that its heads make the logits of them.

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
        case = _make_case(name, kind=None)
        _check_all(case)
        offered = inspect.signature(load_network(name)).parameters
        if "conditioning" in offered:
            _check_without_conditioning(name)
            kinds = [kind for kind in CONDITIONINGS if kind != "none"]
            checked = [kind for kind in kinds if _check_conditioning(name, kind)]
            require(name, bool(checked), f"it takes a conditioning, but none of {kinds}")


def _check_all(case: Case) -> None:
    checks: tuple[Callable[[Case], None], ...] = (
        _check_training,
        _check_evaluation,
        _check_features,
        _check_gaps,
        check_space,
        _check_classifier,
    )
    for check in checks:
        check(case)


def _make_case(name: str, *, kind: str | None) -> Case:
    """A network of random weights with inputs; `kind` None: built without context."""
    extra: dict[str, Any] = {}
    if kind is not None:
        extra = {"conditioning": kind, "faithful": True, "context": _CONTEXT}
    if kind == "mcbn":
        extra["pixel_context"] = _PIXEL_CONTEXT
    network = make_network(name, bands=_BANDS, dates=_DATES, classes=CLASSES, **extra)
    spatial = is_spatial(network)
    tail = (_HEIGHT, _WIDTH) if spatial else ()
    number = _PATCHES if spatial else _PIXELS
    return Case(
        name=name if kind is None else f"{name} with conditioning={kind}",
        network=network,
        series=torch.randn(number, _DATES, _BANDS, *tail),
        days=torch.arange(0, 360, 30),
        context=None if kind is None else torch.randn(number, _CONTEXT),
    )


def _check_training(case: Case) -> None:
    """Shapes and gradients; a few steps, so that batch norm is no identity afterwards."""
    case.network.train()
    optimizer = torch.optim.SGD(case.network.parameters(), lr=1e-3)
    number, tail = len(case.series), tuple(case.series.shape[3:])
    for _ in range(3):
        logits = case.logits()
        found = {task: tuple(values.shape) for task, values in logits.items()}
        expected = {task: (number, size, *tail) for task, size in CLASSES.items()}
        require(
            case.name, found == expected, f"forward gave {found}; expected logits of {expected}"
        )
        optimizer.zero_grad()
        torch.stack([values.square().mean() for values in logits.values()]).sum().backward()
        without = [
            key
            for key, weight in case.network.named_parameters()
            if weight.requires_grad and (weight.grad is None or not weight.grad.isfinite().all())
        ]
        require(
            case.name,
            not without,
            f"no finite gradient reaches {', '.join(without)}; use or drop them",
        )
        optimizer.step()


@torch.inference_mode()
def _check_evaluation(case: Case) -> None:
    name = case.name
    case.network.eval()
    field = getattr(case.network, "receptive_field", None)
    if not case.spatial:
        require(
            name,
            field == 0,
            f"receptive_field is {field!r}; a network of single pixels says receptive_field = 0, "
            "one of patches spatial = True",
        )
    first = case.probabilities()
    require(
        name,
        bool(torch.equal(first, case.probabilities())),
        "two evaluations of the same series differ; leave out all chance when not training",
    )
    alone = torch.cat([case.probabilities(only=i) for i in range(len(case.series))])
    one, others = ("patch", "patches") if case.spatial else ("pixel", "pixels")
    require_close(name, first, alone, f"a {one} depends on the {others} beside it in the batch")
    repeated = case.days.expand(len(case.series), -1)
    require_close(
        name,
        first,
        case.probabilities(days=repeated),
        "days of shape (time,) and (batch, time) give different results",
    )


@torch.inference_mode()
def _check_features(case: Case) -> None:
    features = getattr(case.network, "features", None)
    if features is None:
        return
    heads = getattr(case.network, "heads", None)
    layer = nn.Conv2d if case.spatial else nn.Linear
    require(
        case.name,
        isinstance(heads, nn.ModuleDict)
        and set(heads) == set(CLASSES)
        and all(isinstance(head, layer) for head in heads.values()),
        f"it offers features, but no heads: ModuleDict of task to {layer.__name__}",
    )
    assert isinstance(heads, nn.ModuleDict)
    seen = features(*case.inputs())
    size = getattr(case.network, "feature_size", None)
    require(
        case.name,
        seen.shape[1] == size,
        f"features of shape {tuple(seen.shape)} do not have feature_size {size!r} on axis 1",
    )
    for task, values in case.logits().items():
        require_close(
            case.name,
            values,
            heads[task](seen),
            f"head of {task!r} on features differs from forward",
        )


@torch.inference_mode()
def _check_gaps(case: Case) -> None:
    if needs_fixed_dates(case.network):
        return
    name, series = case.name, case.series
    mask = torch.rand(series[:, :, 0].shape) > 0.4
    mask[:, 0] = True
    first = case.probabilities(mask=mask)
    changed = torch.where(mask[:, :, None], series, torch.full_like(series, 7.0))
    require_close(
        name,
        first,
        case.probabilities(series=changed, mask=mask),
        "values at masked dates change the result; never read them",
    )
    mask[:, 1::3] = False
    kept = mask[0].flatten(1).any(1) if case.spatial else mask[0]
    require_close(
        name,
        case.probabilities(mask=mask, only=0),
        case.probabilities(
            series=series[:, kept], days=case.days[kept], mask=mask[:, kept], only=0
        ),
        "a masked date and a date that is left out give different results",
    )
    mask[0] = False
    require(
        name,
        bool(case.probabilities(mask=mask).isfinite().all()),
        "a pixel without any date gets logits that are not finite",
    )


def _check_without_conditioning(name: str) -> None:
    case = _make_case(name, kind="none")
    case.network.eval()
    with torch.inference_mode():
        given, without = case.probabilities(), case.without_context().probabilities()
    require(case.name, bool(torch.equal(given, without)), "context changes the result")


def _check_conditioning(name: str, kind: str) -> bool:
    """Check one kind of conditioning; False if the network does not offer it."""
    try:
        case = _make_case(name, kind=kind)
    except ModelError:
        return False
    _check_all(case)
    assert case.context is not None
    with torch.inference_mode():
        first = case.probabilities()
        moved = float((first - case.probabilities(context=case.context + 1.0)).abs().max())
    require(case.name, moved > 0, "another context gives the same result")
    return True


def _check_classifier(case: Case) -> None:
    """The form in which it predicts, with a context of its own for every pixel; saved, loaded."""
    classifier = Classifier(case.network, name=case.name.split()[0], spec=_make_spec(case))
    when = case.days.numpy().astype(np.int32)
    block, context = case.block()
    with torch.inference_mode():
        expected = case.block_probabilities(context)
    found = _flat(classifier, block, when, context)
    require_close(case.name, expected, found, "inference_form differs from forward")
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_classifier(classifier.save(Path(folder) / "model"))
    require(
        case.name,
        loaded.sizes == classifier.sizes and loaded.content_hash == classifier.content_hash,
        "a saved and loaded network has other sizes or weights; keep every keyword argument of "
        "__init__ in self.sizes, as JSON can hold it",
    )
    again = _flat(loaded, block, when, context)
    require_close(case.name, found, again, "saved and loaded, it differs")


def _make_spec(case: Case) -> ModelSpec:
    names = tuple(f"context{i}" for i in range(0 if case.context is None else _CONTEXT))
    zeros, ones = (0.0,) * len(names), (1.0,) * len(names)
    return ModelSpec(
        bands=tuple(f"band{i}" for i in range(_BANDS)),
        legends={
            task: Legend.from_names(task, [f"class{i}" for i in range(number)])
            for task, number in CLASSES.items()
        },
        dates=RegularDates() if needs_fixed_dates(case.network) else RawDates(maximum=_DATES),
        halo=int(getattr(case.network, "receptive_field", 0)),
        stride=int(getattr(case.network, "stride", 1)),
        scaling=Scaling(mean=(0.2,) * _BANDS, std=(0.5,) * _BANDS),
        context=names,
        context_scaling=ContextScaling(variables=names, mean=zeros, std=ones) if names else None,
    )


def _flat(
    classifier: Classifier,
    block: NDArray[np.float32],
    days: NDArray[np.int32],
    context: NDArray[np.float32] | None,
) -> Tensor:
    """Probabilities (class of all tasks, y, x) of a block."""
    named = None if context is None else {f"context{i}": v for i, v in enumerate(context)}
    by_task = classifier.predict_block(block * np.float32(0.5) + np.float32(0.2), days, named)
    assert isinstance(by_task, dict)
    return torch.from_numpy(np.concatenate([by_task[task] for task in CLASSES]))
