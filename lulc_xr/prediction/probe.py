"""A model in a fast precision beside the same in float32, on a probe of real pixels."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import Predictor, by_task
from lulc_xr.prediction.facts import Context

_PROBE_PIXELS = 1000
AGREEMENT = 0.999
"""Share of classes that bfloat16 and float32 must have in common on a probe block."""

_probe_lock = threading.Lock()
_probed: set[str] = set()


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


def compare_once(
    probe: Probe,
    predictor: Predictor,
    series: NDArray[np.float32],
    days: NDArray[np.int32],
    *,
    seen: NDArray[np.bool_],
    context: Context | None,
) -> None:
    """Compare a fast precision with float32 on real pixels, once per model and process.

    Raises
    ------
    ModelError
        If too many classes differ; see :func:`check_agreement`.
    """
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
