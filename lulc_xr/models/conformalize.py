"""Conformal sets of a trained model, fitted on samples that lie apart from its training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import CALIBRATION, CONFORMAL
from lulc_xr.core.conformal import (
    CONFORMAL_METHODS,
    Conformal,
    ConformalMethod,
    conformal_scores,
    conformal_threshold,
)
from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import check_predictor
from lulc_xr.core.places import Places
from lulc_xr.core.regions import RegionKey
from lulc_xr.models.apart import APART
from lulc_xr.models.calibrate import key_of_samples
from lulc_xr.models.calibrated import attachable
from lulc_xr.models.labelled import Labelled, collect_apart

Group = Literal["class", "region"]
GROUPS = get_args(Group)


def conformalize(
    model: Any,
    samples: xr.Dataset,
    *,
    coverage: float = 0.9,
    method: ConformalMethod = "lac",
    by: Sequence[Group] | Group = (),
    region: str = "region",
    task: str | None = None,
    penalty: float = 0.01,
    free: int = 2,
    apart: float | None = APART,
    trained_on: xr.Dataset | None = None,
) -> Any:
    """The same model, with sets of classes that hold the true one as often as promised.

    Of each sample the score says how badly its true class conforms with the probabilities
    (:func:`lulc_xr.core.conformal.conformal_scores`); the threshold is the
    ceil((n + 1) `coverage`)-th smallest of n scores. For a place that is drawn like the samples,
    the set holds the true class with a probability of at least `coverage`, whatever the model,
    over the draw of the samples and of the place. With LAC it is at most 1 / (n + 1) more, if no
    two scores are equal. With APS and RAPS the most probable class always scores 0: where the
    model is right more often than promised, sets are that one class and hold more.

    **What breaks the promise**: places that are not drawn like the samples, in another region,
    year or sensor. Samples of a survey that are drawn with unequal probabilities stand for the
    survey, not for the area: their `weight` is not used. Within one class or region nothing is
    promised, unless `by` asks for it.

    Parameters
    ----------
    model : Classifier, Ensemble or other Predictor
        A trained model; calibrate it first, on other samples than these.
    samples : xr.Dataset
        Labelled samples that lie apart from the training.
    coverage : float
        Promised share of places whose set holds the true class.
    method : {"lac", "aps", "raps"}
        LAC makes the smallest sets on average and may leave some empty; APS makes larger ones
        where the model is unsure, and never an empty one; RAPS keeps them from growing large.
    by : "class", "region" or both
        Promise it for each class, each region, or each class in each region (Mondrian): each
        has its own threshold, of its own samples.
    region : str
        Variable of the samples with names of regions; ``""`` counts as no region.
    task : str, optional
        Fit this one only; by default all tasks.
    penalty, free : float, int
        RAPS: what each rank beyond `free` adds to the score.
    apart, trained_on
        As for :func:`lulc_xr.calibrate`.

    Returns
    -------
    Classifier, Ensemble or Calibrated
        With `.conformal`; :func:`lulc_xr.classify` gives ``<task>_set`` and ``<task>_set_size``.

    Raises
    ------
    SampleError
        If samples lie too near to the training or have no labels.
    ModelError
        If a setting is out of range, or it is not known where the model was trained.

    Warns
    -----
    UserWarning
        If a class or region has so few samples that its threshold is infinite, so that the class
        is in every set there: the promise is kept, and says nothing. If samples are those of
        the calibration: then they and a new place are not quite exchangeable.

    References
    ----------
    Vovk, V., Gammerman, A., Shafer, G. (2005). Algorithmic learning in a random world. Springer.
    Angelopoulos, A. N., Bates, S. (2023). Conformal prediction: a gentle introduction.
    Foundations and Trends in Machine Learning 16(4), 494-591.

    Examples
    --------
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=96, x=96)
    >>> samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=40))
    >>> half = samples.x < samples.x.median()
    >>> learn, rest = samples.isel(sample=half.values), samples.isel(sample=~half.values)
    >>> model = lx.fit(learn, config=lx.TrainConfig(epochs=2))
    >>> lx.conformalize(model, rest, coverage=0.8, apart=1.0).conformal.coverage
    0.8
    """
    groups = _check_groups(by)
    if method not in CONFORMAL_METHODS:
        raise ModelError(name_unknown("conformal method", method, CONFORMAL_METHODS))
    if not 0 < coverage < 1:
        raise ModelError(f"coverage {coverage} is not between 0 and 1; give 0.9 for 90 %.")
    plain = attachable(check_predictor(model))
    found = collect_apart(
        plain, samples, task=task, members=False, apart=apart, trained_on=trained_on
    )
    if found.checked:
        _warn_of_shared(found.samples, plain)
    key, regions = None, np.full(samples.sizes["sample"], -1, np.int16)
    if "region" in groups:
        key, regions = key_of_samples(samples, region)
    thresholds, of_tasks = {}, {}
    for name, own in found.tasks.items():
        given = conformal_scores(own.probabilities[0], method, penalty=penalty, free=free)
        scores = given[own.labels, np.arange(len(own.labels))]
        thresholds[name], of_tasks[name] = _thresholds(
            scores, own, key, regions[own.used],
            coverage=coverage, by_class="class" in groups, legend=plain.spec.legends[name],
        )  # fmt: skip
    made = Conformal(
        method=method,
        coverage=coverage,
        thresholds=thresholds,
        by_class="class" in groups,
        regions=key,
        penalty=penalty if method == "raps" else 0.0,
        free=free if method == "raps" else 0,
        provenance={
            **found.record,
            "samples": found.samples.sizes["sample"],
            "tasks": of_tasks,
        },
    )
    _warn_of_infinite(of_tasks, coverage)
    return plain.attach(conformal=made, places=found.places(CONFORMAL))


def _check_groups(by: Sequence[Group] | Group) -> tuple[str, ...]:
    groups = (by,) if isinstance(by, str) else tuple(by)
    for group in groups:
        if group not in GROUPS:
            raise ModelError(
                name_unknown("group", group, GROUPS)
                + " The variable that holds regions is named with region=."
            )
    return groups


def _thresholds(
    scores: NDArray[np.float32],
    own: Labelled,
    key: RegionKey | None,
    region: NDArray[np.int16],
    *,
    coverage: float,
    by_class: bool,
    legend: Legend,
) -> tuple[tuple[tuple[float, ...], ...], dict[str, Any]]:
    """Rows of thresholds by region, the last of all places; and what is said of them."""
    names = (*(key.names if key else ()), "all places")
    rows: list[tuple[float, ...]] = []
    few: dict[str, int] = {}
    for position, name in enumerate(names):
        inside = region == position if position < len(names) - 1 else np.ones(len(scores), bool)
        if by_class:
            cells = [inside & (own.labels == c) for c in range(len(legend))]
            row = tuple(conformal_threshold(scores[cell], coverage) for cell in cells)
            few |= {
                f"{label} in {name}" if key else label: int(cell.sum())
                for cell, value, label in zip(cells, row, legend.names, strict=True)
                if math.isinf(value)
            }
        else:
            value = conformal_threshold(scores[inside], coverage)
            row = (value,) * len(legend)
            few |= {name: int(inside.sum())} if math.isinf(value) else {}
        rows.append(row)
    return tuple(rows), {"samples": len(scores), "infinite": few}


def _warn_of_shared(samples: xr.Dataset, model: Any) -> None:
    known = model.attachments.places.get(CALIBRATION)
    if known is None:
        return
    distance = Places.of_samples(samples).distance_to(known)
    if shared := int((distance == 0).sum()):
        warnings.warn(
            f"{shared} of {len(distance)} places of these samples are those of the calibration: "
            "a new place is then not quite like them, and the coverage may fall short of what is "
            "promised. Keep samples for the calibration and others for the sets.",
            stacklevel=3,
        )


def _warn_of_infinite(of_tasks: dict[str, Any], coverage: float) -> None:
    fewest = math.ceil(round(coverage / (1 - coverage), 9))
    for task, record in of_tasks.items():
        if few := record["infinite"]:
            said = ", ".join(f"{name} ({number})" for name, number in few.items())
            warnings.warn(
                f"{task}: a coverage of {coverage:g} takes at least {fewest} samples, and fewer "
                f"are there of {said}. The threshold is infinite: every set holds the class there. "
                "Give more samples, a lower coverage, or tell fewer groups apart.",
                stacklevel=3,
            )
