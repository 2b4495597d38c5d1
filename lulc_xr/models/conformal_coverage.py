"""Coverage and size of conformal sets at labelled samples, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import CONFORMAL
from lulc_xr.core.coverage import Interval, count_covered, proportion_interval
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.model import check_predictor
from lulc_xr.core.places import Places
from lulc_xr.models.calibrate import key_of_samples
from lulc_xr.models.labelled import choose_tasks, collect_labelled
from lulc_xr.models.sample_predictions import regions_of


def conformal_coverage(
    model: Any,
    samples: xr.Dataset,
    *,
    task: str | None = None,
    region: str | None = None,
    level: float = 0.95,
    interval: Interval = "wilson",
) -> pd.DataFrame:
    """How often the sets of a model hold the true class, at samples that it has not seen.

    Parameters
    ----------
    model : Classifier, Ensemble or Calibrated
        A model with `.conformal`.
    samples : xr.Dataset
        Labelled samples apart from the training and from those the sets were fitted on.
    task : str, optional
        By default the only task that has sets.
    region : str, optional
        Variable of the samples with names of regions; by default that of the conformal rule.
    level, interval
        See :func:`lulc_xr.coverage_of_sets`.

    Returns
    -------
    pandas.DataFrame
        As :func:`lulc_xr.coverage_of_sets`; `attrs` say what was promised.

    Raises
    ------
    ModelError
        If the model has no conformal sets.
    SampleError
        If samples are those that the sets were fitted on, or have no labels.
    """
    rule = getattr(check_predictor(model), "conformal", None)
    if rule is None:
        raise ModelError("this model has no conformal sets; fit them: lulc_xr.conformalize.")
    known = [name for name in choose_tasks(model, task) if name in rule.thresholds]
    if len(known) != 1:
        raise ModelError(
            f"conformal sets of the tasks {', '.join(rule.thresholds)}, asked for "
            f"{task or 'all'}; name one with task=."
        )
    own = collect_labelled(model, samples, tasks=known, members=False)[known[0]]
    used = samples.isel(sample=own.used)
    _check_unseen(model, used)
    positions = regions_of(used, rule.regions) if rule.regions else None
    sets = rule.sets(own.probabilities[0], task=known[0], region=positions)
    legend = model.spec.legends[known[0]]
    by = region or (rule.regions.variable if rule.regions else None)
    labels = np.array(legend.ids, np.uint8)[own.labels]
    found = coverage_of_sets(
        sets, labels, legend=legend, level=level, interval=interval,
        region=None if by is None else used[by].values,
    )  # fmt: skip
    found.attrs |= {"promised": rule.coverage, "method": rule.method, "by_class": rule.by_class}
    return found


def coverage_of_sets(
    sets: NDArray[np.bool_] | xr.DataArray,
    labels: NDArray[np.integer] | xr.DataArray,
    *,
    legend: Legend,
    region: NDArray[Any] | None = None,
    level: float = 0.95,
    interval: Interval = "wilson",
) -> pd.DataFrame:
    """How often sets of classes hold the true one, and how large they are.

    Parameters
    ----------
    sets : ndarray of bool, or of uint8
        Shape (class, sample): the classes of each set. 255 is not mapped: such samples are left
        out, and counted in ``attrs["left_out"]``.
    labels : ndarray of int
        Class ids, shape (sample,); 255 without label.
    legend : Legend
        The classes, in the order of `sets`.
    region : ndarray of str, optional
        Name of the region of each sample; ``""`` is none.
    level : float
        Confidence of the intervals, which take samples as independent: where they lie together,
        the true ones are wider.
    interval : {"wilson", "clopper-pearson"}
        See :func:`lulc_xr.core.coverage.proportion_interval`.

    Returns
    -------
    pandas.DataFrame
        Rows for all samples together, each class, each region, and each class in each region;
        columns `group` ("all", "class", "region", "class in region"), `class`, `region`,
        `samples`, `covered`, `coverage`, `low`, `high`, `set_size` (mean).

    Raises
    ------
    SampleError
        If shapes differ, or no sample has a label and a set.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> sets = np.array([[True, True, False], [False, True, False]])
    >>> coverage_of_sets(sets, np.array([0, 1, 1]), legend=legend)[["class", "covered", "samples"]]
          class  covered  samples
    0                  2        3
    1  cropland        1        1
    2     water        1        2
    """
    held, ids = np.asarray(sets), np.asarray(labels)
    if held.shape != (len(legend), *ids.shape) or ids.ndim != 1:
        raise SampleError(
            f"sets of shape {held.shape} and labels of shape {ids.shape}; expected "
            f"({len(legend)}, sample) and (sample,): one row of sets for each class."
        )
    index = legend.index_of(ids)
    known = (index >= 0) & (held != FILL_CLASS).all(axis=0)
    if not known.any():
        raise SampleError(f"none of {ids.size} samples has a label and a set.")
    names: tuple[str, ...] = ()
    where = np.full(ids.size, -1, np.int16)
    if region is not None:
        table = xr.Dataset({"region": ("sample", np.asarray(region))})
        key, where = key_of_samples(table, "region")
        names = key.names
    counts = count_covered(
        held[:, known].astype(bool), index[known], region=where[known], regions=len(names)
    )
    frame = _table(counts, legend=legend, regions=names, level=level, interval=interval)
    frame.attrs = {"level": level, "interval": interval, "left_out": int((~known).sum())}
    return frame


def _table(
    counts: tuple[NDArray[np.int64], ...],
    *,
    legend: Legend,
    regions: tuple[str, ...],
    level: float,
    interval: Interval,
) -> pd.DataFrame:
    inside = [c[:-1] for c in counts]
    groups = [("all", [""], [""], [c.sum(keepdims=True) for c in counts])]
    groups += [("class", list(legend.names), [""], [c.sum(axis=0) for c in counts])]
    if regions:
        groups += [("region", [""], list(regions), [c.sum(axis=1) for c in inside])]
        groups += [("class in region", list(legend.names), list(regions), inside)]
    frames = []
    for group, classes, places, values in groups:
        number, covered, size = (np.asarray(v).ravel() for v in values)
        low, high = proportion_interval(covered, number, level=level, interval=interval)
        with np.errstate(invalid="ignore"):
            columns = {
                "group": group,
                "class": classes * len(places),
                "region": np.repeat(places, len(classes)),
                "samples": number,
                "covered": covered,
                "coverage": covered / number,
                "low": low,
                "high": high,
                "set_size": size / number,
            }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _check_unseen(model: Any, samples: xr.Dataset) -> None:
    known = model.attachments.places.get(CONFORMAL)
    if known is None:
        return
    distance = Places.of_samples(samples).distance_to(known)
    if same := int((distance == 0).sum()):
        raise SampleError(
            f"{same} of {len(distance)} places of these samples are those that the sets were "
            "fitted on, where the coverage is what was promised by construction. Give others."
        )
