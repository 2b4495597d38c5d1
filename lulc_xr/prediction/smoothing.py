"""Bayesian smoothing of probabilities by those around each pixel, lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.prediction.derived import TaskMaps, as_maps, read_tasks

_ROWS = 64
_LEAST = 1e-4
"""Smallest probability whose logit is taken; half a step of stored probabilities is 0.002."""


def smooth(
    maps: xr.Dataset,
    *,
    window: int = 9,
    smoothness: float | Mapping[str, float] = 20.0,
    fraction: float = 0.5,
    tasks: Sequence[str] | None = None,
) -> xr.Dataset:
    """Maps whose probabilities are smoothed by those of their neighbourhood, lazily.

    For each class, the logits of the neighbourhood give a normal prior (mean m, variance s²) of
    the pixel's own logit x, which was seen with the variance `smoothness`. The posterior mean is

        (s² x + smoothness m) / (s² + smoothness).

    Where the neighbourhood agrees (s² small), it overrules the pixel; along borders of classes s²
    is large, and the pixel keeps its own. Posterior means become probabilities again, which are
    divided by their sum.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` gives them, with class map and probabilities.
    window : int
        Side of the neighbourhood in pixels, odd; the pixel itself belongs to it.
    smoothness : float, or mapping of class name to float
        Variance of the logits that counts as noise; more smooths more.
    fraction : float
        Share (0 to 1) of the neighbours that make the prior: those of the highest logits, so that
        at a border those of the same side count.
    tasks : sequence of str, optional
        Default: all tasks that have a class map.

    Returns
    -------
    xr.Dataset
        The variables of `maps` anew: class, entropy, probability. Pixels without a class stay so
        and are no neighbours.

    Raises
    ------
    CubeError
        If a setting is out of range, or there are no probabilities.

    Notes
    -----
    A chunk is read with a halo of ``window // 2`` pixels; the result is the same for any
    chunking, bit for bit. Beyond the border of the cube there are no neighbours.

    References
    ----------
    Camara, G., Assunção, R., Carvalho, A., Simões, R., Souza, F., Carlos, F., Ferreira, K. R.
    (2024). Bayesian inference for post-processing of remote sensing image classification.
    Remote Sensing 16(23), 4572. https://doi.org/10.3390/rs16234572
    """
    if window < 1 or window % 2 == 0:
        raise CubeError(f"window of {window} pixels; give an odd number, such as 9.")
    if not 0 < fraction <= 1:
        raise CubeError(f"fraction {fraction!r} of the neighbours; give a share, 0 < share <= 1.")
    read = read_tasks(maps, tasks)
    found = {
        own.task: _smooth_task(own, window=window, fraction=fraction, smoothness=smoothness)
        for own in read
    }
    history = f"lulc_xr.smooth(window={window}, smoothness={smoothness}, fraction={fraction})"
    return as_maps(found, read, history=history)


def _smooth_task(
    own: TaskMaps, *, window: int, fraction: float, smoothness: float | Mapping[str, float]
) -> xr.DataArray:
    noise = _noise_of(own, smoothness)
    given = own.need_probability("smoothing")
    data = given.chunk({own.dimension: -1, "year": 1}).data
    # A cube narrower than half a window is seen whole.
    depth = {axis: min(window // 2, data.shape[axis] - 1) for axis in (2, 3)}
    smoothed = da.map_overlap(
        _smooth_block,
        data,
        depth=depth,
        boundary="none",
        dtype=np.float32,
        meta=np.empty((0,) * 4, np.float32),
        window=window,
        fraction=fraction,
        noise=noise,
    )
    return given.copy(data=smoothed)


def _noise_of(own: TaskMaps, smoothness: float | Mapping[str, float]) -> tuple[float, ...]:
    """Variance that counts as noise, for each class of the legend."""
    if isinstance(smoothness, Mapping):
        missing = [name for name in own.legend.names if name not in smoothness]
        if missing:
            raise CubeError(
                f"smoothness of {sorted(smoothness)} leaves out class {', '.join(missing)} of "
                f"{own.task!r}. Give one number for all classes, or one for each."
            )
        noise = tuple(float(smoothness[name]) for name in own.legend.names)
    else:
        noise = (float(smoothness),) * len(own.legend)
    if not all(value > 0 for value in noise):
        raise CubeError(f"smoothness {smoothness!r}; give a variance > 0.")
    return noise


def _smooth_block(
    block: NDArray[np.float32], *, window: int, fraction: float, noise: tuple[float, ...]
) -> NDArray[np.float32]:
    """Smoothed probabilities of a block (year, class, y, x) that brings its halo along."""
    made = np.full(block.shape, np.nan, np.float32)
    for target, values in zip(made, block, strict=True):
        known = np.isfinite(values).all(axis=0)
        for own, p, variance in zip(target, values, noise, strict=True):
            certain = np.clip(np.where(known, p, np.nan).astype(np.float64), _LEAST, 1 - _LEAST)
            own[:] = 1 / (1 + np.exp(-smooth_logits(
                np.log(certain / (1 - certain)), window=window, fraction=fraction, noise=variance
            )))  # fmt: skip
        # One class after the other, so that the order of the sum does not depend on the shape.
        total = np.zeros(values.shape[1:], np.float32)
        for own in target:
            total += own
        target /= total
    return made


def smooth_logits(
    logits: NDArray[np.float64], *, window: int, fraction: float, noise: float
) -> NDArray[np.float64]:
    """Posterior means of logits, given those around them.

    Parameters
    ----------
    logits : ndarray of float64
        Shape (y, x), NaN where there is none.
    window : int
        Side of the neighbourhood, odd.
    fraction : float
        Share of the neighbours, the highest ones, that make the prior.
    noise : float
        Variance with which a pixel's own logit was seen.

    Returns
    -------
    ndarray of float64
        Shape (y, x), NaN where `logits` is.

    Examples
    --------
    >>> alone = np.array([[2.0, 2.0, -2.0, 2.0, 2.0]])
    >>> smooth_logits(alone, window=3, fraction=0.5, noise=20.0).tolist()
    [[2.0, 2.0, 2.0, 2.0, 2.0]]
    """
    half = window // 2
    padded = np.pad(logits, half, constant_values=np.nan)
    posterior = np.empty(logits.shape)
    for start in range(0, len(logits), _ROWS):
        own = logits[start : start + _ROWS]
        around = np.lib.stride_tricks.sliding_window_view(
            padded[start : start + len(own) + 2 * half], (window, window)
        ).reshape(*own.shape, -1)
        # NaN comes last, so the highest logits come first as the lowest negative ones.
        ordered = np.sort(-around, axis=-1)
        number = np.isfinite(ordered).sum(axis=-1)
        taken = np.maximum(1, np.ceil(fraction * number)).astype(np.int64)
        mean = _add_ranks(ordered, taken) / -taken
        spread = _add_ranks(np.square(ordered + mean[..., None]), taken)
        variance = spread / np.maximum(1, taken - 1)
        posterior[start : start + len(own)] = (variance * own + noise * mean) / (variance + noise)
    return np.where(np.isfinite(logits), posterior, np.nan)


def _add_ranks(ordered: NDArray[np.float64], taken: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over the first `taken` of the last axis, one after the other."""
    total = np.zeros(ordered.shape[:-1])
    for rank in range(int(taken.max())):
        total += np.where(rank < taken, ordered[..., rank], 0)
    return total
