"""One block of a cube to all asked variables, patch by patch in memory, from one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments, attachments_of
from lulc_xr.core.blocks import Window, patches
from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.cube import check_scale
from lulc_xr.core.dates import YearDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, Predictor, by_task
from lulc_xr.core.probability import check_probabilities, fill_unseen
from lulc_xr.core.regions import RegionKey
from lulc_xr.core.task_facts import Members, Regions, TaskFacts
from lulc_xr.prediction.facts import Context, PlaceFacts
from lulc_xr.prediction.outputs import Output, Outputs
from lulc_xr.prediction.probe import Probe, compare_once

PATCH_PIXELS = 4096
"""Pixels of a patch without halo: its series stay in the processor's cache."""

_HALO_PATCH_PIXELS = 256 * 256
_Inside = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block in memory: stored numbers, how to decode them, and where the block lies.

    Parameters
    ----------
    pixels : ndarray
        Reflectance as stored or decoded, shape (time, band, y, x), with halo.
    decode : callable
        Stored numbers to float32 reflectance with NaN.
    clear : ndarray of uint8 or None
        Shape (time, y, x), with halo.
    window : Window
        The block's rectangle, and its halo.
    context : mapping of str to ndarray of float32, or None
        Context variables, each of shape (y, x), with halo; NaN where there is none.
    regions : mapping of RegionKey to ndarray of int16
        Position of each pixel's region, shape (y, x), with halo.
    """

    pixels: NDArray[Any]
    decode: Callable[[NDArray[Any]], NDArray[np.float32]]
    clear: NDArray[np.uint8] | None
    window: Window
    context: Context | None = None
    regions: Regions = field(default_factory=dict)

    def series(
        self, patch: Window, *, spec: ModelSpec, year: YearDates
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Series of a patch with its halo, and which of its pixels were seen."""
        rows, columns = patch.outer_y, patch.outer_x
        values = np.array(self.decode(self.pixels[:, :, rows, columns]), np.float32, copy=None)
        if np.shares_memory(values, self.pixels):
            values = values.copy()
        clear = None if self.clear is None else self.clear[:, rows, columns]
        return prepare_series(values, clear, dates=spec.dates, year=year)

    def context_of(self, patch: Window) -> Context | None:
        """Context of a patch with its halo."""
        if self.context is None:
            return None
        return {name: v[patch.outer_y, patch.outer_x] for name, v in self.context.items()}

    def regions_of(self, patch: Window) -> dict[RegionKey, NDArray[np.int16]]:
        """Regions of a patch with its halo."""
        return {key: v[patch.outer_y, patch.outer_x] for key, v in self.regions.items()}


@dataclass(frozen=True, kw_only=True)
class _Patch:
    """A patch that a model is given, with its halo."""

    series: NDArray[np.float32]
    days: NDArray[np.int32]
    context: Context | None
    regions: Regions
    seen: NDArray[np.bool_]
    inner: _Inside

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Seen pixels of the patch itself, without halo."""
        return self.seen[self.inner]

    def given(self, attachments: Attachments) -> Context | None:
        """Context that the model is given, with the regions of its calibration."""
        key = attachments.calibration.regions if attachments.calibration else None
        if key is None or key not in self.regions:
            return self.context
        return {**(self.context or {}), key.variable: self.regions[key].astype(np.float32)}


def predict_block(
    block: Block,
    predictor: Predictor,
    *,
    year: YearDates,
    outputs: Outputs,
    probe: Probe | None = None,
) -> dict[str, NDArray[Any]]:
    """All asked variables of one block, from one pass of the model.

    Parameters
    ----------
    block : Block
        The block in memory.
    predictor : Predictor
        The model.
    year : YearDates
        Dates of the mapped year.
    outputs : Outputs
        What is asked. Where it needs the members of a model, each is run once per patch, and
        the probabilities are their mean; where it asks for nothing of a task, the model is not
        run.
    probe : Probe, optional
        Needed when `predictor` computes in another precision than float32.

    Returns
    -------
    dict of str to ndarray
        Shape (1, y, x), with classes or members (1, class, y, x), without halo.
    """
    spec, attachments = predictor.spec, attachments_of(predictor)
    made = {
        output.name: np.full(
            (1, *leading_shape(output, spec, outputs), *block.window.shape),
            output.described.fill,
            output.described.dtype,
        )
        for output in outputs.each
    }
    checked = False
    for where, patch in _patches(block, spec, year):
        if not patch.visible.any():
            continue
        if not checked:
            check_scale(patch.series)
            checked = True
        _put(made, outputs.of(""), _facts_of_place(patch, spec, attachments), patch.visible, where)
        if not outputs.tasks:
            continue
        context = patch.given(attachments)
        if probe is not None and patch.seen.sum() >= probe.pixels:
            compare_once(
                probe, predictor, patch.series, patch.days, seen=patch.seen, context=context
            )
        if spec.dates.fill and not patch.seen.all():
            # Gaps that are longer than max_gap stay NaN in pixels that were seen.
            np.copyto(patch.series, np.float32(0), where=~patch.seen)
        for facts in _facts_of_tasks(patch, predictor, outputs, context):
            _put(made, outputs.of(facts.task), facts, patch.visible, where)
    return made


def leading_shape(output: Output, spec: ModelSpec, outputs: Outputs) -> tuple[int, ...]:
    """Sizes of a variable's dimensions between year and y: its classes, its members, or none."""
    axis = output.described.axis
    if not axis:
        return ()
    return (len(spec.legends[output.task]) if axis == "class" else outputs.members,)


def _patches(block: Block, spec: ModelSpec, year: YearDates) -> Iterator[tuple[_Inside, _Patch]]:
    """Patches of a block, and where each lies in the block without halo."""
    days = np.asarray(year.days, np.int32)
    size = _HALO_PATCH_PIXELS if spec.halo or spec.stride > 1 else PATCH_PIXELS
    rows, columns = block.window.inner
    for patch in patches(block.window, halo=spec.halo, pixels=size, stride=spec.stride):
        series, seen = block.series(patch, spec=spec, year=year)
        context = block.context_of(patch)
        for values in (context or {}).values():
            # Without context nothing is known of a pixel that a model of context could use.
            seen = seen & np.isfinite(values)
        where = (
            slice(patch.y.start - rows.start, patch.y.stop - rows.start),
            slice(patch.x.start - columns.start, patch.x.stop - columns.start),
        )
        yield (
            where,
            _Patch(
                series=series,
                days=days,
                context=context,
                regions=block.regions_of(patch),
                seen=seen,
                inner=patch.inner,
            ),
        )


def _facts_of_place(patch: _Patch, spec: ModelSpec, attachments: Attachments) -> PlaceFacts:
    inner = patch.inner
    facts = PlaceFacts(
        spec=spec,
        series=patch.series[(..., *inner)],
        seen=patch.visible,
        context=patch.context and {name: v[inner] for name, v in patch.context.items()},
        attachments=attachments,
    )
    if spec.context:
        # Asked for or not: who maps places beyond the training samples is told.
        _ = facts.outside
    return facts


def _facts_of_tasks(
    patch: _Patch, predictor: Predictor, outputs: Outputs, context: Context | None
) -> Iterator[TaskFacts]:
    """What the model says of each task, from one pass of it or of each of its members."""
    spec, inner = predictor.spec, patch.inner
    conformal = attachments_of(predictor).conformal
    regions = {key: values[inner] for key, values in patch.regions.items()}
    members: dict[str, Members] = {}
    if outputs.members:
        members = _run_members(patch, predictor, outputs, context)
        found = {task: own.sums.mean() for task, own in members.items()}
    else:
        given = by_task(predictor.predict_block(patch.series, patch.days, context), spec)
        found = {task: _checked(given[task], task, patch, spec) for task in outputs.tasks}
    for task in outputs.tasks:
        yield TaskFacts(
            task=task,
            legend=spec.legends[task],
            probabilities=found[task],
            members=members.get(task),
            conformal=conformal,
            regions=regions,
        )


def _run_members(
    patch: _Patch, predictor: Any, outputs: Outputs, context: Context | None
) -> dict[str, Members]:
    spec = predictor.spec
    members = {
        task: Members(
            spec.legends[task],
            entropies=outputs.ask("aleatoric", "epistemic"),
            classes=outputs.ask("members"),
        )
        for task in outputs.tasks
    }
    number = 0
    for each in predictor.each_member(patch.series, patch.days, context):
        number += 1
        given = by_task(each, spec)
        for task, own in members.items():
            own.add(_checked(given[task], task, patch, spec))
    if number != outputs.members:
        raise ModelError(
            f"each_member of {type(predictor).__name__} gave {number} members, but its length is "
            f"{outputs.members}; expected as many."
        )
    return members


def _checked(
    found: NDArray[np.float32], task: str, patch: _Patch, spec: ModelSpec
) -> NDArray[np.float32]:
    """Probabilities without halo, after a check of all."""
    check_probabilities(found, patch.seen, classes=len(spec.legends[task]), task=task)
    return found[(slice(None), *patch.inner)]


def _put(
    made: Mapping[str, NDArray[Any]],
    outputs: tuple[Output, ...],
    facts: TaskFacts | PlaceFacts,
    visible: NDArray[np.bool_],
    where: _Inside,
) -> None:
    for output in outputs:
        target = made[output.name][(0, ..., *where)]
        target[...] = output.described.make(facts)
        fill_unseen(target, visible)
