"""Which cells lie near a part of the earth: a circle around each, found by a tree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, KDTree, QhullError

from lulc_xr.core.great_circles import unit_vectors

# Up to this chord (57 degrees) a part of the earth is looked at as if it were flat.
FLAT = 0.96


@dataclass(frozen=True, kw_only=True, eq=False)
class Circles:
    """Circles on the earth that hold cells; no pole and no date line is special to them.

    Parameters
    ----------
    centres : ndarray of float64
        On the unit sphere, shape (cell, 3).
    radii : ndarray of float64
        Chords from the centre to the farthest place of each cell, shape (cell,).
    """

    centres: NDArray[np.float64]
    radii: NDArray[np.float64]

    @classmethod
    def around(cls, corners: NDArray[np.float64], starts: NDArray[np.int64]) -> Circles:
        """Circles around cells of which vertices are given on the unit sphere.

        Parameters
        ----------
        corners : ndarray of float64
            Vertices of all cells, shape (vertex, 3).
        starts : ndarray of int64
            Where each cell begins, and the number of vertices, shape (cell + 1,).
        """
        counts = np.diff(starts)
        centres = np.add.reduceat(corners, starts[:-1], axis=0) / counts[:, None]
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-300)
        apart = ((corners - np.repeat(centres, counts, axis=0)) ** 2).sum(axis=1)
        radii = np.sqrt(np.maximum.reduceat(apart, starts[:-1]))
        return cls(centres=centres, radii=radii * (1 + 1e-12) + 1e-12)

    @cached_property
    def tree(self) -> KDTree:
        """Of the centres."""
        # Built ten times faster than a balanced one, asked almost as fast.
        return KDTree(self.centres, balanced_tree=False, compact_nodes=False)

    @cached_property
    def widest(self) -> float:
        """Largest radius."""
        return float(self.radii.max(initial=0.0))

    def near(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Circles that meet the part of the earth that places are spread over, ascending.

        A border may stray from between its places by as much as a parallel does from a great
        circle over the whole part.
        """
        places = unit_vectors(longitude, latitude)
        places = places[np.isfinite(places).all(axis=1)]
        middle = places.mean(axis=0) if len(places) else np.zeros(3)
        length = float(np.linalg.norm(middle))
        if not len(places) or not len(self.radii):
            return np.empty(0, np.int64)
        if length < 0.5:
            return np.arange(len(self.radii))
        middle /= length
        reach = float(np.sqrt(((places - middle) ** 2).sum(axis=1).max()))
        highest = float(np.arcsin(np.clip(np.abs(places[:, 2]).max(), 0, 1)))
        reach_of_border = reach**2 / 2 * (1 + np.tan(min(highest, np.radians(89.9))))
        within = reach + reach_of_border + self.widest
        found: NDArray[np.int64] = np.sort(
            np.asarray(self.tree.query_ball_point(middle, within), np.int64)
        )
        apart = np.sqrt(((self.centres[found] - middle) ** 2).sum(axis=1))
        found = found[apart <= reach + reach_of_border + self.radii[found]]
        if within > FLAT or not found.size:
            return found
        beyond = self._beyond_hull(places, middle, found)
        kept: NDArray[np.int64] = found[beyond <= reach_of_border + self.radii[found]]
        return kept

    def _beyond_hull(
        self, places: NDArray[np.float64], middle: NDArray[np.float64], found: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """How far centres lie outside the hull of places, seen from above; at most that far."""
        axes = np.linalg.svd(middle[None])[2][1:]
        try:
            sides = ConvexHull(places @ axes.T).equations
        except QhullError:
            # Fewer than three places, or all in a line.
            return np.zeros(found.size)
        beyond: NDArray[np.float64] = (
            (self.centres[found] @ axes.T) @ sides[:, :2].T + sides[:, 2]
        ).max(axis=1)
        return beyond
