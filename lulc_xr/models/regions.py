"""Segments of a batch of patches as one graph: who is whose neighbour, and their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.segmentation import Segmentation, segment_tiles

SHAPES = 4
"""Numbers that describe the shape of a segment."""


@dataclass(frozen=True, kw_only=True)
class RegionGraph:
    """Segments as nodes; those that share a side of a pixel, in one tile, are neighbours.

    Parameters
    ----------
    nodes : ndarray of int64
        Segment of each pixel, shape (batch, y, x), numbered over the whole batch.
    edges : ndarray of int64
        From and to, shape (2, edge); each pair of neighbours in both directions.
    shapes : ndarray of float32
        Shape (node, 4): logarithm of the number of pixels, height and width of the box around,
        length of the border; each relative to what a tile allows.
    """

    nodes: NDArray[np.int64]
    edges: NDArray[np.int64]
    shapes: NDArray[np.float32]


def make_graph(images: NDArray[np.float32], settings: Segmentation) -> RegionGraph:
    """The graph of a batch of images, each cut into tiles from its first pixel.

    Parameters
    ----------
    images : ndarray of float32
        Values between 0 and 1, shape (batch, band, y, x).
    settings : Segmentation
        How to segment.

    Examples
    --------
    >>> image = np.zeros((1, 1, 4, 4), np.float32)
    >>> image[..., 2:] = 1
    >>> make_graph(image, Segmentation(size=2, tile=4)).edges.tolist()
    [[0, 1], [1, 0]]
    """
    seen = np.ones(images.shape[2:], bool)
    local = np.stack([segment_tiles(image, seen, settings) for image in images])
    # First pixels of segments are positions in their image; here they are counted on.
    places = local + (np.arange(len(images)) * seen.size)[:, None, None]
    _, inverse = np.unique(places, return_inverse=True)
    nodes = inverse.reshape(places.shape).astype(np.int64)
    return RegionGraph(
        nodes=nodes, edges=_edges(nodes, settings.tile), shapes=_shapes(nodes, settings.tile)
    )


def _edges(nodes: NDArray[np.int64], tile: int) -> NDArray[np.int64]:
    number = int(nodes.max()) + 1
    found = []
    for axis in (1, 2):
        size = nodes.shape[axis]
        inside = np.arange(1, size)[np.arange(1, size) % tile != 0]
        one, other = nodes.take(inside - 1, axis), nodes.take(inside, axis)
        differ = one != other
        found += [one[differ] * number + other[differ], other[differ] * number + one[differ]]
    return np.stack(np.divmod(np.unique(np.concatenate(found)), number))


def _shapes(nodes: NDArray[np.int64], tile: int) -> NDArray[np.float32]:
    flat, number = nodes.ravel(), int(nodes.max()) + 1
    pixels = np.bincount(flat, minlength=number)
    columns = [np.log(pixels) / np.log(tile**2 + 1)]
    border = np.zeros(number)
    for axis in (1, 2):
        place = np.broadcast_to(
            np.expand_dims(np.arange(nodes.shape[axis]), (0, 3 - axis)), nodes.shape
        ).ravel()
        low, high = np.full(number, nodes.shape[axis]), np.zeros(number, np.int64)
        np.minimum.at(low, flat, place)
        np.maximum.at(high, flat, place)
        columns.append((high - low + 1) / tile)
        before, after = (
            nodes.take(range(nodes.shape[axis] - 1), axis),
            nodes.take(range(1, nodes.shape[axis]), axis),
        )
        same = np.bincount(before[before == after], minlength=number)
        border += 2 * (pixels - same)  # a pixel has two sides along each axis
    # A square of so many pixels has 1.
    columns.append(border / (4 * np.sqrt(pixels)))
    return np.stack(columns, axis=1).astype(np.float32)
