"""Whether samples lie apart from those that a model has seen; refused where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.places import Places

APART = 30.0
"""Metres. Nearer samples share a pixel of Landsat, or the window that a surveyor of LUCAS saw."""


def check_apart(
    samples: xr.Dataset,
    model: object,
    *,
    apart: float | None,
    trained_on: xr.Dataset | None = None,
) -> dict[str, Any]:
    """Raise unless samples lie apart from those that a model was trained and validated on.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with `x`, `y` and the attribute ``crs_wkt``.
    model : object
        Looked up for ``training_places``.
    apart : float or None
        Least distance in metres; None: nothing is checked.
    trained_on : xr.Dataset, optional
        The samples of the training, for a model that does not know them.

    Returns
    -------
    dict
        What goes into the provenance: `apart`, and `nearest`, the smallest distance (None, if
        nothing was checked).

    Raises
    ------
    ModelError
        If it is not known where the model was trained.
    SampleError
        If samples lie too near, `apart` is negative, or they do not say where they lie.
    """
    if apart is None:
        return {"apart": None, "nearest": None}
    if not (np.isfinite(apart) and apart >= 0):
        raise SampleError(f"apart={apart}; give metres >= 0, or None to check nothing.")
    seen: Places | None = getattr(model, "training_places", None)
    if trained_on is not None:
        given = Places.of_samples(trained_on)
        seen = given if seen is None else Places.joined([seen, given])
    if seen is None:
        raise ModelError(
            f"it is not known where this {type(getattr(model, 'model', model)).__name__} was "
            "trained, so these samples may be those of the training. Give those as trained_on=; "
            "or, if you know that the samples lie apart, apart=None (which is noted in the "
            "provenance)."
        )
    distance = Places.of_samples(samples).distance_to(seen)
    near = (distance < apart) | (distance == 0)
    if near.any():
        same = int((distance == 0).sum())
        raise SampleError(
            f"{int(near.sum())} of {len(distance)} places of these samples lie nearer than "
            f"{apart:g} m to samples that the model was trained or validated on"
            f"{f' ({same} are the very same places)' if same else ''}; the nearest is "
            f"{distance.min():.4g} m away. A model is surer of what it has seen. Take samples "
            f"apart: lulc_xr.make_folds(samples, method='blocked', block=..., "
            f"buffer={max(apart, APART):g}), train on some folds and keep another for this; or "
            "state another distance with apart=."
        )
    return {"apart": float(apart), "nearest": float(distance.min())}
