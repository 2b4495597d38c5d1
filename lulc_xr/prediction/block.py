"""One block of a cube to class map, entropy and probabilities, patch by patch in memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.blocks import Window, patches
from lulc_xr.core.compositing import prepare_series
from lulc_xr.core.cube import check_scale
from lulc_xr.core.dates import YearDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import FILL_CLASS
from lulc_xr.core.model import ModelSpec, Predictor
from lulc_xr.core.probability import check_probabilities, entropy, fill_unseen, most_probable
from lulc_xr.prediction.context import mark_outside

Context = Mapping[str, NDArray[np.float32]]
"""Context variables of a block by name, each of shape (y, x)."""

PATCH_PIXELS = 4096
"""Pixels of a patch without halo: its series stay in the processor's cache."""

_HALO_PATCH_PIXELS = 256 * 256
_PROBE_PIXELS = 1000
AGREEMENT = 0.999
"""Share of classes that bfloat16 and float32 must have in common on a probe block."""

_probe_lock = threading.Lock()
_probed: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is computed of each task: names of variables by kind; and `outside`, of the context."""

    classes: Mapping[str, str]
    entropies: Mapping[str, str]
    probabilities: Mapping[str, str]
    outside: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of which anything is asked."""
        asked = (*self.classes, *self.entropies, *self.probabilities)
        return tuple(dict.fromkeys(asked))


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a model in a fast precision is compared with, once per process.

    Parameters
    ----------
    reference : Predictor
        The same model in float32.
    identity : str
        Hash of the model.
    pixels : int
        Seen pixels that a patch needs to count as a probe.
    """

    reference: Predictor
    identity: str
    pixels: int


def probe_pixels(shard: tuple[int, int]) -> int:
    """Seen pixels of a probe, for shards of this height and width: half of them will do."""
    return min(_PROBE_PIXELS, -(-math.prod(shard) // 2))


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
    """

    pixels: NDArray[Any]
    decode: Callable[[NDArray[Any]], NDArray[np.float32]]
    clear: NDArray[np.uint8] | None
    window: Window
    context: Context | None = None

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
        What is asked.
    probe : Probe, optional
        Needed when `predictor` computes in another precision than float32.

    Returns
    -------
    dict of str to ndarray
        Shape (1, y, x), probabilities (1, class, y, x), without halo.
    """
    spec = predictor.spec
    made = _empty(block.window.shape, spec, outputs)
    days = np.asarray(year.days, np.int32)
    size = _HALO_PATCH_PIXELS if spec.halo or spec.stride > 1 else PATCH_PIXELS
    origin = block.window.inner
    checked = False
    for patch in patches(block.window, halo=spec.halo, pixels=size, stride=spec.stride):
        series, seen = block.series(patch, spec=spec, year=year)
        context = block.context_of(patch)
        for values in (context or {}).values():
            # Without context nothing is known of a pixel that a model of context could use.
            seen = seen & np.isfinite(values)
        inner = patch.inner
        visible = seen[inner]
        if not visible.any():
            continue
        if not checked:
            check_scale(series)
            checked = True
        if probe is not None and seen.sum() >= probe.pixels:
            _compare(probe, predictor, series, days, seen=seen, context=context)
        if spec.dates.fill and not seen.all():
            # Gaps that are longer than max_gap stay NaN in pixels that were seen.
            np.copyto(series, np.float32(0), where=~seen)
        found = by_task(predictor.predict_block(series, days, context), spec)
        where = (
            slice(patch.y.start - origin[0].start, patch.y.stop - origin[0].start),
            slice(patch.x.start - origin[1].start, patch.x.stop - origin[1].start),
        )
        if context:
            beyond = mark_outside({n: v[inner] for n, v in context.items()}, spec)
            if outputs.outside:
                made[outputs.outside][0][where] = fill_unseen(beyond, visible)
        for task in outputs.tasks:
            check_probabilities(found[task], seen, classes=len(spec.legends[task]), task=task)
            _put(made, found[task][(slice(None), *inner)], visible, where, task, spec, outputs)
    return made


def by_task(found: object, spec: ModelSpec) -> Mapping[str, NDArray[np.float32]]:
    """Probabilities by task, also where a model of one task gave an array."""
    if not isinstance(found, Mapping):
        if len(spec.legends) > 1:
            raise ModelError(
                f"predict_block gave one array for tasks {list(spec.legends)}; "
                "return a mapping of task to probabilities."
            )
        found = {next(iter(spec.legends)): found}
    missing = [task for task in spec.legends if task not in found]
    if missing:
        raise ModelError(f"predict_block gave {list(found)}; missing: {missing}.")
    return {task: np.asarray(found[task], np.float32) for task in spec.legends}


def _empty(shape: tuple[int, int], spec: ModelSpec, outputs: Outputs) -> dict[str, NDArray[Any]]:
    made: dict[str, NDArray[Any]] = {}
    for name in outputs.classes.values():
        made[name] = np.full((1, *shape), FILL_CLASS, np.uint8)
    for name in outputs.entropies.values():
        made[name] = np.full((1, *shape), np.nan, np.float32)
    for task, name in outputs.probabilities.items():
        made[name] = np.full((1, len(spec.legends[task]), *shape), np.nan, np.float32)
    if outputs.outside:
        made[outputs.outside] = np.full((1, *shape), FILL_CLASS, np.uint8)
    return made


def _put(
    made: dict[str, NDArray[Any]],
    probabilities: NDArray[np.float32],
    seen: NDArray[np.bool_],
    where: tuple[slice, slice],
    task: str,
    spec: ModelSpec,
    outputs: Outputs,
) -> None:
    if task in outputs.classes:
        classes = most_probable(probabilities, spec.legends[task])
        made[outputs.classes[task]][0][where] = fill_unseen(classes, seen)
    if task in outputs.entropies:
        made[outputs.entropies[task]][0][where] = fill_unseen(entropy(probabilities), seen)
    if task in outputs.probabilities:
        target = made[outputs.probabilities[task]][0]
        target[(slice(None), *where)] = fill_unseen(probabilities.copy(), seen)


def _compare(
    probe: Probe,
    predictor: Predictor,
    series: NDArray[np.float32],
    days: NDArray[np.int32],
    *,
    seen: NDArray[np.bool_],
    context: Context | None,
) -> None:
    """Once per model and process: compare the fast precision with float32 on real pixels."""
    with _probe_lock:
        if probe.identity not in _probed:
            check_agreement(probe.reference, predictor, series, days, seen=seen, context=context)
            _probed.add(probe.identity)


def check_agreement(
    reference: Predictor,
    predictor: Predictor,
    series: NDArray[np.float32],
    days: NDArray[np.int32],
    *,
    seen: NDArray[np.bool_],
    context: Context | None = None,
) -> float:
    """Share of classes that two precisions of a model have in common; refuses a low one.

    Parameters
    ----------
    reference, predictor : Predictor
        The model in float32, and in the precision that is asked for.
    series : ndarray of float32
        Shape (time, band, y, x).
    days : ndarray of int32
        Shape (time,).
    seen : ndarray of bool
        Shape (y, x); only these pixels count.
    context : mapping or None
        Context variables by name, each of shape (y, x).

    Returns
    -------
    float
        The lowest share over tasks.

    Raises
    ------
    ModelError
        If it is below 99.9 %.
    """
    block = np.where(seen, series, np.float32(0)) if reference.spec.dates.fill else series
    exact = by_task(reference.predict_block(block, days, context), reference.spec)
    fast = by_task(predictor.predict_block(block, days, context), predictor.spec)
    shares = {
        task: float((exact[task].argmax(0) == fast[task].argmax(0))[seen].mean()) for task in exact
    }
    task, share = min(shares.items(), key=lambda item: item[1])
    if share < AGREEMENT:
        raise ModelError(
            f"bfloat16 is refused for this model: on a probe block of {int(seen.sum())} pixels it "
            f"gives the same class of {task!r} as float32 at {share:.2%}, expected at least "
            f"{AGREEMENT:.1%}. Use precision='float32'."
        )
    return share
