"""Composites of one block in memory, strip by strip: what each task of a lazy composite does."""

from __future__ import annotations

from typing import Any

import flox
import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.compositing import Reduction, composite_pixels, find_missing
from lulc_xr.core.dates import Fill
from lulc_xr.core.errors import CubeError
from lulc_xr.core.gaps import fill_gaps

Scaling = tuple[float, int | None] | None
"""Scale and fill of stored integers; None for physical values."""

# Values of a date that are worked on at once: with all dates of a period they fit the cache.
_STRIP = 65536


def composite_block(
    pixels: list[list[NDArray[Any]]],
    clear: list[NDArray[np.uint8]] | None,
    weights: list[NDArray[Any]] | None,
    counts: list[NDArray[np.uint16]] | None,
    *,
    edges: NDArray[np.datetime64],
    dates: NDArray[np.datetime64],
    scaling: Scaling,
    how: Reduction,
    fill: Fill,
    max_gap: int | None,
) -> NDArray[np.float32]:
    """Composites of a block, and behind the bands the number of clear dates.

    The arguments are the parts of the block along time (and band), as they were read.
    """
    days = (edges - edges[0]).astype(np.int32)
    group = np.searchsorted(edges, dates, side="right") - 1
    # Twice the days between the middle of the date and the middle of its period.
    day = (dates - edges[0]).astype(np.int64)
    to_middle = np.abs(2 * day + 1 - days[group] - days[group + 1])
    height, width = pixels[0][0].shape[2:]
    bands = sum(part.shape[1] for part in pixels[0])
    made = np.empty((len(days) - 1, bands * how.copies + 1, height, width), np.float32)
    members = [np.flatnonzero(group == period) for period in range(len(days) - 1)]
    step = max(1, _STRIP // (bands * width))
    space: NDArray[np.float32] | None = None
    for start in range(0, height, step):
        rows = slice(start, start + step)
        strip = _strip(pixels, rows)
        if space is None:
            space = np.empty(strip.shape, np.float32)
        series, missing = _physical(strip, scaling, space[:, :, : strip.shape[2]])
        importance = None
        seen = None if clear is None else np.concatenate([part[:, rows] for part in clear]) != 0
        if weights is not None:
            importance = _checked(np.concatenate([part[:, rows] for part in weights]))
            seen = importance > 0 if seen is None else seen & (importance > 0)
        if seen is not None:
            missing |= ~seen
        used = (~missing).astype(np.uint16)
        if counts is not None:
            used *= np.maximum(np.concatenate([part[:, rows] for part in counts]), 1)
        # Sums of whole dates, which need no copy with time last as flox does.
        for period, own in enumerate(members):
            made[period, -1, rows] = used[own].sum(axis=0, dtype=np.uint16)
        values = composite_pixels(
            series,
            missing,
            group,
            number=len(days) - 1,
            how=how,
            weights=importance,
            to_middle=to_middle if how.method == "best" else None,
        )
        if fill == "linear":
            values = fill_gaps(values, days[:-1], max_gap=max_gap)
        made[:, :-1, rows] = values
    return made


def unread_block(
    unread: list[NDArray[np.uint8]], *, group: NDArray[np.int64], number: int
) -> NDArray[np.uint8]:
    """Where any date of a period was not read, (period, y, x), from parts along time."""
    made, *_ = flox.groupby_reduce(
        np.moveaxis(np.concatenate(unread) != 0, 0, -1),
        group,
        func="any",
        # flox would choose numbagg, whose threads undo one thread per Dask thread.
        engine="flox",
        expected_groups=np.arange(number),
        fill_value=False,
    )
    return np.asarray(np.moveaxis(made, -1, 0), np.uint8)


def _strip(parts: list[list[NDArray[Any]]], rows: slice) -> NDArray[Any]:
    """Rows of a block in parts along time and band, as one array."""
    if len(parts) == 1 and len(parts[0]) == 1:
        return parts[0][0][:, :, rows]
    whole = [np.concatenate([part[:, :, rows] for part in of_band], axis=1) for of_band in parts]
    return np.concatenate(whole)


def _physical(
    series: NDArray[Any], scaling: Scaling, space: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectance (time, band, y, x), and where a band of it is missing (time, y, x).

    Scaled values go into `space`: new memory for each strip would cost more than the product.
    """
    if scaling is None:
        values = series.astype(np.float32, copy=False)
        return values, find_missing(values, None)
    scale, fill = scaling
    missing = np.zeros((len(series), *series.shape[2:]), np.bool_)
    if fill is not None:
        np.equal(series, fill).any(axis=1, out=missing)
    return np.multiply(series, np.float32(scale), out=space, dtype=np.float32), missing


def _checked(weights: NDArray[Any]) -> NDArray[np.float32]:
    values = np.nan_to_num(weights.astype(np.float32, copy=False), nan=0.0)
    if values.min(initial=0) < 0 or np.isinf(values).any():
        raise CubeError(
            f"a weight is {values.min()} (largest {values.max()}); expected finite numbers of at "
            "least 0. Clip them first; 0 or NaN leaves a date out."
        )
    return values
