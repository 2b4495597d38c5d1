"""Counts of a class map that add up: of parts, joined along their seams, to the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lulc_xr.core.legend import FILL_CLASS

Border = NDArray[np.int64]
"""Classes and patches along one side, shape (2, pixel); patch -1 where there is no class."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Counts of a rectangle of a class map, and what lies along its four sides.

    Parameters
    ----------
    counts : ndarray of int64
        Pixels of each class id, shape (255,).
    edges : tuple of int
        Pixel sides between two classes: those between rows, those between columns.
    patches : int
        Connected areas of one class.
    neighbours : int
        4 or 8.
    top, bottom, left, right : ndarray of int64
        Shape (2, pixel); patches are numbered from 0 over all four.
    """

    counts: NDArray[np.int64]
    edges: tuple[int, int]
    patches: int
    neighbours: int
    top: Border
    bottom: Border
    left: Border
    right: Border


def summarise(classes: NDArray[np.uint8], neighbours: int) -> Part:
    """Counts of a rectangle of a class map.

    Parameters
    ----------
    classes : ndarray of uint8
        Class ids, shape (y, x) or (1, y, x); 255 where there is none.
    neighbours : {4, 8}
        What belongs to one patch.

    Examples
    --------
    >>> part = summarise(np.array([[1, 1, 2], [2, 1, 1]], np.uint8), 8)
    >>> part.patches, part.edges
    (3, (2, 2))
    """
    plane = classes.reshape(classes.shape[-2:])
    numbers, patches = _label(plane, neighbours)
    both = np.stack([plane.astype(np.int64), numbers])
    borders = [both[:, 0], both[:, -1], both[:, :, 0], both[:, :, -1]]
    top, bottom, left, right = _renumber(borders)
    return Part(
        counts=np.bincount(plane.ravel(), minlength=FILL_CLASS + 1)[:FILL_CLASS].astype(np.int64),
        edges=(_differing(plane[:-1], plane[1:]), _differing(plane[:, :-1], plane[:, 1:])),
        patches=patches,
        neighbours=neighbours,
        top=top,
        bottom=bottom,
        left=left,
        right=right,
    )


def join(first: Part, second: Part, axis: int) -> Part:
    """Counts of two rectangles side by side.

    Parameters
    ----------
    first, second : Part
        `second` lies below `first` (axis 0), or to its right (axis 1), and is as wide or high.
    axis : {0, 1}
        Where it lies.

    Returns
    -------
    Part
        Just what :func:`summarise` gives of both in one, but for the numbers of patches.
    """
    shift = 1 + max(int(b[1].max(initial=-1)) for b in _borders(first))
    moved = [_shift(b, shift) for b in _borders(second)]
    number = max(1, shift + 1 + max(int(b[1].max(initial=-1)) for b in _borders(second)))
    here = first.bottom if axis == 0 else first.right
    there = moved[0] if axis == 0 else moved[2]
    pairs = _touching(here, there, first.neighbours)
    graph = coo_array((np.ones(pairs.shape[1]), pairs), shape=(number, number))
    left_over, root = connected_components(graph, directed=False)
    merged = [np.stack([b[0], np.where(b[1] < 0, -1, root[b[1]])]) for b in _borders(first)]
    added = [np.stack([b[0], np.where(b[1] < 0, -1, root[b[1]])]) for b in moved]
    if axis == 0:
        sides = [merged[0], added[1], *_side_by_side(merged[2:], added[2:])]
    else:
        sides = [*_side_by_side(merged[:2], added[:2]), merged[2], added[3]]
    top, bottom, left, right = _renumber(sides)
    edges = [a + b for a, b in zip(first.edges, second.edges, strict=True)]
    edges[axis] += _differing(here[0], there[0])
    return Part(
        counts=first.counts + second.counts,
        edges=(edges[0], edges[1]),
        patches=first.patches + second.patches - (number - int(left_over)),
        neighbours=first.neighbours,
        top=top,
        bottom=bottom,
        left=left,
        right=right,
    )


def _label(plane: NDArray[np.uint8], neighbours: int) -> tuple[NDArray[np.int64], int]:
    """Patch of each pixel, -1 where there is no class, and the number of patches."""
    numbers = np.full(plane.shape, -1, np.int64)
    structure = generate_binary_structure(2, 2 if neighbours == 8 else 1)
    patches = 0
    for class_id in np.unique(plane[plane != FILL_CLASS]):
        own, found = label(plane == class_id, structure)
        numbers[own > 0] = own[own > 0] + (patches - 1)
        patches += found
    return numbers, patches


def _differing(one: NDArray[np.integer], other: NDArray[np.integer]) -> int:
    """Places where two classes differ, both being known."""
    return int(((one != other) & (one != FILL_CLASS) & (other != FILL_CLASS)).sum())


def _touching(here: Border, there: Border, neighbours: int) -> NDArray[np.int64]:
    """Pairs of patches, shape (2, pair), that are one across a seam."""
    size = here.shape[1]
    found = []
    for step in (-1, 0, 1) if neighbours == 8 else (0,):
        one = here[:, max(0, -step) : size - max(0, step)]
        other = there[:, max(0, step) : size + min(0, step)]
        same = (one[0] == other[0]) & (one[0] != FILL_CLASS)
        found.append(np.stack([one[1][same], other[1][same]]))
    return np.concatenate(found, axis=1)


def _borders(part: Part) -> list[Border]:
    return [part.top, part.bottom, part.left, part.right]


def _shift(border: Border, by: int) -> Border:
    return np.stack([border[0], np.where(border[1] < 0, -1, border[1] + by)])


def _side_by_side(first: list[Border], second: list[Border]) -> list[Border]:
    return [np.concatenate(pair, axis=1) for pair in zip(first, second, strict=True)]


def _renumber(borders: list[Border]) -> list[Border]:
    """The same borders, with patches numbered from 0 without gaps."""
    known = np.unique(np.concatenate([b[1] for b in borders]))
    known = known[known >= 0]
    return [np.stack([b[0], np.where(b[1] < 0, -1, np.searchsorted(known, b[1]))]) for b in borders]
