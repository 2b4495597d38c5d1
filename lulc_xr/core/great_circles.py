"""Great circles between vertices: their places, the areas they enclose, what lies inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.ellipsoid import area_up_to
from lulc_xr.core.rotated_pole import Pair, within_half_turn

Array = NDArray[np.float64]
# Nearer to a pole than this, in degrees (0.1 mm), a vertex has no longitude.
AT_POLE = 1e-9


def unit_vectors(longitude: Array, latitude: Array) -> Array:
    """Places in degrees as points of the unit sphere, with one dimension more, of size 3."""
    east, north = np.radians(longitude), np.radians(latitude)
    flat = np.cos(north)
    return np.stack([flat * np.cos(east), flat * np.sin(east), np.sin(north)], axis=-1)


def cut_arcs(longitude: Array, latitude: Array, *, to: Pair, pieces: int) -> Pair:
    """Places on great circles: where each begins, and where it is cut, shape (arc, pieces).

    Parameters
    ----------
    longitude, latitude : ndarray of float64
        Where arcs begin, in degrees, shape (arc,).
    to : tuple of ndarray of float64
        Where they end.
    pieces : int
        Parts of equal chords. An arc is cut at the same places in either direction, bit for bit.
    """
    ends = np.stack([longitude, latitude]), np.stack([to[0], to[1]])
    back = (ends[0][0] > ends[1][0]) | ((ends[0][0] == ends[1][0]) & (ends[0][1] > ends[1][1]))
    first, last = np.where(back, ends[1], ends[0]), np.where(back, ends[0], ends[1])
    a, b = unit_vectors(*first), unit_vectors(*last)
    way = np.arange(pieces) / pieces
    # Seen from the arc's own first end, whichever end the caller begins at.
    way = np.where(back[:, None], 1 - way, way)[..., None]
    x, y, z = np.moveaxis(a[:, None] * (1 - way) + b[:, None] * way, -1, 0)
    east = within_half_turn(np.degrees(np.arctan2(y, x)))
    north = np.degrees(np.arctan2(z, np.hypot(x, y)))
    # A pole that stands for two vertices: from meridian to meridian along it.
    turn = (np.abs(first[1]) >= 90 - AT_POLE) & (np.abs(last[1]) >= 90 - AT_POLE)
    if turn.any():
        span = within_half_turn(last[0] - first[0])[turn, None]
        east[turn] = within_half_turn(first[0][turn, None] + way[turn, :, 0] * span)
        north[turn] = np.sign(first[1][turn, None]) * 90
    east[:, 0], north[:, 0] = longitude, latitude
    return east, north


def polygon_areas(longitude: Array, latitude: Array) -> Array:
    """Area on the ellipsoid of polygons with great circles for edges, in square metres.

    Great circles are those of the sphere that holds the places by their longitude and geodetic
    latitude, as CDO takes them.

    Parameters
    ----------
    longitude, latitude : ndarray of float64
        Vertices in degrees, shape (polygon, vertex), either way round; repeated ones count once.

    Notes
    -----
    The area is what lies between each edge and a parallel, summed up over the edges: an integral
    over the longitude along the edge, taken with six points of Gauss and Legendre.
    """
    corners = unit_vectors(longitude, latitude)
    after = np.roll(corners, -1, axis=1)
    # The turn about the axis, as (x dy - y dx): constant along a chord.
    turn = corners[..., 0] * after[..., 1] - corners[..., 1] * after[..., 0]
    total = np.zeros(len(corners))
    around = np.zeros(len(corners))
    top = np.abs(latitude).max(axis=1) > 75
    middle = corners[..., 2].mean(axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    parts = []
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        x, y, z = np.moveaxis(corners * (1 - node) + after * node, -1, 0)
        flat = x**2 + y**2
        rate = weight * np.divide(turn, flat, out=np.zeros_like(turn), where=flat > 0)
        around += rate.sum(axis=1)
        parts.append((rate, z / np.sqrt(flat + z**2)))
    # Counted from a parallel nearby, so that no digits are lost; from the pole where it is inside
    # or near, since longitude runs fast there.
    level = np.where(top | (np.abs(around) > np.pi), np.sign(middle), middle)
    base = area_up_to(level)[:, None]
    for rate, sine in parts:
        total += (rate * (area_up_to(sine) - base)).sum(axis=1)
    found: Array = np.abs(total)
    return found


def contains(corners: Array, place: Array) -> NDArray[np.bool_]:
    """Whether polygons with great circles for edges hold places.

    Parameters
    ----------
    corners : ndarray of float64
        Vertices on the unit sphere, shape (polygon, vertex, 3); all within 90 degrees of the
        place.
    place : ndarray of float64
        One place on the unit sphere per polygon, shape (polygon, 3).

    Returns
    -------
    ndarray of bool
        A place on an edge is in one of the two polygons that share it.
    """
    # In the plane that touches the sphere at the place great circles are straight. The place is
    # inside if a ray crosses the outline an odd number of times.
    x, y, z = np.moveaxis(place, -1, 0)
    flat = np.hypot(x, y)
    on_axis = flat == 0
    flat = np.where(on_axis, 1, flat)
    east = np.stack([-y / flat, np.where(on_axis, 1, x / flat), np.zeros_like(x)])
    north = np.stack([-z * east[1], z * east[0], np.where(on_axis, 0, flat)])

    def along(axis: Array) -> Array:
        # Products one by one: the same numbers for a vertex in each of its polygons.
        found: Array = sum(corners[..., i] * axis[i][:, None] for i in range(3))
        return found

    depth = along(place.T)
    u, v = along(east) / depth, along(north) / depth
    u_after, v_after = np.roll(u, -1, axis=1), np.roll(v, -1, axis=1)
    crosses = (v > 0) != (v_after > 0)
    # Turned round, an edge changes both signs: its two polygons agree on the crossing, and that
    # there is none at an edge that the place lies on.
    side = (u * v_after - u_after * v) * np.sign(v_after - v) > 0
    found: NDArray[np.bool_] = (crosses & side).sum(axis=1) % 2 == 1
    return found & (depth > 0).all(axis=1)
