"""Maps as CF variables: names, dimensions, attributes, storage encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.dates import year_bounds
from lulc_xr.core.model import ModelSpec, PredictorReference
from lulc_xr.prediction.kinds import CLASS_MAP, Meaning
from lulc_xr.prediction.outputs import Output, Outputs


def map_dataset(
    cube: xr.Dataset,
    arrays: Mapping[str, Any],
    years: Sequence[int],
    *,
    spec: ModelSpec,
    outputs: Outputs,
    reference: PredictorReference,
    attachments: Attachments,
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
        The variables.
    reference : PredictorReference
        The model, named in the provenance.
    attachments : Attachments
        Rules of the model, named where they decide.
    """
    starts = [str(year_bounds(y, start_month=spec.dates.start_month)[0]) for y in years]
    provenance = {
        "model_hash": reference.content_hash,
        "precision": reference.precision,
        "year_start": " ".join(starts),
        "history": "lulc_xr.classify",
    }
    made = {
        output.name: describe(
            output,
            arrays[output.name],
            outputs,
            meaning=_meaning(output.task, spec, attachments),
            provenance=provenance,
        )
        for output in outputs.each
    }
    coords: dict[Any, Any] = {
        "year": xr.Variable("year", np.asarray(years, np.int64), {"long_name": "mapped year"}),
        "y": cube["y"].variable,
        "x": cube["x"].variable,
    }
    for output in outputs.each:
        if output.described.axis == "class":
            names = np.array(spec.legends[output.task].names, dtype=np.dtypes.StringDType())
            coords[class_dimension(output.task)] = names
        elif output.described.axis == "member":
            coords["member"] = xr.Variable(
                "member", np.arange(outputs.members), {"long_name": "member of the model"}
            )
    if "spatial_ref" in cube.variables:
        coords["spatial_ref"] = cube["spatial_ref"].variable
    return xr.Dataset(made, coords=coords)


def class_dimension(task: str) -> str:
    """Dimension of a task's probabilities: tasks have legends, and so dimensions, of their own."""
    return "class" if task == "land_cover" else f"{task}_class"


def describe(
    output: Output,
    array: Any,
    outputs: Outputs,
    *,
    meaning: Meaning,
    provenance: Mapping[str, str],
) -> xr.Variable:
    """One output as a variable.

    Parameters
    ----------
    output : Output
        What it is.
    array : dask array
        Its values, (year, y, x), or (year, class or member, y, x).
    outputs : Outputs
        All outputs; those of the same task are linked.
    meaning : Meaning
        What its attributes are written from.
    provenance : mapping of str
        Attributes that all of them have.
    """
    kind = output.described
    others = [o.name for o in outputs.of(output.task) if o != output and output.task]
    if output.kind == CLASS_MAP:
        others += [o.name for o in outputs.of("") if o.described.needs == "applicability"]
    attrs = {**provenance} | ({"ancillary_variables": " ".join(others)} if others else {})
    axis = class_dimension(output.task) if kind.axis == "class" else kind.axis
    dims = ("year", *((axis,) if axis else ()), "y", "x")
    return xr.Variable(dims, array, attrs | kind.describe(meaning), kind.stored())


def _meaning(task: str, spec: ModelSpec, attachments: Attachments) -> Meaning:
    return Meaning(
        words=task.replace("_", " "),
        legend=spec.legends.get(task),
        context=spec.context,
        attachments=attachments,
    )
