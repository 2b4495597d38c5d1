"""How clear the surroundings of a pixel are on each date, in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLEARNESS_RADIUS = 10
"""Half the side of the window that clearness looks at, in pixels: 21 x 21 of them.

Our proposal. Best-available-pixel composites rate a date by its distance to the next cloud
for the same reason (White et al. 2014, https://doi.org/10.1080/07038992.2014.945827): masks
miss the thin edges of clouds, and shadows near them.
"""


def clearness(clear: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of clear pixels in the window around each pixel, by date.

    Parameters
    ----------
    clear : ndarray of uint8
        Shape (time, y, x); non-zero where the pixel was seen clearly. The window is cut at
        the border of the array.

    Returns
    -------
    ndarray of float32
        Shape (time, y, x), 0 to 1; the quotient of two counts, so that it is the same
        in every block that holds the whole window.

    Examples
    --------
    >>> cloudy = np.ones((1, 21, 42), np.uint8)
    >>> cloudy[:, :, 21:] = 0
    >>> [round(float(share), 2) for share in clearness(cloudy)[0, 10, [5, 20, 30]]]
    [1.0, 0.52, 0.05]
    """
    made = np.empty(clear.shape, np.float32)
    size = _window_sums(_window_sums(np.ones(clear.shape[1:], np.int32)).T).T
    for one, date in zip(made, clear, strict=True):
        seen = _window_sums(_window_sums((date != 0).astype(np.int32)).T).T
        np.divide(seen, size, out=one, casting="same_kind")
    return made


def _window_sums(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums over the window along the first axis."""
    length = len(values)
    reached = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0, dtype=np.int32)])
    place = np.arange(length)
    upper = np.minimum(place + CLEARNESS_RADIUS + 1, length)
    return np.asarray(reached[upper] - reached[np.maximum(place - CLEARNESS_RADIUS, 0)])
