"""Longitude and latitude on a sphere whose north pole was moved, as CORDEX rotates them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def rotate(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], *, pole: tuple[float, float]
) -> Pair:
    """Rotated longitude and latitude of places, in degrees.

    Parameters
    ----------
    longitude, latitude : ndarray of float64
        In degrees, of one shape.
    pole : tuple of float
        Longitude and latitude of the rotated north pole. The rotated equator and meridian meet
        at longitude + 180, 90 - latitude (`north_pole_grid_longitude` 0 of CF).

    Returns
    -------
    tuple of ndarray of float64
        Rotated longitude in [-180, 180] and rotated latitude.

    References
    ----------
    CF conventions 1.10, appendix F, "Rotated pole".

    Examples
    --------
    >>> rotate(np.array([18.0]), np.array([50.75]), pole=(-162.0, 39.25))
    (array([0.]), array([0.]))
    """
    return _turn(longitude - (pole[0] + 180), latitude, np.radians(90 - pole[1]))


def unrotate(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], *, pole: tuple[float, float]
) -> Pair:
    """The inverse of :func:`rotate`: longitude in [-180, 180) and latitude, in degrees."""
    east, north = _turn(longitude, latitude, np.radians(pole[1] - 90))
    return within_half_turn(east + (pole[0] + 180)), north


def within_half_turn(longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes in [-180, 180); those that are there already stay as they are, bit for bit."""
    inside = (longitude >= -180) & (longitude < 180)
    found: NDArray[np.float64] = np.where(inside, longitude, (longitude + 180) % 360 - 180)
    return found


def _turn(longitude: NDArray[np.float64], latitude: NDArray[np.float64], angle: float) -> Pair:
    """Places after a turn of the sphere by `angle` in the plane of longitude 0."""
    east, north = np.radians(longitude), np.radians(latitude)
    x, y, z = np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)
    turned = x * np.cos(angle) + z * np.sin(angle)
    up = z * np.cos(angle) - x * np.sin(angle)
    # The arc tangent stays exact near the poles, where the arc sine loses half the digits.
    return np.degrees(np.arctan2(y, turned)), np.degrees(np.arctan2(up, np.hypot(turned, y)))
