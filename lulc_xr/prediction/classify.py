"""A cube to class maps, lazily: one task per shard does everything in one pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments, attachments_of
from lulc_xr.core.blocks import split
from lulc_xr.core.cube import check_cube
from lulc_xr.core.dates import YearDates, mapped_years, plan_year
from lulc_xr.core.model import (
    ModelSpec,
    Predictor,
    PredictorReference,
    check_precision,
    check_predictor,
)
from lulc_xr.core.regions import RegionKey
from lulc_xr.prediction.block import leading_shape
from lulc_xr.prediction.context import make_context
from lulc_xr.prediction.loading import make_reference
from lulc_xr.prediction.outputs import Outputs, plan_outputs
from lulc_xr.prediction.regions import keys_of, make_regions
from lulc_xr.prediction.sources import Source, make_source
from lulc_xr.prediction.variables import map_dataset
from lulc_xr.prediction.year_job import YearJob

_SHARD = 512
_ENGINE = 1
"""Version of the arithmetic; part of every job's identity."""


def classify(
    ds: xr.Dataset,
    model: Predictor,
    *,
    outputs: Sequence[str] | None = None,
    years: Sequence[int] | None = None,
    precision: str = "float32",
    shard: int | None = None,
) -> xr.Dataset:
    """Class maps of a cube, lazily.

    Nothing is read or computed until the result is; :func:`lulc_xr.write_variables` writes it
    shard by shard into the cube's store. All outputs of a shard come from one pass of the model,
    or of each of its members, over data that is read once.

    Parameters
    ----------
    ds : xr.Dataset
        A cube (time, band, y, x), Dask-backed or in memory, dimensions in any order.
    model : Predictor
        A classifier, :class:`lulc_xr.EstimatorPredictor`, :class:`lulc_xr.ModulePredictor`, or
        any object with ``spec`` and ``predict_block``.
    outputs : sequence of str, optional
        Tasks whose class map is wanted, and what else is wanted of these tasks (without a task:
        of all tasks of the model). By default the class map of every task and its entropy.

        - ``"entropy"`` (nats), ``"margin"``, ``"least_confidence"``, ``"max_probability"``,
          ``"probability"`` of any model;
        - ``"aleatoric"``, ``"epistemic"`` (nats; they add up to the entropy) and ``"members"``
          (class map of each) of a model with several members, such as an ensemble;
        - ``"set_size"`` and ``"set"`` of a model with conformal sets;
        - ``"dissimilarity"`` and ``"applicable"`` of a model with an area of applicability;
        - ``"context_outside"`` of a model with context.
    years : sequence of int, optional
        Mapped years; by default those whose first and last month hold a date.
    precision : {"float32", "bfloat16"}
        Arithmetic of the network. bfloat16 is refused when it changes more than 0.1 % of the
        classes of a probe block.
    shard : int, optional
        Side of the result's chunks in pixels; by default that of the cube's own chunks.

    Returns
    -------
    xr.Dataset
        Per task ``<task>(year, y, x)`` uint8 (255: no clear date, or the model needs context
        and the pixel has none, such as out at sea), and ``<task>_<output>``: float32 with NaN
        there, ``set_size``, ``set`` and ``members`` uint8 with 255;
        ``<task>_probability`` and ``<task>_set`` over (year, class, y, x) (``<task>_class`` for
        tasks other than land_cover, each with a legend of its own), ``<task>_members`` over
        (year, member, y, x). ``dissimilarity(year, y, x)`` float32; ``applicable`` uint8: 1
        inside the area of applicability; ``context_outside`` uint8: 1 where the context lies
        outside the range of the training samples. `y` and `x` as in `ds`.

    Raises
    ------
    CubeError
        If the cube lacks what the model needs, the regions of its rules among it.
    ModelError
        If the model cannot predict, not in this precision, or lacks what an output needs.
    """
    predictor = check_predictor(model)
    spec = predictor.spec
    cube = check_cube(ds, bands=spec.bands)
    wanted = plan_outputs(outputs, predictor)
    chosen = check_precision(precision)
    reference = make_reference(predictor, precision=chosen)
    exact = None if chosen == "float32" else make_reference(predictor, precision="float32")
    times = cube["time"].values
    mapped = mapped_years(times, start_month=spec.dates.start_month, years=years)
    plans = [plan_year(times, spec.dates, year=year) for year in mapped]
    shape = (cube.sizes["y"], cube.sizes["x"])
    side = (shard, shard) if shard else _shard_side(cube["reflectance"])
    context, around = make_context(cube, spec.context)
    attached = attachments_of(predictor)
    regions, zones = make_regions(cube, keys_of(attached, sets=wanted.need("conformal")))
    dependencies: list[da.Array] = [*([] if around is None else [around]), *zones]
    jobs = []
    for plan in plans:
        reflectance, clear, needed = _sources(cube, spec, plan)
        dependencies += needed
        jobs.append(
            YearJob(
                reference=reference,
                exact=exact,
                reflectance=reflectance,
                clear=clear,
                context=context,
                regions=regions,
                halo=spec.halo,
                stride=spec.stride,
                shape=shape,
                shard=(min(side[0], shape[0]), min(side[1], shape[1])),
                year=plan,
                outputs=wanted,
            )
        )
    identity = _identity(jobs, reference, spec, side)
    arrays = _arrays(
        jobs, dependencies, spec, wanted, side=side, identity=identity, attachments=attached
    )
    return map_dataset(
        cube, arrays, mapped, spec=spec, outputs=wanted, reference=reference, attachments=attached
    )


def _sources(
    cube: xr.Dataset, spec: ModelSpec, plan: YearDates
) -> tuple[Source, Source | None, list[da.Array]]:
    names = [str(b) for b in cube["band"].values]
    bands = [names.index(b) for b in spec.bands]
    reflectance, first = make_source(cube["reflectance"], [plan.positions, bands])
    clear, second = None, None
    if "clear" in cube:
        clear, second = make_source(cube["clear"], [plan.positions])
    return reflectance, clear, [a for a in (first, second) if a is not None]


def _shard_side(reflectance: xr.DataArray) -> tuple[int, int]:
    if reflectance.chunks is None:
        return (_SHARD, _SHARD)
    y, x = (reflectance.chunksizes[d][0] for d in ("y", "x"))
    return (int(y), int(x))


def _identity(
    jobs: Sequence[YearJob], reference: PredictorReference, spec: ModelSpec, side: Any
) -> dict[str, Any]:
    """All that decides the values of any output: the model, the inputs, the settings."""
    context = jobs[0].context
    return ({"context": context.identity} if context else {}) | {
        "model": reference.content_hash,
        "precision": reference.precision,
        "spec": spec.to_dict(),
        "inputs": [job.identity for job in jobs],
        "years": [asdict(j.year) for j in jobs],
        "side": side,
    }


def _token(identity: Mapping[str, Any], job: YearJob, keys: Sequence[RegionKey]) -> str:
    """Name of the values of an output that depends on these regions."""
    regions = [r for r in (source.identity(keys) for source in job.regions) if r]
    whole = {**identity, **({"regions": regions} if regions else {})}
    return tokenize(_ENGINE, json.dumps(whole, sort_keys=True))


def _arrays(
    jobs: Sequence[YearJob],
    dependencies: Sequence[da.Array],
    spec: ModelSpec,
    outputs: Outputs,
    *,
    side: tuple[int, int],
    identity: Mapping[str, Any],
    attachments: Attachments,
) -> dict[str, da.Array]:
    """One task per shard and year, and one array per variable that picks its part."""
    chunks = (split(jobs[0].shape[0], side[0]), split(jobs[0].shape[1], side[1]))
    edges = [np.concatenate([[0], np.cumsum(c)]).tolist() for c in chunks]
    # A map has the same name whatever other outputs are asked for; tasks have not, as they
    # make other variables.
    everything = keys_of(attachments, sets=outputs.need("conformal"))
    token = _token(identity, jobs[0], everything)
    block_name = f"classify-{tokenize(token, outputs.names)}"
    tasks: dict[Any, Any] = {}
    for (n, job), i, j in product(enumerate(jobs), range(len(chunks[0])), range(len(chunks[1]))):
        rows = slice(edges[0][i], edges[0][i + 1])
        columns = slice(edges[1][j], edges[1][j + 1])
        key = (block_name, n, i, j)
        tasks[key] = Task(key, job.run, rows, columns, *job.inputs(rows, columns))
    layers: dict[str, Any] = {block_name: tasks}
    depends: dict[str, set[str]] = {block_name: {a.name for a in dependencies}}
    for array in dependencies:
        layers.update(array.dask.layers)
        depends.update(array.dask.dependencies)
    made = {}
    for output in outputs.each:
        leading = leading_shape(output, spec, outputs)
        used = keys_of(attachments, sets=output.described.needs == "conformal")
        own = f"{output.name}-{_token(identity, jobs[0], used if output.task else ())}"
        middle = (0,) * len(leading)
        parts: dict[Any, Any] = {}
        for _, n, i, j in tasks:
            key = (own, n, *middle, i, j)
            parts[key] = Task(key, _pick, TaskRef((block_name, n, i, j)), output.name)
        graph = HighLevelGraph({**layers, own: parts}, {**depends, own: {block_name}})
        made[output.name] = da.Array(
            graph,
            own,
            chunks=((1,) * len(jobs), *((size,) for size in leading), *chunks),
            dtype=output.described.dtype,
        )
    return made


def _pick(block: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    return block[name]
