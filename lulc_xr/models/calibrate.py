"""Calibration of a trained model on samples that lie apart from its training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import CALIBRATION
from lulc_xr.core.calibration import CALIBRATION_METHODS, Calibration, CalibrationMethod
from lulc_xr.core.calibration_fit import Parameters, fit_scales, log_probabilities
from lulc_xr.core.errors import ModelError, SampleError, name_unknown
from lulc_xr.core.model import check_predictor
from lulc_xr.core.regions import RegionKey
from lulc_xr.core.reliability import top_label_error
from lulc_xr.models.apart import APART
from lulc_xr.models.calibrated import attachable
from lulc_xr.models.labelled import Labelled, collect_apart

_OF_A_CLASS = 10
"""Fewest samples of each class for a vector."""


def calibrate(
    model: Any,
    samples: xr.Dataset,
    *,
    method: CalibrationMethod = "temperature",
    by: str | None = None,
    task: str | None = None,
    minimum: int = 50,
    apart: float | None = APART,
    trained_on: xr.Dataset | None = None,
) -> Any:
    """The same model, with probabilities that mean what they say.

    Its probabilities p become softmax(scale ln p + shift), the scales and shifts being those
    under which the labels of `samples` are most likely. Several members are calibrated alike,
    each before the mean is taken, and the likelihood is that of the mean. A calibration that the
    model had is replaced, and so are conformal sets, which were made for other probabilities.

    Parameters
    ----------
    model : Classifier, Ensemble or other Predictor
        A trained model; any other predictor comes back in a
        :class:`lulc_xr.models.calibrated.Calibrated`.
    samples : xr.Dataset
        Labelled samples that lie apart from the training; those without label, or that cannot be
        predicted, are left out. Their `weight` counts, if they have one.
    method : {"temperature", "vector"}
        One scale 1 / T for all classes, which leaves the class of every pixel of a single
        model as it is (of the mean of several members it may change it); or a scale and a shift
        for each class, which needs ten samples of each and may change the class.
    by : str, optional
        Variable of the samples with names of regions, such as "region": each gets its own
        parameters. ``""`` counts as no region.
    task : str, optional
        Calibrate this one only; by default all tasks. The calibration of others is dropped.
    minimum : int
        Fewest samples; a region with fewer takes the parameters of all places, with a warning.
    apart : float or None
        Least distance in metres between these samples and those of training and validation. The
        default only keeps the same ground out: land resembles itself over kilometres, and a
        larger distance is the more honest. None: nothing is checked, which is noted.
    trained_on : xr.Dataset, optional
        The samples that the model was trained on, if it does not know them itself.

    Returns
    -------
    Classifier, Ensemble or Calibrated
        With `.calibration`, whose `provenance` holds the numbers of samples, their distance from
        the training, and negative log-likelihood and calibration error before and after, both on
        these very samples. Save it; :func:`lulc_xr.classify` applies it.

    Raises
    ------
    SampleError
        If samples lie too near to the training, are too few, have no label or labels of one class
        only, or no calibration is best.
    ModelError
        If a name is unknown, or it is not known where the model was trained.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. (2017). On calibration of modern neural
    networks. ICML 2017, https://arxiv.org/abs/1706.04599
    Rahaman, R., Thiery, A. H. (2021). Uncertainty quantification and deep ensembles. NeurIPS
    2021, https://arxiv.org/abs/2007.08792 (members first, or the mean)

    Examples
    --------
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=96, x=96)
    >>> samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=40))
    >>> half = samples.x < samples.x.median()
    >>> learn, rest = samples.isel(sample=half.values), samples.isel(sample=~half.values)
    >>> model = lx.fit(learn, config=lx.TrainConfig(epochs=2))
    >>> calibrated = lx.calibrate(model, rest, apart=1.0)
    >>> list(calibrated.calibration.temperatures("land_cover"))
    ['all places']
    """
    if method not in CALIBRATION_METHODS:
        raise ModelError(name_unknown("calibration", method, CALIBRATION_METHODS))
    if minimum < 2:
        raise SampleError(f"minimum={minimum}; give at least 2 samples, better 50.")
    plain = attachable(check_predictor(model)).attach(calibration=None)
    found = collect_apart(
        plain, samples, task=task, members=True, apart=apart, trained_on=trained_on
    )
    key, regions = _regions(samples, by)
    scale, shift, of_tasks = {}, {}, {}
    for name, own in found.tasks.items():
        rows, of_tasks[name] = _fit_task(
            own, key, regions[own.used], method=method, minimum=minimum, task=name
        )
        scale[name] = tuple(tuple(map(float, row[0])) for row in rows)
        shift[name] = tuple(tuple(map(float, row[1])) for row in rows)
    record = {
        **found.record,
        "samples": found.samples.sizes["sample"],
        "weighted": "weight" in samples,
    }
    made = Calibration(
        method=method,
        scale=scale,
        shift=shift,
        regions=key,
        provenance={**record, "minimum": minimum, "tasks": of_tasks},
    )
    for name, own in found.tasks.items():
        of_tasks[name] |= _before_and_after(made, own, regions[own.used], task=name)
    _warn_of_few(of_tasks, minimum=minimum)
    return plain.attach(calibration=made, places=found.places(CALIBRATION))


def _regions(samples: xr.Dataset, by: str | None) -> tuple[RegionKey | None, NDArray[np.int16]]:
    """The regions that samples have, and the position of each sample among them."""
    number = samples.sizes["sample"]
    if by is None:
        return None, np.full(number, -1, np.int16)
    return key_of_samples(samples, by)


def key_of_samples(samples: xr.Dataset, by: str) -> tuple[RegionKey, NDArray[np.int16]]:
    """Regions of samples in the order of their names, and the position of each sample's.

    Raises
    ------
    SampleError
        If there is no such variable over `sample`, or it holds no name.
    """
    over = [str(n) for n, v in samples.variables.items() if v.dims == ("sample",)]
    if by not in over:
        raise SampleError(
            name_unknown("variable of regions", by, over)
            + " Assign regions first: lulc_xr.assign_regions(samples, ...)."
        )
    values = np.array([str(value) for value in samples[by].values], dtype=object)
    names = sorted(set(values) - {""})
    if not names:
        raise SampleError(f"variable {by!r} of the samples names no region.")
    key = RegionKey(variable=by, names=tuple(names))
    return key, key.positions(values)


def _fit_task(
    own: Labelled,
    key: RegionKey | None,
    region: NDArray[np.int16],
    *,
    method: CalibrationMethod,
    minimum: int,
    task: str,
) -> tuple[list[Parameters], dict[str, Any]]:
    """Parameters of each region, then of all places, and what is to be said of them."""
    if len(own.labels) < minimum:
        raise SampleError(
            f"{len(own.labels)} samples with a label of {task} and a prediction; expected at "
            f"least {minimum}. Give more samples, or a lower minimum=."
        )
    try:
        everywhere = _fit(own, np.ones(len(own.labels), bool), method=method)
    except SampleError as error:
        raise SampleError(f"task {task!r}: {error}") from error
    record: dict[str, Any] = {"samples": len(own.labels), "regions": {}}
    rows = []
    for position, name in enumerate(key.names if key else ()):
        inside = region == position
        number, why = int(inside.sum()), ""
        row = everywhere
        if number < minimum:
            why = f"fewer than {minimum} samples"
        else:
            try:
                row = _fit(own, inside, method=method)
            except SampleError as error:
                why = str(error)
        rows.append(row)
        record["regions"][name] = {"samples": number, "own": not why, "why_not": why}
    return [*rows, everywhere], record


def _fit(own: Labelled, inside: NDArray[np.bool_], *, method: CalibrationMethod) -> Parameters:
    labels = own.labels[inside]
    counts = np.bincount(labels, minlength=own.probabilities.shape[1])
    if (counts > 0).sum() < 2:
        raise SampleError(
            f"all {len(labels)} samples have one class; expected at least two. A model cannot be "
            "calibrated on what it always or never gets right."
        )
    if method == "vector" and (counts < _OF_A_CLASS).any():
        raise SampleError(
            f"a vector needs at least {_OF_A_CLASS} samples of each class; in the order of the "
            f"legend there are {', '.join(map(str, counts))}. Take method='temperature', or give "
            "more samples."
        )
    log_p = log_probabilities(own.probabilities[:, :, inside])
    return fit_scales(log_p, labels, own.weights[inside], method=method)


def _before_and_after(
    made: Calibration, own: Labelled, region: NDArray[np.int16], *, task: str
) -> dict[str, float]:
    """Negative log-likelihood and calibration error on the samples it was fitted to."""
    each = np.arange(len(own.labels))
    after = np.mean([made.apply(p, task=task, region=region) for p in own.probabilities], axis=0)
    scores: dict[str, float] = {}
    for name, p in (("before", own.probabilities.mean(axis=0)), ("after", after)):
        likely = log_probabilities(p)[own.labels, each]
        scores[f"nll_{name}"] = float(-np.average(likely, weights=own.weights))
        scores[f"ece_{name}"] = top_label_error(p, own.labels, weights=own.weights)
    return scores


def _warn_of_few(of_tasks: dict[str, Any], *, minimum: int) -> None:
    for task, record in of_tasks.items():
        few = {n: r["samples"] for n, r in record["regions"].items() if not r["own"]}
        if few:
            said = ", ".join(f"{name} ({number})" for name, number in few.items())
            warnings.warn(
                f"{task}: {len(few)} of {len(record['regions'])} regions take the calibration of "
                f"all places, for want of samples (at least {minimum}) or of errors in them: "
                f"{said}.",
                stacklevel=3,
            )
