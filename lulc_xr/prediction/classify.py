"""A cube to class maps, lazily: one task per shard does everything in one pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, product
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from lulc_xr.core.blocks import Window, split, window
from lulc_xr.core.cube import check_cube
from lulc_xr.core.dates import YearDates, mapped_years, plan_year
from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.model import (
    ModelSpec,
    Predictor,
    PredictorReference,
    check_precision,
    check_predictor,
)
from lulc_xr.prediction.block import Block, Outputs, Probe, predict_block, probe_pixels
from lulc_xr.prediction.context import OUTSIDE, ContextSource, check_range, make_context
from lulc_xr.prediction.loading import load_once, make_reference
from lulc_xr.prediction.sources import Source, make_source
from lulc_xr.prediction.variables import map_dataset

_SHARD = 512
_ENGINE = 1
"""Version of the arithmetic; part of every job's identity."""


@dataclass(frozen=True, kw_only=True)
class _YearJob:
    """What every task of one mapped year shares."""

    reference: PredictorReference
    exact: PredictorReference | None
    reflectance: Source
    clear: Source | None
    context: ContextSource | None
    halo: int
    stride: int
    shape: tuple[int, int]
    shard: tuple[int, int]
    year: YearDates
    outputs: Outputs

    def run(self, rows: slice, columns: slice, *chunks: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """All variables of one shard; `chunks` are the inputs of all sources, in order."""
        place = self._window(rows, columns)
        outer = (place.outer_y, place.outer_x)
        given = iter(chunks)
        parts = [
            list(islice(given, len(s.inputs(*outer)))) if s else []
            for s in (self.reflectance, self.clear, self.context)
        ]
        try:
            block = Block(
                pixels=self.reflectance.read(*outer, parts[0]),
                decode=self.reflectance.decode,
                clear=self.clear.read(*outer, parts[1]) if self.clear else None,
                context=self.context.read(*outer, parts[2]) if self.context else None,
                window=place,
            )
            return predict_block(
                block,
                load_once(self.reference),
                year=self.year,
                outputs=self.outputs,
                probe=self._probe(),
            )
        except BaseException as error:
            error.add_note(
                f"while classifying year {self.year.year}, rows {rows.start}-{rows.stop}, "
                f"columns {columns.start}-{columns.stop}"
            )
            raise

    def _probe(self) -> Probe | None:
        if self.exact is None:
            return None
        return Probe(
            reference=load_once(self.exact),
            identity=self.reference.content_hash,
            pixels=probe_pixels(self.shard),
        )

    def inputs(self, rows: slice, columns: slice) -> list[Any]:
        """Keys of the chunks that the task of one shard needs."""
        place = self._window(rows, columns)
        sources = (self.reflectance, self.clear, self.context)
        return [key for s in sources if s for key in s.inputs(place.outer_y, place.outer_x)]

    def _window(self, rows: slice, columns: slice) -> Window:
        return window(rows, columns, halo=self.halo, shape=self.shape, stride=self.stride)


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
    shard by shard into the cube's store. All outputs of a shard come from one pass of the model.

    Parameters
    ----------
    ds : xr.Dataset
        A cube (time, band, y, x), Dask-backed or in memory, dimensions in any order.
    model : Predictor
        A classifier, :class:`lulc_xr.EstimatorPredictor`, :class:`lulc_xr.ModulePredictor`, or
        any object with ``spec`` and ``predict_block``.
    outputs : sequence of str, optional
        Tasks whose class map is wanted, ``"entropy"`` (nats) and ``"probability"`` of these
        tasks; ``"context_outside"`` of a model with context. By default the class map of every
        task and its entropy.
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
        and the pixel has none, such as out at sea), ``<task>_entropy`` float32,
        ``<task>_probability(year, class, y, x)`` float32 (``<task>_class`` for tasks other than
        land_cover, each with a legend of its own); ``context_outside(year, y, x)`` uint8: 1
        where the context lies outside the range of the training samples; `y` and `x` as in `ds`.

    Raises
    ------
    CubeError
        If the cube lacks what the model needs.
    ModelError
        If the model cannot predict, or not in this precision.
    """
    predictor = check_predictor(model)
    spec = predictor.spec
    cube = check_cube(ds, bands=spec.bands)
    wanted = _plan_outputs(outputs, spec)
    chosen = check_precision(precision)
    reference = make_reference(predictor, precision=chosen)
    exact = None if chosen == "float32" else make_reference(predictor, precision="float32")
    times = cube["time"].values
    mapped = mapped_years(times, start_month=spec.dates.start_month, years=years)
    plans = [plan_year(times, spec.dates, year=year) for year in mapped]
    shape = (cube.sizes["y"], cube.sizes["x"])
    side = (shard, shard) if shard else _shard_side(cube["reflectance"])
    context, around = make_context(cube, spec.context)
    dependencies: list[da.Array] = [] if around is None else [around]
    jobs = []
    for plan in plans:
        reflectance, clear, needed = _sources(cube, spec, plan)
        dependencies += needed
        jobs.append(
            _YearJob(
                reference=reference,
                exact=exact,
                reflectance=reflectance,
                clear=clear,
                context=context,
                halo=spec.halo,
                stride=spec.stride,
                shape=shape,
                shard=(min(side[0], shape[0]), min(side[1], shape[1])),
                year=plan,
                outputs=wanted,
            )
        )
    token = tokenize(_ENGINE, _identity(jobs, reference, spec, side))
    arrays = _arrays(jobs, dependencies, spec, wanted, side=side, token=token)
    return map_dataset(cube, arrays, mapped, spec=spec, outputs=wanted, reference=reference)


def _plan_outputs(outputs: Sequence[str] | None, spec: ModelSpec) -> Outputs:
    kinds = ("entropy", "probability", *([OUTSIDE] if spec.context else []))
    asked = [*spec.legends, "entropy"] if outputs is None else list(outputs)
    if OUTSIDE in asked:
        check_range(spec)
    for name in asked:
        if name not in (*spec.legends, *kinds):
            raise ModelError(name_unknown("output", name, (*spec.legends, *kinds)))
    if not asked:
        raise ModelError(f"no outputs asked for; choose among {[*spec.legends, *kinds]}.")
    tasks = [t for t in asked if t in spec.legends] or list(spec.legends)
    return Outputs(
        classes={t: t for t in tasks if t in asked},
        entropies={t: f"{t}_entropy" for t in tasks if "entropy" in asked},
        probabilities={t: f"{t}_probability" for t in tasks if "probability" in asked},
        outside=OUTSIDE if OUTSIDE in asked else None,
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
    jobs: Sequence[_YearJob], reference: PredictorReference, spec: ModelSpec, side: Any
) -> str:
    """All that decides the values, as text: the model, the inputs, the settings."""
    context = jobs[0].context
    return json.dumps(
        ({"context": context.identity} if context else {})
        | {
            "model": reference.content_hash,
            "precision": reference.precision,
            "spec": spec.to_dict(),
            "inputs": [
                [j.reflectance.identity, j.clear.identity if j.clear else None] for j in jobs
            ],
            "years": [asdict(j.year) for j in jobs],
            "side": side,
        },
        sort_keys=True,
    )


def _arrays(
    jobs: Sequence[_YearJob],
    dependencies: Sequence[da.Array],
    spec: ModelSpec,
    outputs: Outputs,
    *,
    side: tuple[int, int],
    token: str,
) -> dict[str, da.Array]:
    """One task per shard and year, and one array per variable that picks its part."""
    chunks = (split(jobs[0].shape[0], side[0]), split(jobs[0].shape[1], side[1]))
    edges = [np.concatenate([[0], np.cumsum(c)]).tolist() for c in chunks]
    # Tasks of other outputs of the same map are other tasks, also in one graph.
    block_name = f"classify-{tokenize(token, asdict(outputs))}"
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
    kinds = [(n, t, 0) for t, n in outputs.classes.items()]
    kinds += [(n, t, 0) for t, n in outputs.entropies.items()]
    kinds += [(n, t, 1) for t, n in outputs.probabilities.items()]
    kinds += [(outputs.outside, "", 0)] if outputs.outside else []
    made = {}
    for name, task, has_classes in kinds:
        own = f"{name}-{token}"
        middle = (0,) * has_classes
        parts: dict[Any, Any] = {}
        for _, n, i, j in tasks:
            key = (own, n, *middle, i, j)
            parts[key] = Task(key, _pick, TaskRef((block_name, n, i, j)), name)
        graph = HighLevelGraph({**layers, own: parts}, {**depends, own: {block_name}})
        classes = ((len(spec.legends[task]),),) if has_classes else ()
        whole = name == outputs.outside or name in outputs.classes.values()
        dtype = np.uint8 if whole else np.float32
        made[name] = da.Array(graph, own, chunks=((1,) * len(jobs), *classes, *chunks), dtype=dtype)
    return made


def _pick(block: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    return block[name]
