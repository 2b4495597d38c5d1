"""Numbers that are learned beside the classes, as a pretext, and left out of the classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from torch import nn

from lulc_xr.core.context import CONTEXT
from lulc_xr.core.context_scaling import context_of_samples
from lulc_xr.core.errors import ModelError, SampleError, name_unknown
from lulc_xr.core.model import tasks_of
from lulc_xr.models.weights import put_weights


class TargetScaling(NamedTuple):
    """Mean and standard deviation of a target over the training samples."""

    mean: float
    std: float


def with_targets(samples: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Samples that carry every target as a variable of its name.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with `reflectance` and, for context variables, ``bioclim``.
    names : sequence of str
        ``"ndvi"``: mean normalised difference vegetation index of the dates that were seen, of
        every pixel (needs bands red and nir). A context variable: that of the place. Else a
        variable that the samples have.

    Returns
    -------
    xr.Dataset
        Targets float32, (sample,) or (sample, patch_y, patch_x), NaN where unknown.

    Raises
    ------
    SampleError
        If a name is that of a task, or nothing that the samples can give.

    References
    ----------
    Rouse, J. W. et al. (1974). Monitoring vegetation systems in the Great Plains with ERTS.
    NASA SP-351 (the index).
    """
    made = samples
    for name in names:
        if name in tasks_of(samples):
            raise SampleError(
                f"{name!r} is a task with classes and cannot be regressed. Name another variable."
            )
        if name in samples.data_vars:
            values = samples[name].transpose("sample", ...).astype(np.float32)
        elif name in _of_context(samples):
            row, _ = context_of_samples(samples, [name])
            values = xr.DataArray(row[0], dims="sample")
        elif name == "ndvi":
            values = _mean_ndvi(samples)
        else:
            variables = [str(v) for v, a in samples.data_vars.items() if a.dims == ("sample",)]
            known = ["ndvi", *_of_context(samples), *variables]
            raise SampleError(name_unknown("regression", name, known))
        made = made.assign({name: values.where(np.isfinite(values))})
    return made


def scale_targets(samples: xr.Dataset, names: Sequence[str]) -> dict[str, TargetScaling]:
    """Mean and deviation of every target; give training samples only.

    Raises
    ------
    SampleError
        If a target is constant or nowhere known.
    """
    found = {}
    for name in names:
        values = samples[name].values.astype(np.float64)
        known = values[np.isfinite(values)]
        std = known.std() if known.size else 0.0
        if not std > 1e-6 * abs(known.mean() if known.size else 1.0):
            raise SampleError(
                f"regression {name!r} is the same in all {samples.sizes['sample']} training "
                "samples, or missing: nothing can be learned from it. Leave it out."
            )
        found[name] = TargetScaling(float(known.mean()), float(std))
    return found


def keep_heads(kept: nn.Module, trained: nn.Module, *, name: str) -> nn.Module:
    """A trained network without some of its heads.

    Parameters
    ----------
    kept : torch.nn.Module
        A network of the same kind with fewer heads; filled in place.
    trained : torch.nn.Module
        The network with all heads.
    name : str
        Name of the network, for the message.

    Raises
    ------
    ModelError
        If the weights other than those of the heads do not fit.
    """
    wanted = kept.state_dict()
    given = trained.state_dict()
    try:
        put_weights(kept, {n: v for n, v in given.items() if n in wanted}, origin=name)
    except ModelError as error:
        raise ModelError(
            f"network {name!r} cannot lose a head: {error} Regressions need a network whose heads "
            "are a torch.nn.ModuleDict 'heads' by task, and nothing else that depends on them."
        ) from error
    return kept


def _of_context(samples: xr.Dataset) -> list[str]:
    return [str(v) for v in samples["bioclim_variable"].values] if CONTEXT in samples else []


def _mean_ndvi(samples: xr.Dataset) -> xr.DataArray:
    bands = [str(band) for band in samples["band"].values]
    if not {"red", "nir"} <= set(bands):
        raise SampleError(
            f"regression 'ndvi' needs bands red and nir; these samples have {', '.join(bands)}."
        )
    values = samples["reflectance"]
    red, nir = (values.isel(band=bands.index(band), drop=True) for band in ("red", "nir"))
    total = nir + red
    index = ((nir - red) / total).where(total > 0).clip(-1, 1).mean("time")
    return index.transpose("sample", ...).astype(np.float32)
