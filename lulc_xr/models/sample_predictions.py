"""Predictions for samples: every sample is a block of one pixel beside the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import ModelSpec, Predictor, check_single_pixels
from lulc_xr.core.probability import entropy, most_probable
from lulc_xr.core.regions import RegionKey

_DIMS = ({"sample", "time", "band"}, {"sample", "time", "band", "patch_y", "patch_x"})


def predict_samples(model: Predictor, samples: xr.Dataset) -> xr.Dataset:
    """Classes, entropy and probabilities of samples.

    Parameters
    ----------
    model : Predictor
        A model of single pixels, or of patches.
    samples : xr.Dataset
        Samples with `reflectance` (sample, time, band), for a model that looks around also
        (sample, time, band, patch_y, patch_x): the pixel in the middle is predicted.

    Returns
    -------
    xr.Dataset
        For each task: ``<task>`` (sample) uint8 class ids, ``<task>_entropy`` (sample) float32
        in nats, ``<task>_probability`` (sample, class) float32; `class` of several tasks is
        named ``<task>_class``. A model with context gives 255 and NaN to samples without context,
        and, if it knows the range of its training samples, ``context_outside`` (sample) uint8: 1
        outside of it.

    Raises
    ------
    SampleError
        If a band of the model is missing, or the samples carry no days.
    """
    return _describe(probabilities_of(model, samples), model.spec, samples)


def probabilities_of(model: Predictor, samples: xr.Dataset) -> dict[str, NDArray[np.float32]]:
    """What a model says of samples, shape (class, sample), by task; see :func:`predict_samples`."""
    if "patch_y" in samples.dims and (model.spec.halo or model.spec.stride > 1):
        return _middles(model, samples)
    reflectance = select_bands(samples, model.spec)
    series = reflectance.transpose("time", "band", "sample").values.astype(np.float32)
    context = _context_of(model, samples)
    by_task: dict[str, NDArray[np.float32]] = {}
    for days, members in _same_days(samples):
        around = {name: values[members, None] for name, values in context.items()} or None
        given = model.predict_block(series[:, :, members, None], days, around)
        for task, found in (
            given if isinstance(given, Mapping) else {next(iter(model.spec.legends)): given}
        ).items():
            shape = (len(found), samples.sizes["sample"], 1)
            by_task.setdefault(task, np.empty(shape, np.float32))[:, members] = found
    return {task: found[..., 0] for task, found in by_task.items()}


def _context_of(model: Predictor, samples: xr.Dataset) -> dict[str, NDArray[np.float32]]:
    """Context of each sample by name, raw, and the positions of the regions that rules need."""
    found: dict[str, NDArray[np.float32]] = {}
    if model.spec.context:
        values, names = context_of_samples(samples, model.spec.context)
        found = dict(zip(names, values, strict=True))
    attachments = getattr(model, "attachments", None) or Attachments()
    for key in attachments.region_keys:
        found[key.variable] = regions_of(samples, key).astype(np.float32)
    return found


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


def _middles(model: Predictor, samples: xr.Dataset) -> dict[str, NDArray[np.float32]]:
    """Probabilities (class, sample) of the pixel in the middle of each patch, by task."""
    dims = ("sample", "time", "band", "patch_y", "patch_x")
    series = _of_bands(samples, model.spec).transpose(*dims).values.astype(np.float32)
    days, number = sample_days(samples), samples.sizes["sample"]
    context = _context_of(model, samples)
    shape = series.shape[3:]
    found: dict[str, NDArray[np.float32]] = {}
    for i, patch in enumerate(series):
        around = {n: np.full(shape, v[i], np.float32) for n, v in context.items()} or None
        given = model.predict_block(patch, days if days.ndim == 1 else days[i], around)
        by_task = given if isinstance(given, Mapping) else {next(iter(model.spec.legends)): given}
        for task, probability in by_task.items():
            middle = probability[:, shape[0] // 2, shape[1] // 2]
            found.setdefault(task, np.empty((len(middle), number), np.float32))[:, i] = middle
    return found


def _describe(
    by_task: Mapping[str, NDArray[np.float32]], spec: ModelSpec, samples: xr.Dataset
) -> xr.Dataset:
    """Predictions from probabilities (class, sample) by task."""
    predictions = xr.Dataset(coords={"sample": samples["sample"]} if "sample" in samples else {})
    for task, legend in spec.legends.items():
        probability = np.ascontiguousarray(by_task[task])
        dim = "class" if len(by_task) == 1 else f"{task}_class"
        predictions[task] = ("sample", most_probable(probability, legend), legend.flags())
        predictions[f"{task}_entropy"] = ("sample", entropy(probability), {"units": "nat"})
        predictions[f"{task}_probability"] = (("sample", dim), probability.T)
        predictions = predictions.assign_coords({dim: list(legend.ids)})
    return _heed_context(predictions, spec, samples) if spec.context else predictions


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
