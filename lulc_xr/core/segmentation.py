"""Segments of one tile of an image: settings, and the arithmetic around scikit-image."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.require import require

Method = Literal["felzenszwalb", "slic"]
METHODS: tuple[Method, ...] = ("felzenszwalb", "slic")
NO_SEGMENT = -1
"""Segment id of a pixel that was never seen."""

_FAR = 10.0
# Filters of warnings belong to the whole process: one thread at a time may change them.
_quiet = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """How an image is cut into segments; the defaults are those of LC-SLab.

    Parameters
    ----------
    method : {"felzenszwalb", "slic"}
        Minimum spanning forests (Felzenszwalb and Huttenlocher 2004), or clusters of colour and
        place (Achanta et al. 2012).
    size : int
        Pixels of a segment: the smallest (Felzenszwalb), or the mean (SLIC). LC-SLab takes 5,
        10, 20 and 40.
    tile : int
        Side in pixels of the squares that are segmented, each by itself. LC-SLab takes 64.
    scale : float
        Felzenszwalb's level of observation; more makes larger segments.
    sigma : float
        Standard deviation in pixels of the Gaussian that smooths the image before.
    compactness : float
        Weight of place against colour in SLIC.
    gamma : float
        Exponent of the reflectance, which brings out dark surfaces.

    Raises
    ------
    CubeError
        If a setting is unknown or out of range.

    References
    ----------
    Felzenszwalb, P. F., Huttenlocher, D. P. (2004). Efficient graph-based image segmentation.
    International Journal of Computer Vision 59, 167-181.
    https://doi.org/10.1023/B:VISI.0000022288.19776.77

    Achanta, R., Shaji, A., Smith, K., et al. (2012). SLIC superpixels compared to
    state-of-the-art superpixel methods. IEEE TPAMI 34(11), 2274-2282.
    https://doi.org/10.1109/TPAMI.2012.120

    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab: an object-based deep learning framework
    for large-scale land cover classification. JAG 152, 105476.
    https://doi.org/10.1016/j.jag.2026.105476
    """

    method: Method = "felzenszwalb"
    size: int = 20
    tile: int = 64
    scale: float = 1.0
    sigma: float = 0.0
    compactness: float = 0.1
    gamma: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CubeError(name_unknown("method of segmentation", self.method, METHODS))
        for name in ("size", "tile"):
            value = getattr(self, name)
            if int(value) != value or value < 1:
                raise CubeError(f"{name} of {value!r} pixels; give a whole number >= 1.")
        if self.size > self.tile**2:
            raise CubeError(
                f"segments of {self.size} pixels do not fit a tile of {self.tile} x {self.tile}. "
                "Choose a larger tile, or a smaller size."
            )
        for name in ("scale", "compactness", "gamma"):
            if not getattr(self, name) > 0:
                raise CubeError(f"{name} {getattr(self, name)!r}; give a value > 0.")
        if not self.sigma >= 0:
            raise CubeError(f"sigma {self.sigma!r}; give pixels >= 0.")

    def image(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reflectance (any shape) as image values between 0 and 1; NaN stays."""
        clipped = np.clip(reflectance, 0, 1).astype(np.float32)
        bright: NDArray[np.float32] = clipped ** np.float32(self.gamma)
        return bright


def label_segments(
    image: NDArray[np.float32], seen: NDArray[np.bool_], settings: Segmentation
) -> NDArray[np.int64]:
    """Segments of one tile.

    Parameters
    ----------
    image : ndarray of float32
        Values between 0 and 1, shape (band, y, x).
    seen : ndarray of bool
        Shape (y, x); other pixels belong to no segment, whatever their values.
    settings : Segmentation
        Method and sizes; `gamma` has been applied already.

    Returns
    -------
    ndarray of int64
        Shape (y, x): for each pixel the position, row by row, of the first pixel of its segment;
        -1 where not seen. Segments are connected over sides and corners.

    Examples
    --------
    >>> image = np.zeros((1, 4, 4), np.float32)
    >>> image[:, :, 2:] = 1
    >>> settings = Segmentation(size=2, tile=4)
    >>> label_segments(image, np.ones((4, 4), bool), settings)[0].tolist()
    [0, 0, 2, 2]
    """
    if not seen.any():
        return np.full(seen.shape, NO_SEGMENT, np.int64)
    found = _segment(np.moveaxis(image, 0, -1), seen, settings)
    # What was not seen is cut out, and may have cut a segment into pieces.
    pieces = require("skimage.measure", extra="objects").label(
        np.where(seen, found + 1, 0), background=0, connectivity=2
    )
    _, first, inverse = np.unique(pieces, return_index=True, return_inverse=True)
    return np.where(seen, first[inverse.reshape(seen.shape)], NO_SEGMENT).astype(np.int64)


def segment_tiles(
    image: NDArray[np.float32], seen: NDArray[np.bool_], settings: Segmentation
) -> NDArray[np.int64]:
    """Segments of a block that begins at a corner of a tile.

    Parameters
    ----------
    image : ndarray of float32
        Shape (band, y, x).
    seen : ndarray of bool
        Shape (y, x).
    settings : Segmentation
        Its `tile` cuts the block; tiles at its end may be smaller.

    Returns
    -------
    ndarray of int64
        Shape (y, x): position in the block, row by row, of the first pixel of each segment; -1
        where not seen.
    """
    height, width = seen.shape
    labels = np.full(seen.shape, NO_SEGMENT, np.int64)
    for y in range(0, height, settings.tile):
        for x in range(0, width, settings.tile):
            part = (slice(y, y + settings.tile), slice(x, x + settings.tile))
            own = label_segments(image[:, *part], seen[part], settings)
            row, column = np.divmod(own, own.shape[1])
            labels[part] = np.where(own < 0, NO_SEGMENT, (row + y) * width + column + x)
    return labels


def _segment(
    image: NDArray[np.float32], seen: NDArray[np.bool_], settings: Segmentation
) -> NDArray[Any]:
    """Labels (y, x) of scikit-image for an image (y, x, band)."""
    library = require("skimage.segmentation", extra="objects")
    # SLIC stretches the image to 0-1 and a Gaussian spreads: there, what is not seen must not
    # stand out. Otherwise it lies far from every colour, and so takes part in no comparison.
    plain = settings.method == "felzenszwalb" and not settings.sigma
    filled = np.where(seen[..., None], image, np.float32(_FAR) if plain else image[seen].mean(0))
    if settings.method == "slic":
        return np.asarray(
            library.slic(
                filled,
                n_segments=max(1, round(seen.size / settings.size)),
                compactness=settings.compactness,
                sigma=settings.sigma,
                convert2lab=False,
                channel_axis=-1,
            )
        )
    with _quiet, warnings.catch_warnings():
        # It says that more than three bands are unusual.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(
            library.felzenszwalb(
                filled,
                scale=settings.scale,
                sigma=settings.sigma,
                min_size=settings.size,
                channel_axis=-1,
            )
        )
