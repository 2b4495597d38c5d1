"""Predictions for samples: every sample is a block of one pixel beside the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import attachments_of
from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import (
    ModelSpec,
    Predictor,
    by_task,
    check_single_pixels,
    fixed_number_of_dates,
)
from lulc_xr.core.probability import most_probable
from lulc_xr.core.regions import RegionKey
from lulc_xr.core.task_facts import Members, TaskFacts
from lulc_xr.core.uncertainty import mark_applicable

_DIMS = ({"sample", "time", "band"}, {"sample", "time", "band", "patch_y", "patch_x"})
_Told = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Probabilities (class, sample), and the mean of the members' entropies (sample)."""


def predict_samples(model: Predictor, samples: xr.Dataset) -> xr.Dataset:
    """Classes, probabilities and uncertainty of samples.

    Parameters
    ----------
    model : Predictor
        A model of single pixels, or of patches.
    samples : xr.Dataset
        Samples with `reflectance` (sample, time, band), for a model that looks around also
        (sample, time, band, patch_y, patch_x): the pixel in the middle is predicted. For rules
        that tell regions apart, with the names of these in the variable of the rule.

    Returns
    -------
    xr.Dataset
        For each task: ``<task>`` (sample) uint8 class ids, ``<task>_entropy`` (sample) float32
        in nats, ``<task>_probability`` (sample, class) float32; `class` of several tasks is
        named ``<task>_class``. Of a model with several members also ``<task>_aleatoric`` and
        ``<task>_epistemic``, which add up to the entropy; with conformal sets
        ``<task>_set_size`` (sample) and ``<task>_set`` (sample, class) uint8; with an area of
        applicability `dissimilarity` float32 and `applicable` uint8 (sample), 1 inside. A model
        with context gives 255 and NaN to samples without context, and, if it knows the range of
        its training samples, ``context_outside`` (sample) uint8: 1 outside of it.

    Raises
    ------
    SampleError
        If a band of the model or a region is missing, or the samples carry no days.
    """
    predictions = _describe(_told(model, samples), model, samples)
    if attachments_of(model).applicability is not None:
        _place(predictions, model, samples)
    return _heed_context(predictions, model.spec, samples) if model.spec.context else predictions


def probabilities_of(model: Predictor, samples: xr.Dataset) -> dict[str, NDArray[np.float32]]:
    """What a model says of samples, shape (class, sample), by task; see :func:`predict_samples`."""
    return {task: told[0] for task, told in _told(model, samples).items()}


def regions_of(samples: xr.Dataset, key: RegionKey) -> NDArray[np.int16]:
    """Position of the region of each sample, -1 where it is none of the key's.

    Raises
    ------
    SampleError
        If the samples do not carry the regions.
    """
    if key.variable not in samples.variables or samples[key.variable].dims != ("sample",):
        raise SampleError(
            f"these samples have no variable {key.variable!r} over sample, by which the model is "
            "calibrated or its sets differ. Assign it: lulc_xr.assign_regions(samples, ...), or "
            "take the rule off: model.attach(calibration=None)."
        )
    return key.positions(samples[key.variable].values)


def _told(model: Predictor, samples: xr.Dataset) -> dict[str, _Told]:
    """What a model says of samples, by task."""
    if "patch_y" in samples.dims and (model.spec.halo or model.spec.stride > 1):
        return _middles(model, samples)
    series = _series(model, samples)
    context = _context_of(model, samples)
    number = samples.sizes["sample"]
    made: dict[str, _Told] = {}
    for days, chosen in _same_days(samples):
        around = {name: values[chosen, None] for name, values in context.items()} or None
        found = _ask(model, series[:, :, chosen, None], days, around, lambda p: p[..., 0])
        _insert(made, found, chosen, number)
    return made


def _middles(model: Predictor, samples: xr.Dataset) -> dict[str, _Told]:
    """What a model says of the pixel in the middle of each patch, by task."""
    dims = ("sample", "time", "band", "patch_y", "patch_x")
    series = _of_bands(samples, model.spec).transpose(*dims).values.astype(np.float32)
    days, number = sample_days(samples), samples.sizes["sample"]
    context = _context_of(model, samples)
    shape = series.shape[3:]
    middle = (shape[0] // 2, shape[1] // 2)
    made: dict[str, _Told] = {}
    for i, patch in enumerate(series):
        around = {n: np.full(shape, v[i], np.float32) for n, v in context.items()} or None
        when = days if days.ndim == 1 else days[i]
        found = _ask(model, patch, when, around, lambda p: p[:, middle[0], middle[1], None])
        _insert(made, found, np.array([i]), number)
    return made


def _insert(
    made: dict[str, _Told], found: Mapping[str, _Told], where: NDArray[np.integer], number: int
) -> None:
    """Put what was found of some of `number` samples in their place."""
    for task, (probabilities, aleatoric) in found.items():
        if task not in made:
            made[task] = (
                np.empty((len(probabilities), number), np.float32),
                None if aleatoric is None else np.empty(number, np.float32),
            )
        whole = made[task]
        whole[0][:, where] = probabilities
        if whole[1] is not None and aleatoric is not None:
            whole[1][where] = aleatoric


def _ask(
    model: Any,
    pixels: NDArray[np.float32],
    days: NDArray[np.int32],
    context: Mapping[str, NDArray[np.float32]] | None,
    take: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> dict[str, _Told]:
    """What a model says of the pixels that are taken of a block; each member is run once."""
    legends = model.spec.legends
    if not hasattr(model, "each_member"):
        given = by_task(model.predict_block(pixels, days, context), model.spec)
        return {task: (take(found), None) for task, found in given.items()}
    members = {task: Members(g, entropies=True, classes=False) for task, g in legends.items()}
    for each in model.each_member(pixels, days, context):
        for task, own in members.items():
            own.add(np.ascontiguousarray(take(np.asarray(each[task]))))
    return {task: (own.sums.mean(), own.sums.parts().aleatoric) for task, own in members.items()}


def _series(model: Predictor, samples: xr.Dataset) -> NDArray[np.float32]:
    """Series (time, band, sample) of single pixels."""
    reflectance = select_bands(samples, model.spec)
    return reflectance.transpose("time", "band", "sample").values.astype(np.float32)


def _context_of(model: Predictor, samples: xr.Dataset) -> dict[str, NDArray[np.float32]]:
    """Context of each sample by name, raw, and the positions of the regions of a calibration."""
    found: dict[str, NDArray[np.float32]] = {}
    if model.spec.context:
        values, names = context_of_samples(samples, model.spec.context)
        found = dict(zip(names, values, strict=True))
    calibration = attachments_of(model).calibration
    if calibration is not None and calibration.regions is not None:
        key = calibration.regions
        found[key.variable] = regions_of(samples, key).astype(np.float32)
    return found


def _describe(said: Mapping[str, _Told], model: Predictor, samples: xr.Dataset) -> xr.Dataset:
    """Predictions from what the model says of each task."""
    predictions = xr.Dataset(coords={"sample": samples["sample"]} if "sample" in samples else {})
    conformal = attachments_of(model).conformal
    key = conformal.regions if conformal else None
    regions = {key: regions_of(samples, key)} if key else {}
    for task, legend in model.spec.legends.items():
        probability = np.ascontiguousarray(said[task][0])
        facts = TaskFacts(
            task=task,
            legend=legend,
            probabilities=probability,
            conformal=conformal,
            regions=regions,
        )
        dim = "class" if len(said) == 1 else f"{task}_class"
        predictions[task] = ("sample", most_probable(probability, legend), legend.flags())
        predictions[f"{task}_entropy"] = ("sample", facts.entropy, {"units": "nat"})
        predictions[f"{task}_probability"] = (("sample", dim), probability.T)
        aleatoric = said[task][1]
        if aleatoric is not None:
            epistemic = np.maximum(facts.entropy - aleatoric, 0)
            parts = {"aleatoric": aleatoric, "epistemic": epistemic}
            for name, values in parts.items():
                predictions[f"{task}_{name}"] = ("sample", values, {"units": "nat"})
        if conformal is not None and task in conformal.thresholds:
            told = {"coverage": conformal.coverage, "conformal_method": conformal.method}
            sizes = facts.sets.sum(axis=0, dtype=np.uint8)
            predictions[f"{task}_set_size"] = ("sample", sizes, told)
            predictions[f"{task}_set"] = (("sample", dim), facts.sets.T.astype(np.uint8), told)
        predictions = predictions.assign_coords({dim: list(legend.ids)})
    return predictions


def _place(predictions: xr.Dataset, model: Predictor, samples: xr.Dataset) -> None:
    """Add how far the samples lie from those of the training, where that can be told."""
    rule, spec = attachments_of(model).applicability, model.spec
    if rule is None or fixed_number_of_dates(spec.dates) is None:
        return
    series = _of_bands(samples, spec)
    if "patch_y" in series.dims:
        series = series.isel({d: series.sizes[d] // 2 for d in ("patch_y", "patch_x")})
    values = series.transpose("time", "band", "sample").values.astype(np.float32)
    features = values.reshape(-1, values.shape[-1])
    if spec.context:
        features = np.concatenate([features, context_of_samples(samples, spec.context)[0]])
    found = rule.dissimilarity(features)
    flags = {"flag_values": np.array([0, 1], np.uint8), "flag_meanings": "outside inside"}
    told = {"threshold": rule.threshold}
    predictions["dissimilarity"] = ("sample", found, told)
    predictions["applicable"] = ("sample", mark_applicable(found, rule.threshold), told | flags)


def _heed_context(predictions: xr.Dataset, spec: ModelSpec, samples: xr.Dataset) -> xr.Dataset:
    """Predictions with fill where there is no context, and a mark where it is out of range."""
    values, _ = context_of_samples(samples, spec.context)
    unknown = np.isnan(values).any(0)
    for variable in predictions.data_vars.values():
        variable.values[unknown] = FILL_CLASS if variable.dtype == np.uint8 else np.nan
    scaling = spec.context_scaling
    if scaling is not None and scaling.low is not None:
        marked = np.where(unknown, FILL_CLASS, scaling.outside(values).any(0)).astype(np.uint8)
        attrs = {"flag_values": np.array([0, 1], np.uint8), "flag_meanings": "inside outside"}
        predictions["context_outside"] = ("sample", marked, attrs)
    return predictions


def select_bands(samples: xr.Dataset, spec: ModelSpec) -> xr.DataArray:
    """Reflectance of samples in the bands of a model, in its order.

    Raises
    ------
    SampleError
        If there is no reflectance, or it lacks a band.
    """
    check_single_pixels(samples)
    return _of_bands(samples, spec)


def _of_bands(samples: xr.Dataset, spec: ModelSpec) -> xr.DataArray:
    if "reflectance" not in samples or set(samples["reflectance"].dims) not in _DIMS:
        raise SampleError(
            f"expected samples with reflectance(sample, time, band), got "
            f"{ {str(k): v.dims for k, v in samples.data_vars.items()} }. "
            "Draw them with lulc_xr.extract_samples."
        )
    known = [str(band) for band in samples["band"].values]
    for band in spec.bands:
        if band not in known:
            raise SampleError(
                name_unknown("band", band, known)
                + f" The model needs {', '.join(spec.bands)}: draw the samples with these bands."
            )
    return samples["reflectance"].isel(band=[known.index(band) for band in spec.bands])


def sample_days(samples: xr.Dataset) -> NDArray[np.int32]:
    """Day of the mapped year (0-based) of each date of samples, (time,) or (sample, time).

    Raises
    ------
    SampleError
        If the samples do not carry their days.
    """
    if "day" not in samples.variables or set(samples["day"].dims) - {"sample"} != {"time"}:
        raise SampleError(
            "samples without day(time), the day of the mapped year of each date. "
            "Draw them with lulc_xr.extract_samples."
        )
    return samples["day"].transpose(..., "time").values.astype(np.int32)


def _same_days(samples: xr.Dataset) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Samples that share the days of their dates: days (time,), and which samples."""
    days = sample_days(samples)
    if days.ndim == 1:
        yield days, np.arange(samples.sizes["sample"])
        return
    unique, which = np.unique(days, axis=0, return_inverse=True)
    for number, row in enumerate(unique):
        yield row, np.flatnonzero(which.ravel() == number)
