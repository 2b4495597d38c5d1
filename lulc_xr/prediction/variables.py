"""Maps as CF variables: names, dimensions, attributes, storage encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.dates import year_bounds
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.model import ModelSpec, PredictorReference
from lulc_xr.core.probability import PROBABILITY_SCALE
from lulc_xr.prediction.block import Outputs


def map_dataset(
    cube: xr.Dataset,
    arrays: Mapping[str, Any],
    years: Sequence[int],
    *,
    spec: ModelSpec,
    outputs: Outputs,
    reference: PredictorReference,
) -> xr.Dataset:
    """The maps as variables of the cube's grid, with attributes written anew.

    Parameters
    ----------
    cube : xr.Dataset
        The cube; its `y`, `x` and `spatial_ref` are taken as they are.
    arrays : mapping of str to dask array
        Values by variable name.
    years : sequence of int
        Mapped years.
    spec : ModelSpec
        The model's legends and time axis.
    outputs : Outputs
        Names of the variables of each task.
    reference : PredictorReference
        The model, named in the provenance.
    """
    starts = [str(year_bounds(y, start_month=spec.dates.start_month)[0]) for y in years]
    provenance = {
        "model_hash": reference.content_hash,
        "precision": reference.precision,
        "year_start": " ".join(starts),
        "history": "lulc_xr.classify",
    }
    made: dict[str, xr.Variable] = {}
    for task, legend in spec.legends.items():
        made |= task_variables(task, legend, arrays, outputs, provenance)
    if outputs.outside:
        made[outputs.outside] = _outside(arrays[outputs.outside], spec, provenance)
    coords: dict[Any, Any] = {
        "year": xr.Variable("year", np.asarray(years, np.int64), {"long_name": "mapped year"}),
        "y": cube["y"].variable,
        "x": cube["x"].variable,
    }
    for task in outputs.probabilities:
        names = np.array(spec.legends[task].names, dtype=np.dtypes.StringDType())
        coords[class_dimension(task)] = names
    if "spatial_ref" in cube.variables:
        coords["spatial_ref"] = cube["spatial_ref"].variable
    return xr.Dataset(made, coords=coords)


def class_dimension(task: str) -> str:
    """Dimension of a task's probabilities: tasks have legends, and so dimensions, of their own."""
    return "class" if task == "land_cover" else f"{task}_class"


def task_variables(
    task: str,
    legend: Legend,
    arrays: Mapping[str, Any],
    outputs: Outputs,
    provenance: Mapping[str, str],
) -> dict[str, xr.Variable]:
    """Class map, entropy and probabilities of one task, as far as they are asked for."""
    names = {
        "class": outputs.classes.get(task),
        "entropy": outputs.entropies.get(task),
        "probability": outputs.probabilities.get(task),
    }
    words = task.replace("_", " ")
    made: dict[str, xr.Variable] = {}
    for kind, name in names.items():
        if name is None:
            continue
        others = " ".join(n for n in names.values() if n and n != name)
        attrs: dict[str, Any] = {**provenance} | ({"ancillary_variables": others} if others else {})
        encoding: dict[str, Any] = {"grid_mapping": "spatial_ref"}
        dims: tuple[str, ...] = ("year", "y", "x")
        if kind == "class":
            attrs |= {"long_name": words, **legend.flags()}
            encoding |= {"dtype": "uint8", "_FillValue": np.uint8(FILL_CLASS)}
        elif kind == "entropy":
            attrs |= {
                "long_name": f"Shannon entropy of {words} probabilities",
                "units": "1",
                "comment": "natural logarithm (nats); 0 to ln(number of classes)",
                "valid_min": 0.0,
                "valid_max": float(np.log(len(legend))),
            }
            encoding |= {"dtype": "float32"}
        else:
            dims = ("year", class_dimension(task), "y", "x")
            attrs |= {"long_name": f"probability of {words}", "units": "1"}
            encoding |= {
                "dtype": "uint8",
                "scale_factor": PROBABILITY_SCALE,
                "_FillValue": np.uint8(255),
            }
        made[name] = xr.Variable(dims, arrays[name], attrs, encoding)
    return made


def _outside(array: Any, spec: ModelSpec, provenance: Mapping[str, str]) -> xr.Variable:
    attrs = {
        **provenance,
        "long_name": "context outside the range of the training samples",
        "flag_values": np.array([0, 1], np.uint8),
        "flag_meanings": "inside outside",
        "comment": f"any of {', '.join(spec.context)}",
    }
    encoding = {
        "grid_mapping": "spatial_ref",
        "dtype": "uint8",
        "_FillValue": np.uint8(FILL_CLASS),
    }
    return xr.Variable(("year", "y", "x"), array, attrs, encoding)
